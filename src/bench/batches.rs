//! Ready batches: random tokens, or those of a safetensors file.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};

use crate::Usage;
use crate::data::{Batch, BatchLabels};
use crate::model::ModelConfig;

/// Number of random batches; steps use them in turn.
const RANDOM: usize = 8;

/// The largest file read, in bytes: a file of batches has a few MB.
const LARGEST: u64 = 1 << 30;

/// Batches of random tokens without padding: two classes for an encoder, all tokens in the loss for a decoder.
pub fn random(config: &ModelConfig, rows: usize, length: usize, seed: u64) -> Vec<Batch> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let batch = |_| {
        let ids: Vec<i64> = (0..rows * length).map(|_| random.random_range(1..config.vocab_size().max(2))).collect();
        let targets = match config {
            ModelConfig::Encoder(_) => BatchLabels::Classes((0..rows).map(|_| random.random_range(0..2)).collect()),
            ModelConfig::Decoder(_) => next_tokens(&ids, length, |_| true),
        };
        full(rows, length, ids, targets)
    };
    (0..RANDOM).map(batch).collect()
}

/// The batches of a file: int64 `PREFIX.input_ids` `[n, rows, length]` and, optionally, `.attention_mask`, `.token_type_ids` and
/// `.labels` (`[n, rows]` for an encoder; `[n, rows, length]` for a decoder, -100 outside the loss mask).
///
/// # Errors
/// [`Usage`], naming file and tensor.
pub fn of_file(path: &Path, prefix: Option<&str>, config: &ModelConfig) -> Result<Vec<Batch>> {
    let place = path.display();
    match path.metadata() {
        Err(_) => bail!(Usage(format!("{place}: no such file"))),
        Ok(metadata) if metadata.len() > LARGEST => {
            bail!(Usage(format!("{place}: larger than {} MiB; expected a file with a few batches", LARGEST >> 20)))
        }
        Ok(_) => {}
    }
    let bytes = std::fs::read(path).with_context(|| format!("{place}: cannot read"))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| Usage(format!("{place}: {error}")))?;
    let mut prefixes: Vec<&str> = file.names().iter().filter_map(|name| name.strip_suffix(".input_ids")).collect();
    prefixes.sort_unstable();
    let prefix = match (prefix, &prefixes[..]) {
        (Some(prefix), _) => prefix,
        (None, [only]) => only,
        (None, all) => {
            let which = if all.is_empty() { "none".into() } else { all.join(", ") };
            bail!(Usage(format!("{place}: give --prefix; tensors with input_ids: {which}")))
        }
    };
    let read =
        |what: &str| numbers(&file, &format!("{prefix}.{what}")).map_err(|error| Usage(format!("{place}: {error}")));
    let Some((shape, ids)) = read("input_ids")? else {
        bail!(Usage(format!("{place}: no tensor {prefix}.input_ids; tensors with input_ids: {}", prefixes.join(", "))));
    };
    let [count, rows, length] = shape[..] else {
        bail!(Usage(format!("{place}: {prefix}.input_ids has shape {shape:?}, expected [batches, rows, length]")));
    };
    if ids.is_empty() || length as i64 > config.max_tokens() {
        bail!(Usage(format!(
            "{place}: {prefix}.input_ids has rows of {length} tokens; the model takes 1 to {}",
            config.max_tokens()
        )));
    }
    if let Some(id) = ids.iter().find(|id| !(0..config.vocab_size()).contains(*id)) {
        bail!(Usage(format!(
            "{place}: {prefix}.input_ids contains token {id}; the vocabulary has {} tokens",
            config.vocab_size()
        )));
    }
    let like = |what: &str, expected: &[usize]| match read(what)? {
        Some((shape, _)) if shape != expected => {
            Err(Usage(format!("{place}: {prefix}.{what} has shape {shape:?}, expected {expected:?}")))
        }
        found => Ok(found.map(|(_, numbers)| numbers)),
    };
    let mask = like("attention_mask", &shape)?;
    let types = like("token_type_ids", &shape)?;
    let labels = match config {
        ModelConfig::Encoder(_) => like("labels", &[count, rows])?,
        ModelConfig::Decoder(_) => like("labels", &shape)?,
    };
    if matches!(config, ModelConfig::Encoder(_))
        && labels.as_ref().is_none_or(|labels| labels.iter().any(|label| *label < 0))
    {
        bail!(Usage(format!("{place}: {prefix}.labels must have the class index of each row, from 0")));
    }
    let size = rows * length;
    Ok((0..count)
        .map(|number| {
            let part = |numbers: &[i64]| numbers[number * size..(number + 1) * size].to_vec();
            let ids = part(&ids);
            let targets = match (config, &labels) {
                (ModelConfig::Encoder(_), Some(labels)) => {
                    BatchLabels::Classes(labels[number * rows..(number + 1) * rows].to_vec())
                }
                (_, labels) => {
                    let mask = labels.as_deref().map(part);
                    next_tokens(&ids, length, |position| mask.as_ref().is_none_or(|mask| mask[position] >= 0))
                }
            };
            let mut batch = full(rows, length, ids, targets);
            if let Some(mask) = mask.as_deref().map(part) {
                batch.tokens = mask.iter().filter(|seen| **seen != 0).count() as u64;
                batch.sequence_ids = mask;
            }
            if let Some(types) = types.as_deref().map(part) {
                batch.token_type_ids = types;
            }
            batch
        })
        .collect())
}

/// A batch without padding.
fn full(rows: usize, length: usize, input_ids: Vec<i64>, labels: BatchLabels) -> Batch {
    let size = rows * length;
    Batch {
        rows,
        length,
        input_ids,
        sequence_ids: vec![1; size],
        token_type_ids: vec![0; size],
        position_ids: None,
        labels,
        tokens: size as u64,
    }
}

/// Next-token labels: each token but the first of a row, where `in_loss` holds.
fn next_tokens(ids: &[i64], length: usize, in_loss: impl Fn(usize) -> bool) -> BatchLabels {
    let follows = |position: &usize| !position.is_multiple_of(length) && in_loss(*position);
    let (positions, labels) =
        (0..ids.len()).filter(follows).map(|position| (position as i64 - 1, ids[position])).unzip();
    BatchLabels::Tokens { positions, labels }
}

/// A tensor of another dtype than int64.
#[derive(Debug)]
struct BadTensor {
    name: String,
    dtype: Dtype,
}

impl fmt::Display for BadTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tensor {} has dtype {:?}, expected I64", self.name, self.dtype)
    }
}

/// Shape and values of a tensor.
type Numbers = (Vec<usize>, Vec<i64>);

/// An int64 tensor, if the file has it.
fn numbers(file: &SafeTensors, name: &str) -> Result<Option<Numbers>, BadTensor> {
    let Ok(tensor) = file.tensor(name) else { return Ok(None) };
    if tensor.dtype() != Dtype::I64 {
        return Err(BadTensor { name: name.to_owned(), dtype: tensor.dtype() });
    }
    let bytes = tensor.data().as_chunks::<8>().0;
    Ok(Some((tensor.shape().to_vec(), bytes.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())))
}
