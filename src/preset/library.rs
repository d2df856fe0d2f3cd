//! The built-in presets and those in the user's folder: listing, finding, reading and saving them.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::builtin::built_in;
use super::document::Document;
use super::draft::Draft;
use super::overrides::Override;
use super::read::read;
use super::types::Preset;
use crate::Usage;
use crate::config::config_folder;
use crate::paths::cache_folder;
use crate::suggest::did_you_mean;

/// Limit on a preset file, in bytes. A preset has some hundred bytes; class names can make it some hundred thousand.
const MAX_FILE: u64 = 4 << 20;

/// Folder of deleted presets in the folder of the user's presets.
const TRASH: &str = ".trash";

/// All presets of a user.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
    cache: PathBuf,
}

/// The text of a preset.
#[derive(Clone, Debug)]
pub struct PresetText {
    /// `demo`, `glue/mrpc`, or the stem of the user's file.
    pub name: String,
    /// The file's name in errors.
    pub file: String,
    /// Comments included.
    pub text: String,
}

/// One preset of the list.
#[derive(Clone, Debug)]
pub struct PresetEntry {
    /// `demo`, `glue/mrpc`, or the stem of the user's file.
    pub name: String,
    /// The user's file; `None` for a built-in one.
    pub path: Option<PathBuf>,
    /// The preset as a draft, or why it cannot be read. A draft may have invalid values, which the user can correct.
    pub draft: Result<Draft, Usage>,
}

impl Library {
    /// `folder` holds the user's presets; `cache` is the folder that `cache:` stands for.
    pub fn new(folder: PathBuf, cache: PathBuf) -> Library {
        Library { folder, cache }
    }

    /// With the user's presets in `$XDG_CONFIG_HOME/finesift/presets`, by default `~/.config/finesift/presets`.
    pub fn from_env() -> Library {
        Library::new(config_folder().join("presets"), cache_folder())
    }

    /// All presets: the built-in ones, the demos first, then the user's by name.
    pub fn list(&self) -> Vec<PresetEntry> {
        let mut entries: Vec<PresetEntry> = built_in()
            .iter()
            .map(|preset| {
                let draft = Draft::new(preset.name, &built_in_file(preset.name), preset.toml, &self.cache);
                PresetEntry { name: preset.name.into(), path: None, draft }
            })
            .collect();
        entries.extend(self.user_files().into_iter().map(|path| {
            let name = stem(&path);
            let draft = check_not_hidden(&name, &path)
                .and_then(|()| read_file(&path).map_err(|error| Usage(format!("{error:#}"))))
                .and_then(|text| Draft::new(&name, &path.display().to_string(), &text, &self.cache));
            PresetEntry { name, path: Some(path), draft }
        }));
        entries
    }

    /// The text of a preset, comments included.
    ///
    /// # Errors
    /// [`Usage`]: no preset of this name. Otherwise the file cannot be read.
    pub fn text(&self, name: &str) -> Result<String> {
        Ok(self.find(name)?.text)
    }

