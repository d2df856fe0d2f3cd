//! Where a model was looked for, and how it is converted there with Python.

/// Where a model was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Folder or hub id, as in errors.
    pub shown: String,
    /// Whether it is a repository of the hub.
    pub on_hub: bool,
    /// The class in `architectures` of config.json, such as `BertForMaskedLM`.
    pub architecture: Option<String>,
}

impl Place {
    /// A Python line that saves the parts of the model in the formats that are read.
    pub(super) fn conversion(&self, parts: &[&str], packages: &str) -> String {
        let shown = &self.shown;
        let class = self.architecture.as_deref().unwrap_or("AutoModel");
        // A repository is saved as a whole, since it has no folder that could be completed.
        let (target, parts) = match self.on_hub {
            true => (shown.rsplit('/').next().unwrap_or(shown), &["model", "tokenizer"][..]),
            false => (shown.as_str(), parts),
        };
        let (mut classes, mut calls) = (Vec::new(), Vec::new());
        for (part, class) in [("model", class), ("tokenizer", "AutoTokenizer")] {
            if parts.contains(&part) {
                classes.push(class);
                let safe = if part == "model" { ", safe_serialization=True" } else { "" };
                calls.push(format!("{class}.from_pretrained('{shown}').save_pretrained('{target}'{safe})"));
            }
        }
        let install =
            if packages.is_empty() { String::new() } else { format!("pip install transformers {packages}; ") };
        let then = if self.on_hub { format!(", and set model.id = \"./{target}\"") } else { String::new() };
        format!("{install}python -c \"from transformers import {}; {}\"{then}", classes.join(", "), calls.join("; "))
    }

    /// Where the hub may have the weights converted already.
    pub(super) fn converted_branch(&self) -> String {
        match self.on_hub {
            true => format!(
                "; or see whether a pull request on its page has converted them, and set model.id = \"{}@refs/pr/NUMBER\"",
                self.shown
            ),
            false => String::new(),
        }
    }
}
