//! Comparison of runs: below the table of runs, on the whole screen, and over the run on the monitor.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::protocol::{Eval, Event, Step};
use finesift::runs::{History, SettingDifference};
use finesift::ui::app::App;
use finesift::ui::comparison::{ComparisonUpdate, CurveReader, RunCurves};
use finesift::ui::draw;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::Files;
use finesift::ui::screen::Screen;
use finesift::ui::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Color;

use crate::runs_screen::{SampleRuns, demo_events, look, presets};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// The Runs screen, with what is read of compared runs made up.
struct Screens {
    app: App,
    size: (u16, u16),
    followed: Vec<PathBuf>,
}

impl Screens {
    fn open(size: (u16, u16)) -> Screens {
        let samples = SampleRuns::new();
        let mut app = App::at_home(look("dark", Depth::True, false), presets(), size.0, size.1);
        app.update(Msg::Input(key(KeyCode::Char('R'))));
        app.update(samples.listed());
        Screens { app, size, followed: Vec::new() }
    }

    /// So many runs of the list, from the first on, marked and read.
    fn with_marked(size: (u16, u16), count: usize) -> Screens {
        let mut screens = Screens::open(size);
        (0..count).for_each(|_| screens.press(" "));
        screens
    }

    fn press(&mut self, keys: &str) {
        keys.chars().for_each(|c| self.press_key(KeyCode::Char(c)));
    }

    fn press_key(&mut self, code: KeyCode) {
        match self.app.update(Msg::Input(key(code))) {
            Some(Effect::Follow(runs)) => self.follow(runs),
            Some(Effect::Replay(_, number)) => {
                self.app.update(Msg::Replayed(number, demo_events()));
            }
            _ => {}
        }
    }

    fn follow(&mut self, runs: Vec<PathBuf>) {
        for run in &runs {
            self.app.update(curves_of(run, 1.0));
        }
        let learning_rate = |number: usize| Some(format!("{}e-3", number % 3 + 1));
        let differences = vec![
            SettingDifference {
                key: "sift.select".into(),
                values: (0..runs.len()).map(|number| (number > 0).then(|| "\"random\"".into())).collect(),
            },
            SettingDifference {
                key: "train.learning_rate".into(),
                values: (0..runs.len()).map(learning_rate).collect(),
            },
        ];
        self.app.update(Msg::Compared(ComparisonUpdate::Settings(runs.clone(), Ok(differences))));
        self.followed = runs;
    }

    /// Moves the cursor of the list to a run.
    fn go_to(&mut self, run: &str) {
        self.press_key(KeyCode::Home);
        let rows = (0..6).find(|_| {
            let found = self.line("▌").contains(run);
            if !found {
                self.press("j");
            }
            found
        });
        rows.unwrap_or_else(|| panic!("no {run} on\n{}", self.text()));
    }

    fn buffer(&self) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| draw(frame, &self.app)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn text(&self) -> String {
        let buffer = self.buffer();
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
    }

    fn line(&self, wanted: &str) -> String {
        let text = self.text();
        text.lines().find(|line| line.contains(wanted)).unwrap_or_else(|| panic!("no {wanted} on\n{text}")).to_owned()
    }

    /// The colour of the sign before a run in the list.
    fn sign(&self, run: &str) -> Option<Color> {
        let buffer = self.buffer();
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        let y = (0..buffer.area.height).find(|y| row(*y).contains(run)).unwrap();
        (buffer[(3, y)].symbol() != " ").then(|| buffer[(3, y)].fg)
    }

    fn snapshot(&self, name: &str) {
        insta::assert_snapshot!(format!("{name}_{}x{}", self.size.0, self.size.1), self.text());
    }
}

