//! The first lines of the monitor: which run, in what state, how far. And its last: what was said, which keys there are.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::protocol::{Level, Phase, Reason};
use crate::ui::app::App;
use crate::ui::format::{duration, grouped, plain};
use crate::ui::keymap::{Action, BINDINGS};
use crate::ui::run::End;
use crate::ui::theme::Hue;

/// Lines that [`draw`] takes.
pub const HEIGHT: u16 = 3;

/// Draws name and state, what is trained on what, and how far it is.
pub fn draw(frame: &mut Frame, area: Rect, app: &App) {
    let line = |number: u16| Rect { y: area.y + number, height: 1, ..area };
    let theme = &app.look.theme;
    let started = app.run.started.as_ref();

    let (word, hue) = state(app);
    let dot = if app.look.ascii { "*" } else { "●" };
    let name = started.map_or("finesift".to_owned(), |started| plain(&started.run));
    let left = Line::from(vec![
        Span::styled(" finesift ", theme.bold(theme.accent)),
        Span::styled(name, theme.bold(theme.text)),
    ]);
    sides(frame, line(0), left, Line::styled(format!("{dot} {word} "), theme.bold(hue)));

    if let Some(started) = started {
        let by = if app.run.selected.as_ref().is_some_and(|selected| selected.total == 0) {
            "head only".to_owned()
        } else {
            format!("{} % by {}", crate::ui::format::number(started.rate * 100.0), started.select)
        };
        let parts = [
            plain(&started.model),
            "on".into(),
            plain(&started.data),
            "·".into(),
            started.device.clone(),
            started.dtype.clone(),
            "·".into(),
            by,
        ];
        let left = Line::styled(format!(" {}", parts.join(" ")), theme.style(theme.text));
        let right = format!("{} examples, {} held out ", grouped(started.examples), grouped(started.eval_examples));
        sides(frame, line(1), left, Line::styled(right, theme.style(theme.dim)));
    } else {
        frame.render_widget(Line::styled(" getting ready", theme.style(theme.dim)), line(1));
    }
    progress(frame, line(2), app);
}

/// Draws the last thing that was said.
pub fn draw_log_line(frame: &mut Frame, area: Rect, app: &App) {
    if let Some((level, message)) = app.run.log.back() {
        frame.render_widget(Line::styled(format!(" {message}"), app.look.theme.style(level_hue(app, *level))), area);
    }
}

/// The colour of a log line.
pub fn level_hue(app: &App, level: Level) -> Hue {
    let theme = &app.look.theme;
    match level {
        Level::Info => theme.dim,
        Level::Warning => theme.warning,
        Level::Error => theme.error,
    }
}

/// Draws the keys, as many as there is room for.
pub fn draw_footer(frame: &mut Frame, area: Rect, app: &App) {
    let theme = &app.look.theme;
    let ended = app.run.end.is_some();
    let mut line = Line::default();
    for binding in BINDINGS.iter().filter(|binding| !binding.short.is_empty()) {
        let word = match binding.action {
            Action::PauseOrResume if app.run.phase == Some(Phase::Paused) => "resume",
            Action::Enter if app.view.full => continue,
            Action::PauseOrResume | Action::Checkpoint | Action::Evaluate | Action::StopAndSave if ended => continue,
            Action::Quit if ended => "leave",
            _ => binding.short,
        };
        let key = format!(" {}", binding.keys[0].name());
        let word = format!(" {word} ");
        if line.width() + key.len() + word.len() > usize::from(area.width) {
            break;
        }
        line.push_span(Span::styled(key, theme.bold(theme.accent)));
        line.push_span(Span::styled(word, theme.style(theme.dim)));
    }
    frame.render_widget(line, area);
}

/// The state in a word or two, as the trainer confirmed it.
fn state(app: &App) -> (String, Hue) {
    let theme = &app.look.theme;
    if let Some(end) = &app.run.end {
        return match end {
            End::Finished(finished) if finished.reason == Reason::Completed => ("completed".into(), theme.good),
            End::Finished(_) => ("stopped".into(), theme.paused),
            End::Failed(..) => ("failed".into(), theme.error),
        };
    }
    if let Some(asked) = app.asked {
        return (asked.into(), theme.paused);
    }
    match app.run.phase {
        None | Some(Phase::Preparing) => ("preparing".into(), theme.accent),
        Some(Phase::Selecting) => ("selecting components".into(), theme.accent),
        Some(Phase::Training) => ("training".into(), theme.good),
        Some(Phase::Evaluating) => ("evaluating".into(), theme.accent),
        Some(Phase::Checkpointing) => ("writing a checkpoint".into(), theme.accent),
        Some(Phase::Paused) => ("paused".into(), theme.paused),
    }
}

/// The bar: of the run, or of the long task that it waits for.
fn progress(frame: &mut Frame, area: Rect, app: &App) {
    let run = &app.run;
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
            parts.push(format!("{:.0} %", share * 100.0));
            parts.push(duration(step.elapsed));
            parts.extend(step.eta.filter(|_| run.end.is_none()).map(|eta| format!("{} left", duration(eta))));
        }
        (share, parts.join(if app.look.ascii { " | " } else { " · " }))
    } else {
        (0.0, String::new())
    };
    bar(frame, area, app, share, &format!(" {text} "));
}

/// A bar with its text behind.
fn bar(frame: &mut Frame, area: Rect, app: &App, share: f64, text: &str) {
    let theme = &app.look.theme;
    let width = usize::from(area.width).saturating_sub(text.chars().count() + 1);
    let full = (width as f64 * share.clamp(0.0, 1.0)).round() as usize;
    let (done, left) = if app.look.ascii { ("=", "-") } else { ("━", "━") };
    let line = Line::from(vec![
        Span::raw(" "),
        Span::styled(done.repeat(full), theme.style(theme.bar)),
        Span::styled(left.repeat(width - full), theme.style(theme.track)),
        Span::styled(text.to_owned(), theme.style(theme.text)),
    ]);
    frame.render_widget(line, area);
}

/// Two texts at the sides of a line; the left one gives way.
pub fn sides(frame: &mut Frame, area: Rect, left: Line, right: Line) {
    let right_width = (right.width() as u16).min(area.width);
    let left_area = Rect { width: area.width.saturating_sub(right_width + 1), ..area };
    if left_area.width as usize >= left.width().min(20) {
        frame.render_widget(left, left_area);
        frame.render_widget(right, Rect { x: area.right() - right_width, width: right_width, ..area });
    } else {
        frame.render_widget(left, area);
    }
}

/// 2 as `2`, 1.5 as `1.5`.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
