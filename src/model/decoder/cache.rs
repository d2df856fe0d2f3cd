//! Keys and values of the tokens read so far, so that each is reckoned once.

use tch::{Kind, Tensor};

use super::Decoder;

/// Keys and values of all layers, for a number of tokens fixed beforehand.
pub struct Cache {
    /// Per layer, `[rows, key-value heads, capacity, head_dim]`.
    layers: Vec<(Tensor, Tensor)>,
    length: i64,
}

/// One layer's part.
pub(super) struct LayerCache<'a> {
    keys: &'a mut Tensor,
    values: &'a mut Tensor,
    length: i64,
}

impl Cache {
    /// An empty one, for `rows` texts of `capacity` tokens at most.
    pub fn new(decoder: &Decoder, rows: i64, capacity: i64) -> Cache {
        let config = decoder.config();
        let options: (Kind, tch::Device) = (decoder.table().kind(), decoder.table().device());
        let zeros = || Tensor::zeros([rows, config.num_key_value_heads, capacity, config.head_dim], options);
        Cache { layers: (0..config.num_hidden_layers).map(|_| (zeros(), zeros())).collect(), length: 0 }
    }

    /// Tokens it holds.
    pub fn length(&self) -> i64 {
        self.length
    }

    pub(super) fn layer(&mut self, layer: usize) -> LayerCache<'_> {
        let (keys, values) = &mut self.layers[layer];
        LayerCache { keys, values, length: self.length }
    }

    pub(super) fn advance(&mut self, tokens: i64) {
        self.length += tokens;
    }
}

impl LayerCache<'_> {
    /// Takes up keys and values, `[rows, heads, length, head_dim]`, and gives all there are.
    pub fn extend(&mut self, keys: &Tensor, values: &Tensor) -> (Tensor, Tensor) {
        let more = keys.size()[2];
        let append = |all: &Tensor, new: &Tensor| {
            all.narrow(2, self.length, more).copy_(new);
            all.narrow(2, 0, self.length + more)
        };
        (append(self.keys, keys), append(self.values, values))
    }
}
