//! The presets that the program brings along.

/// A preset within the program.
pub struct BuiltIn {
    /// Its name: `glue/mrpc`.
    pub name: &'static str,
    /// Its text.
    pub toml: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn { name: $name, toml: include_str!(concat!("../../presets/", $name, ".toml")) }),*]
    };
}

/// All of them, the demos first.
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
