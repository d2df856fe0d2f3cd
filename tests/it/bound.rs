//! The bounds of whole runs: what is measured equals what other parts of the program measure, and mistakes are explained.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use finesift::Usage;
use finesift::analysis::Report;
use finesift::analysis::bound::{BoundOptions, analyze};
use finesift::delta::Changes;
use finesift::hub::Hub;
use finesift::inputs::{Access, Downloads};
use finesift::model::{Head, LoadOptions, Network};
use finesift::protocol::Event;
use finesift::runs::checkpoint::{StoredCheckpoint, best};
use tch::{Device, Kind};

use crate::run::{complete, finish, spawn_in, turn};
use crate::tiny::{self, Tiny};

fn bound(run: &Path, check: &dyn Fn() -> Result<()>) -> Result<Report> {
    let hub = Hub::from_env();
    let access = Access { hub: &hub, cache: Path::new("/nowhere"), downloads: Downloads::Never };
    let options = BoundOptions { delta: 0.05, from: None, draws: 96, device: Device::Cpu };
    analyze(run, options, &access, &|_| {}, check)
}

fn cell<'a>(report: &'a Report, table: &str, row: &str, column: usize) -> &'a str {
    let table = report.tables.iter().find(|found| found.name == table).unwrap();
    let found = table.rows.iter().find(|cells| cells[0].starts_with(row));
    &found.unwrap_or_else(|| panic!("no row {row}: {table:?}"))[column]
}

fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn a_run_is_measured_as_elsewhere_and_its_report_repeats() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("epochs = 6\nlearning_rate = 5e-3").replace("learning_rate = 1e-3\n", "");
    let events = complete(&tiny, &preset, "run");
    let run = tiny.path("runs/run");
    let report = bound(&run, &|| Ok(())).unwrap();
    assert_eq!(report, bound(&run, &|| Ok(())).unwrap());

    // The held-out error is that of the best evaluation.
    let mut accuracy = events.iter().filter_map(|event| match event {
        Event::Eval(eval) if eval.best => eval.scores.get("accuracy").copied(),
        _ => None,
    });
    let accuracy = accuracy.next_back().unwrap();
    assert_eq!(cell(&report, "errors", "trained weights", 2), format!("{:.3}", 1.0 - accuracy));
    assert_eq!(cell(&report, "errors", "most frequent", 1), "0.500");

    // Distances are those of the exported changes from the base model.
    let stored = StoredCheckpoint::open(&best(&run).unwrap()).unwrap();
    let changes = Changes::of(&stored, &tiny.path("model")).unwrap();
    let seed = stored.manifest.seed;
    let options =
        LoadOptions { head: Head::as_stored(2), dtype: Kind::Float, device: Device::Cpu, offload: None, seed };
    let (network, _) = Network::open(&tiny.path("model"), &options, &|_| {}).unwrap();
    let rms = |squares: f64, count: i64| (squares / count as f64).sqrt();
    let (mut sparse, mut count) = (0.0, 0);
    for change in &changes.sparse {
        let base = network.parameters.get(&change.name).view(-1).index_select(0, &change.indices);
        sparse += (&change.values - base).square().sum(Kind::Double).double_value(&[]);
        count += change.values.numel() as i64;
    }
    let dense: f64 = changes
        .dense
        .iter()
        .map(|change| {
            (&change.values - network.parameters.get(&change.name)).square().sum(Kind::Double).double_value(&[])
        })
        .sum();
    let dense_count: i64 = changes.dense.iter().map(|change| change.values.numel() as i64).sum();
    for (row, squares, count) in [("selected", sparse, count), ("dense", dense, dense_count)] {
        assert_eq!(number(cell(&report, "gaussians", row, 1)), count as f64);
        let shown = number(cell(&report, "gaussians", row, 2));
        assert!((shown / rms(squares, count) - 1.0).abs() < 6e-3, "{row} {shown} {}", rms(squares, count));
    }
    // A new head is random already; pre-trained components are far from random ones.
    assert_eq!(cell(&report, "gaussians", "dense", 2), cell(&report, "gaussians", "dense", 5));
    assert!(number(cell(&report, "gaussians", "selected", 5)) > number(cell(&report, "gaussians", "selected", 2)));

    // One batch of 8 of the 72 texts selected.
    let examples = |row: usize| number(&report.tables[1].rows[row][2]);
    assert_eq!((examples(0), examples(1), examples(2)), (64.0, 72.0, 64.0));
    let complexity = |row: usize| number(&report.tables[1].rows[row][3]);
    let union = number(cell(&report, "complexity", "ln(number", 1));
    assert!((complexity(1) - complexity(0) - union).abs() <= 2.0, "{} {} {union}", complexity(1), complexity(0));
    let terms = number(&report.tables[2].rows[0][1])
        + number(&report.tables[2].rows[1][1])
        + number(&report.tables[2].rows[2][1]);
    assert!((complexity(0) - terms).abs() <= 2.0, "{} {terms}", complexity(0));
}

