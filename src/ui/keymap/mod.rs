//! The one table of key bindings: dispatch, footer, help and palette read it.

mod action;
mod hint;
mod key;
mod remap;

use crossterm::event::{KeyCode, KeyEvent};

use super::screen::Screen;
pub use action::{Action, AppAction};
pub use hint::Hint;
pub use key::Key;

/// Where a key is bound. A binding of a screen takes precedence over one for anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    Anywhere,
    Home,
    Monitor,
    Runs,
    Chat,
    Sweep,
    Analysis,
}

impl From<Screen> for Context {
    fn from(screen: Screen) -> Context {
        match screen {
            Screen::Home => Context::Home,
            Screen::Monitor => Context::Monitor,
            Screen::Runs => Context::Runs,
            Screen::Chat => Context::Chat,
            Screen::Sweep => Context::Sweep,
            Screen::Analysis => Context::Analysis,
        }
    }
}

/// A line of the table.
pub struct Binding {
    /// Its name in the user's settings.
    pub name: &'static str,
    pub action: Action,
    pub context: Context,
    /// The default keys; the footer shows the first.
    pub keys: &'static [Key],
    /// A word or two for the footer; empty if the footer leaves it out.
    pub short: &'static str,
    /// A line for the help.
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

/// Every binding, in the order of footer and help.
pub const BINDINGS: &[Binding] = bindings! {
    Monitor {
        "pause" Action::PauseOrResume, [char(' '), char('p')], "pause", "pause after this step, or resume; pause a replay";
        "checkpoint" Action::Checkpoint, [char('c')], "checkpoint", "save a checkpoint now";
        "evaluate" Action::Evaluate, [char('e')], "evaluate", "evaluate on the held-out set now";
        "sample" Action::Sample, [char('g')], "prompt", "prompt the language model; see the samples";
        "stop" Action::StopAndSave, [char('s')], "stop", "stop with a checkpoint";
        "summary" Action::Summary, [char('i')], "summary", "of a run that has ended: results, and what to do next";
        "overview" Action::Tab(0), [char('1')], "", "charts";
        "layers" Action::Tab(1), [char('2')], "", "layers and their targets";
        "samples" Action::Tab(2), [char('3')], "", "predictions or completions";
        "system" Action::Tab(3), [char('4')], "", "CPU, memory, disk and GPU";
        "log" Action::Tab(4), [char('5')], "", "log";
        "preset" Action::Tab(5), [char('6')], "", "preset of the run";
        "zoom-in" Action::ZoomIn, [char('+'), char('=')], "zoom", "full-screen chart: zoom in around the cursor";
        "zoom-out" Action::ZoomOut, [char('-')], "", "full-screen chart: zoom out";
        "pan-left" Action::PanLeft, [char('<'), Shift(KeyCode::Left)], "", "cursor or slider left; in full screen pan left";
        "pan-right" Action::PanRight, [char('>'), Shift(KeyCode::Right)], "", "cursor or slider right; in full screen pan right";
        "log-axis" Action::LogAxis, [char('L'), char('y')], "log y", "y axis: linear / log";
        "smoothing" Action::Smoothing, [char('z')], "smooth", "smoothing: light / strong / off";
        "axis" Action::Axis, [char('x')], "steps/time", "x axis: steps / time";
        "write" Action::WriteChart, [char('w')], "write chart", "write the chart as CSV and SVG into the run folder";
        "metric" Action::Metric, [char('m')], "metric", "layers: gradient mass / update size / selected share";
        "overlays" Action::Overlay, [char('o')], "", "show or hide the curves of the runs marked in Runs";
        "play" Action::Play, [char('P')], "", "layers: play the steps, or stop";
        "slower" Action::Slower, [char('[')], "", "replay more slowly";
        "faster" Action::Faster, [char(']')], "", "replay faster";
        "level" Action::Level, [char('v')], "level", "log: all / warnings / errors";
        "health" Action::Health, [char('!')], "", "what the checks of the run have found";
    }
    Runs {
        "mark" Action::Mark, [char(' ')], "mark", "mark a run for an action on several";
        "compare" Action::Compare, [char('c')], "compare", "compare the marked runs; there, settings / charts";
        "overlay" Action::Overlay, [char('v')], "overlay", "overlay the marked runs' curves on the monitor";
        "baseline" Action::Baseline, [char('b')], "baseline", "make the run the baseline of comparisons";
        "compare-metric" Action::Metric, [char('m')], "metric", "comparison: next metric";
        "resume" Action::Resume, [char('r')], "resume", "resume the run from its latest checkpoint";
        "export" Action::Export, [char('e')], "export", "export a model, a delta or the metrics";
        "call-off" Action::CancelExport, [char('X')], "cancel export", "cancel the running export";
        "chat-run" Action::Chat, [char('a')], "", "chat with the run's language model";
        "pin" Action::Pin, [char('p')], "pin", "list the run's checkpoints; pin those to keep";
        "queue-up" Action::QueueUp, [char('K'), Shift(KeyCode::Up)], "", "queue (tab): start the selected entry earlier";
        "queue-down" Action::QueueDown, [char('J'), Shift(KeyCode::Down)], "", "queue (tab): start the selected entry later";
        "sort" Action::Sort, [char('s')], "sort", "sort by the next column";
        "reverse" Action::Reverse, [char('S')], "", "reverse the order";
        "tag" Action::Tag, [char('#'), char('g')], "tag", "tag the run, or the marked ones";
        "rename" Action::Rename, [char('n')], "name", "rename the run";
        "delete" Action::Delete, [char('D'), Plain(KeyCode::Delete)], "", "move the run or the marked ones to trash; asks";
        "open" Action::OpenFolder, [char('o')], "", "open the run folder in a shell or a file manager";
        "copy" Action::CopyPath, [char('y')], "", "copy the path of the run folder";
        "compare-axis" Action::Axis, [char('x')], "steps/time", "comparison: x axis: steps / time";
        "compare-log" Action::LogAxis, [char('L')], "log y", "comparison: y axis: linear / log";
        "compare-smoothing" Action::Smoothing, [char('z')], "smooth", "comparison: smoothing: light / strong / off";
        "compare-zoom-in" Action::ZoomIn, [char('+'), char('=')], "zoom", "comparison: zoom in around the cursor";
        "compare-zoom-out" Action::ZoomOut, [char('-')], "", "comparison: zoom out";
        "compare-left" Action::PanLeft, [char('<'), Shift(KeyCode::Left)], "", "comparison: cursor left; on the whole screen pan";
        "compare-right" Action::PanRight, [char('>'), Shift(KeyCode::Right)], "", "comparison: cursor right; on the whole screen pan";
    }
    Home {
        "launch" Action::Launch, [char('r')], "launch", "launch a run of the selected preset";
        "edit" Action::Edit, [char('e')], "edit", "go to the settings; there, edit the selected one";
        "save" Action::Save, [char('s')], "save", "save the preset with its changes as your own";
        "reset" Action::Reset, [char('u')], "undo", "undo the change of the selected setting";
        "reset-all" Action::ResetAll, [char('U')], "undo all", "undo all changes of the preset";
        "rename-preset" Action::Rename, [char('n')], "", "rename the selected preset of yours";
        "delete-preset" Action::Delete, [char('D'), Plain(KeyCode::Delete)], "", "move the selected preset of yours to trash; asks";
        "analyze" Action::Analyze, [char('a')], "", "analyze the gradients of the selected preset";
        "filter-presets" Action::Filter, [char('/')], "filter", "filter the presets, or the settings with the focus";
    }
    Analysis {
        "cancel-analysis" Action::CancelAnalysis, [char('X')], "cancel", "cancel the analysis; nothing is written";
        "open-analysis" Action::OpenFolder, [char('o')], "folder", "open the folder of the report in a shell or a file manager";
        "copy-analysis" Action::CopyPath, [char('y')], "", "copy the path of the report's folder";
    }
    Chat {
        "send" Action::Enter, [Plain(KeyCode::Enter)], "send", "send; alt-enter or ctrl-j starts a new line";
        "stop-answer" Action::Back, [Plain(KeyCode::Esc)], "back", "stop the answer; if there is none, go back";
        "complete" Action::FocusNext, [Plain(KeyCode::Tab)], "", "complete the / command";
        "prompt-up" Action::Up, [Plain(KeyCode::Up)], "", "line up; in the first line, the prompt before";
        "prompt-down" Action::Down, [Plain(KeyCode::Down)], "", "line down; in the last line, the prompt after";
        "chat-page-up" Action::PageUp, [Plain(KeyCode::PageUp)], "scroll", "scroll the conversation back";
        "chat-page-down" Action::PageDown, [Plain(KeyCode::PageDown)], "", "scroll the conversation forward";
        "chat-line-up" Action::ScrollUp, [Shift(KeyCode::Up)], "", "scroll the conversation back by a line";
        "chat-line-down" Action::ScrollDown, [Shift(KeyCode::Down)], "", "scroll the conversation forward by a line";
    }
    Sweep {
        "hold-sweep" Action::PauseOrResume, [char(' '), char('p')], "hold", "start no more runs, or start them again; running ones go on";
        "sort-sweep" Action::Sort, [char('s')], "sort", "sort the rows: in file order / by score / by time";
        "chart-sweep" Action::Chart, [char('c')], "chart", "chart of the scores on the whole screen, or the table";
    }
    Anywhere {
        "enter" Action::Enter, [Plain(KeyCode::Enter)], "open", "open what is selected; a chart fills the screen";
        "back" Action::Back, [Plain(KeyCode::Esc)], "", "go back, or close what is open";
        "focus-next" Action::FocusNext, [Plain(KeyCode::Tab)], "focus", "next panel";
        "focus-previous" Action::FocusPrevious, [Plain(KeyCode::BackTab)], "", "previous panel";
        "left" Action::Left, [Plain(KeyCode::Left), char('h')], "", "left; moves the cursor of a full-screen chart";
        "right" Action::Right, [Plain(KeyCode::Right), char('l')], "", "right; moves the cursor of a full-screen chart";
        "up" Action::Up, [Plain(KeyCode::Up), char('k')], "", "up";
        "down" Action::Down, [Plain(KeyCode::Down), char('j')], "", "down";
        "page-up" Action::PageUp, [Plain(KeyCode::PageUp)], "", "page up";
        "page-down" Action::PageDown, [Plain(KeyCode::PageDown)], "", "page down";
        "first" Action::First, [Plain(KeyCode::Home)], "", "first line";
        "last" Action::Last, [Plain(KeyCode::End)], "", "last line";
        "filter" Action::Filter, [char('/')], "filter", "filter the list";
        "home" Action::App(AppAction::Show(Screen::Home)), [char('H'), Plain(KeyCode::F(2))], "", "Home: presets";
        "monitor" Action::App(AppAction::Show(Screen::Monitor)), [char('M'), Plain(KeyCode::F(3))], "", "Monitor: the current run";
        "runs" Action::App(AppAction::Show(Screen::Runs)), [char('R'), Plain(KeyCode::F(4))], "", "Runs: all runs";
        "chat" Action::App(AppAction::Show(Screen::Chat)), [char('C'), Plain(KeyCode::F(5))], "", "Chat: a language model";
        "sweep" Action::App(AppAction::Show(Screen::Sweep)), [char('W'), Plain(KeyCode::F(7))], "", "Sweep: the sweep of this process";
        "analysis" Action::App(AppAction::Show(Screen::Analysis)), [char('A'), Plain(KeyCode::F(6))], "", "Analysis: the current analysis";
        "palette" Action::App(AppAction::Palette), [char(':'), Ctrl('p')], "palette", "search actions, presets, runs, settings, exports";
        "theme" Action::App(AppAction::Theme), [char('t')], "theme", "choose a theme";
        "save-screen" Action::App(AppAction::SaveScreen), [Ctrl('s')], "", "save the screen as SVG and PNG";
        "help" Action::App(AppAction::Help), [char('?'), Plain(KeyCode::F(1))], "help", "show or hide this help";
        "quit" Action::App(AppAction::Quit), [char('q'), Ctrl('c')], "quit", "quit; asks before anything is lost";
        "suspend" Action::App(AppAction::Suspend), [Ctrl('z')], "", "suspend; resume with fg, or train on with bg";
    }
};

/// The bindings with the user's keys.
pub struct Keymap {
    /// One entry per line of [`BINDINGS`].
    keys: Vec<Vec<Key>>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        Keymap { keys: BINDINGS.iter().map(|binding| binding.keys.to_vec()).collect() }
    }
}

