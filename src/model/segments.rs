//! A network as a chain of segments, and the batch it runs on.

use tch::Tensor;

use super::tape::ForwardPass;
use super::unpadded::Unpadded;

/// A network that runs as a chain of segments: embeddings, each block, head. A segment needs the hidden states of the one before
/// and nothing else, so that each can be run, differentiated and run again on its own. Hidden states are `[rows, length, hidden]`, or
/// `[1, tokens, hidden]` between segments of a batch without its padding ([`Inputs::unpadded`]).
pub trait Segments {
    /// Number of segments.
    fn count(&self) -> usize;

    /// Runs a segment. `hidden` is the output of the segment before; undefined for the first. The last segment's output is that of
    /// [`Network::output`](super::Network::output).
    fn forward(&self, segment: usize, hidden: &Tensor, pass: &mut ForwardPass) -> Tensor;
}

/// A batch on the device.
pub struct Inputs {
    /// Tokens, int64 `[rows, length]`, padded at the end.
    pub input_ids: Tensor,
    /// For encoders, each token's sentence of a pair, 0 or 1: int64 `[rows, length]`.
    pub token_type_ids: Tensor,
    /// Each token's example, counted from 1 in every row, and 0 for padding: int64 `[rows, length]`. `None` where a row is
    /// one example and nothing is padded; attention then takes its fastest kernel.
    pub sequence_ids: Option<Tensor>,
    /// In packed rows, each token's position in its example: int64 `[rows, length]`.
    pub position_ids: Option<Tensor>,
    /// The tokens, if segments are to compute them alone. `None` where they compute padding, too, or there is none.
    pub unpadded: Option<Unpadded>,
}
