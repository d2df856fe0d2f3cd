//! Bytes of a row become text: UTF-8, or else Windows-1252, never silently.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};
use memchr::memmem;

use super::remarks::Remark;

/// The decoding of one row. It is decided for the row as a whole: files that were appended to in two encodings exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoding {
    Utf8,
    Windows1252,
    /// UTF-8 with broken characters.
    Lossy,
}

impl Decoding {
    /// Bytes that hold no complete UTF-8 character beyond ASCII are of another encoding; else single characters are broken.
    pub fn of(row: &[u8]) -> Decoding {
        if std::str::from_utf8(row).is_ok() {
            return Decoding::Utf8;
        }
        match row.utf8_chunks().any(|chunk| !chunk.valid().is_ascii()) {
            true => Decoding::Lossy,
            false => Decoding::Windows1252,
        }
    }

    pub fn remark(self, row: &[u8], transcoded: Option<&Encoding>) -> Option<Remark> {
        match self {
            // Decoding UTF-16 replaces what is broken, too.
            Decoding::Utf8 if transcoded.is_some() && memmem::find(row, "\u{fffd}".as_bytes()).is_some() => {
                Some(Remark::BrokenText)
            }
            Decoding::Utf8 => None,
            Decoding::Windows1252 => Some(Remark::Windows1252),
            Decoding::Lossy => Some(Remark::BrokenText),
        }
    }

    /// The text of a part of the row.
    pub fn text(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Decoding::Utf8 | Decoding::Lossy => String::from_utf8_lossy(bytes),
            Decoding::Windows1252 => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_row() {
        for (row, decoding, text) in [
            ("naïve €".as_bytes(), Decoding::Utf8, "naïve €"),
            (b"na\xefve \x80", Decoding::Windows1252, "naïve €"),
            (b"na\xc3\xafve \xff", Decoding::Lossy, "naïve \u{fffd}"),
            (b"plain", Decoding::Utf8, "plain"),
        ] {
            assert_eq!((Decoding::of(row), Decoding::of(row).text(row).as_ref()), (decoding, text));
        }
    }
}
