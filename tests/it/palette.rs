//! The palette, the footer of every place, and the mouse on dialogs and footer.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::chat::{ChatReply, Loaded};
use finesift::export::{ExportFormat, ExportRequest};
use finesift::preset::PresetEntry;
use finesift::protocol::Event;
use finesift::runs::History;
use finesift::sweep::Update;
use finesift::ui::app::App;
use finesift::ui::comparison::{ComparisonUpdate, RunCurves};
use finesift::ui::input::UserInput;
use finesift::ui::keymap::{Action, AppAction, BINDINGS, Context, Key};
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::{Files, Monitor};
use finesift::ui::replay::Pace;
use finesift::ui::screen::Screen;
use finesift::ui::sweep::SweepScreen;
use finesift::ui::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Modifier;

use crate::queue_screen::entries;
use crate::runs_screen::{SampleRuns, demo_events, look, presets};
use crate::sweep_screen;

pub const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];
const SIZE: (u16, u16) = (120, 40);

/// A small size, for tests that draw very often.
const WALK: (u16, u16) = (80, 24);

/// Places of the program, with the keys that lead there.
pub const PLACES: [(&str, Start, &str); 39] = [
    ("sweep", Start::Sweep, ""),
    ("home beside a sweep", Start::Sweep, "H"),
    ("home list", Start::Home, ""),
    ("home settings", Start::Home, "e"),
    ("home settings changed", Start::Home, "e\n9\n"),
    ("home first batch", Start::Home, "\t\t"),
    ("home beside a live run", Start::Live, "H"),
    ("overview of a replay", Start::Replay, "1"),
    ("overview in full screen", Start::Replay, "1\n"),
    ("layers", Start::Replay, "2"),
    ("layers in full screen", Start::Replay, "2\n"),
    ("samples", Start::Replay, "3"),
    ("confusion matrix", Start::Replay, "3\t"),
    ("examples of a cell", Start::Replay, "3\t\n"),
    ("system", Start::Replay, "4"),
    ("log", Start::Replay, "5"),
    ("preset", Start::Replay, "6"),
    ("overview of a live run", Start::Live, "1"),
    ("log of a live run", Start::Live, "5"),
    ("paused", Start::Paused, "1"),
    ("runs", Start::Runs, ""),
    ("runs marked", Start::Runs, "  "),
    ("comparison", Start::Runs, " j c"),
    ("settings of the comparison", Start::Runs, " j cc"),
    ("comparison in full screen", Start::Runs, " j c\n"),
    ("a preset of the user", Start::OwnPreset, ""),
    ("a live run of a language model", Start::LanguageModel, "1"),
    ("a replay at a pace", Start::Paced, "1"),
    ("a replay beside marked runs", Start::Overlaid, "1"),
    ("runs with a language model", Start::RunsOfWriters, ""),
    ("runs below the queue", Start::Queue, ""),
    ("the queue", Start::Queue, "\t"),
    ("the second entry of the queue", Start::Queue, "\tj"),
    ("an export", Start::Exporting, ""),
    ("chat", Start::Chat, "hi"),
    ("home beside an analysis", Start::Analysis, "H"),
    ("an analysis", Start::Analysis, ""),
    ("a table of an analysis", Start::Analysis, "\t\t\t"),
    ("a running analysis", Start::Analyzing, ""),
];

