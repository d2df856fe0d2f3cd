//! Opens a run for its bounds: the network with the weights of a checkpoint, its examples, and how far training moved what it trained.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::evidence::{Group, SelectionDependence};
use super::selections::ln_binomial;
use crate::Usage;
use crate::data::{BatchSampler, LabelSet, Tokenized, digest};
use crate::delta::{SavedState, WeightDelta};
use crate::inputs::{self, Access, CompletePreset, OpenedData, target_budget, target_criterion, target_rules};
use crate::model::{Fingerprint, Head, LoadOptions, Network, initialized};
use crate::preset::Preset;
use crate::protocol::{Event, Progress};
use crate::runs::checkpoint::{CheckpointSelector, Manifest, StoredCheckpoint, select};
use crate::sift::select::{Budget, Criterion, Structure};

/// A run of a classifier with the weights of a checkpoint in place.
pub(super) struct OpenedRun {
    pub subject: String,
    pub network: Network,
    pub seed: u64,
    /// Names of the trained parameters with the flat indices of the trained components, sparse ones first.
    pub trained: Vec<(String, Option<Tensor>)>,
    /// The group of each.
    pub group_of: Vec<usize>,
    pub groups: Vec<Group>,
    pub parameters: Group,
    pub selection: SelectionDependence,
    /// Training examples whose gradients selected.
    pub selecting: Vec<usize>,
    pub train: Tokenized,
    pub held_out: Tokenized,
    pub pad_id: i64,
}

/// Opens a checkpoint of a run, by default the best.
///
/// # Errors
/// [`Usage`]: no checkpoint or a damaged one, no classifier, another base model or other data than the run's, or trained parameters
/// that the base model does not have.
pub(super) fn open(
    run: &Path,
    from: Option<CheckpointSelector>,
    access: &Access,
    device: Device,
    on_progress: &dyn Fn(Progress),
) -> Result<OpenedRun> {
    let place = run.display();
    let path = select(run, from)?;
    let stored =
        StoredCheckpoint::open(&path).map_err(|error| anyhow!(Usage(format!("damaged checkpoint: {error}"))))?;
    let manifest = &stored.manifest;
    let mut preset =
        Preset::parse_stored(&manifest.run, &path.display().to_string(), &manifest.preset, &[], access.cache)?;
    if manifest.base.commit.is_some() {
        // The repository may have moved on.
        preset.model.id = manifest.base.location();
    }
    let report = |event| {
        if let Event::Progress(progress) = event {
            on_progress(progress);
        }
    };
    let CompletePreset { model, data, examples } = inputs::open(&preset, access, &report)?.complete()?;
    check_classifier(run, &data)?;
    if preset.sift.reselect_every > 0 {
        bail!(Usage(format!(
            "{place}: the run selected components again every {} steps (sift.reselect_every), so they depend on most of its examples; \
             the bound needs a run with one selection",
            preset.sift.reselect_every
        )));
    }
    if digest([&examples.train]) != manifest.data.train {
        bail!(Usage(format!(
            "{place}: the training examples are not those of the run, so its bound cannot be computed; restore {}",
            data.name
        )));
    }
    if Fingerprint::of(&model.folder)?.weights != manifest.base.weights {
        let base = &manifest.base.model;
        bail!(Usage(format!("{place}: the weights of {base} are not those this run was started from")));
    }
    let head = Head { outputs: data.labels, rows: manifest.head.clone() };
    let options = LoadOptions { head, dtype: preset.model.dtype.into(), device, offload: None, seed: manifest.seed };
    // The parameters are now those that the run started from, a new head included.
    let (mut network, loaded) = Network::open(&model.folder, &options, on_progress)?;
    let specs = network.parameters.specs();
    if let Some(slot) = manifest.slots.iter().find(|slot| !specs.iter().any(|spec| spec.name == slot.name)) {
        bail!(Usage(format!(
            "{place}: it trains {}, which is no parameter of the base model; the bound needs a run that trains the model's own weights",
            slot.name
        )));
    }
    let damaged = |error: crate::delta::DamagedCheckpoint| Usage(format!("damaged checkpoint: {error}"));
    let selected = SavedState::read(&stored, specs).map_err(damaged)?.selected;
    let mut delta = WeightDelta::read(&stored, &mut network).map_err(damaged)?;
    let initial = Snapshot::of(&network, manifest, &selected);
    delta.exchange(&network);
    let distances = initial.distances(&network, manifest, &selected, &loaded.newly_initialized);
    let train = examples.train;
    let (selection, selecting) = dependence(&preset, manifest, train.lengths());
    let (groups, group_of) = groups(manifest, &distances.slots);
    let parameters = Group {
        name: "all parameters of the model".into(),
        components: network.parameters.components(),
        from_initial: groups.iter().map(|group| group.from_initial).sum(),
        from_random: distances.all_from_random,
    };
    let held_out = examples.held_out.into_iter().next().map(|split| split.examples);
    let subject =
        format!("{} on {}, run {} at step {}", short(&preset.model.id), data.name, manifest.run, manifest.step);
    Ok(OpenedRun {
        subject,
        seed: manifest.seed,
        trained: manifest.slots.iter().map(|slot| slot.name.clone()).zip(selected).collect(),
        group_of,
        groups,
        parameters,
        selection,
        selecting,
        train,
        held_out: held_out.ok_or_else(|| Usage(format!("{place}: the run has no held-out examples")))?,
        pad_id: network.config.pad_token_id(),
        network,
    })
}

