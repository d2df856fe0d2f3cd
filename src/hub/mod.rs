//! The Hugging Face hub: finds models and datasets in a local folder, in the shared cache, or online.
//!
//! ```text
//! environment  endpoint, cache, token
//! id           ids with revisions, and how they differ from folders
//! cache        repositories in the cache: snapshots, refs, listings
//! model        the folder of a model
//! dataset      the files of a dataset
//! card         what a dataset's card says of its configs and splits
//! splits split_names shards
//!              which files make up a split: by the card, or by their names
//! remote       requests to the hub: listings and downloads
//! ```
//!
//! Cache layout: `$HF_HOME/hub/models--ORG--NAME/{refs/main, snapshots/COMMIT/FILE}`. Downloads are written to `partial/`
//! beside `snapshots/` until they are complete and checked, so that a snapshot holds complete files only. `listings/COMMIT.json`
//! has the names of all files of a repository, so that a cache which has only some of them is not taken for complete.

mod cache;
mod card;
mod dataset;
mod environment;
mod id;
mod model;
mod remote;
mod shards;
mod split_names;
mod splits;

use anyhow::{Result, bail};

use crate::Usage;
use cache::{Repository, RepositoryKind, Unreachable};
pub use dataset::{DatasetFiles, DatasetRequest, RequestedFiles, RequestedHeldOut};
pub use environment::{Hub, OnProgress};
use id::{IdError, RepositoryId};
pub use splits::FormatOf;

/// Whether an error means that the hub did not answer.
pub fn is_unreachable(error: &anyhow::Error) -> bool {
    error.is::<Unreachable>()
}

impl Hub {
    fn repository<'a>(&'a self, kind: RepositoryKind, id: &'a str) -> Result<Repository<'a>> {
        match RepositoryId::parse(id) {
            Ok(id) => Ok(Repository { hub: self, kind, id }),
            Err(IdError::Name) => {
                bail!(Usage(format!("{id:?} is neither a folder that exists nor a hub id such as org/name")))
            }
            Err(IdError::Revision) => bail!(Usage(format!(
                "{id:?}: what follows @ is no revision; write a branch, a tag, a commit or refs/pr/NUMBER"
            ))),
        }
    }
}
