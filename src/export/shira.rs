//! Changes as a SHiRA adapter, which PEFT loads without further code: for each module the differences from the base model,
//! padded to the size that a common rank requires.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::merged::{bytes_of, sync};
use super::{ChangedBiases, ExportControl, Unfinished};
use crate::Usage;
use crate::delta::{Changes, SparseChange};
use crate::model::{self, ModelConfig, ModelFiles};

/// Writes the adapter into a new folder. An adapter cannot hold biases: `without_biases` leaves changed ones out.
///
/// # Errors
/// [`ChangedBiases`]; [`Usage`]: changed embeddings, another base model, the folder exists; [`Cancelled`](super::Cancelled).
pub fn shira(changes: &Changes, base: &Path, without_biases: bool, out: &Path, control: ExportControl) -> Result<()> {
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
    let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
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
        let count = entries as usize;
        let name = |part: &str| format!("base_model.model.{module}.shira_{part}");
        tensors.push((name("indices"), Dtype::I32, vec![2, count], bytes_of(&rows, Kind::Int)));
        tensors.push((name("weight"), Dtype::F32, vec![count], bytes_of(&values, Kind::Float)));
    }
    let mut saved = BTreeSet::new();
    for full in &changes.dense {
        saved.insert(full.name.rsplit_once('.').map_or(full.name.as_str(), |(module, _)| module));
        let shape = full.values.size().iter().map(|&size| size as usize).collect();
        tensors.push((
            format!("base_model.model.{}", full.name),
            Dtype::F32,
            shape,
            bytes_of(&full.values, Kind::Float),
        ));
    }
    // With a task type, PEFT also saves `classifier` as a whole, which fails if that is two layers.
    let task = match files.config {
        ModelConfig::Decoder(_) => json!("CAUSAL_LM"),
        ModelConfig::Encoder(_) if saved.contains("classifier") => json!("SEQ_CLS"),
        ModelConfig::Encoder(_) => json!(null),
    };
    let modules: Vec<&str> = weights.iter().map(|sparse| sparse.name.trim_end_matches(".weight")).collect();
    let config = json!({
        "peft_type": "SHIRA", "task_type": task, "base_model_name_or_path": changes.info.base.name(),
        "revision": changes.info.base.commit,
        "inference_mode": true, "r": rank, "mask_type": "sift", "random_seed": null, "target_modules": modules,
        "fan_in_fan_out": false, "init_weights": true,
        "modules_to_save": if saved.is_empty() { json!(null) } else { json!(saved) },
    });

    control.cancel.begin()?;
    let unfinished = Unfinished::at(out)?;
    let failed = || format!("{}: cannot write", out.display());
    fs::create_dir(&unfinished.path).with_context(failed)?;
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    let (weights, settings) =
        (unfinished.path.join("adapter_model.safetensors"), unfinished.path.join("adapter_config.json"));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize_to_file(views, Some(metadata), &weights).with_context(failed)?;
    fs::write(&settings, serde_json::to_string_pretty(&config)? + "\n").with_context(failed)?;
    sync(&weights).and_then(|()| sync(&settings)).with_context(failed)?;
    control.cancel.check()?;
    unfinished.finish()
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
