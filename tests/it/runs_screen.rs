//! The Runs screen and the overlays (help, themes, quit) at three sizes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::export::{Cancelled, ChangedBiases, ExportFormat, ExportRequest};
use finesift::preset::Library;
use finesift::protocol::{Event, Progress};
use finesift::runs::checkpoint::CheckpointSelector;
use finesift::runs::{Lister, RunEdit, read_events};
use finesift::ui::app::App;
use finesift::ui::draw;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::Files;

use finesift::ui::screen::Screen;
use finesift::ui::theme::{Depth, Look, Theme, Themes};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};

use crate::place;

pub const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// The time at which the screens are drawn.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub fn demo_events() -> Vec<Event> {
    read_events(&place::fixture("runs/demo.jsonl")).unwrap()
}

/// A folder of runs, one in each state, made from a recorded run.
pub struct SampleRuns {
    folder: tempfile::TempDir,
}

impl SampleRuns {
    pub fn new() -> SampleRuns {
        let folder = tempfile::tempdir().unwrap();
        let demo = place::fixture("runs/demo.jsonl");
        let text = fs::read_to_string(demo).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let failed =
            r#"{"event":"failed","error":"the loss of step 62 is not finite; lower train.learning_rate, or clip"}"#;
        let stopped = r#"{"event":"finished","reason":"stopped","step":96,"elapsed":141.5}"#;
        let hour = 3600;
        for (name, lines, hours, rate, tags) in [
            ("demo-20270101-090000", lines.clone(), 30, "0.008", "baseline\npaper"),
            ("rate-0.05", lines.clone(), 5, "0.05", "sweep"),
            ("too-high", [&lines[..120], &[failed]].concat(), 2, "0.008", ""),
            ("early", [&lines[..180], &[stopped]].concat(), 2000, "0.008", ""),
            ("cut", lines[..200].to_vec(), 400, "0.008", ""),
            ("now", lines[..230].to_vec(), 0, "0.02", ""),
        ] {
            let run = folder.path().join(name);
            fs::create_dir(&run).unwrap();
            let preset = format!("about = \"x\"\n[sift]\nrate = {rate}\n[train]\nepochs = 2\nlearning_rate = 1e-3\n");
            fs::write(run.join("preset.toml"), preset).unwrap();
            fs::write(run.join("tags"), tags).unwrap();
            fs::write(run.join("events.jsonl"), lines.join("\n") + "\n").unwrap();
            for step in [80, 100, 120] {
                fs::create_dir_all(run.join(format!("checkpoints/step-{step:08}"))).unwrap();
            }
            fs::write(run.join("checkpoints/step-00000080/pinned"), "").unwrap();
            std::os::unix::fs::symlink("checkpoints/step-00000100", run.join("best")).unwrap();
            let events = File::options().append(true).open(run.join("events.jsonl")).unwrap();
            events.set_modified(now() - Duration::from_secs(hours * hour)).unwrap();
        }
        SampleRuns { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The message that lists all runs.
    pub fn listed(&self) -> Msg {
        let mut listed = Lister::new(self.folder.path()).refresh(now()).unwrap();
        // The temporary folder differs from test to test.
        listed.iter_mut().flatten().for_each(|run| run.path = Path::new("runs").join(&run.name));
        Msg::Listed(listed, now())
    }
}

pub fn look(theme: &str, depth: Depth, ascii: bool) -> Look {
    Look { theme: Theme::load(theme, depth).unwrap(), name: theme.to_owned(), depth, ascii, pixels: None }
}

pub fn presets() -> Vec<finesift::preset::PresetEntry> {
    Library::new("/no/presets".into(), "/cache".into()).list()
}

fn app(size: (u16, u16)) -> App {
    App::at_home(look("dark", Depth::True, false), presets(), size.0, size.1)
}

/// The Runs screen with all runs listed.
fn at_runs(samples: &SampleRuns, size: (u16, u16)) -> App {
    let mut app = app(size);
    press(&mut app, KeyCode::Char('R'));
    app.update(samples.listed());
    app
}

fn press(app: &mut App, code: KeyCode) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn type_in(app: &mut App, text: &str) -> Option<Effect> {
    text.chars().fold(None, |_, c| press(app, KeyCode::Char(c)))
}

pub fn drawn(app: &App, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    terminal.backend().buffer().clone()
}

pub fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

fn screen(app: &App, size: (u16, u16)) -> String {
    text(&drawn(app, size))
}

/// Foreground of the first cell of a text.
fn colour_of(buffer: &Buffer, wanted: &str) -> Color {
    let text = text(buffer);
    let (y, line) = text.lines().enumerate().find(|(_, line)| line.contains(wanted)).expect(wanted);
    let x = line.split(wanted).next().unwrap().chars().count();
    buffer[(x as u16, y as u16)].fg
}

#[test]
fn the_table_of_runs_at_each_size() {
    let samples = SampleRuns::new();
    for size in SIZES {
        insta::assert_snapshot!(format!("runs_{}x{}", size.0, size.1), screen(&at_runs(&samples, size), size));
    }
    let mut plain = at_runs(&samples, (120, 24));
    plain.look.ascii = true;
    let text = screen(&plain, (120, 24));
    assert!(text.contains("+ completed") && text.contains("x failed"), "{text}");
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn states_have_colours_and_the_cursor_line_is_highlighted() {
    let app = at_runs(&SampleRuns::new(), (120, 40));
    let (buffer, theme) = (drawn(&app, (120, 40)), &app.look.theme);
    for (word, hue) in [
        ("▶ running", theme.accent),
        ("✔ completed", theme.good),
        ("■ stopped", theme.paused),
        ("✖ failed", theme.error),
        ("◌ interrupted", theme.warning),
    ] {
        assert_eq!(colour_of(&buffer, word), hue.0, "{word}");
    }
    // The latest run is first, and under the cursor.
    assert_eq!(buffer[(20, 3)].bg, theme.marked.0);
    assert_eq!(buffer[(20, 4)].bg, Color::Reset);
    assert_eq!(colour_of(&buffer, "accuracy 0.8800"), theme.score.0);
}

#[test]
fn runs_are_sorted_filtered_and_marked() {
    let samples = SampleRuns::new();
    let size = (120, 40);
    let mut app = at_runs(&samples, size);
    let first = |app: &App| screen(app, size).lines().nth(3).unwrap().to_owned();
    assert!(first(&app).contains("now"));
    press(&mut app, KeyCode::Char('S'));
    assert!(first(&app).contains("early"), "{}", first(&app));
    // A click on a column's header sorts by it, the best run first; runs without a score are last.
    let at = screen(&app, size).lines().nth(2).unwrap().find("Best").unwrap() as u16;
    let click = |x, y| Msg::Input(UserInput::Click(Position::new(x, y)));
    app.update(click(at, 2));
    assert!(first(&app).contains("accuracy 0.8800"), "{}", first(&app));
    press(&mut app, KeyCode::Char('/'));
    type_in(&mut app, "SWEEP");
    let shown = screen(&app, size);
    assert!(shown.contains("1 of 6 /SWEEP_") && shown.contains("rate-0.05") && !shown.contains("too-high"), "{shown}");
    press(&mut app, KeyCode::Esc);
    assert!(screen(&app, size).contains("too-high"));
    press(&mut app, KeyCode::Home);
    press(&mut app, KeyCode::Char(' '));
    press(&mut app, KeyCode::Char(' '));
    assert!(screen(&app, size).contains("2 marked"));
    let Some(Effect::Follow(runs)) = press(&mut app, KeyCode::Char('c')) else { panic!("no comparison") };
    assert_eq!(runs, ["demo-20270101-090000", "rate-0.05"].map(|name| Path::new("runs").join(name)));
}

#[test]
fn a_completed_run_is_trained_for_longer_with_other_settings() {
    let mut app = at_runs(&SampleRuns::new(), (120, 40));
    while !first_line_at_cursor(&app).contains("completed") {
        press(&mut app, KeyCode::Down);
    }
    assert_eq!(press(&mut app, KeyCode::Char('r')), None);
    let shown = screen(&app, (120, 40));
    assert!(shown.contains("Train for longer") && shown.contains("train.epochs=3_"), "{shown}");
    press(&mut app, KeyCode::Backspace);
    type_in(&mut app, "6 train.learning_rate=1e-4");
    let Some(Effect::Resume { set, .. }) = press(&mut app, KeyCode::Enter) else { panic!("not resumed") };
    assert_eq!(set, ["train.epochs=6", "train.learning_rate=1e-4"]);
    press(&mut app, KeyCode::Char('r'));
    assert_eq!(press(&mut app, KeyCode::Esc), None);
    assert!(!screen(&app, (120, 40)).contains("Train for longer"));
}

/// The line of the run under the cursor.
fn first_line_at_cursor(app: &App) -> String {
    let shown = screen(app, (120, 40));
    shown.lines().find(|line| line.contains('▌')).unwrap_or_default().to_owned()
}

#[test]
fn actions_apply_to_the_run_under_the_cursor() {
    let mut app = at_runs(&SampleRuns::new(), (120, 40));
    press(&mut app, KeyCode::Down);
    let run = PathBuf::from("runs/too-high");
    assert_eq!(press(&mut app, KeyCode::Char('r')), Some(Effect::Resume { run: run.clone(), set: Vec::new() }));
    assert_eq!(press(&mut app, KeyCode::Char('o')), Some(Effect::OpenFolder(run.clone())));
    press(&mut app, KeyCode::Char('n'));
    // Letters are text here, also those that are keys elsewhere.
    assert_eq!(type_in(&mut app, "q"), None);
    assert_eq!(
        press(&mut app, KeyCode::Enter),
        Some(Effect::Edit(RunEdit::Rename { run: run.clone(), name: "too-highq".into() }))
    );
    press(&mut app, KeyCode::Char('#'));
    type_in(&mut app, "bad  worse");
    let tags = vec!["bad".to_owned(), "worse".to_owned()];
    assert_eq!(press(&mut app, KeyCode::Enter), Some(Effect::Edit(RunEdit::Tag { runs: vec![run.clone()], tags })));
    // Only y deletes.
    press(&mut app, KeyCode::Char('D'));
    assert!(screen(&app, (120, 40)).contains("Move too-high to the trash?"));
    assert_eq!(press(&mut app, KeyCode::Enter), None);
    assert_eq!(press(&mut app, KeyCode::Esc), None);
    press(&mut app, KeyCode::Char('D'));
    assert_eq!(press(&mut app, KeyCode::Char('y')), Some(Effect::Edit(RunEdit::MoveToTrash(vec![run]))));
}

/// The export that the form orders as it stands.
fn ordered(app: &mut App) -> ExportRequest {
    match press(app, KeyCode::Enter) {
        Some(Effect::Export(order)) => order,
        other => panic!("no export: {other:?}"),
    }
}

#[test]
fn the_export_form_sets_format_checkpoint_and_path() {
    let samples = SampleRuns::new();
    for size in SIZES {
        let mut app = at_runs(&samples, size);
        press(&mut app, KeyCode::Char('e'));
        insta::assert_snapshot!(format!("export_{}x{}", size.0, size.1), screen(&app, size));
    }
    let order = |format, step: Option<u64>, out: &str| ExportRequest {
        run: "runs/now".into(),
        format,
        from: step.map(CheckpointSelector::Step),
        out: out.into(),
        without_biases: false,
    };
    let opened = |keys: &[KeyCode]| {
        let mut app = at_runs(&samples, (120, 40));
        press(&mut app, KeyCode::Char('e'));
        keys.iter().for_each(|key| assert_eq!(press(&mut app, *key), None));
        app
    };
    use KeyCode::{BackTab, Down, Esc, Left, Right, Tab, Up};
    assert_eq!(ordered(&mut opened(&[])), order(ExportFormat::Merged, Some(100), "runs/now/exports/step-100/merged"));
    // The best checkpoint is preselected, the latest is to its left.
    let newest = ordered(&mut opened(&[Down, Tab, Left, Left]));
    assert_eq!(newest, order(ExportFormat::Delta, Some(120), "runs/now/exports/step-120/delta.safetensors"));
    let oldest = opened(&[Tab, Right, Right]);
    assert!(screen(&oldest, (120, 40)).contains("‹ step 80, pinned"), "{}", screen(&oldest, (120, 40)));
    // Metrics need no checkpoint; the path is next, and an edited path stays.
    let mut app = opened(&[Down, Down, Down, Down, Down, Down, Tab]);
    assert!(screen(&app, (120, 40)).contains("none: metrics of all steps"));
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL))));
    assert_eq!(press(&mut app, KeyCode::Enter), None, "a path is required");
    type_in(&mut app, "a q/");
    app.update(Msg::Input(UserInput::Paste("b.html\n".into())));
    press(&mut app, BackTab);
    press(&mut app, BackTab);
    press(&mut app, Tab);
    assert_eq!(ordered(&mut app), order(ExportFormat::Html, None, "a q/b.html"));
    // A pasted path replaces the proposed one.
    let mut app = opened(&[Up]);
    app.update(Msg::Input(UserInput::Paste("/data/out".into())));
    assert_eq!(ordered(&mut app), order(ExportFormat::Merged, Some(100), "/data/out"));
    let mut app = opened(&[Esc]);
    assert!(!screen(&app, (120, 40)).contains("enter export"));
    assert_eq!(press(&mut app, KeyCode::Char('X')), None, "no export is running");
}

