//! What surrounds every screen: the first line, toasts, the footer with the keys, and overlays.

use ratatui::Frame;

use super::footer::Footer;
use super::frames::{Frames, fits};
use super::scene::Scene;
use super::screen::Screen;
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
    match scene.place.screen {
        Screen::Home => scene.place.home.draw(frame, frames.body, scene.look),
        Screen::Runs => scene.place.runs.draw(frame, frames.body, scene.look),
        Screen::Chat => scene.place.chat.draw(frame, frames.body, scene.look),
        Screen::Analysis => scene.place.analysis.draw(frame, frames.body, scene.look),
        Screen::Monitor => {
            if let Some(monitor) = scene.place.monitor {
                monitor.draw(frame, frames.body, scene.look);
            }
        }
    }
    Footer::new(frames.footer, &scene.place, scene.keymap, scene.overlay).draw(frame, scene.look);
    scene.toasts.draw(frame, frames.toasts, scene.look);
    if let Some(overlay) = scene.overlay {
        overlay.draw(frame, &scene.below_overlay(frames.body));
    }
    theme.paint(area, frame.buffer_mut());
}