    /// Finds a built-in preset or one of the user's by name, or a `.toml` file by path.
    ///
    /// # Errors
    /// [`Usage`]: no preset of this name. Otherwise the file cannot be read.
    pub fn find(&self, name: &str) -> Result<PresetText> {
        if let Some(preset) = built_in().iter().find(|preset| preset.name == name) {
            let file = built_in_file(name);
            return Ok(PresetText { name: name.to_owned(), file, text: preset.toml.to_owned() });
        }
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(PresetText { name: stem(path), file: name.to_owned(), text: read_file(path)? });
        }
        let files = self.user_files();
        if let Some(path) = files.iter().find(|path| stem(path) == name) {
            return Ok(PresetText { name: name.to_owned(), file: path.display().to_string(), text: read_file(path)? });
        }
        let stems: Vec<String> = files.iter().map(|path| stem(path)).collect();
        let names = built_in().iter().map(|preset| preset.name).chain(stems.iter().map(String::as_str));
        let hint = did_you_mean(name, names);
        let stop = if hint.is_empty() { "." } else { "" };
        bail!(Usage(format!(
            "no preset \"{name}\"{hint}{stop} Run `finesift presets` to list them, or give the path of a .toml file"
        )))
    }

    /// What is wrong with a name for a preset of the user's; `None` for a valid name.
    pub fn name_error(name: &str) -> Option<String> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() {
            Some("type a name, such as my-task".into())
        } else if name.starts_with('.') || name.len() > 100 || !name.chars().all(allowed) {
            Some("use letters, digits, - _ . only; the name must not start with \".\"".into())
        } else if built_in().iter().any(|preset| preset.name == name) {
            Some(format!("{name} is a built-in preset; choose another name"))
        } else {
            None
        }
    }

    /// Saves a preset of the user's; the write is atomic. `replace` overwrites an existing preset of this name.
    ///
    /// # Errors
    /// [`Usage`]: the name is invalid or taken. Otherwise the file cannot be written.
    pub fn save(&self, name: &str, toml: &str, replace: bool) -> Result<PathBuf> {
        if let Some(error) = Library::name_error(name) {
            bail!(Usage(format!("{name:?}: {error}")));
        }
        let path = self.folder.join(format!("{name}.toml"));
        ensure!(replace || !path.exists(), Usage(format!("{}: already exists; choose another name", path.display())));
        let failed = || format!("{}: cannot write", path.display());
        fs::create_dir_all(&self.folder).with_context(failed)?;
        let unfinished = self.folder.join(format!(".{name}.{}.new", std::process::id()));
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(toml.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        if let Err(error) = write() {
            // The temporary file may not exist.
            let _ = fs::remove_file(&unfinished);
            return Err(error).with_context(failed);
        }
        Ok(path)
    }

    /// Renames a preset of the user's, and returns its new file.
    ///
    /// # Errors
    /// [`Usage`]: the name is invalid or taken, or the preset is built in. Otherwise the file cannot be renamed.
    pub fn rename(&self, from: &str, to: &str) -> Result<PathBuf> {
        if let Some(error) = Library::name_error(to) {
            bail!(Usage(format!("{to:?}: {error}")));
        }
        let (path, target) = (self.user_file(from)?, self.folder.join(format!("{to}.toml")));
        ensure!(
            target.symlink_metadata().is_err(),
            Usage(format!("{}: already exists; choose another name", target.display()))
        );
        fs::rename(&path, &target).with_context(|| format!("{}: cannot be renamed", path.display()))?;
        Ok(target)
    }

    /// Moves a preset of the user's to `.trash` in their folder, and returns its file there.
    ///
    /// # Errors
    /// [`Usage`]: the preset is built in. Otherwise the file cannot be moved.
    pub fn delete(&self, name: &str) -> Result<PathBuf> {
        let path = self.user_file(name)?;
        let trash = self.folder.join(TRASH);
        fs::create_dir_all(&trash).with_context(|| format!("{}: cannot create the folder", trash.display()))?;
        let numbered = |number: usize| trash.join(format!("{name}-{number}.toml"));
        let names = std::iter::once(trash.join(format!("{name}.toml"))).chain((2..).map(numbered));
        let mut unused = names.filter(|path| path.symlink_metadata().is_err());
        let target = unused.next().context("no unused name in the trash")?;
        fs::rename(&path, &target).with_context(|| format!("{}: cannot be moved to the trash", path.display()))?;
        Ok(target)
    }

    /// The file of a preset of the user's.
    fn user_file(&self, name: &str) -> Result<PathBuf> {
        let found = self.user_files().into_iter().find(|path| stem(path) == name);
        found.ok_or_else(|| {
            let built_in = built_in().iter().any(|preset| preset.name == name);
            let why = if built_in { "a built-in preset, which has no file" } else { "no such preset of yours" };
            Usage(format!("{name}: {why}")).into()
        })
    }

    /// The user's preset files, sorted by name.
    fn user_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_preset = |path: &PathBuf| {
            let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            !hidden && path.extension().is_some_and(|extension| extension == "toml")
        };
        let mut paths: Vec<PathBuf> = entries.filter(is_preset).collect();
        paths.sort();
        paths
    }
}

impl PresetText {
    /// The preset with overrides, of which a later one wins. `cache` is as in [`Preset::parse`].
    ///
    /// # Errors
    /// [`Usage`] with file, line and key, or with the place of the override.
    pub fn preset(&self, overrides: &[Override], cache: &Path) -> Result<Preset, Usage> {
        let mut document = Document::parse(&self.file, &self.text)?;
        for with in overrides {
            document.override_with(with)?;
        }
        read(&self.name, &document, cache)
    }
}

impl Preset {
    /// Loads a built-in preset or one of the user's by name, or a `.toml` file by path, and applies `key=value` overrides.
    /// `cache` is as in [`Preset::parse`].
    ///
    /// # Errors
    /// As [`Preset::parse`]; also an unknown preset, or a file that cannot be read.
    pub fn load(name: &str, overrides: &[String], cache: &Path) -> Result<Preset> {
        let preset = Library::from_env().find(name)?;
        Preset::parse(&preset.name, &preset.file, &preset.text, overrides, cache)
    }
}

