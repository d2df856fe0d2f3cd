//! Where presets are: in the program, and in the user's own folder. Finding, listing and saving them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::draft::Draft;
use super::{built_in, cache_folder, read_file};
use crate::Usage;
use crate::suggest::nearest;

/// The presets there are.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
    cache: PathBuf,
}

/// A preset as it was written.
pub(super) struct Found {
    pub name: String,
    /// The file to name in errors.
    pub place: String,
    pub text: String,
}

/// A line of the list of presets.
#[derive(Clone, Debug)]
pub struct PresetEntry {
    /// `demo`, `glue/mrpc`, or the stem of the user's file.
    pub name: String,
    /// The user's file; `None` for a built-in one.
    pub path: Option<PathBuf>,
    /// The preset, or why it cannot be read. One whose values cannot be is still a draft, which can be mended.
    pub draft: Result<Draft, String>,
}

impl Library {
    /// The user's presets are in `folder`; `cache` is what `cache:` stands for.
    pub fn new(folder: PathBuf, cache: PathBuf) -> Library {
        Library { folder, cache }
    }

    /// The user's presets are in `$XDG_CONFIG_HOME/finesift/presets`, by default `~/.config/finesift/presets`.
    pub fn of_environment() -> Library {
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".config");
        let config = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
        Library::new(config.map_or_else(home, PathBuf::from).join("finesift/presets"), cache_folder())
    }

    /// All presets: the built-in ones, the demo first, then the user's by name. What is wrong with one is in its line.
    pub fn list(&self) -> Vec<PresetEntry> {
        let mut listed: Vec<PresetEntry> = built_in()
            .iter()
            .map(|preset| {
                let draft = Draft::new(preset.name, &place_of_built_in(preset.name), preset.toml, &self.cache);
                PresetEntry { name: preset.name.into(), path: None, draft: draft.map_err(|error| format!("{error:#}")) }
            })
            .collect();
        listed.extend(self.own().into_iter().map(|path| {
            let name = stem(&path);
            let draft = self
                .unhidden(&name, &path)
                .and_then(|()| read_file(&path))
                .and_then(|text| Draft::new(&name, &path.display().to_string(), &text, &self.cache));
            PresetEntry { name, path: Some(path), draft: draft.map_err(|error| format!("{error:#}")) }
        }));
        listed
    }

    /// The text of a preset as it was written, comments included.
    ///
    /// # Errors
    /// [`Usage`]: there is none of that name, or its file cannot be read.
    pub fn text(&self, name: &str) -> Result<String> {
        Ok(self.find(name)?.text)
    }

    /// By the name of a built-in preset or one of the user's, or by the path of a `.toml` file.
    pub(super) fn find(&self, name: &str) -> Result<Found> {
        if let Some(preset) = built_in().iter().find(|preset| preset.name == name) {
            let place = place_of_built_in(name);
            return Ok(Found { name: name.to_owned(), place, text: preset.toml.to_owned() });
        }
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(Found { name: stem(path), place: name.to_owned(), text: read_file(path)? });
        }
        let own = self.own();
        if let Some(path) = own.iter().find(|path| stem(path) == name) {
            return Ok(Found { name: name.to_owned(), place: path.display().to_string(), text: read_file(path)? });
        }
        let own: Vec<String> = own.iter().map(|path| stem(path)).collect();
        let names = built_in().iter().map(|preset| preset.name).chain(own.iter().map(String::as_str));
        let meant = nearest(name, names).map_or_else(|| ";".into(), |near| format!("; did you mean \"{near}\"?"));
        bail!(Usage(format!("no preset \"{name}\"{meant} `finesift presets` lists them; a file's name ends in .toml")))
    }

    /// What is wrong with a name for a preset of the user's, if anything.
    pub fn complaint(name: &str) -> Option<String> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() {
            Some("a name, such as my-task".into())
        } else if name.starts_with('.') || name.len() > 100 || !name.chars().all(allowed) {
            Some("a name is made of letters, digits, '-', '_' and '.', not first".into())
        } else if built_in().iter().any(|preset| preset.name == name) {
            Some(format!("{name} is a built-in preset; choose another name"))
        } else {
            None
        }
    }

    /// Writes a preset of the user's: complete under its name or not there at all. `replace` lets it take the place of one
    /// that is there.
    ///
    /// # Errors
    /// [`Usage`] for a name that cannot be or is taken; a disk that cannot be written.
    pub fn save(&self, name: &str, toml: &str, replace: bool) -> Result<PathBuf> {
        if let Some(complaint) = Library::complaint(name) {
            bail!(Usage(format!("{name:?}: {complaint}")));
        }
        let path = self.folder.join(format!("{name}.toml"));
        ensure!(replace || !path.exists(), Usage(format!("{}: is there already", path.display())));
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
            // It may not even have been begun.
            let _ = fs::remove_file(&unfinished);
            return Err(error).with_context(failed);
        }
        Ok(path)
    }

    /// The user's files, by name.
    fn own(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_preset = |path: &PathBuf| {
            let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            !hidden && path.extension().is_some_and(|extension| extension == "toml")
        };
        let mut paths: Vec<PathBuf> = entries.filter(is_preset).collect();
        paths.sort();
        paths
    }

    /// A built-in preset goes first, so a file of its name would never be found.
    fn unhidden(&self, name: &str, path: &Path) -> Result<()> {
        let hidden = built_in().iter().any(|preset| preset.name == name);
        ensure!(!hidden, Usage(format!("{}: a built-in preset has this name; rename the file", path.display())));
        Ok(())
    }
}

fn place_of_built_in(name: &str) -> String {
    format!("presets/{name}.toml")
}

/// A name goes to terminals, so control characters stay out of it.
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
    fn the_users_presets_follow_the_built_in_ones_and_broken_ones_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path());
        assert!(library.list().iter().all(|listed| listed.path.is_none()));
        let demo = built_in()[0].toml;
        library.save("mine", demo, false).unwrap();
        fs::write(folder.path().join("presets/bad.toml"), "[model]\nid = \"x\"\nrat = 1").unwrap();
        fs::write(folder.path().join("presets/demo.toml"), demo).unwrap();
        fs::write(folder.path().join("presets/notes.txt"), "not one").unwrap();
        let listed = library.list();
        let names: Vec<&str> = listed.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!((names[0], &names[built_in().len()..]), ("demo", ["bad", "demo", "mine"].as_slice()));
        let error = |at: usize| listed[built_in().len() + at].draft.as_ref().unwrap_err();
        assert!(error(0).contains("bad.toml:3: unknown key \"model.rat\""), "{}", error(0));
        assert!(error(1).contains("a built-in preset has this name"), "{}", error(1));
        assert_eq!(library.find("mine").unwrap().text, demo);
        assert_eq!(library.find("demo").unwrap().place, "presets/demo.toml");
        let Err(error) = library.find("mime") else { panic!("found") };
        assert!(error.to_string().contains("did you mean \"mine\"?"), "{error}");
        let Err(error) = library.find("zzz") else { panic!("found") };
        assert!(error.to_string().starts_with("no preset \"zzz\"; `finesift presets` lists them"), "{error}");
    }

    #[test]
    fn saving_stays_in_the_folder_and_replaces_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let library = library(folder.path());
        for name in ["", "../x", "a/b", ".hidden", "demo", "a b"] {
            assert!(library.save(name, "", true).unwrap_err().is::<Usage>(), "{name:?}");
        }
        let path = library.save("mine", "one", false).unwrap();
        assert!(library.save("mine", "two", false).unwrap_err().to_string().contains("is there already"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        library.save("mine", "two", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
