//! How long the steps and evaluations of similar, earlier runs took.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::events::EventRange;
use crate::preset::Preset;
use crate::protocol::Event;

/// Limit of runs that are checked, the newest first.
const LOOKED_AT: usize = 200;

/// Limit of similar runs that count.
const SIMILAR: usize = 9;

/// Bytes read at the start and at the end of a file of events.
const ENDS: u64 = 256 << 10;

/// The first steps after a start or a resume are slower, and do not count.
const WARM_UP: u64 = 5;

/// A run with fewer steps that count says nothing.
const FEWEST: u64 = 10;

/// A larger file is not a preset.
const LARGEST: u64 = 1 << 20;

/// The speed of earlier, similar runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Throughput {
    /// Names of the runs, the newest first.
    pub runs: Vec<String>,
    /// Median over the runs of their mean time per optimizer step, without evaluations and checkpoints.
    pub seconds_per_step: f64,
    /// Median over those runs that were evaluated on the same held-out set; `None` if there are none.
    pub seconds_per_evaluation: Option<f64>,
}

/// What a run's events say about its speed.
#[derive(Clone, Debug, PartialEq)]
struct Pace {
    run: String,
    device: String,
    seconds_per_step: f64,
    seconds_per_evaluation: Option<f64>,
}

/// The throughput of the newest runs on `device` (`cpu`, `cuda:0`) whose steps are the same work.
pub fn throughput(runs: &Path, preset: &Preset, device: &str, cache: &Path) -> Option<Throughput> {
    // As the presets of runs are.
    let preset = &preset.anchored(&std::env::current_dir().ok()?, cache).ok()?;
    let folders = std::fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path());
    let mut folders: Vec<(SystemTime, PathBuf)> = folders
        .filter_map(|folder| Some((folder.join("events.jsonl").metadata().ok()?.modified().ok()?, folder)))
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    let similar = folders.iter().take(LOOKED_AT).filter_map(|(_, folder)| {
        let mut text = String::new();
        File::open(folder.join("preset.toml")).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
        let other =
            Preset::parse_stored(&preset.name, "", &text, &[], cache).ok().filter(|other| other.same_steps(preset))?;
        let pace = pace(events(&folder.join("events.jsonl"))?).filter(|pace| pace.device == device)?;
        let evaluation = pace.seconds_per_evaluation.filter(|_| other.same_evaluations(preset));
        Some(Pace { seconds_per_evaluation: evaluation, ..pace })
    });
    let similar: Vec<Pace> = similar.take(SIMILAR).collect();
    Some(Throughput {
        seconds_per_step: median(similar.iter().map(|pace| pace.seconds_per_step))?,
        seconds_per_evaluation: median(similar.iter().filter_map(|pace| pace.seconds_per_evaluation)),
        runs: similar.into_iter().map(|pace| pace.run).collect(),
    })
}

/// The events at both ends of a file; all of those of a short one.
fn events(path: &Path) -> Option<impl Iterator<Item = Event>> {
    let length = path.metadata().ok()?.len();
    let head = EventRange::open(path, 0..length.min(ENDS)).ok()?;
    let tail = EventRange::open(path, length.saturating_sub(ENDS).max(ENDS).min(length)..length).ok()?;
    Some(head.chain(tail))
}

