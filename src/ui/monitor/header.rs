//! The header of the monitor: tabs, model and data, state and progress.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::health;
use super::scene::Scene;
use super::status::RunStatus;
use super::view::Tab;
use crate::protocol::Level;
use crate::ui::format::{duration, grouped, plain, truncated, width};
use crate::ui::replay::Pace;
use crate::ui::theme::{Hue, Look};
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::sides::sides;

/// Columns of the shortest progress bar, and of the spaces around its text.
const BAR: usize = 12;

/// Cells of a name that is cut.
const SHORTEST_NAME: usize = 6;

/// Lines that [`draw`] needs.
pub(super) const HEIGHT: u16 = 2;

pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    let line = |number: u16| Rect { y: area.y + number, height: 1, ..area };
    let theme = &scene.look.theme;
    let mut tabs = Line::from(" ");
    for (number, (tab, name)) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == scene.view.tab { theme.bold(theme.text).underlined() } else { theme.style(theme.dim) };
        tabs.push_span(if number > 0 { "  " } else { "" });
        tabs.push_span(Span::styled(format!("{}", number + 1), theme.style(theme.accent)));
        tabs.push_span(" ");
        tabs.push_span(Span::styled(name, style));
    }
    let subject = Line::styled(subject(scene), theme.style(theme.dim));
    if tabs.width() + subject.width() <= usize::from(area.width) {
        sides(frame, line(0), tabs, subject, scene.look.ascii);
    } else {
        frame.render_widget(cut(tabs, usize::from(area.width), scene.look.ascii), line(0));
    }
    let beside = health::draw_count(frame, line(1), scene);
    progress(frame, beside, scene);
}

/// The areas of the tabs' names.
pub(super) fn tabs(header: Rect) -> Vec<Rect> {
    let mut x = header.x + 1;
    let mut place = |(_, name): (Tab, &str)| {
        let area = Rect { x, width: name.len() as u16 + 2, height: 1, ..header };
        x += name.len() as u16 + 4;
        area
    };
    Tab::ALL.into_iter().map(&mut place).collect()
}

/// Where the run on the monitor comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    Own,
    Attached,
    /// A recorded run, at a pace if it is played.
    Replay(Option<Pace>),
}

/// The run's name and state in at most `room` cells, for the first line of the screen. Where there is no room for both, a
/// live run keeps its state, and a replay says that it is one.
pub(super) fn headline(status: &RunStatus, source: Source, room: usize, look: &Look) -> Line<'static> {
    let theme = &look.theme;
    let line = |before: &str, name: String, state: &str| {
        Line::from(vec![
            Span::styled(before.to_owned(), theme.style(theme.dim)),
            Span::styled(name, theme.style(theme.text)),
            Span::styled(state.to_owned(), theme.bold(status.hue)),
        ])
    };
    let shortest = width(&status.name).min(SHORTEST_NAME);
    let named = |before: &str, state: &str| {
        let room = room.saturating_sub(width(before) + width(state));
        let fits = shortest > 0 && room >= shortest;
        fits.then(|| line(before, truncated(&status.name, room, look.ascii), state))
    };
    let state = format!("  {} {} ", if look.ascii { "*" } else { "●" }, status.word);
    let live = |before| named(before, &state).or_else(|| named("", &state));
    let headline = match source {
        Source::Own => live("").unwrap_or_else(|| line("", String::new(), state.trim_start())),
        Source::Attached => live("attached to ").unwrap_or_else(|| line("", String::new(), state.trim_start())),
        Source::Replay(pace) => {
            let replay = match pace {
                None => "replay".to_owned(),
                Some(Pace { paused: true, .. }) => "replay paused".to_owned(),
                Some(Pace { speed, .. }) => format!("replay {speed}x"),
            };
            let of = format!("{replay} of ");
            let named = named(&of, &state).or_else(|| named(&of, " "));
            named.unwrap_or_else(|| line(&format!("{replay} "), String::new(), ""))
        }
    };
    cut(headline, room, look.ascii)
}

/// What stands between facts in a line.
fn separator(scene: Scene) -> &'static str {
    if scene.look.ascii { " | " } else { " · " }
}

