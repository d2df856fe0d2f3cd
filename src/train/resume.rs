//! Resuming a run: finds the checkpoint, checks that it belongs to this preset, model and data, and rewinds the run's
//! folder to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::job::{Job, ResumeOptions};
use super::prepare::PreparedRun;
use crate::Usage;
use crate::delta::{DamagedCheckpoint, SavedState};
use crate::device::{self, Chosen};
use crate::preset::{Difference, Impact, differences};
use crate::protocol::{Event, Resumed};
use crate::runs::EventLog;
use crate::runs::checkpoint::{
    BaseIdentity, CheckpointEntry, CheckpointSelector, DataIdentity, Manifest, StoredCheckpoint, best, list, recover,
    set_aside, steps,
};
use crate::session::Port;

/// The checkpoint a run resumes from.
pub struct ResumePoint {
    pub manifest: Manifest,
    pub saved: SavedState,
    /// The checkpoint's folder.
    pub path: PathBuf,
}

/// Finds the checkpoint to resume from, and checks that it belongs to this run. `None` if the run has no checkpoint yet.
///
/// # Errors
/// [`Usage`], with the differences, or the checkpoints that exist.
pub fn find(options: ResumeOptions, job: &Job, prepared: &PreparedRun, port: &Port) -> Result<Option<ResumePoint>> {
    let checkpoints = job.folder.checkpoints();
    recover(&*job.disk, &checkpoints)?;
    let listed = list(&checkpoints)?;
    let requested = match options.from {
        CheckpointSelector::Newest => None,
        CheckpointSelector::Best => match best(job.folder.path()) {
            Some(path) => Some(path),
            None => {
                bail!(Usage(format!(
                    "{}: no evaluation yet, so there is no best checkpoint",
                    job.folder.path().display()
                )))
            }
        },
        CheckpointSelector::Step(step) => match listed.iter().find(|checkpoint| checkpoint.step == step) {
            Some(checkpoint) => Some(checkpoint.path.clone()),
            None if listed.is_empty() => bail!(Usage(format!("--from {step}: the run has no checkpoint yet"))),
            None => {
                bail!(Usage(format!(
                    "--from {step}: no such checkpoint; the run has checkpoints of steps {}",
                    steps(&listed)
                )))
            }
        },
    };
    let read = |path: &Path| -> Result<ResumePoint, DamagedCheckpoint> {
        let stored = StoredCheckpoint::open(path).map_err(|error| DamagedCheckpoint(error.to_string()))?;
        let saved = SavedState::read(&stored, prepared.network.parameters.specs())?;
        Ok(ResumePoint { manifest: stored.manifest, saved, path: path.to_owned() })
    };
    let mut damage = Vec::new();
    for CheckpointEntry { path, .. } in
        listed.iter().filter(|listed| requested.as_ref().is_none_or(|path| *path == listed.path))
    {
        // The manifest is enough to see that a checkpoint belongs to another run.
        if let Ok(stored) = StoredCheckpoint::open(path) {
            check(&stored.manifest, options.force, job, prepared, port)?;
        }
        match read(path) {
            Ok(point) => return Ok(Some(point)),
            Err(error) => {
                if requested.is_none() {
                    port.emit(Event::warning(format!("skipped a damaged checkpoint: {error}")));
                }
                damage.push(error.to_string());
            }
        }
    }
    if damage.is_empty() {
        return Ok(None);
    }
    // Without a requested one, all of them were read above.
    let intact = requested
        .and_then(|requested| listed.iter().find(|listed| listed.path != requested && read(&listed.path).is_ok()));
    let instead = match intact {
        Some(intact) => format!("the newest intact one is of step {0}: use --from {0}", intact.step),
        None => "no intact one is left; start a new run with its preset.toml".into(),
    };
    bail!(Usage(format!("damaged checkpoint: {}; {instead}", damage.join("; "))))
}

