//! The Layers tab: the map at each size and of models of every shape, its slider and its playback.

use std::time::Duration;

use crossterm::event::{KeyCode, MouseButton, MouseEventKind};
use finesift::protocol::{
    Event, Mass, Reselected, Selected, SelectedTarget, Started, StructureMass, Structures, TargetMass,
};
use finesift::ui::app::App;
use finesift::ui::message::Msg;
use finesift::ui::monitor::Monitor;
use finesift::ui::theme::Depth;

use crate::ui_monitor::{
    click, events, find, look, monitor, mouse, press, replay, replayed, replayed_with, screen, text, type_keys,
};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// The modules of a block of a decoder.
const DECODER: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// A run on the Layers tab whose targets have values that grow with block and module.
fn run_of(names: &[String], dense: u64, width: u16, height: u16) -> App {
    let mut app = replayed(width, height);
    app.monitors.replay = Some(Monitor::replay());
    let started =
        events().into_iter().find_map(|event| if let Event::Started(started) = event { Some(started) } else { None });
    let started = Started { model: "org/a-model".into(), select: "gradient".into(), steps: 100, ..started.unwrap() };
    replay(&mut app, Event::Started(started));
    let target = |name: &String| SelectedTarget { name: name.clone(), shape: vec![64, 64], selected: 41 };
    let targets = names.iter().map(target).collect();
    replay(
        &mut app,
        Event::Selected(Selected { total: 41 * names.len() as u64, of: 4096 * names.len() as u64, dense, targets }),
    );
    for step in [0, 50, 100] {
        let measured = |(number, name): (usize, &String)| {
            let share = (number + 1) as f64 / names.len() as f64;
            TargetMass {
                name: name.clone(),
                mass: 10.0 + 80.0 * share - step as f64 / 20.0,
                update: Some(share * step as f64 / 10.0),
            }
        };
        let targets = names.iter().enumerate().map(measured).collect();
        replay(&mut app, Event::Mass(Mass { step, overall: 50.0, targets }));
    }
    type_keys(&mut app, "2");
    app
}

fn decoder(blocks: usize, modules: usize) -> Vec<String> {
    let within = (0..blocks)
        .flat_map(|block| DECODER[..modules].iter().map(move |module| format!("model.layers.{block}.{module}.weight")));
    let outside = |name: &str| format!("{name}.weight");
    let mut names = vec![outside("model.embed_tokens")];
    names.extend(within);
    names.extend(["model.norm", "lm_head"].map(outside));
    names
}

fn snapshot(name: &str, app: &App, (width, height): (u16, u16)) {
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), text(&monitor(app, width, height)));
}

#[test]
fn models_of_every_shape_at_each_size() {
    for (width, height) in SIZES {
        let size = (width, height);
        snapshot("blocks_32", &run_of(&decoder(32, 7), 0, width, height), size);
        snapshot("blocks_80", &run_of(&decoder(80, 7), 0, width, height), size);
        snapshot("blocks_2", &run_of(&decoder(2, 4), 1538, width, height), size);
    }
    let many: Vec<String> = (0..48).map(|expert| format!("model.layers.0.experts.w{expert}.weight")).collect();
    snapshot("modules_48", &run_of(&many, 0, 80, 24), (80, 24));
    let outside: Vec<String> = ["pooler.weight", "classifier.weight"].map(str::to_owned).to_vec();
    snapshot("without_blocks", &run_of(&outside, 0, 80, 24), (80, 24));
    snapshot("head_only", &run_of(&[], 1538, 80, 24), (80, 24));
    let app = replayed(60, 16);
    let mut small = app;
    type_keys(&mut small, "2");
    snapshot("classifier", &small, (60, 16));
}

/// What structures cover of the first gradient of a model with so many targets.
fn structures(targets: usize) -> Event {
    let rows = [
        ("entries", 28_416, 71.4),
        ("per_row", 27_648, 70.2),
        ("columns", 27_648, 66.0),
        ("rows", 27_648, 39.9),
        ("rows_columns", 26_646, 55.3),
        ("blocks", 24_576, 31.7),
    ];
    let row = |(structure, selected, mass): (&str, u64, f64)| StructureMass {
        structure: structure.into(),
        selected,
        mass,
        targets: (0..targets).map(|target| mass - target as f64 / 10.0).collect(),
    };
    Event::Structures(Structures { covered: 48.8, structures: rows.map(row).to_vec(), seconds: 0.1 })
}

#[test]
fn the_mass_of_each_structure_and_a_selection_made_again() {
    let names = decoder(2, 4);
    for (width, height) in SIZES {
        let mut app = run_of(&names, 1538, width, height);
        replay(&mut app, structures(names.len()));
        snapshot("structures", &app, (width, height));
    }
    for (width, height) in [(80, 24), (120, 40)] {
        let mut app = replayed_with(look(Depth::None, true), width, height);
        let started = events().into_iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        });
        let (select, structure, budget) = ("gallop".into(), "columns".into(), "global".into());
        replay(&mut app, Event::Started(Started { select, structure, budget, ..started.unwrap() }));
        let targets: Vec<SelectedTarget> =
            names.iter().map(|name| SelectedTarget { name: name.clone(), shape: vec![64, 64], selected: 41 }).collect();
        let count = targets.len();
        replay(
            &mut app,
            Event::Selected(Selected { total: 41 * count as u64, of: 4096 * count as u64, dense: 0, targets }),
        );
        replay(&mut app, structures(count));
        let again = |step| {
            // The budget over all targets leaves nothing of the first one.
            let targets = (0..count as u64).map(|target| 6 * target).collect();
            Event::Reselected(Reselected { step, total: 330, kept: 231, changed: 550, seconds: 0.2, targets })
        };
        replay(&mut app, again(40));
        type_keys(&mut app, "2mm");
        let shown = text(&monitor(&app, width, height));
        assert!(shown.contains("again at 40 (70") || width == 80, "{shown}");
        assert!(shown.contains("0 of 4,096"), "{shown}");
        snapshot("structures_ascii", &app, (width, height));
    }
}

