//! The list of runs: renaming, folding, and what training for longer suggests.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;

use super::Runs;
use super::list::RunList;
use crate::runs::{RunEdit, RunEntry, RunState, Summary};
use crate::ui::input::UserInput;
use crate::ui::intent::Intent;
use crate::ui::keymap::Keymap;
use crate::ui::theme::{Depth, Look, Theme};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

fn run(name: &str, state: RunState, step: u64) -> RunEntry {
    let mut summary = Summary::default();
    (summary.step, summary.steps, summary.epochs, summary.preset) = (step, 170, 2.0, "demo".into());
    RunEntry {
        name: name.into(),
        path: Path::new("runs").join(name),
        state,
        updated: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)),
        tags: Vec::new(),
        checkpoints: Vec::new(),
        summary,
    }
}

fn listed() -> Vec<RunEntry> {
    vec![
        run("bad-1", RunState::Failed, 0),
        run("bad-2", RunState::Failed, 0),
        run("good", RunState::Completed, 170),
        run("late", RunState::Failed, 12),
        run("now", RunState::Running, 40),
        run("实验-学习率", RunState::Stopped, 80),
    ]
}

struct Screen {
    runs: Runs,
    size: (u16, u16),
}

impl Screen {
    fn new(listed: Vec<RunEntry>, size: (u16, u16)) -> Screen {
        let mut runs = Runs::default();
        runs.on_listed(Some(listed), SystemTime::UNIX_EPOCH + Duration::from_secs(2000));
        Screen { runs, size }
    }

    fn code(&mut self, code: KeyCode) -> Option<Intent> {
        let key = UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE));
        self.runs.handle(&key, Rect::new(0, 0, self.size.0, self.size.1), &Keymap::default())
    }

    fn press(&mut self, keys: &str) -> Option<Intent> {
        let code = |c| if c == '\r' { KeyCode::Enter } else { KeyCode::Char(c) };
        keys.chars().fold(None, |_, c| self.code(code(c)))
    }

    fn text(&self) -> String {
        let look = Look {
            theme: Theme::load("dark", Depth::True).unwrap(),
            name: "dark".into(),
            depth: Depth::True,
            ascii: false,
            pixels: None,
        };
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| self.runs.draw(frame, frame.area(), &look)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..self.size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..self.size.1).map(row).collect::<Vec<_>>().join("\n")
    }

    fn assert_snapshot(&self, name: &str) {
        let text = self.text();
        let name = format!("{name}_{}x{}", self.size.0, self.size.1);
        insta::with_settings!({snapshot_path => "../../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(name, text);
        });
    }
}

#[test]
fn runs_that_failed_before_their_first_step_are_folded() {
    for size in SIZES {
        let mut screen = Screen::new(listed(), size);
        screen.assert_snapshot("runs_folded");
        assert!(!screen.text().contains(" bad"));
        screen.code(KeyCode::End);
        assert_eq!(screen.code(KeyCode::Enter), None, "opens the fold");
        assert!(screen.text().contains(" bad") && screen.text().contains("enter hides them"), "{}", screen.text());
        screen.code(KeyCode::Up);
        assert_eq!(screen.code(KeyCode::Enter), Some(Intent::Replay("runs/bad-2".into())));
        screen.code(KeyCode::Down);
        screen.code(KeyCode::Enter);
        assert!(!screen.text().contains(" bad") && screen.text().contains("enter shows them"));
        // There is no run on the line of the fold.
        for key in ["r", "n", "e", "p", "y", "#"] {
            assert_eq!((screen.press(key), screen.runs.typing()), (None, false), "{key}");
        }
        // A filter searches them, too.
        screen.press("/bad-2\r");
        assert!(screen.text().contains("1 of 6") && !screen.text().contains("first step"), "{}", screen.text());
    }
}

#[test]
fn failed_runs_alone_are_not_folded() {
    let screen = Screen::new(vec![run("bad-1", RunState::Failed, 0)], (80, 24));
    assert!(screen.text().contains("bad-1") && !screen.text().contains("first step"));
}

