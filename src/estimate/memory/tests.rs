//! The memory estimate against the paper's counts and against measured peaks.

use super::*;
use crate::model::{ModelConfig, NetworkShape};

const STEP: StepShape = StepShape {
    dtype: 4,
    gpu: true,
    rows: 1,
    length: 128,
    checkpointing: false,
    offload: false,
    ranks: 1,
    packed: false,
    shard: false,
    dropout: true,
    selection_batches: Some(1),
    keeps_inputs: false,
    micro_batches: 1,
    reselections: 0,
    decays: true,
};

/// A network with two labels and without adapters.
fn network(config: &ModelConfig) -> NetworkShape<'_> {
    NetworkShape { config, labels: 2, adapters: None }
}

/// RoBERTa-large and the targets of the paper's runs on GLUE.
fn roberta_large(more: impl FnOnce(&mut StepShape)) -> ModelEstimate {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"model_type": "roberta", "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24,
        "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514, "type_vocab_size": 1}"#;
    std::fs::write(folder.path().join("config.json"), json).unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let own = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    let modules = own(&["query", "key", "value", "attention.output.dense"]);
    let rules = Rules {
        rate: 0.008,
        structure: crate::sift::select::Structure::Entries,
        modules,
        dense: own(&["classifier"]),
        biases: true,
    };
    let mut step = StepShape { rows: 32, ..STEP };
    more(&mut step);
    ModelEstimate::of(network(&config), &rules, step)
}

fn part(estimate: &ModelEstimate, name: &str) -> u64 {
    estimate.memory.iter().find(|part| part.name == name).map_or(0, |part| part.bytes)
}

#[test]
fn component_counts_match_the_paper() {
    let estimate = roberta_large(|_| {});
    assert_eq!((estimate.selected, estimate.dense, estimate.parameters), (806_208, 1_051_650, 355_361_794));
    assert_eq!(part(&estimate, "weights"), 4 * 355_361_794);
    assert_eq!(part(&estimate, "sparse optimizer"), 24 * 806_208);
    assert_eq!(part(&estimate, "dense optimizer"), 16 * 1_051_650);
}

#[test]
fn activations_follow_the_formula() {
    const TOKENS: u64 = 32 * 128;
    // Seven hidden sizes, the inner size, the sums of fused attention. Masks of dropout are computed again.
    let block = TOKENS * ((7 * 1024 + 4096) * 4 + 16 * 4);
    let back = TOKENS * 2 * (1024 + 4096) * 4;
    assert_eq!(part(&roberta_large(|_| {}), "activations"), 24 * block);
    assert_eq!(part(&roberta_large(|_| {}), "workspace"), back);
    let checkpointed = roberta_large(|step| step.checkpointing = true);
    assert_eq!(part(&checkpointed, "activations"), 23 * TOKENS * 1024 * 4 + block);
    assert_eq!(part(&checkpointed, "workspace"), back);
    let half = part(&roberta_large(|step| (step.dtype, step.rows) = (2, 16)), "activations");
    assert_eq!(half, 24 * TOKENS / 2 * ((7 * 1024 + 4096) * 2 + 16 * 4));
    assert_eq!(part(&roberta_large(|step| step.dropout = false), "activations"), 24 * block);
    let most = roberta_large(|step| (step.gpu, step.rows, step.length) = (false, 1 << 20, 1 << 24));
    assert!(most.bytes() > 1 << 62);
    let estimate = roberta_large(|step| step.selection_batches = Some(4));
    assert_eq!(part(&estimate, "selection"), 24 * 4 * (1024 * 1024 + 1024) * 4);
    let of_a_step = roberta_large(|step| (step.selection_batches, step.micro_batches) = (None, 2));
    assert_eq!(part(&of_a_step, "selection"), part(&estimate, "selection"));
    assert_eq!(part(&roberta_large(|step| step.selection_batches = None), "selection"), 0);
}

#[test]
fn masked_attention_of_a_gpu_keeps_keys_and_values_for_each_head() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"model_type": "llama", "vocab_size": 1000, "hidden_size": 512, "num_hidden_layers": 3, "num_attention_heads": 8,
        "num_key_value_heads": 2, "intermediate_size": 1024, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
        "hidden_act": "silu", "tie_word_embeddings": false}"#;
    std::fs::write(folder.path().join("config.json"), json).unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let rules = Rules {
        rate: 0.01,
        structure: crate::sift::select::Structure::Entries,
        modules: vec!["q_proj".into()],
        dense: Vec::new(),
        biases: false,
    };
    let network = NetworkShape { config: &config, labels: 0, adapters: None };
    let activations = |dtype, gpu, packed| {
        part(&ModelEstimate::of(network, &rules, StepShape { dtype, gpu, packed, rows: 4, ..STEP }), "activations")
    };
    // Keys and values are a quarter as wide as queries.
    let more = |dtype: u64| 3 * 4 * 128 * 2 * (512 - 128) * dtype;
    assert_eq!(activations(2, true, true), activations(2, true, false) + more(2));
    assert_eq!(activations(4, true, true), activations(4, true, false));
    assert_eq!(activations(2, false, true), activations(2, false, false));
}

#[test]
fn the_largest_batch_fits_and_one_more_does_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), r#"{"model_type": "roberta"}"#).unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let rules = Rules {
        rate: 0.01,
        structure: crate::sift::select::Structure::Entries,
        modules: vec!["query".into()],
        dense: Vec::new(),
        biases: true,
    };
    let step = STEP;
    let most = 8 << 30;
    let rows = largest_batch(network(&config), &rules, step, most);
    let bytes = |rows| ModelEstimate::of(network(&config), &rules, StepShape { rows, ..step }).bytes();
    assert!(rows > 0 && bytes(rows) <= most && bytes(rows + 1) > most, "{rows}");
    assert_eq!(largest_batch(network(&config), &rules, step, 1 << 20), 0);
}
