//! The strip: a run in a terminal that is too small for a screen, in as many lines as there are, down to one cell.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::format::{duration, number, progress, truncated, width, wrapped_at_most};
use super::keymap::{Action, AppAction, Context};
use super::monitor::{Monitor, RunStatus};
use super::scene::Scene;
use super::screen::Screen;
use super::theme::Look;
use super::widgets::spark::spark;

/// The least columns and rows of the loss chart; below, there is a sparkline.
const CHART: (u16, u16) = (24, 6);

/// Draws the run on the monitor or else the live run; without one, what is selected at Home.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene) {
    let (ascii, theme) = (scene.look.ascii, &scene.look.theme);
    if let Some(overlay) = scene.overlay {
        return draw_overlay(frame, area, scene, &overlay.in_short(&scene.below_overlay(area)));
    }
    let run = if scene.place.screen == Screen::Monitor { scene.place.monitor } else { scene.place.live };
    let Some(run) = run else {
        let text = |text: &str, hue| Line::styled(cut(text, area, ascii), theme.style(hue));
        let preset = scene.place.home.selected().map(|name| format!("{name} selected at Home"));
        let lines = [
            text(preset.as_deref().unwrap_or("no run yet"), theme.text),
            last_line(scene, area),
            text("finesift", theme.dim),
        ];
        return rows(area).zip(lines).for_each(|(row, line)| frame.render_widget(line, row));
    };
    let status = run.status(scene.look);
    let mut lines = lines(run, &status, area, scene.look);
    let mut below = Rect { height: 0, ..area };
    if area.height > 3 {
        lines.truncate(usize::from(area.height) - 1);
        let used = lines.len() as u16;
        below = Rect { y: area.y + used, height: area.height - used - 1, ..area };
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        frame.render_widget(last_line(scene, area), last);
    }
    if below.width >= CHART.0 && below.height >= CHART.1 {
        // The chart has the loss.
        lines.pop();
        run.draw_loss(frame, Rect { y: below.y - 1, height: below.height + 1, ..below }, scene.look);
    }
    rows(area).zip(lines).for_each(|(row, line)| frame.render_widget(line, row));
}

/// Draws what waits for an answer, a line each; in fewer lines, one after the other.
fn draw_overlay(frame: &mut Frame, area: Rect, scene: &Scene, lines: &[String]) {
    let (theme, height) = (&scene.look.theme, usize::from(area.height));
    let lines = match lines.len() > height {
        true => wrapped_at_most(&lines.join("  "), usize::from(area.width), height, scene.look.ascii),
        false => lines.to_owned(),
    };
    for (row, line) in rows(area).zip(lines) {
        let text = cut(&line, area, scene.look.ascii);
        frame.render_widget(Line::styled(text, theme.style(theme.warning)), row);
    }
}

fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    (area.top()..area.bottom()).map(move |y| Rect { y, height: 1, ..area })
}

fn cut(text: &str, area: Rect, ascii: bool) -> String {
    truncated(text, usize::from(area.width), ascii)
}

/// The run in one line, in two, or in three.
fn lines(run: &Monitor, status: &RunStatus, area: Rect, look: &Look) -> Vec<Line<'static>> {
    let theme = &look.theme;
    let RunStatus { sign, word, hue, name, .. } = status;
    let done = status.share.map(progress);
    let left = status.left.map(|left| format!("{} left", duration(left)));
    let room = usize::from(area.width);
    if area.height < 2 {
        let parts = [Some((*sign).to_owned()), Some(done.unwrap_or_else(|| word.clone())), left];
        return vec![with_loss(run, fitting(parts, room, look.ascii), room, look)];
    }
    let state = format!("{sign} {word}");
    let name = truncated(name, room.saturating_sub(width(&state) + 2), look.ascii);
    let state = Line::from(vec![
        Span::styled(truncated(&state, room, look.ascii), theme.bold(*hue)),
        Span::styled(if name.is_empty() { name } else { format!("  {name}") }, theme.style(theme.text)),
    ]);
    if area.height == 2 {
        return vec![state, with_loss(run, fitting([done, left], room, look.ascii), room, look)];
    }
    vec![state, bar(status, left, room, look), with_loss(run, String::new(), room, look)]
}

