//! The screen of a sweep at every size, and what its keys do.

use std::path::Path;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::sweep::{
    ExpandedSweep, Progress, RunProgress, RunResult, RunStatus, SweepFile, SweepPlan, Trainable, Update,
};
use finesift::ui::app::App;
use finesift::ui::draw;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::screen::Screen;
use finesift::ui::sweep::SweepScreen;
use finesift::ui::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Position;

use crate::runs_screen::{look, presets};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// A tuned grid, and rows with a name, one of them longer than any column and wide.
pub fn plan() -> SweepPlan {
    let text = "about = \"x\"\npreset = \"demo\"\nseeds = [1, 2, 3]\n[tune]\nvalues = [1e-3, 3e-3]\n[grid]\n\
                sift.select = [\"gradient\", \"random\"]\nsift.rate = [0.0014, 0.00845]\n[[row]]\nname = \"columns, 3 of each \
                matrix: 書く and a name that is longer than any column\"\nsift.structure = \"columns\"\ntrain.learning_rate = 1e-3\n\
                [[row]]\nname = \"no data\"\ndata.path = \"none.csv\"\ntrain.learning_rate = 1e-3\n";
    let file = SweepFile::parse(Path::new("sweep.toml"), text).unwrap();
    ExpandedSweep::of(&file, &[], Path::new("/cache")).unwrap().plan
}

fn done(plan: &SweepPlan, run: usize, score: f64) -> RunStatus {
    RunStatus::Done(RunResult {
        run: plan.runs[run].folder.clone(),
        metric: "accuracy".into(),
        score,
        best_step: 230,
        seconds: 71.5 + run as f64,
        trainable: Some(Trainable { sparse: 30_024, dense: 770 }),
    })
}

/// A sweep in the middle: rows that are complete, tuned, being trained, unfinished and failed.
pub fn progress(plan: &SweepPlan) -> Progress {
    let mut statuses = vec![RunStatus::Pending; plan.runs.len()];
    let run = |row: usize, variant: usize, seed: u64| plan.rows[row].variants[variant].runs[&seed];
    let far = |step, score| RunProgress { step, steps: 345, score };
    for (row, variant, seed, score) in [
        (0, 0, 1, 0.7132),
        (0, 1, 1, 0.7402),
        (0, 1, 2, 0.7377),
        (0, 1, 3, 0.7475),
        (1, 0, 1, 0.7647),
        (1, 1, 1, 0.7328),
        (1, 0, 2, 0.7721),
        (2, 0, 1, 0.6838),
        (4, 0, 1, 0.7206),
    ] {
        statuses[run(row, variant, seed)] = done(plan, run(row, variant, seed), score);
    }
    statuses[run(1, 0, 3)] = RunStatus::Active(far(132, Some(0.7431)));
    statuses[run(4, 0, 2)] = RunStatus::Unfinished(far(60, None));
    let error = "none.csv: no such file; / has bin, boot, container_info.json, dev, etc, …";
    statuses[run(5, 0, 1)] = RunStatus::Failed { error: error.into() };
    let folders = plan.runs.iter().map(|run| run.folder.clone()).collect();
    let running = vec![run(1, 0, 3)];
    Progress { statuses, total: 18, done: 9, failed: 1, folders, running, left: Some(Duration::from_secs(611)) }
}

fn open(size: (u16, u16), ascii: bool) -> App {
    let mut app = App::at_home(look("dark", Depth::True, ascii), presets(), size.0, size.1);
    let plan = plan();
    let mut screen = SweepScreen::new("mrpc-minilm".into(), "runs/mrpc-minilm".into(), plan.clone());
    screen.on_update(Update::Progress(progress(&plan)));
    app.sweep = Some(screen);
    app.screen = Screen::Sweep;
    app
}

fn press(app: &mut App, code: KeyCode) -> Option<Effect> {
    app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn text(app: &App, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..height).map(line).collect()
}

#[test]
fn the_table_is_drawn_at_every_size() {
    for size in SIZES {
        insta::assert_snapshot!(format!("sweep_{}x{}", size.0, size.1), text(&open(size, false), size));
    }
    insta::assert_snapshot!("sweep_ascii_80x24", text(&open((80, 24), true), (80, 24)));
}

/// Three budgets of two selections beside rows of their own: what `row` of the sweep is, and its runs that are done.
fn lines_plan() -> SweepPlan {
    let text = "about = \"MRPC: accuracy by budget, beside LoRA, head and full\"\npreset = \"demo\"\nseeds = [1, 2, 3]\n[grid]\n\
                sift.select = [\"gradient\", \"random\"]\nsift.rate = [0.0014, 0.00845, 0.0423]\n[[row]]\nname = \"LoRA r 2\"\n\
                method = \"lora\"\nlora.r = 2\n[[row]]\nname = \"head\"\nmethod = \"head\"\n[[row]]\nname = \"full\"\n\
                method = \"full\"\n[[row]]\nname = \"LoRA r 8\"\nmethod = \"lora\"\ntune = [1e-3, 3e-3]\n";
    let file = SweepFile::parse(Path::new("sweep.toml"), text).unwrap();
    ExpandedSweep::of(&file, &[], Path::new("/cache")).unwrap().plan
}

