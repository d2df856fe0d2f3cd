//! The pictures of a screen as files: their names, and writing both.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ratatui::buffer::Buffer;

use super::palette::ScreenColours;
use super::{png, svg};

/// Where the pictures of a screen are written.
#[derive(Clone, Debug, PartialEq)]
pub struct ScreenFiles {
    pub folder: PathBuf,
    /// The name of both files, without what keeps them apart from earlier ones.
    pub name: String,
}

/// Writes a screen as SVG and as PNG, and returns a sentence with their names.
///
/// # Errors
/// The files cannot be written.
pub fn save(buffer: &Buffer, palette: ScreenColours, files: &ScreenFiles) -> Result<String> {
    let ScreenFiles { folder, name } = files;
    fs::create_dir_all(folder).with_context(|| format!("{}: cannot create", folder.display()))?;
    let [svg_path, png_path] = free(folder, name);
    write(&svg_path, svg::still(buffer, palette).as_bytes())?;
    write(&png_path, &png::encode(buffer, palette)?)?;
    let names = [svg_path, png_path].map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    Ok(format!("saved the screen as {} into {}", names.join(" and "), folder.display()))
}

/// Paths of files that do not exist: pictures are not overwritten.
fn free(folder: &Path, name: &str) -> [PathBuf; 2] {
    let paths = |number: u32| {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        ["svg", "png"].map(|kind| folder.join(format!("{name}{number}.{kind}")))
    };
    let mut number = 1;
    while paths(number).iter().any(|path| path.exists()) {
        number += 1;
    }
    paths(number)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{}: cannot write", path.display()))
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn pictures_are_numbered_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let files = ScreenFiles { folder: folder.path().join("screens"), name: "home".into() };
        let buffer = Buffer::empty(Rect::new(0, 0, 4, 2));
        let saved = [1, 2].map(|_| save(&buffer, ScreenColours::DARK, &files).unwrap());
        assert!(saved[0].contains("home.svg and home.png into") && saved[1].contains("home-2.svg and home-2.png"));
        assert_eq!(fs::read_dir(&files.folder).unwrap().count(), 4);
        let blocked = ScreenFiles { folder: files.folder.join("home.svg"), name: "x".into() };
        assert!(save(&buffer, ScreenColours::DARK, &blocked).is_err());
    }
}
