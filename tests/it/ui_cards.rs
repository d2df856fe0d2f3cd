//! What is said of a run around its charts: the card at its end, the run pill, toasts, and the strip of a terminal that is
//! too small.

use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use finesift::protocol::{Command, Event, Finished, Phase, Reason, Started};
use finesift::ui::app::App;
use finesift::ui::draw;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::{Files, Tab};
use finesift::ui::screen::Screen;
use finesift::ui::theme::Depth;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::runs_screen::{SampleRuns, demo_events, look, presets};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];
const RUN: &str = "demo-20270101-090000";

fn app(size: (u16, u16), ascii: bool) -> App {
    App::at_home(look("dark", if ascii { Depth::None } else { Depth::True }, ascii), presets(), size.0, size.1)
}

fn screen(app: &App, size: (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..size.1).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

fn press(app: &mut App, key: KeyCode) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(key, KeyModifiers::NONE))))
}

fn click(app: &mut App, column: usize, row: usize) -> Option<Effect> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    let (column, row) = (column as u16, row as u16);
    let event = crossterm::event::Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    app.update(Msg::Input(UserInput::of(event).unwrap()))
}

/// The position of a text on the screen.
fn find(screen: &str, wanted: &str) -> (usize, usize) {
    let found =
        screen.lines().enumerate().find_map(|(row, line)| Some((line.split_once(wanted)?.0.chars().count(), row)));
    found.unwrap_or_else(|| panic!("no {wanted:?} on\n{screen}"))
}

fn files() -> Msg {
    let preset = "[model]\nid = \"cache:demo/minilm\"\n[train]\nlearning_rate = 1e-3\n".into();
    Msg::Files(Files { folder: Path::new("runs").join(RUN), preset })
}

/// The first events of the recorded run, live: the whole run with all of them.
fn live(size: (u16, u16), ascii: bool, steps: u64) -> App {
    let mut app = app(size, ascii);
    app.update(Msg::Launched);
    app.update(files());
    for event in demo_events() {
        let over = matches!(&event, Event::Step(step) if step.step > steps);
        if over || event.is_last() && steps < 170 {
            break;
        }
        app.update(Msg::Event(event));
    }
    app
}

fn finish(app: &mut App, reason: Reason, step: u64) {
    app.update(Msg::Event(Event::Finished(Finished { reason, step, elapsed: 21.4, best: None })));
}

fn fail(app: &mut App, error: &str, checkpoint: bool) {
    let checkpoint = checkpoint.then(|| "runs/demo/checkpoints/step-00000080".into());
    app.update(Msg::Event(Event::Failed { error: error.into(), checkpoint }));
}

const NAN: &str = "step 171: the loss is NaN and the gradient norm 3.2e19 at a learning rate of 9.5e-4; the step was not \
                   taken. Resume with a lower learning rate (peak 1e-3): `finesift resume runs/demo-20270101-090000 --set \
                   train.learning_rate=1e-4`. Clip gradients: train.clip = 1 (now 0).";

const OUT_OF_MEMORY: &str = "memory ran out in a step of 32 x 128 tokens: it needs an estimated 12.3 GiB.\nNVIDIA RTX A2000 has \
                             12.0 GiB: 10.6 GiB used by this process, 0.9 GiB by others, 512 MiB free; libtorch tried to \
                             allocate 768 MiB.\nBy the estimate these fit: train.batch = 16, train.accumulate = 2 (7.1 GiB, in \
                             a new run); train.gradient_checkpointing = true (4.2 GiB, `finesift resume \
                             runs/demo-20270101-090000 --set train.gradient_checkpointing=true`).";

