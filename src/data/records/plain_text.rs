//! Plain text files, each of which is one text.

use std::io::Read;
use std::path::Path;

use anyhow::{Result, bail};

use super::decode::Decoding;
use super::remarks::Remarks;
use super::row_reader::FileNotes;
use super::text_file::TextFile;
use crate::Usage;

/// Limit on a text, in bytes.
const MAX_TEXT: u64 = 1 << 30;

/// Reads a text of any encoding and compression that rows may have.
///
/// # Errors
/// [`Usage`]: a file of another kind, or one that is too large.
pub(in crate::data) fn read_text(path: &Path) -> Result<(String, FileNotes)> {
    let mut file = TextFile::open(path)?;
    let mut bytes = Vec::new();
    if let Err(error) = file.by_ref().take(MAX_TEXT + 1).read_to_end(&mut bytes) {
        return Err(file.failed(error));
    }
    if bytes.len() as u64 > MAX_TEXT {
        bail!(Usage(format!("{}: larger than {} GiB; split it into several files", path.display(), MAX_TEXT >> 30)));
    }
    let decoding = Decoding::of(&bytes);
    let mut remarks = Remarks::default();
    if let Some(remark) = decoding.remark(&bytes, file.encoding) {
        remarks.note(remark, 1);
    }
    remarks.check(path, 1)?;
    let storage = file.storage();
    let text = match decoding {
        Decoding::Utf8 => String::from_utf8(bytes).unwrap_or_default(),
        decoding => decoding.text(&bytes).into_owned(),
    };
    let info = (!storage.is_empty()).then(|| format!("{}: {}", path.display(), storage.join(", ")));
    Ok((text, FileNotes { info: info.into_iter().collect(), warnings: remarks.warnings(path) }))
}
