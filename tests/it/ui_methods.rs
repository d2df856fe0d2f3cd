//! The Monitor of runs that train by another method than SIFT: its header, the Layers tab and the card at the end.

use finesift::protocol::{Event, LoraFacts, Selected, Started, TrainingMethod};
use finesift::ui::app::App;
use finesift::ui::monitor::Monitor;
use finesift::ui::theme::Depth;

use crate::ui_monitor::{events, look, monitor, replay, replayed_with, text, type_keys};

/// The recorded run, as if another method had trained it.
fn replayed(method: TrainingMethod, width: u16, height: u16) -> App {
    let mut app = replayed_with(look(Depth::True, false), width, height);
    app.monitors.replay = Some(Monitor::replay());
    let lora = (method == TrainingMethod::Lora).then_some(LoraFacts { r: 8, alpha: 16.0, dropout: 0.0 });
    let dense = match method {
        TrainingMethod::Full => 22_713_986,
        TrainingMethod::Lora => 148_226,
        _ => 770,
    };
    for event in events() {
        match event {
            Event::Started(started) => replay(&mut app, Event::Started(Started { method, lora, ..started })),
            Event::Selected(_) => {
                replay(&mut app, Event::Selected(Selected { total: 0, of: 0, dense, targets: Vec::new() }));
            }
            Event::Mass(_) => {}
            event => replay(&mut app, event),
        }
    }
    app
}

#[test]
fn runs_of_other_methods_at_each_size() {
    for (width, height) in [(60, 16), (80, 24), (120, 40), (200, 60)] {
        let mut app = replayed(TrainingMethod::Lora, width, height);
        insta::assert_snapshot!(format!("lora_card_{width}x{height}"), text(&monitor(&app, width, height)));
        type_keys(&mut app, "i");
        insta::assert_snapshot!(format!("lora_{width}x{height}"), text(&monitor(&app, width, height)));
        type_keys(&mut app, "2");
        insta::assert_snapshot!(format!("lora_layers_{width}x{height}"), text(&monitor(&app, width, height)));
    }
}

#[test]
fn nothing_speaks_of_a_selection_where_there_is_none() {
    for (method, trained) in [(TrainingMethod::Full, "22,713,986"), (TrainingMethod::Head, "770")] {
        let mut app = replayed(method, 200, 60);
        type_keys(&mut app, "i");
        let shown = text(&monitor(&app, 200, 60));
        for words in [format!("Trainable {trained} "), ", optimizer ".into()] {
            assert!(shown.contains(&words), "no {words:?}: {shown}");
        }
        for words in ["Selected", "SIFT state"] {
            assert!(!shown.contains(words), "{words:?}: {shown}");
        }
        type_keys(&mut app, "2");
        let layers = text(&monitor(&app, 200, 60));
        for key in ["metric", "play", "history", "step "] {
            assert!(!layers.lines().skip(3).any(|line| line.contains(key)), "{key}: {layers}");
        }
    }
}

#[test]
fn the_header_says_the_method() {
    for (method, words) in [
        (TrainingMethod::Full, "full fine-tuning"),
        (TrainingMethod::Head, "head only"),
        (TrainingMethod::Lora, "LoRA r 8"),
        (TrainingMethod::Sift, "head only"),
    ] {
        let shown = text(&monitor(&replayed(method, 160, 40), 160, 40));
        assert!(shown.lines().take(3).any(|line| line.contains(words)), "{method:?}: {shown}");
        assert!(!shown.contains("% by gradient"), "{method:?}: {shown}");
    }
}
