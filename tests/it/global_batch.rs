//! `train.global_batch` and `train.batch = "auto"`: how a step is split into micro-batches is a matter of memory alone.

use std::fs;
use std::process::Command;

use finesift::Usage;
use finesift::protocol::{Event, Started};
use finesift::runs::checkpoint::{StoredCheckpoint, list};
use finesift::runs::read_events;
use finesift::train::CheckpointSelector::Newest;
use serde_json::Value;

use crate::resume::{NEWEST, numbers, state};
use crate::run::{complete, finish, losses, resume, resume_with, spawn, stopped_at, turn};
use crate::tiny::Tiny;

/// 72 training examples, 16 a step: the last step of an epoch has 8.
fn preset(tiny: &Tiny, batch: &str, more: &str) -> String {
    tiny.preset(more).replace("batch = 8\n", &format!("batch = {batch}\nglobal_batch = 16\n"))
}

fn log(events: &[Event]) -> Vec<&str> {
    let lines =
        events.iter().filter_map(|event| if let Event::Log { message, .. } = event { Some(message) } else { None });
    lines.map(String::as_str).collect()
}

#[test]
fn an_auto_batch_trains_as_the_same_preset_that_says_it_and_resumes_exactly() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let more = "epochs = 2\nweight_decay = 0.1";
    let auto = complete(&tiny, &preset(&tiny, "\"auto\"", more), "auto");
    // The whole step is a few megabytes.
    let lines = log(&auto);
    let line = lines.iter().find(|line| line.starts_with("train.batch = \"auto\": 16 x 1, an estimated ")).unwrap();
    assert!(line.ends_with(" free"), "{line}");
    let said = complete(&tiny, &preset(&tiny, "16", more), "said");
    assert_eq!(numbers(&auto), numbers(&said));
    // The run's preset and its checkpoints have the number.
    let kept = |run: &str| fs::read_to_string(tiny.path("runs").join(run).join("preset.toml")).unwrap();
    assert_eq!(kept("auto"), kept("said"));
    assert!(kept("auto").contains("batch = 16\nglobal_batch = 16\n") && !tiny.path("runs/auto/abandoned").exists());
    let newest = list(&tiny.path("runs/auto/checkpoints")).unwrap().remove(0).path;
    assert_eq!(StoredCheckpoint::open(&newest).unwrap().manifest.preset, kept("auto"));
    let started = |events: &[Event]| -> Started {
        events
            .iter()
            .find_map(|event| if let Event::Started(started) = event { Some(started.clone()) } else { None })
            .unwrap()
    };
    assert_eq!((started(&auto).batch, started(&auto).steps), (16, 10));

    stopped_at(spawn(&tiny, &preset(&tiny, "\"auto\"", more), "parts").unwrap(), 3, true);
    finish(resume(&tiny, "parts", NEWEST).unwrap()).unwrap();
    let parts = read_events(&tiny.path("runs/parts/events.jsonl")).unwrap();
    assert_eq!(numbers(&parts), numbers(&auto));
    assert!(state(&tiny.path("runs/parts")) == state(&tiny.path("runs/auto")), "the last checkpoints differ");
}

#[test]
fn the_split_of_a_step_changes_rounding_alone() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    for more in ["epochs = 2", "epochs = 2\n[lora]\nr = 2"] {
        let method = if more.contains("lora") { "method = \"lora\"\n" } else { "" };
        let run = |batch: &str| {
            let name = format!("{}{batch}", if method.is_empty() { "sift" } else { "lora" });
            losses(&complete(&tiny, &format!("{method}{}", preset(&tiny, batch, more)), &name))
        };
        let whole = run("16");
        for split in ["8", "2"] {
            let split = run(split);
            assert_eq!(split.len(), whole.len());
            for ((step, loss), (_, expected)) in split.iter().zip(&whole) {
                assert!((loss - expected).abs() < 1e-5, "{more}: step {step}: {loss}, not {expected}");
            }
        }
    }
}