/// The bounds need a loss in [0, 1] of independent examples: the error of a classifier.
fn check_classifier(run: &Path, data: &OpenedData) -> Result<()> {
    let what = match data.labelled.as_ref().map(|dataset| &dataset.labels) {
        Some(LabelSet::Classes(_)) => return Ok(()),
        Some(LabelSet::Regression) => "a regression, whose squared error has no upper limit",
        None => "a language model: its cross-entropy has no upper limit, and the tokens of a text are not independent",
    };
    bail!(Usage(format!(
        "{}: the run of {what}; the bounds hold for errors between 0 and 1 on independent examples, so name the run of a classifier",
        run.display()
    )))
}

/// The last part of a folder or hub id.
fn short(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// Trained components before training, fp32 on the host, one tensor for each slot.
struct Snapshot(Vec<Tensor>);

/// Squared distances of the trained weights.
struct Distances {
    /// Of each slot, from its initial values and from random ones.
    slots: Vec<(f64, f64)>,
    /// Of all parameters from random ones.
    all_from_random: f64,
}

/// The trained components of a parameter, in double precision on the host.
fn components(values: &Tensor, indices: Option<&Tensor>) -> Tensor {
    let flat = values.view(-1);
    let chosen =
        indices.map_or(flat.shallow_clone(), |indices| flat.index_select(0, &indices.to_device(flat.device())));
    chosen.to_device(Device::Cpu).to_kind(Kind::Double)
}

fn squared(difference: &Tensor) -> f64 {
    difference.square().sum(Kind::Double).double_value(&[])
}

impl Snapshot {
    fn of(network: &Network, manifest: &Manifest, selected: &[Option<Tensor>]) -> Snapshot {
        let slots = manifest.slots.iter().zip(selected);
        Snapshot(
            slots
                .map(|(slot, indices)| components(&network.parameters.get(&slot.name), indices.as_ref()).copy())
                .collect(),
        )
    }

    /// Of the weights in place, one parameter at a time. Parameters that are newly initialised in every run have no other random
    /// initialisation than their own.
    fn distances(
        &self,
        network: &Network,
        manifest: &Manifest,
        selected: &[Option<Tensor>],
        new: &[String],
    ) -> Distances {
        let range = network.config.initializer_range();
        let mut random = ChaCha8Rng::seed_from_u64(manifest.seed);
        let mut slots = vec![(0.0, 0.0); manifest.slots.len()];
        let mut all_from_random = 0.0;
        for spec in network.parameters.specs() {
            let weights = network.parameters.get(&spec.name);
            let slot = manifest.slots.iter().position(|slot| slot.name == spec.name);
            let from_initial =
                slot.map(|slot| squared(&(components(&weights, selected[slot].as_ref()) - &self.0[slot])));
            let own = new.contains(&spec.name);
            let drawn = (!own).then(|| initialized(spec, range, &mut random));
            let from_random = |indices: Option<&Tensor>| match &drawn {
                Some(drawn) => squared(&(components(&weights, indices) - components(drawn, indices))),
                None => from_initial.unwrap_or(0.0),
            };
            all_from_random += from_random(None);
            if let (Some(slot), Some(from_initial)) = (slot, from_initial) {
                slots[slot] = (from_initial, from_random(selected[slot].as_ref()));
            }
        }
        Distances { slots, all_from_random }
    }
}

/// Selected components and dense parameters, and which of the two each slot is in; a group without components is left out.
fn groups(manifest: &Manifest, distances: &[(f64, f64)]) -> (Vec<Group>, Vec<usize>) {
    let mut groups: Vec<Group> = Vec::new();
    let group_of = manifest.slots.iter().zip(distances).map(|(slot, (from_initial, from_random))| {
        let name = if slot.dense { "dense parameters" } else { "selected components" };
        let number = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            groups.push(Group { name: name.into(), components: 0, from_initial: 0.0, from_random: 0.0 });
            groups.len() - 1
        });
        let group = &mut groups[number];
        group.components += slot.trained as u64;
        group.from_initial += from_initial;
        group.from_random += from_random;
        number
    });
    let group_of = group_of.collect();
    (groups, group_of)
}