/// Model, data, device and selection in one line.
fn subject(scene: Scene) -> String {
    let Some(started) = &scene.run.started else { return String::new() };
    let selection = match started.method_words() {
        Some(method) => method,
        None if scene.run.selected.as_ref().is_some_and(|selected| selected.total == 0) => "head only".to_owned(),
        None => format!("{} % by {}", crate::ui::format::number(started.rate * 100.0), plain(&started.selection())),
    };
    let (model, data) = (plain(&started.model), plain(&started.data));
    let product = scene.run.system.as_ref().and_then(|system| system.gpu.as_ref()).map(|gpu| gpu.name.as_str());
    let device = plain(&format!("{} {}", started.devices(product), started.dtype));
    [format!("{model} on {data}"), device, selection].join(separator(scene)) + " "
}

/// Draws the latest log line.
pub(super) fn draw_log_line(frame: &mut Frame, area: Rect, scene: Scene) {
    if let Some(line) = scene.run.log.back() {
        let style = scene.look.theme.style(level_hue(scene, line.level));
        let text = truncated(&format!(" {}", line.text), usize::from(area.width), scene.look.ascii);
        frame.render_widget(Line::styled(text, style), area);
    }
}

pub(super) fn level_hue(scene: Scene, level: Level) -> Hue {
    let theme = &scene.look.theme;
    match level {
        Level::Info => theme.dim,
        Level::Warning => theme.warning,
        Level::Error => theme.error,
    }
}

/// The progress bar of the run, or before its first step that of the task under way, such as a download.
fn progress(frame: &mut Frame, area: Rect, scene: Scene) {
    let run = &scene.run;
    let task = run.task.as_ref().filter(|_| run.end.is_none());
    let (share, text) = if let Some(task) = task.filter(|_| run.step.is_none()) {
        let share = if task.total == 0 { 0.0 } else { task.done as f64 / task.total as f64 };
        let amount =
            |number: u64| if task.unit == "bytes" { crate::ui::format::bytes(number as f64) } else { grouped(number) };
        let unit = if task.unit == "bytes" { String::new() } else { format!(" {}", task.unit) };
        let total = if task.total == 0 { String::new() } else { format!("/{}", amount(task.total)) };
        (share, format!("{} {}{total}{unit}", plain(&task.task), amount(task.done)))
    } else if let (Some(started), step) = (&run.started, &run.step) {
        let done = step.as_ref().map_or(0, |step| step.step);
        let share = done as f64 / started.steps.max(1) as f64;
        let mut parts = vec![format!("step {}/{}", grouped(done), grouped(started.steps))];
        if let Some(step) = step {
            parts.push(format!("epoch {:.2}/{}", step.epoch, trimmed(started.epochs)));
            parts.push(crate::ui::format::progress(share));
            parts.push(duration(step.elapsed));
            parts.extend(step.eta.filter(|_| run.end.is_none()).map(|eta| format!("{} left", duration(eta))));
        }
        parts.extend(run.patience.map(|patience| patience.to_string()));
        let joined = |parts: &[String]| parts.join(separator(scene));
        // Where there is no room for a bar beside them, the percentage goes first, which the bar shows too, then the epoch.
        for part in [2, 1] {
            if parts.len() > 3 && width(&joined(&parts)) + BAR > usize::from(area.width) {
                parts.remove(part);
            }
        }
        (share, joined(&parts))
    } else {
        (0.0, String::new())
    };
    bar(frame, area, scene, share, &format!(" {text} "));
}

/// A bar with text to its right.
fn bar(frame: &mut Frame, area: Rect, scene: Scene, share: f64, text: &str) {
    let theme = &scene.look.theme;
    let text = truncated(text, usize::from(area.width), scene.look.ascii);
    let room = usize::from(area.width).saturating_sub(width(&text) + 1);
    let full = (room as f64 * share.clamp(0.0, 1.0)).round() as usize;
    let (done, left) = if scene.look.ascii { ("=", "-") } else { ("━", "━") };
    let line = Line::from(vec![
        Span::raw(" "),
        Span::styled(done.repeat(full), theme.style(theme.bar)),
        Span::styled(left.repeat(room - full), theme.style(theme.track)),
        Span::styled(text, theme.style(theme.text)),
    ]);
    frame.render_widget(line, area);
}

/// Up to two decimals: `2`, `1.5`.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
