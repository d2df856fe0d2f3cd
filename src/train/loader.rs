//! Training examples as padded batches, in a seeded order.

use std::ops::Range;

use crate::data::{Batch, BatchSampler, ShortBatch, Tokenized};
use crate::preset;

/// Yields the micro-batches of each optimizer step. They depend on the seed and the step alone, so a resumed run continues
/// with the batch it stopped at.
pub struct Loader {
    examples: Tokenized,
    /// What is drawn together: micro-batches, or whole steps that are split into them.
    order: BatchSampler,
    /// How many of these make a step.
    drawn_per_step: usize,
    /// Most rows of a micro-batch.
    rows: usize,
    /// The token that rows are padded with.
    pad_id: i64,
    /// Optimizer steps of the run.
    steps: u64,
    /// The order of the latest epoch, which is costly to draw.
    epoch: Option<EpochOrder>,
}

/// What is drawn in an epoch, as indices of examples.
struct EpochOrder {
    epoch: u64,
    drawn: Vec<Vec<usize>>,
}

impl Loader {
    /// For a run of so many steps.
    pub fn new(examples: Tokenized, train: &preset::Train, pad_id: i64, steps: u64) -> Loader {
        let order = BatchSampler::new(examples.lengths(), train.drawn(), train.seed);
        let drawn_per_step = train.batch * train.accumulate / train.drawn();
        Loader { examples, order, drawn_per_step, rows: train.batch, pad_id, steps, epoch: None }
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
        self.order.batches_per_epoch().div_ceil(self.drawn_per_step) as u64
    }

    pub fn examples(&self) -> &Tokenized {
        &self.examples
    }

    /// The micro-batches of a step, counted from 0.
    pub fn step(&mut self, step: u64) -> Vec<Batch> {
        let (epoch, within) = (step / self.steps_per_epoch(), (step % self.steps_per_epoch()) as usize);
        let start = within * self.drawn_per_step;
        let end = (start + self.drawn_per_step).min(self.order.batches_per_epoch());
        self.collate(epoch, start..end, usize::MAX)
    }

    /// The first micro-batches of the run.
    pub fn first(&mut self, number: usize) -> Vec<Batch> {
        self.collate(0, 0..number.min(self.order.batches_per_epoch()), number)
    }

    /// The micro-batches whose gradient selects components before a step, counted from 0: `sift.batches` of them.
    pub fn selecting(&mut self, step: u64, number: Option<usize>) -> Vec<Batch> {
        match (number, step) {
            (None, _) => self.step(step),
            (Some(number), 0) => self.first(number),
            (Some(number), _) => self.following(step, number),
        }
    }

    /// So many micro-batches from a step on, counted from 0; fewer at the end of the run.
    fn following(&mut self, step: u64, number: usize) -> Vec<Batch> {
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

    /// The micro-batches of what is drawn at these places of an epoch, but no more than `most`.
    fn collate(&mut self, epoch: u64, drawn: Range<usize>, most: usize) -> Vec<Batch> {
        if self.epoch.as_ref().is_none_or(|order| order.epoch != epoch) {
            // Freed first: two orders of a large dataset would exist at the same time.
            self.epoch = None;
            self.epoch = Some(EpochOrder { epoch, drawn: self.order.epoch(epoch) });
        }
        let drawn = self.epoch.iter().flat_map(|order| &order.drawn[drawn.clone()]);
        let micro_batches = drawn.flat_map(|rows| rows.chunks(self.rows)).take(most);
        micro_batches.map(|rows| self.examples.collate(rows, self.pad_id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{BatchLabels, Encoded, Label};
    use crate::preset::Preset;

    /// A loader of as many examples as there are lengths, whose classes are their numbers.
    fn loader(train: &str, lengths: &[usize], steps: u64) -> Loader {
        let text = format!("[model]\nid = \"a/b\"\n[data]\ntask = \"rte\"\n[train]\nlearning_rate = 1.0\n{train}\n");
        let preset = Preset::parse("p", "", &text, &[], std::path::Path::new("/cache")).unwrap();
        let example = |(class, &length): (usize, &usize)| Encoded {
            ids: vec![7; length],
            type_ids: vec![0; length],
            label: Label::Class(class as u32),
        };
        Loader::new(Tokenized::Labelled(lengths.iter().enumerate().map(example).collect()), &preset.train, 9, steps)
    }

    fn classes(batches: &[Batch]) -> Vec<i64> {
        let of = |batch: &Batch| match &batch.labels {
            BatchLabels::Classes(classes) => classes.clone(),
            other => panic!("{other:?}"),
        };
        batches.iter().flat_map(of).collect()
    }

    #[test]
    fn an_epoch_yields_every_example_once_in_accumulated_steps() {
        let lengths: Vec<usize> = (0..11).map(|number| 1 + number % 3).collect();
        let mut loader = loader("batch = 2\naccumulate = 2", &lengths, 6);
        assert_eq!((loader.steps(), loader.steps_per_epoch()), (6, 3));
        for epoch in 0..2 {
            let steps: Vec<Vec<Batch>> = (0..3).map(|step| loader.step(3 * epoch + step)).collect();
            assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
            let mut seen = classes(&steps.concat());
            seen.sort_unstable();
            assert_eq!(seen, (0..11).collect::<Vec<_>>());
            assert!(steps.iter().flatten().all(|batch| batch.input_ids.iter().all(|id| [7, 9].contains(id))));
        }
        assert_eq!(loader.first(3), [loader.step(0), loader.step(1)].concat()[..3]);
        assert_eq!(loader.first(99).len(), 6);
        assert_eq!(loader.selecting(1, Some(3)), [loader.step(1), loader.step(2)].concat()[..3]);
    }

    proptest! {
        #[test]
        fn a_global_batch_has_the_same_examples_in_each_step_however_it_is_split(
            lengths in prop::collection::vec(1_usize..40, 1..90), rows in 1_usize..6, micro in 1_usize..6,
        ) {
            let examples = rows * micro;
            let of = |batch: usize| loader(&format!("batch = {batch}\nglobal_batch = {examples}"), &lengths, 99);
            let (mut whole, mut split) = (of(examples), of(rows));
            prop_assert_eq!(whole.steps_per_epoch(), split.steps_per_epoch());
            for step in 0..2 * whole.steps_per_epoch() {
                let (whole, parts) = (whole.step(step), split.step(step));
                prop_assert_eq!(whole.len(), 1);
                prop_assert_eq!(classes(&parts), classes(&whole));
                prop_assert!(parts.iter().rev().skip(1).all(|batch| batch.rows == rows));
                prop_assert!(parts.iter().map(|batch| batch.length).max() == Some(whole[0].length));
                prop_assert_eq!(split.selecting(step, None), parts);
            }
            let epoch: Vec<Batch> = (0..split.steps_per_epoch()).flat_map(|step| split.step(step)).collect();
            prop_assert_eq!(&split.first(2)[..], &epoch[..epoch.len().min(2)]);
        }
    }
}
