//! The user's `config.toml`: how screens look, where runs go, which keys do what. It knows no screen.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::Usage;
use crate::toml_spans::{Entry, TomlSpans, read_text};

/// What may be set besides `[keys]`.
const KEYS: [&str; 5] = ["theme", "ascii", "mouse", "notify", "runs"];

/// The user's settings; what is not set is as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it was read from, or would be.
    pub path: PathBuf,
    /// Name of the theme; `auto` for dark or light as the terminal is.
    pub theme: String,
    /// Whether to do without box-drawing and braille characters.
    pub ascii: bool,
    /// Whether the mouse is used.
    pub mouse: bool,
    /// How the end of a run is told.
    pub notify: Notify,
    /// Folder of all runs.
    pub runs: Option<PathBuf>,
    /// Other keys.
    pub keys: Vec<Remap>,
}

/// How the end of a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Not at all.
    Off,
    /// With the terminal's bell.
    Bell,
    /// With a notification as iTerm2, WezTerm, Windows Terminal and others know it.
    Osc9,
    /// With one as urxvt, foot, Ghostty and others know it.
    Osc777,
}

/// Other keys for what a key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remap {
    /// Name of what they do.
    pub name: String,
    /// The keys as they are written.
    pub keys: Vec<String>,
    /// File and line, for errors.
    pub place: String,
}

impl Notify {
    const NAMES: [(&str, Notify); 4] =
        [("off", Notify::Off), ("bell", Notify::Bell), ("osc9", Notify::Osc9), ("osc777", Notify::Osc777)];
}

/// The folder of the user's settings: `$XDG_CONFIG_HOME/finesift`, by default `~/.config/finesift`.
pub fn config_folder() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".config");
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    config.map_or_else(home, PathBuf::from).join("finesift")
}

impl Config {
    /// Reads `config.toml` of a folder; without one all is as it comes.
    ///
    /// # Errors
    /// [`Usage`], naming file, line and key: no TOML, an unknown key, a value that cannot be.
    pub fn load(folder: &Path) -> Result<Config> {
        let path = folder.join("config.toml");
        let text = read_text(&path)?.unwrap_or_default();
        Ok(Config::parse(&path, &text)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Config, Usage> {
        let mut config = Config {
            path: path.to_owned(),
            theme: "dark".into(),
            ascii: false,
            mouse: true,
            notify: Notify::Off,
            runs: None,
            keys: Vec::new(),
        };
        let places = TomlSpans::parse(&path.display().to_string(), text)?;
        for entry in &places.entries {
            let expected = |wanted| places.expected(entry, wanted);
            match entry.key.as_str() {
                "theme" => config.theme = text_of(entry).ok_or_else(|| expected("a theme's name, or \"auto\""))?,
                "ascii" => config.ascii = entry.value.as_bool().ok_or_else(|| expected("true or false"))?,
                "mouse" => config.mouse = entry.value.as_bool().ok_or_else(|| expected("true or false"))?,
                "notify" => {
                    let name = entry.value.as_str();
                    let found = Notify::NAMES.iter().find(|(known, _)| Some(*known) == name);
                    config.notify = found.ok_or_else(|| expected("\"off\", \"bell\", \"osc9\" or \"osc777\""))?.1;
                }
                "runs" => config.runs = Some(folder_of(entry).ok_or_else(|| expected("a folder"))?),
                key => match key.strip_prefix("keys.") {
                    Some(name) => config.keys.push(Remap {
                        name: name.to_owned(),
                        keys: texts_of(entry).ok_or_else(|| expected("a key, or a list of keys"))?,
                        place: format!("{}:{}", places.file, entry.line),
                    }),
                    None => return Err(places.unknown(entry, KEYS)),
                },
            }
        }
        Ok(config)
    }

    /// The settings as TOML, but for keys.
    pub fn to_toml(&self) -> String {
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        let notify = Notify::NAMES.iter().find(|(_, known)| *known == self.notify).map_or("off", |(name, _)| name);
        let mut toml = format!(
            "theme = {}\nascii = {}\nmouse = {}\nnotify = {}\n",
            text(&self.theme),
            self.ascii,
            self.mouse,
            text(notify)
        );
        if let Some(runs) = &self.runs {
            toml += &format!("runs = {}\n", text(&runs.display().to_string()));
        }
        toml
    }

    /// Writes a theme's name into the file and leaves the rest of it as it is, comments included.
    ///
    /// # Errors
    /// [`Usage`]: a file that cannot be read as it is now. Otherwise one that cannot be written.
    pub fn keep_theme(path: &Path, name: &str) -> Result<()> {
        let text = read_text(path)?.unwrap_or_default();
        Config::parse(path, &text)?;
        let changed = with_theme(&text, name);
        if Config::parse(path, &changed).is_ok_and(|config| config.theme != name) {
            bail!("{}: write theme = \"{name}\" into it yourself, its form is unusual", path.display());
        }
        let new = path.with_extension("toml.new");
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&new, changed))
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("{}: cannot write", path.display()))
    }
}

