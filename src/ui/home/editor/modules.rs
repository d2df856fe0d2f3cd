//! Which modules of a network the patterns of `sift.modules` and `sift.dense` match, and which patterns choose a module.

use std::collections::BTreeMap;

use crate::estimate::ParameterCount;

/// A kind of module, the same in every layer: `attention.self.query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name within a layer.
    pub name: String,
    /// The shortest end of its name that matches the fewest others.
    pub pattern: String,
    /// How many layers have it.
    pub layers: usize,
    /// Components of all its parameters.
    pub components: u64,
    /// Names of its parameters.
    parameters: Vec<String>,
}

/// How much of a module is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    All,
    /// Only some layers: the pattern has their number in it.
    Some,
    None,
}

/// The modules of a network in its order. Targets are matrices of linear layers; dense parameters may be any.
pub fn modules(parameters: &[ParameterCount], only_linear: bool) -> Vec<Module> {
    let mut order: Vec<String> = Vec::new();
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for parameter in parameters.iter().filter(|parameter| parameter.linear || !only_linear) {
        let name = within_layer(&parameter.name);
        let module = modules.entry(name.to_owned()).or_insert_with(|| {
            order.push(name.to_owned());
            Module { name: name.to_owned(), pattern: String::new(), layers: 0, components: 0, parameters: Vec::new() }
        });
        module.layers += usize::from(!parameter.name.ends_with("bias"));
        module.components = module.components.saturating_add(parameter.components);
        module.parameters.push(parameter.name.clone());
    }
    let mut modules: Vec<Module> = order.iter().filter_map(|name| modules.remove(name)).collect();
    for number in 0..modules.len() {
        let matches =
            |end: &str| modules.iter().filter(|other| other.matched(&[end.to_owned()]) != Matched::None).count();
        let name = &modules[number].name;
        let starts = name.match_indices('.').map(|(dot, _)| dot + 1).chain([0]);
        let mut ends: Vec<&str> = starts.map(|start| &name[start..]).collect();
        ends.sort_by_key(|end| end.len());
        let best = ends.into_iter().min_by_key(|end| matches(end)).unwrap_or(name).to_owned();
        modules[number].pattern = best;
    }
    modules
}

/// The name of a parameter's module, without the layers it is in and their number.
fn within_layer(parameter: &str) -> &str {
    let module = parameter.rsplit_once('.').map_or(parameter, |(module, _)| module);
    let mut rest = module;
    let mut start = 0;
    for part in module.split('.') {
        start += part.len() + 1;
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            rest = module.get(start..).unwrap_or("");
        }
    }
    if rest.is_empty() { module } else { rest }
}

impl Module {
    /// How much of it these patterns match.
    pub fn matched(&self, patterns: &[String]) -> Matched {
        let is_matched = |name: &&String| patterns.iter().any(|pattern| name.contains(pattern.as_str()));
        match self.parameters.iter().filter(is_matched).count() {
            0 => Matched::None,
            number if number == self.parameters.len() => Matched::All,
            _ => Matched::Some,
        }
    }
}

/// The patterns after module `number` is switched on or off. Others stay as they are, as far as patterns can tell them apart.
pub fn toggled(modules: &[Module], patterns: &[String], number: usize) -> Vec<String> {
    let Some(module) = modules.get(number) else { return patterns.to_owned() };
    let mut patterns = patterns.to_owned();
    if module.matched(&patterns) != Matched::All {
        patterns.push(module.pattern.clone());
        return patterns;
    }
    let others: Vec<&Module> =
        modules.iter().filter(|other| *other != module && other.matched(&patterns) == Matched::All).collect();
    patterns.retain(|pattern| module.matched(std::slice::from_ref(pattern)) == Matched::None);
    for other in others {
        let alone = module.matched(std::slice::from_ref(&other.pattern)) == Matched::None;
        if alone && other.matched(&patterns) != Matched::All {
            patterns.push(other.pattern.clone());
        }
    }
    patterns
}

