//! Rotary positions as a config.json has them: the base of the wavelengths, and how they were stretched for longer texts.

use serde_json::Value;

use super::keys::Keys;

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
    /// As Llama 3's but by turns within the original context, and with larger angles' cosines and sines (Peng et al.,
    /// arXiv 2309.00071).
    Yarn {
        /// The factor of low frequencies.
        factor: f64,
        /// By which cosines and sines are multiplied.
        attention_factor: f64,
        /// Frequencies that turn more often than this within the original context are high ones.
        beta_fast: f64,
        /// Those that turn less often than this are low ones.
        beta_slow: f64,
        /// The context before stretching, in tokens.
        original_max_position_embeddings: f64,
        /// Whether the bounds are rounded to whole pairs of components.
        truncate: bool,
    },
}

impl Rope {
    /// Tokens that a text may have, of a network with so many positions by its own word.
    pub(super) fn longest(&self, max_position_embeddings: i64) -> i64 {
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

/// transformers 5 has all of it in `rope_parameters`; before, there were `rope_theta` and, for what is stretched,
/// `rope_scaling`. A config may have both, and then they have to say the same.
pub(super) fn read(keys: Keys<'_>, max_position_embeddings: i64) -> Result<Rope, String> {
    let old = keys.object("rope_scaling")?.filter(|scaling| !scaling.0.is_empty());
    let new = keys.object("rope_parameters")?.filter(|parameters| !parameters.0.is_empty());
    let whole = |keys: Keys<'_>| match keys.number("partial_rotary_factor")? {
        Some(factor) if factor != 1.0 => Err(format!("partial_rotary_factor {factor}: only whole heads are turned")),
        _ => Ok(()),
    };
    whole(keys)?;
    // Where the old key lacks the base, it is the one that is given elsewhere.
    let given = match above_0(keys, "rope_theta")? {
        None => new.map(|new| above_0(new, "rope_theta")).transpose()?.flatten(),
        theta => theta,
    };
    let read = |name: &str, scaling: Keys<'_>| {
        let read = || {
            whole(scaling)?;
            let theta = above_0(scaling, "rope_theta")?.or(given).unwrap_or(10_000.0);
            Ok(Rope { theta, scaling: scaling_of(scaling, keys, max_position_embeddings)? })
        };
        read().map_err(|error: String| format!("{name}: {error}"))
    };
    match (old, new) {
        (None, None) => Ok(Rope { theta: given.unwrap_or(10_000.0), scaling: RopeScaling::Default }),
        (Some(old), None) => read("rope_scaling", old),
        (None, Some(new)) => read("rope_parameters", new),
        (Some(old), Some(new)) => match (read("rope_scaling", old)?, read("rope_parameters", new)?) {
            (old, new) if old == new => Ok(new),
            (old, new) => Err(format!("rope_scaling says {old:?} and rope_parameters {new:?}; remove one of them")),
        },
    }
}

fn scaling_of(scaling: Keys<'_>, keys: Keys<'_>, max_position_embeddings: i64) -> Result<RopeScaling, String> {
    let number = |key: &str| above_0(scaling, key)?.ok_or_else(|| format!("{key} is missing"));
    // Beside the others it takes precedence, and without it the network was not trained on less than it has.
    let original = || match above_0(keys, "original_max_position_embeddings")? {
        Some(original) => Ok(original),
        None => Ok::<f64, String>(
            above_0(scaling, "original_max_position_embeddings")?.unwrap_or(max_position_embeddings as f64),
        ),
    };
    let rope_type = match scaling.text("rope_type")? {
        None => scaling.text("type")?.unwrap_or("default"),
        Some(rope_type) => rope_type,
    };
    if let Some((layer_type, _)) = scaling.0.iter().find(|(_, value)| value.is_object()) {
        return Err(format!("{layer_type} has positions of its own; only the same for all layers are supported"));
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
                if scaling.has("factor") { above_0(scaling, "factor")?.unwrap_or(implied) } else { number("factor")? };
            Ok(RopeScaling::Yarn {
                factor,
                attention_factor: attention_factor(scaling, factor)?,
                beta_fast: scaling.number("beta_fast")?.filter(|beta| *beta > 0.0).unwrap_or(32.0),
                beta_slow: scaling.number("beta_slow")?.filter(|beta| *beta > 0.0).unwrap_or(1.0),
                original_max_position_embeddings,
                truncate: scaling.get("truncate", "true or false", Value::as_bool)?.unwrap_or(true),
            })
        }
        other => Err(format!("rope_type {other:?} is none of default, linear, dynamic, llama3, yarn")),
    }
}

/// Yarn's, given or as the paper has it; `mscale` and `mscale_all_dim` count only together.
fn attention_factor(scaling: Keys<'_>, factor: f64) -> Result<f64, String> {
    let of_scale = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
    let given = scaling.number("attention_factor")?;
    let scale = |key: &str| Ok::<_, String>(scaling.number(key)?.filter(|scale| *scale > 0.0));
    Ok(match (given, scale("mscale")?, scale("mscale_all_dim")?) {
        (Some(given), _, _) => given,
        (None, Some(scale), Some(all)) => of_scale(scale) / of_scale(all),
        _ => of_scale(1.0),
    })
}

fn above_0(keys: Keys<'_>, key: &str) -> Result<Option<f64>, String> {
    keys.get(key, "a number above 0", |value| value.as_f64().filter(|number| *number > 0.0))
}
