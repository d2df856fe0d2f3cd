//! The gradient of a batch, one parameter at a time: magnitudes by module and layer, and the largest components.

use anyhow::{Result, bail};
use tch::{Kind, Tensor};

use super::magnitudes::{Magnitudes, Ranking};
use super::targets::Targets;
use super::top_set::TopSet;
use crate::data::Batch;
use crate::eval::DeviceBatch;
use crate::model::Network;
use crate::model::backward::{self, BackwardOptions, GradTargets, Gradient};
use crate::sift::budget;
use crate::sift::sampled::dense_gradient;
use crate::sift::select::largest;

/// What was measured of a batch's gradient.
pub struct BatchGradient {
    pub loss: f64,
    pub magnitudes: Magnitudes,
    pub overall: Ranking,
    /// By the numbers of [`Targets`].
    pub modules: Vec<Ranking>,
    pub layers: Vec<Ranking>,
    /// What the largest components of each tensor, by the preset's rate, hold of the L2 norm over all of them, in percent.
    pub covered: f64,
    pub top: TopSet,
}

/// Measures the gradient of the mean loss over a batch, without dropout.
///
/// # Errors
/// A gradient that is not finite.
pub fn measure(
    network: &Network,
    targets: &Targets,
    batch: &Batch,
    rate: f64,
    checkpointing: bool,
) -> Result<BatchGradient> {
    let grad_targets = GradTargets::new(&network.parameters, targets.names());
    let count = batch.labels.count();
    let batch = DeviceBatch::new(batch, network.parameters.device());
    let (chain, objective) = (network.segments(&batch.inputs), network.objective(&batch.targets, 1.0 / count as f64));
    let options = BackwardOptions { training: false, checkpointing, seed: 0 };
    let mut sums = Sums::new(targets, rate);
    let loss = backward::gradients(&*chain, &grad_targets, options, &objective, &mut |gradients| {
        for gradient in gradients {
            match gradient {
                Gradient::Linear { slots, x, dy } => {
                    if let Some(slot) = slots.weight {
                        sums.add(slot, &dense_gradient(&x, &dy));
                    }
                    if let Some(slot) = slots.bias {
                        sums.add(slot, &dy.sum_dim_intlist(Some(&[0i64][..]), false, Kind::Float));
                    }
                }
                Gradient::Leaf { slot, gradient } => sums.add(slot, &gradient),
            }
        }
    });
    sums.finish(loss.double_value(&[]))
}

/// Sums over the parameters so far.
struct Sums<'a> {
    targets: &'a Targets,
    rate: f64,
    overall: Magnitudes,
    modules: Vec<Magnitudes>,
    layers: Vec<Magnitudes>,
    /// The squared norm of the largest components of each tensor.
    covered: f64,
    top: TopSet,
}

