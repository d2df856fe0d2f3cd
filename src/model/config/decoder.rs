//! What all decoders of the Llama kind have in common: RMS norms, rotary positions, grouped-query attention and a gated
//! perceptron, by the keys' names in `transformers`.

use serde_json::Value;

use super::super::layers::Activation;
use super::keys::Keys;

/// A decoder of the Llama kind.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of transformers' LlamaConfig, where they are explained")]
pub struct DecoderConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub num_key_value_heads: i64,
    pub head_dim: i64,
    pub hidden_act: Activation,
    pub max_position_embeddings: i64,
    pub rms_norm_eps: f64,
    pub initializer_range: f64,
    pub attention_dropout: f64,
    pub tie_word_embeddings: bool,
    pub rope: Rope,
    /// Ids that end a text: `eos_token_id` is one or a list of them.
    pub eos_token_ids: Vec<i64>,
    /// Whether `q_proj`, `k_proj` and `v_proj` have biases.
    pub qkv_bias: bool,
    /// Whether `o_proj` has one.
    pub output_bias: bool,
    pub mlp_bias: bool,
    /// Whether queries and keys are normed head by head, as in Qwen3.
    pub qk_norm: bool,
    /// Per layer the number of tokens that attention sees, itself included; `None` for all before.
    pub windows: Vec<Option<i64>>,
}

/// Rotary position embeddings (Su et al., arXiv 2104.09864).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The base of the wavelengths.
    pub theta: f64,
    /// How the frequencies were stretched for longer texts.
    pub scaling: RopeScaling,
}

/// How frequencies are stretched, by the names of `rope_type` in `transformers`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// All by one factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// By the length of the text, once it has more tokens than the network was trained on.
    Dynamic {
        /// How much longer a text may be.
        factor: f64,
    },
    /// Low frequencies by a factor, high ones not, those between in between: Llama 3.1 and later.
    Llama3 {
        /// The factor of low frequencies.
        factor: f64,
        /// Wavelengths above the original context over this are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths below the original context over this are high frequencies.
        high_freq_factor: f64,
        /// The context before stretching, in tokens.
        original_max_position_embeddings: f64,
    },
}

/// What an absent key means; it differs between architectures.
pub(super) struct Defaults {
    pub vocab_size: i64,
    pub intermediate_size: i64,
    pub num_key_value_heads: Option<i64>,
    pub max_position_embeddings: i64,
}

impl DecoderConfig {
    /// Tokens that a text may have.
    pub fn longest(&self) -> i64 {
        match self.rope.scaling {
            RopeScaling::Dynamic { factor } => (self.max_position_embeddings as f64 * factor) as i64,
            _ => self.max_position_embeddings,
        }
    }

    /// The common part, with neither biases nor windows.
    pub(super) fn read(keys: Keys<'_>, defaults: &Defaults) -> Result<DecoderConfig, String> {
        let hidden_size = keys.size("hidden_size", 4096)?;
        let num_attention_heads = keys.size("num_attention_heads", 32)?;
        let num_key_value_heads = keys.size_if_any("num_key_value_heads")?;
        let num_hidden_layers = keys.size("num_hidden_layers", 32)?;
        let config = DecoderConfig {
            vocab_size: keys.size("vocab_size", defaults.vocab_size)?,
            hidden_size,
            intermediate_size: keys.size("intermediate_size", defaults.intermediate_size)?,
            num_hidden_layers,
            num_attention_heads,
            // An explicit null means as many as there are heads.
            num_key_value_heads: match num_key_value_heads {
                Some(heads) => heads,
                None if keys.has("num_key_value_heads") => num_attention_heads,
                None => defaults.num_key_value_heads.unwrap_or(num_attention_heads),
            },
            head_dim: keys.size("head_dim", (hidden_size / num_attention_heads).max(1))?,
            hidden_act: keys.one_of("hidden_act", "silu", &Activation::NAMES)?,
            max_position_embeddings: keys.size("max_position_embeddings", defaults.max_position_embeddings)?,
            rms_norm_eps: keys.number("rms_norm_eps")?.unwrap_or(1e-6),
            initializer_range: keys.number("initializer_range")?.unwrap_or(0.02),
            attention_dropout: keys.probability("attention_dropout")?.unwrap_or(0.0),
            tie_word_embeddings: keys.truth("tie_word_embeddings")?,
            rope: rope(keys)?,
            eos_token_ids: eos_token_ids(keys)?,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            qk_norm: false,
            windows: Vec::new(),
        };
        config.check()?;
        Ok(DecoderConfig { windows: vec![None; num_hidden_layers as usize], ..config })
    }