/// Reads the text of a preset file.
///
/// # Errors
/// [`Usage`]: a missing file, a folder, not UTF-8, larger than 4 MiB. Otherwise the file cannot be read.
pub fn read_file(path: &Path) -> Result<String> {
    let shown = path.display();
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        bail!(Usage(format!("{shown}: not a file")));
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(Usage(format!("{shown}: no such file"))),
        Err(error) if error.kind() == ErrorKind::InvalidData => bail!(Usage(format!("{shown}: not UTF-8"))),
        Ok(bytes) if bytes as u64 > MAX_FILE => {
            bail!(Usage(format!("{shown}: larger than {} MiB, which is too large for a preset", MAX_FILE >> 20)))
        }
        read => read.with_context(|| format!("{shown}: cannot read"))?,
    };
    Ok(text)
}

/// Built-in presets take precedence, so a file with the name of one would never be found.
fn check_not_hidden(name: &str, path: &Path) -> Result<(), Usage> {
    if built_in().iter().any(|preset| preset.name == name) {
        return Err(Usage(format!("{}: a built-in preset has this name; rename the file", path.display())));
    }
    Ok(())
}

fn built_in_file(name: &str) -> String {
    format!("presets/{name}.toml")
}

/// Names are shown on terminals, so control characters are replaced.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(folder: &Path) -> Library {
        Library::new(folder.join("presets"), "/cache".into())
    }

    #[test]
    fn the_users_presets_follow_the_built_in_ones_and_broken_ones_have_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path());
        assert!(library.list().iter().all(|entry| entry.path.is_none()));
        let demo = built_in()[0].toml;
        library.save("mine", demo, false).unwrap();
        fs::write(folder.path().join("presets/bad.toml"), "[model]\nid = \"x\"\nrat = 1").unwrap();
        fs::write(folder.path().join("presets/demo.toml"), demo).unwrap();
        fs::write(folder.path().join("presets/notes.txt"), "not one").unwrap();
        let listed = library.list();
        let names: Vec<&str> = listed.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!((names[0], &names[built_in().len()..]), ("demo", ["bad", "demo", "mine"].as_slice()));
        let error = |at: usize| listed[built_in().len() + at].draft.as_ref().unwrap_err();
        assert!(error(0).0.contains("bad.toml:3: unknown key \"model.rat\""), "{}", error(0));
        assert!(error(1).0.contains("a built-in preset has this name"), "{}", error(1));
        assert_eq!(library.find("mine").unwrap().text, demo);
        assert_eq!(library.find("demo").unwrap().file, "presets/demo.toml");
        let Err(error) = library.find("mime") else { panic!("found") };
        assert!(error.to_string().contains("did you mean \"mine\"?"), "{error}");
        let Err(error) = library.find("zzz") else { panic!("found") };
        assert!(error.to_string().starts_with("no preset \"zzz\". Run `finesift presets` to list them"), "{error}");
    }

    #[test]
    fn own_presets_are_renamed_and_moved_to_the_trash_and_built_in_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path());
        for name in ["one", "other"] {
            library.save(name, "text", false).unwrap();
        }
        for (from, to) in [("one", "other"), ("one", "demo"), ("one", "a/b"), ("demo", "mine"), ("none", "mine")] {
            assert!(library.rename(from, to).unwrap_err().is::<Usage>(), "{from} to {to}");
        }
        let path = library.rename("one", "two").unwrap();
        assert!(path.ends_with("presets/two.toml") && fs::read_to_string(&path).unwrap() == "text");
        assert_eq!(library.delete("two").unwrap(), folder.path().join("presets/.trash/two.toml"));
        library.save("two", "again", false).unwrap();
        assert_eq!(library.delete("two").unwrap(), folder.path().join("presets/.trash/two-2.toml"));
        assert!(library.delete("demo").unwrap_err().to_string().contains("built-in preset"));
        let own: Vec<String> = library.list().into_iter().filter(|e| e.path.is_some()).map(|e| e.name).collect();
        assert_eq!(own, ["other"]);
    }

    #[test]
    fn saving_writes_into_the_folder_only_and_replaces_only_if_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path());
        for name in ["", "../x", "a/b", ".hidden", "demo", "a b"] {
            assert!(library.save(name, "", true).unwrap_err().is::<Usage>(), "{name:?}");
        }
        let path = library.save("mine", "one", false).unwrap();
        assert!(library.save("mine", "two", false).unwrap_err().to_string().contains("already exists"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        library.save("mine", "two", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
