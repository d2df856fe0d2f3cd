//! What tells one set of examples from another.

use sha2::{Digest, Sha256};

use super::{Encoded, Target};

/// SHA-256 of examples' tokens and targets in their order, in hexadecimal digits.
pub fn digest<'a>(examples: impl IntoIterator<Item = &'a Encoded>) -> String {
    let mut digest = Sha256::new();
    for example in examples {
        digest.update((example.ids.len() as u64).to_le_bytes());
        example.ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
        digest.update(&example.type_ids);
        match example.target {
            Target::Class(class) => {
                digest.update([0]);
                digest.update(class.to_le_bytes());
            }
            Target::Score(score) => {
                digest.update([1]);
                digest.update(score.to_le_bytes());
            }
        }
    }
    format!("{:x}", digest.finalize())
}
