//! One table of keys: it drives dispatch, the footer and the help.

mod key;
mod remap;

use crossterm::event::{KeyCode, KeyEvent};

pub use key::Key;

/// Where a key counts. What is said for a place goes before what is said for anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Context {
    Anywhere,
    Home,
    Monitor,
    Runs,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table's help says it")]
pub enum Action {
    // Anywhere.
    Help,
    Quit,
    Home,
    Monitor,
    Runs,
    Theme,
    Suspend,
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
    Level,
    // Runs.
    Mark,
    Sort,
    Reverse,
    Overlay,
    Compare,
    Resume,
    Tag,
    Rename,
    Delete,
    OpenFolder,
    CopyPath,
    Export,
    CallOff,
    Pin,
    // Home.
    Launch,
    Edit,
    Save,
    Reset,
    ResetAll,
}

/// A line of the table.
pub struct Binding {
    /// Its name in the user's config.
    pub name: &'static str,
    /// The action.
    pub action: Action,
    /// Where it counts.
    pub context: Context,
    /// Its keys, the first of them for the footer.
    pub keys: &'static [Key],
    /// A word or two for the footer; empty for what is not shown there.
    pub short: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
}

use Key::{Ctrl, Plain, Shift};

const fn char(c: char) -> Key {
    Plain(KeyCode::Char(c))
}

macro_rules! bindings {
    ($($context:ident { $($name:literal $action:expr, [$($key:expr),* $(,)?], $short:literal, $help:literal;)* })*) => {
        &[$($(Binding {
            name: $name,
            action: $action,
            context: Context::$context,
            keys: &[$($key),*],
            short: $short,
            help: $help,
        }),*),*]
    };
}

/// Every key there is, in the order of footer and help.
pub const BINDINGS: &[Binding] = bindings! {
    Monitor {
        "pause" Action::PauseOrResume, [char(' '), char('p')], "pause", "pause after this step, or go on";
        "checkpoint" Action::Checkpoint, [char('c')], "checkpoint", "write a checkpoint now";
        "evaluate" Action::Evaluate, [char('e')], "evaluate", "evaluate on the held-out examples now";
        "sample" Action::Sample, [char('g')], "ask", "ask a language model, and see its answer among the samples";
        "stop" Action::StopAndSave, [char('s')], "stop", "stop, with a checkpoint";
        "overview" Action::Tab(0), [char('1')], "", "the charts";
        "layers" Action::Tab(1), [char('2')], "", "the layers, target by target";
        "samples" Action::Tab(2), [char('3')], "", "what the model makes of examples";
        "system" Action::Tab(3), [char('4')], "", "the machine and its GPU";
        "log" Action::Tab(4), [char('5')], "", "what the run said";
        "preset" Action::Tab(5), [char('6')], "", "what runs";
        "zoom-in" Action::ZoomIn, [char('+'), char('=')], "", "in full screen, zoom in around the cursor";
        "zoom-out" Action::ZoomOut, [char('-')], "", "in full screen, zoom out";
        "pan-left" Action::PanLeft, [char('<'), Shift(KeyCode::Left)], "", "in full screen, to what is left of the part shown";
        "pan-right" Action::PanRight, [char('>'), Shift(KeyCode::Right)], "", "in full screen, to what is right of it";
        "log-axis" Action::LogAxis, [char('L'), char('y')], "", "logarithmic values, or linear ones";
        "smoothing" Action::Smoothing, [char('z')], "smooth", "smooth curves: a little, much, not at all";
        "axis" Action::Axis, [char('x')], "", "steps along the axis, or time at work";
        "write" Action::WriteChart, [char('w')], "", "write the chart as CSV and SVG into the run's folder";
        "metric" Action::Metric, [char('m')], "", "of the layers show mass, update size or density";
        "level" Action::Level, [char('v')], "", "in the log show all, warnings or errors";
    }
    Runs {
        "mark" Action::Mark, [char(' ')], "mark", "mark a run, for what is done with several";
        "compare" Action::Compare, [char('c')], "compare", "what the settings of the marked runs differ in";
        "overlay" Action::Overlay, [char('v')], "overlay", "lay the marked runs' curves over the monitor's";
        "resume" Action::Resume, [char('r')], "resume", "take the run up again where it stood";
        "export" Action::Export, [char('e')], "export", "write the run for other software: a model, what changed, its numbers";
        "call-off" Action::CallOff, [char('X')], "", "call the export off that is under way";
        "pin" Action::Pin, [char('p')], "pin", "the run's checkpoints; pin those to keep whatever comes";
        "sort" Action::Sort, [char('s')], "sort", "sort by the next column";
        "reverse" Action::Reverse, [char('S')], "", "sort the other way round";
        "tag" Action::Tag, [char('#'), char('g')], "tag", "give the run tags, or the marked ones";
        "rename" Action::Rename, [char('n')], "name", "give the run another name";
        "delete" Action::Delete, [char('D'), Plain(KeyCode::Delete)], "", "move the run to the trash, or the marked ones; asks";
        "open" Action::OpenFolder, [char('o')], "", "a shell in the run's folder, or a file manager";
        "copy" Action::CopyPath, [char('y')], "", "copy the path of the run's folder";
    }
    Home {
        "launch" Action::Launch, [char('r')], "launch", "start a run of the marked preset, changes included";
        "edit" Action::Edit, [char('e')], "edit", "to the settings; there, change the marked one";
        "save" Action::Save, [char('s')], "save", "save the preset with its changes as one of your own";
        "reset" Action::Reset, [char('u')], "", "take the marked setting's change back";
        "reset-all" Action::ResetAll, [char('U')], "", "take all changes of the preset back";
        "filter-presets" Action::Filter, [char('/')], "filter", "show only presets with these words";
    }
    Anywhere {
        "enter" Action::Enter, [Plain(KeyCode::Enter)], "", "open what the cursor is on; a chart in full screen";
        "back" Action::Back, [Plain(KeyCode::Esc)], "", "back, or close what is open";
        "focus-next" Action::FocusNext, [Plain(KeyCode::Tab)], "focus", "to the next part of the screen";
        "focus-previous" Action::FocusPrevious, [Plain(KeyCode::BackTab)], "", "to the previous part of the screen";
        "left" Action::Left, [Plain(KeyCode::Left), char('h')], "", "left; in a chart in full screen the cursor";
        "right" Action::Right, [Plain(KeyCode::Right), char('l')], "", "right; in a chart in full screen the cursor";
        "up" Action::Up, [Plain(KeyCode::Up), char('k')], "", "up";
        "down" Action::Down, [Plain(KeyCode::Down), char('j')], "", "down";
        "page-up" Action::PageUp, [Plain(KeyCode::PageUp)], "", "a page up";
        "page-down" Action::PageDown, [Plain(KeyCode::PageDown)], "", "a page down";
        "first" Action::First, [Plain(KeyCode::Home)], "", "to the first";
        "last" Action::Last, [Plain(KeyCode::End)], "", "to the last";
        "filter" Action::Filter, [char('/')], "", "filter a list";
        "home" Action::Home, [char('H'), Plain(KeyCode::F(2))], "", "the presets";
        "monitor" Action::Monitor, [char('M'), Plain(KeyCode::F(3))], "", "the run";
        "runs" Action::Runs, [char('R'), Plain(KeyCode::F(4))], "", "all runs";
        "theme" Action::Theme, [char('t')], "theme", "choose a theme";
        "help" Action::Help, [char('?'), Plain(KeyCode::F(1))], "help", "show or hide this help";
        "quit" Action::Quit, [char('q'), Ctrl('c')], "quit", "quit; asks where something would be lost";
        "suspend" Action::Suspend, [Ctrl('z')], "", "suspend; fg brings it back, bg lets it train on";
    }
};

