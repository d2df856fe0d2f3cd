//! The presets within the program.

/// A built-in preset.
pub struct BuiltIn {
    /// Such as `glue/mrpc`.
    pub name: &'static str,
    /// Its text, comments included.
    pub toml: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn { name: $name, toml: include_str!(concat!("../../presets/", $name, ".toml")) }),*]
    };
}

/// All built-in presets, the demos first.
pub fn built_in() -> &'static [BuiltIn] {
    presets![
        "demo",
        "demo-chat",
        "glue/cola",
        "glue/sst2",
        "glue/mrpc",
        "glue/qqp",
        "glue/stsb",
        "glue/mnli",
        "glue/qnli",
        "glue/rte",
        "alpaca/llama-7b",
        "alpaca/llama-13b",
        "alpaca/llama-33b",
        "alpaca/llama-3.2-1b",
        "alpaca/qwen2.5-0.5b",
        "alpaca/smollm2-135m",
    ]
}