fn key(code: KeyCode) -> UserInput {
    UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// The curves of a run of the list: each another level, those that run or stopped early shorter.
fn curves_of(run: &Path, share: f64) -> Msg {
    let name = run.file_name().unwrap().to_str().unwrap();
    let (level, steps) = match name {
        "now" => (1.0, 124),
        "too-high" => (1.6, 63),
        "rate-0.05" => (0.8, 170),
        "cut" => (1.3, 110),
        "early" => (1.2, 96),
        _ => (0.9, 170),
    };
    let mut history = History::default();
    for event in events(level) {
        let over = matches!(&event, Event::Step(step) if step.step as f64 > f64::from(steps) * share);
        if over || matches!(event, Event::Finished(_)) && steps < 170 {
            break;
        }
        history.apply(event);
    }
    Msg::Compared(ComparisonUpdate::Curves(run.to_owned(), Arc::new(RunCurves::of(&history))))
}

/// The recorded run with other losses and scores.
fn events(level: f64) -> impl Iterator<Item = Event> {
    demo_events().into_iter().map(move |event| match event {
        Event::Step(step) => Event::Step(Step { loss: step.loss * level, ..step }),
        Event::Eval(eval) => {
            let scores = eval.scores.iter().map(|(name, score)| (name.clone(), score / level.max(1.0))).collect();
            Event::Eval(Eval { loss: eval.loss * level, scores, ..eval })
        }
        event => event,
    })
}

#[test]
fn marked_runs_are_compared_below_the_table_at_each_size() {
    for size in SIZES {
        let mut screens = Screens::with_marked(size, 3);
        screens.snapshot("below");
        // In the middle of the axis, where the shortest run has ended.
        screens.press("<");
        screens.press(&"<".repeat(40));
        screens.press("bm");
        screens.snapshot("below_cursor");
    }
}

#[test]
fn two_and_six_runs_and_plain_characters() {
    let size = (120, 40);
    Screens::with_marked(size, 2).snapshot("below_two");
    let mut screens = Screens::with_marked(size, 6);
    screens.press("c");
    screens.snapshot("grid_six");
    screens.app.look.ascii = true;
    let text = screens.text();
    assert!(text.is_ascii(), "{text}");
    screens.snapshot("grid_six_ascii");
    // Without colours, digits say which run is which.
    let mut plain = Screens::with_marked((80, 24), 3);
    plain.app.look = look("dark", Depth::None, false);
    plain.snapshot("below_no_color");
}

#[test]
fn all_metrics_fill_the_screen_at_each_size() {
    for size in SIZES {
        let mut screens = Screens::with_marked(size, 3);
        screens.press("c");
        screens.snapshot("grid");
        screens.press("c");
        screens.snapshot("settings");
        screens.press("cm");
        screens.press_key(KeyCode::Enter);
        screens.press_key(KeyCode::Left);
        screens.press("L");
        screens.snapshot("single");
        screens.press_key(KeyCode::Esc);
        screens.press_key(KeyCode::Esc);
        assert!(screens.text().contains("3 marked"), "{}", screens.text());
    }
}

#[test]
fn a_run_keeps_its_colour_while_it_is_marked() {
    let mut screens = Screens::with_marked((120, 40), 4);
    let theme = screens.app.look.theme;
    let names = ["now", "too-high", "rate-0.05", "demo-2027"];
    let colours = names.map(|name| screens.sign(name).unwrap());
    assert_eq!(colours, [theme.run_1.0, theme.run_2.0, theme.run_3.0, theme.run_4.0]);
    screens.press_key(KeyCode::Home);
    screens.press(" ");
    assert_eq!(screens.sign("now"), None);
    assert_eq!(names.map(|name| screens.sign(name))[1..], [colours[1], colours[2], colours[3]].map(Some));
    // Another order of the list changes nothing, and a new mark takes the free colour.
    screens.press("S");
    assert_eq!(names.map(|name| screens.sign(name))[1..], [colours[1], colours[2], colours[3]].map(Some));
    screens.go_to("cut");
    screens.press(" ");
    assert_eq!(screens.sign("cut"), Some(colours[0]));
    assert_eq!(screens.followed.len(), 4);
    screens.press_key(KeyCode::Esc);
    assert!(screens.followed.is_empty() && screens.text().contains("checkpoints"), "{}", screens.text());
}

#[test]
fn the_legend_shows_values_and_differences_to_the_baseline() {
    let mut screens = Screens::with_marked((120, 40), 3);
    let legend = |screens: &Screens, run: &str| {
        let text = screens.text();
        let line = text.lines().rev().find(|line| line.contains(run)).unwrap().to_owned();
        line.rsplit('│')
            .nth(1)
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
            .replace('▌', "")
    };
    // The first marked run is the baseline. Values are those of the run's own last step, differences those of the last
    // common one.
    assert_eq!(legend(&screens, "now"), "◆ now 0.3401 baseline 124");
    assert_eq!(legend(&screens, "too-high"), "● too-high 0.8613 +0.3230 63");
    let longer = legend(&screens, "rate-0.05");
    assert!(longer.starts_with("● rate-0.05 0.") && longer.contains(" -0.0680 @124 170"), "{longer}");
    // The run under the cursor becomes the baseline.
    screens.go_to("rate-0.05");
    screens.press("b");
    assert!(legend(&screens, "rate-0.05").starts_with("◆ rate-0.05") && !legend(&screens, "now").contains("baseline"));
    assert!(legend(&screens, "now").contains("+0.0680"), "{}", legend(&screens, "now"));
    // At the cursor, a run that has not come so far has no value.
    screens.press(&"<".repeat(30));
    assert!(screens.text().contains("at 110"), "{}", screens.text());
    assert_eq!(legend(&screens, "too-high"), "● too-high - -");
    // Time in place of steps, without the cursor, which was a step.
    screens.press("x");
    assert!(screens.text().contains("latest") && screens.text().contains(" time "), "{}", screens.text());
}

#[test]
fn curves_of_an_active_run_grow_and_late_ones_are_dropped() {
    let mut screens = Screens::with_marked((120, 40), 2);
    assert!(screens.line("◆ now  ").contains("124"), "{}", screens.text());
    screens.app.update(curves_of(Path::new("runs/now"), 0.5));
    assert!(screens.line("◆ now  ").contains(" 62"), "{}", screens.text());
    // Unmarked meanwhile.
    screens.press_key(KeyCode::Home);
    screens.press(" j ");
    assert_eq!(screens.followed, ["runs/too-high", "runs/rate-0.05"].map(PathBuf::from));
    screens.app.update(curves_of(Path::new("runs/now"), 1.0));
    screens.press_key(KeyCode::Home);
    screens.press("k ");
    assert!(!screens.text().contains("reading"), "{}", screens.text());
    // A run that is gone from the folder is compared no longer.
    let effect = screens.app.update(Msg::Listed(Some(Vec::new()), std::time::SystemTime::now()));
    assert_eq!(effect, Some(Effect::Follow(Vec::new())));
}

#[test]
fn without_a_run_on_the_monitor_an_overlay_opens_the_comparison() {
    let mut screens = Screens::with_marked((120, 40), 3);
    screens.press("v");
    assert_eq!(screens.app.screen, Screen::Runs);
    assert!(screens.text().contains("Gradient mass") && screens.app.runs.compares(), "{}", screens.text());
    // With one run marked, the one under the cursor is compared with it; a single run with nothing.
    let mut screens = Screens::with_marked((120, 40), 1);
    screens.press("c");
    assert_eq!(screens.followed, ["runs/now", "runs/too-high"].map(PathBuf::from));
    let mut screens = Screens::open((120, 40));
    screens.press("c");
    assert!(screens.text().contains("mark at least 2 runs"), "{}", screens.text());
}

#[test]
fn keys_and_clicks_act_on_the_whole_screen() {
    let mut screens = Screens::with_marked((120, 40), 3);
    screens.press("c");
    screens.press_key(KeyCode::Down);
    screens.press_key(KeyCode::Up);
    screens.press_key(KeyCode::Up);
    screens.press("b");
    assert!(screens.line("▌").contains("baseline"), "{}", screens.text());
    // A click gives a chart the focus, a second one sets the cursor.
    let click = |x, y| Msg::Input(UserInput::Click(Position::new(x, y)));
    screens.app.update(click(50, 3));
    assert!(screens.line("Compared").contains("Eval loss"), "{}", screens.text());
    screens.app.update(click(50, 3));
    assert!(screens.text().contains("at "), "{}", screens.text());
    // Zoomed in, the axis no longer begins at 0.
    screens.press("++");
    let axis = |screens: &Screens| screens.text().lines().nth(6).unwrap().to_owned();
    let zoomed = axis(&screens);
    screens.press(">");
    assert_ne!(axis(&screens), zoomed);
    screens.press("---");
    // A removed mark leaves two runs; another one, none to compare.
    screens.press(" ");
    assert!(screens.text().contains("Compared 2"), "{}", screens.text());
    screens.press_key(KeyCode::Down);
    screens.press(" ");
    assert!(!screens.app.runs.compares(), "{}", screens.text());
}

/// The Monitor with the recorded run, and three marked runs over it, of which one is itself.
fn overlaid(size: (u16, u16)) -> Screens {
    let mut screens = Screens::with_marked(size, 3);
    screens.go_to("rat");
    screens.press_key(KeyCode::Enter);
    screens.app.update(Msg::Files(Files { folder: "runs/rate-0.05".into(), preset: String::new() }));
    screens.press("Rv");
    assert_eq!(screens.app.screen, Screen::Monitor);
    screens
}

#[test]
fn marked_runs_are_drawn_over_the_one_on_the_monitor() {
    for size in SIZES {
        let mut screens = overlaid(size);
        screens.snapshot("overlay");
        screens.press_key(KeyCode::Enter);
        screens.snapshot("overlay_full");
    }
    let mut screens = overlaid((80, 24));
    screens.app.look.ascii = true;
    assert!(screens.text().is_ascii(), "{}", screens.text());
    screens.snapshot("overlay_ascii");
    screens.app.look.ascii = false;
    let with = screens.text();
    screens.press("o");
    assert!(!screens.text().contains("● too-high"), "{}", screens.text());
    screens.press("o");
    assert_eq!(screens.text(), with);
}

#[test]
fn a_run_is_never_laid_over_itself() {
    let mut screens = Screens::open((120, 40));
    screens.go_to("rate-0.05");
    screens.press_key(KeyCode::Enter);
    screens.press("o");
    assert!(screens.text().contains("no runs to overlay: mark some in Runs"), "{}", screens.text());
    // As an absolute path, too.
    let folder = std::path::absolute("runs/rate-0.05").unwrap();
    screens.app.update(Msg::Files(Files { folder, preset: String::new() }));
    screens.press("Rv");
    assert_eq!(screens.app.screen, Screen::Runs);
    assert!(screens.text().contains("rate-0.05 is on the monitor already; mark another run"), "{}", screens.text());
    screens.go_to("too-high");
    screens.press(" v");
    assert_eq!(screens.app.screen, Screen::Monitor);
    let legend = screens.line("━ demo");
    assert!(legend.contains("● too-high") && !legend.contains("rate-0.05"), "{legend}");
}

#[test]
fn runs_are_read_on_as_their_files_grow_until_they_are_unmarked() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["a", "b"].map(|name| folder.path().join(name));
    let step = |step: u64| {
        let step = Step {
            step,
            epoch: 0.0,
            loss: 1.0,
            learning_rate: 1.0,
            grad_norm: 1.0,
            tokens_per_second: 1.0,
            elapsed: 1.0,
            eta: None,
        };
        serde_json::to_string(&Event::Step(step)).unwrap() + "\n"
    };
    for (number, run) in runs.iter().enumerate() {
        fs::create_dir(run).unwrap();
        fs::write(run.join("events.jsonl"), step(1)).unwrap();
        fs::write(run.join("preset.toml"), format!("[train]\nseed = {number}\n")).unwrap();
    }
    let append = |run: &Path, number: u64| {
        let mut file = OpenOptions::new().append(true).open(run.join("events.jsonl")).unwrap();
        file.write_all(step(number).as_bytes()).unwrap();
    };
    let (sender, updates) = mpsc::channel();
    let mut reader = CurveReader::default();
    let mut follow = |runs: &[PathBuf]| {
        let sender = sender.clone();
        reader.follow(runs.to_vec(), move |update| sender.send(update).is_ok()).unwrap();
    };
    follow(&runs);
    // The steps of the runs until this one has come so far.
    let wait = |wanted: &Path, taken: u64| {
        let mut others = 0;
        loop {
            match updates.recv().unwrap() {
                ComparisonUpdate::Curves(run, curves) if run == wanted && curves.taken == taken => return others,
                ComparisonUpdate::Curves(run, _) => others += usize::from(run != wanted),
                ComparisonUpdate::Settings(compared, differences) => {
                    let differences = differences.unwrap();
                    assert_eq!((compared.len() > 1, differences.len()), (differences.len() == 1, differences.len()));
                }
                ComparisonUpdate::Unreadable(why) => panic!("{why}"),
            }
        }
    };
    wait(&runs[0], 1);
    append(&runs[1], 2);
    wait(&runs[1], 2);
    // Unmarked, the other run is not read while this one grows.
    follow(&runs[..1]);
    append(&runs[0], 2);
    wait(&runs[0], 2);
    append(&runs[1], 3);
    append(&runs[0], 3);
    assert_eq!(wait(&runs[0], 3), 0);
    // Marked again, it is read from its start.
    follow(&runs);
    wait(&runs[1], 3);
}