impl<'a> Sums<'a> {
    fn new(targets: &'a Targets, rate: f64) -> Sums<'a> {
        Sums {
            targets,
            rate,
            overall: Magnitudes::default(),
            modules: vec![Magnitudes::default(); targets.modules.len()],
            layers: vec![Magnitudes::default(); targets.layers.len()],
            covered: 0.0,
            top: TopSet(vec![Vec::new(); targets.all.len()]),
        }
    }

    fn add(&mut self, slot: usize, gradient: &Tensor) {
        let gradient = gradient.to_kind(Kind::Float).flatten(0, -1);
        let values: Vec<f32> = Vec::try_from(&gradient).unwrap_or_default();
        let mut own = Magnitudes::default();
        own.add(&values);
        let target = &self.targets.all[slot];
        self.overall.merge(&own);
        self.modules[target.module].merge(&own);
        self.layers[target.layer].merge(&own);
        // What is not finite cannot be ordered, and is reported in the end.
        if own.is_finite() {
            let indices = largest(&gradient, budget(values.len() as i64, self.rate));
            let indices: Vec<i64> = Vec::try_from(&indices).unwrap_or_default();
            self.covered += indices.iter().map(|index| f64::from(values[*index as usize]).powi(2)).sum::<f64>();
            self.top.0[slot] = indices.into_iter().map(|index| index as u32).collect();
        }
    }

    fn finish(self, loss: f64) -> Result<BatchGradient> {
        if !self.overall.is_finite() || !loss.is_finite() {
            bail!("the gradient of a batch is not finite; set model.dtype = \"f32\", or check the model's weights");
        }
        let overall = self.overall.ranking();
        let rankings = |all: Vec<Magnitudes>| all.iter().map(Magnitudes::ranking).collect();
        let norm = overall.norm();
        Ok(BatchGradient {
            loss,
            covered: if norm > 0.0 { 100.0 * self.covered.sqrt() / norm } else { 0.0 },
            magnitudes: self.overall,
            overall,
            modules: rankings(self.modules),
            layers: rankings(self.layers),
            top: self.top,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::data::BatchLabels;
    use crate::model::{Head, LoadOptions};
    use crate::protocol::HeadRows;

    /// A tiny network and a batch for it.
    fn tiny() -> (Network, Batch) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/tiny-bert");
        let head = Head { outputs: 2, rows: HeadRows::New };
        let options = LoadOptions { head, dtype: Kind::Float, device: Device::Cpu, offload: None, seed: 1 };
        let (network, _) = Network::open(&folder, &options, &|_| {}).unwrap();
        let input_ids: Vec<i64> = (0..24).map(|n| 1 + n * 7 % 30).collect();
        let batch = Batch {
            rows: 3,
            length: 8,
            input_ids,
            sequence_ids: vec![1; 24],
            token_type_ids: vec![0; 24],
            position_ids: None,
            labels: BatchLabels::Classes(vec![0, 1, 1]),
            tokens: 24,
        };
        (network, batch)
    }

    /// The same gradients from autograd of the whole network, all of them at once.
    fn dense(network: &Network, names: &[String], batch: &Batch) -> Vec<Vec<f32>> {
        let weights: Vec<Tensor> =
            names.iter().map(|name| network.parameters.get(name).set_requires_grad(true)).collect();
        let batch = DeviceBatch::new(batch, Device::Cpu);
        let segments = network.segments(&batch.inputs);
        let mut pass = crate::model::ForwardPass::inference();
        let logits = (0..segments.count()).fold(Tensor::new(), |hidden, at| segments.forward(at, &hidden, &mut pass));
        let crate::model::LossTargets::Classes(classes) = &batch.targets else { panic!("no classes") };
        let loss = logits.cross_entropy_for_logits(classes);
        let gradients = Tensor::run_backward(&[&loss], &weights, false, false);
        weights.iter().for_each(|weight| drop(weight.set_requires_grad(false)));
        gradients.iter().map(|gradient| Vec::try_from(gradient.flatten(0, -1)).unwrap()).collect()
    }

    #[test]
    fn shares_and_top_sets_are_those_of_dense_gradients_sorted() {
        let (network, batch) = tiny();
        let specs =
            network.parameters.specs().iter().filter(|spec| spec.name.contains("query") || spec.name.contains("value"));
        let names: Vec<String> = specs.map(|spec| spec.name.clone()).collect();
        let targets = Targets::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(targets.modules, ["query", "value"]);
        let dense = dense(&network, &names, &batch);
        let rate = 0.02;
        let found = measure(&network, &targets, &batch, rate, false).unwrap();
        let squares = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        let sorted = |parts: &[&Vec<f32>]| {
            let mut all: Vec<f64> = parts.iter().flat_map(|part| part.iter().map(|v| f64::from(v.abs()))).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            all
        };
        let check = |ranking: &Ranking, all: &[f64]| {
            for k in [1, all.len() / 100, all.len() / 10, all.len() / 2] {
                let expected = 100.0 * (squares(&all[..k]) / squares(all)).sqrt();
                let (l1, all_l1) = (all[..k].iter().sum::<f64>(), all.iter().sum::<f64>());
                let shares = ranking.top_of(k as f64);
                assert!((shares.l2 - expected).abs() < 0.5, "{k}: {} {expected}", shares.l2);
                assert!((shares.l1 - 100.0 * l1 / all_l1).abs() < 0.5, "{k}: {} {}", shares.l1, 100.0 * l1 / all_l1);
            }
        };
        check(&found.overall, &sorted(&dense.iter().collect::<Vec<_>>()));
        let values = names.iter().zip(&dense).filter(|(name, _)| name.contains("value")).map(|(_, part)| part);
        check(&found.modules[1], &sorted(&values.collect::<Vec<_>>()));
        let mut covered = 0.0;
        for (part, top) in dense.iter().zip(&found.top.0) {
            let k = budget(part.len() as i64, rate) as usize;
            let largest = &sorted(&[part])[..k];
            covered += squares(largest);
            let chosen: Vec<f64> = top.iter().map(|index| f64::from(part[*index as usize].abs())).collect();
            assert_eq!(top.len(), k);
            assert!((squares(&chosen) - squares(largest)).abs() <= 1e-5 * squares(largest));
        }
        let all: f64 = dense.iter().flatten().map(|v| f64::from(*v).powi(2)).sum();
        assert!((found.covered - 100.0 * (covered / all).sqrt()).abs() < 1e-3, "{}", found.covered);
        assert!((found.overall.norm() - all.sqrt()).abs() < 1e-5 * all.sqrt());
    }
}
