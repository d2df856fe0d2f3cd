//! What all blocks of a decoder share on a batch: the angles of its positions, and who sees whom.

use std::collections::BTreeSet;

use tch::{Kind, Tensor};

use super::rope::Angles;
use crate::model::Inputs;
use crate::model::config::DecoderConfig;

/// Angles and masks.
pub(super) struct Context {
    pub angles: Angles,
    /// By window.
    visible: Vec<(Option<i64>, Visible)>,
}

/// Which keys a query sees.
pub(super) struct Visible {
    /// Bool, broadcast to `[rows, heads, queries, keys]`; `None` where `causal` says it all, or every key is seen.
    pub mask: Option<Tensor>,
    /// Whether a query sees those before it and itself: attention then takes its fastest way.
    pub causal: bool,
}

impl Context {
    /// For a batch of whole rows. Padding needs no mask, since it comes last and no token looks ahead.
    pub fn of_batch(config: &DecoderConfig, inputs: &Inputs, kind: Kind) -> Context {
        let device = inputs.input_ids.device();
        let length = inputs.input_ids.size()[1];
        let order = Tensor::arange(length, (Kind::Int64, device));
        let positions = match &inputs.position_ids {
            Some(positions) => positions.shallow_clone(),
            None => order.unsqueeze(0),
        };
        // Of packed rows only tokens of the same example see each other: [rows, 1, length, length].
        let same = inputs.position_ids.as_ref().and(inputs.sequence_ids.as_ref()).map(|ids| {
            let ids = ids.unsqueeze(1);
            ids.unsqueeze(-1).eq_tensor(&ids.unsqueeze(-2))
        });
        let visible = |window: Option<i64>| {
            let window = window.filter(|window| *window < length);
            if same.is_none() && window.is_none() {
                return Visible { mask: None, causal: true };
            }
            let mask = looking_back(&order, &order, window);
            let mask = same.as_ref().map_or(mask.shallow_clone(), |same| same.logical_and(&mask));
            Visible { mask: Some(mask), causal: false }
        };
        Context { angles: Angles::of(config, &positions, kind), visible: by_window(config, visible) }
    }

    /// For `more` tokens after `before` others. `like` has the network's type and device.
    pub fn of_more(config: &DecoderConfig, before: i64, more: i64, like: &Tensor) -> Context {
        let device = like.device();
        let order = |start: i64, end: i64| Tensor::arange_start(start, end, (Kind::Int64, device));
        let queries = order(before, before + more);
        let visible = |window: Option<i64>| match window.filter(|window| *window < before + more) {
            None if more == 1 => Visible { mask: None, causal: false },
            None if before == 0 => Visible { mask: None, causal: true },
            window => Visible { mask: Some(looking_back(&queries, &order(0, before + more), window)), causal: false },
        };
        Context { angles: Angles::of(config, &queries.unsqueeze(0), like.kind()), visible: by_window(config, visible) }
    }

    /// Who sees whom in a layer with this window.
    pub fn visible(&self, window: Option<i64>) -> &Visible {
        const ALL: &Visible = &Visible { mask: None, causal: true };
        self.visible.iter().find(|(of, _)| *of == window).map_or(ALL, |(_, visible)| visible)
    }
}

fn by_window(config: &DecoderConfig, visible: impl Fn(Option<i64>) -> Visible) -> Vec<(Option<i64>, Visible)> {
    let windows: BTreeSet<Option<i64>> = config.windows.iter().copied().collect();
    windows.into_iter().map(|window| (window, visible(window))).collect()
}

/// Bool `[queries, keys]`: a key is seen from its own place on, and for `window` places in all.
fn looking_back(queries: &Tensor, keys: &Tensor, window: Option<i64>) -> Tensor {
    let distance = queries.unsqueeze(1) - keys.unsqueeze(0);
    let back = distance.ge(0);
    match window {
        Some(window) => back.logical_and(&distance.lt(window)),
        None => back,
    }
}