impl Keymap {
    /// The action of a key in a context, if it is bound.
    pub fn action(&self, context: Context, event: &KeyEvent) -> Option<Action> {
        let key = Key::of(event)?;
        let find = |context| {
            let mut lines = BINDINGS.iter().zip(&self.keys);
            lines.find(|(binding, keys)| binding.context == context && keys.contains(&key))
        };
        find(context).or_else(|| find(Context::Anywhere)).map(|(binding, _)| binding.action)
    }

    /// Every binding with its keys.
    pub fn all(&self) -> impl Iterator<Item = (&'static Binding, &[Key])> {
        BINDINGS.iter().zip(self.keys.iter().map(Vec::as_slice))
    }

    /// The bindings of a context and of anywhere that have a key. In the chat, letters are text.
    pub fn lines(&self, context: Context) -> impl Iterator<Item = (&'static Binding, &[Key])> {
        let applies = move |binding: &Binding| match (context, binding.context) {
            (Context::Chat, Context::Anywhere) => matches!(binding.action, Action::App(_)),
            (context, own) => own == context || own == Context::Anywhere,
        };
        let first = move |keys: &[Key]| keys.iter().position(|key| context != Context::Chat || !key.is_text());
        self.all().filter_map(move |(binding, keys)| {
            let first = first(keys).filter(|_| applies(binding))?;
            Some((binding, &keys[first..]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyModifiers;

    #[test]
    fn no_key_is_bound_twice_in_a_context_and_no_name_is_used_twice() {
        for context in [
            Context::Anywhere,
            Context::Home,
            Context::Monitor,
            Context::Runs,
            Context::Chat,
            Context::Analysis,
            Context::Sweep,
        ] {
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
    fn a_screens_bindings_come_before_those_of_anywhere() {
        let keymap = Keymap::default();
        let press = |code, modifiers| keymap.action(Context::Monitor, &KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::NONE), Some(Action::PauseOrResume));
        assert_eq!(press(KeyCode::Char('C'), KeyModifiers::CONTROL), Some(Action::App(AppAction::Quit)));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Action::Checkpoint));
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::App(AppAction::Help)));
        assert_eq!(press(KeyCode::Char('p'), KeyModifiers::ALT), None);
        let at_home = keymap.action(Context::Home, &KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE));
        assert_eq!(at_home, None);
    }
}