#[test]
fn an_export_shows_its_progress_and_outcome() {
    let samples = SampleRuns::new();
    let size = (120, 40);
    let exporting = || {
        let mut app = at_runs(&samples, size);
        press(&mut app, KeyCode::Char('e'));
        (ordered(&mut app), app)
    };
    let (order, mut app) = exporting();
    assert!(screen(&app, size).contains("exporting now: reading (X to cancel)"));
    let progress = |unit: &str| Progress { task: "x".into(), done: 1 << 20, total: 3 << 20, unit: unit.into() };
    app.update(Msg::Exporting(progress("bytes")));
    assert!(screen(&app, size).contains("exporting now: 1.0 MiB of 3.0 MiB"), "{}", screen(&app, size));
    // One at a time.
    press(&mut app, KeyCode::Char('e'));
    assert_eq!(press(&mut app, KeyCode::Enter), None);
    assert!(screen(&app, size).contains("an export is still running"));
    assert_eq!(press(&mut app, KeyCode::Char('X')), Some(Effect::CancelExport));
    app.update(Msg::Exported(Err(Cancelled.into())));
    let shown = screen(&app, size);
    assert!(shown.contains("cancelled the export") && !shown.contains("exporting now"), "{shown}");

    let (_, mut app) = exporting();
    press(&mut app, KeyCode::Char('H'));
    app.update(Msg::Exported(Ok(())));
    assert!(screen(&app, size).contains("exported to runs/now/exports/step-100/merged"));
    let (_, mut app) = exporting();
    app.update(Msg::Exported(Err(anyhow::anyhow!("the disk is full").context("out: cannot write"))));
    assert!(screen(&app, size).contains("out: cannot write: the disk is full"));

    // Biases have no place in an adapter; the screen offers to leave them out, if the user is there to answer.
    let biases = || ChangedBiases { count: 8, first: "encoder.layer.0.attention.self.query.bias".into() };
    let (_, mut app) = exporting();
    app.update(Msg::Exported(Err(biases().into())));
    insta::assert_snapshot!("export_biases_120x40", screen(&app, size));
    assert_eq!(press(&mut app, KeyCode::Enter), None);
    let without = ExportRequest { without_biases: true, ..order };
    assert_eq!(press(&mut app, KeyCode::Char('y')), Some(Effect::Export(without)));
    for elsewhere in ['H', '/'] {
        let (_, mut app) = exporting();
        press(&mut app, KeyCode::Char(elsewhere));
        app.update(Msg::Exported(Err(biases().into())));
        let shown = screen(&app, size);
        assert!(shown.contains("no adapter:") && !shown.contains("export without biases"), "{shown}");
    }
}

