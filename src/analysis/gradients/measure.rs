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
