//! What attention needs of a batch, shared by all blocks: rotary embeddings and attention masks.

use std::collections::BTreeSet;

use tch::{Device, Kind, Tensor};

use super::rope::RotaryEmbedding;
use crate::model::config::DecoderConfig;
use crate::model::segments::Inputs;

/// Rotary embeddings of the tokens' positions, and a mask for each sliding window.
pub(in crate::model) struct AttentionContext {
    pub rotary: RotaryEmbedding,
    masks: Vec<(Option<i64>, AttentionMask)>,
}

/// Which keys a query attends to.
pub(in crate::model) struct AttentionMask {
    /// Bool, broadcast to `[rows, heads, queries, keys]`. `None` where `is_causal` is enough, or all keys are attended to.
    pub tensor: Option<Tensor>,
    /// Whether a query attends to itself and all keys before it. Attention then takes its fastest kernel.
    pub is_causal: bool,
}

impl AttentionContext {
    /// For whole rows. Padding needs no mask: it comes last, and no token attends to a later one.
    pub fn of_batch(config: &DecoderConfig, inputs: &Inputs, kind: Kind) -> AttentionContext {
        let device = inputs.input_ids.device();
        let length = inputs.input_ids.size()[1];
        let order = Tensor::arange(length, (Kind::Int64, device));
        let positions = match &inputs.position_ids {
            Some(positions) => positions.shallow_clone(),
            None => order.unsqueeze(0),
        };
        // In packed rows, tokens attend to those of the same example only: [rows, 1, length, length].
        let same_example = inputs.position_ids.as_ref().and(inputs.sequence_ids.as_ref()).map(|ids| {
            let ids = ids.unsqueeze(1);
            ids.unsqueeze(-1).eq_tensor(&ids.unsqueeze(-2))
        });
        let mask = |window: Option<i64>| {
            let window = window.filter(|window| *window < length);
            if same_example.is_none() && window.is_none() {
                return AttentionMask { tensor: None, is_causal: true };
            }
            let mask = causal_mask(&order, &order, window);
            let mask = same_example.as_ref().map_or(mask.shallow_clone(), |same| same.logical_and(&mask));
            AttentionMask { tensor: Some(mask), is_causal: false }
        };
        AttentionContext { rotary: RotaryEmbedding::new(config, &positions, kind), masks: by_window(config, mask) }
    }

    /// For `new` tokens after `cached` others, with the network's dtype and device.
    pub fn of_cached(
        config: &DecoderConfig,
        cached: i64,
        new: i64,
        (kind, device): (Kind, Device),
    ) -> AttentionContext {
        let order = |start: i64, end: i64| Tensor::arange_start(start, end, (Kind::Int64, device));
        let queries = order(cached, cached + new);
        let mask = |window: Option<i64>| match window.filter(|window| *window < cached + new) {
            None if new == 1 => AttentionMask { tensor: None, is_causal: false },
            None if cached == 0 => AttentionMask { tensor: None, is_causal: true },
            window => {
                AttentionMask { tensor: Some(causal_mask(&queries, &order(0, cached + new), window)), is_causal: false }
            }
        };
        let rotary = RotaryEmbedding::new(config, &queries.unsqueeze(0), kind);
        AttentionContext { rotary, masks: by_window(config, mask) }
    }

    /// The mask of a layer with this sliding window.
    pub fn mask(&self, window: Option<i64>) -> &AttentionMask {
        const CAUSAL: &AttentionMask = &AttentionMask { tensor: None, is_causal: true };
        self.masks.iter().find(|(of, _)| *of == window).map_or(CAUSAL, |(_, mask)| mask)
    }
}

fn by_window(config: &DecoderConfig, mask: impl Fn(Option<i64>) -> AttentionMask) -> Vec<(Option<i64>, AttentionMask)> {
    let windows: BTreeSet<Option<i64>> = config.windows.iter().copied().collect();
    windows.into_iter().map(|window| (window, mask(window))).collect()
}

/// Bool `[queries, keys]` of int64 positions: true for the query's own key and those before it, within the window.
fn causal_mask(queries: &Tensor, keys: &Tensor, window: Option<i64>) -> Tensor {
    let distance = queries.unsqueeze(1) - keys.unsqueeze(0);
    let causal = distance.ge(0);
    match window {
        Some(window) => causal.logical_and(&distance.lt(window)),
        None => causal,
    }
}