#[test]
fn checkpoints_are_pinned() {
    let samples = SampleRuns::new();
    for size in SIZES {
        let mut app = at_runs(&samples, size);
        press(&mut app, KeyCode::Char('p'));
        press(&mut app, KeyCode::Down);
        insta::assert_snapshot!(format!("pins_{}x{}", size.0, size.1), screen(&app, size));
    }
    let mut app = at_runs(&samples, (120, 40));
    press(&mut app, KeyCode::Char('p'));
    let pin = |step| Some(Effect::Edit(RunEdit::Pin { run: "runs/now".into(), step }));
    let unpin = |step| Some(Effect::Edit(RunEdit::Unpin { run: "runs/now".into(), step }));
    assert_eq!(press(&mut app, KeyCode::Char('p')), pin(120));
    press(&mut app, KeyCode::End);
    assert_eq!(press(&mut app, KeyCode::Enter), unpin(80));
    // The dialog updates, with the cursor on its checkpoint.
    fs::remove_file(samples.path().join("now/checkpoints/step-00000080/pinned")).unwrap();
    fs::create_dir(samples.path().join("now/checkpoints/step-00000123")).unwrap();
    app.update(samples.listed());
    assert_eq!(press(&mut app, KeyCode::Enter), pin(80));
    press(&mut app, KeyCode::Esc);
    assert_eq!(press(&mut app, KeyCode::Char('o')), Some(Effect::OpenFolder("runs/now".into())));
}

