//! Why a folder or a repository is no model that can be opened: what it is instead, and what to do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::other::{OtherTokenizer, OtherWeights};
use super::place::Place;
use super::{CONFIG, INDEX, TOKENIZER, WEIGHTS};

/// Names of missing files that are listed; the others are counted.
const SHOWN: usize = 8;

/// What is wrong with a folder or repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModelProblem {
    /// A file, in this folder.
    File(PathBuf),
    Empty,
    /// An adapter for a base model, whose id or folder it may name.
    Adapter(Option<String>),
    Run,
    RunCheckpoint,
    /// A folder of the Hugging Face cache, with its snapshot.
    CacheFolder(Option<PathBuf>),
    /// The model is in one of these folders below.
    Above(Vec<String>),
    /// The model is in the folder above.
    Below(PathBuf),
    /// Files that a model needs.
    Lacks(Vec<String>),
    /// A link to a file that does not exist.
    BrokenLink {
        name: String,
        target: PathBuf,
    },
    /// No safetensors weights.
    OtherWeights(OtherWeights),
    /// No tokenizer that is read.
    OtherTokenizer(OtherTokenizer),
}

/// What the names of the files in a folder or repository show. `base` is the base model that adapter_config.json names.
pub(crate) fn problem_of_names(names: &BTreeSet<String>, base: Option<String>) -> Option<ModelProblem> {
    let has = |name: &str| names.contains(name);
    let weights = has(WEIGHTS) || has(INDEX);
    if has("adapter_config.json") && (!weights || names.iter().any(|name| name.starts_with("adapter_model."))) {
        return Some(ModelProblem::Adapter(base));
    }
    let lacks = |name: &str| Some(ModelProblem::Lacks(vec![name.to_owned()]));
    if !weights && let Some(other) = OtherWeights::among(names) {
        return Some(ModelProblem::OtherWeights(other));
    }
    if !has(CONFIG) {
        return lacks(CONFIG);
    }
    if !weights {
        return lacks(WEIGHTS);
    }
    let tokenizer = has(TOKENIZER) || has("vocab.txt") || (has("vocab.json") && has("merges.txt"));
    match OtherTokenizer::among(names) {
        _ if tokenizer => None,
        Some(other) => Some(ModelProblem::OtherTokenizer(other)),
        None => lacks(TOKENIZER),
    }
}

impl ModelProblem {
    /// The problem in one line that begins with the place.
    pub fn describe(&self, place: &Place) -> String {
        let shown = &place.shown;
        match self {
            ModelProblem::File(folder) => {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                format!("{shown}: a file; name the folder of the model, such as {}", folder.display())
            }
            ModelProblem::Empty => {
                format!("{shown}: an empty folder; a model has {CONFIG}, {TOKENIZER} and {WEIGHTS}")
            }
            ModelProblem::Adapter(base) => adapter(shown, base.as_deref()),
            ModelProblem::Run => format!(
                "{shown}: a run of finesift, not a model; `finesift export {shown} --to merged --out FOLDER` makes a model of it"
            ),
            ModelProblem::RunCheckpoint => format!(
                "{shown}: a checkpoint of a run, not a model; `finesift export RUN --from STEP --to merged --out FOLDER` makes \
                 a model of it"
            ),
            ModelProblem::CacheFolder(Some(snapshot)) => {
                format!("{shown}: a folder of the Hugging Face cache; its model is in {}", snapshot.display())
            }
            ModelProblem::CacheFolder(None) => {
                format!("{shown}: a folder of the Hugging Face cache without a snapshot; name the model by its hub id")
            }
            ModelProblem::Above(below) => {
                let (one, more) = (&below[0], below.len() - 1);
                let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                format!("{shown}: no {CONFIG}, but {shown}/{one} has one{more}; name that folder")
            }
            ModelProblem::Below(above) => {
                format!("{shown}: no {CONFIG}, but the folder above has one; name {}", above.display())
            }
            ModelProblem::Lacks(names) => {
                let it = if names.len() == 1 { "it" } else { "them" };
                let more = names.len().saturating_sub(SHOWN);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("{shown}: no {}{more}; a model needs {it}", names[..names.len().min(SHOWN)].join(", "))
            }
            ModelProblem::BrokenLink { name, target } => format!(
                "{shown}: {name} is a link to {}, which does not exist; download the model again",
                target.display()
            ),
            ModelProblem::OtherWeights(other) => format!("{shown}: no {WEIGHTS}: {}", other.describe(place)),
            ModelProblem::OtherTokenizer(other) => format!("{shown}: no {TOKENIZER}: {}", other.describe(place)),
        }
    }
}

fn adapter(shown: &str, base: Option<&str>) -> String {
    let (of, base) = match base {
        Some(base) => (format!(" of {base}"), base),
        None => (String::new(), "BASE"),
    };
    format!(
        "{shown}: an adapter{of}, not a model. Train its base model, or merge it first: python -c \"from peft import \
         AutoPeftModel; AutoPeftModel.from_pretrained('{shown}').merge_and_unload().save_pretrained('MERGED')\", and copy \
         the tokenizer of {base} into MERGED"
    )
}
