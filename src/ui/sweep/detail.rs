//! The runs of the selected row: what each has come to, or why it failed.

use ratatui::Frame;
use ratatui::layout::{Alignment, Margin, Position, Rect};
use ratatui::text::Span;

use super::SweepScreen;
use super::table::put;
use crate::sweep::RunStatus;
use crate::ui::format::{duration, plain, score};
use crate::ui::theme::{Hue, Look};
use crate::ui::widgets::panel::{Title, panel, placeholder};

/// The place of the run at a screen position.
pub(super) fn run_at(screen: &SweepScreen, area: Rect, at: Position) -> Option<usize> {
    let inner = area.inner(Margin::new(1, 1));
    let line = at.y.checked_sub(inner.y).filter(|_| inner.contains(at))?;
    let place = first_visible(screen, usize::from(inner.height)) + usize::from(line);
    (place < screen.runs().len()).then_some(place)
}

fn first_visible(screen: &SweepScreen, lines: usize) -> usize {
    (screen.run + 1).saturating_sub(lines.max(1))
}

pub(super) fn draw(screen: &SweepScreen, frame: &mut Frame, area: Rect, look: &Look) {
    let theme = &look.theme;
    let runs = screen.runs();
    let mut title = Title::named("Runs");
    if let Some(row) = screen.order.get(screen.cursor) {
        title.values.push(Span::styled(plain(&screen.plan.rows[*row].name), theme.bold(theme.text)));
    }
    let inner = panel(frame, area, look, false, title);
    if inner.is_empty() {
        return;
    }
    if runs.is_empty() {
        return placeholder(frame, inner, look, "no runs yet: every run that chooses its value has failed");
    }
    let first = first_visible(screen, usize::from(inner.height));
    for ((place, run), y) in runs.iter().enumerate().skip(first).zip(inner.top()..inner.bottom()) {
        let line = Rect { y, height: 1, ..inner };
        if place == screen.run {
            frame.buffer_mut().set_style(line, theme.marked_line());
            let pointer = if look.ascii { ">" } else { "▌" };
            put(frame, Rect { width: 1, ..line }, Alignment::Left, pointer, theme.bold(theme.accent), look.ascii);
        }
        let (text, hue) = status(screen, *run, look);
        let title = plain(&screen.plan.runs[*run].title);
        // The first row of an equal run gives it its name; here, the tuned value and the seed say enough.
        let row = screen.order.get(screen.cursor).map(|row| screen.plan.rows[*row].name.as_str()).unwrap_or_default();
        let title = title.strip_prefix(row).map_or(title.as_str(), |rest| rest.trim_start_matches(", "));
        let title = title.replace("learning_rate=", "LR ");
        let name = (inner.width * 9 / 20).clamp(12, 34).min(inner.width);
        let left = Rect { x: line.x + 2, width: name.saturating_sub(2), ..line };
        let right = Rect { x: line.x + name + 1, width: inner.width.saturating_sub(name + 1), ..line };
        put(frame, left, Alignment::Left, &title, theme.style(theme.text), look.ascii);
        put(frame, right.intersection(line), Alignment::Left, &text, theme.style(hue), look.ascii);
    }
}

/// What a run has come to, with the colour of its state.
fn status(screen: &SweepScreen, run: usize, look: &Look) -> (String, Hue) {
    let theme = &look.theme;
    let best = |score_of: Option<f64>| score_of.map(|value| format!(", best {}", score(value))).unwrap_or_default();
    match &screen.progress.statuses[run] {
        RunStatus::Pending => ("not started".to_owned(), theme.dim),
        RunStatus::Active(far) if far.steps == 0 => ("starting".to_owned(), theme.accent),
        RunStatus::Active(far) => (format!("step {}/{}{}", far.step, far.steps, best(far.score)), theme.accent),
        RunStatus::Unfinished(far) => {
            (format!("unfinished: step {}/{}{}", far.step, far.steps, best(far.score)), theme.paused)
        }
        RunStatus::Done(result) => {
            let (metric, time) = (plain(&result.metric), duration(result.seconds));
            (format!("{metric} {} at step {}, {time}", score(result.score), result.best_step), theme.evaluation)
        }
        RunStatus::Failed { error } => (format!("failed: {}", plain(error)), theme.error),
    }
}
