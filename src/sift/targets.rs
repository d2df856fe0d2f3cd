//! Targets: which parameters are trained, and how many components of each.

use super::select::Structure;

/// How a parameter is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A target: its selected components are trained.
    Sparse,
    /// All its components are trained, as those of a new classifier head.
    Dense,
    /// Not trained.
    Frozen,
}

/// Which parameters are targets, by the preset.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Share of each target's components to train: above 0, at most 1.
    pub rate: f64,
    /// Which sets of their components may be chosen.
    pub structure: Structure,
    /// A parameter whose name contains one of these is a target. `query` matches `query.bias`, too.
    pub modules: Vec<String>,
    /// A parameter whose name contains one of these is trained densely, even if it matches `modules`.
    pub dense: Vec<String>,
    /// Whether targets may be biases.
    pub biases: bool,
}

impl Rules {
    /// Everything is trained densely: every name contains the empty one.
    pub fn everything() -> Rules {
        let (modules, dense) = (Vec::new(), vec![String::new()]);
        Rules { rate: 1.0, structure: Structure::Entries, modules, dense, biases: true }
    }

    /// How the parameter of this name is trained.
    pub fn role(&self, name: &str) -> Role {
        let contains_one = |patterns: &[String]| patterns.iter().any(|pattern| name.contains(pattern.as_str()));
        if contains_one(&self.dense) {
            Role::Dense
        } else if contains_one(&self.modules) && (self.biases || !name.ends_with("bias")) {
            Role::Sparse
        } else {
            Role::Frozen
        }
    }

    /// The number of components that are trained of a target of this shape.
    pub fn budget(&self, shape: &[i64]) -> i64 {
        self.structure.components(shape, self.rate)
    }
}

/// The budget of entries of a target of this many components: floor(rate · components) + 1, at most all of them. Each target trains at least
/// one, as in the authors' code.
pub fn budget(components: i64, rate: f64) -> i64 {
    ((rate * components as f64).floor() as i64 + 1).min(components)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(modules: &[&str], biases: bool) -> Rules {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Rules {
            rate: 0.1,
            structure: Structure::Entries,
            modules: owned(modules),
            dense: owned(&["classifier"]),
            biases,
        }
    }

    #[test]
    fn a_parameters_name_decides_its_role() {
        let with = rules(&["query", "dense"], true);
        assert_eq!(with.role("bert.encoder.layer.0.attention.self.query.bias"), Role::Sparse);
        assert_eq!(with.role("bert.encoder.layer.0.attention.self.key.weight"), Role::Frozen);
        assert_eq!(with.role("classifier.dense.weight"), Role::Dense);
        let without = rules(&["query"], false);
        assert_eq!(without.role("bert.encoder.layer.0.attention.self.query.bias"), Role::Frozen);
        assert_eq!(without.role("classifier.bias"), Role::Dense);
    }

    proptest! {
        #[test]
        fn a_budget_is_between_one_and_all(components in 1i64..1 << 40, rate in 1e-9f64..=1.0) {
            let k = budget(components, rate);
            prop_assert!(1 <= k && k <= components);
            prop_assert!((k as f64) > rate * components as f64 - 1.0);
        }

        #[test]
        fn rate_one_trains_all(components in 1i64..1 << 40) {
            prop_assert_eq!(budget(components, 1.0), components);
        }
    }
}