#[test]
fn a_selection_without_gradients_leaves_no_example_out() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    for (select, rows, examples) in [("random", 2, "72"), ("fisher", 3, "48")] {
        let preset =
            tiny.preset("epochs = 1").replace("[keep]", &format!("select = \"{select}\"\nbatches = 3\n[keep]"));
        complete(&tiny, &preset, select);
        let report = bound(&tiny.path("runs").join(select), &|| Ok(())).unwrap();
        assert_eq!(report.tables[1].rows.len(), rows, "{select}: {:?}", report.tables[1]);
        assert_eq!(report.tables[1].rows[0][2], examples);
    }
}

#[test]
fn structured_selections_are_fewer() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let mut sizes = Vec::new();
    for structure in ["entries", "per_row", "columns"] {
        let preset = tiny
            .preset("epochs = 1")
            .replace("[keep]", &format!("biases = false\nstructure = \"{structure}\"\n[keep]"));
        complete(&tiny, &preset, structure);
        let report = bound(&tiny.path("runs").join(structure), &|| Ok(())).unwrap();
        sizes.push(number(cell(&report, "complexity", "ln(number", 1)));
    }
    assert!(sizes[0] > sizes[1] && sizes[1] > 5.0 * sizes[2] && sizes[2] > 1.0, "{sizes:?}");
}

#[test]
fn an_analysis_ends_at_the_next_batch_when_it_is_cancelled() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    complete(&tiny, &tiny.preset("epochs = 1"), "run");
    for at in [1, 5, 40] {
        let calls = Cell::new(0);
        let check = || {
            calls.set(calls.get() + 1);
            if calls.get() == at { bail!("cancelled") } else { Ok(()) }
        };
        assert_eq!(bound(&tiny.path("runs/run"), &check).unwrap_err().to_string(), "cancelled");
        assert_eq!(calls.get(), at);
    }
}

#[test]
fn mistakes_say_what_to_do() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let refused = |run: &str, expected: &str| {
        let error = bound(&tiny.path("runs").join(run), &|| Ok(())).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains(expected), "{error:#}");
    };
    complete(&tiny, &tiny.preset("epochs = 1"), "run");

    let texts = fs::read_to_string(tiny.path("texts.csv")).unwrap();
    fs::write(tiny.path("texts.csv"), texts.replace("w1 ", "w2 ")).unwrap();
    refused("run", "the training examples are not those of the run");
    fs::write(tiny.path("texts.csv"), texts).unwrap();

    let weights = tiny.path("model/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&weights, changed).unwrap();
    refused("run", "are not those this run was started from");
    fs::write(&weights, bytes).unwrap();

    fs::rename(tiny.path("model"), tiny.path("gone")).unwrap();
    refused("run", "model");
    fs::rename(tiny.path("gone"), tiny.path("model")).unwrap();

    fs::remove_dir_all(tiny.path("runs/run/checkpoints")).unwrap();
    refused("run", "no checkpoint was saved yet");

    let regression =
        tiny.preset("epochs = 1").replace("labels = [\"no\", \"yes\"]", "label = \"score\"\nregression = true");
    let numbers = "text,score\n".to_owned() + &(0..96).map(|i| format!("w{i} good,{}.5\n", i % 5)).collect::<String>();
    fs::write(tiny.path("texts.csv"), numbers).unwrap();
    complete(&tiny, &regression, "regression");
    refused("regression", "the run of a regression");
}

#[test]
fn a_language_model_has_no_bounded_loss() {
    let _turn = turn();
    let folder = tiny::chat();
    let (model, rows) = (folder.path().join("model"), folder.path().join("rows.jsonl"));
    let preset = format!(
        "[model]\nid = {model:?}\n[data]\nformat = \"prompt_completion\"\npath = {rows:?}\neval_fraction = 0.25\nmax_length = 32\n\
         [sift]\nrate = 0.05\nmodules = [\"q_proj\"]\n[train]\nepochs = 1\nbatch = 8\nlearning_rate = 1e-3\n"
    );
    let session = spawn_in(std::sync::Arc::new(finesift::runs::RealDisk), folder.path(), &preset, "chat").unwrap();
    finish(session).unwrap();
    let error = bound(&folder.path().join("runs/chat"), &|| Ok(())).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().contains("a language model"), "{error:#}");
}
