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
    /// Neither: most letters are beyond ASCII, as in a text that is not of a Western language.
    Unknown,
    /// UTF-8 with broken characters.
    Lossy,
}

impl Decoding {
    /// A row with more broken than complete characters beyond ASCII is of another encoding, in which some bytes look like UTF-8
    /// by chance; else single characters are broken.
    pub fn of(row: &[u8]) -> Decoding {
        if std::str::from_utf8(row).is_ok() {
            return Decoding::Utf8;
        }
        let (mut complete, mut broken) = (0, 0);
        for chunk in row.utf8_chunks() {
            complete += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
            broken += usize::from(!chunk.invalid().is_empty());
        }
        match complete >= broken {
            true => Decoding::Lossy,
            false if is_western(row) => Decoding::Windows1252,
            false => Decoding::Unknown,
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
            Decoding::Unknown => Some(Remark::UnknownEncoding),
            Decoding::Lossy => Some(Remark::BrokenText),
        }
    }

    /// The text of a part of the row.
    pub fn text(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Decoding::Utf8 | Decoding::Lossy => String::from_utf8_lossy(bytes),
            Decoding::Windows1252 | Decoding::Unknown => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// Whether most letters are in ASCII, as in the languages that Windows-1252 is for.
fn is_western(row: &[u8]) -> bool {
    let beyond = row.iter().filter(|byte| !byte.is_ascii()).count();
    beyond <= row.iter().filter(|byte| byte.is_ascii_alphabetic()).count()
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
            (b"\xd5\xee\xf0\xee\xf8\xee,pos", Decoding::Unknown, "Õîðîøî,pos"),
        ] {
            assert_eq!((Decoding::of(row), Decoding::of(row).text(row).as_ref()), (decoding, text));
        }
    }
}
