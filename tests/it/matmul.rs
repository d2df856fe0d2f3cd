//! Products in bf16 on a CPU and in TF32 on a GPU, `train.matmul` and `bench --matmul`, as a whole program: the precision is that of
//! a process.

use std::fs;
use std::process::{Command, Output};
use std::sync::LazyLock;

use finesift::protocol::{Event, Level};
use finesift::runs::read_events;
use serde_json::Value;

use crate::place;
use crate::resume::{numbers, state};
use crate::run::losses;
use crate::tiny::Tiny;

/// Whether this processor multiplies in bf16. Where it does not, the program has to say so.
pub(crate) fn multiplies_in_bf16() -> bool {
    static MULTIPLIES: LazyLock<bool> = LazyLock::new(|| {
        let output = bench("tiny-bert", "bf16", "forward");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => true,
            Some(2) if said.contains("--matmul bf16: this processor cannot multiply in bf16") => {
                eprintln!("skipped: {}", said.trim());
                false
            }
            _ => panic!("{said}"),
        }
    });
    *MULTIPLIES
}

fn finesift(arguments: &[&str]) -> Output {
    Command::new(place::program()).args(arguments).env("OMP_NUM_THREADS", "1").output().unwrap()
}

fn bench(model: &str, matmul: &str, methods: &str) -> Output {
    let config = place::fixture("models").join(model).join("config.json");
    let device = place::device_name();
    let inputs = ["bench", "--config", config.to_str().unwrap(), "--batch", "8", "--seq", "16", "--device", &device];
    let steps = ["--steps", "2", "--learning-rate", "1e-3", "--json", "--matmul", matmul, "--methods", methods];
    finesift(&[&inputs[..], &steps].concat())
}

/// The losses of each method, and what multiplied.
fn bench_losses(model: &str, matmul: &str, methods: &str) -> Vec<(String, Vec<f64>)> {
    let output = bench(model, matmul, methods);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reports = String::from_utf8(output.stdout).unwrap();
    let reports = reports.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of = |report: Value| {
        assert!(report["matmul"].as_str().unwrap().starts_with(matmul), "{report}");
        let losses = report["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect();
        (report["method"].as_str().unwrap().to_owned(), losses)
    };
    reports.map(of).collect()
}

#[test]
fn losses_of_every_method_are_those_of_fp32_within_the_rounding_of_the_precision() {
    let reduced = if place::device().is_cuda() { "tf32" } else { "bf16" };
    if reduced == "bf16" && !multiplies_in_bf16() {
        return;
    }
    let methods = "forward,full,lora,sift-dense,sift-sampled,sift-columns,sift-rows,sift-blocks";
    for model in ["tiny-bert", "tiny-llama"] {
        let [fp32, rounded, again] = ["f32", reduced, reduced].map(|matmul| bench_losses(model, matmul, methods));
        assert_eq!(rounded, again, "a run repeats to the bit");
        assert_eq!(rounded.len(), 8);
        for ((method, fp32), (_, rounded)) in fp32.iter().zip(&rounded) {
            // A bf16 has 8 bits of precision, TF32 has 11, and the roundings of many terms cancel.
            let off = |(fp32, rounded): (&f64, &f64)| (rounded / fp32 - 1.0).abs();
            let largest = fp32.iter().zip(rounded).map(off).fold(0.0, f64::max);
            assert!(largest > 1e-7 && largest < 2e-3, "{model}, {method}: {fp32:?} and {rounded:?}");
        }
        let of = |name: &str| &rounded.iter().find(|(method, _)| method == name).unwrap().1;
        // Sampled gradients multiply in fp32 what dense ones round.
        for (dense, sampled) in of("sift-dense").iter().zip(of("sift-sampled")) {
            assert!((dense / sampled - 1.0).abs() < 1e-3, "{model}: {dense} and {sampled}");
        }
    }
}

/// Runs a command on a run of the folder, and returns the run's events.
fn run(tiny: &Tiny, name: &str, arguments: &[&str]) -> Vec<Event> {
    let runs = tiny.path("runs");
    let device = place::device_name();
    let output = finesift(&[arguments, &["--runs", runs.to_str().unwrap(), "--device", &device, "--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    read_events(&runs.join(name).join("events.jsonl")).unwrap()
}

fn train(tiny: &Tiny, name: &str, matmul: &str) -> Vec<Event> {
    let preset = tiny.path("tiny.toml");
    fs::write(&preset, tiny.preset("epochs = 2\naccumulate = 2")).unwrap();
    let set = format!("train.matmul={matmul}");
    run(tiny, name, &["train", preset.to_str().unwrap(), "--run", name, "--set", &set])
}

/// The log's lines about products.
fn said(events: &[Event]) -> Vec<(Level, String)> {
    let about = |event: &Event| match event {
        Event::Log { level, message } if message.contains("matmul") => Some((*level, message.clone())),
        _ => None,
    };
    events.iter().filter_map(about).collect()
}

#[test]
fn a_run_in_bf16_says_what_it_is_worth_and_repeats_to_the_bit() {
    if place::skipped_on_gpu("products in bf16 are the CPU's") || !multiplies_in_bf16() {
        return;
    }
    let tiny = Tiny::new(0.1);
    let [fp32, bf16, again] =
        [("fp32", "f32"), ("bf16", "bf16"), ("again", "bf16")].map(|(name, matmul)| train(&tiny, name, matmul));
    assert_eq!(said(&fp32), []);
    let [(level, line)] = &said(&bf16)[..] else { panic!("{:?}", said(&bf16)) };
    assert!(line.starts_with("matmul: bf16 (") && line.contains(" products take "), "{line}");
    let slower = line.ends_with("; train.matmul = \"f32\" is faster");
    assert_eq!(*level, if slower { Level::Warning } else { Level::Info }, "{line}");
    let off = losses(&fp32).into_iter().zip(losses(&bf16)).map(|(fp32, bf16)| (bf16.1 / fp32.1 - 1.0).abs());
    let largest = off.fold(0.0, f64::max);
    assert!(largest > 1e-7 && largest < 0.01, "{largest}");
    assert_eq!(numbers(&again), numbers(&bf16));
    assert!(["bf16", "again"].map(|name| state(&tiny.path("runs").join(name))).windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn a_run_of_an_earlier_release_resumes_in_the_precision_that_it_had() {
    let tiny = Tiny::new(0.0);
    let events = train(&tiny, "run", "tf32");
    // A GPU has the precision, and needs no warning.
    let warnings = usize::from(!place::device().is_cuda());
    assert_eq!(said(&events).len(), warnings, "{events:?}");
    assert!(said(&events).iter().all(|(_, line)| line.contains("products are in f32 on this CPU")), "{events:?}");
    let preset = tiny.path("runs/run/preset.toml");
    let text = fs::read_to_string(&preset).unwrap();
    assert!(text.contains("matmul = \"tf32\""), "{text}");
    fs::write(&preset, text.replace("matmul = \"tf32\"", "tf32 = true")).unwrap();
    // The preset differs from the checkpoint's in nothing but what is set, so that nothing has to be forced.
    let resumed = run(&tiny, "run", &["resume", "run", "--set", "train.epochs=3"]);
    assert_eq!(said(&resumed).len(), 2 * warnings);
    assert!(losses(&resumed).len() > losses(&events).len());
    assert!(fs::read_to_string(&preset).unwrap().contains("matmul = \"tf32\""));
}
