//! Parameters from safetensors files: found by name, checked by shape, cast and placed one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use memmap2::{Mmap, UncheckedAdvice};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::layout::{Layout, ParameterSpec};
use super::{LoadOptions, LoadReport};
use crate::Usage;
use crate::protocol::Progress;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// An index of a thousand shards is a few MB; more is no index.
const LARGEST_INDEX: u64 = 64 << 20;

/// Bytes of a file that are cast and placed at a time: a multiple of every type's size.
const PIECE: usize = 1 << 20;

/// Every parameter of a network by its name in the checkpoint, in the order of the forward pass. Layers hold the same
/// tensors, so that a value written here is used there.
pub struct Parameters {
    specs: Vec<ParameterSpec>,
    tensors: BTreeMap<String, Tensor>,
}

impl Parameters {
    /// Those of a layout, each made from what is known of it.
    pub(super) fn of(layout: &Layout, make: impl Fn(&ParameterSpec) -> Tensor) -> Parameters {
        let tensors = layout.parameters.iter().map(|spec| (spec.name.clone(), make(spec).set_requires_grad(false)));
        Parameters { specs: layout.parameters.clone(), tensors: tensors.collect() }
    }

    /// A parameter.
    ///
    /// # Panics
    /// If the layout has none of that name.
    pub fn get(&self, name: &str) -> Tensor {
        match self.tensors.get(name) {
            Some(tensor) => tensor.shallow_clone(),
            None => panic!("{name} is not in the layout"),
        }
    }

    /// A parameter that a network may have or not, as a bias.
    pub fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).map(Tensor::shallow_clone)
    }

    /// What is known of each parameter, in the order of the forward pass.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// Components of all parameters.
    pub fn components(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.numel() as u64).sum()
    }

    /// Bytes of all parameters.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64).sum()
    }

    /// The device they are on.
    pub fn device(&self) -> Device {
        self.tensors.values().next().map_or(Device::Cpu, Tensor::device)
    }
}

/// Loads what the layout asks for. Names may lack the network's prefix, as in a checkpoint without a head, and norms may be
/// called by TensorFlow's names.
pub(super) fn load(
    folder: &Path,
    layout: &Layout,
    options: &LoadOptions,
    progress: &dyn Fn(Progress),
) -> Result<(Parameters, LoadReport)> {
    let checkpoint = Checkpoint::open(folder)?;
    let found = locate(&checkpoint, folder, layout)?;
    let used: BTreeSet<&String> = found.iter().flatten().collect();
    let fresh = layout.parameters.iter().zip(&found).filter(|(_, found)| found.is_none());
    let report = LoadReport {
        fresh: fresh.map(|(spec, _)| spec.name.clone()).collect(),
        unused: checkpoint
            .tensors
            .keys()
            .filter(|name| !used.contains(name) && !is_buffer(name) && Some(name.as_str()) != layout.copied)
            .cloned()
            .collect(),
    };
    let mut tensors = BTreeMap::new();
    // One for all: each of its own would leave a hole between the tensors that the next one does not fit into.
    let room = Tensor::empty([PIECE as i64], (Kind::Uint8, Device::Cpu));
    let total = layout.parameters.len() as u64;
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    for (done, (spec, stored)) in (1..).zip(layout.parameters.iter().zip(&found)) {
        let tensor = match stored {
            Some(stored) => checkpoint.read(stored, options, &room),
            None => initialized(spec, layout.initializer_range, &mut random)
                .to_kind(options.dtype)
                .to_device(options.device),
        };
        tensors.insert(spec.name.clone(), tensor.set_requires_grad(false));
        // Fifty times in all, however many there are.
        if done * 50 / total > (done - 1) * 50 / total {
            progress(Progress { task: "loading the model".into(), done, total, unit: "tensors".into() });
        }
    }
    Ok((Parameters { specs: layout.parameters.clone(), tensors }, report))
}

