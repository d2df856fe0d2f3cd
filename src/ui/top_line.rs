//! The first line of every screen: the screens' names, the run on the monitor, and at the right the run pill.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::frames::NAME;
use super::pill::Pill;
use super::scene::Scene;
use super::screen::Screen;

/// Cells between the parts.
const GAP: usize = 2;

/// Cells that a replay gets beside the pill at least.
const REPLAY: usize = 18;

/// The parts of the line.
struct Parts {
    screens: Line<'static>,
    /// The run on the monitor.
    headline: Line<'static>,
    pill: Line<'static>,
}

pub fn draw(frame: &mut Frame, top: Rect, scene: &Scene) {
    let Parts { screens, headline, pill } = parts(top, scene);
    let pill_area = at_right(top, pill.width());
    let before = if pill_area.width > 0 { pill_area.width + GAP as u16 } else { 0 };
    let headline_area = at_right(Rect { width: top.width.saturating_sub(before), ..top }, headline.width());
    frame.render_widget(screens, top);
    frame.render_widget(headline, headline_area);
    frame.render_widget(pill, pill_area);
}

/// Whether a position is on the pill.
pub fn is_on_pill(top: Rect, scene: &Scene, at: Position) -> bool {
    at_right(top, parts(top, scene).pill.width()).contains(at)
}

fn at_right(line: Rect, width: usize) -> Rect {
    let width = u16::try_from(width).unwrap_or(u16::MAX).min(line.width);
    Rect { x: line.right() - width, width, ..line }
}

fn parts(top: Rect, scene: &Scene) -> Parts {
    let screens = screens(scene);
    let room = usize::from(top.width).saturating_sub(screens.width() + GAP);
    let live = scene.place.live.map(|live| (live, live.status(scene.look)));
    let pill = |room: usize| match &live {
        Some((live, status)) => {
            let folder = live.files.as_ref().map(|files| files.folder.as_path());
            // Only there is the list of runs up to date.
            let others = if scene.place.screen == Screen::Runs { scene.place.runs.other_active(folder) } else { 0 };
            let mut line = Pill { status, attached: live.attached, others }.line(room.saturating_sub(1), scene.look);
            if line.width() > 0 {
                line.push_span(" ");
            }
            line
        }
        None => Line::default(),
    };
    match scene.place.monitor.filter(|_| scene.place.screen == Screen::Monitor) {
        // The live run is in front: its header says all that the pill would.
        Some(monitor) if monitor.live => {
            Parts { screens, headline: monitor.headline(scene.look, room), pill: Line::default() }
        }
        Some(monitor) => {
            let replay = monitor.headline(scene.look, room).width().min(REPLAY.max(room / 3));
            let pill = pill(room.saturating_sub(replay + GAP));
            let before = if pill.width() > 0 { pill.width() + GAP } else { 0 };
            Parts { screens, headline: monitor.headline(scene.look, room.saturating_sub(before)), pill }
        }
        None => Parts { screens, headline: Line::default(), pill: pill(room) },
    }
}

fn screens(scene: &Scene) -> Line<'static> {
    let theme = &scene.look.theme;
    let mut line = Line::from(Span::styled(NAME, theme.bold(theme.accent)));
    for screen in scene.place.screens() {
        let style = if screen == scene.place.screen { theme.bold(theme.text) } else { theme.style(theme.dim) };
        line.push_span(Span::styled(format!(" {} ", screen.name()), style));
    }
    line
}