#[test]
fn a_run_continues_with_another_split_of_its_steps() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let text = |batch: &str| preset(&tiny, batch, "epochs = 2\nschedule = \"constant\"\nwarmup = 0");
    let whole = complete(&tiny, &text("16"), "whole");
    stopped_at(spawn(&tiny, &text("16"), "parts").unwrap(), 3, true);
    let error = finish(resume_with(&tiny, "parts", Newest, &["train.global_batch=32"]).unwrap()).unwrap_err();
    assert!(error.is::<Usage>() && error.to_string().contains("train.global_batch was 16 and is 32"), "{error}");
    let resumed = resume_with(&tiny, "parts", Newest, &["train.batch=4", "train.max_steps=6"]);
    let resumed = finish(resumed.unwrap()).unwrap();
    assert!(log(&resumed).contains(&"train.batch was 16 and is 4"), "{:?}", log(&resumed));
    // On another machine, the batch that fits there.
    let resumed =
        finish(resume_with(&tiny, "parts", Newest, &["train.batch=auto", "train.max_steps=0"]).unwrap()).unwrap();
    let lines = log(&resumed);
    assert!(lines.contains(&"train.batch was 4 and is 16"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("train.batch = \"auto\": 16 x 1")), "{lines:?}");
    let (parts, whole) = (losses(&read_events(&tiny.path("runs/parts/events.jsonl")).unwrap()), losses(&whole));
    assert_eq!(parts.len(), whole.len());
    for ((step, loss), (_, expected)) in parts.iter().zip(&whole) {
        assert!((loss - expected).abs() < 1e-4, "step {step}: {loss}, not {expected}");
    }

    // Without the examples of a step, another batch is another run.
    stopped_at(spawn(&tiny, &tiny.preset("epochs = 2"), "plain").unwrap(), 3, true);
    let error = finish(resume_with(&tiny, "plain", Newest, &["train.batch=4"]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("cannot resume with another experiment"), "{error}");
}

#[test]
fn plan_says_which_batch_is_chosen_or_why_none() {
    let tiny = Tiny::new(0.0);
    let place = tiny.path("tiny.toml").display().to_string();
    let text = tiny.preset("epochs = 1").replace("batch = 8\n", "batch = \"auto\"\nglobal_batch = 4096\n");
    fs::write(&place, text).unwrap();
    let plan = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_finesift"))
            .args(["plan", &place, "--device", "cpu"])
            .args(arguments)
            .env_remove("FINESIFT_RUNS")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let json = |memory: &str| -> Value { serde_json::from_str(&plan(&["--device-memory", memory, "--json"])).unwrap() };
    let mut last = 0;
    for memory in ["250M", "300M", "400M", "64G"] {
        let estimate = json(memory);
        let (batch, accumulate) = (&estimate["auto_batch"]["batch"], &estimate["auto_batch"]["accumulate"]);
        let (batch, accumulate) = (batch.as_u64().unwrap(), accumulate.as_u64().unwrap());
        assert!(batch >= last && batch * accumulate == 4096, "{estimate}");
        // Everything else is about a run with that batch.
        assert_eq!(estimate["plans"][0]["bytes"], estimate["auto_batch"]["bytes"]);
        let free = estimate["device"]["free"].as_u64().unwrap();
        assert!(estimate["auto_batch"]["bytes"].as_u64().unwrap() <= free - free / 10, "{estimate}");
        let larger = &estimate["auto_batch"]["larger"];
        assert!(
            larger.is_null() == (batch == 4096)
                && larger["bytes"].as_u64().is_none_or(|bytes| bytes > free - free / 10)
        );
        last = batch;
        let lines = plan(&["--device-memory", memory]);
        assert!(lines.contains(&format!("train.batch = \"auto\": {batch} x {accumulate}, an estimated ")), "{lines}");
        assert!(lines.contains(&format!("micro-batches of {batch} x ")), "{lines}");
    }
    assert_eq!(last, 4096);
    assert!(json("1M")["auto_batch"]["batch"].is_null());
    let lines = plan(&["--device-memory", "1M"]);
    assert!(lines.contains("train.batch: is \"auto\", but not one example fits: it takes an estimated "), "{lines}");
}
