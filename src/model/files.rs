//! A model's files as they are stored, by the network's parameter names, for exports that change some of them.

use std::path::Path;

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use tch::{Kind, Tensor};

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::dtype::kind;
use super::head::Head;
use super::layout::Layout;
use super::weights::{initialized, locate, reordered};

/// The files of a base model.
pub struct ModelFiles {
    /// What its config.json says.
    pub config: ModelConfig,
    /// The network's parameters.
    pub layout: Layout,
    head: Head,
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
    /// Maps a folder's files, for a classifier with this head or a decoder, which has none.
    ///
    /// # Errors
    /// As [`Network::open`](super::Network::open).
    pub fn open(folder: &Path, head: Head) -> Result<ModelFiles> {
        let config = ModelConfig::read(folder)?;
        let layout = Layout::of(&config, head.outputs);
        let checkpoint = Checkpoint::open(folder)?;
        let stored_names = locate(&checkpoint, folder, &layout, &head)?;
        Ok(ModelFiles { config, layout, head, checkpoint, stored_names })
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

    /// The parameters of which a run of this seed starts from other values than the files have: those that are newly
    /// initialised, and those whose rows are in another order. By number in the layout, with the fp32 values.
    pub fn initial_changes(&self, seed: u64) -> Vec<(usize, Tensor)> {
        // Drawn in the layout's order, as when the model is loaded.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let changed =
            self.layout.parameters.iter().enumerate().filter_map(|(number, spec)| match self.tensor(number) {
                None => Some((number, initialized(spec, self.layout.initializer_range, &mut random))),
                Some(stored) => {
                    let order = self.head.order(spec)?;
                    let kind = kind(stored.dtype).unwrap_or(Kind::Float);
                    let values = Tensor::from_data_size(stored.bytes, &spec.shape, kind).to_kind(Kind::Float);
                    Some((number, reordered(&values, &order)))
                }
            });
        changed.collect()
    }
}