/// Dialogs and overlays, with the keys that open them.
pub const DIALOGS: [(&str, Start, &str); 16] = [
    ("filter of presets", Start::Home, "/"),
    ("value of a setting", Start::Home, "ee"),
    ("name of a preset", Start::Home, "s"),
    ("filter of the log", Start::Replay, "5/"),
    ("filter of runs", Start::Runs, "/"),
    ("rename", Start::Runs, "n"),
    ("tag", Start::Runs, "#"),
    ("delete", Start::Runs, "D"),
    ("export", Start::Runs, "e"),
    ("pins", Start::Runs, "p"),
    ("help", Start::Home, "?"),
    ("themes", Start::Home, "t"),
    ("palette", Start::Home, ":"),
    ("quit", Start::Live, "q"),
    ("card of a run that ended", Start::Replay, "1i"),
    ("health", Start::Replay, "1!"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    Home,
    /// The demo's run, replayed.
    Replay,
    /// A run that is still training.
    Live,
    Paused,
    Runs,
    /// Home, where the user has a preset of their own.
    OwnPreset,
    /// A run of a language model that is still training.
    LanguageModel,
    /// The demo's run, replayed at a pace.
    Paced,
    /// The same with marked runs to lay over it.
    Overlaid,
    /// Runs of language models.
    RunsOfWriters,
    /// Runs with entries in the queue.
    Queue,
    Exporting,
    /// A chat with a model that is loaded.
    Chat,
    /// An analysis that is done.
    Analysis,
    /// One that is running, seen from its screen.
    Analyzing,
    /// A sweep in the middle.
    Sweep,
}

/// What the places are made of.
pub struct World {
    samples: SampleRuns,
    pub events: Vec<Event>,
    /// A few, since each is parsed for each program.
    presets: Vec<PresetEntry>,
}

impl World {
    pub fn new() -> World {
        let presets =
            presets().into_iter().filter(|preset| ["demo", "demo-chat", "glue/cola"].contains(&&*preset.name));
        World { samples: SampleRuns::new(), events: demo_events(), presets: presets.collect() }
    }
}

/// The program at a place.
pub fn at(world: &World, start: Start, keys: &str, size: (u16, u16)) -> App {
    let mut presets = world.presets.clone();
    if start == Start::OwnPreset {
        presets.iter_mut().for_each(|preset| preset.path = Some("mine.toml".into()));
    }
    let mut app = App::at_home(look("dark", Depth::True, false), presets, size.0, size.1);
    let mut listed = world.samples.listed();
    if let (Start::RunsOfWriters, Msg::Listed(Some(runs), _)) = (start, &mut listed) {
        runs.iter_mut().for_each(|run| run.summary.writes = true);
    }
    app.update(listed);
    let files = || Msg::Files(Files { folder: "runs/rate-0.05".into(), preset: "about = \"x\"\n".into() });
    match start {
        Start::Home | Start::OwnPreset => {}
        Start::Replay => {
            app.monitors.replay = Some(Monitor::replay());
            app.screen = Screen::Monitor;
            app.update(files());
            app.update(Msg::Replayed(0, world.events.clone()));
        }
        Start::Paced => {
            let number = app.monitors.show_replay(Some(Pace { speed: 2.0, paused: false }));
            app.screen = Screen::Monitor;
            app.update(files());
            app.update(Msg::Replayed(number, world.events[..60].to_vec()));
        }
        Start::Overlaid => {
            app.screen = Screen::Runs;
            let followed = type_in(&mut app, "  ");
            let Some(Effect::Follow(runs)) = followed else { panic!("{followed:?}") };
            app.monitors.replay = Some(Monitor::replay());
            app.screen = Screen::Monitor;
            app.update(files());
            app.update(Msg::Replayed(0, world.events.clone()));
            let mut history = History::default();
            world.events.iter().for_each(|event| history.apply(event.clone()));
            for run in runs {
                app.update(Msg::Compared(ComparisonUpdate::Curves(run, Arc::new(RunCurves::of(&history)))));
            }
        }
        Start::Live | Start::Paused | Start::LanguageModel => {
            app.update(Msg::Launched);
            app.update(files());
            for event in world.events.iter().take(120).filter(|event| !event.is_last()) {
                let mut event = event.clone();
                if let Event::Started(started) = &mut event {
                    started.writes = start == Start::LanguageModel;
                }
                app.update(Msg::Event(event));
            }
            if start == Start::Paused {
                app.update(Msg::Event(serde_json::from_str(r#"{"event":"phase","phase":"paused"}"#).unwrap()));
            }
        }
        Start::Runs | Start::RunsOfWriters => app.screen = Screen::Runs,
        Start::Queue => {
            app.update(Msg::Queued(entries()));
            app.screen = Screen::Runs;
        }
        Start::Exporting => {
            let (run, out) = ("runs/mine".into(), "mine.csv".into());
            app.runs.begin_export(&ExportRequest {
                run,
                format: ExportFormat::Csv,
                from: None,
                out,
                without_biases: false,
            });
            app.screen = Screen::Runs;
        }
        Start::Analysis => app = crate::analysis_screen::done(size),
        Start::Analyzing => app = crate::analysis_screen::running(size),
        Start::Sweep => {
            let plan = sweep_screen::plan();
            let mut sweep = SweepScreen::new("mrpc".into(), "runs/mrpc".into(), plan.clone());
            sweep.on_update(Update::Progress(sweep_screen::progress(&plan)));
            app.sweep = Some(sweep);
            app.screen = Screen::Sweep;
        }
        Start::Chat => {
            app.chat.set_history(vec!["earlier".into()]);
            app.chat.open(app.chat.start_with("runs/mine".into()));
            app.update(Msg::Chat(ChatReply::Loaded(Loaded {
                model: "tiny".into(),
                max_length: 64,
                ..Loaded::default()
            })));
            app.screen = Screen::Chat;
        }
    }
    type_in(&mut app, keys);
    app
}

fn press(app: &mut App, code: KeyCode) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn press_key(app: &mut App, key: Key) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(key.event())))
}

/// Types a text. Returns the last effect.
fn type_in(app: &mut App, text: &str) -> Option<Effect> {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '\t' => KeyCode::Tab,
        c => KeyCode::Char(c),
    };
    text.chars().fold(None, |_, c| press(app, code(c)))
}

