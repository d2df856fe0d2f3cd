//! What a config.json says, and what is refused.

use super::super::config::{PositionIds, Rope, RopeScaling};
use super::*;

fn read(json: &str) -> Result<ModelConfig, ConfigError> {
    ModelConfig::from_json(&serde_json::from_str(json).unwrap())
}

#[test]
fn absent_keys_and_null_take_the_defaults() {
    let Ok(ModelConfig::Encoder(config)) =
        read(r#"{"model_type": "roberta", "classifier_dropout": null, "max_position_embeddings": 514}"#)
    else {
        panic!("no encoder")
    };
    assert_eq!(
        (config.position_ids, config.hidden_size, config.classifier_dropout),
        (PositionIds::AfterPadding, 768, 0.1)
    );
    assert_eq!(config.max_tokens(), 512);
    assert_eq!(read(r#"{"model_type": "bert"}"#).unwrap().max_tokens(), 512);
}

#[test]
fn an_unknown_model_type_lists_the_known_ones() {
    let known = FAMILIES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    assert!(known.starts_with("bert, ") && known.contains(", llama, "), "{known}");
    assert_eq!(read("{}").unwrap_err().to_string(), format!("no model_type; the known ones are {known}"));
    let error = read(r#"{"model_type": "t5"}"#).unwrap_err().to_string();
    assert_eq!(error, format!("model_type \"t5\" is not supported; expected one of {known}"));
}

#[test]
fn an_error_names_the_key_and_the_value() {
    for (json, message) in [
        (r#"{"model_type": "bert", "hidden_size": "big"}"#, "hidden_size is \"big\", expected a whole number from 1"),
        (r#"{"model_type": "bert", "hidden_size": 1e300}"#, "hidden_size is 1e+300, expected a whole number"),
        (r#"{"model_type": "bert", "hidden_size": 100}"#, "hidden_size 100 cannot be split"),
        (
            r#"{"model_type": "bert", "hidden_act": "mish"}"#,
            "hidden_act \"mish\" is not supported; expected one of gelu",
        ),
        (r#"{"model_type": "bert", "hidden_dropout_prob": 1.5}"#, "hidden_dropout_prob is 1.5, expected"),
        (r#"{"model_type": "bert", "num_hidden_layers": 16777216}"#, "num_hidden_layers 16777216 is beyond"),
        (r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#, "position_embedding_type"),
        (r#"{"model_type": "bert", "pad_token_id": 1e18}"#, "pad_token_id"),
        (r#"{"model_type": "roberta", "max_position_embeddings": 2}"#, "leaves no position"),
        (r#"{"model_type": "bert", "is_decoder": true}"#, "only encoders"),
        (r#"{"model_type": "llama", "num_key_value_heads": 5}"#, "cannot be shared out among num_key_value_heads 5"),
        (r#"{"model_type": "llama", "head_dim": 65}"#, "head_dim 65 is odd"),
        (
            r#"{"model_type": "llama", "hidden_act": "mish"}"#,
            "hidden_act \"mish\" is not supported; expected one of gelu",
        ),
        (
            r#"{"model_type": "llama", "rope_scaling": {"type": "longrope", "factor": 4}}"#,
            "rope_scaling: rope_type \"longrope\" is not supported; expected one of default, linear, dynamic, llama3, yarn",
        ),
        (r#"{"model_type": "llama", "rope_scaling": {"type": "linear"}}"#, "rope_scaling: factor is missing"),
        (
            r#"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2},
                "rope_parameters": {"rope_type": "default"}}"#,
            "remove one of them",
        ),
        (
            r#"{"model_type": "llama", "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}"#,
            "rope_parameters: partial_rotary_factor 0.5",
        ),
        (
            r#"{"model_type": "qwen3", "rope_parameters": {"full_attention": {"rope_type": "default"}}}"#,
            "rope_parameters: full_attention has positions of its own",
        ),
        (r#"{"model_type": "llama", "pad_token_id": 32000}"#, "pad_token_id is 32000, expected a token id below"),
        (
            r#"{"model_type": "llama", "architectures": ["LlamaForSequenceClassification"]}"#,
            "architectures names LlamaForSequenceClassification; of decoders only language models",
        ),
        (
            r#"{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}"#,
            "quantization_config: quant_method \"gptq\"",
        ),
        (r#"{"model_type": "bert", "pruned_heads": {"1": [0]}}"#, "pruned_heads"),
        (
            r#"{"model_type": "bert", "problem_type": "multi_label_classification"}"#,
            "problem_type \"multi_label_classification\"",
        ),
        (
            r#"{"model_type": "mistral", "num_hidden_layers": 1, "layer_types": ["full_attention"]}"#,
            "layer_types: all layers of a mistral have the same window",
        ),
        (r#"{"model_type": "qwen3", "layer_types": ["full_attention"]}"#, "layer_types has 1 entries for 32 layers"),
        (
            r#"{"model_type": "qwen2", "num_hidden_layers": 1, "layer_types": ["linear_attention"]}"#,
            "\"linear_attention\" is not supported; expected one of full_attention",
        ),
    ] {
        let error = read(json).unwrap_err().to_string();
        assert!(error.contains(message), "{json}: {error}");
    }
}

#[test]
fn old_and_new_keys_of_rotary_positions_are_read_alike() {
    let rope = |json: &str| match read(json) {
        Ok(ModelConfig::Decoder(config)) => config.rope,
        other => panic!("{other:?}"),
    };
    let new = rope(
        r#"{"model_type": "llama", "rope_theta": 7.0, "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5,
            "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}"#,
    );
    let old = rope(
        r#"{"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
            "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}"#,
    );
    assert_eq!((new, new.theta), (old, 5e5));
    assert_eq!(
        rope(r#"{"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2}}"#),
        Rope { theta: 10_000.0, scaling: RopeScaling::Linear { factor: 2.0 } }
    );
    assert_eq!(rope(r#"{"model_type": "llama", "rope_scaling": null}"#).scaling, RopeScaling::Default);
}

#[test]
fn windows_are_per_layer() {
    let windows = |json: &str| match read(json) {
        Ok(ModelConfig::Decoder(config)) => config.windows,
        other => panic!("{other:?}"),
    };
    let mistral = r#"{"model_type": "mistral", "num_hidden_layers": 2"#;
    assert_eq!(windows(&format!("{mistral}}}")), [Some(4096); 2]);
    assert_eq!(windows(&format!(r#"{mistral}, "sliding_window": null}}"#)), [None; 2]);
    assert_eq!(windows(&format!(r#"{mistral}, "sliding_window": 8}}"#)), [Some(8); 2]);
    let qwen = r#"{"model_type": "qwen2", "num_hidden_layers": 3, "sliding_window": 8"#;
    assert_eq!(windows(&format!("{qwen}}}")), [None; 3]);
    let sliding = format!(r#"{qwen}, "use_sliding_window": true"#);
    assert_eq!(windows(&format!(r#"{sliding}, "max_window_layers": 2}}"#)), [None, None, Some(8)]);
    let types = r#""layer_types": ["sliding_attention", "full_attention", "full_attention"]"#;
    assert_eq!(windows(&format!("{sliding}, {types}}}")), [Some(8), None, None]);
    assert_eq!(windows(r#"{"model_type": "llama", "num_hidden_layers": 1, "sliding_window": 8}"#), [None]);
}
