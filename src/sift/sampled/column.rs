//! Columns of a matrix, a chunk of tokens at a time.

/// Tokens of a chunk.
pub(super) const CHUNK: usize = 64;

/// One component of each token of a chunk; 0 for missing tokens.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Column(pub(super) [f32; CHUNK]);

impl Column {
    pub const ZERO: Column = Column([0.0; CHUNK]);
}