fn click(app: &mut App, x: u16, y: u16) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Click(Position::new(x, y))))
}

fn drawn(app: &App, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| finesift::ui::draw(frame, app)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

pub fn screen(app: &App, size: (u16, u16)) -> String {
    text(&drawn(app, size))
}

fn footer(app: &App, size: (u16, u16)) -> String {
    screen(app, size).lines().last().unwrap_or_default().to_owned()
}

/// The first cell of a text on the screen.
fn find(app: &App, size: (u16, u16), wanted: &str) -> (u16, u16) {
    let text = screen(app, size);
    let (y, line) = text.lines().enumerate().find(|(_, line)| line.contains(wanted)).expect(wanted);
    (line.split(wanted).next().unwrap().chars().count() as u16, y as u16)
}

/// What a user can tell apart: the whole screen with its colours, what lies above it, and how the program goes on.
fn state(app: &App) -> (Buffer, String, Screen) {
    (drawn(app, WALK), format!("{:?}", app.overlay), app.screen)
}

#[test]
fn the_palette_reaches_every_action_and_does_the_same_as_its_key() {
    let world = World::new();
    let mut reached = std::collections::BTreeSet::new();
    for (name, start, keys) in PLACES {
        for binding in BINDINGS.iter().filter(|binding| binding.action != Action::App(AppAction::Palette)) {
            let mut by_key = at(&world, start, keys, WALK);
            let context = Context::from(by_key.screen);
            // A screen's binding hides the same action for anywhere.
            let hidden = BINDINGS.iter().any(|other| other.context == context && other.action == binding.action)
                && binding.context == Context::Anywhere;
            if hidden || ![context, Context::Anywhere].contains(&binding.context) {
                continue;
            }
            // In the chat, letters are text.
            let text = |key: &&Key| by_key.screen == Screen::Chat && key.is_text();
            let Some(key) = binding.keys.iter().find(|key| !text(key)) else { continue };
            let effect = press_key(&mut by_key, *key);
            let mut by_palette = at(&world, start, keys, WALK);
            assert_eq!(press_key(&mut by_palette, Key::Ctrl('p')), Some(Effect::ListRuns), "{name}");
            let Some(row) = choose(&mut by_palette, binding.name) else {
                // What the palette leaves out does nothing, or only says why it does nothing: resuming an active run is
                // refused when it is carried out. The runs may be listed at any time.
                let effect = effect.filter(|effect| !matches!(effect, Effect::Resume { .. } | Effect::ListRuns));
                assert_eq!(effect, None, "{name}: {}", binding.name);
                let said = by_key.toasts.count() > 0;
                assert!(
                    said || state(&by_key) == state(&at(&world, start, keys, WALK)),
                    "{name}: {} does something",
                    binding.name
                );
                continue;
            };
            assert_eq!(row, effect, "{name}: {}", binding.name);
            assert!(
                state(&by_palette) == state(&by_key),
                "{name}: {} differs:\n{}",
                binding.name,
                screen(&by_palette, WALK)
            );
            reached.insert(binding.name);
        }
    }
    let missing: Vec<&str> =
        BINDINGS.iter().map(|binding| binding.name).filter(|name| !reached.contains(name)).collect();
    assert_eq!(missing, ["palette"], "never reached");
}

/// Chooses the action of this name. `None` if the palette does not list it.
fn choose(app: &mut App, name: &str) -> Option<Option<Effect>> {
    app.update(Msg::Input(UserInput::Paste(format!("action {name}"))));
    let rows = screen(app, WALK);
    let titles = rows.lines().filter_map(|row| Some(row.split(" action   ").nth(1)?.split("  ").next()?.to_owned()));
    let place = titles.collect::<Vec<_>>().iter().position(|title| title == name)?;
    (0..place).for_each(|_| drop(press(app, KeyCode::Down)));
    Some(press(app, KeyCode::Enter))
}

#[test]
fn the_palette_at_each_size() {
    let world = World::new();
    for size in SIZES {
        let name = |what: &str| format!("palette_{what}_{}x{}", size.0, size.1);
        let mut app = at(&world, Start::Home, ":", size);
        insta::assert_snapshot!(name("all"), screen(&app, size));
        type_in(&mut app, "demo");
        insta::assert_snapshot!(name("hits"), screen(&app, size));
        type_in(&mut app, " xyz");
        insta::assert_snapshot!(name("nothing"), screen(&app, size));
    }
    insta::assert_snapshot!("palette_on_monitor_120x40", screen(&at(&world, Start::Live, ":che", SIZE), SIZE));
    let mut app = at(&world, Start::Home, ":demo", SIZE);
    app.look.ascii = true;
    assert!(screen(&app, SIZE).is_ascii(), "{}", screen(&app, SIZE));
}

#[test]
fn matched_letters_are_highlighted() {
    let world = World::new();
    let app = at(&world, Start::Live, ":ckt", SIZE);
    let (x, y) = find(&app, SIZE, "action   checkpoint");
    let buffer = drawn(&app, SIZE);
    let marked = |x: u16| buffer[(x, y)].modifier.contains(Modifier::UNDERLINED);
    let marks: Vec<u16> = (0..10).filter(|at| marked(x + 9 + at)).collect();
    assert_eq!(marks, [0, 4, 9]);
}

#[test]
fn keys_the_wheel_and_clicks_choose_an_entry() {
    let world = World::new();
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    let mut app = at(&world, Start::Runs, "", SIZE);
    app.update(Msg::Input(UserInput::Key(control('p'))));
    let selected = |app: &App| {
        let text = screen(app, SIZE);
        let row = text.split("▌ action   ").nth(1).unwrap_or_default();
        row.split("  ").next().unwrap_or_default().to_owned()
    };
    assert_eq!(selected(&app), "mark");
    press(&mut app, KeyCode::Down);
    // The run under the cursor is active: there is nothing to resume.
    assert_eq!(selected(&app), "export");
    app.update(Msg::Input(UserInput::Key(control('n'))));
    assert_eq!(selected(&app), "delete");
    app.update(Msg::Input(UserInput::Key(control('p'))));
    app.update(Msg::Input(UserInput::ScrollDown(Position::ORIGIN)));
    app.update(Msg::Input(UserInput::ScrollUp(Position::ORIGIN)));
    assert_eq!(selected(&app), "export");
    app.update(Msg::Input(UserInput::Paste("rena\n".into())));
    assert_eq!(selected(&app), "rename");
    let (x, y) = find(&app, SIZE, "rename the run");
    click(&mut app, x, y);
    assert!(screen(&app, SIZE).contains("Rename run"));
    press(&mut app, KeyCode::Esc);
    type_in(&mut app, ":");
    // What was chosen before comes right after the actions of the screen.
    assert!(app.overlay.is_some());
    click(&mut app, 0, 5);
    assert!(app.overlay.is_none(), "a click beside the palette closes it");
    type_in(&mut app, ":");
    press(&mut app, KeyCode::Esc);
    assert!(app.overlay.is_none());
}

#[test]
fn presets_runs_settings_themes_and_exports_are_chosen() {
    let world = World::new();
    let pick = |query: &str| {
        let mut app = at(&world, Start::Runs, ":", SIZE);
        type_in(&mut app, query);
        let effect = press(&mut app, KeyCode::Enter);
        (effect, app)
    };
    let (effect, app) = pick("preset open demo");
    assert_eq!((effect, app.screen), (None, Screen::Home));
    let (effect, _) = pick("launch demo");
    assert!(matches!(effect, Some(Effect::Launch(preset)) if preset.name == "demo"));
    let (effect, app) = pick("run early");
    assert!(matches!(effect, Some(Effect::Replay(folder, _)) if folder.ends_with("early")));
    assert_eq!(app.screen, Screen::Monitor);
    let (effect, _) = pick("run now");
    assert!(matches!(effect, Some(Effect::Attach(folder)) if folder.ends_with("now")));
    let (_, app) = pick("setting train.learning_rate");
    assert_eq!(app.screen, Screen::Home);
    assert!(footer(&app, SIZE).contains("enter set"), "{}", footer(&app, SIZE));
    let (effect, app) = pick("theme nord");
    assert_eq!((effect, app.look.name.as_str()), (Some(Effect::KeepTheme("nord".into())), "nord"));
    let (_, app) = pick("export csv");
    assert!(screen(&app, SIZE).contains("● CSV"), "{}", screen(&app, SIZE));
    let (_, app) = pick("ascii");
    assert!(app.look.ascii);
}

#[test]
fn the_palette_does_not_open_while_text_is_typed() {
    let world = World::new();
    for (name, start, keys) in &DIALOGS[..7] {
        let mut app = at(&world, *start, keys, SIZE);
        app.update(Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL))));
        type_in(&mut app, ":");
        assert!(app.overlay.is_none(), "{name}");
    }
}

