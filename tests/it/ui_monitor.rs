//! The Monitor, fed from a file of events: its tabs at each size, and its reactions to keys and the mouse.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use finesift::protocol::{Command, Event, Gpu, Level, Phase, Started, System};
use finesift::runs::read_events;
use finesift::ui::app::App;
use finesift::ui::home::Home;
use finesift::ui::input::UserInput;
use finesift::ui::keymap::Keymap;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::{Files, Monitor, Tab};
use finesift::ui::runs::Runs;
use finesift::ui::screen::Screen;
use finesift::ui::theme::{Depth, Look, Theme};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::place;

/// The sizes that screens are designed for.
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

pub fn events() -> Vec<Event> {
    let path = place::fixture("runs/demo.jsonl");
    read_events(&path).unwrap()
}

pub fn look(depth: Depth, ascii: bool) -> Look {
    Look { theme: Theme::load("dark", depth).unwrap(), name: "dark".into(), depth, ascii, pixels: None }
}

/// The fixture's run, replayed on the Monitor.
pub fn replayed(width: u16, height: u16) -> App {
    replayed_with(look(Depth::True, false), width, height)
}

pub fn replayed_with(look: Look, width: u16, height: u16) -> App {
    let mut app = App::new(look, Keymap::default(), Home::new(Vec::new()), Runs::default(), width, height);
    app.monitors.replay = Some(Monitor::replay());
    app.screen = Screen::Monitor;
    app.update(Msg::Files(Files { folder: "runs/demo".into(), preset: preset() }));
    for event in events() {
        replay(&mut app, event);
    }
    app
}

pub fn replay(app: &mut App, event: Event) {
    app.update(Msg::Replayed(0, vec![event]));
}

/// The demo preset with two values changed.
fn preset() -> String {
    let built_in = finesift::preset::built_in().iter().find(|preset| preset.name == "demo").unwrap();
    let changed = built_in.toml.replace("epochs = 2", "epochs = 5").replace("weight_decay = 0.1\n", "");
    assert_ne!(changed, built_in.toml);
    changed
}

/// The whole screen.
pub fn screen(app: &App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| finesift::ui::draw(frame, app)).unwrap();
    terminal.backend().buffer().clone()
}

/// The Monitor alone, without the lines around it.
pub fn monitor(app: &App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height - 2)).unwrap();
    terminal.draw(|frame| app.monitor().unwrap().draw(frame, frame.area(), &app.look)).unwrap();
    terminal.backend().buffer().clone()
}

pub fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut covered = 0;
        for x in 0..buffer.area.width {
            // A wide character covers the next column.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            covered = ratatui::text::Span::raw(symbol).width().saturating_sub(1);
            row.push_str(symbol);
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

pub fn press(app: &mut App, key: KeyCode) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(key, KeyModifiers::NONE))))
}

pub fn type_keys(app: &mut App, keys: &str) {
    for key in keys.chars() {
        press(app, KeyCode::Char(key));
    }
}

pub fn mouse(app: &mut App, kind: MouseEventKind, column: u16, row: u16) {
    let event = crossterm::event::Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    if let Some(input) = UserInput::of(event) {
        app.update(Msg::Input(input));
    }
}

pub fn click(app: &mut App, column: u16, row: u16) {
    mouse(app, MouseEventKind::Down(MouseButton::Left), column, row);
}

/// The position of a text on the screen.
pub fn find(buffer: &Buffer, wanted: &str) -> (u16, u16) {
    for y in 0..buffer.area.height {
        let row: Vec<&str> = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        if let Some(at) = row.concat().find(wanted) {
            let before = row.concat()[..at].chars().count();
            return (before as u16, y);
        }
    }
    panic!("no {wanted:?} on\n{}", text(buffer));
}

fn at_each_size(name: &str, prepare: impl Fn(&mut App)) {
    for (width, height) in SIZES {
        let mut app = replayed(width, height);
        prepare(&mut app);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text(&monitor(&app, width, height)));
    }
}

#[test]
fn every_tab_at_each_size() {
    for (key, name) in
        [("1", "overview"), ("2", "layers"), ("3", "samples"), ("4", "system"), ("5", "log"), ("6", "preset")]
    {
        at_each_size(name, |app| type_keys(app, key));
    }
}