#[test]
fn the_card_of_a_finished_run_at_each_size() {
    for size in SIZES {
        let app = live(size, false, 170);
        insta::assert_snapshot!(format!("finished_{}x{}", size.0, size.1), screen(&app, size));
    }
    let mut app = live((80, 24), false, 84);
    finish(&mut app, Reason::Stopped, 84);
    insta::assert_snapshot!("stopped_80x24", screen(&app, (80, 24)));
    let ascii = live((80, 24), true, 170);
    let shown = screen(&ascii, (80, 24));
    assert!(shown.is_ascii(), "{shown}");
}

#[test]
fn the_card_of_a_failed_run_at_each_size() {
    for size in SIZES {
        let mut app = live(size, false, 100);
        fail(&mut app, NAN, true);
        insta::assert_snapshot!(format!("failed_{}x{}", size.0, size.1), screen(&app, size));
    }
    for size in SIZES {
        let mut app = live(size, false, 100);
        fail(&mut app, OUT_OF_MEMORY, true);
        insta::assert_snapshot!(format!("out_of_memory_{}x{}", size.0, size.1), screen(&app, size));
    }
    // Before it has started, a run is known by its folder.
    let mut app = app((80, 24), false);
    app.update(Msg::Launched);
    app.update(files());
    fail(&mut app, "/root/.cache/finesift/demo/minilm: no such folder. Run `finesift download demo`", false);
    insta::assert_snapshot!("failed_launch_80x24", screen(&app, (80, 24)));
}

#[test]
fn the_run_pill_at_each_size() {
    let samples = SampleRuns::new();
    for size in SIZES {
        let mut app = live(size, false, 84);
        let line = |app: &App| screen(app, size).lines().next().unwrap().to_owned();
        let mut lines = vec![line(&app)];
        press(&mut app, KeyCode::Char('H'));
        lines.push(line(&app));
        press(&mut app, KeyCode::Char('R'));
        app.update(samples.listed());
        lines.push(line(&app));
        app.monitors.live.as_mut().unwrap().attached = true;
        lines.push(line(&app));
        app.monitors.show_replay(None);
        app.screen = Screen::Monitor;
        app.update(Msg::Replayed(1, demo_events()));
        lines.push(line(&app));
        app.update(Msg::Event(Event::Phase { phase: Phase::Paused }));
        lines.push(line(&app));
        finish(&mut app, Reason::Completed, 170);
        lines.push(line(&app));
        insta::assert_snapshot!(format!("pill_{}x{}", size.0, size.1), lines.join("\n"));
    }
}

