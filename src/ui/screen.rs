//! The screens of the workbench.

/// A screen of the workbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Home,
    Monitor,
    Runs,
    Chat,
    Analysis,
}

impl Screen {
    /// All screens, in the order of their names in the first line.
    pub const ALL: [Screen; 5] = [Screen::Home, Screen::Monitor, Screen::Runs, Screen::Chat, Screen::Analysis];

    /// The screen's name.
    pub fn name(self) -> &'static str {
        match self {
            Screen::Home => "Home",
            Screen::Monitor => "Monitor",
            Screen::Runs => "Runs",
            Screen::Chat => "Chat",
            Screen::Analysis => "Analysis",
        }
    }
}