#[test]
fn late_events_of_an_earlier_replay_are_ignored() {
    let mut app = at_runs(&SampleRuns::new(), (120, 40));
    press(&mut app, KeyCode::Down);
    let Some(Effect::Replay(_, first)) = press(&mut app, KeyCode::Enter) else { panic!("no replay") };
    assert_eq!(app.screen, Screen::Monitor);
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.screen, Screen::Runs);
    let Some(Effect::Replay(_, second)) = press(&mut app, KeyCode::Enter) else { panic!("no replay") };
    app.update(Msg::Replayed(first, demo_events()));
    assert!(app.monitor().unwrap().run.started.is_none());
    app.update(Msg::Replayed(second, demo_events()));
    assert!(screen(&app, (120, 40)).contains("● completed"));
}

#[test]
fn help_lists_the_keys_of_the_screen_and_scrolls() {
    let samples = SampleRuns::new();
    for size in SIZES {
        let mut app = at_runs(&samples, size);
        press(&mut app, KeyCode::Char('?'));
        insta::assert_snapshot!(format!("help_{}x{}", size.0, size.1), screen(&app, size));
        press(&mut app, KeyCode::End);
        assert!(screen(&app, size).contains("suspend; resume with fg"), "{}", screen(&app, size));
        app.update(Msg::Input(UserInput::Click(Position::new(0, 5))));
        assert!(app.overlay.is_none());
    }
}

