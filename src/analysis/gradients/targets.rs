//! The parameters whose gradient is analysed, by module and layer.

use crate::runs::places;

/// Parameters by module and layer.
pub struct Targets {
    pub all: Vec<Target>,
    /// Names of the modules, in the model's order. A weight and its bias are one module.
    pub modules: Vec<String>,
    /// Numbers of the layers, ascending; `None` for parameters outside of layers.
    pub layers: Vec<Option<u64>>,
}

/// A parameter.
pub struct Target {
    pub name: String,
    pub module: usize,
    pub layer: usize,
}

impl Targets {
    /// The parameters of these names.
    pub fn new(names: &[&str]) -> Targets {
        let places = places(names);
        let mut layers: Vec<Option<u64>> = places.iter().map(|(layer, _)| *layer).collect();
        layers.sort_unstable();
        layers.dedup();
        let mut modules: Vec<String> = Vec::new();
        let all = names.iter().zip(&places).map(|(name, (layer, module))| {
            let module = module.strip_suffix(" bias").unwrap_or(module);
            let number = modules.iter().position(|known| known == module).unwrap_or_else(|| {
                modules.push(module.to_owned());
                modules.len() - 1
            });
            Target { name: (*name).to_owned(), module: number, layer: layers.binary_search(layer).unwrap_or(0) }
        });
        let all = all.collect();
        Targets { all, modules, layers }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|target| target.name.as_str())
    }

    /// What a layer is called in tables.
    pub fn layer_name(&self, layer: usize) -> String {
        self.layers[layer].map_or("outside of layers".to_owned(), |number| number.to_string())
    }
}
