//! The base model with a run's changes applied, as a folder that Hugging Face software loads. It has the same files as the
//! base model, and each tensor keeps its file and type.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::Dtype;
use safetensors::tensor::{View, serialize_to_file};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::companions::copy_companions;
use super::{CancelToken, ExportControl, Unfinished};
use crate::Usage;
use crate::delta::{Changes, DeltaInfo};
use crate::model::{self, FileTensor, LoraConfig, ModelConfig, ModelFiles};
use crate::model_folder::INDEX;
use crate::protocol::{Progress, TrainingMethod};

/// Writes the merged model into a new folder.
///
/// # Errors
/// [`Usage`]: the folder exists, or the base model is another one; [`Cancelled`](super::Cancelled); the disk cannot be
/// written.
pub fn merged(changes: &Changes, base: &Path, out: &Path, control: ExportControl) -> Result<()> {
    changes.info.check_base(base)?;
    let files = ModelFiles::open(base, changes.info.head())?;
    check(changes, &files)?;
    control.cancel.begin()?;
    let unfinished = Unfinished::at(out)?;
    let folder = &unfinished.path;
    let failed = || format!("{}: cannot write", out.display());
    fs::create_dir(folder).with_context(failed)?;
    let names = files.names();
    let (mut weight_map, mut bytes) = (BTreeMap::new(), 0);
    for (number, name) in names.iter().enumerate() {
        let report = |done: usize| Progress {
            task: "writing the model".into(),
            done: done as u64,
            total: names.len() as u64,
            unit: "files".into(),
        };
        (control.on_progress)(report(number));
        let tensors = tensors(changes, &files, number, control.cancel);
        for (name_of_tensor, tensor) in &tensors {
            weight_map.insert(name_of_tensor.clone(), name.clone());
            bytes += tensor.data_len();
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        serialize_to_file(tensors, Some(metadata), &folder.join(name)).with_context(failed)?;
        control.cancel.check()?;
        sync(&folder.join(name)).with_context(failed)?;
        (control.on_progress)(report(number + 1));
    }
    let write = |name: &str, content: String| -> Result<()> {
        fs::write(folder.join(name), content).with_context(failed)?;
        sync(&folder.join(name)).with_context(failed)
    };
    if base.join(INDEX).is_file() {
        let index = json!({ "metadata": { "total_size": bytes }, "weight_map": weight_map });
        write(INDEX, serde_json::to_string_pretty(&index)? + "\n")?;
    }
    write("config.json", config(&changes.info, &files.config, base)?)?;
    write("README.md", card(changes, &files.config))?;
    copy_companions(base, folder)?;
    control.cancel.check()?;
    unfinished.finish()
}

/// The bytes of a tensor converted to a type.
pub(super) fn bytes_of(tensor: &Tensor, kind: Kind) -> Vec<u8> {
    let tensor = tensor.to_device(Device::Cpu).to_kind(kind).contiguous();
    let mut bytes = vec![0; tensor.numel() * kind.elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

/// Syncs a file to disk.
pub(super) fn sync(path: &Path) -> Result<()> {
    Ok(File::open(path)?.sync_all()?)
}

/// Checks that the model has all changed parameters.
fn check(changes: &Changes, files: &ModelFiles) -> Result<()> {
    let shapes = changes.sparse.iter().map(|sparse| (&sparse.name, sparse.shape.clone()));
    let dense = changes.dense.iter().filter(|dense| !LoraConfig::is_adapter(&dense.name));
    for (name, shape) in shapes.chain(dense.map(|dense| (&dense.name, dense.values.size()))) {
        let spec = files.layout.parameters.iter().find(|spec| spec.name == *name);
        match spec {
            None => bail!(Usage(format!("{name}: the model has no such parameter"))),
            Some(spec) if spec.shape != shape => {
                bail!(Usage(format!("{name}: has shape {shape:?}, but {:?} in the model", spec.shape)))
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The tensors of one file. Tensors that are in no file of the base model go into the last one.
fn tensors<'a>(
    changes: &'a Changes,
    files: &'a ModelFiles,
    file: usize,
    stop: &'a CancelToken,
) -> Vec<(String, Written<'a>)> {
    let last = files.names().len() - 1;
    let mut tensors = Vec::new();
    for (number, spec) in files.layout.parameters.iter().enumerate() {
        let stored = files.tensor(number);
        if stored.as_ref().map_or(last, |stored| stored.file) != file {
            continue;
        }
        let content = if let Some(adapter) = adapter(changes, &spec.name) {
            Content::Adapted(adapter)
        } else if let Some(dense) = changes.dense.iter().find(|dense| dense.name == spec.name) {
            Content::Dense(&dense.values)
        } else if let Some(sparse) = changes.sparse.iter().find(|sparse| sparse.name == spec.name) {
            Content::Sparse(&sparse.indices, &sparse.values)
        } else {
            Content::Unchanged
        };
        let shape = spec.shape.iter().map(|&size| size as usize).collect();
        tensors.push((spec.name.clone(), Written { shape, stored, content, stop }));
    }
    tensors
}

/// A tensor to be written. Its bytes are computed one tensor at a time.
struct Written<'a> {
    shape: Vec<usize>,
    stored: Option<FileTensor<'a>>,
    content: Content<'a>,
    stop: &'a CancelToken,
}

enum Content<'a> {
    Unchanged,
    Sparse(&'a Tensor, &'a Tensor),
    Dense(&'a Tensor),
    Adapted(Adapted<'a>),
}

/// An adapter to merge into its layer's weight.
struct Adapted<'a> {
    config: &'a LoraConfig,
    a: &'a Tensor,
    b: &'a Tensor,
    /// The weight that it adapts, where that is not the stored one.
    weight: Option<&'a Tensor>,
}

/// The adapter of a linear layer by the name of its weight, if it has one.
fn adapter<'a>(changes: &'a Changes, name: &str) -> Option<Adapted<'a>> {
    let config = changes.adapters.as_ref()?;
    let module = name.strip_suffix(".weight").filter(|module| config.modules.contains(*module))?;
    let values = |name: &str| changes.dense.iter().find(|dense| dense.name == name).map(|dense| &dense.values);
    let [a, b] = LoraConfig::names(module);
    Some(Adapted { config, a: values(&a)?, b: values(&b)?, weight: values(name) })
}

impl Written<'_> {
    fn kind(&self) -> Kind {
        model::kind(self.dtype()).unwrap_or(Kind::Float)
    }
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        self.stored.as_ref().map_or(Dtype::F32, |stored| stored.dtype)
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        // A cancelled file is removed anyway.
        if self.stop.check().is_err() {
            return Cow::Borrowed(&[]);
        }
        let stored = self.stored.as_ref().map_or(&[][..], |stored| stored.bytes);
        match &self.content {
            Content::Unchanged => Cow::Borrowed(stored),
            Content::Dense(values) => Cow::Owned(bytes_of(values, self.kind())),
            Content::Adapted(Adapted { config, a, b, weight }) => {
                let shape: Vec<i64> = self.shape.iter().map(|&size| size as i64).collect();
                let base = || Tensor::from_data_size(stored, &shape, self.kind());
                let base = weight.map_or_else(base, Tensor::shallow_clone);
                // Rounded once, to the type of the file.
                Cow::Owned(bytes_of(&config.merged(&base, a, b), self.kind()))
            }
            Content::Sparse(indices, values) => {
                let (mut bytes, size) = (stored.to_vec(), self.kind().elt_size_in_bytes());
                let values = bytes_of(values, self.kind());
                let places = Vec::<i64>::try_from(*indices).unwrap_or_default();
                for (place, value) in places.into_iter().zip(values.chunks_exact(size)) {
                    bytes[place as usize * size..][..size].copy_from_slice(value);
                }
                Cow::Owned(bytes)
            }
        }
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.kind().elt_size_in_bytes()
    }
}

/// The config.json of the base model with the labels of the classifier. That of a language model is unchanged.
fn config(facts: &DeltaInfo, model: &ModelConfig, base: &Path) -> Result<String> {
    let text = fs::read_to_string(base.join("config.json"))?;
    if let ModelConfig::Decoder(_) = model {
        return Ok(text);
    }
    let mut config: Map<String, Value> = serde_json::from_str(&text)?;
    let architecture = match config.get("model_type").and_then(Value::as_str) {
        Some("roberta") => "RobertaForSequenceClassification",
        Some("xlm-roberta") => "XLMRobertaForSequenceClassification",
        Some("camembert") => "CamembertForSequenceClassification",
        _ => "BertForSequenceClassification",
    };
    config.insert("architectures".into(), json!([architecture]));
    let names: Vec<&str> = match facts.labels.as_slice() {
        [] => vec!["score"],
        labels => labels.iter().map(String::as_str).collect(),
    };
    let problem = if facts.labels.is_empty() { "regression" } else { "single_label_classification" };
    config.insert("problem_type".into(), json!(problem));
    config.insert("num_labels".into(), json!(names.len()));
    let numbered = || names.iter().enumerate();
    let id2label: Map<String, Value> = numbered().map(|(id, name)| (id.to_string(), json!(name))).collect();
    let label2id: Map<String, Value> = numbered().map(|(id, name)| (name.to_string(), json!(id))).collect();
    config.insert("id2label".into(), Value::Object(id2label));
    config.insert("label2id".into(), Value::Object(label2id));
    Ok(serde_json::to_string_pretty(&config)? + "\n")
}

/// The model card.
fn card(changes: &Changes, model: &ModelConfig) -> String {
    let DeltaInfo { run, preset, step, eval, labels, base, version, .. } = &changes.info;
    let selected: usize = changes.sparse.iter().map(|sparse| sparse.values.numel()).sum();
    let of: i64 = changes.sparse.iter().map(|sparse| sparse.shape.iter().product::<i64>()).sum();
    let dense: usize = changes.dense.iter().map(|dense| dense.values.numel()).sum();
    let (title, trained) = match (changes.method, &changes.adapters) {
        (TrainingMethod::Full, _) => ("Fine-tuned in full", format!("all {dense} parameters")),
        (TrainingMethod::Head, _) => ("Fine-tuned by its head", format!("{dense} dense parameters")),
        (TrainingMethod::Lora, Some(adapters)) => (
            "Fine-tuned with LoRA (arXiv 2106.09685), merged,",
            format!(
                "{dense} parameters: adapters of {} linear layers (r {}, alpha {}), and dense ones",
                adapters.modules.len(),
                adapters.r,
                adapters.alpha
            ),
        ),
        _ => (
            "Fine-tuned with sparse increments (SIFT, arXiv 2312.11875)",
            format!(
                "{selected} of {of} components of {} sparse parameters, and {dense} dense parameters",
                changes.sparse.len()
            ),
        ),
    };
    let scores = eval.as_ref().map_or(String::new(), |eval| {
        let scores: Vec<String> = eval.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        format!("- eval: {}, loss {:.4}\n", scores.join(", "), eval.loss)
    });
    let (pipeline, predicts) = match (model, labels.as_slice()) {
        (ModelConfig::Decoder(_), _) => ("text-generation", String::new()),
        (ModelConfig::Encoder(_), []) => ("text-classification", "- predicts: a number\n".to_owned()),
        (ModelConfig::Encoder(_), labels) => ("text-classification", format!("- predicts: {}\n", labels.join(", "))),
    };
    format!(
        "---\nlibrary_name: transformers\npipeline_tag: {pipeline}\ntags:\n- finesift\n- {}\n---\n\n# {run}\n\n\
         {title} by finesift {version}.\n\n\
         - base model: {}\n{predicts}- step: {step}\n{scores}\
         - trained: {trained}\n\n\
         ```toml\n{}\n```\n",
        changes.method.name(),
        base.location(),
        preset.trim()
    )
}
