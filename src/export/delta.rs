//! Changes as one safetensors file: `NAME.indices` and `NAME.values` of each target, and whole parameters by name.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use memmap2::Mmap;
use safetensors::tensor::{TensorView, serialize_to_file};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::merged::{bytes_of, sync};
use super::size::narrow_indices;
use super::{ExportControl, Unfinished};
use crate::Usage;
use crate::delta::{Changes, DeltaInfo, DenseChange, SparseChange, check_ascending};
use crate::protocol::TrainingMethod;

/// Key of the header in the file's metadata.
const KEY: &str = "finesift_delta";

/// Increases when older versions can no longer read it.
const FORMAT: u32 = 1;

/// The header in the metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    #[serde(rename = "facts")]
    info: DeltaInfo,
    /// Name and shape of each target.
    targets: Vec<(String, Vec<i64>)>,
    /// SHA-256 of the header without this field, and of all names and bytes of tensors, by name.
    sha256: String,
}

impl Header {
    fn checksum<'a>(&self, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> serde_json::Result<String> {
        let mut digest = Sha256::new();
        digest.update(serde_json::to_vec(&(self.format, &self.info, &self.targets))?);
        for (name, bytes) in tensors {
            digest.update(name);
            digest.update(bytes);
        }
        Ok(format!("{:x}", digest.finalize()))
    }
}

impl Changes {
    /// Writes the changes to a new file.
    ///
    /// # Errors
    /// [`Usage`] if it exists, or the run is of a method whose changes are no delta; [`Cancelled`](super::Cancelled); the disk cannot be written.
    pub fn write(&self, out: &Path, control: ExportControl) -> Result<()> {
        let instead = match self.method {
            TrainingMethod::Sift | TrainingMethod::Head => None,
            TrainingMethod::Full => {
                Some("full fine-tuning changes every parameter, so a delta would be the whole model; use --to merged")
            }
            TrainingMethod::Lora => {
                Some("LoRA changes weights by adapters, which a delta cannot hold; use --to lora or --to merged")
            }
        };
        if let Some(instead) = instead {
            bail!(Usage(format!("{}: {instead}", self.info.run)));
        }
        control.cancel.begin()?;
        let unfinished = Unfinished::at(out)?;
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for SparseChange { name, shape, indices, values } in &self.sparse {
            let narrow = narrow_indices(shape);
            let (kind, dtype) = if narrow { (Kind::Int, Dtype::I32) } else { (Kind::Int64, Dtype::I64) };
            let count = vec![indices.numel()];
            tensors.push((format!("{name}.indices"), dtype, count.clone(), bytes_of(indices, kind)));
            tensors.push((format!("{name}.values"), Dtype::F32, count, bytes_of(values, Kind::Float)));
        }
        for DenseChange { name, values } in &self.dense {
            let shape = values.size().iter().map(|&size| size as usize).collect();
            tensors.push((name.clone(), Dtype::F32, shape, bytes_of(values, Kind::Float)));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let mut header = Header {
            format: FORMAT,
            info: self.info.clone(),
            targets: self.sparse.iter().map(|sparse| (sparse.name.clone(), sparse.shape.clone())).collect(),
            sha256: String::new(),
        };
        header.sha256 = header.checksum(tensors.iter().map(|(name, .., bytes)| (name.as_str(), bytes.as_slice())))?;
        let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(&header)?)]);
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)));
        let views = views.collect::<Result<Vec<_>>>()?;
        serialize_to_file(views, Some(metadata), &unfinished.path)
            .map_err(anyhow::Error::from)
            .and_then(|()| sync(&unfinished.path))
            .with_context(|| format!("{}: cannot write", out.display()))?;
        control.cancel.check()?;
        unfinished.finish()
    }

    /// Reads and checks a file of changes.
    ///
    /// # Errors
    /// [`Usage`]: no such file, another kind of file, a damaged one, invalid values.
    pub fn read(path: &Path) -> Result<Changes> {
        let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(wrong("no such file".into())),
            file => file.with_context(|| format!("{}: cannot read", path.display()))?,
        };
        // SAFETY: the map is read only. Truncating the file meanwhile kills the process, as in every program that maps
        // weights.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("{}: cannot read", path.display()))?;
        Ok(parse(&map).map_err(|error| wrong(error.to_string()))?)
    }
}

/// Why a file is not a delta.
enum DeltaError {
    NotADelta,
    Format(u32),
    /// With what is wrong.
    Damaged(String),
}

impl fmt::Display for DeltaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeltaError::NotADelta => f.write_str("a safetensors file, but not a delta that finesift wrote"),
            DeltaError::Format(format) => {
                write!(f, "has format {format}, but this version of finesift reads format {FORMAT}")
            }
            DeltaError::Damaged(what) => write!(f, "damaged or truncated ({what})"),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Changes, DeltaError> {
    let damaged = |error: &dyn fmt::Display| DeltaError::Damaged(error.to_string());
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let header = header.ok_or(DeltaError::NotADelta)?;
    let header: Header = serde_json::from_str(header).map_err(|error| damaged(&error))?;
    if header.format != FORMAT {
        return Err(DeltaError::Format(header.format));
    }
    let mut views = tensors.tensors();
    views.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let checksum = header.checksum(views.iter().map(|(name, view)| (name.as_str(), view.data())));
    if checksum.map_err(|error| damaged(&error))? != header.sha256 {
        return Err(damaged(&"its checksum does not match"));
    }
    let tensor = |name: &str| -> Result<Tensor, DeltaError> {
        let view = tensors.tensor(name).map_err(|error| damaged(&error))?;
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::I32 => Kind::Int,
            Dtype::I64 => Kind::Int64,
            other => return Err(damaged(&format!("tensor {name} has type {other:?}"))),
        };
        Ok(Tensor::from_data_size(view.data(), &shape, kind))
    };
    let mut sparse = Vec::with_capacity(header.targets.len());
    for (name, shape) in header.targets {
        let indices = tensor(&format!("{name}.indices"))?.to_kind(Kind::Int64);
        let values = tensor(&format!("{name}.values"))?;
        if indices.dim() != 1 || indices.size() != values.size() || values.kind() != Kind::Float {
            return Err(damaged(&format!("indices and values of {name} do not go together")));
        }
        let components = shape.iter().try_fold(1i64, |product, &size| product.checked_mul(size).filter(|_| size > 0));
        let components = components.ok_or_else(|| damaged(&format!("{name} has shape {shape:?}")))?;
        check_ascending(&indices, components).map_err(|error| damaged(&format!("{name}: {error}")))?;
        sparse.push(SparseChange { name, shape, indices, values });
    }
    let targets = |name: &str| {
        let target = name.strip_suffix(".indices").or_else(|| name.strip_suffix(".values"));
        target.is_some_and(|target| sparse.iter().any(|sparse| sparse.name == target))
    };
    let dense = views.iter().map(|(name, _)| name).filter(|name| !targets(name)).map(|name| {
        let values = tensor(name)?;
        if values.kind() != Kind::Float {
            Err(damaged(&format!("{name} is not of type F32")))
        } else {
            Ok(DenseChange { name: name.to_string(), values })
        }
    });
    let dense = dense.collect::<Result<Vec<_>, DeltaError>>()?;
    Ok(Changes { info: header.info, method: TrainingMethod::Sift, adapters: None, sparse, dense })
}
