//! What is around every screen: the first line with the screens, the last with the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::app::{App, Frames, LEAST, Screen};
use super::keymap::{Action, Context};
use super::monitor;

const NAME: &str = " finesift ";

/// Draws everything.
pub fn draw(frame: &mut Frame, app: &App) {
    let area = frame.area();
    let theme = &app.look.theme;
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let notice = format!("finesift needs {} x {}", LEAST.0, LEAST.1);
        frame.render_widget(Line::styled(notice, theme.style(theme.warning)), area);
        return theme.paint(area, frame.buffer_mut());
    }
    let frames = Frames::of(area);
    draw_top(frame, frames.top, app);
    match app.screen {
        Screen::Home => app.home.draw(frame, frames.body, &app.look),
        Screen::Runs => app.runs.draw(frame, frames.body, &app.look),
        Screen::Monitor => {
            if let Some(monitor) = app.monitor() {
                monitor.draw(frame, frames.body, &app.look);
            }
        }
    }
    draw_footer(frame, frames.footer, app);
    app.toasts.draw(frame, frames.body, &app.look);
    if let Some(overlay) = &app.overlay {
        overlay.draw(frame, frames.body, app);
    }
    theme.paint(area, frame.buffer_mut());
}

/// Where the names of the screens are in the first line.
pub fn screens(top: Rect) -> Vec<(Screen, Rect)> {
    let mut x = top.x + NAME.len() as u16;
    let mut place = |(screen, name): (Screen, &str)| {
        let area = Rect { x, y: top.y, width: name.len() as u16 + 2, height: 1 }.intersection(top);
        x += name.len() as u16 + 2;
        (screen, area)
    };
    Screen::ALL.into_iter().map(&mut place).collect()
}

fn draw_top(frame: &mut Frame, top: Rect, app: &App) {
    let theme = &app.look.theme;
    let mut left = Line::from(Span::styled(NAME, theme.bold(theme.accent)));
    for (screen, name) in Screen::ALL {
        let style = if screen == app.screen { theme.bold(theme.text) } else { theme.style(theme.dim) };
        left.push_span(Span::styled(format!(" {name} "), style));
    }
    let right = app.monitor().map(|monitor| monitor.headline(&app.look)).unwrap_or_default();
    monitor::sides(frame, top, left, right);
}

/// The keys that count, as many as there is room for; help and the way out always.
fn draw_footer(frame: &mut Frame, area: Rect, app: &App) {
    let theme = &app.look.theme;
    let context = app.context();
    let monitor = app.monitor();
    let paused = monitor.is_some_and(|monitor| monitor.run.held);
    let at_work = monitor.is_some_and(monitor::Monitor::at_work);
    let answers = monitor.is_some_and(monitor::Monitor::answers);
    let (mut line, mut end) = (Line::default(), Line::default());
    let mut others = Vec::new();
    for (binding, keys) in app.keymap.lines(context).filter(|(binding, _)| !binding.short.is_empty()) {
        let orders = [Action::PauseOrResume, Action::Checkpoint, Action::Evaluate, Action::StopAndSave];
        let idle = !at_work && orders.contains(&binding.action) || !answers && binding.action == Action::Sample;
        if context == Context::Monitor && idle {
            continue;
        }
        let word = if binding.action == Action::PauseOrResume && paused { "resume" } else { binding.short };
        let key = Span::styled(format!(" {}", keys[0].name()), theme.bold(theme.accent));
        let word = Span::styled(format!(" {word} "), theme.style(theme.dim));
        if matches!(binding.action, Action::Help | Action::Quit) {
            end.spans.extend([key, word]);
        } else {
            others.push([key, word]);
        }
    }
    let room = usize::from(area.width).saturating_sub(end.width());
    for [key, word] in others {
        if line.width() + key.width() + word.width() > room {
            break;
        }
        line.spans.extend([key, word]);
    }
    monitor::sides(frame, area, line, end);
}