#[test]
fn footers_show_what_the_place_offers() {
    let world = World::new();
    let mut lines = String::new();
    for (name, start, keys) in PLACES.into_iter().chain(DIALOGS) {
        lines += &format!("{name}\n");
        for size in [(80, 24), (200, 60)] {
            lines += &format!("  {}\n", footer(&at(&world, start, keys, size), size));
        }
    }
    insta::assert_snapshot!("footers", lines);
}

#[test]
fn a_click_on_a_key_of_the_footer_is_that_key() {
    let world = World::new();
    for (name, start, keys) in PLACES.into_iter().chain(DIALOGS) {
        let app = at(&world, start, keys, SIZE);
        let text = footer(&app, SIZE);
        // Each key is followed by its word, and hints by two spaces.
        let mut x = 0;
        for hint in text.split("  ").filter(|hint| !hint.trim().is_empty()) {
            x = text[x..].find(hint).unwrap() + x;
            let key = Key::parse(hint.trim().split(' ').next().unwrap()).unwrap();
            let (mut clicked, mut pressed) = (at(&world, start, keys, SIZE), at(&world, start, keys, SIZE));
            let effect = click(&mut clicked, x as u16 + 1, SIZE.1 - 1);
            assert_eq!(effect, press_key(&mut pressed, key), "{name}: {hint}");
            assert!(state(&clicked) == state(&pressed), "{name}: {hint}");
            x += hint.len();
        }
        assert!(x > 0, "{name}: an empty footer");
    }
}

