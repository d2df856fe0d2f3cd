//! How the workbench is opened: the user's settings, checked before anything is started.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::charset::Charset;
use super::graphics::{Pictures, Probe, Unavailable};
use super::keymap::Keymap;
use super::terminal_background::{self, Background};
use super::terminal_query;
use super::theme::{Depth, Look, Themes};
use crate::alerts::Rule;
use crate::config::{Charts, Config, Notify, OnHangup};

/// The theme name that stands for dark or light, depending on the terminal's background.
const AUTO: &str = "auto";

/// How the workbench is opened.
pub struct Options {
    ascii: bool,
    charts: Charts,
    pub(super) mouse: bool,
    pub(super) notify: Notify,
    /// What a hang-up does to the live run.
    pub on_hangup: OnHangup,
    /// When to notify the user of a run.
    pub(crate) alerts: Vec<Rule>,
    theme: String,
    pub(super) themes: Themes,
    pub(super) depth: Depth,
    pub(super) keymap: Keymap,
    /// The settings file, which a chosen theme is written to.
    pub(super) config: PathBuf,
}

impl Options {
    /// The options of the user's settings; `ascii` forces plain characters. Without a setting the environment decides.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage) with its place: a theme or key bindings that are invalid.
    pub fn of(config: &Config, ascii: bool) -> Result<Options> {
        let folder = config.path.parent().unwrap_or(Path::new(""));
        let (themes, depth) = (Themes::of_folder(&folder.join("themes")), Depth::of_environment());
        if config.theme != AUTO {
            themes.load(&config.theme, depth)?;
        }
        Ok(Options {
            ascii: ascii || config.ascii.unwrap_or_else(|| Charset::of_environment().is_ascii()),
            charts: config.charts,
            mouse: config.mouse,
            notify: config.notify,
            on_hangup: config.on_hangup,
            alerts: config.alert.clone(),
            theme: config.theme.clone(),
            themes,
            depth,
            keymap: Keymap::with(&config.keys)?,
            config: config.path.clone(),
        })
    }

    /// The look to begin with, and why charts have no pixels if they should. The terminal is asked for its background if the
    /// theme depends on it, and for its graphics unless charts are drawn in braille.
    pub(super) fn look(&self) -> Result<(Look, Option<Unavailable>)> {
        let probe = (self.charts != Charts::Braille).then(|| Probe::of_environment(self.ascii, self.depth));
        let question = match probe {
            Some(Ok(probe)) => Some(terminal_background::QUESTION.to_owned() + &probe.question()),
            _ => (self.theme == AUTO).then(|| terminal_background::QUESTION.to_owned()),
        };
        let answer = question.and_then(|question| terminal_query::ask(&question).ok()).unwrap_or_default();
        let background = Background::of(&answer);
        let name = match self.theme.as_str() {
            AUTO if background.is_some_and(|background| background.is_light()) => "light",
            AUTO => "dark",
            name => name,
        };
        let (pixels, unavailable) = match probe.map(|probe| probe?.decide(&answer)) {
            Some(Ok((protocol, cell))) => {
                (Some(Pictures::new(protocol, cell, background.map(|background| background.rgb()))), None)
            }
            Some(Err(why)) => (None, Some(why).filter(|_| self.charts == Charts::Pixels)),
            None => (None, None),
        };
        let theme = self.themes.load(name, self.depth)?;
        Ok((Look { theme, name: name.to_owned(), depth: self.depth, ascii: self.ascii, pixels }, unavailable))
    }
}
