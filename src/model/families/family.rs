//! What a family of networks provides.

use crate::model::builder::Builder;
use crate::model::config::{ConfigError, DecoderConfig, EncoderConfig, Keys};
use crate::model::decoder::Decoder;
use crate::model::encoder::Encoder;

/// How the networks of a family are read and made.
pub(super) enum Family {
    /// Encoders, with a classifier of a number of labels.
    Encoder {
        read: fn(Keys<'_>) -> Result<EncoderConfig, ConfigError>,
        build: fn(&EncoderConfig, &Builder<'_>, i64) -> Encoder,
    },
    /// Decoders.
    Decoder {
        read: fn(Keys<'_>) -> Result<DecoderConfig, ConfigError>,
        build: fn(&DecoderConfig, &Builder<'_>) -> Decoder,
    },
}
