//! `finesift bench` and `finesift plan`, as a whole program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

use crate::run::turn;
use crate::tiny::Tiny;

fn finesift(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_finesift")).args(arguments).output().unwrap()
}

fn lines(arguments: &[&str]) -> Vec<Value> {
    let output = finesift(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn losses(report: &Value) -> Vec<f64> {
    report["losses"].as_array().unwrap().iter().map(|loss| loss.as_f64().unwrap()).collect()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name)
}

#[test]
fn all_methods_start_from_the_same_loss_and_dense_and_sampled_sift_agree() {
    let _turn = turn();
    for (name, layers) in [("tiny-bert", "1"), ("tiny-llama", "3")] {
        let config = fixture(name).join("config.json").display().to_string();
        let common = ["bench", "--config", &config, "--layers", layers, "--batch", "4", "--seq", "12"];
        let reports = lines(&[&common[..], &["--steps", "3", "--learning-rate", "1e-3", "--json"]].concat());
        let methods: Vec<&str> = reports.iter().map(|report| report["method"].as_str().unwrap()).collect();
        assert_eq!(methods, ["forward", "full", "sift-dense", "sift-sampled"]);
        let first = losses(&reports[0])[0];
        for report in &reports {
            // Two warm-up steps.
            assert_eq!((losses(report).len(), report["seconds"].as_array().unwrap().len()), (5, 3));
            assert!((losses(report)[0] / first - 1.0).abs() < 1e-5, "{report}");
            assert!(report["median"].as_f64().unwrap() > 0.0 && report["failed"].is_null());
            if cfg!(target_os = "linux") {
                assert!(report["steps_peak"].as_u64().unwrap() >= report["base"].as_u64().unwrap());
            }
        }
        for (dense, sampled) in losses(&reports[2]).into_iter().zip(losses(&reports[3])) {
            assert!((dense / sampled - 1.0).abs() < 1e-4, "{name}: {dense} and {sampled}");
        }
        let (full, sift) = (&reports[1]["trained"], &reports[3]["trained"]);
        assert_eq!(full, &reports[1]["parameters"]);
        assert!(sift.as_u64() < full.as_u64());
    }
}

#[test]
fn batches_of_a_file_are_used_unchanged() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batches.safetensors").display().to_string();
    let ids: Vec<i64> = (0..2 * 3 * 6).map(|number| 1 + number * 7 % 10).collect();
    let mut mask = vec![1i64; ids.len()];
    mask[4..6].fill(0);
    let write = |mask_shape: Vec<usize>, labels: &[i64]| {
        let bytes = |numbers: &[i64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let (ids, mask, labels) = (bytes(&ids), bytes(&mask), bytes(labels));
        let view = |shape: Vec<usize>, bytes| TensorView::new(Dtype::I64, shape, bytes).unwrap();
        let tensors = BTreeMap::from([
            ("a.input_ids".to_owned(), view(vec![2, 3, 6], &ids)),
            ("a.attention_mask".to_owned(), view(mask_shape, &mask)),
            ("a.labels".to_owned(), view(vec![2, 3], &labels)),
        ]);
        safetensors::serialize_to_file(&tensors, None, Path::new(&path)).unwrap();
    };
    let tiny = Tiny::new(0.0);
    let model = tiny.path("model").display().to_string();
    let common = ["bench", "--model", &model, "--batches", &path, "--methods", "forward", "--steps", "2", "--json"];

    write(vec![2, 3, 6], &[0, 1, 2, 2, 1, 0]);
    let report = lines(&common).remove(0);
    let losses = losses(&report);
    // Steps use the batches in turn.
    assert!(losses[0] == losses[2] && losses[1] == losses[3] && losses[0] != losses[1], "{losses:?}");

    write(vec![2, 6, 3], &[0, 1, 2, 2, 1, 0]);
    let refused = finesift(&common);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && error.contains("a.attention_mask has shape [2, 6, 3]"), "{error}");
    write(vec![2, 3, 6], &[0, 1, 2, -2, 1, 0]);
    assert!(String::from_utf8_lossy(&finesift(&common).stderr).contains("a.labels must have the class index"));
    for (more, message) in [
        (["--prefix", "b"], "no tensor b.input_ids; tensors with input_ids: a"),
        (["--modules", "qery"], "\"qery\" matches none of the model's"),
        (["--rate", "2"], "above 0 and at most 1"),
        (["--steps", "0"], "0 is not in 1..=100000"),
    ] {
        write(vec![2, 3, 6], &[0, 1, 2, 2, 1, 0]);
        let refused = finesift(&[&common[..7], &more].concat());
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && error.contains(message), "{error}");
    }
}

#[test]
fn texts_are_batched_as_in_a_run_and_the_memory_estimate_is_printed() {
    let _turn = turn();
    let tiny = Tiny::new(0.0);
    let (model, texts) = (tiny.path("model").display().to_string(), tiny.path("texts.csv").display().to_string());
    let common = ["bench", "--model", &model, "--data", &texts, "--batch", "4", "--seq", "16", "--steps", "2"];
    let output = finesift(&[&common[..], &["--plan", "--apart", "--methods", "forward,sift-sampled"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "method",
        "forward ",
        "sift-sampled ",
        "losses of forward:",
        "memory estimate of sift-sampled:",
        "  activations ",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}\n{text}");
    }
}

#[test]
fn plan_prints_the_largest_batch_that_fits() {
    let tiny = Tiny::new(0.0);
    let preset = tiny.path("preset.toml");
    std::fs::write(&preset, tiny.preset("epochs = 1")).unwrap();
    let preset = preset.display().to_string();
    let plan = |memory: &str| lines(&["plan", &preset, "--device-memory", memory, "--json"]).remove(0);
    let (small, large) = (plan("600M"), plan("24GiB"));
    let largest = |plan: &Value, which: usize| plan["plans"][which]["largest_batch"].as_u64().unwrap();
    assert!(largest(&small, 0) < largest(&large, 0) && largest(&large, 0) < largest(&large, 1), "{small} {large}");
    assert_eq!(large["device"]["total"].as_u64(), Some(24 << 30));
    let parts = large["plans"][0]["parts"].as_object().unwrap();
    let sum: u64 = parts.values().map(|bytes| bytes.as_u64().unwrap()).sum();
    assert_eq!(large["plans"][0]["bytes"].as_u64(), Some(sum));
    let text = String::from_utf8(finesift(&["plan", &preset, "--device-memory", "1M"]).stdout).unwrap();
    assert!(text.contains("max batch") && text.contains("none") && text.contains("it does not fit"), "{text}");
    let refused = finesift(&["plan", &preset, "--device-memory", "24"]);
    assert_eq!(refused.status.code(), Some(2));
}