/// The mean time between consecutive steps that nothing lies between, and the median of what evaluations add to it.
fn pace(events: impl Iterator<Item = Event>) -> Option<Pace> {
    let mut started = None;
    let (mut steps, mut seconds) = (0u64, 0.0);
    let mut with_evaluation: Vec<f64> = Vec::new();
    let mut last: Option<(u64, f64)> = None;
    // Several ranks share the work of a step.
    let mut alone = true;
    // Steps since the start or the resume, and what happened since the last step.
    let (mut since, mut evaluated, mut disturbed) = (0u64, false, false);
    for event in events {
        match event {
            Event::Started(start) => {
                alone &= start.ranks <= 1;
                started.get_or_insert(start);
            }
            Event::Resumed(resumed) => {
                alone &= resumed.ranks <= 1;
                (last, since) = (None, 0);
            }
            Event::Eval(_) => evaluated = true,
            Event::Checkpointed { .. } | Event::Sample { .. } | Event::Phase { .. } => disturbed = true,
            Event::Step(step) => {
                since += 1;
                let took = last.filter(|(before, _)| before + 1 == step.step).map(|(_, before)| step.elapsed - before);
                match took.filter(|took| took.is_finite() && *took >= 0.0 && since > WARM_UP) {
                    Some(took) if evaluated => with_evaluation.push(took),
                    Some(took) if !disturbed => {
                        steps += 1;
                        seconds += took;
                    }
                    _ => {}
                }
                last = Some((step.step, step.elapsed));
                (evaluated, disturbed) = (false, false);
            }
            _ => {}
        }
    }
    // A GPU's steps are read several at once, so single ones may take no time.
    let started = started.filter(|_| alone && steps >= FEWEST && seconds > 0.0)?;
    let seconds_per_step = seconds / steps as f64;
    let evaluations = with_evaluation.iter().map(|took| (took - seconds_per_step).max(0.0));
    Some(Pace {
        run: started.run,
        device: started.device,
        seconds_per_step,
        seconds_per_evaluation: median(evaluations),
    })
}