#[test]
fn the_strip_at_small_sizes() {
    for size in [(40, 10), (59, 15), (20, 3), (12, 2), (30, 1), (1, 1)] {
        let name = |what: &str| format!("strip_{what}{}x{}", size.0, size.1);
        insta::assert_snapshot!(name(""), screen(&live(size, false, 84), size));
        insta::assert_snapshot!(name("none_"), screen(&app(size, false), size));
    }
    let mut app = live((40, 10), false, 84);
    press(&mut app, KeyCode::Char('q'));
    insta::assert_snapshot!("strip_quit_40x10", screen(&app, (40, 10)));
    insta::assert_snapshot!("strip_quit_40x2", screen(&app, (40, 2)));
    let ascii = screen(&live((40, 10), true, 84), (40, 10));
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn toasts_take_lines_of_their_own() {
    for size in [(60, 16), (80, 24)] {
        let mut app = live(size, false, 84);
        app.update(Msg::Done(
            "wrote loss-step-84.csv and loss-step-84.svg into runs/demo-20270101-090000/charts".into(),
        ));
        app.update(Msg::Refused("a run is still training; stop it first".into()));
        insta::assert_snapshot!(format!("toasts_{}x{}", size.0, size.1), screen(&app, size));
        // Clicks hit what is shown.
        let shown = screen(&app, size);
        let (column, row) = find(&shown, "Layers");
        click(&mut app, column, row);
        assert_eq!(app.monitor().unwrap().view.tab, Tab::Layers);
    }
    let mut app = live((80, 24), false, 84);
    press(&mut app, KeyCode::Char('H'));
    app.update(Msg::Event(Event::Checkpointed { step: 84, path: "x".into(), bytes: 4096, seconds: 0.1, held_up: 0.0 }));
    assert!(screen(&app, (80, 24)).contains("demo-20270101-090000: saved checkpoint at step 84 (4.0 KiB)"));
}

/// What is written on the line of a card that starts with this key.
fn choice(app: &App, key: char) -> String {
    let shown = screen(app, (120, 40));
    let line = shown.lines().find(|line| line.contains(&format!(" {key}  ")));
    line.unwrap_or_else(|| panic!("no key {key} on\n{shown}")).to_owned()
}

#[test]
fn the_keys_of_a_finished_run_lead_to_runs() {
    let samples = SampleRuns::new();
    let run = || live((120, 40), false, 170);
    for (key, shown) in
        [('e', "● merged model"), ('h', "● HTML report"), ('r', "demo-20270101-090000 has completed 170 steps")]
    {
        let mut app = run();
        assert_eq!(press(&mut app, KeyCode::Char(key)), Some(Effect::ListRuns), "{key}");
        app.update(samples.listed());
        assert!(app.screen == Screen::Runs && screen(&app, (120, 40)).contains(shown), "{}", screen(&app, (120, 40)));
    }
    // A filter that hides the run gives way to it; a run that is not listed is reported.
    let mut app = run();
    press(&mut app, KeyCode::Char('R'));
    app.update(samples.listed());
    "/early\r".chars().for_each(|key| {
        press(&mut app, if key == '\r' { KeyCode::Enter } else { KeyCode::Char(key) });
    });
    press(&mut app, KeyCode::Char('M'));
    press(&mut app, KeyCode::Char('e'));
    app.update(Msg::Listed(None, std::time::SystemTime::now()));
    assert!(screen(&app, (120, 40)).contains("Export demo-20270101-090000"));
    let mut app = run();
    press(&mut app, KeyCode::Char('e'));
    app.update(Msg::Listed(Some(Vec::new()), std::time::SystemTime::now()));
    assert!(screen(&app, (120, 40)).contains("is not among the runs"), "{}", screen(&app, (120, 40)));

    // A run that was stopped resumes at once.
    let mut app = live((120, 40), false, 84);
    finish(&mut app, Reason::Stopped, 84);
    assert!(choice(&app, 'r').contains("resume from the latest checkpoint"));

    // A classifier predicts, a language model chats.
    let mut app = run();
    let folder = format!("runs/{RUN}");
    assert_eq!(
        press(&mut app, KeyCode::Char('p')),
        Some(Effect::Copy(format!("finesift predict {folder} --data texts.jsonl --out predictions.jsonl")))
    );
    app.update(Msg::Launched);
    app.update(files());
    for event in demo_events() {
        app.update(Msg::Event(match event {
            Event::Started(started) => Event::Started(Started { writes: true, ..started }),
            event => event,
        }));
    }
    assert_eq!(press(&mut app, KeyCode::Char('c')), Some(Effect::OpenChat(folder.into())));
}

#[test]
fn a_card_is_closed_and_opened_again() {
    let size = (120, 40);
    let mut app = live(size, false, 170);
    let open = |app: &App| screen(app, size).contains("esc close");
    assert!(open(&app));
    press(&mut app, KeyCode::Esc);
    assert!(!open(&app) && screen(&app, size).contains("i summary"));
    // Without the card, the keys are those of the charts.
    press(&mut app, KeyCode::Enter);
    assert!(app.monitor().unwrap().view.full);
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('4'));
    press(&mut app, KeyCode::Char('i'));
    assert!(open(&app) && app.monitor().unwrap().view.tab == Tab::Overview);
    press(&mut app, KeyCode::Char('2'));
    assert!(!open(&app));
    press(&mut app, KeyCode::Char('1'));
    assert!(open(&app));
    press(&mut app, KeyCode::Char('i'));
    assert!(!open(&app));
    // By mouse: a click on a choice takes it, one beside the card closes it.
    press(&mut app, KeyCode::Char('i'));
    let (column, row) = find(&screen(&app, size), "HTML report");
    assert_eq!(click(&mut app, column, row), Some(Effect::ListRuns));
    press(&mut app, KeyCode::Char('M'));
    click(&mut app, 1, 30);
    assert!(!open(&app));
    // A run that continues has no card; keys that choose it keep their meaning.
    press(&mut app, KeyCode::Char('i'));
    app.update(Msg::Event(Event::Phase { phase: Phase::Training }));
    assert!(!open(&app));
    assert_eq!(press(&mut app, KeyCode::Char('e')), Some(Effect::Send(Command::Evaluate)));
    press(&mut app, KeyCode::Char('i'));
    assert!(screen(&app, size).contains("this run has not ended"));
}

