//! What Hugging Face's `datasets` notes about the columns of the parquet files it writes.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::parquet::open_checked;

/// Key of the file's metadata.
const KEY: &str = "huggingface";

#[derive(Deserialize)]
struct Metadata {
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    features: BTreeMap<String, serde_json::Value>,
}

/// The class names of a column whose numbers are indices: a `ClassLabel` of `datasets`. `None` for every other column.
///
/// # Errors
/// [`Usage`](crate::Usage): not a readable parquet file.
pub(in crate::data) fn class_label_names(path: &Path, column: &str) -> Result<Option<Vec<String>>> {
    let (reader, _) = open_checked(path)?;
    let metadata = parquet::file::reader::FileReader::metadata(&reader).file_metadata();
    let noted = metadata.key_value_metadata().and_then(|entries| entries.iter().find(|entry| entry.key == KEY));
    let Some(text) = noted.and_then(|entry| entry.value.as_deref()) else { return Ok(None) };
    // Metadata of another shape say nothing about the column.
    let Ok(Metadata { info: Info { mut features } }) = serde_json::from_str(text) else { return Ok(None) };
    let Some(feature) = features.remove(column).filter(|feature| feature["_type"] == "ClassLabel") else {
        return Ok(None);
    };
    Ok(serde_json::from_value(feature["names"].clone()).ok())
}
