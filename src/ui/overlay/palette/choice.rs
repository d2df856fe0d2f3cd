//! What is done when an entry of the palette is chosen.

use std::path::PathBuf;

use crate::export::ExportFormat;
use crate::ui::home::Home;
use crate::ui::intent::Intent;
use crate::ui::keymap::{Action, AppAction};
use crate::ui::runs::Runs;
use crate::ui::screen::Screen;

/// Choices that are remembered.
const RECENT: usize = 20;

/// What is done when an entry is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// The action of a key on the screen in front.
    Act(Action),
    /// Use the theme of this name.
    Theme(String),
    /// Switch between ASCII and Unicode characters.
    ToggleAscii,
    /// Something that one of the screens does, whichever is in front.
    OnScreen(ScreenChoice),
}

/// A choice that one of the screens fulfils.
#[derive(Clone, Debug, PartialEq)]
pub enum ScreenChoice {
    /// Select the preset of this name at Home.
    OpenPreset(String),
    LaunchPreset(String),
    /// Edit this key of the selected preset at Home.
    EditSetting(&'static str),
    /// Attach to the run in this folder if it is active, and else replay it.
    OpenRun(PathBuf),
    /// Set up an export of the run in this folder.
    Export(PathBuf, ExportFormat),
}

impl ScreenChoice {
    /// Prepares the screen. Returns what the application has to do then; `None` if there is no such preset or run any more.
    pub fn prepare(self, home: &mut Home, runs: &mut Runs) -> Option<Intent> {
        let show = |screen| Some(Intent::App(AppAction::Show(screen)));
        match self {
            ScreenChoice::LaunchPreset(name) => home.launch_preset(&name),
            ScreenChoice::OpenRun(folder) => runs.open(&folder),
            ScreenChoice::OpenPreset(name) => {
                home.open_preset(&name);
                show(Screen::Home)
            }
            ScreenChoice::EditSetting(key) => {
                home.edit_setting(key);
                show(Screen::Home)
            }
            ScreenChoice::Export(folder, format) => {
                runs.set_up_export(&folder, format);
                show(Screen::Runs)
            }
        }
    }
}

/// Notes a choice as the latest.
pub fn remember(recent: &mut Vec<Choice>, choice: &Choice) {
    recent.retain(|other| other != choice);
    recent.insert(0, choice.clone());
    recent.truncate(RECENT);
}
