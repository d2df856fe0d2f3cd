//! Training examples as padded batches, in a seeded order.

use crate::data::{Batch, BatchSampler, ShortBatch, Tokenized};
use crate::preset;

/// Yields the micro-batches of each optimizer step. They depend on the seed and the step alone, so a resumed run continues
/// with the batch it stopped at.
pub struct Loader {
    examples: Tokenized,
    order: BatchSampler,
    /// Micro-batches of a step.
    accumulate: usize,
    /// The token that rows are padded with.
    pad_id: i64,
    /// Optimizer steps of the run.
    steps: u64,
    /// The order of the latest epoch, which is costly to draw.
    epoch: Option<EpochOrder>,
}

/// The micro-batches of an epoch, as indices of examples.
struct EpochOrder {
    epoch: u64,
    batches: Vec<Vec<usize>>,
}

impl Loader {
    /// For a run of so many steps.
    pub fn new(examples: Tokenized, train: &preset::Train, pad_id: i64, steps: u64) -> Loader {
        let order = BatchSampler::new(examples.lengths(), train.batch, train.seed);
        Loader { examples, order, accumulate: train.accumulate, pad_id, steps, epoch: None }
    }

    /// The same loader with another short batch at the end of an epoch.
    pub fn with_short_batch(self, short_batch: ShortBatch) -> Loader {
        Loader { order: self.order.with_short_batch(short_batch), epoch: None, ..self }
    }

    /// The short batch at the end of an epoch.
    pub fn short_batch(&self) -> ShortBatch {
        self.order.short_batch()
    }

    /// Optimizer steps of the run.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Optimizer steps of an epoch; its last step may have fewer micro-batches.
    pub fn steps_per_epoch(&self) -> u64 {
        self.order.batches_per_epoch().div_ceil(self.accumulate) as u64
    }

    pub fn examples(&self) -> &Tokenized {
        &self.examples
    }

    /// The micro-batches of a step, counted from 0.
    pub fn step(&mut self, step: u64) -> Vec<Batch> {
        let (epoch, within) = (step / self.steps_per_epoch(), (step % self.steps_per_epoch()) as usize);
        let start = within * self.accumulate;
        let end = (start + self.accumulate).min(self.order.batches_per_epoch());
        self.collate(epoch, start, end)
    }

    /// The first micro-batches of the run.
    pub fn first(&mut self, number: usize) -> Vec<Batch> {
        self.collate(0, 0, number.min(self.order.batches_per_epoch()))
    }

    /// So many micro-batches from a step on, counted from 0; fewer at the end of the run.
    pub fn following(&mut self, step: u64, number: usize) -> Vec<Batch> {
        let mut batches = Vec::with_capacity(number);
        for step in step..self.steps {
            batches.extend(self.step(step));
            if batches.len() >= number {
                break;
            }
        }
        batches.truncate(number);
        batches
    }

    fn collate(&mut self, epoch: u64, start: usize, end: usize) -> Vec<Batch> {
        if self.epoch.as_ref().is_none_or(|order| order.epoch != epoch) {
            // Freed first: two orders of a large dataset would exist at the same time.
            self.epoch = None;
            self.epoch = Some(EpochOrder { epoch, batches: self.order.epoch(epoch) });
        }
        let batches = self.epoch.iter().flat_map(|order| &order.batches[start..end]);
        batches.map(|rows| self.examples.collate(rows, self.pad_id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BatchLabels, Encoded, Label};
    use crate::preset::Preset;

    #[test]
    fn an_epoch_yields_every_example_once_in_accumulated_steps() {
        let text =
            "[model]\nid = \"a/b\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\nbatch = 2\naccumulate = 2\n";
        let preset = Preset::parse("p", "", text, &[], std::path::Path::new("/cache")).unwrap();
        let example = |class: u32| Encoded {
            ids: vec![7; 1 + class as usize % 3],
            type_ids: vec![0; 1 + class as usize % 3],
            label: Label::Class(class),
        };
        let mut loader = Loader::new(Tokenized::Labelled((0..11).map(example).collect()), &preset.train, 9, 6);
        assert_eq!((loader.steps(), loader.steps_per_epoch()), (6, 3));
        for epoch in 0..2 {
            let steps: Vec<Vec<Batch>> = (0..3).map(|step| loader.step(3 * epoch + step)).collect();
            assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
            let mut seen: Vec<i64> = steps
                .iter()
                .flatten()
                .flat_map(|batch| match &batch.labels {
                    BatchLabels::Classes(classes) => classes.clone(),
                    other => panic!("{other:?}"),
                })
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..11).collect::<Vec<_>>());
            assert!(steps.iter().flatten().all(|batch| batch.input_ids.iter().all(|id| [7, 9].contains(id))));
        }
        assert_eq!(loader.first(3), [loader.step(0), loader.step(1)].concat()[..3]);
        assert_eq!(loader.first(99).len(), 6);
    }
}
