//! The Samples tab of a classifier: its confusion matrix beside the examples, and the filter by a cell.

use crossterm::event::KeyCode;
use finesift::protocol::{Confusion, Event, ExamplePrediction, Examples};
use finesift::ui::app::App;
use finesift::ui::theme::{Depth, Look};
use ratatui::style::Modifier;

use crate::ui_monitor::{click, find, look, press, replay, replayed_with, screen, text, type_keys};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// The classes of an emotion dataset, with a wide name and a long one.
const EMOTIONS: [&str; 6] = ["anger", "喜び", "fear", "love (romantic, requited)", "sadness", "surprise"];

/// Counts that decrease away from the diagonal, and the examples of some cells.
fn evaluation(classes: &[String]) -> Examples {
    let count = |label: usize, predicted: usize| match label.abs_diff(predicted) {
        0 => 180 - 7 * (label as u64 % 9),
        distance => 24 / distance.pow(2) as u64,
    };
    let counts: Vec<Vec<u64>> =
        (0..classes.len()).map(|label| (0..classes.len()).map(|predicted| count(label, predicted)).collect()).collect();
    let labelled: Vec<u64> = counts.iter().map(|row| row.iter().sum()).collect();
    let example = |number: usize| {
        let label = number % classes.len();
        ExamplePrediction {
            text: format!("Example {number} of the class {}, with a text that is longer than any line", classes[label]),
            prediction: classes[(label + 1) % classes.len()].clone(),
            label: classes[label].clone(),
            confidence: Some(0.9),
            loss: 5.0 - number as f64 / 10.0,
            ..ExamplePrediction::default()
        }
    };
    let of = labelled.iter().sum();
    let right: u64 = (0..classes.len()).map(|class| counts[class][class]).sum();
    Examples {
        step: 160,
        of,
        wrong: Some(of - right),
        confusion: Some(Confusion { classes: classes.to_vec(), counts, labelled, of: classes.len() as u64 }),
        examples: (0..50).map(example).collect(),
    }
}

fn with(look: Look, classes: &[&str], width: u16, height: u16) -> App {
    let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
    let mut app = replayed_with(look, width, height);
    replay(&mut app, Event::Examples(evaluation(&classes)));
    type_keys(&mut app, "3");
    app
}

fn app(classes: &[&str], width: u16, height: u16) -> App {
    with(look(Depth::True, false), classes, width, height)
}

fn shown(app: &App, width: u16, height: u16) -> String {
    text(&screen(app, width, height))
}

#[test]
fn the_confusion_matrix_at_each_size() {
    for (width, height) in SIZES {
        for (name, classes) in [("two", &["negative", "positive"][..]), ("six", &EMOTIONS)] {
            let mut app = app(classes, width, height);
            press(&mut app, KeyCode::Tab);
            press(&mut app, KeyCode::Right);
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), shown(&app, width, height));
        }
        let mut app = app(&EMOTIONS, width, height);
        press(&mut app, KeyCode::Tab);
        press(&mut app, KeyCode::Right);
        press(&mut app, KeyCode::Enter);
        insta::assert_snapshot!(format!("filtered_{width}x{height}"), shown(&app, width, height));
    }
}

#[test]
fn a_matrix_with_more_classes_than_fit_scrolls_with_the_cursor() {
    let classes: Vec<String> = (0..40).map(|number| format!("intent {number:02}")).collect();
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    let mut app = app(&classes, 80, 24);
    press(&mut app, KeyCode::Tab);
    assert!(shown(&app, 80, 24).contains("180 of 213 (84.5 %)  intent 00 → intent 00"), "{}", shown(&app, 80, 24));
    press(&mut app, KeyCode::End);
    for _ in 0..39 {
        press(&mut app, KeyCode::Right);
    }
    let shown = shown(&app, 80, 24);
    assert!(shown.contains("intent 39 → intent 39") && shown.contains(" of 40 classes"), "{shown}");
    let buffer = screen(&app, 80, 24);
    let reversed = buffer.content.iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED)).count();
    assert!(reversed > 2, "the cursor is visible\n{shown}");
}

