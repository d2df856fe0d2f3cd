//! Where the user is, and what keys do there now. Footer, help and palette read it, so that they agree.

use super::analysis::AnalysisScreen;
use super::chat::Chat;
use super::home::Home;
use super::keymap::{Action, AppAction, Binding, Context, Hint, Key, Keymap};
use super::monitor::Monitor;
use super::runs::Runs;
use super::screen::Screen;

/// The screen in front, and what its keys depend on.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub screen: Screen,
    pub home: &'a Home,
    pub runs: &'a Runs,
    pub chat: &'a Chat,
    pub analysis: &'a AnalysisScreen,
    /// The run on the monitor.
    pub monitor: Option<&'a Monitor>,
    /// The live run.
    pub live: Option<&'a Monitor>,
}

impl Place<'_> {
    /// The screens that the first line names: that of analyses once there is one.
    pub fn screens(&self) -> impl Iterator<Item = Screen> + use<> {
        let analysis = self.analysis.is_open() || self.screen == Screen::Analysis;
        Screen::ALL.into_iter().filter(move |screen| *screen != Screen::Analysis || analysis)
    }

    /// The screen's name, and the name of the part that has the focus.
    pub fn name(&self) -> String {
        let part = match self.screen {
            Screen::Home => Some(self.home.focused()),
            Screen::Monitor => self.monitor.map(Monitor::focused),
            Screen::Runs | Screen::Chat | Screen::Analysis => None,
        };
        part.map_or(self.screen.name().to_owned(), |part| format!("{}: {part}", self.screen.name()))
    }

    /// The keys of what is typed or asked on the screen; `None` if nothing is, and keys do what the table says.
    pub fn dialog(&self) -> Option<Vec<Hint>> {
        match self.screen {
            Screen::Home => self.home.dialog(),
            Screen::Monitor => self.monitor?.dialog(),
            Screen::Runs => self.runs.dialog(),
            Screen::Chat => self.chat.dialog(),
            Screen::Analysis => None,
        }
    }

    /// Whether an action would do something now.
    pub fn applies(&self, action: Action) -> bool {
        match action {
            // The monitor that shows a replay goes back to the live run.
            Action::App(AppAction::Show(Screen::Monitor)) if self.screen == Screen::Monitor => {
                self.live.is_some() && self.monitor.is_some_and(|monitor| !monitor.live)
            }
            Action::App(AppAction::Show(Screen::Monitor)) => self.monitor.is_some(),
            Action::App(AppAction::Show(Screen::Analysis)) => {
                self.screen != Screen::Analysis && self.analysis.is_open()
            }
            Action::App(AppAction::Show(screen)) => screen != self.screen,
            Action::App(_) => true,
            action => match self.screen {
                Screen::Home => self.home.applies(action),
                Screen::Monitor => self.monitor.is_some_and(|monitor| monitor.applies(action)),
                Screen::Runs => self.runs.applies(action),
                Screen::Chat => self.chat.applies(action),
                Screen::Analysis => self.analysis.applies(action),
            },
        }
    }

    /// The footer's word for an action: the place's own, or else that of the table.
    pub fn word(&self, binding: &Binding) -> &'static str {
        let own = self.first().into_iter().find(|(action, _)| *action == binding.action);
        own.map_or(binding.short, |(_, word)| word)
    }

    /// The bindings that would do something now, with or without a key: those that the place puts first, then those of
    /// the screen, then those of anywhere.
    pub fn bindings<'k>(&self, keymap: &'k Keymap) -> Vec<(&'static Binding, &'k [Key])> {
        let context = Context::from(self.screen);
        let own = |action| keymap.all().any(|(other, _)| other.context == context && other.action == action);
        let here = |binding: &Binding| match binding.context {
            Context::Anywhere => !own(binding.action),
            other => other == context,
        };
        let mut lines: Vec<_> =
            keymap.all().filter(|(binding, _)| here(binding) && self.applies(binding.action)).collect();
        let first = self.first();
        lines.sort_by_key(|(binding, _)| {
            let place = first.iter().position(|(action, _)| *action == binding.action);
            (place.unwrap_or(first.len()), binding.context == Context::Anywhere)
        });
        lines
    }

    /// The actions that the place puts first, the most useful one at the beginning, with its words for them.
    fn first(&self) -> Vec<(Action, &'static str)> {
        match self.screen {
            Screen::Home => self.home.first(),
            Screen::Monitor => self.monitor.map(Monitor::first).unwrap_or_default(),
            Screen::Runs => self.runs.first(),
            Screen::Chat => Vec::new(),
            Screen::Analysis => self.analysis.first(),
        }
    }
}
