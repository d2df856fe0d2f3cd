//! The throughput of an earlier run with the same work per step.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::events::EventRange;
use crate::preset::Preset;
use crate::protocol::{Event, Started, Step};

/// Limit of runs that are checked, the newest first.
const LOOKED_AT: usize = 200;

/// Bytes read at the start of a file, for the first event, and at the end, for the last step.
const ENDS: u64 = 256 << 10;

/// The first steps of a run are slower, so runs with fewer steps are skipped.
const FEWEST: u64 = 5;

/// A larger file is not a preset.
const LARGEST: u64 = 1 << 20;

/// The speed of an earlier, similar run.
#[derive(Clone, Debug, PartialEq)]
pub struct Throughput {
    pub run: String,
    /// Training time per optimizer step, evaluations included.
    pub seconds_per_step: f64,
}

/// The throughput of the newest run on `device` (`cpu`, `cuda:0`) with the same model and data, as much trained of it and batches of
/// the same size.
pub fn throughput(runs: &Path, preset: &Preset, device: &str, cache: &Path) -> Option<Throughput> {
    // As the presets of runs are.
    let preset = &preset.anchored(&std::env::current_dir().ok()?, cache).ok()?;
    let folders = std::fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path());
    let mut folders: Vec<(SystemTime, PathBuf)> = folders
        .filter_map(|folder| Some((folder.join("events.jsonl").metadata().ok()?.modified().ok()?, folder)))
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    folders.iter().take(LOOKED_AT).find_map(|(_, folder)| {
        let mut text = String::new();
        File::open(folder.join("preset.toml")).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
        let other = Preset::parse(&preset.name, "", &text, &[], cache).ok()?;
        let (started, step) = ends(&folder.join("events.jsonl"))?;
        let alike = alike(&other, preset) && started.device == device && step.step >= FEWEST;
        alike.then(|| Throughput { run: started.run, seconds_per_step: step.elapsed / step.step as f64 })
    })
}

/// Whether a step of both presets is the same work.
fn alike(a: &Preset, b: &Preset) -> bool {
    let work = |preset: &Preset| {
        let train = &preset.train;
        (train.batch, train.accumulate, train.tf32, train.gradient_checkpointing, train.eval_every)
    };
    a.model == b.model && a.data == b.data && a.sift == b.sift && work(a) == work(b)
}

/// The start of a run and its last step.
fn ends(events: &Path) -> Option<(Started, Step)> {
    let length = events.metadata().ok()?.len();
    let started = EventRange::open(events, 0..length.min(ENDS)).ok()?.find_map(|event| match event {
        Event::Started(started) => Some(started),
        _ => None,
    })?;
    let last = EventRange::open(events, length.saturating_sub(ENDS)..length).ok()?;
    let step = last.filter_map(|event| match event {
        Event::Step(step) => Some(step),
        _ => None,
    });
    Some((started, step.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{EventLog, RunFolder};

    const PRESET: &str = "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\nbatch = 8\n";

    fn preset(more: &str) -> Preset {
        Preset::parse("mine", "", &format!("{PRESET}{more}"), &[], Path::new("/cache")).unwrap()
    }

    fn run(runs: &Path, name: &str, preset: &Preset, seconds: f64) {
        let folder = RunFolder::create(runs, Some(name), "mine", &preset.toml).unwrap();
        let mut log = EventLog::open(&folder.events()).unwrap();
        let started = serde_json::json!({
            "event": "started", "run": name, "preset": "mine", "model": "m", "data": "rte", "device": "cpu",
            "dtype": "f32", "examples": 1, "eval_examples": 1, "steps": 10, "epochs": 1.0, "batch": 8, "rate": 0.1,
            "select": "gradient", "parameters": 1, "best": "accuracy", "version": "0"
        });
        log.append(&serde_json::from_value(started).unwrap());
        for step in 1..=10 {
            log.append(&Event::Step(Step {
                step,
                epoch: 0.1,
                loss: 1.0,
                learning_rate: 0.1,
                grad_norm: 1.0,
                tokens_per_second: 1.0,
                elapsed: seconds * step as f64,
                eta: None,
            }));
        }
    }

    #[test]
    fn the_throughput_comes_from_a_similar_run_on_the_same_device() {
        let runs = tempfile::tempdir().unwrap();
        let (cache, ours) = (Path::new("/cache"), preset(""));
        let throughput = |preset: &Preset, device: &str| throughput(runs.path(), preset, device, cache);
        assert_eq!(throughput(&ours, "cpu"), None);
        run(runs.path(), "a", &ours, 0.5);
        run(runs.path(), "b", &preset("accumulate = 2"), 9.0);
        std::fs::create_dir(runs.path().join("empty")).unwrap();
        assert_eq!(throughput(&ours, "cpu"), Some(Throughput { run: "a".into(), seconds_per_step: 0.5 }));
        // More epochs are more of the same.
        assert_eq!(throughput(&preset("epochs = 9"), "cpu").unwrap().run, "a");
        assert_eq!(throughput(&preset("accumulate = 2"), "cpu").unwrap().seconds_per_step, 9.0);
        assert_eq!(throughput(&preset("accumulate = 4"), "cpu"), None);
        assert_eq!(throughput(&ours, "cuda:0"), None);
    }
}
