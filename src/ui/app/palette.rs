//! The palette and the themes, which are chosen from lists over the screen.

use super::App;
use crate::ui::intent::Intent;
use crate::ui::message::Effect;
use crate::ui::overlay::{Choice, Overlay, Palette, remember};
use crate::ui::screen::Screen;
use crate::ui::theme::Theme;

impl App {
    /// Opens the palette, unless text is typed. The runs are listed for it.
    pub(super) fn open_palette(&mut self) -> Option<Effect> {
        // In the chat text is always typed, and stays where it is.
        if self.screen != Screen::Chat && self.place().dialog().is_some() {
            return None;
        }
        let scene = self.scene().below_overlay(self.frames().body);
        self.overlay = Some(Overlay::Palette(Palette::open(&scene, &self.themes, &self.recent)));
        Some(Effect::ListRuns)
    }

    pub(super) fn renew_palette(&mut self) {
        if let Some(Overlay::Palette(mut palette)) =
            self.overlay.take_if(|overlay| matches!(overlay, Overlay::Palette(_)))
        {
            let scene = self.scene().below_overlay(self.frames().body);
            palette.renew(&scene, &self.themes, &self.recent);
            self.overlay = Some(Overlay::Palette(palette));
        }
    }

    /// Does what was chosen in the palette.
    pub(super) fn choose(&mut self, choice: Choice) -> Option<Effect> {
        remember(&mut self.recent, &choice);
        match choice {
            Choice::Act(action) => self.perform(action),
            Choice::OnScreen(choice) => {
                let intent = choice.prepare(&mut self.home, &mut self.runs)?;
                self.fulfil(intent)
            }
            Choice::Theme(name) => self.use_theme(name),
            Choice::ToggleAscii => {
                self.look.ascii = !self.look.ascii;
                None
            }
        }
    }

    pub(super) fn use_theme(&mut self, name: String) -> Option<Effect> {
        match self.themes.load(&name, self.look.depth) {
            Ok(theme) => {
                self.set_theme(name.clone(), theme);
                Some(Effect::KeepTheme(name))
            }
            Err(error) => self.fulfil(Intent::Refuse(format!("{error:#}"))),
        }
    }

    pub(super) fn set_theme(&mut self, name: String, theme: Theme) {
        (self.look.name, self.look.theme) = (name, theme);
    }
}