/// The first of these parts, and as many more as there is room for.
fn fitting(parts: impl IntoIterator<Item = Option<String>>, room: usize, ascii: bool) -> String {
    let mut parts = parts.into_iter().flatten();
    let mut text = truncated(&parts.next().unwrap_or_default(), room, ascii);
    for part in parts {
        if width(&text) + 1 + width(&part) > room {
            break;
        }
        text += &format!(" {part}");
    }
    text
}

/// A bar with steps, percentage and time left, as many of them as leave room for it.
fn bar(status: &RunStatus, left: Option<String>, room: usize, look: &Look) -> Line<'static> {
    let theme = &look.theme;
    let done = status.share.map(progress);
    let steps = status.steps.map(|(taken, of)| format!("{taken}/{of}"));
    let joined = |parts: &[&Option<String>]| parts.iter().copied().flatten().cloned().collect::<Vec<_>>().join(" ");
    let texts = [joined(&[&steps, &done, &left]), joined(&[&done, &left]), joined(&[&done])];
    let text = texts.iter().find(|text| width(text) + 9 <= room).or(texts.last());
    let text = truncated(text.map_or("", String::as_str), room, look.ascii);
    let cells = room.saturating_sub(width(&text) + 1);
    let full = (cells as f64 * status.share.unwrap_or(0.0)).round() as usize;
    let (full_cell, empty_cell) = if look.ascii { ("=", "-") } else { ("━", "━") };
    let gap = if cells > 0 && !text.is_empty() { " " } else { "" };
    Line::from(vec![
        Span::styled(full_cell.repeat(full.min(cells)), theme.style(theme.bar)),
        Span::styled(empty_cell.repeat(cells.saturating_sub(full)), theme.style(theme.track)),
        Span::styled(format!("{gap}{text}"), theme.style(theme.text)),
    ])
}

/// A text, and behind it the latest loss and its curve where they fit.
fn with_loss(run: &Monitor, text: String, room: usize, look: &Look) -> Line<'static> {
    let theme = &look.theme;
    let loss = run.run.step.as_ref().map(|step| format!("loss {}", number(step.loss)));
    let before = if text.is_empty() { "" } else { " " };
    let loss = loss.filter(|loss| width(&text) + width(loss) + before.len() <= room);
    let used = width(&text) + loss.as_ref().map_or(0, |loss| width(loss) + before.len());
    let columns = room.saturating_sub(used + 1);
    // Shorter curves say nothing.
    let curve = if columns < 4 { Vec::new() } else { run.run.mean_loss.columns(columns) };
    let mut line = Line::from(Span::styled(text, theme.style(theme.text)));
    if let Some(loss) = loss {
        line.push_span(Span::styled(format!("{before}{loss}"), theme.bold(theme.loss)));
    }
    if !curve.is_empty() {
        line.push_span(Span::styled(format!(" {}", spark(&curve, look.ascii)), theme.style(theme.loss)));
    }
    line
}

/// The latest toast, or the keys.
fn last_line(scene: &Scene, area: Rect) -> Line<'static> {
    let theme = &scene.look.theme;
    let (text, hue) = match scene.toasts.latest() {
        Some(toast) => (toast.to_owned(), theme.text),
        None => (keys(scene), theme.dim),
    };
    Line::styled(cut(&text, area, scene.look.ascii), theme.style(hue))
}

/// The keys that work without seeing more.
fn keys(scene: &Scene) -> String {
    let pausing = scene.place.screen == Screen::Monitor && scene.place.monitor.is_some_and(Monitor::at_work);
    let wanted = [
        (
            Action::PauseOrResume,
            if scene.place.monitor.is_some_and(|run| run.run.held) { "resume" } else { "pause" },
            pausing,
        ),
        (Action::Launch, "launch", scene.place.live.is_none()),
        (Action::App(AppAction::Show(Screen::Monitor)), "monitor", !pausing && scene.place.live.is_some()),
        (Action::App(AppAction::Quit), "quit", true),
    ];
    let key = |(action, word, shown): (Action, &str, bool)| {
        let mut lines = scene.keymap.lines(Context::from(scene.place.screen)).filter(|_| shown);
        lines.find(|(binding, _)| binding.action == action).map(|(_, keys)| format!("{} {word}", keys[0].name()))
    };
    wanted.into_iter().filter_map(key).collect::<Vec<_>>().join("  ")
}