/// The name of each parameter in the files; `None` for one of a head that they lack.
pub(super) fn locate(checkpoint: &Checkpoint, folder: &Path, layout: &Layout) -> Result<Vec<Option<String>>> {
    let found: Vec<Option<String>> = layout
        .parameters
        .iter()
        .map(|spec| {
            let mut names = spellings(&spec.name, layout.prefix);
            // Of two names for one tensor a checkpoint may have either.
            names.extend(layout.copied.filter(|_| spec.objective).map(str::to_owned));
            names.into_iter().find(|name| checkpoint.tensors.contains_key(name))
        })
        .collect();
    let specs = || layout.parameters.iter().zip(&found);
    let absent = specs().filter(|(spec, found)| found.is_none() && !spec.head);
    let absent: Vec<String> = absent.map(|(spec, _)| spec.name.clone()).collect();
    if !absent.is_empty() {
        let number = absent.len();
        bail!(Usage(format!(
            "{}: {number} of the {} parameters that config.json asks for are missing: {}",
            folder.display(),
            layout.parameters.len(),
            shortened(&absent)
        )));
    }
    // Shapes first: a wrong one should not be found after minutes of reading.
    for (spec, stored) in specs() {
        if let Some(stored) = stored {
            checkpoint.check(stored, spec)?;
        }
    }
    let table = specs().find(|(spec, _)| spec.objective).and_then(|(_, found)| found.as_deref());
    match (table, layout.copied.filter(|copied| checkpoint.tensors.contains_key(*copied))) {
        (Some(table), Some(copied)) if !checkpoint.same(table, copied) => bail!(Usage(format!(
            "{}: tensor {copied} is not the same as {table}, but config.json says tie_word_embeddings; with false both are taken",
            folder.display()
        ))),
        _ => Ok(found),
    }
}

