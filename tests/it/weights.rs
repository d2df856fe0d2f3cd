//! Loading of checkpoints: unusual ones, damaged ones, and the memory it takes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use finesift::Usage;
use finesift::model::{Head, Layout, LoadOptions, LoadReport, ModelConfig, Network};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind};
use tempfile::TempDir;

use crate::place;

const QUERY: &str = "bert.encoder.layer.0.attention.self.query.weight";

#[test]
fn a_checkpoint_without_head_and_prefix_gets_a_new_head() {
    let whole = load(&model(|tensors| tensors), 3).unwrap().0;
    // A bare BertModel with TensorFlow's names, a pretraining head and a buffer.
    let folder = model(|tensors| {
        let renamed = tensors.into_iter().filter(|(name, _)| !name.starts_with("classifier")).map(|(name, tensor)| {
            let name = name.strip_prefix("bert.").unwrap_or(&name).to_owned();
            (name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"), tensor)
        });
        let buffer = Stored { dtype: Dtype::I64, shape: vec![1], data: vec![0; 8] };
        let other = Stored { dtype: Dtype::F32, shape: vec![1], data: vec![0; 4] };
        let extra = [("embeddings.position_ids".to_owned(), buffer), ("cls.predictions.bias".to_owned(), other)];
        renamed.chain(extra).collect()
    });
    let (network, report) = load(&folder, 5).unwrap();
    assert_eq!(report.newly_initialized, ["classifier.weight", "classifier.bias"]);
    assert_eq!(report.unused, ["cls.predictions.bias"]);
    for name in [QUERY, "bert.embeddings.LayerNorm.weight", "bert.encoder.layer.1.output.LayerNorm.bias"] {
        assert!(network.parameters.get(name).equal(&whole.parameters.get(name)), "{name}");
    }
    let head = network.parameters.get("classifier.weight");
    assert_eq!(head.size(), [5, 64]);
    // 320 draws from a normal distribution with the config's deviation.
    let deviation = head.std(true).double_value(&[]);
    assert!((0.08..0.12).contains(&deviation), "{deviation}");
    assert!(head.equal(&load(&folder, 5).unwrap().0.parameters.get("classifier.weight")), "a seed gives one head");
    assert_eq!(network.parameters.get("classifier.bias").abs().sum(Kind::Float).double_value(&[]), 0.0);
}

#[test]
fn shards_and_half_precision_are_read() {
    let whole = load(&model(|tensors| tensors), 3).unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let tensors = fixture();
    let mut weight_map = serde_json::Map::new();
    for part in 0..2 {
        let name = format!("model-0000{}-of-00002.safetensors", part + 1);
        let shard: Tensors = tensors.iter().skip(part).step_by(2).map(|(n, t)| (n.clone(), t.clone())).collect();
        weight_map.extend(shard.keys().map(|tensor| (tensor.clone(), name.clone().into())));
        fs::write(folder.path().join(name), bytes(&shard)).unwrap();
    }
    let index = serde_json::json!({ "weight_map": weight_map });
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::copy(fixture_folder().join("config.json"), folder.path().join("config.json")).unwrap();
    let sharded = load(&folder, 3).unwrap().0;
    assert!(sharded.parameters.get(QUERY).equal(&whole.parameters.get(QUERY)));

    let half = model(|mut tensors| {
        let query = tensors.get_mut(QUERY).unwrap();
        query.data = query.data.chunks_exact(4).flat_map(|float| [float[2], float[3]]).collect();
        query.dtype = Dtype::BF16;
        tensors
    });
    let half = load(&half, 3).unwrap().0.parameters.get(QUERY);
    assert_eq!(half.kind(), Kind::Float);
    let off = (half - whole.parameters.get(QUERY)).abs().max().double_value(&[]);
    assert!(off > 0.0 && off < 1e-2, "{off}");
}

#[test]
fn an_error_names_the_file_and_the_tensor() {
    let cases: [(TempDir, &str); 9] = [
        (
            model(|mut tensors| {
                tensors.remove(QUERY);
                tensors
            }),
            "1 of the 41 parameters that config.json asks for are missing: bert.encoder.layer.0.attention.self.query.weight",
        ),
        (
            model(|mut tensors| {
                tensors.get_mut(QUERY).unwrap().shape = vec![32, 128];
                tensors
            }),
            "tensor bert.encoder.layer.0.attention.self.query.weight has shape [32, 128], expected [64, 64]",
        ),
        (
            model(|mut tensors| {
                tensors.get_mut(QUERY).unwrap().dtype = Dtype::I32;
                tensors
            }),
            "tensor bert.encoder.layer.0.attention.self.query.weight has type I32; only F64, F32, F16 and BF16",
        ),
        (damaged(|bytes| bytes.truncate(bytes.len() / 2)), "model.safetensors: damaged or cut short"),
        (
            damaged(|bytes| bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes())),
            "model.safetensors: damaged or cut short",
        ),
        (
            damaged(|bytes| bytes[..8].copy_from_slice(&(1u64 << 63).to_le_bytes())),
            "model.safetensors: damaged or cut short",
        ),
        (
            with_header(
                r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
                12,
            ),
            "model.safetensors: damaged or cut short",
        ),
        (
            with_header(r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0),
            "model.safetensors: damaged or cut short",
        ),
        (damaged(Vec::clear), "model.safetensors: an empty file; download it again"),
    ];
    for (folder, message) in cases {
        let error = load(&folder, 3).err().unwrap();
        assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
    }
    let error = load(&model(|tensors| tensors), 2).err().unwrap().to_string();
    assert!(error.contains("tensor classifier.weight has shape [3, 64], expected [2, 64]; the checkpoint's head is for another number of labels"), "{error}");
}

