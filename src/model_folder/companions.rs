//! The files beside config and weights that belong to a model: its tokenizer in every format, chat templates, settings of
//! generation and pre-processing, and the license. Downloads and exports take them along.

/// Beginnings of names. What follows differs: `tokenizer.json`, `tokenizer.model.v3`, `LICENSE.txt`.
const BEGINNINGS: [&str; 10] = [
    "tokenizer",
    "vocab.",
    "merges",
    "sentencepiece",
    "spiece",
    "chat_template",
    "LICENSE",
    "LICENCE",
    "NOTICE",
    "source.",
];

const NAMES: [&str; 10] = [
    "special_tokens_map.json",
    "added_tokens.json",
    "bpe.codes",
    "target.spm",
    "tekken.json",
    "normalizer.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "USE_POLICY.md",
];

/// The folder of further chat templates, such as `tool_use.jinja`.
pub(crate) const TEMPLATES: &str = "additional_chat_templates";

/// Whether a file of this name, relative to the model's folder, is a companion.
pub(crate) fn is_companion(name: &str) -> bool {
    match name.split_once('/') {
        Some((folder, file)) => folder == TEMPLATES && !file.contains('/') && file.ends_with(".jinja"),
        None => {
            let known = BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) || NAMES.contains(&name);
            // Code is never taken along, and neither are weights.
            let other = [".py", ".safetensors", ".bin", ".incomplete"].iter().any(|ending| name.ends_with(ending));
            (known || name.ends_with(".tiktoken")) && !other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokenizers_of_every_format_templates_and_licenses_are_companions_but_weights_and_code_are_not() {
        for name in [
            "tokenizer.json",
            "tokenizer.model",
            "tokenizer_config.json",
            "vocab.txt",
            "vocab.json",
            "merges.txt",
            "added_tokens.json",
            "special_tokens_map.json",
            "sentencepiece.bpe.model",
            "spiece.model",
            "chat_template.json",
            "chat_template.jinja",
            "additional_chat_templates/tool_use.jinja",
            "generation_config.json",
            "preprocessor_config.json",
            "LICENSE",
            "LICENSE.txt",
            "qwen.tiktoken",
        ] {
            assert!(is_companion(name), "{name}");
        }
        for name in [
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "README.md",
            "tokenizer.py",
            "tokenization_x.py",
            "onnx/tokenizer.json",
            "additional_chat_templates/a/b.jinja",
            "additional_chat_templates/x.py",
            "vocabulary",
        ] {
            assert!(!is_companion(name), "{name}");
        }
    }
}
