//! Holds out a share of the training examples where there is no file for it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Example, Target};
use crate::Usage;

/// Splits into examples to train on and examples held out, both in the order they came. Each class gives its share.
pub(super) fn hold_out(examples: Vec<Example>, share: f64, seed: u64) -> Result<(Vec<Example>, Vec<Example>)> {
    // All scores are one class here.
    let class = |example: &Example| if let Target::Class(class) = example.target { class } else { 0 };
    let held_out = drawn(&examples.iter().map(class).collect::<Vec<_>>(), share, seed)?;
    let (mut train, mut eval) = (Vec::new(), Vec::new());
    for (example, held_out) in examples.into_iter().zip(held_out) {
        if held_out { eval.push(example) } else { train.push(example) }
    }
    Ok((train, eval))
}

/// Which examples are held out, by their classes: of each its share, rounded so that the shares add up, but one of each
/// is kept to train on.
pub(super) fn drawn(classes: &[u32], share: f64, seed: u64) -> Result<Vec<bool>> {
    if !(share > 0.0 && share < 1.0) {
        bail!(Usage(format!("the share held out is {share}; expected more than 0 and less than 1")));
    }
    let mut of_class: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, class) in classes.iter().enumerate() {
        of_class.entry(*class).or_default().push(index);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut held_out = vec![false; classes.len()];
    // What rounding takes from or gives to one class is carried to the next.
    let (mut due, mut given) = (0.0, 0);
    for indices in of_class.values_mut() {
        indices.shuffle(&mut random);
        due += share * indices.len() as f64;
        let count = ((due.round() as usize).saturating_sub(given)).min(indices.len() - 1);
        given += count;
        for &index in &indices[..count] {
            held_out[index] = true;
        }
    }
    if given == 0 {
        bail!(Usage(format!(
            "a share of {share} of {} examples leaves none to evaluate on; hold out more, or name a file",
            classes.len()
        )));
    }
    Ok(held_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(classes: &[u32]) -> Vec<Example> {
        let example = |(i, &class)| Example { text: format!("{i}"), pair: None, target: Target::Class(class) };
        classes.iter().enumerate().map(example).collect()
    }

    fn count(examples: &[Example], class: u32) -> usize {
        examples.iter().filter(|example| example.target == Target::Class(class)).count()
    }

    #[test]
    fn each_class_gives_its_share() {
        let all = examples(&[vec![0; 80], vec![1; 20]].concat());
        let (train, eval) = hold_out(all.clone(), 0.2, 7).unwrap();
        assert_eq!((count(&train, 0), count(&train, 1)), (64, 16));
        assert_eq!((count(&eval, 0), count(&eval, 1)), (16, 4));
        assert_eq!(hold_out(all.clone(), 0.2, 7).unwrap().1, eval);
        assert_ne!(hold_out(all, 0.2, 8).unwrap().1, eval);
    }

    #[test]
    fn many_small_classes_add_up() {
        let all: Vec<u32> = (0..50).flat_map(|class| [class; 2]).collect();
        let (train, eval) = hold_out(examples(&all), 0.1, 0).unwrap();
        assert_eq!((train.len(), eval.len()), (90, 10));
    }

    #[test]
    fn a_lone_example_is_trained_on() {
        let (train, eval) = hold_out(examples(&[0, 0, 0, 0, 1]), 0.5, 0).unwrap();
        assert_eq!((count(&train, 1), count(&eval, 1)), (1, 0));
        assert!(hold_out(examples(&[0]), 0.5, 0).is_err());
        assert!(hold_out(examples(&[0, 1]), f64::NAN, 0).is_err());
    }
}
