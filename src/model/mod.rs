//! Pre-trained networks: from a config.json and safetensors files to a chain of segments, and backward through it.
//!
//! Nothing here knows SIFT or the training loop. In reading order: a config.json ([`ModelConfig`]), the table of families,
//! the layers of encoders and decoders and the builder they get their parameters from, what they ask it for ([`Layout`]), loading a
//! checkpoint ([`Parameters`]), the loss ([`Objective`]), gradients ([`backward`]) and text generation ([`Generator`]).

mod activation;
mod attention;
pub mod backward;
mod builder;
mod checkpoint;
mod config;
mod decoder;
mod dtype;
mod encoder;
mod families;
mod files;
mod fingerprint;
mod fused;
mod generate;
mod head;
mod layers;
mod layout;
mod lora;
mod memory;
mod network;
mod objective;
mod offload;
mod parameters;
mod random;
mod seeds;
mod segments;
mod tape;
mod unpadded;
mod weights;

pub use activation::Activation;
pub use builder::{ParameterKind, ParameterSpec};
pub use config::{ConfigError, DecoderConfig, EncoderConfig, ModelConfig, PositionIds, Rope, RopeScaling};
pub use decoder::{Decoder, KvCache};
pub use dtype::kind;
pub use encoder::Encoder;
pub use families::Layers;
pub use files::{FileTensor, ModelFiles};
pub use fingerprint::Fingerprint;
pub use fused::{Numbered, RowNumbers, check_kernels};
pub use generate::{GREEDY, Generator, Sampling};
pub use head::{Head, stored_outputs};
pub use layers::{Linear, by_onednn};
pub use layout::{Layout, NetworkShape};
pub use lora::LoraConfig;
pub use memory::{BlockActivations, TrainingStep};
pub use network::Network;
pub use objective::{LossGradients, LossTargets, Objective};
pub use offload::{OffDevice, Offload, OffloadBytes, Overlay, OwnRows, is_offloaded};
pub use parameters::Parameters;
pub use seeds::mixed;
pub use segments::{Inputs, Segments};
pub use tape::{ForwardPass, LinearRecord, LinearSlots, RecordedLayer, Tape};
pub use unpadded::Unpadded;
pub use weights::{LoadOptions, LoadReport, initialized};