#[test]
fn a_theme_is_previewed_while_it_is_chosen() {
    let samples = SampleRuns::new();
    for size in SIZES {
        let mut app = at_runs(&samples, size);
        press(&mut app, KeyCode::Char('t'));
        insta::assert_snapshot!(format!("themes_{}x{}", size.0, size.1), screen(&app, size));
    }
    let mut app = at_runs(&samples, SIZES[0]);
    let before = app.look.theme;
    press(&mut app, KeyCode::Char('t'));
    press(&mut app, KeyCode::End);
    assert_eq!((app.look.name.as_str(), app.look.theme), ("nord", Theme::load("nord", Depth::True).unwrap()));
    // Every cell has the theme's background, also around the picker.
    let buffer = drawn(&app, SIZES[0]);
    let own = [app.look.theme.background.0, app.look.theme.marked.0];
    assert!(buffer.content.iter().all(|cell| own.contains(&cell.bg)));
    press(&mut app, KeyCode::Esc);
    assert_eq!((app.look.name.as_str(), app.look.theme), ("dark", before));
    press(&mut app, KeyCode::Char('t'));
    press(&mut app, KeyCode::Down);
    assert_eq!(press(&mut app, KeyCode::Enter), Some(Effect::KeepTheme("light".into())));
    assert_eq!((app.look.name.as_str(), app.overlay.is_some()), ("light", false));
}

