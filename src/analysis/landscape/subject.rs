//! What a landscape is measured of: a network, examples, and for a run its trained values.

use std::path::Path;

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};

use super::batches::{Batching, FixedBatches};
use super::options::{HessianScope, LandscapeOptions};
use super::report::Facts;
use crate::Usage;
use crate::delta::{ChangedComponents, SavedState};
use crate::inputs::{self, Access, CompletePreset, OpenedData, sift_rules};
use crate::model::{Fingerprint, Head, LoadOptions, Network, ParameterKind, ParameterSpec};
use crate::preset::Preset;
use crate::protocol::Event;
use crate::runs::checkpoint::StoredCheckpoint;
use crate::sift::Role;

/// A network and examples.
pub struct Subject {
    /// With the weights that training starts from, fp32.
    pub network: Network,
    /// Training examples: their mean loss is the landscape.
    pub training: FixedBatches,
    /// Held-out examples.
    pub held_out: FixedBatches,
    /// Names of the targets of `sift.modules`.
    pub targets: Vec<String>,
    /// Of a run.
    pub trained: Option<TrainedWeights>,
    /// The head of the network.
    pub head: Head,
}

/// The values that a run trained.
pub struct TrainedWeights {
    /// Optimizer steps of the checkpoint.
    pub step: u64,
    /// Sparse parameters, then dense ones.
    pub parameters: Vec<TrainedParameter>,
}

/// A parameter that a run trained, or some of its components.
pub struct TrainedParameter {
    /// Name of the parameter.
    pub name: String,
    /// Flat indices of the trained components; `None` if all are trained.
    pub indices: Option<Tensor>,
    /// Trained values, fp32: `[k]`, or all components.
    pub values: Tensor,
}

impl Subject {
    /// Opens a preset and draws its examples; with a checkpoint, those of its run and the values that the run trained. Weights are
    /// fp32, whatever the preset says: finite differences need the digits.
    ///
    /// # Errors
    /// [`Usage`]: what training refuses, no targets, a damaged checkpoint or one of another base model.
    pub fn open(
        preset: &Preset,
        checkpoint: Option<&StoredCheckpoint>,
        access: &Access,
        device: Device,
        options: &LandscapeOptions,
        report: &dyn Fn(Event),
    ) -> Result<(Subject, Facts)> {
        let CompletePreset { model, data, examples } = inputs::open(preset, access, report)?.complete()?;
        let head = Head { outputs: data.labels, rows: data.head.clone() };
        let load =
            LoadOptions { head: head.clone(), dtype: Kind::Float, device, offload: None, seed: preset.train.seed };
        let (network, _) = Network::open(&model.folder, &load, &|progress| report(Event::Progress(progress)))?;
        let trained = match checkpoint {
            None => None,
            Some(stored) if stored.manifest.base.weights != Fingerprint::of(&model.folder)?.weights => {
                bail!(Usage(format!(
                    "{}: the weights of {} are not those this run was started from",
                    stored.path.display(),
                    stored.manifest.base.model
                )))
            }
            Some(stored) => Some(TrainedWeights::read(stored, &network)?),
        };
        if options.hessian == HessianScope::Selected
            && trained.as_ref().is_none_or(|trained| trained.selected().is_empty())
        {
            bail!(Usage("--hessian selected: the run has no selected components; use targets or none".into()));
        }
        let rules = sift_rules(preset);
        let names = network.parameters.specs().iter().map(|spec| spec.name.clone());
        let targets: Vec<String> = names.filter(|name| rules.role(name) == Role::Sparse).collect();
        if options.hessian == HessianScope::Targets && targets.is_empty() {
            bail!(Usage("sift.modules names no parameter whose sharpness to measure; set it, or leave sharpness out with --hessian none".into()));
        }
        let batching = Batching {
            examples: options.examples,
            batch: preset.train.batch,
            pad_id: network.config.pad_token_id(),
            seed: options.seed,
            checkpointing: preset.train.gradient_checkpointing,
        };
        let training = FixedBatches::draw(&examples.train, batching, device);
        // A preset has at least one held-out split.
        let held_out = examples.held_out.first().map_or(&examples.train, |split| &split.examples);
        let held_out = FixedBatches::draw(held_out, batching, device);
        let specs = network.parameters.specs();
        let moved = matrices(&network);
        let components = |name: &String| network.parameters.get(name).numel() as u64;
        let facts = Facts {
            subject: describe(preset, &data, trained.as_ref()),
            examples: (training.examples, data.examples),
            held_out: held_out.examples,
            matrices: (moved.len(), moved.iter().map(components).sum()),
            classifier: specs.iter().any(ParameterSpec::is_classifier),
        };
        Ok((Subject { network, training, held_out, targets, trained, head }, facts))
    }
}

/// What is analysed, in a line.
fn describe(preset: &Preset, data: &OpenedData, trained: Option<&TrainedWeights>) -> String {
    let model = Path::new(&preset.model.id).file_name().unwrap_or_default().to_string_lossy();
    let step = trained.map_or(String::new(), |trained| format!(", step {}", trained.step));
    format!("{}: {model} on {}{step}", preset.name, data.name)
}

impl TrainedWeights {
    /// Those of a checkpoint without adapters, checked against the network.
    ///
    /// # Errors
    /// [`Usage`]: a damaged checkpoint, or one of another model.
    pub fn read(stored: &StoredCheckpoint, network: &Network) -> Result<TrainedWeights> {
        let saved = SavedState::read(stored, network.parameters.specs()).map_err(|error| Usage(error.to_string()))?;
        let slots = &stored.manifest.slots;
        let parameters = slots.iter().zip(saved.changed(slots)).map(|(slot, ChangedComponents { indices, values })| {
            TrainedParameter { name: slot.name.clone(), indices, values }
        });
        Ok(TrainedWeights { step: stored.manifest.step, parameters: parameters.collect() })
    }

    /// The selected components of the sparse parameters.
    pub fn selected(&self) -> Vec<(String, Option<Tensor>)> {
        let sparse = self.parameters.iter().filter_map(|one| Some((one.name.clone(), one.indices.as_ref()?)));
        sparse.map(|(name, indices)| (name, Some(indices.shallow_clone()))).collect()
    }
}

/// The matrices that random directions move: those of linear layers. Biases, norms, embeddings and the classifier stay.
pub(super) fn matrices(network: &Network) -> Vec<String> {
    let specs = network.parameters.specs().iter();
    let moved = specs.filter(|spec| spec.kind == ParameterKind::LinearWeight && !spec.is_classifier());
    moved.map(|spec| spec.name.clone()).collect()
}