#[test]
fn full_screen_charts_at_each_size() {
    at_each_size("overview_full", |app| {
        press(app, KeyCode::Enter);
        type_keys(app, "++");
        press(app, KeyCode::Left);
    });
    at_each_size("layers_full", |app| {
        type_keys(app, "2ljj");
        press(app, KeyCode::Enter);
        press(app, KeyCode::Left);
    });
    at_each_size("system_full", |app| {
        type_keys(app, "4");
        press(app, KeyCode::Enter);
    });
}

#[test]
fn toasts_and_a_failure_are_drawn() {
    let mut app = replayed(80, 24);
    insta::assert_snapshot!("screen_80x24", text(&screen(&app, 80, 24)));
    insta::assert_snapshot!("too_small_59x15", text(&screen(&app, 59, 15)));
    app.update(Msg::Done("wrote runs/demo/charts/loss-step-170.csv".into()));
    assert!(text(&screen(&app, 80, 24)).contains("wrote runs/demo/charts/loss-step-170.csv"));
    // A toast stays for 4 s after its first frame, however late that is.
    for (second, stays) in [(60, true), (63, true), (64, false)] {
        app.update(Msg::Tick(Duration::from_secs(second)));
        assert_eq!(text(&screen(&app, 80, 24)).contains("wrote"), stays, "after {second} s");
    }
    // The error of a failed run is drawn over the charts.
    let failed = Event::Failed { error: "step 171: the loss is NaN".into(), checkpoint: Some("runs/demo/best".into()) };
    replay(&mut app, failed);
    insta::assert_snapshot!("failed_80x24", text(&monitor(&app, 80, 24)));
}

/// The replayed run of a language model with completions of the same prompts at several steps.
fn with_completions(look: Look, width: u16, height: u16) -> App {
    let mut app = replayed_with(look, width, height);
    app.monitors.replay = Some(Monitor::replay());
    for event in events() {
        if let Event::Started(started) = event {
            replay(&mut app, Event::Started(Started { writes: true, ..started }));
        }
    }
    let tips = "Give three tips for staying healthy, and for each of them a reason why it helps";
    let (verb, capital) = ("What is a verb?\nAnswer shortly.", "What is the capital of France?");
    for (step, prompt, text) in [
        (0, capital, "\nThe capital of France is Paris.\n\n### Explanation:\nThe answer is right."),
        (0, tips, "\n1. Eat a balanced diet\n2. Stay hydrated"),
        (20, capital, "The capital of France is Paris."),
        (20, tips, "1. Eat a balanced diet, rich in nutrients.\n2. Stay hydrated.\n3. Sleep well."),
        (31, verb, "A word for what is done.\u{1b}[2J"),
        (1040, capital, "Paris."),
    ] {
        replay(&mut app, Event::Sample { step, prompt: prompt.into(), text: text.into() });
    }
    app
}

#[test]
fn completions_at_each_size() {
    for (width, height) in SIZES {
        let mut app = with_completions(look(Depth::True, false), width, height);
        type_keys(&mut app, "3");
        insta::assert_snapshot!(format!("answers_{width}x{height}"), text(&monitor(&app, width, height)));
        type_keys(&mut app, "jj");
        insta::assert_snapshot!(format!("answers_marked_{width}x{height}"), text(&monitor(&app, width, height)));
    }
    let mut app = with_completions(look(Depth::None, true), 80, 24);
    type_keys(&mut app, "3jjjj");
    let shown = text(&monitor(&app, 80, 24));
    assert!(shown.is_ascii() && !shown.contains("Base model") && shown.contains(">      0"), "{shown}");
    // Beyond the limit, the first completion of a prompt is kept as long as a later one of it can be dropped.
    for step in 2000..2100 {
        let (prompt, text) = ("What is the capital of France?".into(), format!("Paris, {step}."));
        replay(&mut app, Event::Sample { step, prompt, text });
    }
    type_keys(&mut app, "kkkkkkkk");
    let shown = text(&monitor(&app, 80, 24));
    assert!(shown.contains("Base model (step 0)") && shown.contains("### Explanation:"), "{shown}");
    let run = &app.monitor().unwrap().run;
    assert_eq!((run.completions.len(), run.completions[1].step, run.completions[49].step), (50, 0, 2099));
}

