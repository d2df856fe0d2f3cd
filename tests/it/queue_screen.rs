//! The queue on the Runs screen, and the questions about it, at four sizes.

use std::path::Path;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::preset::Preset;
use finesift::queue::{EntryState, QueueEntry, QueueMove};
use finesift::ui::app::App;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::Files;
use finesift::ui::queue_edit::QueueEdit;
use finesift::ui::screen::Screen;
use finesift::ui::start_request::{ActiveRuns, StartRequest};
use finesift::ui::theme::Depth;

use crate::runs_screen::{SampleRuns, demo_events, drawn, look, now, presets, text};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

pub fn entries() -> Vec<QueueEntry> {
    let entry = |id: u64, preset: &str, run: Option<&str>, minutes: u64, state: EntryState| QueueEntry {
        id,
        preset: preset.into(),
        toml: format!("[train]\nseed = {id}\n"),
        run: run.map(str::to_owned),
        queued: (now() - Duration::from_secs(60 * minutes)).try_into().unwrap(),
        state,
    };
    let error =
        "model.id: no such model on huggingface.co: org/nmae; check the spelling, and that your token may read it";
    vec![
        entry(3, "glue/mrpc", None, 80, EntryState::Queued),
        entry(4, "mine", Some("rate-0.02"), 12, EntryState::Failed { error: error.into() }),
        entry(5, "demo-chat", Some("模型-second-seed-of-the-run-with-a-long-name"), 0, EntryState::Queued),
        entry(6, "demo-chat", None, 0, EntryState::Queued),
    ]
}

fn preset() -> Box<Preset> {
    let text = "[model]\nid = \"org/name\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1e-3\n";
    Box::new(Preset::parse("glue/mrpc", "test.toml", text, &[], Path::new("cache")).unwrap())
}

fn press(app: &mut App, code: KeyCode) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn type_text(app: &mut App, text: &str) -> Option<Effect> {
    text.chars().fold(None, |_, c| press(app, KeyCode::Char(c)))
}

/// A run that trains in this process, with other runs and a queue.
fn training((width, height): (u16, u16), ascii: bool) -> App {
    let mut app =
        App::at_home(look("dark", if ascii { Depth::None } else { Depth::True }, ascii), presets(), width, height);
    app.update(Msg::Launched);
    demo_events().into_iter().take(230).for_each(|event| drop(app.update(Msg::Event(event))));
    app.update(Msg::Queued(entries()));
    app
}

fn at_runs(size: (u16, u16), ascii: bool) -> App {
    let mut app = training(size, ascii);
    press(&mut app, KeyCode::Char('R'));
    app.update(SampleRuns::new().listed());
    app.update(Msg::Tick(Duration::from_secs(100)));
    app.update(Msg::Tick(Duration::from_secs(200)));
    app
}

#[test]
fn the_queue_is_above_the_runs() {
    for (width, height) in SIZES {
        let mut app = at_runs((width, height), false);
        insta::assert_snapshot!(format!("queue_{width}x{height}"), text(&drawn(&app, (width, height))));
        press(&mut app, KeyCode::Tab);
        press(&mut app, KeyCode::Char('D'));
        let focused = text(&drawn(&app, (width, height)));
        insta::assert_snapshot!(format!("queue_focused_{width}x{height}"), focused);
    }
    let app = at_runs((120, 40), true);
    let ascii = text(&drawn(&app, (120, 40)));
    let panel: Vec<&str> = ascii.lines().skip(1).take(6).collect();
    assert!(panel.concat().replace(['模', '型'], "").is_ascii(), "{panel:?}");
}

#[test]
fn the_questions_name_what_trains_and_what_waits() {
    for (width, height) in SIZES {
        let size = (width, height);
        let mut app = training(size, false);
        app.update(Msg::Busy(StartRequest::Launch(preset()), ActiveRuns::Here));
        insta::assert_snapshot!(format!("busy_{width}x{height}"), text(&drawn(&app, size)));
        press(&mut app, KeyCode::Esc);
        press(&mut app, KeyCode::Char('q'));
        insta::assert_snapshot!(format!("quit_with_queue_{width}x{height}"), text(&drawn(&app, size)));
    }
    let mut app = training((80, 24), false);
    let names = vec!["first".to_owned(), "second".to_owned()];
    app.update(Msg::Busy(
        StartRequest::Resume { run: "runs/third".into(), set: Vec::new() },
        ActiveRuns::Elsewhere(names),
    ));
    let shown = text(&drawn(&app, (80, 24)));
    assert!(shown.contains("Start third") && shown.contains("2 runs are training in other processes."), "{shown}");
    assert!(shown.contains("s  start now, side by side") && !shown.contains("queue it"), "{shown}");
}

