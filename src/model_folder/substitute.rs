//! What a file holds instead of what its name says: a pointer, a web page, nothing.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::Usage;

/// What stands in a file's place, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Substitute {
    LfsPointer,
    WebPage,
    /// The text of an error that a download was saved with.
    ErrorMessage(String),
    Empty,
    /// A zip file or pickle, as `torch.save` writes it.
    Pickle,
    Gguf,
}

/// Bytes that tell.
const BEGINNING: usize = 256;

impl Substitute {
    /// What a file that begins with these bytes is; `None` if it may be what its name says.
    fn of(beginning: &[u8]) -> Option<Substitute> {
        let text = String::from_utf8_lossy(beginning);
        let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let lower = text.to_ascii_lowercase();
        let error = ["entry not found", "invalid username or password", "repository not found", "{\"error\":"];
        if beginning.is_empty() {
            Some(Substitute::Empty)
        } else if text.starts_with("version https://git-lfs.github.com/") {
            Some(Substitute::LfsPointer)
        } else if ["<!doctype html", "<html", "<?xml"].iter().any(|start| lower.starts_with(start)) {
            Some(Substitute::WebPage)
        } else if error.iter().any(|start| lower.starts_with(start)) {
            Some(Substitute::ErrorMessage(text.chars().filter(|c| !c.is_control()).take(60).collect()))
        } else if beginning.starts_with(b"PK\x03\x04") || beginning.starts_with(b"\x80\x02") {
            Some(Substitute::Pickle)
        } else if beginning.starts_with(b"GGUF") {
            Some(Substitute::Gguf)
        } else {
            None
        }
    }
}

impl fmt::Display for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Substitute::LfsPointer => f.write_str(
                "a Git LFS pointer instead of the file; run `git lfs install` and `git lfs pull` in its folder",
            ),
            Substitute::WebPage => f.write_str(
                "a web page instead of the file, such as a login page that was saved under its name; download the file \
                 again, with HF_TOKEN set if its repository is private or gated",
            ),
            Substitute::ErrorMessage(text) => write!(
                f,
                "an error message instead of the file ({text:?}); check the URL and the token, and download the file again"
            ),
            Substitute::Empty => f.write_str("an empty file; download it again"),
            Substitute::Pickle => f.write_str(
                "pickled weights under another name, which can run code when they are loaded; load them with PyTorch and \
                 save them with `safetensors.torch.save_file`",
            ),
            Substitute::Gguf => f.write_str(
                "a GGUF file under another name; take the safetensors weights of the model that it was made from",
            ),
        }
    }
}

/// Checks that a file is what its name says, as far as its first bytes tell.
///
/// # Errors
/// [`Usage`] that says what it is instead, and what to do. Otherwise the file cannot be read.
pub(crate) fn expect_content(path: &Path) -> Result<()> {
    expect_content_but(path, |_| false)
}

/// Checks that a file is no Git LFS pointer. It may be empty or hold any text.
///
/// # Errors
/// As [`expect_content`].
pub(super) fn expect_no_pointer(path: &Path) -> Result<()> {
    expect_content_but(path, |substitute| *substitute != Substitute::LfsPointer)
}

fn expect_content_but(path: &Path, accepted: impl Fn(&Substitute) -> bool) -> Result<()> {
    let mut beginning = Vec::with_capacity(BEGINNING);
    File::open(path)
        .and_then(|file| file.take(BEGINNING as u64).read_to_end(&mut beginning))
        .with_context(|| format!("{}: cannot read", path.display()))?;
    match Substitute::of(&beginning) {
        Some(substitute) if !accepted(&substitute) => bail!(Usage(format!("{}: {substitute}", path.display()))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let of = |bytes: &[u8]| Substitute::of(bytes);
        assert_eq!(of(b"version https://git-lfs.github.com/spec/v1\noid sha256:a"), Some(Substitute::LfsPointer));
        assert_eq!(of(b"\n <!DOCTYPE html><html>"), Some(Substitute::WebPage));
        assert_eq!(of(b"Entry not found"), Some(Substitute::ErrorMessage("Entry not found".into())));
        assert_eq!(of(b""), Some(Substitute::Empty));
        assert_eq!(of(b"PK\x03\x04archive/data.pkl"), Some(Substitute::Pickle));
        assert_eq!(of(b"GGUF\x03\0\0\0"), Some(Substitute::Gguf));
        for whole in [&b"{\"model_type\": \"bert\"}"[..], b"{}", b"\x10\x02\0\0\0\0\0\0{\"a\"", b"[PAD]\n[UNK]"] {
            assert_eq!(of(whole), None);
        }
    }
}
