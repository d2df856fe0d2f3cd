//! What a preset trains, by its method: the roles of the model's parameters, and the adapters that are added to it. All that differs
//! between methods follows from these two.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::checks::{check_targets, module_names, structure_of};
use crate::Usage;
use crate::model::{Layout, LoraConfig, ModelConfig, NetworkShape, ParameterSpec};
use crate::preset::Preset;
use crate::protocol::TrainingMethod;
use crate::sift::{Role, Rules};
use crate::suggest;

/// Part of the name of every adapter's parameter.
const ADAPTERS: &str = ".lora_";

/// The preset's rules for what is trained.
pub fn target_rules(preset: &Preset) -> Rules {
    let sift = &preset.sift;
    let (modules, dense) = match preset.method {
        TrainingMethod::Sift => return sift_rules(preset),
        TrainingMethod::Full => return Rules::everything(),
        TrainingMethod::Head => (Vec::new(), sift.dense.clone()),
        TrainingMethod::Lora => return lora_rules(sift_rules(preset)),
    };
    Rules { modules, dense, ..sift_rules(preset) }
}

/// What LoRA trains in the place of SIFT: the adapters, and the same dense parameters.
pub fn lora_rules(sift: Rules) -> Rules {
    let dense = sift.dense.iter().cloned().chain([ADAPTERS.to_owned()]).collect();
    Rules { modules: Vec::new(), dense, ..sift }
}

/// The linear layers among SIFT's targets, which LoRA adapts in its place.
///
/// # Errors
/// [`Usage`], with the key: a target that is no linear layer, or a pattern that matches nothing.
pub fn lora_modules(sift: &Rules, specs: &[ParameterSpec]) -> Result<BTreeSet<String>> {
    let modules = chosen_by_sift(&sift.modules, specs)?;
    Ok(without_dense(modules, sift))
}

/// What SIFT would train with a preset, whatever its method: analyses look at these targets.
pub fn sift_rules(preset: &Preset) -> Rules {
    let sift = &preset.sift;
    Rules {
        rate: sift.rate,
        structure: structure_of(sift.structure),
        modules: sift.modules.clone(),
        dense: sift.dense.clone(),
        biases: sift.biases,
    }
}

/// The adapters of a preset's model; `None` for methods without.
///
/// # Errors
/// [`Usage`], with the key: a target that is no linear layer, or none at all.
pub fn target_adapters(preset: &Preset, config: &ModelConfig) -> Result<Option<LoraConfig>> {
    if preset.method != TrainingMethod::Lora {
        return Ok(None);
    }
    // Parameter names do not depend on the number of labels, which only the data determine.
    let specs = Layout::of(config, 2).parameters;
    let lora = &preset.lora;
    let modules = match lora.target_modules.as_slice() {
        [] => chosen_by_sift(&preset.sift.modules, &specs)?,
        names => chosen_by_name(names, &specs)?,
    };
    let modules = without_dense(modules, &target_rules(preset));
    if modules.is_empty() {
        bail!(Usage(
            "method = \"lora\": no linear layer gets an adapter; set lora.target_modules, or sift.modules, to names that sift.dense \
             does not match"
                .into()
        ));
    }
    Ok(Some(LoraConfig { r: lora.r, alpha: lora.alpha, dropout: lora.dropout, modules }))
}

/// Checks that every pattern of a preset matches a parameter of its model, and that at least one parameter is trained.
///
/// # Errors
/// [`Usage`], with the key, the pattern and the names most like it.
pub(super) fn check_preset_targets(preset: &Preset, config: &ModelConfig) -> Result<()> {
    if preset.method == TrainingMethod::Head && preset.sift.dense.is_empty() {
        let remedy = match config {
            ModelConfig::Encoder(_) => "set it to the head, such as [\"classifier\"]",
            ModelConfig::Decoder(_) => {
                "a language model has no classification head, so set it to what to train, or train with another method"
            }
        };
        bail!(Usage(format!("method = \"head\" trains what sift.dense matches, and sift.dense is empty: {remedy}")));
    }
    let adapters = target_adapters(preset, config)?;
    let (layout, _) = Layout::with_layers(NetworkShape { config, labels: 2, adapters: adapters.as_ref() });
    check_targets(&target_rules(preset), &layout.parameters)
}

