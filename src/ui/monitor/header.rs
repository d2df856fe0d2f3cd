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
use crate::ui::theme::{Hue, Look};
use crate::ui::widgets::sides::sides;

/// Columns of the shortest progress bar, and of the spaces around its text.
const BAR: usize = 12;

/// Lines that [`draw`] needs.
pub(super) const HEIGHT: u16 = 2;

pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    let line = |number: u16| Rect { y: area.y + number, height: 1, ..area };
    let theme = &scene.look.theme;
    let mut tabs = Line::from(" ");
    for (number, (tab, name)) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == scene.view.tab { theme.bold(theme.text).underlined() } else { theme.style(theme.dim) };
        tabs.push_span(Span::styled(format!("{}", number + 1), theme.style(theme.accent)));
        tabs.push_span(" ");
        tabs.push_span(Span::styled(name, style));
        tabs.push_span("  ");
    }
    let subject = Line::styled(subject(scene), theme.style(theme.dim));
    if tabs.width() + subject.width() <= usize::from(area.width) {
        sides(frame, line(0), tabs, subject);
    } else {
        frame.render_widget(tabs, line(0));
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

/// The run's name and state in at most `room` cells, for the first line of the screen. The state stays whole as long as
/// there is room for it; the name ends with an ellipsis.
pub(super) fn headline(status: &RunStatus, before: &str, room: usize, look: &Look) -> Line<'static> {
    let theme = &look.theme;
    let dot = if look.ascii { "*" } else { "●" };
    let state = truncated(&format!("{dot} {} ", status.word), room, look.ascii);
    let room = room.saturating_sub(width(&state));
    // Without room for some cells of the name, its ellipsis says nothing.
    let before = if width(before) + 10 > room { "" } else { before };
    let name = if room < 6 { String::new() } else { truncated(&status.name, room - 2 - width(before), look.ascii) };
    let gap = if name.is_empty() { "" } else { "  " };
    Line::from(vec![
        Span::styled(if name.is_empty() { String::new() } else { before.to_owned() }, theme.style(theme.dim)),
        Span::styled(format!("{name}{gap}"), theme.style(theme.text)),
        Span::styled(state, theme.bold(status.hue)),
    ])
}

/// Model, data, device and selection in one line.
fn subject(scene: Scene) -> String {
    let Some(started) = &scene.run.started else { return String::new() };
    let selection = if scene.run.selected.as_ref().is_some_and(|selected| selected.total == 0) {
        "head only".to_owned()
    } else {
        format!("{} % by {}", crate::ui::format::number(started.rate * 100.0), started.select)
    };
    let (model, data) = (plain(&started.model), plain(&started.data));
    format!("{model} on {data} · {} {} · {selection} ", started.device, started.dtype)
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
        let joined = |parts: &[String]| parts.join(if scene.look.ascii { " | " } else { " · " });
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