#[test]
fn every_tab_can_be_drawn_in_ascii_without_colours() {
    let mut app = replayed_with(look(Depth::None, true), 80, 24);
    for key in ["1", "2", "3", "4", "5", "6"] {
        type_keys(&mut app, key);
        let buffer = screen(&app, 80, 24);
        let shown = text(&buffer);
        // The texts of examples may hold any character.
        let foreign: Vec<char> = shown.chars().filter(|c| !c.is_ascii() && !"Ü很好看…".contains(*c)).collect();
        assert!(foreign.is_empty(), "{foreign:?} in\n{shown}");
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{shown}");
    }
    type_keys(&mut app, "2");
    insta::assert_snapshot!("layers_ascii_80x24", text(&monitor(&app, 80, 24)));
}

#[test]
fn the_same_events_give_the_same_screen() {
    for (width, height) in SIZES {
        for key in ["1", "2", "3", "4", "5", "6"] {
            let shown = || {
                let mut app = replayed(width, height);
                type_keys(&mut app, key);
                screen(&app, width, height)
            };
            assert_eq!(shown(), shown(), "tab {key} at {width}x{height}");
        }
    }
}

#[test]
fn every_tab_can_be_drawn_at_any_size_and_after_any_event() {
    let mut app = replayed(60, 16);
    for (key, enter) in [("1", true), ("2", true), ("3", false), ("4", true), ("5", false), ("6", false)] {
        type_keys(&mut app, key);
        for full in [false, enter] {
            if full {
                press(&mut app, KeyCode::Enter);
            }
            for (width, height) in [(0, 0), (1, 1), (3, 2), (20, 5), (59, 15), (60, 16), (61, 17), (300, 3), (60, 90)] {
                let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
                terminal.draw(|frame| app.monitor().unwrap().draw(frame, frame.area(), &app.look)).unwrap();
            }
        }
    }
    // And after each event.
    let mut early = replayed(80, 24);
    for key in ["1", "2", "3", "4", "5", "6"] {
        early.monitors.replay = Some(Monitor::replay());
        type_keys(&mut early, key);
        for event in events().into_iter().filter(|event| !matches!(event, Event::Step(step) if step.step > 3)) {
            replay(&mut early, event);
            screen(&early, 80, 24);
        }
    }
}

#[test]
fn random_keys_clicks_and_sizes_do_not_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let keys =
        ['1', '2', '3', '4', '5', '6', 'h', 'j', 'k', 'l', '+', '-', '<', '>', 'y', 'z', 'x', 'm', 'v', '/', 'w', 'g'];
    let others = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
    ];
    let mut app = replayed(80, 24);
    let (mut width, mut height) = (80, 24);
    for _ in 0..3000 {
        match random.random_range(0..10) {
            0 => {
                (width, height) = (random.random_range(60..140), random.random_range(16..50));
                app.update(Msg::Resize(width, height));
            }
            1 => click(&mut app, random.random_range(0..width), random.random_range(1..height)),
            2 => mouse(&mut app, MouseEventKind::ScrollUp, width / 2, height / 2),
            3 => mouse(&mut app, MouseEventKind::ScrollDown, width / 2, height / 2),
            4 | 5 => {
                press(&mut app, others[random.random_range(0..others.len())]);
            }
            _ => type_keys(&mut app, &keys[random.random_range(0..keys.len())].to_string()),
        }
        // Esc closes a replay.
        if app.monitor().is_none() {
            app = replayed(width, height);
        }
        let view = &app.monitor().unwrap().view;
        assert!(
            view.window.is_none_or(|(from, to)| from < to && from.is_finite() && to.is_finite()),
            "{:?}",
            view.window
        );
        screen(&app, width, height);
    }
}

#[test]
fn the_cursor_reads_every_curve_and_scrolls_the_window() {
    let mut app = replayed(120, 40);
    press(&mut app, KeyCode::Enter);
    let shown = text(&screen(&app, 120, 40));
    assert!(shown.contains("step 170,") && shown.contains("raw") && shown.contains("smoothed"), "{shown}");
    // The cursor starts at the latest point.
    type_keys(&mut app, "hh");
    assert!(text(&screen(&app, 120, 40)).contains("step 169,"));
    press(&mut app, KeyCode::Home);
    assert!(text(&screen(&app, 120, 40)).contains("step 1,"));
    press(&mut app, KeyCode::End);
    type_keys(&mut app, "+++");
    let window = |app: &App| app.monitor().unwrap().view.window.unwrap();
    let (from, to) = window(&app);
    assert!((to - from - 170.0 / 8.0).abs() < 1e-9, "{from} to {to}");
    // The window follows the cursor past its edge; with Shift the window moves alone.
    let inside = (to - from) as usize + 3;
    type_keys(&mut app, &"h".repeat(inside));
    let (panned, _) = window(&app);
    assert!(panned < from, "{panned} against {from}");
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT))));
    assert!(window(&app).0 < panned);
    type_keys(&mut app, "---");
    assert_eq!(app.monitor().unwrap().view.window, None);
    press(&mut app, KeyCode::Esc);
    assert!(!app.monitor().unwrap().view.full);
}