/// Layers whose weight is trained densely have no adapter.
fn without_dense(modules: Vec<String>, rules: &Rules) -> BTreeSet<String> {
    let is_dense = |module: &String| rules.role(&format!("{module}.weight")) == Role::Dense;
    modules.into_iter().filter(|module| !is_dense(module)).collect()
}

/// The linear layers whose weight's name contains one of these patterns of `sift.modules`.
fn chosen_by_sift(patterns: &[String], specs: &[ParameterSpec]) -> Result<Vec<String>> {
    let matched = |name: &str| patterns.iter().any(|pattern| name.contains(pattern.as_str()));
    if let Some(table) = specs.iter().find(|spec| is_table(spec) && matched(&spec.name)) {
        bail!(no_linear_layer("sift.modules", module_of(table)));
    }
    for pattern in patterns {
        if !specs.iter().any(|spec| spec.name.contains(pattern.as_str())) {
            bail!(unmatched("sift.modules", pattern, specs));
        }
    }
    Ok(linear_layers(specs).filter(|layer| matched(&format!("{layer}.weight"))).map(str::to_owned).collect())
}

/// The linear layers of these names, or whose names end in a dot and one of them, as PEFT matches `target_modules`.
fn chosen_by_name(names: &[String], specs: &[ParameterSpec]) -> Result<Vec<String>> {
    let mut chosen = Vec::new();
    for name in names {
        let is_named = |module: &str| {
            module.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let before = chosen.len();
        chosen.extend(linear_layers(specs).filter(|layer| is_named(layer)).map(str::to_owned));
        match specs.iter().map(module_of).find(|module| is_named(module)) {
            _ if chosen.len() > before => {}
            Some(other) => bail!(no_linear_layer("lora.target_modules", other)),
            None => bail!(unmatched("lora.target_modules", name, specs)),
        }
    }
    Ok(chosen)
}

/// Whether it is a table of vectors: an embedding, or what makes logits.
fn is_table(spec: &ParameterSpec) -> bool {
    !spec.is_linear() && spec.shape.len() == 2
}

fn linear_layers(specs: &[ParameterSpec]) -> impl Iterator<Item = &str> {
    specs.iter().filter(|spec| spec.is_linear() && !spec.is_bias()).map(module_of)
}

/// The name of a parameter's module.
fn module_of(spec: &ParameterSpec) -> &str {
    spec.name.rsplit_once('.').map_or(spec.name.as_str(), |(module, _)| module)
}

fn no_linear_layer(key: &str, module: &str) -> Usage {
    let remedy = match key {
        "sift.modules" => "name linear layers in lora.target_modules",
        _ => "remove it",
    };
    Usage(format!("{key}: {module} is no linear layer, and only linear layers have LoRA adapters; {remedy}"))
}

fn unmatched(key: &str, pattern: &str, specs: &[ParameterSpec]) -> Usage {
    let linear: Vec<ParameterSpec> = specs.iter().filter(|spec| spec.is_linear()).cloned().collect();
    let nearest = suggest::nearest_of_all(pattern, &module_names(&linear)).join(", ");
    Usage(format!("{key}: \"{pattern}\" matches none of the model's linear layers; did you mean one of {nearest}?"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn analyses_look_at_the_targets_of_sift_whatever_the_method() {
        let (weight, head) = ("bert.encoder.layer.0.attention.self.query.weight", "classifier.weight");
        for method in TrainingMethod::ALL {
            let set = format!("method={}", method.name());
            let preset = Preset::load("demo", &[set], Path::new("/cache")).unwrap();
            let role = |rules: Rules| (rules.role(weight), rules.role(head));
            assert_eq!(role(sift_rules(&preset)), (Role::Sparse, Role::Dense), "{}", method.name());
            let trained = match method {
                TrainingMethod::Sift => Role::Sparse,
                TrainingMethod::Full => Role::Dense,
                TrainingMethod::Head | TrainingMethod::Lora => Role::Frozen,
            };
            assert_eq!(role(target_rules(&preset)), (trained, Role::Dense), "{}", method.name());
        }
    }
}