/// Rewinds the run's folder to the checkpoint: later checkpoints and events move to `abandoned/`, and new events follow
/// those of the checkpoint.
///
/// # Errors
/// A disk that cannot be written.
pub fn rewind(
    point: Option<&ResumePoint>,
    job: &Job,
    prepared: &PreparedRun,
    chosen: &Chosen,
    port: &Port,
) -> Result<()> {
    let (step, events) = point.map_or((None, 0), |point| (Some(point.manifest.step), point.manifest.events));
    // The checkpoints come first: if this is interrupted, the next resume finds the same checkpoint and completes the rest.
    let later = set_aside(&*job.disk, job.folder.path(), step)?;
    let path = job.folder.events();
    let log = EventLog::cut(&path, events, &job.folder.path().join("abandoned/events.jsonl"))
        .with_context(|| format!("{}: cannot move the events after the checkpoint", path.display()))?;
    let lost = log.opened_at() < events;
    port.write_to(log);
    match point {
        Some(ResumePoint { manifest, path, .. }) => port.emit(Event::Resumed(Resumed {
            run: job.folder.name().into(),
            step: manifest.step,
            steps: prepared.loader.steps(),
            checkpoint: path.clone(),
            elapsed: manifest.clock.elapsed,
            device: device::name(chosen.device),
            device_note: chosen.note.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        })),
        None => port.emit(Event::info("no checkpoint yet: starting from step 0")),
    }
    let arithmetic = device::arithmetic(chosen.device);
    if let Some(point) = point
        && ![arithmetic.as_str(), ""].contains(&point.manifest.device.as_str())
    {
        port.emit(Event::info(format!(
            "computed on {} before, on {arithmetic} now: results may differ from an uninterrupted run in the last digits",
            point.manifest.device
        )));
    }
    if lost {
        port.emit(Event::warning(format!("{}: events before the checkpoint are missing", path.display())));
    }
    if later > 0 {
        let place = job.folder.path().join("abandoned");
        let checkpoints = if later == 1 { "checkpoint" } else { "checkpoints" };
        port.emit(Event::info(format!("moved {later} later {checkpoints} to {}", place.display())));
    }
    Ok(())
}

/// Checks that a checkpoint belongs to this preset, model and data.
fn check(manifest: &Manifest, force: bool, job: &Job, prepared: &PreparedRun, port: &Port) -> Result<()> {
    let changed = differences(&manifest.preset, &job.preset.toml)?;
    let of = |impact: Impact| changed.iter().filter(move |difference| difference.impact == impact);
    let mut fatal: Vec<String> = of(Impact::DifferentRun).map(Difference::to_string).collect();
    let mut forced: Vec<String> = of(Impact::FutureSteps).map(Difference::to_string).collect();
    let BaseIdentity { model, config, weights, .. } = &prepared.base;
    if manifest.base.weights != *weights {
        let started_from = match &manifest.base.commit {
            Some(_) => format!("; set model.id = \"{}\" in its preset.toml", manifest.base.location()),
            None => String::new(),
        };
        fatal.push(format!("the weights of {model} are not those this run was started from{started_from}"));
    }
    if manifest.base.config != *config {
        forced.push(format!("config.json of {model} has changed"));
    }
    forced.extend(data_differences(&manifest.data, &prepared.data));
    let place = job.folder.path().display();
    if !fatal.is_empty() {
        fatal.extend(forced);
        bail!(Usage(format!(
            "{place}: cannot resume with another experiment; start a new run instead: {}",
            fatal.join("; ")
        )));
    }
    if !forced.is_empty() && !force {
        bail!(Usage(format!(
            "{place}: the results would differ from those of the original run: {}; --force resumes anyway",
            forced.join("; ")
        )));
    }
    for difference in forced {
        port.emit(Event::warning(format!("{difference}; resumed anyway because of --force")));
    }
    Ok(())
}

fn data_differences(before: &DataIdentity, now: &DataIdentity) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |name: &str, (was, before): (u64, &str), (is, now): (u64, &str)| {
        if was != is {
            differences.push(format!("there were {was} {name} examples, now there are {is}"));
        } else if before != now {
            differences.push(format!("the {was} {name} examples have changed"));
        }
    };
    compare("training", (before.examples, &before.train), (now.examples, &now.train));
    compare("held-out", (before.eval_examples, &before.eval), (now.eval_examples, &now.eval));
    differences
}
