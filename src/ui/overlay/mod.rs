//! What lies above a screen: the help, the palette, the themes, and the questions before leaving or starting a run.
//! An overlay takes all inputs, and answers each with an outcome.

mod answers;
mod busy;
mod help;
mod palette;
mod quit;
mod scene;
mod themes;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::input::UserInput;
use super::keymap::{Action, AppAction, Hint};
use super::start_request::StartRequest;
use super::theme::Theme;
pub use busy::{BusyAnswer, BusyDialog};
pub use palette::{Choice, Palette, remember};
pub use quit::{Completion, Question};
pub use scene::Scene;
pub use themes::Picker;

/// Lines that a page key scrolls.
const PAGE: usize = 10;

/// What may lie above a screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// The key bindings, and how many of their lines are scrolled past.
    Help(usize),
    /// Everything that can be done, to search and choose from.
    Palette(Palette),
    /// A question before leaving, and the index of the selected answer.
    Quit(Question, usize),
    /// The question when a run is started while another one trains.
    Busy(BusyDialog),
    /// The themes to choose from.
    Themes(Picker),
}

/// The outcome of an input.
pub enum Outcome {
    /// The overlay stays.
    Stay,
    Close,
    /// The overlay stays, and the screens are shown in this theme.
    Preview {
        name: String,
        theme: Theme,
    },
    /// The overlay closes, and the screens are shown in this theme again.
    Revert {
        name: String,
        theme: Theme,
    },
    /// The overlay closes, and the theme of this name is written to the settings.
    KeepTheme(String),
    /// The overlay stays, and a toast gives the reason.
    Refuse(String),
    /// The overlay closes, and what was chosen is done.
    Choose(Choice),
    /// The overlay closes, and this run is queued or started.
    Start(StartRequest, BusyAnswer),
    /// The overlay closes with an answer to the question before leaving.
    Completion(Question, Completion),
}

impl Overlay {
    /// Handles an input.
    pub fn handle(&mut self, input: &UserInput, scene: &Scene) -> Outcome {
        match self {
            Overlay::Quit(question, selected) => match input {
                UserInput::Key(key) => question.handle_key(selected, key, scene),
                UserInput::Click(at) => question.click(*at, scene),
                _ => Outcome::Stay,
            },
            Overlay::Palette(palette) => palette.handle(input, scene.area),
            Overlay::Busy(dialog) => match input {
                UserInput::Key(key) => dialog.handle_key(key, scene),
                UserInput::Click(at) => dialog.click(*at, scene),
                _ => Outcome::Stay,
            },
            Overlay::Themes(picker) => match input {
                UserInput::Click(at) => picker.click(*at, scene),
                input => action(input, scene).map_or(Outcome::Stay, |action| picker.act(action)),
            },
            Overlay::Help(from) => scroll(input, scene, from, help::scrollable(scene), help::area(scene)),
        }
    }

    /// The keys that do something now.
    pub fn hints(&self) -> Vec<Hint> {
        match self {
            Overlay::Palette(_) => vec![Hint::enter("choose"), Hint::esc("close")],
            Overlay::Quit(..) | Overlay::Busy(_) => vec![Hint::enter("choose"), Hint::esc("stay")],
            Overlay::Themes(_) => vec![Hint::enter("keep"), Hint::esc("revert")],
            Overlay::Help(_) => vec![Hint::esc("close")],
        }
    }

    /// The overlay in a terminal without room for it: a line for each answer of a question, or how to close it.
    pub fn in_short(&self, scene: &Scene) -> Vec<String> {
        match self {
            Overlay::Quit(question, _) => question.in_short(scene),
            Overlay::Help(_) | Overlay::Palette(_) | Overlay::Busy(_) | Overlay::Themes(_) => {
                vec!["too small; esc closes".into()]
            }
        }
    }

    /// Draws the overlay in the middle of the scene's area.
    pub fn draw(&self, frame: &mut Frame, scene: &Scene) {
        match self {
            Overlay::Help(from) => help::draw(frame, scene, *from),
            Overlay::Quit(question, selected) => quit::draw(frame, scene, *question, *selected),
            Overlay::Palette(palette) => palette.draw(frame, scene.area, scene.look),
            Overlay::Busy(dialog) => dialog.draw(frame, scene),
            Overlay::Themes(picker) => picker.draw(frame, scene.area, scene.look),
        }
    }
}

/// The action that an input stands for on an overlay.
fn action(input: &UserInput, scene: &Scene) -> Option<Action> {
    match input {
        UserInput::Key(key) => scene.keymap.action(scene.place.screen.into(), key),
        UserInput::Click(_) => Some(Action::Back),
        UserInput::ScrollUp(_) => Some(Action::Up),
        UserInput::ScrollDown(_) => Some(Action::Down),
        UserInput::Paste(_) | UserInput::Drag(_) => None,
    }
}

/// Scrolls a text in an area, of which at most `most` lines can be above it. The keys that open a text close it too, and
/// so does a click beside it.
fn scroll(input: &UserInput, scene: &Scene, from: &mut usize, most: usize, area: Rect) -> Outcome {
    if matches!(input, UserInput::Click(at) if area.contains(*at)) {
        return Outcome::Stay;
    }
    let to = match action(input, scene) {
        Some(Action::App(AppAction::Help | AppAction::Quit) | Action::Back | Action::Enter) => return Outcome::Close,
        Some(Action::Up) => from.saturating_sub(1),
        Some(Action::Down) => *from + 1,
        Some(Action::PageUp) => from.saturating_sub(PAGE),
        Some(Action::PageDown) => *from + PAGE,
        Some(Action::First) => 0,
        Some(Action::Last) => most,
        _ => *from,
    };
    *from = to.min(most);
    Outcome::Stay
}
