//! Rotary positions as a config.json states them: the base of the wavelengths, and how they are scaled for longer texts.

use serde_json::Value;

use super::error::ConfigError;
use super::keys::Keys;

/// Rotary position embeddings (Su et al., arXiv 2104.09864).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The base of the wavelengths.
    pub theta: f64,
    /// How the frequencies are scaled for longer texts.
    pub scaling: RopeScaling,
}

/// How frequencies are scaled, by the names of `rope_type` in transformers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// All by one factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// By the length of the text, once it is longer than the context the network was trained on.
    Dynamic {
        /// How much longer a text may be.
        factor: f64,
    },
    /// Low frequencies by a factor, high ones not at all, and a blend between: Llama 3.1 and later.
    Llama3 {
        /// The factor of low frequencies.
        factor: f64,
        /// Wavelengths above the original context over this are low frequencies.
        low_freq_factor: f64,
        /// Wavelengths below the original context over this are high frequencies.
        high_freq_factor: f64,
        /// The context before scaling, in tokens.
        original_max_position_embeddings: f64,
    },
    /// YaRN (Peng et al., arXiv 2309.00071): as Llama 3's, but by the number of rotations within the original context, and
    /// with scaled cosines and sines.
    Yarn {
        /// The factor of low frequencies.
        factor: f64,
        /// Factor of the cosines and sines.
        attention_factor: f64,
        /// Frequencies with more rotations than this within the original context are high ones.
        beta_fast: f64,
        /// Frequencies with fewer rotations than this are low ones.
        beta_slow: f64,
        /// The context before scaling, in tokens.
        original_max_position_embeddings: f64,
        /// Whether the bounds are rounded to whole pairs of components.
        truncate: bool,
    },
}

impl Rope {
    /// Tokens that a text may have.
    pub(super) fn max_tokens(&self, max_position_embeddings: i64) -> i64 {
        match self.scaling {
            RopeScaling::Dynamic { factor } => (max_position_embeddings as f64 * factor) as i64,
            // Qwen's configs keep the original number beside the factor.
            RopeScaling::Yarn { factor, original_max_position_embeddings, .. } => {
                max_position_embeddings.max((original_max_position_embeddings * factor) as i64)
            }
            _ => max_position_embeddings,
        }
    }
}

/// transformers 5 has everything in `rope_parameters`; before, there were `rope_theta` and, for scaled positions,
/// `rope_scaling`. A config may have both, and then both must agree.
pub(super) fn read(keys: Keys<'_>, max_position_embeddings: i64) -> Result<Rope, ConfigError> {
    let old = keys.object("rope_scaling")?.filter(|scaling| !scaling.0.is_empty());
    let new = keys.object("rope_parameters")?.filter(|parameters| !parameters.0.is_empty());
    refuse_partial_rotation(keys)?;
    // Where the old key lacks the base, the base given elsewhere holds.
    let given = match keys.positive("rope_theta")? {
        None => new.map(|new| new.positive("rope_theta")).transpose()?.flatten(),
        theta => theta,
    };
    let read = |name: &str, scaling: Keys<'_>| {
        let read = || {
            refuse_partial_rotation(scaling)?;
            let theta = scaling.positive("rope_theta")?.or(given).unwrap_or(10_000.0);
            Ok(Rope { theta, scaling: scaling_of(scaling, keys, max_position_embeddings)? })
        };
        read().map_err(|error: ConfigError| error.within(name))
    };
    match (old, new) {
        (None, None) => Ok(Rope { theta: given.unwrap_or(10_000.0), scaling: RopeScaling::Default }),
        (Some(old), None) => read("rope_scaling", old),
        (None, Some(new)) => read("rope_parameters", new),
        (Some(old), Some(new)) => match (read("rope_scaling", old)?, read("rope_parameters", new)?) {
            (old, new) if old == new => Ok(new),
            (old, new) => Err(ConfigError::Unsupported(format!(
                "rope_scaling says {old:?} and rope_parameters {new:?}; remove one of them"
            ))),
        },
    }
}

fn refuse_partial_rotation(keys: Keys<'_>) -> Result<(), ConfigError> {
    match keys.number("partial_rotary_factor")? {
        Some(factor) if factor != 1.0 => {
            let reason = format!("partial_rotary_factor {factor}: only rotation of whole heads is supported");
            Err(ConfigError::Unsupported(reason))
        }
        _ => Ok(()),
    }
}

fn scaling_of(scaling: Keys<'_>, keys: Keys<'_>, max_position_embeddings: i64) -> Result<RopeScaling, ConfigError> {
    let number = |key: &str| scaling.positive(key)?.ok_or_else(|| ConfigError::Missing { key: key.to_owned() });
    // The key beside the object takes precedence. Without either, the network was trained on all its positions.
    let original = || match keys.positive("original_max_position_embeddings")? {
        Some(original) => Ok(original),
        None => Ok::<f64, ConfigError>(
            scaling.positive("original_max_position_embeddings")?.unwrap_or(max_position_embeddings as f64),
        ),
    };
    let rope_type = match scaling.string("rope_type")? {
        None => scaling.string("type")?.unwrap_or("default"),
        Some(rope_type) => rope_type,
    };
    if let Some((layer_type, _)) = scaling.0.iter().find(|(_, value)| value.is_object()) {
        let reason = format!("{layer_type} has positions of its own; all layers must have the same");
        return Err(ConfigError::Unsupported(reason));
    }
    match rope_type {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: number("factor")? }),
        "dynamic" => Ok(RopeScaling::Dynamic { factor: number("factor")? }),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: number("factor")?,
            low_freq_factor: number("low_freq_factor")?,
            high_freq_factor: number("high_freq_factor")?,
            original_max_position_embeddings: original()?,
        }),
        "yarn" => {
            let original_max_position_embeddings = original()?;
            let implied = max_position_embeddings as f64 / original_max_position_embeddings;
            // An explicit null means the ratio of the two contexts.
            let factor =
                if scaling.has("factor") { scaling.positive("factor")?.unwrap_or(implied) } else { number("factor")? };
            Ok(RopeScaling::Yarn {
                factor,
                attention_factor: attention_factor(scaling, factor)?,
                beta_fast: scaling.number("beta_fast")?.filter(|beta| *beta > 0.0).unwrap_or(32.0),
                beta_slow: scaling.number("beta_slow")?.filter(|beta| *beta > 0.0).unwrap_or(1.0),
                original_max_position_embeddings,
                truncate: scaling.get("truncate", "true or false", Value::as_bool)?.unwrap_or(true),
            })
        }
        other => Err(ConfigError::Unknown {
            key: "rope_type".into(),
            found: format!("{other:?}"),
            known: vec!["default", "linear", "dynamic", "llama3", "yarn"],
        }),
    }
}

/// YaRN's factor, given or by the paper's formula. `mscale` and `mscale_all_dim` count only together.
fn attention_factor(scaling: Keys<'_>, factor: f64) -> Result<f64, ConfigError> {
    let of_scale = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    let given = scaling.number("attention_factor")?;
    let scale = |key: &str| Ok::<_, ConfigError>(scaling.number(key)?.filter(|scale| *scale > 0.0));
    Ok(match (given, scale("mscale")?, scale("mscale_all_dim")?) {
        (Some(given), _, _) => given,
        (None, Some(scale), Some(all)) => of_scale(scale) / of_scale(all),
        _ => of_scale(1.0),
    })
}
