//! What attention needs of a batch, shared by all blocks: rotary embeddings and attention masks.

use std::collections::BTreeSet;

use tch::{Device, Kind, Tensor};

use super::rope::RotaryEmbedding;
use crate::model::attention::AttentionMask;
use crate::model::config::DecoderConfig;
use crate::model::segments::Inputs;

/// Rotary embeddings of the tokens' positions, and a mask for each sliding window.
pub(in crate::model) struct AttentionContext {
    pub rotary: RotaryEmbedding,
    masks: Vec<(Option<i64>, AttentionMask)>,
}

impl AttentionContext {
    /// For whole rows. Padding needs no mask: it comes last, and no token attends to a later one.
    pub fn of_batch(config: &DecoderConfig, inputs: &Inputs, kind: Kind) -> AttentionContext {
        let Inputs { input_ids, sequence_ids, position_ids, unpadded, .. } = inputs;
        let (length, device) = (input_ids.size()[1], input_ids.device());
        let order = |tokens: i64| Tensor::arange(tokens, (Kind::Int64, device));
        let positions = position_ids.as_ref().map_or_else(|| order(length).unsqueeze(0), Tensor::shallow_clone);
        let rotary = RotaryEmbedding::new(config, &positions, kind);
        let causal = |tokens: i64, window: Option<i64>| causal_mask(&order(tokens), &order(tokens), window);
        let within = |tokens: i64, window: Option<i64>| match window.filter(|window| *window < tokens) {
            None => AttentionMask::Causal,
            Some(window) => AttentionMask::Window { tokens: window, mask: causal(tokens, Some(window)) },
        };
        if let Some(unpadded) = unpadded {
            let mask = |window| AttentionMask::of_examples(unpadded, |tokens| within(tokens, window));
            return AttentionContext { rotary: rotary.of_tokens(unpadded), masks: by_window(config, mask) };
        }
        // In packed rows, tokens attend to those of the same example only: [rows, 1, length, length].
        let same_example = position_ids.as_ref().and(sequence_ids.as_ref()).map(|ids| {
            let ids = ids.unsqueeze(1);
            ids.unsqueeze(-1).eq_tensor(&ids.unsqueeze(-2))
        });
        let mask = |window: Option<i64>| match &same_example {
            None => within(length, window),
            Some(same) => AttentionMask::Tensor(same.logical_and(&causal(length, window))),
        };
        AttentionContext { rotary, masks: by_window(config, mask) }
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
            None if new == 1 => AttentionMask::Full,
            None if cached == 0 => AttentionMask::Causal,
            window => AttentionMask::Tensor(causal_mask(&queries, &order(0, cached + new), window)),
        };
        let rotary = RotaryEmbedding::new(config, &queries.unsqueeze(0), kind);
        AttentionContext { rotary, masks: by_window(config, mask) }
    }

    /// The mask of a layer with this sliding window.
    pub fn mask(&self, window: Option<i64>) -> &AttentionMask {
        const CAUSAL: &AttentionMask = &AttentionMask::Causal;
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
