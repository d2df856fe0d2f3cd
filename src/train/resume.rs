//! Resuming a run: finds the checkpoint, and rewinds the run's folder to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::changes::{AcceptedChanges, check};
use super::early_stopping::EarlyStopping;
use super::job::{Job, ResumeOptions};
use super::prepare::PreparedRun;
use crate::Usage;
use crate::delta::{DamagedCheckpoint, SavedState};
use crate::device::{self, Chosen};
use crate::protocol::{Event, Resumed};
use crate::runs::EventLog;
use crate::runs::checkpoint::{
    CheckpointEntry, CheckpointSelector, Manifest, StoredCheckpoint, best, list, recover, set_aside, steps,
};
use crate::session::Port;

/// The checkpoint a run resumes from.
pub struct ResumePoint {
    pub manifest: Manifest,
    pub saved: SavedState,
    /// The checkpoint's folder.
    pub path: PathBuf,
    pub changes: AcceptedChanges,
}

/// Finds the checkpoint to resume from, and checks that it belongs to this run. `None` if the run has no checkpoint yet.
///
/// # Errors
/// [`Usage`], with the differences, or the checkpoints that exist.
pub fn find(options: &ResumeOptions, job: &Job, prepared: &PreparedRun, port: &Port) -> Result<Option<ResumePoint>> {
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
    let read = |path: &Path| -> Result<(Manifest, SavedState), DamagedCheckpoint> {
        let stored = StoredCheckpoint::open(path).map_err(|error| DamagedCheckpoint(error.to_string()))?;
        let saved = SavedState::read(&stored, prepared.network.parameters.specs())?;
        Ok((stored.manifest, saved))
    };
    let mut damage = Vec::new();
    for CheckpointEntry { path, .. } in
        listed.iter().filter(|listed| requested.as_ref().is_none_or(|path| *path == listed.path))
    {
        // The manifest is enough to see that a checkpoint belongs to another run.
        let mut changes = AcceptedChanges::default();
        if let Ok(stored) = StoredCheckpoint::open(path) {
            changes = check(&stored.manifest, options, job, prepared)?;
        }
        match read(path) {
            Ok((mut manifest, saved)) => {
                if changes.best_score {
                    // Evaluations count from now on.
                    manifest.since_best = 0;
                }
                return Ok(Some(ResumePoint { manifest, saved, path: path.clone(), changes }));
            }
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
    if job.resume.as_ref().is_some_and(|options| !options.set.is_empty()) {
        // All checks have passed: from here on the run continues, and its folder says with which preset.
        job.folder.replace_preset(&job.preset.toml, step.unwrap_or(0))?;
    }
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
            best: prepared.best_score.clone(),
            patience: EarlyStopping::new(job.preset.train.patience, manifest.since_best).patience(),
            clip: job.preset.train.max_grad_norm(),
            checkpoint: path.clone(),
            elapsed: manifest.clock.elapsed,
            device: device::name(chosen.device),
            device_note: chosen.note.clone(),
            ranks: prepared.started.ranks,
            version: env!("CARGO_PKG_VERSION").into(),
        })),
        None => port.emit(Event::info("no checkpoint yet: starting from step 0")),
    }
    for note in point.iter().flat_map(|point| &point.changes.notes) {
        port.emit(note.clone());
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
