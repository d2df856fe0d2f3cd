//! The safetensors files of a folder, and the index of a sharded model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::substitute::expect_content;
use crate::Usage;

/// Limit on an index, in bytes. A thousand shards take a few MB.
const MAX_INDEX: u64 = 64 << 20;

/// The shards that an index names. They must be plain names: an index can say anything.
///
/// # Errors
/// [`Usage`]: too large, malformed, or a name outside the folder.
pub(crate) fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let shown = index.display();
    let size = fs::metadata(index).with_context(|| format!("{shown}: cannot read"))?.len();
    if size > MAX_INDEX {
        bail!(Usage(format!("{shown}: larger than {} MiB, so it is no index", MAX_INDEX >> 20)));
    }
    let bytes = fs::read(index).with_context(|| format!("{shown}: cannot read"))?;
    let parsed: Index = serde_json::from_slice(&bytes)
        .map_err(|error| Usage(format!("{shown}: not an index of safetensors files: {error}")))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    let plain =
        |name: &str| Path::new(name).file_name().is_some_and(|last| last == name) && name.ends_with(".safetensors");
    match names.iter().find(|name| !plain(name)) {
        Some(name) => bail!(Usage(format!("{shown}: {name:?} is not the name of a safetensors file beside it"))),
        None if names.is_empty() => bail!(Usage(format!("{shown}: the index has no shards"))),
        None => Ok(names),
    }
}

/// Checks that a file of weights is whole: its header describes as many bytes as there are. Only the header is read.
pub(super) fn check_whole(path: &PathBuf) -> Result<()> {
    expect_content(path)?;
    let file = fs::File::open(path).with_context(|| format!("{}: cannot read", path.display()))?;
    // SAFETY: the map is read only and dropped below. Truncating the file meanwhile ends the process, as with every program
    // that maps weights.
    let map = unsafe { Mmap::map(&file) }.with_context(|| format!("{}: cannot read", path.display()))?;
    let (_, metadata) = SafeTensors::read_metadata(&map).map_err(|error| damaged(path, &error))?;
    match metadata.tensors().iter().find(|(name, tensor)| is_quantized(name, tensor.dtype)) {
        Some((name, tensor)) => bail!(Usage(format!(
            "{}: quantized weights ({name} has type {:?}); take the model that was quantized",
            path.display(),
            tensor.dtype
        ))),
        None => Ok(()),
    }
}

/// Whether a tensor is of GPTQ or AWQ, or a matrix in a type that only quantized models have.
fn is_quantized(name: &str, dtype: Dtype) -> bool {
    let float = matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16);
    name.ends_with(".qweight") || (name.ends_with(".weight") && !float)
}

/// The error about a file of weights that cannot be read.
pub(crate) fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Usage {
    Usage(format!("{}: damaged or cut short ({error}); fetch it again", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_folder::INDEX;

    #[test]
    fn shards_outside_the_folder_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join(INDEX);
        for bad in ["../x.safetensors", "/etc/x.safetensors", "a/x.safetensors", "x.bin", "a\\b"] {
            fs::write(&index, serde_json::json!({"weight_map": {"w": bad}}).to_string()).unwrap();
            assert!(shards(&index).unwrap_err().is::<Usage>(), "{bad}");
        }
        fs::write(&index, r#"{"weight_map": {"a": "m-1-of-2.safetensors", "b": "m-1-of-2.safetensors"}}"#).unwrap();
        assert_eq!(shards(&index).unwrap().len(), 1);
    }
}
