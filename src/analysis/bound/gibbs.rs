//! Measures errors: of the weights in place, and of the Gibbs classifier around them.

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::evidence::{Errors, GibbsErrors};
use super::open::OpenedRun;
use super::windows::Windows;
use crate::analysis::perturb::{Perturbation, noise};
use crate::data::Tokenized;
use crate::eval::DeviceBatch;
use crate::model::LossTargets;
use crate::model::Network;
use crate::model::mixed;

/// Examples of a batch, where errors are measured on all of them.
const BATCH: usize = 32;

/// Examples of a batch that comes with a draw of weights. More draws tell more than more examples in each.
const DRAWN: usize = 4;

/// Called after each batch; its error, that of a cancelled analysis, ends the work.
pub(super) type Proceed<'a> = dyn FnMut() -> Result<()> + 'a;

/// The examples that errors are measured on.
pub(super) struct Samples {
    /// Training examples that had no part in the selection.
    train: Windows,
    held_out: Windows,
}

impl Samples {
    pub(super) fn of(run: &OpenedRun) -> Samples {
        let rows = |examples: &Tokenized| 0..examples.lengths().len();
        let train = rows(&run.train).filter(|row| !run.selecting.contains(row)).collect();
        Samples {
            train: Windows::new(train, &run.train.lengths(), DRAWN),
            held_out: Windows::new(rows(&run.held_out).collect(), &run.held_out.lengths(), DRAWN),
        }
    }
}

/// Errors of the weights in place on all examples.
pub(super) fn errors(run: &OpenedRun, proceed: &mut Proceed) -> Result<Errors> {
    let mut share = |examples: &Tokenized| -> Result<f64> {
        let lengths = examples.lengths();
        let all = Windows::new((0..lengths.len()).collect(), &lengths, BATCH);
        let mut wrong = 0;
        for rows in all.all() {
            wrong += wrong_predictions(&run.network, examples, rows, run.pad_id);
            proceed()?;
        }
        Ok(wrong as f64 / lengths.len() as f64)
    };
    Ok(Errors { train: share(&run.train)?, held_out: share(&run.held_out)? })
}

/// Batches that [`errors`] takes.
pub(super) fn batches_of_errors(run: &OpenedRun) -> u64 {
    [&run.train, &run.held_out].map(|examples| examples.lengths().len().div_ceil(BATCH) as u64).iter().sum()
}

/// Errors of the Gibbs classifier with so much noise, in units of each group's change, from so many draws of weights. The first
/// `held_out` of them are measured on held-out examples too. The weights are put back bit for bit.
pub(super) fn gibbs_errors(
    run: &OpenedRun,
    samples: &Samples,
    plan: DrawPlan,
    proceed: &mut Proceed,
) -> Result<GibbsErrors> {
    let DrawPlan { noise: level, draws, held_out, seed } = plan;
    let deviations: Vec<f64> = run.group_of.iter().map(|&group| level * run.groups[group].change()).collect();
    let trained = run.trained.iter().map(|(name, indices)| (name.clone(), indices.as_ref().map(Tensor::shallow_clone)));
    let mut weights = Perturbation::new(&run.network, trained);
    let (mut train_error, mut held_out_error) = (0.0, 0.0);
    for draw in 0..draws {
        let seed = mixed(seed, draw);
        weights.set(|number, _, base| noise(base, mixed(seed, number as u64)) * deviations[number]);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut error = |windows: &Windows, examples: &Tokenized| {
            let rows = windows.draw(&mut random);
            wrong_predictions(&run.network, examples, &rows, run.pad_id) as f64 / rows.len() as f64
        };
        train_error += error(&samples.train, &run.train) / draws as f64;
        if draw < held_out {
            held_out_error += error(&samples.held_out, &run.held_out) / held_out as f64;
        }
        proceed()?;
    }
    Ok(GibbsErrors { noise: level, train: train_error, draws, held_out: held_out_error })
}

/// What to draw.
#[derive(Clone, Copy)]
pub(super) struct DrawPlan {
    /// In units of each group's change.
    pub noise: f64,
    pub draws: u64,
    /// Of them on held-out examples too.
    pub held_out: u64,
    /// Draws of different seeds are independent.
    pub seed: u64,
}

fn wrong_predictions(network: &Network, examples: &Tokenized, rows: &[usize], pad_id: i64) -> i64 {
    let batch = DeviceBatch::new(&examples.collate(rows, pad_id), network.parameters.device());
    let LossTargets::Classes(classes) = &batch.targets else { return 0 };
    network.output(&batch.inputs).argmax(-1, false).ne_tensor(classes).sum(Kind::Int64).int64_value(&[])
}
