//! What surrounds every screen: the first line with the screens, the footer with the keys, toasts and overlays.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::frames::{Frames, MIN_SIZE, NAME};
use super::home::Home;
use super::keymap::{Action, AppAction, Context, Keymap};
use super::monitor::Monitor;
use super::overlay::{self, Overlay};
use super::runs::Runs;
use super::screen::Screen;
use super::theme::Look;
use super::toast::Toasts;
use super::widgets::sides::sides;

/// What is drawn.
pub struct Scene<'a> {
    /// The screen in front.
    pub screen: Screen,
    pub home: &'a Home,
    pub runs: &'a Runs,
    /// The live run.
    pub live: Option<&'a Monitor>,
    /// The run on the monitor.
    pub monitor: Option<&'a Monitor>,
    pub toasts: &'a Toasts,
    pub overlay: Option<&'a Overlay>,
    pub keymap: &'a Keymap,
    pub look: &'a Look,
}

impl<'a> Scene<'a> {
    /// What an overlay in this area reads.
    pub fn below_overlay(&self, area: Rect) -> overlay::Scene<'a> {
        let Scene { screen, keymap, look, home, runs, live, .. } = *self;
        overlay::Scene { area, screen, keymap, look, home, runs, live }
    }
}

/// Draws the screen in front, and what surrounds it.
pub fn draw(frame: &mut Frame, scene: &Scene) {
    let area = frame.area();
    let theme = &scene.look.theme;
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        let notice = format!("finesift needs {} x {}", MIN_SIZE.0, MIN_SIZE.1);
        frame.render_widget(Line::styled(notice, theme.style(theme.warning)), area);
        return theme.paint(area, frame.buffer_mut());
    }
    let frames = Frames::of(area);
    draw_top(frame, frames.top, scene);
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
    scene.toasts.draw(frame, frames.body, scene.look);
    if let Some(overlay) = scene.overlay {
        overlay.draw(frame, &scene.below_overlay(frames.body));
    }
    theme.paint(area, frame.buffer_mut());
}

fn draw_top(frame: &mut Frame, top: Rect, scene: &Scene) {
    let theme = &scene.look.theme;
    let mut left = Line::from(Span::styled(NAME, theme.bold(theme.accent)));
    for screen in Screen::ALL {
        let style = if screen == scene.screen { theme.bold(theme.text) } else { theme.style(theme.dim) };
        left.push_span(Span::styled(format!(" {} ", screen.name()), style));
    }
    let right = scene.monitor.map(|monitor| monitor.headline(scene.look)).unwrap_or_default();
    sides(frame, top, left, right);
}

/// Draws the keys that do something now, as many as there is room for; help and quit in any case.
fn draw_footer(frame: &mut Frame, area: Rect, scene: &Scene) {
    let theme = &scene.look.theme;
    let context = Context::from(scene.screen);
    let paused = scene.monitor.is_some_and(|monitor| monitor.run.held);
    let (mut line, mut end) = (Line::default(), Line::default());
    let mut others = Vec::new();
    for (binding, keys) in scene.keymap.lines(context).filter(|(binding, _)| !binding.short.is_empty()) {
        let accepted = match context {
            Context::Monitor => scene.monitor.is_some_and(|monitor| accepts(monitor, binding.action)),
            Context::Runs => scene.runs.offers(binding.action),
            Context::Home | Context::Anywhere => true,
        };
        if !accepted {
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
        Action::Overlay => monitor.has_overlays(),
        _ => true,
    }
}