#[test]
fn a_cell_filters_the_examples_until_esc() {
    let mut app = app(&["negative", "positive"], 120, 40);
    press(&mut app, KeyCode::Tab);
    press(&mut app, KeyCode::Right);
    press(&mut app, KeyCode::Enter);
    let filtered = shown(&app, 120, 40);
    assert!(filtered.contains("Examples negative → positive 25 of the 50 highest-loss examples"), "{filtered}");
    assert!(filtered.contains("[24]") && !filtered.contains("✗ negative"), "{filtered}");
    // The filter follows the cursor of the matrix.
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::Down);
    let followed = shown(&app, 120, 40);
    assert!(followed.contains("positive → negative") && !followed.contains("✗ positive"), "{followed}");
    press(&mut app, KeyCode::Right);
    assert!(shown(&app, 120, 40).contains("none of the highest-loss examples is in this cell"));
    press(&mut app, KeyCode::Esc);
    let all = shown(&app, 120, 40);
    assert!(all.contains("48 wrong of 401") && !all.contains('['), "{all}");
    // The next esc leaves the matrix, the one after it the replay.
    press(&mut app, KeyCode::Esc);
    assert!(app.monitor().is_some());
    press(&mut app, KeyCode::Esc);
    assert!(app.monitor().is_none());
}

#[test]
fn a_click_selects_a_cell_and_a_second_one_filters_by_it() {
    let mut app = app(&["negative", "positive"], 120, 40);
    let (x, y) = find(&screen(&app, 120, 40), "180");
    click(&mut app, x, y);
    assert!(shown(&app, 120, 40).contains("180 of 204 (88.2 %)  negative → negative"), "{}", shown(&app, 120, 40));
    click(&mut app, x, y);
    assert!(shown(&app, 120, 40).contains("[180]"));
    // A click on the list brings the focus back to it.
    press(&mut app, KeyCode::Esc);
    let (x, y) = find(&screen(&app, 120, 40), "Example 3 ");
    click(&mut app, x, y);
    assert!(shown(&app, 120, 40).contains("tab select"));
}

#[test]
fn a_run_that_recorded_no_matrix_shows_that_of_the_listed_examples() {
    let mut old = replayed_with(look(Depth::True, false), 120, 40);
    type_keys(&mut old, "3");
    let old = shown(&old, 120, 40);
    assert!(old.contains("Confusion of the 50 listed") && !old.contains("recall"), "{old}");
    // A regression has none.
    let mut regression = replayed_with(look(Depth::True, false), 120, 40);
    let example = ExamplePrediction { prediction: "3.1".into(), label: "4.0".into(), ..ExamplePrediction::default() };
    let examples = Examples { step: 1, of: 1, wrong: None, confusion: None, examples: vec![example] };
    replay(&mut regression, Event::Examples(examples));
    type_keys(&mut regression, "3");
    press(&mut regression, KeyCode::Tab);
    assert!(!shown(&regression, 120, 40).contains("Confusion"));
}

#[test]
fn the_matrix_is_drawn_in_ascii_and_at_any_size() {
    let mut plain = with(look(Depth::None, true), &["negative", "positive"], 80, 24);
    press(&mut plain, KeyCode::Tab);
    let shown = shown(&plain, 80, 24);
    assert!(shown.is_ascii() && shown.contains("negative -> negative"), "{shown}");
    for (width, height) in [(60, 16), (61, 17), (99, 16), (100, 16), (101, 100), (300, 18)] {
        for focus in [false, true] {
            let mut app = app(&EMOTIONS, width, height);
            if focus {
                press(&mut app, KeyCode::Tab);
            }
            for (width, height) in [(0, 0), (1, 1), (5, 4), (width, height), (height, width)] {
                screen(&app, width, height);
            }
        }
    }
}
