//! What the checks have found about the run on the monitor: when they are made, and their badges.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::scene::Scene;
use crate::protocol::Level;
use crate::runs::History;
use crate::runs::health::{Check, Verdict, assess};
use crate::ui::format::width;
use crate::ui::theme::{Hue, Look};

/// At the beginning of a run the checks are made after every event. Later once in a share of the events so far, since one
/// more says little; and at most after this many, so that what they find is not late.
const SHARE: u64 = 1024;
const MOST: u64 = 256;

/// The smallest screen with a line of badges; a smaller one has a count beside the progress.
const LINE: (u16, u16) = (70, 18);

/// The verdicts on a run.
#[derive(Default)]
pub(super) struct Health {
    pub(super) verdicts: Vec<Verdict>,
    /// Events so far, and those since the checks were made.
    events: u64,
    pending: u64,
    /// Index of the verdict under the cursor, while they are listed.
    pub(super) listed: Option<usize>,
}

impl Health {
    /// Notes an event that was applied to the run.
    pub(super) fn on_event(&mut self) {
        self.events += 1;
        self.pending += 1;
    }

    /// Whether the checks are to be made after this event.
    pub(super) fn is_due(&self, run: &History) -> bool {
        self.pending >= (self.events / SHARE).clamp(1, MOST) || run.end.is_some()
    }

    /// Makes the checks, if there were events since the last time.
    pub(super) fn assess(&mut self, run: &History) {
        if self.pending > 0 {
            self.pending = 0;
            self.verdicts = assess(run);
        }
    }

    /// Lines of badges on a screen of this area.
    pub(super) fn lines(&self, area: Rect) -> u16 {
        u16::from(!self.verdicts.is_empty() && area.width >= LINE.0 && area.height >= LINE.1)
    }

    /// The index of the badge at a position of their line.
    pub(super) fn badge_at(&self, at: Position, line: Rect) -> Option<usize> {
        let areas = badge_areas(&self.verdicts, line);
        areas.iter().position(|area| area.contains(at)).or_else(|| line.contains(at).then_some(areas.len()))
    }
}

/// Draws the badges in one line: as many as there is room for, and how many more there are.
pub(super) fn draw(frame: &mut Frame, line: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let verdicts = scene.verdicts;
    let areas = badge_areas(verdicts, line);
    for (verdict, area) in verdicts.iter().zip(&areas) {
        frame.render_widget(badge(scene.look, verdict), *area);
    }
    let shown = areas.iter().filter(|area| !area.is_empty()).count();
    let more = if shown < verdicts.len() { format!("+{}  ", verdicts.len() - shown) } else { String::new() };
    let hint = Line::from(vec![
        Span::styled(more, theme.bold(theme.warning)),
        Span::styled("!", theme.bold(theme.accent)),
        Span::styled(" details ", theme.style(theme.dim)),
    ]);
    frame.render_widget(hint.right_aligned(), line);
}

/// Draws the number of badges at the right end of a line, where they have no line of their own. Returns the rest.
pub(super) fn draw_count(frame: &mut Frame, line: Rect, scene: Scene) -> Rect {
    let verdicts = scene.verdicts;
    let Some(worst) = verdicts.iter().max_by_key(|verdict| verdict.level).filter(|_| !scene.badges) else {
        return line;
    };
    let theme = &scene.look.theme;
    let sign = if scene.look.ascii { "!" } else { "⚠" };
    let text = format!("{} {sign} ", verdicts.len());
    let taken = (width(&text) as u16).min(line.width);
    let count = Span::styled(text, theme.bold(level_hue(scene.look, worst.level)));
    frame.render_widget(count, Rect { x: line.right() - taken, width: taken, ..line });
    Rect { width: line.width - taken, ..line }
}

/// The sign and the words of a verdict.
pub(super) fn badge(look: &Look, verdict: &Verdict) -> Line<'static> {
    let theme = &look.theme;
    let hue = level_hue(look, verdict.level);
    let words = if look.ascii { verdict.badge.clone() } else { verdict.badge.replace("->", "→") };
    Line::from(vec![
        Span::styled(format!("{} ", sign(look, verdict.check)), theme.bold(hue)),
        Span::styled(words, theme.style(hue)),
    ])
}

fn level_hue(look: &Look, level: Level) -> Hue {
    match level {
        Level::Info => look.theme.accent,
        Level::Warning => look.theme.warning,
        Level::Error => look.theme.error,
    }
}

/// One cell wide.
fn sign(look: &Look, check: Check) -> &'static str {
    match (look.ascii, check) {
        (true, Check::Divergence | Check::RankNotResponding) => "x",
        (true, _) => "!",
        (_, Check::Divergence) => "✖",
        (_, Check::LossSpike) => "▲",
        (_, Check::Plateau) => "◔",
        (_, Check::Overfitting) => "◆",
        (_, Check::Clipping) => "▬",
        (_, Check::GradientMass) => "▽",
        (_, Check::RankNotResponding) => "○",
        (_, Check::Straggler) => "◀",
        (_, Check::GpuWaiting) => "◷",
        (_, Check::Throughput) => "▼",
        (_, Check::DiskFilling) => "▣",
    }
}

/// The areas of the badges, two cells apart; empty for those without room before the hint at the end.
fn badge_areas(verdicts: &[Verdict], line: Rect) -> Vec<Rect> {
    const HINT: u16 = 15;
    let end = line.right().saturating_sub(HINT);
    let (mut x, mut full) = (line.x + 1, false);
    let mut place = |verdict: &Verdict| {
        let width = 2 + verdict.badge.chars().count() as u16;
        full |= x + width > end;
        if full {
            return Rect::ZERO;
        }
        let area = Rect { x, width, height: line.height, y: line.y };
        x += width + 2;
        area
    };
    verdicts.iter().map(&mut place).collect()
}
