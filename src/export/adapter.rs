//! An adapter folder as PEFT writes and reads it: adapter_config.json and adapter_model.safetensors.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

use super::merged::{bytes_of, sync};
use super::{ExportControl, Unfinished};
use crate::delta::{DeltaInfo, DenseChange};
use crate::model::ModelConfig;

/// An adapter to write.
#[derive(Default)]
pub(super) struct Adapter {
    tensors: Vec<AdapterTensor>,
    /// PEFT's `modules_to_save`: modules that are replaced as a whole.
    saved: BTreeSet<String>,
}

struct AdapterTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Adapter {
    /// Adds a tensor by its name within the model, as fp32 or int32.
    pub fn add(&mut self, name: &str, values: &Tensor, kind: Kind) {
        self.tensors.push(AdapterTensor {
            name: format!("base_model.model.{name}"),
            dtype: if kind == Kind::Int { Dtype::I32 } else { Dtype::F32 },
            shape: values.size().iter().map(|&size| size as usize).collect(),
            bytes: bytes_of(values, kind),
        });
    }

    /// Adds a parameter that is replaced as a whole. Its module becomes one of `modules_to_save`.
    pub fn save(&mut self, dense: &DenseChange) {
        let module = dense.name.rsplit_once('.').map_or(dense.name.as_str(), |(module, _)| module);
        self.saved.insert(module.to_owned());
        self.add(&dense.name, &dense.values, Kind::Float);
    }

    /// The entries of adapter_config.json that all kinds of adapters have.
    pub fn config(&self, info: &DeltaInfo, model: &ModelConfig) -> Map<String, Value> {
        // With a task type, PEFT also saves `classifier` as a whole, which fails if that is two layers.
        let task = match model {
            ModelConfig::Decoder(_) => json!("CAUSAL_LM"),
            ModelConfig::Encoder(_) if self.saved.contains("classifier") => json!("SEQ_CLS"),
            ModelConfig::Encoder(_) => json!(null),
        };
        let entries = [
            ("task_type", task),
            ("base_model_name_or_path", json!(info.base.name())),
            ("revision", json!(info.base.commit)),
            ("inference_mode", json!(true)),
            ("fan_in_fan_out", json!(false)),
            ("modules_to_save", if self.saved.is_empty() { json!(null) } else { json!(self.saved) }),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Writes a new folder.
    ///
    /// # Errors
    /// [`Usage`](crate::Usage) if it exists; [`Cancelled`](super::Cancelled); the disk cannot be written.
    pub fn write(&self, config: &Map<String, Value>, out: &Path, control: ExportControl) -> Result<()> {
        control.cancel.begin()?;
        let unfinished = Unfinished::at(out)?;
        let failed = || format!("{}: cannot write", out.display());
        fs::create_dir(&unfinished.path).with_context(failed)?;
        let views = self.tensors.iter().map(|tensor| {
            Ok((tensor.name.as_str(), TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)?))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        let (weights, settings) =
            (unfinished.path.join("adapter_model.safetensors"), unfinished.path.join("adapter_config.json"));
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        serialize_to_file(views, Some(metadata), &weights).with_context(failed)?;
        fs::write(&settings, serde_json::to_string_pretty(&config)? + "\n").with_context(failed)?;
        sync(&weights).and_then(|()| sync(&settings)).with_context(failed)?;
        control.cancel.check()?;
        unfinished.finish()
    }
}