    fn check(&self) -> Result<(), String> {
        if self.num_attention_heads % self.num_key_value_heads != 0 {
            return Err(format!(
                "num_attention_heads {} cannot be shared out among num_key_value_heads {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if self.head_dim % 2 != 0 {
            return Err(format!("head_dim {} is odd, and rotary positions turn pairs", self.head_dim));
        }
        for (key, size, most) in [
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 19),
            ("num_attention_heads", self.num_attention_heads, 1 << 12),
            ("head_dim", self.head_dim, 1 << 12),
        ] {
            if size > most {
                return Err(format!("{key} {size} is beyond any model, {most} at most"));
            }
        }
        Ok(())
    }
}

/// Windows of the Qwen kind: `layer_types` by name, or from a layer on; none at all unless `use_sliding_window`.
pub(super) fn windows_by_layer(keys: Keys<'_>, layers: i64) -> Result<Vec<Option<i64>>, String> {
    let window = match keys.truth("use_sliding_window")? {
        true if keys.has("sliding_window") => keys.size_if_any("sliding_window")?,
        true => Some(4096),
        false => None,
    };
    let Some(types) = keys.get("layer_types", "a list of names", Value::as_array)? else {
        let first = keys.number("max_window_layers")?.unwrap_or(28.0) as i64;
        return Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect());
    };
    if types.len() as i64 != layers {
        return Err(format!("layer_types has {} entries for {layers} layers", types.len()));
    }
    let of_type = |name: &Value| match name.as_str() {
        Some("full_attention") => Ok(None),
        Some("sliding_attention") => Ok(window),
        _ => Err(format!("layer_types: {name} is none of full_attention, sliding_attention")),
    };
    types.iter().map(of_type).collect()
}

/// transformers 5 has all of it in `rope_parameters`; before, there were `rope_theta` and, for what is stretched,
/// `rope_scaling`.
fn rope(keys: Keys<'_>) -> Result<Rope, String> {
    let above_0 = |keys: Keys<'_>, key: &str| {
        keys.get(key, "a number above 0", |value| value.as_f64().filter(|number| *number > 0.0))
    };
    let (name, scaling) = match keys.object("rope_parameters")? {
        Some(parameters) => ("rope_parameters", Some(parameters)),
        None => ("rope_scaling", keys.object("rope_scaling")?),
    };
    let within = scaling.map(|scaling| above_0(scaling, "rope_theta")).transpose()?.flatten();
    let theta = match within {
        Some(theta) => theta,
        None => above_0(keys, "rope_theta")?.unwrap_or(10_000.0),
    };
    if keys.number("partial_rotary_factor")?.is_some_and(|factor| factor != 1.0) {
        return Err("partial_rotary_factor: only whole heads are turned".into());
    }
    let Some(scaling) = scaling else { return Ok(Rope { theta, scaling: RopeScaling::Default }) };
    let number = |key: &str| match above_0(scaling, key) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(format!("{name}.{key} is missing")),
        Err(error) => Err(format!("{name}: {error}")),
    };
    let rope_type = match scaling.text("rope_type")? {
        None => scaling.text("type")?.unwrap_or("default"),
        Some(rope_type) => rope_type,
    };
    let scaling = match rope_type {
        "default" => RopeScaling::Default,
        "linear" => RopeScaling::Linear { factor: number("factor")? },
        "dynamic" => RopeScaling::Dynamic { factor: number("factor")? },
        "llama3" => RopeScaling::Llama3 {
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_max_position_embeddings: number("original_max_position_embeddings")?,
        },
        other => return Err(format!("{name}: rope_type {other:?} is none of default, linear, dynamic, llama3")),
    };
    Ok(Rope { theta, scaling })
}

fn eos_token_ids(keys: Keys<'_>) -> Result<Vec<i64>, String> {
    let ids = keys.get("eos_token_id", "a token id or a list of them", |value| match value {
        Value::Array(ids) => ids.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>(),
        id => Some(vec![id.as_i64()?]),
    })?;
    Ok(ids.unwrap_or_default())
}