/// All rows are done but LoRA r 8, which is being tuned, and the last seed of full.
fn lines_progress(plan: &SweepPlan) -> Progress {
    let mut statuses = vec![RunStatus::Pending; plan.runs.len()];
    let means = [0.719, 0.754, 0.777, 0.730, 0.750, 0.791, 0.786, 0.708, 0.802];
    let counts = [5762, 30_794, 150_890, 5762, 30_794, 150_890, 37_634, 770, 22_713_986];
    for (row, (mean, count)) in means.into_iter().zip(counts).enumerate() {
        for (seed, by) in [(1, 0.012), (2, -0.008), (3, -0.004)] {
            let run = plan.rows[row].variants[0].runs[&seed];
            if (row, seed) != (8, 3) {
                let RunStatus::Done(mut result) = done(plan, run, mean + by) else { unreachable!() };
                result.trainable = Some(Trainable { sparse: count - 770, dense: 770 });
                statuses[run] = RunStatus::Done(result);
            }
        }
    }
    statuses[plan.rows[9].variants[0].runs[&1]] = done(plan, plan.rows[9].variants[0].runs[&1], 0.8);
    let folders = plan.runs.iter().map(|run| run.folder.clone()).collect();
    Progress { statuses, total: 33, done: 27, failed: 0, folders, running: Vec::new(), left: None }
}

fn open_lines(size: (u16, u16), ascii: bool) -> App {
    let mut app = App::at_home(look("dark", Depth::True, ascii), presets(), size.0, size.1);
    let plan = lines_plan();
    let mut screen = SweepScreen::new("mrpc".into(), "runs/mrpc".into(), plan.clone());
    screen.on_update(Update::Progress(lines_progress(&plan)));
    app.sweep = Some(screen);
    app.screen = Screen::Sweep;
    app
}

#[test]
fn the_chart_is_where_there_is_room_and_a_key_shows_it_everywhere() {
    for size in SIZES {
        let mut app = open_lines(size, false);
        if size.0 >= 120 {
            insta::assert_snapshot!(format!("sweep_lines_{}x{}", size.0, size.1), text(&app, size));
        } else {
            assert!(!text(&app, size).contains("trainable parameters"));
        }
        press(&mut app, KeyCode::Char('c'));
        let chart = text(&app, size);
        insta::assert_snapshot!(format!("sweep_chart_{}x{}", size.0, size.1), chart);
        assert_eq!(press(&mut app, KeyCode::Enter), None, "no run is selected on the chart");
        press(&mut app, KeyCode::Down);
        assert_eq!(text(&app, size), chart);
        press(&mut app, KeyCode::Esc);
        assert!(text(&app, size).contains("Scores"));
    }
    let mut app = open_lines((80, 24), true);
    press(&mut app, KeyCode::Char('c'));
    insta::assert_snapshot!("sweep_chart_ascii_80x24", text(&app, (80, 24)));
}

#[test]
fn rows_that_form_no_lines_have_a_line_each_on_the_chart() {
    for (ascii, size) in [(false, (80, 24)), (false, (200, 60)), (true, (80, 24))] {
        let text_of_file = "preset = \"demo\"\nseeds = [1, 2, 3]\n[grid]\nsift.select = [\"gradient\", \"random\", \"magnitude\"]\n\
                            [[row]]\nname = \"head 書く\"\nmethod = \"head\"\n";
        let file = SweepFile::parse(Path::new("sweep.toml"), text_of_file).unwrap();
        let plan = ExpandedSweep::of(&file, &[], Path::new("/cache")).unwrap().plan;
        let mut progress = Progress { total: plan.runs.len(), ..Progress::default() };
        progress.statuses =
            (0..plan.runs.len()).map(|run| done(&plan, run, 0.7 + (run * 7 % 10) as f64 / 100.0)).collect();
        progress.statuses[1] = RunStatus::Pending;
        (3..6).for_each(|run| progress.statuses[run] = RunStatus::Pending);
        let mut app = App::at_home(look("dark", Depth::True, ascii), presets(), size.0, size.1);
        let mut screen = SweepScreen::new("kinds".into(), "runs/kinds".into(), plan);
        screen.on_update(Update::Progress(progress));
        (app.sweep, app.screen) = (Some(screen), Screen::Sweep);
        press(&mut app, KeyCode::Char('c'));
        let ascii = if ascii { "_ascii" } else { "" };
        insta::assert_snapshot!(format!("sweep_rows{ascii}_{}x{}", size.0, size.1), text(&app, size));
    }
}

