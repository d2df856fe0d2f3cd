//! The targets of a run: the layer and module of each, and its curves in bounded memory.

use std::collections::{BTreeSet, HashMap};

use crate::protocol::{Mass, Selected, SelectedTarget};
use crate::series::{At, Series};

/// Limit of buckets of all curves of one kind together: 4 MiB.
const BUCKETS: usize = 65_536;

/// Every target of a run on a grid of modules and layers.
#[derive(Default)]
pub struct TargetHistories {
    /// In the model's order.
    pub all: Vec<TargetHistory>,
    /// Numbers of the layers, ascending; `None` for targets outside of layers.
    pub layers: Vec<Option<u64>>,
    /// Names of the modules, in the model's order.
    pub modules: Vec<String>,
    /// The number of a target by module and layer.
    cells: HashMap<(usize, usize), usize>,
    numbers: HashMap<String, usize>,
}

/// A target and its curves.
pub struct TargetHistory {
    /// Name of the parameter in the base checkpoint.
    pub name: String,
    pub shape: Vec<i64>,
    /// Number of trained components.
    pub selected: u64,
    /// Gradient mass covered, in percent.
    pub mass: Series,
    /// Relative size of the update, in percent.
    pub update: Series,
}

impl TargetHistory {
    /// Number of components.
    pub fn components(&self) -> f64 {
        self.shape.iter().map(|&side| side as f64).product()
    }

    /// Share of trained components, in percent.
    pub fn density(&self) -> f64 {
        100.0 * self.selected as f64 / self.components()
    }
}

impl TargetHistories {
    /// The targets of a selection, without measurements.
    pub fn of(selected: &Selected) -> TargetHistories {
        let names: Vec<&str> = selected.targets.iter().map(|target| target.name.as_str()).collect();
        let places = places(&names);
        let layers: BTreeSet<Option<u64>> = places.iter().map(|(layer, _)| *layer).collect();
        let layers: Vec<Option<u64>> = layers.into_iter().collect();
        let (mut modules, mut rows, mut cells) = (Vec::new(), HashMap::new(), HashMap::new());
        for (number, (layer, module)) in places.iter().enumerate() {
            let row = *rows.entry(module).or_insert(modules.len());
            if row == modules.len() {
                modules.push(module.clone());
            }
            cells.insert((row, layers.binary_search(layer).unwrap_or(0)), number);
        }
        let most = (BUCKETS / names.len().max(1)).clamp(32, 1024);
        let target = |target: &SelectedTarget| TargetHistory {
            name: target.name.clone(),
            shape: target.shape.clone(),
            selected: target.selected,
            mass: Series::bounded(most),
            update: Series::bounded(most),
        };
        TargetHistories {
            all: selected.targets.iter().map(target).collect(),
            layers,
            modules,
            cells,
            numbers: names.iter().enumerate().map(|(number, name)| ((*name).to_owned(), number)).collect(),
        }
    }

    /// The number of the target of a module in a layer.
    pub fn at(&self, module: usize, layer: usize) -> Option<usize> {
        self.cells.get(&(module, layer)).copied()
    }

    /// The module and the layer of a target.
    pub fn cell_of(&self, target: usize) -> Option<(usize, usize)> {
        self.cells.iter().find(|(_, number)| **number == target).map(|(cell, _)| *cell)
    }

    /// Adds a measurement.
    pub(super) fn push(&mut self, at: At, mass: &Mass) {
        for measured in &mass.targets {
            let Some(target) = self.numbers.get(&measured.name).and_then(|&number| self.all.get_mut(number)) else {
                continue;
            };
            target.mass.push(at, measured.mass);
            if let Some(update) = measured.update {
                target.update.push(at, update);
            }
        }
    }

    pub(super) fn rewind(&mut self, step: f64) {
        for target in &mut self.all {
            target.mass.rewind(step);
            target.update.rewind(step);
        }
    }
}

/// The layer and the module of each name. Modules have the shortest names that are unique.
pub fn places(names: &[&str]) -> Vec<(Option<u64>, String)> {
    let places = |short: bool| names.iter().map(|name| place(name, short)).collect::<Vec<_>>();
    let shortest = places(true);
    let mut sorted = shortest.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == names.len() { shortest } else { places(false) }
}

/// `bert.encoder.layer.3.attention.self.query.bias` is `query bias` in layer 3, or `attention.self.query bias`.
fn place(name: &str, short: bool) -> (Option<u64>, String) {
    let (path, kind) = match name.rsplit_once('.') {
        Some((path, "weight")) => (path, ""),
        Some((path, "bias")) => (path, " bias"),
        _ => (name, ""),
    };
    let parts: Vec<&str> = path.split('.').collect();
    let numbered = parts.iter().enumerate().find_map(|(i, part)| Some((i, part.parse::<u64>().ok()?)));
    let within = &parts[numbered.map_or(0, |(i, _)| i + 1)..];
    let is_generic = |part: &&str| matches!(*part, "dense" | "LayerNorm");
    let module = match within {
        [.., last] if short && !is_generic(last) => (*last).to_owned(),
        [] => path.to_owned(),
        within => within.join("."),
    };
    (numbered.map(|(_, layer)| layer), module + kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::TargetMass;

    fn selected(names: &[&str]) -> Selected {
        let target = |name: &&str| SelectedTarget { name: (*name).into(), shape: vec![4, 8], selected: 2 };
        Selected { total: 0, of: 0, dense: 0, targets: names.iter().map(target).collect() }
    }

    #[test]
    fn names_make_a_grid() {
        let targets = TargetHistories::of(&selected(&[
            "bert.embeddings.word_embeddings.weight",
            "bert.encoder.layer.10.attention.self.query.weight",
            "bert.encoder.layer.10.attention.self.query.bias",
            "bert.encoder.layer.2.attention.self.query.weight",
            "bert.encoder.layer.2.attention.output.dense.weight",
        ]));
        assert_eq!(targets.layers, [None, Some(2), Some(10)]);
        assert_eq!(targets.modules, ["word_embeddings", "query", "query bias", "attention.output.dense"]);
        assert_eq!(
            (targets.at(0, 0), targets.at(1, 1), targets.at(1, 2), targets.at(2, 1)),
            (Some(0), Some(3), Some(1), None)
        );
        assert_eq!(targets.all[1].density(), 100.0 * 2.0 / 32.0);
    }

    #[test]
    fn modules_whose_short_names_collide_keep_their_paths() {
        let names = ["m.layers.0.self.q.weight", "m.layers.0.cross.q.weight"];
        assert_eq!(TargetHistories::of(&selected(&names)).modules, ["self.q", "cross.q"]);
    }

    #[test]
    fn curves_of_a_large_model_are_bounded() {
        let names: Vec<String> = (0..1000).map(|i| format!("m.{i}.q.weight")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut targets = TargetHistories::of(&selected(&names));
        for step in 0..500 {
            let measured = |name: &&str| TargetMass { name: (*name).into(), mass: 1.0, update: Some(0.1) };
            let mass = Mass { step, overall: 1.0, targets: names.iter().map(measured).collect() };
            targets.push(At { step: step as f64, time: 0.0 }, &mass);
        }
        let buckets: usize = targets.all.iter().map(|target| target.mass.buckets().len()).sum();
        assert!(buckets <= BUCKETS && targets.all[7].update.last() == Some(0.1), "{buckets}");
    }
}