#[test]
fn the_mouse_opens_and_zooms_charts_and_switches_tabs() {
    let mut app = replayed(120, 40);
    let (x, y) = find(&screen(&app, 120, 40), "Evaluation");
    click(&mut app, x, y + 3);
    assert!(!app.monitor().unwrap().view.full);
    click(&mut app, x, y + 3);
    assert!(app.monitor().unwrap().view.full);
    mouse(&mut app, MouseEventKind::ScrollUp, 60, 20);
    assert!(app.monitor().unwrap().view.window.is_some());
    click(&mut app, 60, 20);
    assert!(app.monitor().unwrap().view.cursor.is_some());
    let (x, y) = find(&screen(&app, 120, 40), "Samples");
    click(&mut app, x, y);
    assert_eq!(app.monitor().unwrap().view.tab, Tab::Samples);
    let before = text(&screen(&app, 120, 40));
    mouse(&mut app, MouseEventKind::ScrollDown, 60, 10);
    assert_ne!(text(&screen(&app, 120, 40)), before);
    // In the heat map the first click moves the cursor, the second opens the history.
    type_keys(&mut app, "2");
    // Block 4's tile of "value bias".
    let (x, y) = find(&screen(&app, 120, 40), "10.8    12.9");
    click(&mut app, x, y);
    assert!(!app.monitor().unwrap().view.full);
    assert!(text(&screen(&app, 120, 40)).contains("layer.4.attention.self.value."));
    click(&mut app, x, y);
    assert!(app.monitor().unwrap().view.full);
}

#[test]
fn the_heat_map_reads_out_exact_values() {
    let mut app = replayed(200, 60);
    type_keys(&mut app, "2");
    let last =
        events().into_iter().rev().find_map(|event| if let Event::Mass(mass) = event { Some(mass) } else { None });
    let target = &last.unwrap().targets[0];
    let shown = text(&screen(&app, 200, 60));
    for wanted in [
        target.name.clone(),
        "384 × 384".into(),
        "1,180 of 147,456".into(),
        "0.8002 %".into(),
        format!("{:.4} %", target.mass),
        format!("{:.4} %", target.update.unwrap()),
    ] {
        assert!(shown.contains(&wanted), "no {wanted} on\n{shown}");
    }
    for name in ["update size", "selected share", "gradient mass"] {
        type_keys(&mut app, "m");
        assert!(text(&screen(&app, 200, 60)).contains(&format!("Layers {name}")));
    }
}

#[test]
fn colours_show_errors_and_magnitudes() {
    let mut app = replayed(120, 40);
    let theme = app.look.theme;
    type_keys(&mut app, "3");
    let buffer = screen(&app, 120, 40);
    let (x, y) = find(&buffer, "✗");
    assert_eq!(buffer[(x, y)].fg, theme.error.0);
    let (x, y) = find(&buffer, "wrong");
    assert_eq!(buffer[(x, y)].fg, theme.error.0);
    // The colours run from that of the track towards the metric's and beyond it.
    type_keys(&mut app, "2");
    let buffer = screen(&app, 120, 40);
    let backgrounds: Vec<Color> = buffer.content.iter().map(|cell| cell.bg).collect();
    let white = theme.between(theme.track, theme.track, 0.0, Depth::True).unwrap().1;
    let peak = theme.between(theme.mass, white, 0.6, Depth::True).unwrap().0;
    assert!(backgrounds.contains(&peak.0) && backgrounds.contains(&theme.track.0));
    let (x, y) = find(&buffer, "▌10.8 ▐");
    assert!(buffer[(x, y)].fg == white.0 && buffer[(x, y)].modifier.contains(Modifier::BOLD), "the cursor");
    type_keys(&mut app, "6");
    let buffer = screen(&app, 120, 40);
    let (x, y) = find(&buffer, "~ train.epochs");
    assert_eq!(buffer[(x, y)].fg, theme.warning.0);
    replay(&mut app, Event::Log { level: Level::Error, message: "the disk is full".into() });
    type_keys(&mut app, "5");
    let buffer = screen(&app, 120, 40);
    let (x, y) = find(&buffer, "the disk is full");
    assert_eq!(buffer[(x, y)].fg, theme.error.0);
}