#[test]
fn tied_tensors_that_differ_are_refused() {
    let tied = place::fixture("models/tiny-llama-tied");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(tied.join("config.json"), folder.path().join("config.json")).unwrap();
    let mut tensors = read(&tied.join("model.safetensors"));
    let table = &tensors["model.embed_tokens.weight"];
    let copy = Stored { dtype: table.dtype, shape: table.shape.clone(), data: table.data.clone() };
    tensors.insert("lm_head.weight".into(), copy);
    fs::write(folder.path().join("model.safetensors"), bytes(&tensors)).unwrap();
    assert!(load(&folder, 0).unwrap().1.unused.is_empty());
    *tensors.get_mut("lm_head.weight").unwrap().data.last_mut().unwrap() ^= 1;
    fs::write(folder.path().join("model.safetensors"), bytes(&tensors)).unwrap();
    let error = load(&folder, 0).err().unwrap();
    let message = "tensor lm_head.weight is not the same as model.embed_tokens.weight";
    assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
}

#[test]
fn pickles_and_paths_outside_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture_folder().join("config.json"), folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("pytorch_model.bin"), "pickle").unwrap();
    let error = load(&folder, 3).err().unwrap().to_string();
    assert!(
        error.contains("no model.safetensors: its only weights are pickled (pytorch_model.bin), which can run code"),
        "{error}"
    );
    for name in [
        "../../x",
        "../../x.safetensors",
        "../model.safetensors",
        "/etc/model.safetensors",
        "a/b.safetensors",
        "..",
        "model.bin",
    ] {
        let index = serde_json::json!({ "weight_map": { "x": name } });
        fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
        let error = load(&folder, 3).err().unwrap().to_string();
        assert!(error.contains("is not the name of a safetensors file beside it"), "{error}");
    }
}

/// A decoder of TinyLlama's width, with this many layers.
fn large(layers: usize) -> String {
    format!(
        r#"{{"model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": {layers}, "num_attention_heads": 32, "num_key_value_heads": 4}}"#
    )
}

/// Half a billion parameters, few enough for a debug build.
#[test]
fn loading_holds_no_second_copy_of_the_weights() {
    // A sparse file: it takes no disk space, and as much memory as any other when it is read.
    let folder = written(&large(10), 1, |file, bytes| file.set_len(file.metadata().unwrap().len() + bytes).unwrap());
    let Loading { bytes, before, peak } = peak(folder.path());
    let share = (peak - before) as f64 / bytes as f64;
    println!("{} MB of weights, peak {} MB above {} MB: {share:.3}", bytes >> 20, (peak - before) >> 20, before >> 20);
    assert!(share < 1.15, "{share}");
}

