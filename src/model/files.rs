//! A model's files as they are, by the network's own names: for who writes them out again, changed here and there.

use std::path::Path;

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use tch::Tensor;

use super::config::ModelConfig;
use super::layout::Layout;
use super::weights::{Checkpoint, initialized, locate};

/// The files of a base model.
pub struct ModelFiles {
    /// What its config.json says.
    pub config: ModelConfig,
    /// The network's parameters.
    pub layout: Layout,
    checkpoint: Checkpoint,
    /// The parameters' names in the files.
    found: Vec<Option<String>>,
}

/// A tensor in a file.
pub struct FileTensor<'a> {
    /// Number of the file, in the order of [`ModelFiles::names`].
    pub file: usize,
    /// Its type there.
    pub dtype: Dtype,
    /// Its bytes, row by row.
    pub bytes: &'a [u8],
}

impl ModelFiles {
    /// Maps a folder's files, for a classifier with this many outputs or a decoder, which has none.
    ///
    /// # Errors
    /// As [`Network::open`](super::Network::open).
    pub fn open(folder: &Path, labels: i64) -> Result<ModelFiles> {
        let config = ModelConfig::read(folder)?;
        let layout = Layout::of(&config, labels);
        let checkpoint = Checkpoint::open(folder)?;
        let found = locate(&checkpoint, folder, &layout)?;
        Ok(ModelFiles { config, layout, checkpoint, found })
    }

    /// The files' names.
    pub fn names(&self) -> Vec<String> {
        let names = self.checkpoint.files.iter().filter_map(|(path, _)| path.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// A parameter of the layout as it is stored, if it is.
    pub fn tensor(&self, parameter: usize) -> Option<FileTensor<'_>> {
        let stored = &self.checkpoint.tensors[self.found[parameter].as_ref()?];
        let bytes = &self.checkpoint.files[stored.file].1[stored.bytes.clone()];
        Some(FileTensor { file: stored.file, dtype: stored.dtype, bytes })
    }

    /// What the files lack, by number in the layout, as a run of this seed begins with it: fp32.
    pub fn fresh(&self, seed: u64) -> Vec<(usize, Tensor)> {
        // Drawn in the layout's order, as when the model is loaded.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let missing = self.found.iter().enumerate().filter(|(_, found)| found.is_none());
        missing
            .map(|(number, _)| {
                let spec = &self.layout.parameters[number];
                (number, initialized(spec, self.layout.initializer_range, &mut random))
            })
            .collect()
    }
}
