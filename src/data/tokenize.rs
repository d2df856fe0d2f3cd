//! Texts become token ids, by a model folder's own `tokenizer.json`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tokenizers::decoders::DecoderWrapper;
use tokenizers::{EncodeInput, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy};

use super::cache::TokenCache;
use super::{Example, Target};
use crate::Usage;
use crate::panics::catch;
use crate::protocol::Progress;

/// Examples tokenized between two reports of progress.
const CHUNK: usize = 2048;

/// The largest `tokenizer.json` read, in bytes. Those of models with 256,000 tokens have some 35 MB.
const LARGEST: u64 = 256 << 20;

/// The tokenizer of a model.
pub struct TextTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    max_length: usize,
    /// SHA-256 of the file.
    digest: [u8; 32],
}

/// A token as it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its text, with the space before it where there is one: ` good`, `##ness`.
    pub text: String,
    /// Whether it comes of the model's format and not of the text: `[CLS]`, `</s>`.
    pub special: bool,
}

/// A tokenized example, special tokens included and nothing padded.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Token ids, from 1 to `max_length` of them.
    pub ids: Vec<u32>,
    /// For each token the sequence it belongs to, as the model was taught: for BERT 1 in the second of a pair.
    pub type_ids: Vec<u8>,
    /// What the model should make of it.
    pub target: Target,
}

impl TextTokenizer {
    /// Opens `folder/tokenizer.json`. What it says of padding is put aside, and of truncation all but the side: a pair
    /// is cut token by token from the longer text until it has `max_length` tokens (`longest_first` in transformers).
    ///
    /// # Errors
    /// [`Usage`]: no such file, a malformed one, a `max_length` that special tokens alone fill.
    pub fn open(folder: &Path, max_length: usize) -> Result<TextTokenizer> {
        let (path, mut tokenizer, digest) = open_tokenizer(folder)?;
        let added = |pair| tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair));
        let special = added(false).max(added(true));
        if max_length <= special {
            bail!(Usage(format!(
                "max_length {max_length} leaves no room for text: special tokens take {special} in {}",
                path.display()
            )));
        }
        let truncation = TruncationParams {
            direction: tokenizer.get_truncation().map(|truncation| truncation.direction).unwrap_or_default(),
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        tokenizer.with_padding(None);
        guarded(&path, "cannot truncate", || tokenizer.with_truncation(Some(truncation)).map(|_| ()))?;
        Ok(TextTokenizer { path, tokenizer, max_length, digest })
    }

    /// Token ids there are, added ones included: a model's embedding has at least as many rows.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Tokenizes examples on all cores; `name` ("train") is for the progress. With a folder for a `cache`, what was
    /// tokenized before by the same tokenizer to the same length is read from there.
    ///
    /// # Errors
    /// A text that the tokenizer fails on. A cache that cannot be read or written costs time and is no error.
    pub fn encode(
        &self,
        name: &str,
        examples: &[Example],
        cache: Option<&Path>,
        progress: &dyn Fn(Progress),
    ) -> Result<Vec<Encoded>> {
        let cache = cache.map(|folder| TokenCache::new(folder, &self.digest, self.max_length, examples));
        if let Some(encoded) = cache.as_ref().and_then(TokenCache::read) {
            return Ok(encoded);
        }
        let total = examples.len() as u64;
        let report = |done: usize| {
            progress(Progress {
                task: format!("tokenizing {name}"),
                done: done as u64,
                total,
                unit: "examples".into(),
            });
        };
        report(0);
        let mut encoded = Vec::with_capacity(examples.len());
        for chunk in examples.chunks(CHUNK) {
            encoded.extend(guarded(&self.path, "cannot tokenize", || {
                chunk.par_iter().map(|example| self.encode_one(example)).collect::<tokenizers::Result<Vec<_>>>()
            })?);
            report(encoded.len());
        }
        if let Some(cache) = cache {
            cache.write(&encoded);
        }
        Ok(encoded)
    }

    /// The tokens of an example as they can be shown, in the order of [`Encoded::ids`].
    ///
    /// # Errors
    /// A text that the tokenizer fails on.
    pub fn tokens(&self, example: &Example) -> Result<Vec<Token>> {
        guarded(&self.path, "cannot tokenize", || {
            let encoding = self.tokenizer.encode_fast(input(example), true)?;
            let tokens = encoding.get_ids().iter().zip(encoding.get_special_tokens_mask());
            Ok(tokens.map(|(&id, &special)| Token { text: self.shown(id), special: special == 1 }).collect())
        })
    }

    /// A token's text with its space.
    pub fn shown(&self, id: u32) -> String {
        shown(&self.tokenizer, id)
    }

    fn encode_one(&self, example: &Example) -> tokenizers::Result<Encoded> {
        let encoding = self.tokenizer.encode_fast(input(example), true)?;
        if encoding.get_ids().is_empty() {
            return Err(format!("no token in {:?}", example.text.chars().take(60).collect::<String>()).into());
        }
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().iter().map(|&id| id as u8).collect(),
            target: example.target,
        })
    }
}

/// Reads `folder/tokenizer.json`: its path, what it says, and its SHA-256.
///
/// # Errors
/// [`Usage`]: no such file, a malformed one.
pub(super) fn open_tokenizer(folder: &Path) -> Result<(PathBuf, Tokenizer, [u8; 32])> {
    let path = folder.join("tokenizer.json");
    let Ok(metadata) = path.metadata() else {
        bail!(Usage(format!(
            "{}: no such file; a model's folder needs the tokenizer.json of its fast tokenizer",
            path.display()
        )));
    };
    if metadata.len() > LARGEST {
        bail!(Usage(format!("{}: larger than {} MiB", path.display(), LARGEST >> 20)));
    }
    let bytes = std::fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
    let tokenizer = guarded(&path, "malformed", || Tokenizer::from_bytes(&bytes))?;
    Ok((path, tokenizer, Sha256::digest(&bytes).into()))
}

/// A token's text with its space. Byte-level vocabularies write a space as `Ġ` and other bytes as letters, which only the
/// decoder can read; the others say it plainly.
pub(super) fn shown(tokenizer: &Tokenizer, id: u32) -> String {
    let token = tokenizer.id_to_token(id).unwrap_or_default();
    if token.contains('▁') {
        token.replace('▁', " ")
    } else if matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
        tokenizer.decode(&[id], false).unwrap_or(token)
    } else if token.starts_with("##") {
        token
    } else {
        format!(" {token}")
    }
}

fn input(example: &Example) -> EncodeInput<'_> {
    match &example.pair {
        Some(pair) => EncodeInput::Dual(example.text.as_str().into(), pair.as_str().into()),
        None => EncodeInput::Single(example.text.as_str().into()),
    }
}

/// The crate panics on some malformed files and on texts they make it fail on; here that is an error like any other.
pub(super) fn guarded<T>(path: &Path, failure: &str, work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match catch(work) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => bail!(Usage(format!("{}: {failure}: {error}", path.display()))),
        Err(_) => bail!(Usage(format!("{}: {failure}: the tokenizer contradicts itself", path.display()))),
    }
}