fn text_of(entry: &Entry) -> Option<String> {
    entry.value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn folder_of(entry: &Entry) -> Option<PathBuf> {
    text_of(entry).map(|text| path_of(&text))
}

/// A path as users write it: `~/` stands for their own folder.
pub fn path_of(text: &str) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(rest) => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(rest),
        None => PathBuf::from(text),
    }
}

fn texts_of(entry: &Entry) -> Option<Vec<String>> {
    match &entry.value {
        Value::String(key) => Some(vec![key.clone()]),
        Value::Array(keys) => keys.iter().map(|key| key.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The text with another theme: in its line, or in a new one at the top.
fn with_theme(text: &str, name: &str) -> String {
    let line = TomlSpans::parse("", text).ok().and_then(|places| {
        let entry = places.entries.iter().find(|entry| entry.key == "theme")?;
        Some(entry.line - 1)
    });
    let Some(line) = line else { return format!("theme = \"{name}\"\n{text}") };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let old = &lines[line];
    // What follows the value, such as a comment, stays.
    let rest = old.rfind(['"', '\'']).map_or("", |quote| &old[quote + 1..]).to_owned();
    lines[line] = format!("theme = \"{name}\"{rest}");
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Usage> {
        Config::parse(Path::new("config.toml"), text)
    }

    #[test]
    fn what_is_set_counts_and_the_rest_is_as_it_comes() {
        let config = parse(
            "theme = \"nord\"\nnotify = \"osc9\"\nruns = \"/data/runs\"\n[keys]\npause = [\"space\"]\nstop = \"s\"\n",
        )
        .unwrap();
        assert_eq!((config.theme.as_str(), config.notify, config.mouse), ("nord", Notify::Osc9, true));
        assert_eq!(config.runs, Some(PathBuf::from("/data/runs")));
        let stop = Remap { name: "stop".into(), keys: vec!["s".into()], place: "config.toml:6".into() };
        assert_eq!(config.keys[1], stop);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(folder.path()).unwrap().theme, "dark");
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        for (text, message) in [
            ("\nthem = \"nord\"", "config.toml:2: unknown key \"them\"; did you mean \"theme\"?"),
            ("theme = 3", "config.toml:1: theme is 3, expected a theme's name"),
            ("mouse = \"no\"", "config.toml:1: mouse is \"no\", expected true or false"),
            ("notify = \"loud\"", "config.toml:1: notify is \"loud\", expected \"off\", \"bell\""),
            ("[keys]\npause = 3", "config.toml:2: keys.pause is 3, expected a key, or a list of keys"),
            ("theme =", "config.toml:1: "),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_kept_theme_leaves_the_rest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.toml");
        Config::keep_theme(&path, "nord").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theme = \"nord\"\n");
        let text = "# mine\nascii = true\ntheme = 'nord'   # cold\n\n[keys]\n# none\nquit = \"q\"";
        fs::write(&path, text).unwrap();
        Config::keep_theme(&path, "light").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("'nord'", "\"light\""));
        fs::write(&path, "[keys]\nquit = \"q\"\n").unwrap();
        Config::keep_theme(&path, "light").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theme = \"light\"\n[keys]\nquit = \"q\"\n");
        fs::write(&path, "nonsense").unwrap();
        assert!(Config::keep_theme(&path, "light").unwrap_err().is::<Usage>());
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }
}
