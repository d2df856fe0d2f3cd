//! The key-value cache: keys and values of the tokens so far, so that each token is computed once.

use tch::{Device, Kind, Tensor};

use crate::model::config::DecoderConfig;

/// Keys and values of all layers, for a fixed number of tokens.
pub struct KvCache {
    layers: Vec<KeysValues>,
    length: i64,
}

/// One layer's keys and values, `[rows, key-value heads, capacity, head_dim]` each.
struct KeysValues {
    keys: Tensor,
    values: Tensor,
}

/// The cache of one layer.
pub(in crate::model) struct LayerCache<'a> {
    tensors: &'a mut KeysValues,
    length: i64,
}

impl KvCache {
    pub(super) fn new(config: &DecoderConfig, rows: i64, capacity: i64, options: (Kind, Device)) -> KvCache {
        let zeros = || Tensor::zeros([rows, config.num_key_value_heads, capacity, config.head_dim], options);
        let layer = |_| KeysValues { keys: zeros(), values: zeros() };
        KvCache { layers: (0..config.num_hidden_layers).map(layer).collect(), length: 0 }
    }

    /// Tokens in the cache.
    pub fn length(&self) -> i64 {
        self.length
    }

    pub(super) fn layer(&mut self, layer: usize) -> LayerCache<'_> {
        LayerCache { tensors: &mut self.layers[layer], length: self.length }
    }

    pub(super) fn advance(&mut self, tokens: i64) {
        self.length += tokens;
    }
}

impl LayerCache<'_> {
    /// Appends keys and values `[rows, heads, length, head_dim]`, and gives all there are now.
    pub fn append(&mut self, keys: &Tensor, values: &Tensor) -> (Tensor, Tensor) {
        let added = keys.size()[2];
        let append = |all: &Tensor, new: &Tensor| {
            all.narrow(2, self.length, added).copy_(new);
            all.narrow(2, 0, self.length + added)
        };
        (append(&self.tensors.keys, keys), append(&self.tensors.values, values))
    }
}
