//! `finesift bench` and `finesift plan`, as a whole program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

use crate::place;
use crate::run::turn;
use crate::tiny::Tiny;

fn finesift(arguments: &[&str]) -> Output {
    Command::new(place::program()).args(arguments).output().unwrap()
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
    place::fixture("models").join(name)
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
fn lora_and_structured_selections_are_methods() {
    let _turn = turn();
    for (name, targets) in [("tiny-bert", "query,value"), ("tiny-llama", "q_proj,down_proj")] {
        let config = fixture(name).join("config.json").display().to_string();
        let methods = "forward,lora,sift-sampled,sift-columns,sift-rows,sift-blocks";
        let reports = lines(&[
            "bench",
            "--config",
            &config,
            "--layers",
            "2",
            "--batch",
            "2",
            "--seq",
            "8",
            "--modules",
            targets,
            "--rate",
            "0.1",
            "--methods",
            methods,
            "--lora-r",
            "2",
            "--learning-rate",
            "1e-2",
            "--steps",
            "2",
            "--json",
        ]);
        let names: Vec<&str> = reports.iter().map(|report| report["method"].as_str().unwrap()).collect();
        assert_eq!(names.join(","), methods);
        let trained = |method: usize| reports[method]["trained"].as_u64().unwrap();
        let config: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
        let size = |key: &str| config[key].as_u64().unwrap();
        let (hidden, wide) = (size("hidden_size"), size("intermediate_size"));
        let head = if name == "tiny-bert" { 2 * hidden + 2 } else { 0 };
        // A has r · in parameters and B out · r. The queries and values of tiny-bert, the queries and down projections of tiny-llama.
        let widths = if name == "tiny-bert" { [2 * hidden, 2 * hidden] } else { [2 * hidden, wide + hidden] };
        assert_eq!(trained(1), head + 2 * 2 * widths.iter().sum::<u64>(), "{name}");
        for method in 1..reports.len() {
            // Adapters start at zero, and each method starts from the same weights.
            let losses = losses(&reports[method]);
            assert!((losses[0] / self::losses(&reports[0])[0] - 1.0).abs() < 1e-5, "{}", names[method]);
            assert!(losses.iter().all(|loss| loss.is_finite()), "{}: {losses:?}", names[method]);
            // Each trains something else.
            assert!(
                (method + 1..reports.len()).all(|other| losses[1..] != self::losses(&reports[other])[1..]),
                "{name}"
            );
        }
    }
}

#[test]
fn a_report_names_the_machine_and_counts_page_faults() {
    let _turn = turn();
    let config = fixture("tiny-bert").join("config.json").display().to_string();
    let common = ["bench", "--config", &config, "--batch", "2", "--seq", "8", "--steps", "1", "--threads", "1"];
    let common = [&common[..], &["--methods", "forward"]].concat();
    let report = lines(&[&common[..], &["--json"]].concat()).remove(0);
    let machine = &report["machine"];
    assert!(machine["cores"].as_u64().unwrap() > 0 && machine["threads"] == 1, "{machine}");
    assert!(machine["instructions"].is_array() && machine["gpu"].is_null(), "{machine}");
    assert!(report["minor_faults"].is_number() && report["profile"].is_null(), "{report}");
    let output = finesift(&common);
    let text = String::from_utf8(output.stdout).unwrap();
    for start in ["processor ", "threads       1", "method "] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
    }
    assert!(text.contains("page faults"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn steps_reuse_the_pages_of_the_steps_before() {
    let _turn = turn();
    let config = fixture("tiny-bert").join("config.json").display().to_string();
    let common = ["bench", "--config", &config, "--batch", "64", "--seq", "64", "--steps", "3", "--device", "cpu"];
    let arguments = [&common[..], &["--methods", "sift-sampled", "--json"]].concat();
    let faults = |settings: &str| {
        let output = Command::new(place::program()).args(&arguments).env("MALLOC_CONF", settings).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["minor_faults"].as_f64().unwrap()
    };
    // What the user sets holds.
    let (kept, given_back) = (faults(""), faults("dirty_decay_ms:0"));
    assert!(kept * 10.0 < given_back, "{kept} page faults a step, {given_back} where pages are given back at once");
}

#[test]
fn the_groups_of_a_profile_add_up_to_the_step() {
    let _turn = turn();
    for (name, product) in [("tiny-bert", "aten::addmm"), ("tiny-llama", "aten::mm")] {
        let config = fixture(name).join("config.json").display().to_string();
        let common = ["bench", "--config", &config, "--batch", "2", "--seq", "16", "--steps", "2", "--device", "cpu"];
        let common = [&common[..], &["--methods", "forward,lora,sift-sampled", "--profile"]].concat();
        for report in lines(&[&common[..], &["--json"]].concat()) {
            let profile = &report["profile"];
            let seconds = |value: &Value| value["seconds"].as_f64().unwrap();
            let groups = profile["groups"].as_array().unwrap();
            let sum: f64 = groups.iter().map(seconds).sum();
            assert!((sum / seconds(profile) - 1.0).abs() < 1e-9, "{profile}");
            for group in groups {
                let operators = group["operators"].as_array().unwrap();
                let sum: f64 = operators.iter().map(seconds).sum();
                assert!((sum - seconds(group)).abs() < 1e-9, "{group}");
            }
            let of = |group: &str| groups.iter().find(|found| found["group"] == group).unwrap();
            let names = |group: &str| of(group)["operators"].as_array().unwrap().clone();
            let has = |group: &str, name: &str| names(group).iter().any(|operator| operator["name"] == name);
            assert!(has("products", product), "{profile}");
            assert!(seconds(of("products")) > 0.0 && seconds(of("element_wise")) > 0.0, "{profile}");
            assert_eq!(names("outside").len(), 1, "{profile}");
            let method: Vec<String> =
                names("method").iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect();
            match report["method"].as_str().unwrap() {
                "forward" => assert!(method.is_empty(), "{method:?}"),
                "lora" => assert!(has("method", "adamw") && !has("method", "sample gradients"), "{method:?}"),
                _ => {
                    for span in ["clip", "adamw", "launch update", "sample gradients", "launch gather"] {
                        assert!(has("method", span), "{span}: {method:?}");
                    }
                }
            }
            // Two steps to warm up, two that are timed, and two that are profiled.
            assert_eq!((profile["steps"].as_u64(), losses(&report).len()), (Some(2), 6));
            assert_eq!(report["seconds"].as_array().unwrap().len(), 2);
        }
        let text = String::from_utf8(finesift(&common).stdout).unwrap();
        for line in ["lora, mean of 2 profiled steps", "matrix products ", "outside operators ", "step "] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line}\n{text}");
        }
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

/// Three blocks of MiniLM's shape and of a small decoder, as short as steps can be whose activations are most of the memory.
#[test]
fn the_estimate_is_within_4_percent_of_the_tensors_that_are_alive_at_the_peak() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let config = |name: &str, json: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, json).unwrap();
        path.display().to_string()
    };
    let minilm = config(
        "minilm.json",
        r#"{"model_type": "bert", "vocab_size": 1000, "hidden_size": 384, "num_hidden_layers": 3,
            "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512}"#,
    );
    let llama = |act: &str| {
        format!(
            r#"{{"model_type": "llama", "vocab_size": 512, "hidden_size": 576, "num_hidden_layers": 3, "hidden_act": "{act}",
                "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 32, "intermediate_size": 1536,
                "max_position_embeddings": 8192, "tie_word_embeddings": true}}"#
        )
    };
    let (decoder, gelu) = (config("decoder.json", &llama("silu")), config("gelu.json", &llama("gelu")));
    let cases: [(&str, &[&str], &str); 7] = [
        (
            &minilm,
            &["--batch", "16", "--seq", "128", "--rate", "0.05"],
            "sift-sampled,sift-columns,sift-blocks,full,lora",
        ),
        (&minilm, &["--batch", "16", "--seq", "128", "--rate", "0.008", "--dropout"], "sift-sampled"),
        (&minilm, &["--batch", "16", "--seq", "128", "--rate", "0.008", "--checkpointing"], "sift-sampled"),
        (&decoder, &["--batch", "8", "--seq", "256", "--rate", "0.05"], "sift-sampled,sift-columns,sift-rows"),
        (&decoder, &["--batch", "8", "--seq", "256", "--rate", "0.01"], "full,lora"),
        (&decoder, &["--batch", "8", "--seq", "256", "--rate", "0.01", "--checkpointing"], "sift-sampled"),
        (&gelu, &["--batch", "8", "--seq", "256", "--rate", "0.01"], "sift-sampled"),
    ];
    let mut off = Vec::new();
    for (config, more, methods) in cases {
        let common = ["bench", "--config", config, "--steps", "1", "--methods", methods, "--apart", "--json"];
        for report in lines(&[&common[..], more].concat()) {
            let counted = report["tensors_peak"].as_f64().unwrap();
            let parts = report["start"]["plan"].as_array().or_else(|| report["plan"].as_array()).unwrap();
            let of_tensors = |part: &&Value| part["part"] != "weights" && part["part"] != "process";
            let estimated: f64 = parts.iter().filter(of_tensors).map(|part| part["bytes"].as_f64().unwrap()).sum();
            let (method, percent) =
                (report["method"].as_str().unwrap().to_owned(), 100.0 * (estimated / counted - 1.0));
            let mib = |bytes: f64| bytes / f64::from(1 << 20);
            let line =
                format!("{more:?} {method}: {:.1} MiB, counted {:.1}: {percent:+.1} %", mib(estimated), mib(counted));
            println!("{line}");
            if percent.abs() > 4.0 {
                off.push(line);
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
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

#[test]
#[cfg(target_os = "linux")]
fn memory_that_runs_out_is_reported_in_three_lines() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let shape = r#"{"model_type": "bert", "vocab_size": 128, "hidden_size": 512, "num_hidden_layers": 6,
        "num_attention_heads": 2, "intermediate_size": 2048, "max_position_embeddings": 16, "type_vocab_size": 2}"#;
    std::fs::write(&config, shape).unwrap();
    // 18 GiB, of which there are 3.
    let bench = |more: &[&str]| {
        let limited = ["-c", "ulimit -v 3000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_finesift")];
        let common =
            ["--batch", "16384", "--seq", "8", "--methods", "sift-sampled", "--threads", "1", "--device", "cpu"];
        let arguments = ["bench", "--config", config.to_str().unwrap()];
        let output = Command::new("sh").args(limited).args(arguments).args(common).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let report: Value = serde_json::from_str(&bench(&["--json"])).unwrap();
    let error: Vec<&str> = report["failed"].as_str().unwrap().lines().collect();
    assert_eq!(error.len(), 3, "{error:?}");
    assert!(
        error[0].starts_with("memory ran out in a step of 16384 x 8 tokens: it needs an estimated 18."),
        "{error:?}"
    );
    let limit = "address space (ulimit -v) has 2.9 GiB: ";
    assert!(error[1].starts_with(limit) && error[1].contains("; libtorch tried to allocate "), "{error:?}");
    assert!(error[2].starts_with("By the estimate these fit: --batch ") && error[2].ends_with(")."), "{error:?}");
    // Each on a line of its own below the method.
    let table = bench(&[]);
    for line in ["memory ran out in a step of", limit, "By the estimate these fit"] {
        assert!(table.lines().any(|shown| shown.starts_with(&format!("  {line}"))), "{table}");
    }
}
