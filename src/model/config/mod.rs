//! The sizes and options of a network, as its config.json states them. Nothing here knows a layer.
//!
//! There is one config for encoders and one for decoders. How a family reads it is in [`families`](super::families).

mod decoder;
mod encoder;
mod error;
mod keys;
mod rope;

pub use decoder::DecoderConfig;
pub(super) use decoder::{DecoderDefaults, windows_by_layer};
pub(super) use encoder::EncoderDefaults;
pub use encoder::{EncoderConfig, PositionIds};
pub use error::ConfigError;
pub(super) use keys::Keys;
pub use rope::{Rope, RopeScaling};

/// A model's config.json, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelConfig {
    /// A network that reads a text as a whole: with a head it is a classifier.
    Encoder(EncoderConfig),
    /// A network that generates a text token by token: a language model.
    Decoder(DecoderConfig),
}

impl ModelConfig {
    /// The number of blocks.
    pub fn layers(&self) -> usize {
        match self {
            ModelConfig::Encoder(config) => config.num_hidden_layers as usize,
            ModelConfig::Decoder(config) => config.num_hidden_layers as usize,
        }
    }

    /// The same network with another number of blocks. Added blocks have the sliding window of the last.
    pub fn with_layers(mut self, layers: usize) -> ModelConfig {
        match &mut self {
            ModelConfig::Encoder(config) => config.num_hidden_layers = layers as i64,
            ModelConfig::Decoder(config) => {
                let last = config.windows.last().copied().flatten();
                config.windows.resize(layers, last);
                config.num_hidden_layers = layers as i64;
            }
        }
        self
    }

    /// Tokens that a text may have.
    pub fn max_tokens(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.max_tokens(),
            ModelConfig::Decoder(decoder) => decoder.max_tokens(),
        }
    }

    /// Rows of the embedding table.
    pub fn vocab_size(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.vocab_size,
            ModelConfig::Decoder(decoder) => decoder.vocab_size,
        }
    }

    /// Width of a hidden state.
    pub fn hidden_size(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.hidden_size,
            ModelConfig::Decoder(decoder) => decoder.hidden_size,
        }
    }

    /// Number of blocks.
    pub fn num_hidden_layers(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.num_hidden_layers,
            ModelConfig::Decoder(decoder) => decoder.num_hidden_layers,
        }
    }

    /// Standard deviation of newly initialised weights.
    pub fn initializer_range(&self) -> f64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.initializer_range,
            ModelConfig::Decoder(decoder) => decoder.initializer_range,
        }
    }

    /// The token that rows of a batch are padded with. A decoder's is 0: no token attends to padding behind it.
    pub fn pad_token_id(&self) -> i64 {
        match self {
            ModelConfig::Encoder(encoder) => encoder.pad_token_id,
            ModelConfig::Decoder(_) => 0,
        }
    }

    pub(super) fn model_type(&self) -> &'static str {
        match self {
            ModelConfig::Encoder(encoder) => encoder.model_type,
            ModelConfig::Decoder(decoder) => decoder.model_type,
        }
    }
}