/// The middle of the values, or the mean of the two middle ones.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (*values.get(values.len().checked_sub(1)? / 2)?, *values.get(values.len() / 2)?);
    Some(lower + (upper - lower) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Step;
    use crate::runs::{EventLog, RunFolder};

    const PRESET: &str = "[model]\nid = \"m\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\nbatch = 8\n";

    fn preset(more: &str) -> Preset {
        Preset::parse("mine", "", &format!("{PRESET}{more}"), &[], Path::new("/cache")).unwrap()
    }

    fn started(name: &str) -> Event {
        let started = serde_json::json!({
            "event": "started", "run": name, "preset": "mine", "model": "m", "data": "rte", "device": "cpu",
            "dtype": "f32", "examples": 1, "eval_examples": 1, "steps": 10, "epochs": 1.0, "batch": 8, "rate": 0.1,
            "select": "gradient", "parameters": 1, "best": "accuracy", "version": "0"
        });
        serde_json::from_value(started).unwrap()
    }

    fn step(step: u64, elapsed: f64) -> Event {
        Event::Step(Step {
            step,
            epoch: 0.1,
            loss: 1.0,
            learning_rate: 0.1,
            grad_norm: 1.0,
            tokens_per_second: 1.0,
            elapsed,
            eta: None,
        })
    }

    fn eval(step: u64) -> Event {
        let eval = serde_json::json!({"event": "eval", "step": step, "loss": 1.0, "scores": {}});
        serde_json::from_value(eval).unwrap()
    }

    fn run(runs: &Path, name: &str, preset: &Preset, seconds: f64, steps: u64) {
        let folder = RunFolder::create(runs, Some(name), "mine", &preset.toml).unwrap();
        let mut log = EventLog::open(&folder.events()).unwrap();
        log.append(&started(name));
        for number in 1..=steps {
            log.append(&step(number, seconds * number as f64));
        }
    }

    #[test]
    fn the_throughput_is_the_median_of_similar_runs_on_the_same_device() {
        let runs = tempfile::tempdir().unwrap();
        let (cache, ours) = (Path::new("/cache"), preset(""));
        let throughput = |preset: &Preset, device: &str| throughput(runs.path(), preset, device, cache);
        assert_eq!(throughput(&ours, "cpu"), None);
        run(runs.path(), "short", &ours, 7.0, 5);
        run(runs.path(), "other", &preset("accumulate = 2"), 9.0, 40);
        std::fs::create_dir(runs.path().join("empty")).unwrap();
        assert_eq!(throughput(&ours, "cpu"), None, "5 steps are too few");
        for (name, seconds) in [("a", 0.5), ("b", 0.7), ("c", 4.0)] {
            run(runs.path(), name, &ours, seconds, 40);
        }
        let found = throughput(&ours, "cpu").unwrap();
        assert!((found.seconds_per_step - 0.7).abs() < 1e-9 && found.runs.len() == 3, "{found:?}");
        // Another learning rate, more epochs: the same work in each step.
        assert_eq!(throughput(&preset("epochs = 9\nwarmup = 0.2"), "cpu"), Some(found));
        let other = throughput(&preset("accumulate = 2"), "cpu").unwrap();
        assert_eq!((other.runs, other.seconds_per_step.round()), (vec!["other".to_owned()], 9.0));
        assert_eq!(throughput(&preset("accumulate = 4"), "cpu"), None);
        assert_eq!(throughput(&ours, "cuda:0"), None);
    }

    #[test]
    fn a_run_of_several_ranks_says_nothing_of_one() {
        let ranks = |ranks: u64| match started("one") {
            Event::Started(started) => Event::Started(crate::protocol::Started { ranks, ..started }),
            event => event,
        };
        let events = |ranks: Event| std::iter::once(ranks).chain((1..=40).map(|number| step(number, number as f64)));
        assert!(pace(events(ranks(1))).is_some());
        assert_eq!(pace(events(ranks(4))), None);
        let resumed = serde_json::json!({
            "event": "resumed", "run": "one", "step": 40, "steps": 80, "checkpoint": "c", "elapsed": 40.0,
            "device": "cpu", "ranks": 4, "version": "0"
        });
        let resumed = serde_json::from_value(resumed).unwrap();
        assert_eq!(pace(events(ranks(1)).chain([resumed])), None);
    }

    #[test]
    fn warm_up_evaluations_and_checkpoints_do_not_count() {
        let mut events = vec![started("one")];
        let mut elapsed = 100.0;
        for number in 1..=30 {
            // The first steps compile and allocate; after every tenth there is an evaluation of 5 s.
            elapsed += if number <= WARM_UP { 20.0 } else { 0.5 };
            elapsed += if number % 10 == 1 && number > 1 { 5.0 } else { 0.0 };
            events.push(step(number, elapsed));
            if number % 10 == 0 {
                events.push(eval(number));
            }
        }
        let pace = pace(events.into_iter()).unwrap();
        assert!((pace.seconds_per_step - 0.5).abs() < 1e-9, "{pace:?}");
        assert!((pace.seconds_per_evaluation.unwrap() - 5.0).abs() < 1e-9, "{pace:?}");
    }

    proptest! {
        #[test]
        fn a_median_has_as_many_values_below_as_above(values in prop::collection::vec(0.0f64..1e6, 1..12)) {
            let middle = median(values.iter().copied()).unwrap();
            let below = values.iter().filter(|value| **value < middle).count();
            let above = values.iter().filter(|value| **value > middle).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2, "{} {:?}", middle, values);
            // One far outlier moves it by no more than to a neighbour.
            let highest = values.iter().copied().fold(0.0, f64::max);
            let with_outlier = median(values.iter().copied().chain([f64::MAX / 4.0, 0.0])).unwrap();
            prop_assert!(with_outlier <= highest);
        }

        #[test]
        fn any_order_of_events_gives_a_finite_pace(steps in prop::collection::vec((0u64..40, -1.0f64..1e3, any::<bool>()), 0..60)) {
            let events = steps.into_iter().flat_map(|(number, elapsed, evaluated)| {
                evaluated.then(|| eval(number)).into_iter().chain([step(number, elapsed)])
            });
            if let Some(pace) = pace([started("one")].into_iter().chain(events)) {
                prop_assert!(pace.seconds_per_step.is_finite() && pace.seconds_per_step > 0.0);
            }
        }
    }
}
