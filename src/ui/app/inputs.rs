//! What inputs do: they go to the overlay, to the line of screens, or to the screen in front.

use super::App;
use crate::ui::footer::Footer;
use crate::ui::frames::{Frames, fits};
use crate::ui::input::UserInput;
use crate::ui::keymap::{Action, AppAction, Context};
use crate::ui::message::Effect;
use crate::ui::overlay::{Outcome, Overlay};
use crate::ui::screen::Screen;
use crate::ui::top_line;
use crossterm::event::KeyModifiers;

impl App {
    /// Hands an input to the overlay, to the line of screens, or to the screen in front.
    pub(super) fn handle(&mut self, input: UserInput) -> Option<Effect> {
        if let UserInput::Click(at) = input
            && let frames = self.frames()
            && let footer = Footer::new(frames.footer, &self.place(), &self.keymap, self.overlay.as_ref())
            && let Some(key) = footer.key_at(at)
        {
            return self.handle(UserInput::Key(key.event()));
        }
        // With what lies above it, and while the user types: ctrl is no text.
        if let UserInput::Key(key) = &input
            && key.modifiers.contains(KeyModifiers::CONTROL)
            && self.keymap.action(Context::Anywhere, key) == Some(Action::App(AppAction::SaveScreen))
        {
            return self.act(AppAction::SaveScreen);
        }
        if let Some(overlay) = self.overlay.take() {
            return self.handle_on_overlay(overlay, &input);
        }
        let frames = self.frames();
        if let UserInput::Click(at) = input {
            // On a strip, a click would hit what is not shown.
            if !fits(self.size) {
                return None;
            }
            if top_line::is_on_pill(frames.top, &self.scene(), at) {
                return self.show_live_run();
            }
            if !frames.body.contains(at) {
                return self.show(frames.screen_at(at, self.place().screens())?);
            }
        }
        let (body, keymap) = (frames.body, &self.keymap);
        let intent = match self.screen {
            Screen::Home => self.home.handle(&input, body, keymap, &self.look),
            Screen::Runs => self.runs.handle(&input, body, keymap),
            Screen::Chat => self.chat.handle(&input, body, keymap, &self.look),
            Screen::Analysis => self.analysis.handle(&input, body, keymap, &self.look),
            Screen::Monitor => self.monitors.shown_mut()?.handle(&input, body, keymap, &self.look),
        };
        self.fulfil(intent?)
    }

    pub(super) fn handle_on_overlay(&mut self, mut overlay: Overlay, input: &UserInput) -> Option<Effect> {
        let outcome = overlay.handle(input, &self.scene().below_overlay(self.frames().body));
        match outcome {
            Outcome::Stay => self.overlay = Some(overlay),
            Outcome::Close => {}
            Outcome::Preview { name, theme } => {
                self.set_theme(name, theme);
                self.overlay = Some(overlay);
            }
            Outcome::Revert { name, theme } => self.set_theme(name, theme),
            Outcome::KeepTheme(name) => return Some(Effect::KeepTheme(name)),
            Outcome::Refuse(why) => {
                self.toasts.error(why);
                self.overlay = Some(overlay);
            }
            Outcome::Choose(choice) => return self.choose(choice),
            Outcome::Start(request, answer) => {
                return self.starts.on_answer(request, answer, &mut self.monitors, self.runs.queue_mut());
            }
            Outcome::Completion(question, answer) => return self.on_answer(question, answer),
        }
        None
    }

    /// Performs an action on the screen in front, as its key does.
    pub(super) fn perform(&mut self, action: Action) -> Option<Effect> {
        let body = self.frames().body;
        let intent = match self.screen {
            Screen::Home => self.home.perform(action),
            Screen::Runs => self.runs.act(action, body),
            Screen::Monitor => self.monitors.shown_mut()?.act(action, body),
            Screen::Chat => self.chat.act(action, body, &self.look),
            Screen::Analysis => self.analysis.act(action, body, &self.look),
        };
        self.fulfil(intent?)
    }

    /// Where the parts of the terminal lie.
    pub(super) fn frames(&self) -> Frames {
        Frames::of(self.size, self.toasts.lines(self.size.width, self.size.height))
    }
}
