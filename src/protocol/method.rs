//! How a run trains its model: SIFT, or one of the methods that it is compared with.

use serde::{Deserialize, Serialize};

/// How a run trains its model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingMethod {
    /// The selected components of the targets, and dense parameters. Events and checkpoints of earlier versions are of this one.
    #[default]
    Sift,
    /// Every parameter.
    Full,
    /// The dense parameters alone.
    Head,
    /// Low-rank adapters of linear layers, and dense parameters.
    Lora,
}

/// The hyperparameters of LoRA.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraFacts {
    /// The rank.
    pub r: i64,
    /// `lora_alpha`: adapters are scaled by alpha / r.
    pub alpha: f64,
    /// `lora_dropout`: dropout of the adapters' input.
    #[serde(default)]
    pub dropout: f64,
}

impl TrainingMethod {
    /// All methods.
    pub const ALL: [TrainingMethod; 4] =
        [TrainingMethod::Sift, TrainingMethod::Full, TrainingMethod::Head, TrainingMethod::Lora];

    /// As in a preset.
    pub fn name(self) -> &'static str {
        match self {
            TrainingMethod::Sift => "sift",
            TrainingMethod::Full => "full",
            TrainingMethod::Head => "head",
            TrainingMethod::Lora => "lora",
        }
    }
}