/// The names a parameter may have in a file.
fn spellings(name: &str, prefix: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if let Some(bare) = name.strip_prefix(prefix) {
        names.push(bare.to_owned());
    }
    let old = names
        .iter()
        .filter(|name| name.contains("LayerNorm"))
        .map(|name| name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"));
    let old: Vec<String> = old.collect();
    names.extend(old);
    names
}

/// Constants that old versions of transformers saved along.
fn is_buffer(name: &str) -> bool {
    let names = ["embeddings.position_ids", "embeddings.token_type_ids", "rotary_emb.inv_freq"];
    names.iter().any(|buffer| name.ends_with(buffer))
}

/// As transformers does it: normal weights, zero biases. Drawn on the CPU by a generator of our own, so that a head is the
/// same on every device.
pub(super) fn initialized(spec: &ParameterSpec, deviation: f64, random: &mut ChaCha8Rng) -> Tensor {
    if spec.name.ends_with("bias") {
        return Tensor::zeros(&spec.shape, (Kind::Float, Device::Cpu));
    }
    let count = spec.shape.iter().product::<i64>() as usize;
    let values: Vec<f32> = normal(random).take(count).map(|value| (value * deviation) as f32).collect();
    Tensor::from_slice(&values).reshape(&spec.shape)
}

/// Box and Muller's: two normal numbers of two uniform ones.
fn normal(random: &mut ChaCha8Rng) -> impl Iterator<Item = f64> {
    let uniform = rand::distr::StandardUniform;
    std::iter::from_fn(move || {
        let (u, v): (f64, f64) = (uniform.sample(random), uniform.sample(random));
        let (radius, angle) = ((-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v);
        Some([radius * angle.cos(), radius * angle.sin()])
    })
    .flatten()
}

/// The safetensors files of a folder, mapped into memory.
pub(super) struct Checkpoint {
    pub files: Vec<(PathBuf, Mmap)>,
    pub tensors: BTreeMap<String, Stored>,
}

/// A tensor within a file.
pub(super) struct Stored {
    pub file: usize,
    pub dtype: Dtype,
    shape: Vec<i64>,
    pub bytes: Range<usize>,
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
        // SAFETY: the map is read only. Whoever truncates a file while it is being read takes the process down, as with
        // every program that maps weights.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("{}: cannot read", path.display()))?;
        let damaged = |error| Usage(format!("{}: damaged or cut short ({error}); fetch it again", path.display()));
        let parsed = SafeTensors::deserialize(&map).map_err(|error| damaged(error.to_string()))?;
        let start = map.as_ptr() as usize;
        for (name, view) in parsed.tensors() {
            let from = view.data().as_ptr() as usize - start;
            let stored = Stored {
                file: self.files.len(),
                dtype: view.dtype(),
                shape: view.shape().iter().map(|&size| size as i64).collect(),
                bytes: from..from + view.data().len(),
            };
            if self.tensors.insert(name.to_owned(), stored).is_some() {
                bail!(Usage(format!("{}: tensor {name} is also in another file of the model", path.display())));
            }
        }
        drop(parsed);
        self.files.push((path, map));
        Ok(())
    }

    fn check(&self, name: &str, spec: &ParameterSpec) -> Result<()> {
        let stored = &self.tensors[name];
        let path = self.files[stored.file].0.display();
        if stored.shape != spec.shape {
            let labels = match spec.name.as_str() {
                "classifier.weight" | "classifier.bias" | "classifier.out_proj.weight" | "classifier.out_proj.bias" => {
                    "; the checkpoint's head is for another number of labels than the data has"
                }
                _ => "",
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

    /// Whether two tensors have the same type and bytes.
    fn same(&self, a: &str, b: &str) -> bool {
        let (a, b) = (&self.tensors[a], &self.tensors[b]);
        let pieces = |stored: &Stored| {
            let (map, bytes) = (&self.files[stored.file].1, stored.bytes.clone());
            bytes.clone().step_by(PIECE).map(move |start| (map, start..(start + PIECE).min(bytes.end)))
        };
        a.file == b.file && a.bytes == b.bytes
            || a.dtype == b.dtype
                && a.bytes.len() == b.bytes.len()
                && pieces(a).zip(pieces(b)).all(|((a, x), (b, y))| a[x] == b[y])
    }

    /// Casts and places a tensor piece by piece, and lets go of the file's pages behind it: neither the file nor a second
    /// copy is ever in memory whole.
    fn read(&self, name: &str, options: &LoadOptions, room: &Tensor) -> Tensor {
        let stored = &self.tensors[name];
        let map = &self.files[stored.file].1;
        let kind = kind(stored.dtype).unwrap_or(Kind::Float);
        let tensor = Tensor::empty(&stored.shape, (options.dtype, options.device));
        let flat = tensor.view(-1);
        let mut done = 0;
        for start in stored.bytes.clone().step_by(PIECE) {
            let bytes = start..(start + PIECE).min(stored.bytes.end);
            let count = (bytes.len() / kind.elt_size_in_bytes()) as i64;
            let piece = room.narrow(0, 0, bytes.len() as i64);
            // SAFETY: the piece lies on the CPU in one part and is as long as the bytes; no one else uses it.
            unsafe { std::ptr::copy_nonoverlapping(map[bytes.clone()].as_ptr(), piece.data_ptr().cast(), bytes.len()) };
            flat.narrow(0, done, count).copy_(&piece.view_dtype(kind));
            done += count;
            // SAFETY: the map is shared and read only, so pages that are asked for again come from the file again.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
        }
        tensor
    }
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        _ => return None,
    })
}

/// The one file, or those that an index names: plain names within the folder, since an index can say anything.
pub(super) fn weight_files(folder: &Path) -> Result<BTreeSet<String>> {
    if folder.join(WEIGHTS).is_file() {
        return Ok(BTreeSet::from([WEIGHTS.to_owned()]));
    }
    let path = folder.join(INDEX);
    let Ok(metadata) = path.metadata() else {
        let pickled =
            ["pytorch_model.bin", "pytorch_model.bin.index.json"].iter().any(|name| folder.join(name).exists());
        let instead =
            if pickled { "; a pickled pytorch_model.bin can run code when read, so convert it first" } else { "" };
        bail!(Usage(format!("{}: no {WEIGHTS} and no {INDEX}{instead}", folder.display())));
    };
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    if metadata.len() > LARGEST_INDEX {
        bail!(Usage(format!("{}: larger than {} MiB, so it is no index", path.display(), LARGEST_INDEX >> 20)));
    }
    let text = std::fs::read(&path).with_context(|| format!("{}: cannot read", path.display()))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    let plain =
        |name: &str| Path::new(name).file_name().is_some_and(|last| last == name) && name.ends_with(".safetensors");
    match names.iter().find(|name| !plain(name)) {
        Some(name) => {
            bail!(Usage(format!("{}: {name:?} is not the name of a safetensors file beside it", path.display())))
        }
        None => Ok(names),
    }
}

/// The first few of many names.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}