#[test]
fn themes_of_the_user_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), "inherits = \"nord\"\naccent = \"#123456\"").unwrap();
    fs::write(folder.path().join("odd.toml"), "acent = \"#123456\"").unwrap();
    let mut app = app(SIZES[1]);
    app.themes = Themes::of_folder(folder.path());
    press(&mut app, KeyCode::Char('t'));
    press(&mut app, KeyCode::End);
    assert!(screen(&app, SIZES[1]).contains("> odd             cannot be loaded"));
    press(&mut app, KeyCode::Enter);
    let text = screen(&app, SIZES[1]);
    assert!(text.contains("✖ ") && text.contains("\"acent\";") && text.contains("\"accent\"?"), "{text}");
    press(&mut app, KeyCode::Up);
    assert_eq!(app.look.theme.accent.0, Color::Rgb(0x12, 0x34, 0x56));
}

#[test]
fn quitting_asks_about_an_active_run() {
    for size in SIZES {
        let mut app = app(size);
        app.update(Msg::Launched);
        demo_events().into_iter().take(100).for_each(|event| drop(app.update(Msg::Event(event))));
        assert_eq!(press(&mut app, KeyCode::Char('q')), None);
        let buffer = drawn(&app, size);
        insta::assert_snapshot!(format!("quit_{}x{}", size.0, size.1), text(&buffer));
        assert_eq!(colour_of(&buffer, "s  stop and save"), app.look.theme.accent.0);
        press(&mut app, KeyCode::Esc);
        assert!(app.overlay.is_none() && !app.leaving);
        press(&mut app, KeyCode::Char('q'));
        assert_eq!(press(&mut app, KeyCode::Char('k')), Some(Effect::Detach));
        assert!(app.leaving && screen(&app, size).contains("detaching…"));
    }
}