#[test]
fn a_replay_is_not_greeted_by_its_summary_but_by_its_error() {
    let size = (120, 40);
    let replayed = |events: Vec<Event>| {
        let mut app = app(size, false);
        app.monitors.show_replay(None);
        app.screen = Screen::Monitor;
        app.update(files());
        app.update(Msg::Replayed(1, events));
        app
    };
    let mut app = replayed(demo_events());
    assert!(!screen(&app, size).contains("esc close"));
    press(&mut app, KeyCode::Char('i'));
    assert!(screen(&app, size).contains("esc close") && screen(&app, size).contains("train for longer"));
    press(&mut app, KeyCode::Esc);
    assert!(app.screen == Screen::Monitor, "the first esc closes the card");
    press(&mut app, KeyCode::Esc);
    assert!(app.screen == Screen::Runs);
    let mut events = demo_events();
    events.pop();
    events.push(Event::Failed { error: NAN.into(), checkpoint: None });
    assert!(screen(&replayed(events), size).contains("Resume with a lower learning rate"));
}

#[test]
fn a_failed_run_is_mended_from_its_card() {
    let size = (120, 40);
    let failed = |error: &str, checkpoint| {
        let mut app = live(size, false, 100);
        fail(&mut app, error, checkpoint);
        app
    };
    // With what the error advises to set.
    let mut app = failed(NAN, true);
    let folder = Path::new("runs").join(RUN);
    let set = vec!["train.learning_rate=1e-4".to_owned()];
    assert!(choice(&app, 'r').contains("resume with train.learning_rate=1e-4"));
    assert_eq!(press(&mut app, KeyCode::Char('r')), Some(Effect::Resume { run: folder, set }));
    assert_eq!(press(&mut app, KeyCode::Char('y')), Some(Effect::Copy(NAN.into())));
    // At Home, on the setting.
    assert!(choice(&app, 'e').contains("edit train.learning_rate of demo at Home"));
    press(&mut app, KeyCode::Char('e'));
    assert!(app.screen == Screen::Home);
    press(&mut app, KeyCode::Enter);
    assert!(screen(&app, size).contains("train.learning_rate: "), "{}", screen(&app, size));
    let mut app = failed(NAN, true);
    press(&mut app, KeyCode::Char('l'));
    assert_eq!(app.monitor().unwrap().view.tab, Tab::Log);
    // Without a checkpoint there is nothing to resume.
    let mut app = failed("something else", false);
    assert_eq!(press(&mut app, KeyCode::Char('r')), None);
    assert!(!screen(&app, size).contains("resume"));
}

