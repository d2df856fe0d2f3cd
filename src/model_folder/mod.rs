//! The files of a model's folder: which a model needs, which belong to it besides, and what else a folder may hold.
//!
//! ```text
//! weights      the safetensors files of a folder, and the index of a sharded model
//! companions   the files beside config and weights that downloads and exports take along
//! substitute   what a file holds instead of what its name says
//! other        weights and tokenizers in formats that are not read
//! place        where a model was looked for
//! problem      why a folder or a repository is no model that can be opened
//! check        checks a folder, in the order in which a user would look at it
//! ```

mod check;
mod companions;
mod other;
mod place;
mod problem;
mod substitute;
mod weights;

#[cfg(feature = "torch")]
pub(crate) use check::weight_files;
pub(crate) use check::{architecture, base_of_adapter, check, problem};
#[cfg(feature = "torch")]
pub(crate) use companions::TEMPLATES;
pub(crate) use companions::is_companion;
pub(crate) use place::Place;
pub(crate) use problem::{ModelProblem, problem_of_names};
pub(crate) use substitute::expect_content;
#[cfg(feature = "torch")]
pub(crate) use weights::damaged;
pub(crate) use weights::shards;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Names the shards of a model whose weights are in several files.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