/// The keys as they are now.
pub struct Keymap {
    /// For each line of [`BINDINGS`].
    keys: Vec<Vec<Key>>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        Keymap { keys: BINDINGS.iter().map(|binding| binding.keys.to_vec()).collect() }
    }
}

impl Keymap {
    /// What a key does in a place, if anything.
    pub fn action(&self, context: Context, event: &KeyEvent) -> Option<Action> {
        let key = Key::of(event)?;
        let find = |context| {
            let mut lines = BINDINGS.iter().zip(&self.keys);
            lines.find(|(binding, keys)| binding.context == context && keys.contains(&key))
        };
        find(context).or_else(|| find(Context::Anywhere)).map(|(binding, _)| binding.action)
    }

    /// Every line with its keys.
    pub fn all(&self) -> impl Iterator<Item = (&'static Binding, &[Key])> {
        BINDINGS.iter().zip(self.keys.iter().map(Vec::as_slice))
    }

    /// The lines that count in a place, with their keys; those without a key are left out.
    pub fn lines(&self, context: Context) -> impl Iterator<Item = (&'static Binding, &[Key])> {
        self.all().filter(move |(binding, keys)| {
            (binding.context == context || binding.context == Context::Anywhere) && !keys.is_empty()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyModifiers;

    #[test]
    fn no_key_does_two_things_in_one_place_and_no_name_is_taken_twice() {
        for context in [Context::Anywhere, Context::Home, Context::Monitor, Context::Runs] {
            let lines = BINDINGS.iter().filter(|binding| binding.context == context);
            let keys: Vec<Key> = lines.flat_map(|binding| binding.keys.iter().copied()).collect();
            for (i, key) in keys.iter().enumerate() {
                assert!(!keys[..i].contains(key), "{}", key.name());
            }
        }
        for (i, binding) in BINDINGS.iter().enumerate() {
            assert!(BINDINGS[..i].iter().all(|other| other.name != binding.name), "{}", binding.name);
        }
    }

    #[test]
    fn keys_are_read() {
        let keymap = Keymap::default();
        let press = |code, modifiers| keymap.action(Context::Monitor, &KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::NONE), Some(Action::PauseOrResume));
        assert_eq!(press(KeyCode::Char('C'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Action::Checkpoint));
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::ALT), None);
        let at_home = keymap.action(Context::Home, &KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE));
        assert_eq!(at_home, None);
    }
}
