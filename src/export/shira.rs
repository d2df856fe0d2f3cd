//! Changes as a SHiRA adapter, which PEFT loads without further code: for each module the differences from the base model,
//! padded to the size that a common rank requires.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::adapter::Adapter;
use super::{ChangedBiases, ExportControl};
use crate::Usage;
use crate::delta::{Changes, SparseChange};
use crate::model::{self, ModelFiles};
use crate::protocol::TrainingMethod;

/// Writes the adapter into a new folder. An adapter cannot hold biases: `without_biases` leaves changed ones out.
///
/// # Errors
/// [`ChangedBiases`]; [`Usage`]: changed embeddings, another base model, the folder exists; [`Cancelled`](super::Cancelled).
pub fn shira(changes: &Changes, base: &Path, without_biases: bool, out: &Path, control: ExportControl) -> Result<()> {
    let instead = match changes.method {
        TrainingMethod::Sift => None,
        TrainingMethod::Full => {
            Some("full fine-tuning changes every component, and a SHiRA adapter holds few; use --to merged")
        }
        TrainingMethod::Head => {
            Some("only the head was trained, so a SHiRA adapter would be empty; use --to merged or --to delta")
        }
        TrainingMethod::Lora => Some("a LoRA run has an adapter of its own; use --to lora"),
    };
    if let Some(instead) = instead {
        bail!(Usage(format!("{}: {instead}", changes.info.run)));
    }
    changes.info.check_base(base)?;
    let files = ModelFiles::open(base, changes.info.head())?;
    // A budget over all targets leaves some of them unchanged.
    let changed = changes.sparse.iter().filter(|sparse| sparse.indices.numel() > 0);
    let (weights, others): (Vec<&SparseChange>, Vec<&SparseChange>) =
        changed.partition(|sparse| sparse.name.ends_with(".weight") && sparse.shape.len() == 2);
    if !others.is_empty() && !without_biases {
        bail!(ChangedBiases { count: others.len(), first: others[0].name.clone() });
    }
    // Embeddings are the first segment.
    let embedding = |name: &str| files.layout.parameters.iter().any(|spec| spec.name == name && spec.segment == 0);
    if let Some(table) = weights.iter().find(|sparse| embedding(&sparse.name)) {
        bail!(Usage(format!(
            "{}: the run trained components of an embedding, which a SHiRA adapter cannot hold; \
             use --to merged or --to delta",
            table.name
        )));
    }
    if weights.is_empty() {
        bail!(Usage("the run changed no weight matrix sparsely, so an adapter would be empty".into()));
    }
    let sides = |sparse: &SparseChange| (sparse.shape[0], sparse.shape[1]);
    // One rank for all modules: each holds exactly rank · (in + out) entries.
    let rank = weights.iter().map(|sparse| {
        let (height, width) = sides(sparse);
        (sparse.indices.numel() as u64).div_ceil((height + width) as u64) as i64
    });
    let rank = rank.max().unwrap_or(1).max(1);
    let mut adapter = Adapter::default();
    for sparse in &weights {
        let (height, width) = sides(sparse);
        let entries = rank * (height + width);
        if entries > height * width {
            bail!(Usage(format!(
                "{}: rank {rank} requires more entries than it has components; use --to merged or --to delta",
                sparse.name
            )));
        }
        let (places, values) = padded(sparse, &differences(sparse, &files)?, entries);
        let rows = Tensor::stack(&[places.divide_scalar_mode(width, "floor"), places.remainder(width)], 0);
        let module = sparse.name.trim_end_matches(".weight");
        adapter.add(&format!("{module}.shira_indices"), &rows, Kind::Int);
        adapter.add(&format!("{module}.shira_weight"), &values, Kind::Float);
    }
    changes.dense.iter().for_each(|dense| adapter.save(dense));
    let modules: Vec<&str> = weights.iter().map(|sparse| sparse.name.trim_end_matches(".weight")).collect();
    let mut config = adapter.config(&changes.info, &files.config);
    let entries: [(&str, Value); 6] = [
        ("peft_type", json!("SHIRA")),
        ("r", json!(rank)),
        ("mask_type", json!("sift")),
        ("random_seed", json!(null)),
        ("target_modules", json!(modules)),
        ("init_weights", json!(true)),
    ];
    config.extend(entries.map(|(key, value)| (key.to_owned(), value)));
    adapter.write(&config, out, control)
}

/// Differences of the selected components from the base model: fp32 `[k]`.
fn differences(sparse: &SparseChange, files: &ModelFiles) -> Result<Tensor> {
    let number = files.layout.parameters.iter().position(|spec| spec.name == sparse.name);
    let stored = number.and_then(|number| files.tensor(number));
    let stored = stored.with_context(|| format!("{}: not in the base model", sparse.name))?;
    let kind = model::kind(stored.dtype).unwrap_or(Kind::Float);
    let base = Tensor::from_data_size(stored.bytes, &sparse.shape, kind).to_kind(Kind::Float);
    Ok(&sparse.values - base.flatten(0, -1).index_select(0, &sparse.indices))
}

/// Indices and values, padded with the first free indices and zeros: int64 and fp32 `[entries]`.
fn padded(sparse: &SparseChange, values: &Tensor, entries: i64) -> (Tensor, Tensor) {
    let taken = sparse.indices.numel() as i64;
    // At least `entries - taken` of the first `entries` indices are free.
    let inside = sparse.indices.masked_select(&sparse.indices.lt(entries));
    let free = Tensor::ones([entries], (Kind::Int64, Device::Cpu)).index_fill(0, &inside, 0);
    let free = free.nonzero().flatten(0, -1).narrow(0, 0, entries - taken);
    let places = Tensor::cat(&[&sparse.indices, &free], 0);
    let values = Tensor::cat(&[values, &free.zeros_like().to_kind(Kind::Float)], 0);
    let (places, order) = places.sort(0, false);
    (places, values.index_select(0, &order))
}