/// Whether a pattern matches any of the modules.
pub fn is_known(modules: &[Module], pattern: &str) -> bool {
    modules.iter().any(|module| module.matched(&[pattern.to_owned()]) != Matched::None)
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parameters of a small BERT.
    pub fn bert() -> Vec<ParameterCount> {
        let parameter = |name: String, components, linear| ParameterCount { name, components, linear };
        let mut all = vec![parameter("bert.embeddings.word_embeddings.weight".into(), 9600, false)];
        for layer in 0..2 {
            for (name, linear) in [
                ("attention.self.query", true),
                ("attention.self.key", true),
                ("attention.self.value", true),
                ("attention.output.dense", true),
                ("attention.output.LayerNorm", false),
                ("intermediate.dense", true),
                ("output.dense", true),
            ] {
                let size = if linear { 1024 } else { 32 };
                all.push(parameter(format!("bert.encoder.layer.{layer}.{name}.weight"), size, linear));
                all.push(parameter(format!("bert.encoder.layer.{layer}.{name}.bias"), 32, linear));
            }
        }
        all.push(parameter("classifier.weight".into(), 64, true));
        all
    }

    fn texts(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| pattern.to_string()).collect()
    }

    #[test]
    fn modules_are_named_as_within_a_layer_and_have_short_patterns() {
        let targets = modules(&bert(), true);
        let shown: Vec<_> =
            targets.iter().map(|m| (m.name.as_str(), m.pattern.as_str(), m.layers, m.components)).collect();
        assert_eq!(
            shown,
            [
                ("attention.self.query", "query", 2, 2112),
                ("attention.self.key", "key", 2, 2112),
                ("attention.self.value", "value", 2, 2112),
                ("attention.output.dense", "attention.output.dense", 2, 2112),
                ("intermediate.dense", "intermediate.dense", 2, 2112),
                // No part of its name is not part of that of attention's.
                ("output.dense", "output.dense", 2, 2112),
                ("classifier", "classifier", 1, 64),
            ]
        );
        assert!(modules(&bert(), false).iter().any(|module| module.name == "attention.output.LayerNorm"));
    }

    #[test]
    fn a_broader_pattern_is_split_when_a_module_is_switched_off() {
        let targets = modules(&bert(), true);
        let at = |name: &str| targets.iter().position(|module| module.name == name).unwrap();
        let patterns = texts(&["self", "quarry"]);
        assert_eq!(toggled(&targets, &patterns, at("attention.self.key")), texts(&["quarry", "query", "value"]));
        assert_eq!(
            toggled(&targets, &patterns, at("intermediate.dense")),
            texts(&["self", "quarry", "intermediate.dense"])
        );
        assert!(!is_known(&targets, "quarry") && is_known(&targets, "layer.1."));
        assert_eq!(targets[0].matched(&texts(&["layer.1."])), Matched::Some);
        assert_eq!(within_layer("model.layers.11.mlp.up_proj.weight"), "mlp.up_proj");
        assert_eq!(
            [within_layer("lm_head.weight"), within_layer("a.0.weight"), within_layer("x")],
            ["lm_head", "a.0", "x"]
        );
    }

    proptest! {
        #[test]
        fn a_toggle_changes_its_module(chosen in prop::collection::vec(0usize..7, 0..5), number in 0usize..7) {
            let targets = modules(&bert(), true);
            let patterns: Vec<String> = chosen.iter().map(|number| targets[*number].pattern.clone()).collect();
            let before = targets[number].matched(&patterns);
            let after = toggled(&targets, &patterns, number);
            prop_assert_eq!(targets[number].matched(&after) == Matched::All, before != Matched::All);
            for other in (0..targets.len()).filter(|other| *other != number) {
                let tied = |a: &Module, b: &Module| a.matched(std::slice::from_ref(&b.pattern)) != Matched::None;
                let together = tied(&targets[other], &targets[number]) || tied(&targets[number], &targets[other]);
                if !together {
                    prop_assert_eq!(targets[other].matched(&patterns), targets[other].matched(&after), "{}", targets[other].name);
                }
            }
        }
    }
}
