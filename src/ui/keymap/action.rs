//! What keys can do.

use crate::ui::screen::Screen;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An action that is the same on every screen.
    App(AppAction),
    // Anywhere.
    Left,
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Enter,
    Back,
    FocusNext,
    FocusPrevious,
    Filter,
    // The monitor.
    PauseOrResume,
    Checkpoint,
    Evaluate,
    Sample,
    StopAndSave,
    Summary,
    Tab(usize),
    ZoomIn,
    ZoomOut,
    PanLeft,
    PanRight,
    LogAxis,
    Smoothing,
    Axis,
    WriteChart,
    Metric,
    Play,
    Slower,
    Faster,
    Level,
    Health,
    // Runs.
    Mark,
    Sort,
    Reverse,
    Overlay,
    Compare,
    Baseline,
    Resume,
    Tag,
    Rename,
    Delete,
    OpenFolder,
    CopyPath,
    Export,
    CancelExport,
    Pin,
    QueueUp,
    QueueDown,
    Chat,
    // Chat.
    ScrollUp,
    ScrollDown,
    // Analysis.
    CancelAnalysis,
    // Sweep.
    Chart,
    // Home.
    Launch,
    Analyze,
    Edit,
    Save,
    Reset,
    ResetAll,
}

/// What a key does to the application as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppAction {
    Help,
    Palette,
    Theme,
    SaveScreen,
    Show(Screen),
    Suspend,
    Quit,
}
