//! Which slot of the trained state a gradient belongs to.

use std::collections::HashMap;

/// Slot numbers by the names that gradients carry.
pub(super) struct SlotIndex {
    linear: HashMap<String, LinearSlots>,
    parameters: HashMap<String, usize>,
}

/// The slots of a linear layer; `None` for a parameter that is not trained.
#[derive(Clone, Copy, Default)]
pub(super) struct LinearSlots {
    pub weight: Option<usize>,
    pub bias: Option<usize>,
}

impl SlotIndex {
    /// For parameters in the order of their slots.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> SlotIndex {
        let mut index = SlotIndex { linear: HashMap::new(), parameters: HashMap::new() };
        for (slot, name) in names.into_iter().enumerate() {
            index.parameters.insert(name.to_owned(), slot);
            let Some((module, parameter)) = name.rsplit_once('.') else { continue };
            let slots = index.linear.entry(module.to_owned()).or_default();
            match parameter {
                "weight" => slots.weight = Some(slot),
                "bias" => slots.bias = Some(slot),
                _ => {}
            }
        }
        index
    }

    /// The slots of a linear layer, by its name without `.weight`.
    pub fn linear(&self, module: &str) -> LinearSlots {
        self.linear.get(module).copied().unwrap_or_default()
    }

    /// The slot of any parameter.
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.parameters.get(name).copied()
    }
}