#[test]
fn the_pill_and_its_key_lead_to_the_live_run() {
    let size = (120, 40);
    let mut app = live(size, false, 84);
    press(&mut app, KeyCode::Char('H'));
    let (column, row) = find(&screen(&app, size), "▶ demo");
    click(&mut app, column, row);
    assert!(app.screen == Screen::Monitor);
    app.monitors.show_replay(None);
    app.update(Msg::Replayed(1, demo_events()));
    let shown = screen(&app, size);
    assert!(shown.contains("replay of demo") && shown.contains("▶ demo-20270101-090000 84/170"), "{shown}");
    let (column, row) = find(&screen(&app, size), "▶ demo");
    click(&mut app, column + 3, row);
    assert!(app.monitors.replay.is_none());
    for elsewhere in ['M', 'H', 'R'] {
        app.monitors.show_replay(None);
        press(&mut app, KeyCode::Char(elsewhere));
        press(&mut app, KeyCode::Char('M'));
        assert!(app.monitors.replay.is_none() && app.screen == Screen::Monitor);
    }
}

#[test]
fn keys_work_on_the_strip_and_clicks_do_not() {
    let size = (40, 10);
    let mut app = live(size, false, 84);
    assert_eq!(press(&mut app, KeyCode::Char(' ')), Some(Effect::Send(Command::Pause)));
    assert_eq!(click(&mut app, 11, 0), None);
    assert!(app.screen == Screen::Monitor && app.monitor().unwrap().view.tab == Tab::Overview);
    press(&mut app, KeyCode::Char('q'));
    press(&mut app, KeyCode::Char('d'));
    assert!(app.leaving);
}

#[test]
fn long_names_leave_the_keys_of_a_card_and_of_dialogs() {
    let samples = SampleRuns::new();
    let long = "a-run-with-a-name-that-is-longer-than-any-dialog-is-wide-and-then-some-more-of-it-to-be-sure";
    for size in SIZES {
        let mut app = app(size, false);
        app.update(Msg::Launched);
        app.update(Msg::Files(Files { folder: Path::new("runs").join(long), preset: String::new() }));
        for event in demo_events() {
            app.update(Msg::Event(match event {
                Event::Started(started) => Event::Started(Started { run: long.into(), ..started }),
                event => event,
            }));
        }
        // The question before leaving, while the run trains.
        let mut training = live(size, false, 84);
        training.monitors.live.as_mut().unwrap().run.started.as_mut().unwrap().run = long.into();
        press(&mut training, KeyCode::Char('q'));
        let shown = screen(&training, size);
        assert!(["s  stop", "d  stop", "k  keep", "esc stays"].iter().all(|key| shown.contains(key)), "{shown}");
        let shown = screen(&app, size);
        assert!(shown.contains("h  HTML report") && shown.contains("esc close") && shown.contains('…'), "{shown}");
        press(&mut app, KeyCode::Esc);
        press(&mut app, KeyCode::Char('R'));
        let Msg::Listed(Some(mut runs), now) = samples.listed() else { panic!("not listed") };
        runs.retain(|run| run.name == RUN);
        runs[0].name = long.into();
        runs[0].path = Path::new("runs").join(long);
        app.update(Msg::Listed(Some(runs), now));
        for (key, keys) in [
            ('e', &["enter export", "esc cancel"][..]),
            ('p', &["p pin/unpin", "esc close"]),
            ('n', &["enter rename", "esc cancel"]),
            ('#', &["enter save", "esc cancel"]),
            ('r', &["enter resume", "esc cancel"]),
            ('D', &["y move to trash", "n cancel"]),
        ] {
            press(&mut app, KeyCode::Char(key));
            let shown = screen(&app, size);
            assert!(keys.iter().all(|keys| shown.contains(keys)), "{key} at {size:?}\n{shown}");
            press(&mut app, KeyCode::Esc);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_strip_is_drawn_at_any_size(width in 0u16..60, height in 0u16..20, steps in 0u64..171, ascii: bool, quit: bool) {
        let size = (width, height);
        let mut app = live(size, ascii, steps);
        if quit {
            press(&mut app, KeyCode::Char('q'));
        }
        screen(&app, size);
        press(&mut app, KeyCode::Esc);
        press(&mut app, KeyCode::Char('H'));
        screen(&app, size);
    }
}