/// How the selection depends on the training examples, and which of them selected: those of the run's first micro-batches.
fn dependence(preset: &Preset, manifest: &Manifest, lengths: Vec<usize>) -> (SelectionDependence, Vec<usize>) {
    let by_gradient = match target_criterion(preset) {
        Criterion::Magnitude | Criterion::Lift { .. } | Criterion::Random => false,
        Criterion::Gradient | Criterion::GradientTimesWeight | Criterion::Fisher | Criterion::Gallop => true,
    };
    if !by_gradient || manifest.slots.iter().all(|slot| slot.dense) {
        return (SelectionDependence::Independent, Vec::new());
    }
    let train = &preset.train;
    let order = BatchSampler::new(lengths, train.drawn(), manifest.seed).with_short_batch(manifest.short_batch);
    let micro_batches = preset.sift.batches.unwrap_or(train.accumulate);
    let drawn = order.epoch(0);
    let selecting = drawn.iter().flat_map(|drawn| drawn.chunks(train.batch)).take(micro_batches).flatten();
    let selecting: Vec<usize> = selecting.copied().collect();
    let structure = target_rules(preset).structure;
    let sparse = manifest.slots.iter().filter(|slot| !slot.dense);
    let global = target_budget(preset) == Budget::Global;
    let ln_selections = sparse.map(|slot| {
        // Under a global budget the gradients also decide how many components a target gets, from none to all.
        let counts = if global { (slot.shape.iter().product::<i64>() as f64 + 1.0).ln() } else { 0.0 };
        counts + ln_selections(structure, &slot.shape, slot.trained)
    });
    let ln_selections = ln_selections.sum();
    (SelectionDependence::Gradients { examples: selecting.len() as u64, ln_selections }, selecting)
}

/// ln of the number of selections of so many components of a target that a structure allows.
fn ln_selections(structure: Structure, shape: &[i64], trained: i64) -> f64 {
    let all: i64 = shape.iter().product();
    let count = |all: i64, chosen: i64| ln_binomial(all as u64, chosen as u64);
    match (structure.of(shape), shape) {
        (Structure::PerRow, [out, width]) => *out as f64 * count(*width, trained / out),
        (Structure::Columns | Structure::Rows | Structure::Blocks { .. }, _) => {
            // At the smallest rate one set is chosen.
            let set = structure.components(shape, 0.0);
            count(all / set, trained / set)
        }
        // Rows and columns could be counted by themselves; as entries they are no fewer.
        (Structure::Entries | Structure::RowsColumns | Structure::PerRow, _) => count(all, trained),
    }
}
