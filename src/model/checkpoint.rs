//! A checkpoint's safetensors files, mapped into memory: what they hold, and reading a tensor of them in pieces.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::builder::ParameterSpec;
use super::dtype::kind;
use crate::Usage;
use crate::model_folder::{damaged, expect_content, weight_files};

/// Bytes of a file that are cast and placed at a time: a multiple of every dtype's size.
pub(super) const PIECE: usize = 1 << 20;

/// The safetensors files of a folder, mapped into memory.
pub(super) struct Checkpoint {
    pub files: Vec<MappedFile>,
    pub tensors: BTreeMap<String, StoredTensor>,
}

/// A file in memory.
pub(super) struct MappedFile {
    pub path: PathBuf,
    pub bytes: Mmap,
}

/// A tensor in one of the files.
pub(super) struct StoredTensor {
    /// Number of the file.
    pub file: usize,
    pub dtype: Dtype,
    pub shape: Vec<i64>,
    /// Its place in the file.
    pub range: Range<usize>,
}

impl Checkpoint {
    pub fn open(folder: &Path) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint { files: Vec::new(), tensors: BTreeMap::new() };
        for name in weight_files(folder)? {
            checkpoint.add(folder.join(name))?;
        }
        Ok(checkpoint)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!(Usage(format!("{}: no such file", path.display())))
            }
            Err(error) => return Err(error).with_context(|| format!("{}: cannot read", path.display())),
        };
        // SAFETY: the map is read only. Truncating the file while it is being read ends the process, as with every program that
        // maps weights.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("{}: cannot read", path.display()))?;
        expect_content(&path)?;
        let parsed = SafeTensors::deserialize(&map).map_err(|error| damaged(&path, &error))?;
        let start = map.as_ptr() as usize;
        for (name, view) in parsed.tensors() {
            let from = view.data().as_ptr() as usize - start;
            let stored = StoredTensor {
                file: self.files.len(),
                dtype: view.dtype(),
                shape: view.shape().iter().map(|&size| size as i64).collect(),
                range: from..from + view.data().len(),
            };
            if self.tensors.insert(name.to_owned(), stored).is_some() {
                bail!(Usage(format!("{}: tensor {name} is also in another file of the model", path.display())));
            }
        }
        drop(parsed);
        self.files.push(MappedFile { path, bytes: map });
        Ok(())
    }

    /// Checks the shape and dtype of a parameter's tensor.
    pub fn check(&self, name: &str, spec: &ParameterSpec) -> Result<()> {
        let stored = &self.tensors[name];
        let path = self.files[stored.file].path.display();
        if stored.shape != spec.shape {
            let labels = match spec.output {
                true => "; the checkpoint's head is for another number of labels than the data has",
                false => "",
            };
            bail!(Usage(format!(
                "{path}: tensor {name} has shape {:?}, expected {:?}{labels}",
                stored.shape, spec.shape
            )));
        }
        match kind(stored.dtype) {
            Some(_) => Ok(()),
            None => bail!(Usage(format!(
                "{path}: tensor {name} has type {:?}; only F64, F32, F16 and BF16 can be trained",
                stored.dtype
            ))),
        }
    }

    /// The bytes of a tensor.
    pub fn bytes(&self, stored: &StoredTensor) -> &[u8] {
        &self.files[stored.file].bytes[stored.range.clone()]
    }

    /// Whether two tensors have the same dtype and bytes.
    pub fn same(&self, a: &str, b: &str) -> bool {
        let (a, b) = (&self.tensors[a], &self.tensors[b]);
        a.file == b.file && a.range == b.range || a.dtype == b.dtype && self.bytes(a) == self.bytes(b)
    }

    /// Casts and places a tensor in pieces, and releases the file's pages behind it: neither the file nor a second copy
    /// is ever in memory as a whole. `buffer` holds [`PIECE`] bytes.
    pub fn read(&self, name: &str, options: (Kind, Device), buffer: &Tensor) -> Tensor {
        let stored = &self.tensors[name];
        let map = &self.files[stored.file].bytes;
        let kind = kind(stored.dtype).unwrap_or(Kind::Float);
        let tensor = Tensor::empty(&stored.shape, options);
        let flat = tensor.view(-1);
        let mut done = 0;
        for start in stored.range.clone().step_by(PIECE) {
            let range = start..(start + PIECE).min(stored.range.end);
            let count = (range.len() / kind.elt_size_in_bytes()) as i64;
            let piece = buffer.narrow(0, 0, range.len() as i64);
            // SAFETY: the piece is contiguous CPU memory as long as the range, and nothing else uses it.
            unsafe { std::ptr::copy_nonoverlapping(map[range.clone()].as_ptr(), piece.data_ptr().cast(), range.len()) };
            flat.narrow(0, done, count).copy_(&piece.view_dtype(kind));
            done += count;
            // SAFETY: the map is shared and read only, so released pages are read from the file again when needed.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
        tensor
    }
}