#[test]
fn few_colours_and_none_at_all() {
    for (name, depth, ascii) in [("ansi", Depth::Ansi, false), ("ascii", Depth::None, true)] {
        let mut app = replayed_with(look(depth, ascii), 120, 40);
        type_keys(&mut app, "2<<jl");
        snapshot(name, &app, (120, 40));
    }
}

#[test]
fn the_slider_shows_the_values_of_its_step_and_esc_the_latest() {
    for (width, height) in SIZES {
        let mut app = replayed(width, height);
        type_keys(&mut app, "2<<<<<<");
        snapshot("slider", &app, (width, height));
    }
    let mut app = replayed(120, 40);
    type_keys(&mut app, "2<<<<<<");
    let measured = |step: u64| {
        events().into_iter().find_map(|event| match event {
            Event::Mass(mass) if mass.step == step => Some(mass.targets[0].clone()),
            _ => None,
        })
    };
    let target = measured(110).unwrap();
    let shown = text(&screen(&app, 120, 40));
    for wanted in ["step 110".into(), format!("{:.4} %", target.mass), format!("{:.4} %", target.update.unwrap())] {
        assert!(shown.contains(&wanted), "no {wanted} on\n{shown}");
    }
    // The cursor stays in the target's charts, where it moves as in any chart.
    press(&mut app, KeyCode::Enter);
    assert!(text(&screen(&app, 120, 40)).contains("step 110,"));
    press(&mut app, KeyCode::Left);
    press(&mut app, KeyCode::Esc);
    assert!(text(&screen(&app, 120, 40)).contains("measured at    step 100"));
    press(&mut app, KeyCode::Esc);
    assert!(text(&screen(&app, 120, 40)).contains("measured at    step 170"));
    assert!(app.monitor().is_some(), "esc closed the replay");
}

#[test]
fn the_mouse_drags_the_slider() {
    let mut app = replayed(80, 24);
    type_keys(&mut app, "2");
    let (knob, y) = find(&screen(&app, 80, 24), "━● 170");
    let step = |app: &App| app.monitor().unwrap().view.cursor;
    click(&mut app, 16, y);
    assert_eq!(step(&app), Some(0.0));
    let drag = MouseEventKind::Drag(MouseButton::Left);
    mouse(&mut app, drag, (16 + knob) / 2, y);
    assert!(step(&app).is_some_and(|step| (60.0..110.0).contains(&step) && step % 10.0 == 0.0), "{:?}", step(&app));
    // Elsewhere nothing is dragged; at the end the map is live.
    let before = step(&app);
    mouse(&mut app, drag, 30, y - 6);
    assert_eq!(step(&app), before);
    mouse(&mut app, drag, 79, y);
    assert_eq!(step(&app), None);
}

#[test]
fn playback_runs_from_the_slider_to_the_end() {
    let mut app = replayed(80, 24);
    type_keys(&mut app, "2<<<<<<P");
    assert!(app.waiting() && app.playing());
    let mut seen = Vec::new();
    for tenth in 0..200 {
        app.update(Msg::Tick(Duration::from_secs(60) + Duration::from_millis(100 * tenth)));
        match app.monitor().unwrap().view.cursor {
            Some(step) => seen.push(step),
            None => break,
        }
        if tenth == 15 {
            snapshot("playing", &app, (80, 24));
        }
    }
    seen.dedup();
    assert_eq!(seen, [110.0, 120.0, 130.0, 140.0, 150.0, 160.0]);
    assert!(!app.playing(), "it plays past the end");
    // Live, it plays from the start; pressed again, it stops where it is.
    type_keys(&mut app, "P");
    app.update(Msg::Tick(Duration::from_secs(90)));
    assert_eq!(app.monitor().unwrap().view.cursor, Some(0.0));
    app.update(Msg::Tick(Duration::from_secs(95)));
    type_keys(&mut app, "P");
    let stopped = app.monitor().unwrap().view.cursor;
    app.update(Msg::Tick(Duration::from_secs(99)));
    assert_eq!((app.monitor().unwrap().view.cursor, app.playing()), (stopped, false));
    assert_eq!(stopped, Some(80.0));
}

#[test]
fn the_cursor_moves_over_rows_of_different_lengths() {
    let mut app = run_of(&decoder(3, 7), 0, 120, 40);
    let name = |app: &App, name: &str| {
        let shown = text(&screen(app, 120, 40));
        assert!(shown.contains(name), "no {name} on\n{shown}");
    };
    name(&app, "model.embed_tokens.weight");
    type_keys(&mut app, "jlllll");
    name(&app, "model.layers.0.mlp.up_proj.weight");
    press(&mut app, KeyCode::End);
    name(&app, "lm_head.weight");
    type_keys(&mut app, "k");
    name(&app, "model.layers.2.mlp.up_proj.weight");
}
