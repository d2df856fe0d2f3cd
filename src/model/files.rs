//! A model's files as they are stored, by the network's parameter names, for exports that change some of them.

use std::path::Path;

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use tch::Tensor;

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::layout::Layout;
use super::weights::{initialized, locate};

/// The files of a base model.
pub struct ModelFiles {
    /// What its config.json says.
    pub config: ModelConfig,
    /// The network's parameters.
    pub layout: Layout,
    checkpoint: Checkpoint,
    /// Each parameter's name in the files.
    stored_names: Vec<Option<String>>,
}

/// A tensor in a file.
pub struct FileTensor<'a> {
    /// Number of the file, in the order of [`ModelFiles::names`].
    pub file: usize,
    /// The type it is stored in.
    pub dtype: Dtype,
    /// Its bytes, in row-major order.
    pub bytes: &'a [u8],
}

impl ModelFiles {
    /// Maps a folder's files, for a classifier of this many labels or a decoder, which has none.
    ///
    /// # Errors
    /// As [`Network::open`](super::Network::open).
    pub fn open(folder: &Path, labels: i64) -> Result<ModelFiles> {
        let config = ModelConfig::read(folder)?;
        let layout = Layout::of(&config, labels);
        let checkpoint = Checkpoint::open(folder)?;
        let stored_names = locate(&checkpoint, folder, &layout)?;
        Ok(ModelFiles { config, layout, checkpoint, stored_names })
    }

    /// The files' names.
    pub fn names(&self) -> Vec<String> {
        let names = self.checkpoint.files.iter().filter_map(|file| file.path.file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// A parameter's tensor in the files, if they have it. `parameter` is its number in the layout.
    pub fn tensor(&self, parameter: usize) -> Option<FileTensor<'_>> {
        let stored = &self.checkpoint.tensors[self.stored_names[parameter].as_ref()?];
        Some(FileTensor { file: stored.file, dtype: stored.dtype, bytes: self.checkpoint.bytes(stored) })
    }

    /// The parameters that the files lack, by number in the layout, with the fp32 values that a run of this seed starts from.
    pub fn newly_initialized(&self, seed: u64) -> Vec<(usize, Tensor)> {
        // Drawn in the layout's order, as when the model is loaded.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let missing = self.stored_names.iter().enumerate().filter(|(_, stored)| stored.is_none());
        missing
            .map(|(number, _)| {
                let spec = &self.layout.parameters[number];
                (number, initialized(spec, self.layout.initializer_range, &mut random))
            })
            .collect()
    }
}