#[test]
fn the_states_of_a_sweep_are_told_apart() {
    let size = (80, 24);
    let first_lines = |app: &App| text(app, size).lines().take(4).collect::<Vec<_>>().join("\n");
    let mut app = open(size, false);
    assert_eq!(press(&mut app, KeyCode::Char(' ')), Some(Effect::HoldSweep(true)));
    let held = first_lines(&app);
    assert_eq!(press(&mut app, KeyCode::Char('p')), Some(Effect::HoldSweep(false)));
    app.sweep.as_mut().unwrap().on_update(Update::Waiting(vec!["demo-20270101-090000".into()]));
    let waiting = first_lines(&app);
    app.sweep.as_mut().unwrap().on_end();
    assert_eq!(press(&mut app, KeyCode::Char(' ')), None, "nothing is left to hold");
    insta::assert_snapshot!("sweep_states", [held, waiting, first_lines(&app)].join("\n\n"));
    assert_eq!(press(&mut app, KeyCode::Char('q')), Some(Effect::Leave), "nothing is lost");
}

#[test]
fn a_run_is_watched_replayed_or_refused_with_its_error() {
    let mut app = open((120, 40), false);
    let plan = plan();
    let folder = |row: usize, seed: u64| {
        Path::new("runs/mrpc-minilm").join(&plan.runs[plan.rows[row].variants[0].runs[&seed]].folder)
    };
    press(&mut app, KeyCode::Down);
    // The two runs of tuning, then seeds 2 and 3 of the chosen value.
    for _ in 0..3 {
        press(&mut app, KeyCode::Right);
    }
    assert_eq!(press(&mut app, KeyCode::Enter), Some(Effect::Attach(folder(1, 3))));
    press(&mut app, KeyCode::Left);
    assert!(matches!(press(&mut app, KeyCode::Enter), Some(Effect::Replay(run, _)) if run == folder(1, 2)));
    press(&mut app, KeyCode::Char('W'));
    assert_eq!(app.screen, Screen::Sweep);
    press(&mut app, KeyCode::End);
    assert_eq!(press(&mut app, KeyCode::Enter), None);
    assert!(text(&app, (120, 40)).contains("no data, seed 1 could not start: none.csv: no such file"));
    press(&mut app, KeyCode::Right);
    press(&mut app, KeyCode::Enter);
    assert!(text(&app, (120, 40)).contains("no data, seed 2 has not started"));
}

#[test]
fn rows_are_sorted_and_the_selected_one_stays_selected() {
    let size = (120, 40);
    let mut app = open(size, false);
    let rows = |app: &App| -> Vec<String> {
        let text = text(app, size);
        let names = text.lines().skip(6).map(|line| line.chars().skip(1).take(24).collect::<String>());
        names.take_while(|name| !name.trim().is_empty()).map(|name| name.trim().to_owned()).collect()
    };
    press(&mut app, KeyCode::Down);
    let file = rows(&app);
    assert_eq!(file[..3], ["★ gradient rate=0.0014", "▌   gradient rate=0.0084", "random rate=0.0014"]);
    press(&mut app, KeyCode::Char('s'));
    let best = rows(&app);
    assert_eq!(best[..3], ["▌   gradient rate=0.0084", "★ gradient rate=0.0014", "columns, 3 of each m"]);
    press(&mut app, KeyCode::Char('s'));
    press(&mut app, KeyCode::Char('s'));
    assert_eq!(rows(&app), file);
}

#[test]
fn clicks_select_rows_and_runs_and_open_the_selected_run() {
    let mut app = open((120, 40), false);
    let at = |text: &str, what: &str| {
        let line = text.lines().position(|line| line.contains(what)).unwrap();
        Position::new(8, line as u16)
    };
    let shown = text(&app, (120, 40));
    app.update(Msg::Input(UserInput::Click(at(&shown, "random rate=0.0014"))));
    let shown = text(&app, (120, 40));
    assert!(shown.contains("Runs random rate=0.0014"), "{shown}");
    let run = at(&shown, "LR 0.001, seed 1");
    let effect = app.update(Msg::Input(UserInput::Click(run)));
    assert!(matches!(effect, Some(Effect::Replay(..))), "the first run is selected: {effect:?}");
}

#[test]
fn quitting_asks_while_the_sweep_is_not_done() {
    let mut app = open((80, 24), false);
    assert_eq!(press(&mut app, KeyCode::Char('q')), None);
    insta::assert_snapshot!("sweep_quit_80x24", text(&app, (80, 24)));
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('q'));
    assert_eq!(press(&mut app, KeyCode::Char('s')), Some(Effect::Leave));
}

#[test]
fn without_a_sweep_there_is_no_such_screen() {
    let mut app = App::at_home(look("dark", Depth::True, false), presets(), 80, 24);
    assert!(!text(&app, (80, 24)).contains("Sweep"));
    press(&mut app, KeyCode::Char('W'));
    assert_eq!(app.screen, Screen::Home);
    assert!(text(&app, (80, 24)).contains("no sweep here"));
}