/// 1.1 billion parameters in five files. libtorch's own memory counts, too.
#[test]
#[ignore = "it writes 2.2 GB"]
fn loading_a_billion_parameters_takes_little_more_than_their_size() {
    let mut block = vec![0; 64 << 20];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut block);
    let folder = written(&large(22), 5, |file, bytes| {
        let mut left = bytes as usize;
        while left > 0 {
            let part = left.min(block.len());
            file.write_all(&block[..part]).unwrap();
            left -= part;
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5 + 2);
    let Loading { bytes, peak, .. } = peak(folder.path());
    let share = peak as f64 / bytes as f64;
    println!("{} MB of weights, peak {} MB: {share:.3}", bytes >> 20, peak >> 20);
    assert!(bytes > 2_000_000_000 && share < 1.15, "{share}");
}

/// A folder with a bf16 model in `files` files of similar size; `fill` writes a number of bytes of tensors to one of them.
fn written(config: &str, files: u64, mut fill: impl FnMut(&mut fs::File, u64)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    let layout = Layout::of(&ModelConfig::read(folder.path()).unwrap(), 0);
    let total = 2 * layout.components() as u64;
    let (mut headers, mut weight_map, mut done) = (vec![serde_json::Map::new(); files as usize], BTreeMap::new(), 0);
    let mut ends = vec![0; files as usize];
    for spec in &layout.parameters {
        let size = 2 * spec.shape.iter().product::<i64>() as u64;
        let number = (done * files / total) as usize;
        let offsets = [ends[number], ends[number] + size];
        let entry = serde_json::json!({"dtype": "BF16", "shape": spec.shape, "data_offsets": offsets});
        headers[number].insert(spec.name.clone(), entry);
        weight_map.insert(spec.name.clone(), format!("model-{number}.safetensors"));
        ends[number] += size;
        done += size;
    }
    for (number, (header, bytes)) in headers.iter().zip(ends).enumerate() {
        let header = serde_json::to_vec(header).unwrap();
        let mut file = fs::File::create(folder.path().join(format!("model-{number}.safetensors"))).unwrap();
        file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
        file.write_all(&header).unwrap();
        fill(&mut file, bytes);
    }
    let index = serde_json::json!({ "weight_map": weight_map }).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    folder
}

/// Memory of loading, in bytes.
struct Loading {
    /// Size of the weights.
    bytes: u64,
    /// Resident before loading.
    before: u64,
    /// Peak resident.
    peak: u64,
}

/// Loads a model in a process of its own, since the peak is that of a process.
fn peak(folder: &Path) -> Loading {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["weights::load_and_print_the_peak", "--exact", "--ignored", "--nocapture"])
        .env("FINESIFT_TEST_LOAD", folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    let number = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.split(name).nth(1)).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    Loading { bytes: 2 * number("parameters="), before: number("before="), peak: number("peak=") }
}

#[test]
#[ignore = "runs in a child process of the tests above"]
fn load_and_print_the_peak() {
    let folder = std::env::var_os("FINESIFT_TEST_LOAD").unwrap();
    let status = |key: &str| -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        1024 * line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    // libtorch takes memory of its own with the first computation.
    let _ = tch::Tensor::ones([64, 64], (Kind::Float, Device::Cpu))
        .matmul(&tch::Tensor::ones([64, 64], (Kind::Float, Device::Cpu)));
    let before = status("VmRSS");
    let options =
        LoadOptions { head: Head::as_stored(0), dtype: Kind::BFloat16, device: Device::Cpu, offload: None, seed: 0 };
    let (network, _) = Network::open(Path::new(&folder), &options, &|_| {}).unwrap();
    println!("\nbefore={before} peak={} parameters={}", status("VmHWM"), network.parameters.components());
}

type Tensors = BTreeMap<String, Stored>;

#[derive(Clone)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

fn fixture_folder() -> std::path::PathBuf {
    place::fixture("models/tiny-bert")
}

fn fixture() -> Tensors {
    read(&fixture_folder().join("model.safetensors"))
}

fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let stored =
        |view: TensorView| Stored { dtype: view.dtype(), shape: view.shape().into(), data: view.data().into() };
    tensors.tensors().into_iter().map(|(name, view)| (name, stored(view))).collect()
}

fn bytes(tensors: &Tensors) -> Vec<u8> {
    let view = |stored: &Stored| TensorView::new(stored.dtype, stored.shape.clone(), &stored.data).map(drop);
    tensors.values().for_each(|stored| view(stored).unwrap());
    let views = tensors.iter().map(|(name, t)| (name, TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn model(change: impl FnOnce(Tensors) -> Tensors) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture_folder().join("config.json"), folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join("model.safetensors"), bytes(&change(fixture()))).unwrap();
    folder
}

fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> TempDir {
    let folder = model(|tensors| tensors);
    let mut bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
    damage(&mut bytes);
    fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

fn with_header(header: &str, data: usize) -> TempDir {
    damaged(|bytes| *bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat())
}

fn load(folder: &TempDir, labels: i64) -> anyhow::Result<(Network, LoadReport)> {
    let options =
        LoadOptions { head: Head::as_stored(labels), dtype: Kind::Float, device: Device::Cpu, offload: None, seed: 5 };
    Network::open(folder.path(), &options, &|_| {})
}
