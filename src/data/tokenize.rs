//! Texts become token ids, by the tokenizer of the model's folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tokenizers::decoders::DecoderWrapper;
use tokenizers::{EncodeInput, PostProcessor, Tokenizer, TruncationParams, TruncationStrategy};

use super::cache::TokenCache;
use super::guard::guarded;
use super::{Example, Label, vocabulary};
use crate::Usage;
use crate::model_folder::{TOKENIZER, expect_content};
use crate::protocol::Progress;

/// Examples per progress report.
const CHUNK: usize = 2048;

/// Limit on `tokenizer.json`, in bytes. Vocabularies of 256,000 tokens take some 35 MB.
const MAX_FILE: u64 = 256 << 20;

/// A model's tokenizer for labelled texts.
pub struct TextTokenizer {
    path: PathBuf,
    tokenizer: Tokenizer,
    max_length: usize,
    /// SHA-256 of the tokenizer's JSON.
    digest: [u8; 32],
    note: Option<String>,
}

/// A token as text, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// With the space before it, if it has one: ` good`, `##ness`.
    pub text: String,
    /// Whether it is a special token, such as `[CLS]` or `</s>`.
    pub special: bool,
}

/// A tokenized example with special tokens and without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Token ids, 1 to `max_length` of them.
    pub ids: Vec<u32>,
    /// Segment id of each token: 1 in the second text of a pair where the tokenizer tells them apart, as BERT's does.
    pub type_ids: Vec<u8>,
    pub label: Label,
}

impl TextTokenizer {
    /// Opens a folder's tokenizer. Its padding is disabled; its truncation keeps the side only: a pair loses tokens of
    /// its longer text until it has `max_length` tokens (`longest_first` in transformers).
    ///
    /// # Errors
    /// [`Usage`]: a missing or malformed file, a `max_length` that special tokens alone fill.
    pub fn open(folder: &Path, max_length: usize) -> Result<TextTokenizer> {
        let FoundTokenizer { path, mut tokenizer, digest, note } = open_tokenizer(folder)?;
        let added = |pair| tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(pair));
        let special = added(false).max(added(true));
        if max_length <= special {
            bail!(Usage(format!(
                "max_length {max_length} leaves no room for text: special tokens take {special} in {}; set a larger one",
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
        Ok(TextTokenizer { path, tokenizer, max_length, digest, note })
    }

    /// What was understood of the folder's files, if the tokenizer is made of vocabulary files.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Number of tokens, added ones included. The model's embedding has at least as many rows.
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Tokenizes examples on all cores; `name` ("train") is for the progress. Results are read from and stored in the folder
    /// `cache`, keyed by tokenizer, length and texts.
    ///
    /// # Errors
    /// A text that the tokenizer fails on. A cache that cannot be read or written is not an error.
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

    /// The tokens of an example as text, in the order of [`Encoded::ids`].
    ///
    /// # Errors
    /// A text that the tokenizer fails on.
    pub fn tokens(&self, example: &Example) -> Result<Vec<Token>> {
        guarded(&self.path, "cannot tokenize", || -> tokenizers::Result<_> {
            let encoding = self.tokenizer.encode_fast(input(example), true)?;
            let tokens = encoding.get_ids().iter().zip(encoding.get_special_tokens_mask());
            let token = |(&id, &special)| Token { text: self.token_text(id), special: special == 1 };
            Ok(tokens.map(token).collect())
        })
    }

    /// A token as text, with the space before it.
    pub fn token_text(&self, id: u32) -> String {
        token_text(&self.tokenizer, id)
    }

    fn encode_one(&self, example: &Example) -> tokenizers::Result<Encoded> {
        let encoding = self.tokenizer.encode_fast(input(example), true)?;
        if encoding.get_ids().is_empty() {
            return Err(format!("no tokens in {:?}", example.text.chars().take(60).collect::<String>()).into());
        }
        Ok(Encoded {
            ids: encoding.get_ids().to_vec(),
            type_ids: encoding.get_type_ids().iter().map(|&id| id as u8).collect(),
            label: example.label,
        })
    }
}

/// A tokenizer as it was found.
pub(super) struct FoundTokenizer {
    /// Its file.
    pub path: PathBuf,
    pub tokenizer: Tokenizer,
    /// SHA-256 of the tokenizer's JSON.
    pub digest: [u8; 32],
    /// What was understood, if it is made of vocabulary files.
    pub note: Option<String>,
}

/// Opens `folder/tokenizer.json`. Without one the tokenizer is made of the folder's vocabulary files.
///
/// # Errors
/// [`Usage`]: a missing or malformed file.
pub(super) fn open_tokenizer(folder: &Path) -> Result<FoundTokenizer> {
    let path = folder.join(TOKENIZER);
    if !path.is_file() {
        let built = vocabulary::build(folder)?;
        let json = serde_json::to_vec(&built.json)?;
        let tokenizer = guarded(folder, "malformed vocabulary", || Tokenizer::from_bytes(&json))?;
        let (path, note) = (folder.to_owned(), Some(format!("tokenizer: {}", built.note)));
        return Ok(FoundTokenizer { path, tokenizer, digest: Sha256::digest(&json).into(), note });
    }
    let size = path.metadata().with_context(|| format!("{}: cannot read", path.display()))?.len();
    if size > MAX_FILE {
        bail!(Usage(format!("{}: larger than {} MiB", path.display(), MAX_FILE >> 20)));
    }
    expect_content(&path)?;
    let bytes = std::fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
    let tokenizer = guarded(&path, "malformed", || Tokenizer::from_bytes(&bytes))?;
    Ok(FoundTokenizer { path, tokenizer, digest: Sha256::digest(&bytes).into(), note: None })
}

/// A token as text, with the space before it. Byte-level vocabularies map bytes to other characters, which only the decoder
/// maps back; SentencePiece's `▁` and WordPiece's `##` are read here.
pub(super) fn token_text(tokenizer: &Tokenizer, id: u32) -> String {
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
