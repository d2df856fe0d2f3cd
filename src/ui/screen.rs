//! The screens of the workbench.

/// A screen of the workbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Home,
    Monitor,
    Runs,
    Chat,
    /// Of a process that works on a sweep.
    Sweep,
    Analysis,
}

impl Screen {
    /// All screens, in the order of their names in the first line.
    pub const ALL: [Screen; 6] =
        [Screen::Home, Screen::Monitor, Screen::Runs, Screen::Chat, Screen::Analysis, Screen::Sweep];

    /// The screen's name.
    pub fn name(self) -> &'static str {
        match self {
            Screen::Home => "Home",
            Screen::Monitor => "Monitor",
            Screen::Runs => "Runs",
            Screen::Chat => "Chat",
            Screen::Sweep => "Sweep",
            Screen::Analysis => "Analysis",
        }
    }
}
