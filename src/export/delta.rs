//! A run's changes as one safetensors file: `NAME.indices` and `NAME.values` of each target, and whole parameters by their
//! names.

use std::collections::HashMap;
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
use super::{Cancellation, Unfinished};
use crate::Usage;
use crate::delta::{Changes, Facts, Full, Sparse, check_ascending};

/// The entry of the file's metadata that says what it is.
const KEY: &str = "finesift_delta";

/// Changes when older programs could not read it.
const FORMAT: u32 = 1;

/// What the metadata says.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    facts: Facts,
    /// Of each target its name and shape.
    targets: Vec<(String, Vec<i64>)>,
    /// SHA-256 of this header without it, and of all tensors' names and bytes in the order of their names.
    sha256: String,
}

impl Header {
    fn checksum<'a>(&self, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> serde_json::Result<String> {
        let mut digest = Sha256::new();
        digest.update(serde_json::to_vec(&(self.format, &self.facts, &self.targets))?);
        for (name, bytes) in tensors {
            digest.update(name);
            digest.update(bytes);
        }
        Ok(format!("{:x}", digest.finalize()))
    }
}

impl Changes {
    /// Writes them to a new file.
    ///
    /// # Errors
    /// [`Usage`] if it is there; [`Cancelled`](super::Cancelled); a disk that cannot be written.
    pub fn write(&self, out: &Path, watch: Cancellation) -> Result<()> {
        watch.stop.begin()?;
        let unfinished = Unfinished::at(out)?;
        let mut tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for Sparse { name, shape, indices, values } in &self.sparse {
            // Half the size wherever it suffices.
            let narrow = shape.iter().product::<i64>() <= i64::from(i32::MAX);
            let (kind, dtype) = if narrow { (Kind::Int, Dtype::I32) } else { (Kind::Int64, Dtype::I64) };
            let count = vec![indices.numel()];
            tensors.push((format!("{name}.indices"), dtype, count.clone(), bytes_of(indices, kind)));
            tensors.push((format!("{name}.values"), Dtype::F32, count, bytes_of(values, Kind::Float)));
        }
        for Full { name, values } in &self.full {
            let shape = values.size().iter().map(|&size| size as usize).collect();
            tensors.push((name.clone(), Dtype::F32, shape, bytes_of(values, Kind::Float)));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let mut header = Header {
            format: FORMAT,
            facts: self.facts.clone(),
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
        watch.stop.check()?;
        unfinished.finish()
    }

    /// Reads and checks a file of them.
    ///
    /// # Errors
    /// [`Usage`]: no such file, another kind of file, a damaged one, values that make no sense.
    pub fn read(path: &Path) -> Result<Changes> {
        let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(wrong("no such file".into())),
            file => file.with_context(|| format!("{}: cannot read", path.display()))?,
        };
        // SAFETY: the map is read only. Whoever truncates a file while it is being read takes the process down, as with
        // every program that maps weights.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("{}: cannot read", path.display()))?;
        Ok(parse(&map).map_err(wrong)?)
    }
}

fn parse(bytes: &[u8]) -> Result<Changes, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("damaged or cut short ({error})");
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let header = header.ok_or("a safetensors file, but not a delta that finesift wrote")?;
    let header: Header = serde_json::from_str(header).map_err(|error| damaged(&error))?;
    if header.format != FORMAT {
        return Err(format!("its format is {}, and this version of finesift reads format {FORMAT}", header.format));
    }
    let mut views = tensors.tensors();
    views.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let checksum = header.checksum(views.iter().map(|(name, view)| (name.as_str(), view.data())));
    if checksum.map_err(|error| damaged(&error))? != header.sha256 {
        return Err(damaged(&"its checksum does not match"));
    }
    let tensor = |name: &str| -> Result<Tensor, String> {
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
        sparse.push(Sparse { name, shape, indices, values });
    }
    let targets = |name: &str| {
        let target = name.strip_suffix(".indices").or_else(|| name.strip_suffix(".values"));
        target.is_some_and(|target| sparse.iter().any(|sparse| sparse.name == target))
    };
    let full = views.iter().map(|(name, _)| name).filter(|name| !targets(name)).map(|name| {
        let values = tensor(name)?;
        if values.kind() != Kind::Float {
            Err(damaged(&format!("{name} is not of type F32")))
        } else {
            Ok(Full { name: name.to_string(), values })
        }
    });
    let full = full.collect::<Result<Vec<_>, String>>()?;
    Ok(Changes { facts: header.facts, sparse, full })
}
