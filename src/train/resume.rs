//! Taking a run up again: which checkpoint, whether it is of this preset, model and data, and what happens to what came
//! after it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::checkpoint::{self, Kept};
use super::prepare::Prepared;
use super::{Job, device::Chosen};
use crate::Usage;
use crate::preset::{Difference, Weight, differences};
use crate::protocol::{Event, Resumed};
use crate::runs::EventLog;
use crate::runs::checkpoint::{
    BaseIdentity, CheckpointEntry, CheckpointSelector, DataIdentity, Manifest, StoredCheckpoint, best, list, recover,
    set_aside, steps,
};
use crate::session::Port;

/// How to take a run up again.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// Where.
    pub from: CheckpointSelector,
    /// Whether to go on also where the numbers to come are not those of the run as it was begun.
    pub force: bool,
}

/// A checkpoint to go on from.
pub struct Found {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it holds.
    pub kept: Kept,
    /// Its folder.
    pub path: PathBuf,
}

/// Finds the checkpoint to go on from, and checks that it is this run's. `None` if the run was not kept yet, so that it begins
/// again.
///
/// # Errors
/// [`Usage`], with what differs or what there is instead.
pub fn find(resume: Resume, job: &Job, prepared: &Prepared, port: &Port) -> Result<Option<Found>> {
    let checkpoints = job.folder.checkpoints();
    recover(&*job.disk, &checkpoints)?;
    let listed = list(&checkpoints)?;
    let wanted = match resume.from {
        CheckpointSelector::Newest => None,
        CheckpointSelector::Best => match best(job.folder.path()) {
            Some(path) => Some(path),
            None => {
                bail!(Usage(format!("{}: nothing was evaluated yet, so none is best", job.folder.path().display())))
            }
        },
        CheckpointSelector::Step(step) => match listed.iter().find(|checkpoint| checkpoint.step == step) {
            Some(checkpoint) => Some(checkpoint.path.clone()),
            None if listed.is_empty() => bail!(Usage(format!("--from {step}: no checkpoint was written yet"))),
            None => {
                bail!(Usage(format!("--from {step}: no such checkpoint; there are those of steps {}", steps(&listed))))
            }
        },
    };
    let read = |path: &Path| -> Result<Found, String> {
        let stored = StoredCheckpoint::open(path).map_err(|error| error.to_string())?;
        let kept = checkpoint::read(&stored, prepared.network.parameters.specs())?;
        Ok(Found { manifest: stored.manifest, kept, path: path.to_owned() })
    };
    let mut damage = Vec::new();
    for CheckpointEntry { path, .. } in
        listed.iter().filter(|listed| wanted.as_ref().is_none_or(|path| *path == listed.path))
    {
        // A manifest tells what belongs to what; only then is it worth to read the tensors.
        if let Ok(stored) = StoredCheckpoint::open(path) {
            check(&stored.manifest, resume.force, job, prepared, port)?;
        }
        match read(path) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => {
                if wanted.is_none() {
                    port.emit(Event::warning(format!("damaged and passed over: {error}")));
                }
                damage.push(error);
            }
        }
    }
    if damage.is_empty() {
        return Ok(None);
    }
    // Without a wish all of them were read already.
    let good =
        wanted.and_then(|wanted| listed.iter().find(|listed| listed.path != wanted && read(&listed.path).is_ok()));
    let instead = match good {
        Some(good) => format!("the newest good one is of step {0}: --from {0}", good.step),
        None => "there is no good one; only a new run can be made of its preset.toml".into(),
    };
    bail!(Usage(format!("damaged: {}; {instead}", damage.join("; "))))
}

/// Makes the run's folder what it was at the checkpoint, and has events written from there on. What came later is set aside.
///
/// # Errors
/// A disk that cannot be written.
pub fn go_back(found: Option<&Found>, job: &Job, prepared: &Prepared, chosen: &Chosen, port: &Port) -> Result<()> {
    let (step, events) = found.map_or((None, 0), |found| (Some(found.manifest.step), found.manifest.events));
    // First the checkpoints: where this is cut off in between, the next time finds the same one and does the rest.
    let later = set_aside(&*job.disk, job.folder.path(), step)?;
    let path = job.folder.events();
    let log = EventLog::cut(&path, events, &job.folder.path().join("abandoned/events.jsonl"))
        .with_context(|| format!("{}: cannot cut off what came after the checkpoint", path.display()))?;
    let lost = log.opened_at() < events;
    port.write_to(log);
    match found {
        Some(Found { manifest, path, .. }) => port.emit(Event::Resumed(Resumed {
            run: job.folder.name().into(),
            step: manifest.step,
            steps: prepared.plan.steps,
            checkpoint: path.clone(),
            elapsed: manifest.clock.elapsed,
            device: crate::device::name(chosen.device),
            device_note: chosen.note.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
        })),
        None => port.emit(Event::info("no checkpoint was written yet, so it begins again")),
    }
    let arithmetic = crate::device::arithmetic(chosen.device);
    if let Some(found) = found
        && ![arithmetic.as_str(), ""].contains(&found.manifest.device.as_str())
    {
        port.emit(Event::info(format!(
            "computed before on {}, now on {arithmetic}: numbers may differ in their last digits from those of a run \
             without a break",
            found.manifest.device
        )));
    }
    if lost {
        port.emit(Event::warning(format!("{}: events of before the checkpoint are missing", path.display())));
    }
    if later > 0 {
        let place = job.folder.path().join("abandoned");
        port.emit(Event::info(format!("{later} later checkpoints were moved to {}", place.display())));
    }
    Ok(())
}

/// Whether a checkpoint is of this preset, model and data.
fn check(manifest: &Manifest, force: bool, job: &Job, prepared: &Prepared, port: &Port) -> Result<()> {
    let changed = differences(&manifest.preset, &job.preset.toml)?;
    let of = |weight: Weight| changed.iter().filter(move |difference| difference.weight == weight);
    let mut fatal: Vec<String> = of(Weight::Run).map(Difference::to_string).collect();
    let mut forced: Vec<String> = of(Weight::Numbers).map(Difference::to_string).collect();
    let BaseIdentity { model, config, weights } = &prepared.base;
    if manifest.base.weights != *weights {
        fatal.push(format!("the weights of {model} are not those the run was begun with"));
    }
    if manifest.base.config != *config {
        forced.push(format!("config.json of {model} was another"));
    }
    forced.extend(data_differences(&manifest.data, &prepared.data));
    let place = job.folder.path().display();
    if !fatal.is_empty() {
        fatal.extend(forced);
        bail!(Usage(format!("{place}: this would be another run: {}", fatal.join("; "))));
    }
    if !forced.is_empty() && !force {
        bail!(Usage(format!(
            "{place}: the run would not go on as it was begun: {}; --force goes on all the same",
            forced.join("; ")
        )));
    }
    for difference in forced {
        port.emit(Event::warning(format!("{difference}; the run goes on all the same, as it was told to")));
    }
    Ok(())
}

fn data_differences(before: &DataIdentity, now: &DataIdentity) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |name: &str, (was, before): (u64, &str), (is, now): (u64, &str)| {
        if was != is {
            differences.push(format!("there were {was} {name} examples and are {is}"));
        } else if before != now {
            differences.push(format!("the {was} {name} examples are others than before"));
        }
    };
    compare("training", (before.examples, &before.train), (now.examples, &now.train));
    compare("held-out", (before.eval_examples, &before.eval), (now.eval_examples, &now.eval));
    differences
}
