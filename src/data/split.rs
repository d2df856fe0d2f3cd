//! Draws a held-out set from the training examples where there is no file for it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Example, Label};
use crate::Usage;

/// Splits into training and held-out examples, both in their original order, stratified by class.
pub(super) fn hold_out(examples: Vec<Example>, fraction: f64, seed: u64) -> Result<(Vec<Example>, Vec<Example>)> {
    // Scores are one stratum.
    let class = |example: &Example| if let Label::Class(class) = example.label { class } else { 0 };
    let held_out = draw(&examples.iter().map(class).collect::<Vec<_>>(), fraction, seed)?;
    let (mut train, mut eval) = (Vec::new(), Vec::new());
    for (example, held_out) in examples.into_iter().zip(held_out) {
        if held_out { eval.push(example) } else { train.push(example) }
    }
    Ok((train, eval))
}

/// Which examples are held out, given their classes: the same fraction of each class, rounded so that the total is right.
/// At least one example of each class stays in the training set.
pub(super) fn draw(classes: &[u32], fraction: f64, seed: u64) -> Result<Vec<bool>> {
    if !(fraction > 0.0 && fraction < 1.0) {
        bail!(Usage(format!("the held-out fraction is {fraction}; expected a number above 0 and below 1")));
    }
    let mut by_class: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, class) in classes.iter().enumerate() {
        by_class.entry(*class).or_default().push(index);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut held_out = vec![false; classes.len()];
    // The rounding error of one class is carried to the next.
    let (mut due, mut taken) = (0.0, 0);
    for indices in by_class.values_mut() {
        indices.shuffle(&mut random);
        due += fraction * indices.len() as f64;
        let count = ((due.round() as usize).saturating_sub(taken)).min(indices.len() - 1);
        taken += count;
        for &index in &indices[..count] {
            held_out[index] = true;
        }
    }
    if taken == 0 {
        bail!(Usage(format!(
            "a fraction of {fraction} of {} examples holds out none; set a larger data.eval_fraction, or data.eval_path",
            classes.len()
        )));
    }
    Ok(held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(classes: &[u32]) -> Vec<Example> {
        let example = |(i, &class)| Example { text: format!("{i}"), pair: None, label: Label::Class(class) };
        classes.iter().enumerate().map(example).collect()
    }

    fn count(examples: &[Example], class: u32) -> usize {
        examples.iter().filter(|example| example.label == Label::Class(class)).count()
    }

    #[test]
    fn the_split_is_stratified_and_seeded() {
        let all = examples(&[vec![0; 80], vec![1; 20]].concat());
        let (train, eval) = hold_out(all.clone(), 0.2, 7).unwrap();
        assert_eq!((count(&train, 0), count(&train, 1)), (64, 16));
        assert_eq!((count(&eval, 0), count(&eval, 1)), (16, 4));
        assert_eq!(hold_out(all.clone(), 0.2, 7).unwrap().1, eval);
        assert_ne!(hold_out(all, 0.2, 8).unwrap().1, eval);
    }

    #[test]
    fn rounding_of_many_small_classes_adds_up() {
        let all: Vec<u32> = (0..50).flat_map(|class| [class; 2]).collect();
        let (train, eval) = hold_out(examples(&all), 0.1, 0).unwrap();
        assert_eq!((train.len(), eval.len()), (90, 10));
    }

    #[test]
    fn the_only_example_of_a_class_is_trained_on() {
        let (train, eval) = hold_out(examples(&[0, 0, 0, 0, 1]), 0.5, 0).unwrap();
        assert_eq!((count(&train, 1), count(&eval, 1)), (1, 0));
        assert!(hold_out(examples(&[0]), 0.5, 0).is_err());
        assert!(hold_out(examples(&[0, 1]), f64::NAN, 0).is_err());
    }
}