#[test]
fn quitting_asks_about_a_running_export() {
    let samples = SampleRuns::new();
    let copying = || Progress { task: "writing the model".into(), done: 1, total: 3, unit: "files".into() };
    let asked = |size| {
        let mut app = at_runs(&samples, size);
        press(&mut app, KeyCode::Char('e'));
        ordered(&mut app);
        app.update(Msg::Exporting(copying()));
        // From any screen.
        press(&mut app, KeyCode::Char('H'));
        assert_eq!(press(&mut app, KeyCode::Char('q')), None);
        app
    };
    for size in SIZES {
        let mut app = asked(size);
        insta::assert_snapshot!(format!("quit_export_{}x{}", size.0, size.1), screen(&app, size));
        assert_eq!(press(&mut app, KeyCode::Char('w')), None);
        app.update(Msg::Exporting(Progress { done: 2, ..copying() }));
        insta::assert_snapshot!(format!("quit_export_waiting_{}x{}", size.0, size.1), screen(&app, size));
        // Enter once more than needed does no harm.
        assert_eq!((press(&mut app, KeyCode::Enter), app.overlay.is_some()), (None, false));
    }
    let size = (120, 40);
    for key in [KeyCode::Esc, KeyCode::Char('k')] {
        let mut app = asked(size);
        assert_eq!((press(&mut app, key), app.overlay.is_some()), (None, false));
        assert_eq!(app.update(Msg::Exported(Ok(()))), None, "the user chose to stay");
    }
    let waiting = || {
        let mut app = asked(size);
        press(&mut app, KeyCode::Enter);
        app
    };
    assert_eq!(waiting().update(Msg::Exported(Ok(()))), Some(Effect::Leave));
    assert_eq!(press(&mut asked(size), KeyCode::Char('c')), Some(Effect::Leave));
    assert_eq!(press(&mut waiting(), KeyCode::Char('c')), Some(Effect::Leave));
    // A failure is shown before quitting, and an export that ends closes its question.
    let mut app = waiting();
    assert_eq!(app.update(Msg::Exported(Err(anyhow::anyhow!("the disk is full")))), None);
    let shown = screen(&app, size);
    assert!(shown.contains("the disk is full") && !shown.contains("Quit ─"), "{shown}");
    let mut app = asked(size);
    assert_eq!(app.update(Msg::Exported(Ok(()))), None);
    let shown = screen(&app, size);
    assert!(shown.contains("exported to runs/now/exports") && !shown.contains("Quit ─"), "{shown}");
    // The run is asked about after the export.
    let launched = |mut app: App| {
        press(&mut app, KeyCode::Esc);
        app.update(Msg::Launched);
        press(&mut app, KeyCode::Char('q'));
        app
    };
    let mut app = launched(asked(size));
    assert_eq!(press(&mut app, KeyCode::Char('c')), Some(Effect::CancelExport));
    assert!(screen(&app, size).contains("The run is still preparing to train."));
    let mut app = launched(asked(size));
    press(&mut app, KeyCode::Char('w'));
    assert_eq!(app.update(Msg::Exported(Ok(()))), None);
    assert!(screen(&app, size).contains("The run is still preparing to train."));
}

#[test]
fn quitting_detaches_from_an_attached_run_without_asking() {
    let mut app = app((120, 40));
    app.update(Msg::Attached);
    demo_events().into_iter().take(100).for_each(|event| drop(app.update(Msg::Event(event))));
    assert!(screen(&app, (120, 40)).contains("attached to demo"));
    assert_eq!(press(&mut app, KeyCode::Char('q')), Some(Effect::Leave));
}

#[test]
fn enter_attaches_to_an_active_run_unless_another_trains_here() {
    let samples = SampleRuns::new();
    let running = || {
        let mut app = at_runs(&samples, (120, 40));
        type_in(&mut app, "/running");
        press(&mut app, KeyCode::Enter);
        app
    };
    let mut app = running();
    let Some(Effect::Attach(run)) = press(&mut app, KeyCode::Enter) else { panic!("not attached") };
    // From one attached run to another.
    app.update(Msg::Attached);
    press(&mut app, KeyCode::Char('R'));
    assert_eq!(press(&mut app, KeyCode::Enter), Some(Effect::Attach(run.clone())));
    // The run that is attached already.
    app.update(Msg::Files(Files { folder: run.clone(), ..Files::default() }));
    assert_eq!((press(&mut app, KeyCode::Enter), app.screen), (None, Screen::Monitor));
    let mut app = running();
    app.update(Msg::Launched);
    press(&mut app, KeyCode::Char('R'));
    assert!(matches!(press(&mut app, KeyCode::Enter), Some(Effect::Replay(replayed, _)) if replayed == run));
}

#[test]
fn without_colours_the_cursor_line_has_a_sign() {
    let samples = SampleRuns::new();
    let mut app = App::at_home(look("dark", Depth::None, true), presets(), 80, 24);
    press(&mut app, KeyCode::Char('R'));
    app.update(samples.listed());
    let buffer = drawn(&app, (80, 24));
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let marked = text(&buffer).lines().nth(3).unwrap().to_owned();
    assert!(marked.starts_with("|>") && marked.contains("now"), "{marked}");
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)));
}