#[test]
fn the_log_is_filtered_and_keeps_its_scroll_position() {
    let mut app = replayed(80, 24);
    type_keys(&mut app, "5");
    for number in 0..100 {
        let level = if number % 10 == 0 { Level::Warning } else { Level::Info };
        replay(&mut app, Event::Log { level, message: format!("line {number} 很好 of many") });
    }
    let shown = |app: &App| text(&screen(app, 80, 24));
    assert!(shown(&app).contains("line 99 ") && shown(&app).contains("following"));
    press(&mut app, KeyCode::PageUp);
    press(&mut app, KeyCode::Up);
    let before = shown(&app);
    assert!(!before.contains("line 99 "));
    for number in 100..1500 {
        if number == 130 {
            let now = shown(&app);
            let lines = |shown: &str| {
                shown.lines().filter(|line| line.contains("line ")).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(lines(&now), lines(&before), "the position stays while lines arrive");
        }
        replay(&mut app, Event::info(format!("line {number} of many")));
    }
    press(&mut app, KeyCode::End);
    assert!(shown(&app).contains("line 1499 "));
    // Keys are text until the filter is closed.
    type_keys(&mut app, "/Line 12q");
    assert!(shown(&app).contains("/Line 12q_") && shown(&app).contains("no line matches"));
    press(&mut app, KeyCode::Backspace);
    app.update(Msg::Input(UserInput::Paste("3\n4".into())));
    press(&mut app, KeyCode::Enter);
    let filtered = shown(&app);
    assert!(filtered.contains("line 1234 of many") && filtered.contains("1 line, following"), "{filtered}");
    press(&mut app, KeyCode::Esc);
    type_keys(&mut app, "v");
    assert!(shown(&app).contains("no line matches") && shown(&app).contains("warnings and errors"));
}

#[test]
fn a_chart_is_written_as_csv_and_svg() {
    let mut app = replayed(120, 40);
    let Some(Effect::WriteFiles(files)) = press(&mut app, KeyCode::Char('w')) else { panic!("nothing to write") };
    let paths: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(paths, ["runs/demo/charts/loss-step-170.csv", "runs/demo/charts/loss-step-170.svg"]);
    let losses: Vec<f64> = events()
        .iter()
        .filter_map(|event| if let Event::Step(step) = event { Some(step.loss) } else { None })
        .collect();
    let rows = files[0].1.lines().filter_map(|line| line.strip_prefix("\"raw\","));
    let written: Vec<f64> = rows.map(|row| row.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(written, losses);
    assert!(files[1].1.starts_with("<svg ") && files[1].1.contains("demo: Loss"));
    app.monitors.replay = Some(Monitor::replay());
    assert_eq!(press(&mut app, KeyCode::Char('w')), None);
    assert!(text(&screen(&app, 120, 40)).contains("no folder to write to"));
}

#[test]
fn only_measured_values_of_a_gpu_have_charts() {
    let mut app = replayed(120, 40);
    type_keys(&mut app, "4");
    assert!(!text(&monitor(&app, 120, 40)).contains("GPU"));
    for second in 0..120 {
        let wave = f64::from(second % 20);
        let gpu = Gpu {
            name: "NVIDIA H100".into(),
            memory_used: 30 << 30,
            memory_total: 80 << 30,
            process_memory: (second > 20).then_some(20 << 30),
            utilization: 80.0 + wave,
            // A MIG slice reports neither.
            temperature: 0.0,
            power: 0.0,
            power_limit: None,
        };
        let at = 2000.0 + f64::from(second);
        replay(&mut app, Event::System(System { at, gpu: Some(gpu), ..System::default() }));
    }
    let shown = text(&monitor(&app, 120, 40));
    for wanted in ["NVIDIA H100", "process 20.0 GiB", "used 30.0 GiB", "of 80.0 GiB", "GPU utilization 99.0 %"] {
        assert!(shown.contains(wanted), "no {wanted} on\n{shown}");
    }
    assert!(!shown.contains("GPU power") && !shown.contains("GPU temperature"), "{shown}");
}

/// An active run, of a language model or of a classifier.
fn live(writes: bool, width: u16, height: u16) -> App {
    let look = look(Depth::True, false);
    let mut app = App::new(look, Keymap::default(), Home::new(Vec::new()), Runs::default(), width, height);
    app.update(Msg::Launched);
    for mut event in events().into_iter().take(100) {
        if let Event::Started(started) = &mut event {
            started.writes = writes;
        }
        app.update(Msg::Event(event));
    }
    app
}

#[test]
fn a_prompt_is_sent_and_its_completion_is_among_the_samples() {
    let sampled = |app: &mut App, prompt: &str| {
        type_keys(app, "g");
        type_keys(app, prompt);
        press(app, KeyCode::Enter)
    };
    let asks = |prompt: &str| Some(Effect::Send(Command::Sample { prompt: prompt.into() }));
    for (width, height) in SIZES {
        let mut app = live(true, width, height);
        assert_eq!(sampled(&mut app, "Name three colours, and quit."), asks("Name three colours, and quit."));
        assert_eq!(app.monitor().unwrap().view.tab, Tab::Samples);
        assert!(text(&screen(&app, width, height)).contains("sampling…"));
        app.update(Msg::Event(Event::Phase { phase: Phase::Sampling }));
        assert!(text(&screen(&app, width, height)).contains("● generating"));
        let (prompt, answer) = ("Name three colours, and quit.".into(), "Red, green and blue.".into());
        app.update(Msg::Event(Event::Sample { step: 12, prompt, text: answer }));
        app.update(Msg::Event(Event::Phase { phase: Phase::Training }));
        type_keys(&mut app, "gWhy");
        press(&mut app, KeyCode::Up);
        app.update(Msg::Input(UserInput::Paste("\n很好".into())));
        insta::assert_snapshot!(format!("prompt_{width}x{height}"), text(&monitor(&app, width, height)));
        // Down returns to the typed text, esc cancels it.
        press(&mut app, KeyCode::Down);
        assert!(text(&screen(&app, width, height)).contains("Why"));
        press(&mut app, KeyCode::Esc);
        assert!(!text(&screen(&app, width, height)).contains("enter send"));
        // The keys are keys again.
        assert_eq!(press(&mut app, KeyCode::Char('c')), Some(Effect::Send(Command::Checkpoint)));
        // One command at a time; the typed prompt stays.
        assert_eq!(sampled(&mut app, "And then?"), None);
        let shown = text(&screen(&app, width, height));
        assert!(
            shown.contains("the run has not confirmed the last command yet") && shown.contains("And then?"),
            "{shown}"
        );
        app.update(Msg::Event(Event::Phase { phase: Phase::Training }));
        assert_eq!(press(&mut app, KeyCode::Enter), asks("And then?"));
    }
}

#[test]
fn a_prompt_is_refused_with_the_reason() {
    let refused = |mut app: App, why: &str| {
        let shown = text(&screen(&app, 120, 40));
        assert!(!shown.contains("g prompt"), "{shown}");
        assert_eq!(press(&mut app, KeyCode::Char('g')), None);
        let shown = text(&screen(&app, 120, 40));
        assert!(shown.contains(why) && !shown.contains("enter send"), "{shown}");
    };
    refused(live(false, 120, 40), "a classifier generates no text");
    refused(replayed(120, 40), "a classifier generates no text");
    let mut ended = live(true, 120, 40);
    assert!(text(&screen(&ended, 120, 40)).contains("g prompt"));
    // A prompt that is open when the run ends stays, with the reason.
    type_keys(&mut ended, "gWhy");
    ended.update(Msg::Event(events().pop().unwrap()));
    assert_eq!(press(&mut ended, KeyCode::Enter), None);
    let shown = text(&screen(&ended, 120, 40));
    assert!(shown.contains("this run is not training") && shown.contains("Why"), "{shown}");
    press(&mut ended, KeyCode::Esc);
    assert_eq!(press(&mut ended, KeyCode::Char('g')), None);
    assert!(!text(&screen(&ended, 120, 40)).contains("enter send"));
}