#[test]
fn entries_are_moved_and_removed_by_key() {
    let mut app = at_runs((120, 40), false);
    // Without the focus the keys are those of the list.
    assert_eq!(press(&mut app, KeyCode::Char('J')), None);
    press(&mut app, KeyCode::Tab);
    assert_eq!(press(&mut app, KeyCode::Char('J')), Some(Effect::Queue(QueueEdit::Move(3, QueueMove::Down))));
    // The cursor follows its entry.
    let mut moved = entries();
    moved.swap(0, 1);
    app.update(Msg::Queued(moved));
    assert_eq!(press(&mut app, KeyCode::Char('K')), Some(Effect::Queue(QueueEdit::Move(3, QueueMove::Up))));
    press(&mut app, KeyCode::Down);
    assert_eq!(press(&mut app, KeyCode::Char('D')), None);
    assert!(text(&drawn(&app, (120, 40))).contains("press D again to remove 5"));
    // Any other key keeps it.
    press(&mut app, KeyCode::Up);
    assert_eq!(press(&mut app, KeyCode::Char('D')), None);
    assert_eq!(press(&mut app, KeyCode::Char('D')), Some(Effect::Queue(QueueEdit::Remove(3))));
    app.update(Msg::Queued(Vec::new()));
    // Without entries the list has the keys again.
    press(&mut app, KeyCode::Char('D'));
    assert!(text(&drawn(&app, (120, 40))).contains("to the trash?"));
}

#[test]
fn the_next_run_follows_unless_the_queue_is_on_hold() {
    let mut app = training((120, 40), false);
    app.update(Msg::Event(demo_events().pop().unwrap()));
    assert_eq!(app.update(Msg::Ended), Some(Effect::StartNext));
    // It does not take the screen from what the user looks at.
    app.screen = Screen::Home;
    app.update(Msg::Followed("glue-mrpc-1".into(), Files { folder: "runs/glue-mrpc-1".into(), ..Files::default() }));
    assert_eq!(app.screen, Screen::Home);
    assert!(app.monitors.at_work() && app.monitors.is_live(Path::new("runs/glue-mrpc-1")));
    let shown = text(&drawn(&app, (120, 40)));
    assert!(shown.contains("completed, best accuracy 0.8800 at step 140, see Runs; "), "{shown}");
    assert!(shown.contains("started glue-mrpc-1 from the queue; 3 more queued"), "{shown}");
    press(&mut app, KeyCode::Char('R'));
    press(&mut app, KeyCode::Tab);
    assert_eq!(press(&mut app, KeyCode::Enter), None);
    assert!(text(&drawn(&app, (120, 40))).contains("enter starts it"));
    assert_eq!(app.update(Msg::Ended), None);
    assert_eq!(press(&mut app, KeyCode::Enter), Some(Effect::StartNext));
    assert_eq!(app.update(Msg::Ended), Some(Effect::StartNext));
    // A queue that cannot be read is not tried again and again.
    app.update(Msg::QueueRefused("runs/.queue/queue.toml:1: broken".into()));
    assert_eq!(app.update(Msg::Ended), None);
}

#[test]
fn a_workbench_without_a_run_of_its_own_starts_nothing_and_asks_nothing() {
    let mut app = App::at_home(look("dark", Depth::True, false), presets(), 80, 24);
    app.update(Msg::Queued(entries()));
    assert_eq!(app.update(Msg::Ended), None);
    assert_eq!(press(&mut app, KeyCode::Char('q')), Some(Effect::Leave));
}

#[test]
fn leaving_says_that_queued_runs_stay_queued() {
    let mut app = training((80, 24), false);
    app.update(Msg::Event(demo_events().pop().unwrap()));
    press(&mut app, KeyCode::Char('q'));
    let shown = text(&drawn(&app, (80, 24)));
    assert!(shown.contains("3 runs are queued.") && shown.contains("`finesift queue run`"), "{shown}");
    assert_eq!(press(&mut app, KeyCode::Char('q')), Some(Effect::Leave));
}

#[test]
fn a_run_is_handed_off_before_the_other_one_starts() {
    let request = || StartRequest::Launch(preset());
    let mut app = training((80, 24), false);
    app.update(Msg::Busy(request(), ActiveRuns::Here));
    assert_eq!(type_text(&mut app, "b"), Some(Effect::Detach));
    assert_eq!(app.update(Msg::HandedOff("demo".into(), Ok(()))), Some(Effect::StartBeside(request())));
    // A run that ended meanwhile is in nobody's way.
    let mut app = training((80, 24), false);
    app.update(Msg::Busy(request(), ActiveRuns::Here));
    app.update(Msg::Event(demo_events().pop().unwrap()));
    assert_eq!(type_text(&mut app, "b"), Some(Effect::StartBeside(request())));
    // One that cannot continue keeps the other one from starting.
    let mut app = training((80, 24), false);
    app.update(Msg::Busy(request(), ActiveRuns::Here));
    type_text(&mut app, "b");
    assert_eq!(app.update(Msg::HandedOff("demo".into(), Err("no memory for a process".into()))), None);
    assert!(text(&drawn(&app, (80, 24))).contains("no memory for a process"));
    let queued = |app: &mut App| {
        app.update(Msg::Busy(request(), ActiveRuns::Elsewhere(vec!["demo".into()])));
        type_text(app, "q")
    };
    assert_eq!(queued(&mut app), Some(Effect::Queue(QueueEdit::Add(preset()))));
    app.update(Msg::Busy(request(), ActiveRuns::Elsewhere(vec!["demo".into()])));
    assert_eq!(type_text(&mut app, "s"), Some(Effect::StartBeside(request())));
    assert!(app.overlay.is_none());
}
