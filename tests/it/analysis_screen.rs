//! The screen of an analysis: each kind of part at every size, in ASCII, while it runs, and its keys.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::analysis::{AnalysisUpdate, Report};
use finesift::protocol::Progress;
use finesift::ui::app::App;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::screen::Screen;
use finesift::ui::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::palette::SIZES;
use crate::runs_screen::{look, presets};

pub fn report() -> Box<Report> {
    let text = include_str!("../fixtures/analysis/report.json");
    let report: Report = serde_json::from_str(text).unwrap();
    report.check().unwrap();
    Box::new(report)
}

fn press(app: &mut App, keys: &str) -> Option<Effect> {
    let mut effect = None;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            '>' => KeyCode::Right,
            c => KeyCode::Char(c),
        };
        effect = app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))));
    }
    effect
}

/// An analysis that has just begun, in front.
pub fn running(size: (u16, u16)) -> App {
    let mut app = App::at_home(look("dark", Depth::True, false), presets(), size.0, size.1);
    app.update(Msg::AnalysisStarted { title: "gradients of demo".into(), folder: "analyses/gradients-demo".into() });
    app
}

/// A finished one.
pub fn done(size: (u16, u16)) -> App {
    let mut app = running(size);
    app.update(Msg::Analysis(AnalysisUpdate::Done(report())));
    app
}

fn text(app: &App, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| finesift::ui::draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_part_at_every_size() {
    for size in SIZES {
        for (name, keys) in
            [("curves", ""), ("histograms", "\t"), ("map", "\t\t"), ("table", "\t\t\t"), ("notes", "\t\t\t\t\t")]
        {
            let mut app = done(size);
            press(&mut app, keys);
            insta::assert_snapshot!(format!("analysis_{name}_{}x{}", size.0, size.1), text(&app, size));
        }
    }
}

#[test]
fn in_full_screen_with_a_cursor_and_in_ascii() {
    let size = SIZES[1];
    let mut app = done(size);
    press(&mut app, "\n>>>>");
    insta::assert_snapshot!("analysis_full_80x24", text(&app, size));
    app.look.ascii = true;
    insta::assert_snapshot!("analysis_full_ascii_80x24", text(&app, size));
    press(&mut app, "\t\t");
    let map = text(&app, size);
    insta::assert_snapshot!("analysis_map_ascii_80x24", map);
    assert!(map.is_ascii(), "{map}");
}

#[test]
fn while_it_runs_and_when_it_is_cancelled() {
    let size = SIZES[1];
    let mut app = running(size);
    insta::assert_snapshot!("analysis_opening_80x24", text(&app, size));
    let progress = Progress { task: "gradients, pre-trained".into(), done: 3, total: 16, unit: "batches".into() };
    app.update(Msg::Analysis(AnalysisUpdate::Progress(progress)));
    app.update(Msg::Analysis(AnalysisUpdate::Partial(report())));
    insta::assert_snapshot!("analysis_running_80x24", text(&app, size));
    // Leaving asks, and staying stays.
    press(&mut app, "q");
    insta::assert_snapshot!("analysis_quit_80x24", text(&app, size));
    assert_eq!(press(&mut app, "k"), None);
    assert_eq!(press(&mut app, "qc"), Some(Effect::Leave));
    let mut app = running(size);
    assert_eq!(press(&mut app, "X"), Some(Effect::CancelAnalysis));
    assert!(text(&app, size).contains("cancelling after this batch"));
    assert_eq!(press(&mut app, "X"), None, "once is enough");
    app.update(Msg::Analysis(AnalysisUpdate::Cancelled));
    assert!(text(&app, size).contains("cancelled; nothing was written"));
}

#[test]
fn an_analysis_is_started_at_home_and_esc_goes_back_there() {
    let mut app = App::at_home(look("dark", Depth::True, false), presets(), 80, 24);
    let Some(Effect::Analyze(_)) = press(&mut app, "a") else { panic!("not started") };
    app.update(Msg::AnalysisStarted { title: "gradients of demo".into(), folder: "out".into() });
    assert_eq!(app.screen, Screen::Analysis);
    press(&mut app, "\u{1b}");
    assert_eq!(app.screen, Screen::Home);
    assert_eq!(press(&mut app, "a"), None, "one at a time");
    app.update(Msg::Analysis(AnalysisUpdate::Done(report())));
    assert!(text(&app, (80, 24)).contains("the analysis is done"));
    press(&mut app, "A");
    assert_eq!(press(&mut app, "o"), Some(Effect::OpenFolder(PathBuf::from("out"))));
    assert_eq!(press(&mut app, "y"), Some(Effect::Copy("out".into())));
}

#[test]
fn a_part_stays_in_front_while_the_report_fills() {
    let mut app = running((80, 24));
    let mut first = report();
    first.figures.remove(0);
    app.update(Msg::Analysis(AnalysisUpdate::Partial(first)));
    assert!(text(&app, (80, 24)).contains("Magnitudes of the gradient's"));
    app.update(Msg::Analysis(AnalysisUpdate::Done(report())));
    let shown = text(&app, (80, 24));
    assert!(shown.contains("Magnitudes of the gradient's") && shown.contains("2/"), "{shown}");
}

#[test]
fn any_size_can_be_drawn() {
    for width in (1..90).step_by(7) {
        for height in (1..30).step_by(3) {
            for keys in ["", "\t", "\t\t", "\t\t\t", "\t\t\t\t", "\n>"] {
                let mut app = done((width, height));
                press(&mut app, keys);
                text(&app, (width, height));
            }
        }
    }
}
