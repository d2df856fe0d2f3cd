//! What a file holds, by its first bytes: compressed text, or something that is no table and is refused by name.

use std::path::Path;

use crate::Usage;

/// How a text file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// By the magic number. Extensions are no proof: a browser unpacks `.gz` on the way and keeps the name.
    pub fn of(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

const UNPACK: &str = "unpack it, or compress with gzip or zstd";
const WORKBOOK: &str = "save the sheet as CSV";

/// First bytes, what they are of, and what to do.
const OTHER_KINDS: [(&[u8], &str, &str); 15] = [
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull`"),
    (b"PAR1", "a parquet file", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "write it as parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "write it as parquet, or open the dataset's own files"),
    (b"BZh", "a bzip2 file", UNPACK),
    (b"\xfd7zXZ\0", "an xz file", UNPACK),
    (b"\x04\"M\x18", "an lz4 file", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", WORKBOOK),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\xff\xfe\0\0", "UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32", "save it as UTF-8"),
    (b"%PDF", "a PDF document", "extract its text first"),
];

/// # Errors
/// The file is of another kind than its name says.
pub(super) fn check_kind(path: &Path, head: &[u8]) -> Result<(), Usage> {
    let known = OTHER_KINDS.iter().find(|(magic, ..)| head.starts_with(magic));
    let found = match known {
        Some((_, kind, remedy)) => Some((*kind, *remedy)),
        None if is_web_page(head) => Some(("a web page", "download the raw file instead")),
        None if is_utf16(head) => Some(("UTF-16 without a byte-order mark", "save it as UTF-8")),
        None => None,
    };
    match found {
        Some((kind, remedy)) => Err(Usage(format!("{}: this is {kind}; {remedy}", path.display()))),
        None => Ok(()),
    }
}

/// What a server sends in place of a file that needs a login.
fn is_web_page(head: &[u8]) -> bool {
    let start = head.trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
}

/// Every other byte of Western text in UTF-16 is zero.
fn is_utf16(head: &[u8]) -> bool {
    if head.len() < 8 || matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return false;
    }
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Characters beyond the basic plane have a zero on the other side now and then.
    even.max(odd) * 4 > head.len() && even.min(odd) * 10 < even.max(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_kinds_are_refused_by_name() {
        let utf16: Vec<u8> = "text,label\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (head, message) in [
            (b"version https://git-lfs.github.com/spec/v1\n".as_slice(), "x: this is a Git LFS pointer"),
            (b"\n <!DOCTYPE html><p>", "x: this is a web page; download the raw file"),
            (&utf16, "x: this is UTF-16 without a byte-order mark; save it as UTF-8"),
            (b"PK\x03\x04..", "x: this is a ZIP archive or an Excel workbook"),
        ] {
            let error = check_kind(Path::new("x"), head).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        for head in [b"text,label\n".as_slice(), b"", b"a\0b,c\nd,e\n", b"\xff\xfet\0e\0x\0t\0,\0l\0"] {
            check_kind(Path::new("x"), head).unwrap();
        }
    }
}