#[test]
fn a_click_beside_a_dialog_closes_it_and_does_nothing_else() {
    let world = World::new();
    let boxed = ["name of a preset", "rename", "tag", "delete", "export", "pins", "help", "themes", "palette", "quit"];
    for (name, start, keys) in DIALOGS.into_iter().filter(|(name, ..)| boxed.contains(name)) {
        let mut by_click = at(&world, start, keys, SIZE);
        let mut by_esc = at(&world, start, keys, SIZE);
        let effect = click(&mut by_click, 1, 2);
        assert_eq!(effect, press(&mut by_esc, KeyCode::Esc), "{name}");
        assert!(state(&by_click) == state(&by_esc), "{name}:\n{}", screen(&by_click, SIZE));
    }
}

#[test]
fn clicks_choose_in_dialogs() {
    let world = World::new();
    let on = |start, keys: &str, text: &str| {
        let mut app = at(&world, start, keys, SIZE);
        let (x, y) = find(&app, SIZE, text);
        let effect = click(&mut app, x, y);
        (effect, app)
    };
    let (effect, _) = on(Start::Live, "q", "keep training in the background");
    assert_eq!(effect, Some(Effect::Detach));
    let (effect, app) = on(Start::Live, "q", "is still training");
    assert!(effect.is_none() && app.overlay.is_some());
    let (effect, _) = on(Start::Runs, "D", "y move to trash");
    assert!(matches!(effect, Some(Effect::Edit(_))));
    let (effect, app) = on(Start::Runs, "D", "n cancel");
    assert!(effect.is_none() && !app.runs.typing());
    let (_, mut app) = on(Start::Runs, "e", "TensorBoard");
    assert!(screen(&app, SIZE).contains("● TensorBoard") && screen(&app, SIZE).contains("exports/run/tensorboard"));
    let (x, y) = find(&app, SIZE, "output");
    click(&mut app, x, y);
    assert!(screen(&app, SIZE).contains("> output"));
    let (_, mut app) = on(Start::Runs, "e", "step 100, best");
    assert!(screen(&app, SIZE).contains("> checkpoint"), "{}", screen(&app, SIZE));
    let (x, y) = find(&app, SIZE, " ›");
    click(&mut app, x + 1, y);
    assert!(screen(&app, SIZE).contains("step 80"), "{}", screen(&app, SIZE));
    let (_, mut app) = on(Start::Runs, "p", "pinned");
    let (x, y) = find(&app, SIZE, "pinned");
    assert!(matches!(click(&mut app, x, y), Some(Effect::Edit(_))), "a second click unpins");
    let (_, app) = on(Start::Home, "s", "Save as");
    assert!(screen(&app, SIZE).contains("Save as"), "a click on the dialog leaves it open");
}

#[test]
fn thousands_of_runs_are_searched_at_once() {
    let world = World::new();
    let mut app = at(&world, Start::Home, "", SIZE);
    let one = app.runs.listed()[0].clone();
    let many = (0..3000).map(|number| {
        let name = format!("sweep-{number}");
        finesift::runs::RunEntry { path: name.clone().into(), name, ..one.clone() }
    });
    app.update(Msg::Listed(Some(many.collect()), std::time::SystemTime::UNIX_EPOCH));
    type_in(&mut app, ":sweep-2999");
    assert!(screen(&app, SIZE).contains("sweep-2999"));
    assert!(screen(&app, SIZE).contains("1 entry"), "{}", screen(&app, SIZE));
    assert!(
        matches!(press(&mut app, KeyCode::Enter), Some(Effect::Attach(run) | Effect::Replay(run, _)) if run.ends_with("sweep-2999"))
    );
}
