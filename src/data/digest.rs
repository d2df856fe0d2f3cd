//! What tells one set of examples from another.

use sha2::{Digest, Sha256};

use super::{Encoded, Sequence, Target, Tokenized};

/// SHA-256 of examples' tokens and targets in their order, in hexadecimal digits.
pub fn digest<'a>(splits: impl IntoIterator<Item = &'a Tokenized>) -> String {
    let mut digest = Sha256::new();
    for split in splits {
        match split {
            Tokenized::Labelled(examples) => examples.iter().for_each(|example| labelled(&mut digest, example)),
            Tokenized::Written(sequences) => sequences.iter().for_each(|sequence| written(&mut digest, sequence)),
        }
    }
    format!("{:x}", digest.finalize())
}

fn labelled(digest: &mut Sha256, example: &Encoded) {
    ids(digest, &example.ids);
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

fn written(digest: &mut Sha256, sequence: &Sequence) {
    ids(digest, &sequence.ids);
    digest.update(sequence.learnt.iter().map(|&learnt| u8::from(learnt)).collect::<Vec<u8>>());
    digest.update((sequence.starts.len() as u64).to_le_bytes());
    sequence.starts.iter().for_each(|&start| digest.update((start as u64).to_le_bytes()));
}

/// With their number first, so that no two lists of lists look alike.
fn ids(digest: &mut Sha256, ids: &[u32]) {
    digest.update((ids.len() as u64).to_le_bytes());
    ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
}
