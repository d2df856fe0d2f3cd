//! A checksum of the tokenized examples, by which a resumed run knows that its data is the same.

use sha2::{Digest, Sha256};

use super::{Encoded, Label, Sequence, Tokenized};

/// SHA-256 of the examples' tokens, labels and loss masks in their order, in hexadecimal.
pub fn digest<'a>(splits: impl IntoIterator<Item = &'a Tokenized>) -> String {
    let mut digest = Sha256::new();
    for split in splits {
        match split {
            Tokenized::Labelled(examples) => examples.iter().for_each(|example| labelled(&mut digest, example)),
            Tokenized::LanguageModel(sequences) => {
                sequences.iter().for_each(|sequence| language_model(&mut digest, sequence));
            }
        }
    }
    format!("{:x}", digest.finalize())
}

fn labelled(digest: &mut Sha256, example: &Encoded) {
    ids(digest, &example.ids);
    digest.update(&example.type_ids);
    match example.label {
        Label::Class(class) => {
            digest.update([0]);
            digest.update(class.to_le_bytes());
        }
        Label::Score(score) => {
            digest.update([1]);
            digest.update(score.to_le_bytes());
        }
    }
}

fn language_model(digest: &mut Sha256, sequence: &Sequence) {
    ids(digest, &sequence.ids);
    digest.update(sequence.loss_mask.iter().map(|&in_loss| u8::from(in_loss)).collect::<Vec<u8>>());
    digest.update((sequence.starts.len() as u64).to_le_bytes());
    sequence.starts.iter().for_each(|&start| digest.update((start as u64).to_le_bytes()));
}

/// Hashes the count first, so that different lists of lists never hash the same bytes.
fn ids(digest: &mut Sha256, ids: &[u32]) {
    digest.update((ids.len() as u64).to_le_bytes());
    ids.iter().for_each(|id| digest.update(id.to_le_bytes()));
}