#[test]
fn a_name_that_is_not_allowed_stays_with_its_error() {
    for size in SIZES {
        let mut screen = Screen::new(listed(), size);
        while screen.runs.list.current().is_none_or(|run| run.name != "good") {
            screen.code(KeyCode::Down);
        }
        screen.press("n");
        for _ in 0.."good".len() {
            screen.code(KeyCode::Backspace);
        }
        screen.press("bad-1");
        assert_eq!(screen.press("\r"), None);
        assert!(screen.text().contains("a run \"bad-1\" exists already"), "{}", screen.text());
        screen.press("/x\r");
        screen.assert_snapshot("runs_rename");
        assert!(screen.text().contains("bad-1/x"), "what was typed is kept: {}", screen.text());
        screen.code(KeyCode::Backspace);
        screen.code(KeyCode::Backspace);
        let name = "bad-12".to_owned();
        assert_eq!(screen.press("2\r"), Some(Intent::Edit(RunEdit::Rename { run: "runs/good".into(), name })));
    }
}

#[test]
fn an_active_run_is_not_renamed() {
    let mut screen = Screen::new(listed(), (80, 24));
    screen.press("/now\rnx\r");
    assert!(screen.text().contains("the run is active"), "{}", screen.text());
}

#[test]
fn a_new_name_shows_at_once_and_a_refused_one_is_asked_for_again() {
    let mut screen = Screen::new(listed(), (120, 40));
    screen.press("/good\r ");
    screen.code(KeyCode::Esc);
    screen.runs.on_renamed(Path::new("runs/good"), Path::new("runs/better"));
    let text = screen.text();
    assert!(text.contains("better") && !text.contains("good") && text.contains("1 marked"), "{text}");
    assert!(screen.runs.on_not_renamed("runs/better".into(), "best", "best: no space left"));
    let text = screen.text();
    assert!(text.contains("best: no space left") && text.contains("Rename run"), "{text}");
    assert!(!screen.runs.on_not_renamed("runs/better".into(), "other", "x"), "another dialog is not replaced");
}

#[test]
fn training_for_longer_suggests_the_limit_that_ended_the_run() {
    let suggestion = |change: &dyn Fn(&mut RunEntry)| {
        let mut ended = run("good", RunState::Completed, 170);
        change(&mut ended);
        let mut screen = Screen::new(vec![ended], (80, 24));
        screen.press("r");
        match screen.code(KeyCode::Enter) {
            Some(Intent::Resume { set, .. }) => set.concat(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(suggestion(&|_| {}), "train.epochs=3");
    assert_eq!(suggestion(&|run| run.summary.max_steps = 170), "train.max_steps=340");
    assert_eq!(suggestion(&|run| run.summary.max_steps = 900), "train.epochs=3", "another limit came first");
    assert_eq!(suggestion(&|run| run.state = RunState::EarlyStopped), "train.patience=0");
}

proptest! {
    #[test]
    fn the_cursor_is_always_on_a_row(states in prop::collection::vec((0u8..3, 0u64..3), 0..12), keys in prop::collection::vec(0u8..7, 0..30)) {
        let state = |number| [RunState::Failed, RunState::Completed, RunState::Running][usize::from(number)];
        let entries = states.iter().enumerate().map(|(number, (kind, step))| run(&format!("run-{number}"), state(*kind), *step));
        let mut list = RunList::default();
        list.replace(entries.collect());
        for key in keys {
            match key {
                0 => list.move_by(1),
                1 => list.move_by(-1),
                2 => list.cursor = list.last(),
                3 => list.set_filter("run-1".into()),
                4 => list.set_filter(String::new()),
                5 if list.at_fold() => list.toggle_fold(),
                _ => list.mark(),
            }
            prop_assert!(list.cursor < list.rows().max(1));
            prop_assert_eq!(list.current().is_none(), list.at_fold() || list.shown.is_empty());
            prop_assert!(list.chosen().count() <= list.shown.len());
        }
        list.renamed(&PathBuf::from("runs/run-0"), &PathBuf::from("runs/other"));
        prop_assert!(list.cursor < list.rows().max(1));
    }
}
