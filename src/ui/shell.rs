//! What surrounds every screen: the first line, toasts, the footer with the keys, and overlays.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::frames::{Frames, fits};
use super::keymap::{Action, AppAction, Context};
use super::monitor::Monitor;
use super::scene::Scene;
use super::screen::Screen;
use super::widgets::sides::sides;
use super::{strip, top_line};

/// Draws the screen in front, and what surrounds it.
pub fn draw(frame: &mut Frame, scene: &Scene) {
    let area = frame.area();
    let theme = &scene.look.theme;
    if !fits(area) {
        strip::draw(frame, area, scene);
        return theme.paint(area, frame.buffer_mut());
    }
    let frames = Frames::of(area, scene.toasts.lines(area.width, area.height));
    top_line::draw(frame, frames.top, scene);
    match scene.screen {
        Screen::Home => scene.home.draw(frame, frames.body, scene.look),
        Screen::Runs => scene.runs.draw(frame, frames.body, scene.look),
        Screen::Monitor => {
            if let Some(monitor) = scene.monitor {
                monitor.draw(frame, frames.body, scene.look);
            }
        }
    }
    draw_footer(frame, frames.footer, scene);
    scene.toasts.draw(frame, frames.toasts, scene.look);
    if let Some(overlay) = scene.overlay {
        overlay.draw(frame, &scene.below_overlay(frames.body));
    }
    theme.paint(area, frame.buffer_mut());
}

/// Draws the keys that do something now, as many as there is room for; help and quit in any case.
fn draw_footer(frame: &mut Frame, area: Rect, scene: &Scene) {
    let theme = &scene.look.theme;
    let context = Context::from(scene.screen);
    let paused = scene.monitor.is_some_and(|monitor| monitor.run.held);
    let (mut line, mut end) = (Line::default(), Line::default());
    let mut others = Vec::new();
    for (binding, keys) in scene.keymap.lines(context).filter(|(binding, _)| !binding.short.is_empty()) {
        if context == Context::Monitor && !scene.monitor.is_some_and(|monitor| accepts(monitor, binding.action)) {
            continue;
        }
        let word = if binding.action == Action::PauseOrResume && paused { "resume" } else { binding.short };
        let key = Span::styled(format!(" {}", keys[0].name()), theme.bold(theme.accent));
        let word = Span::styled(format!(" {word} "), theme.style(theme.dim));
        if matches!(binding.action, Action::App(AppAction::Help | AppAction::Quit)) {
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
    sides(frame, area, line, end);
}

/// Whether an action would do something on the monitor now.
fn accepts(monitor: &Monitor, action: Action) -> bool {
    match action {
        Action::PauseOrResume | Action::Checkpoint | Action::Evaluate | Action::StopAndSave => monitor.at_work(),
        Action::Sample => monitor.accepts_prompts(),
        Action::Summary => monitor.run.end.is_some(),
        _ => true,
    }
}
