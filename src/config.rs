//! The user's `config.toml`: theme, mouse, notifications, alert rules, the folder of runs, key bindings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use toml::Value;

use crate::Usage;
use crate::alerts::Rule;
use crate::toml_spans::{TomlEntry, TomlSpans, read_text};

/// The keys outside `[keys]`.
const KEYS: [&str; 8] = ["theme", "ascii", "charts", "mouse", "notify", "alert", "on_hangup", "runs"];

/// The user's settings, with defaults for keys that are not set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file, which need not exist.
    pub path: PathBuf,
    /// Name of the theme; `auto` follows the terminal's background. Default `dark`.
    pub theme: String,
    /// Whether to draw with ASCII characters only; `None` if the locale and the terminal decide. Default `None`.
    pub ascii: Option<bool>,
    /// Default auto.
    pub charts: Charts,
    /// Whether to use the mouse. Default true.
    pub mouse: bool,
    /// Default off.
    pub notify: Notify,
    /// When to notify the user of a run. Default none.
    pub alert: Vec<Rule>,
    /// The folder of runs; `None` for the default.
    pub runs: Option<PathBuf>,
    /// Default detach.
    pub on_hangup: OnHangup,
    /// Changed key bindings.
    pub keys: Vec<Remap>,
}

/// What charts are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charts {
    /// Pixels in a terminal that shows pictures, else braille.
    Auto,
    Braille,
    /// As [`Charts::Auto`], and a message where the terminal shows no pictures.
    Pixels,
}

/// How the terminal notifies the user of the end of a run, and of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    Off,
    /// The terminal's bell.
    Bell,
    /// A desktop notification by OSC 9: iTerm2, WezTerm, Windows Terminal and others.
    Osc9,
    /// A desktop notification by OSC 777: urxvt, foot, Ghostty and others.
    Osc777,
}

/// What happens to a run when its terminal is closed or the connection drops (SIGHUP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHangup {
    /// Training continues in the background.
    Detach,
    /// The run stops with a checkpoint.
    Checkpoint,
}

/// Key bindings for one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remap {
    /// Name of the action.
    pub name: String,
    /// The keys as written, such as `ctrl-s`.
    pub keys: Vec<String>,
    /// File and line, for errors.
    pub location: String,
}

impl Charts {
    const NAMES: [(&str, Charts); 3] =
        [("auto", Charts::Auto), ("braille", Charts::Braille), ("pixels", Charts::Pixels)];
}

impl OnHangup {
    const NAMES: [(&str, OnHangup); 2] = [("detach", OnHangup::Detach), ("checkpoint", OnHangup::Checkpoint)];
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
    /// Reads `config.toml` of a folder. Without one all settings have their defaults.
    ///
    /// # Errors
    /// [`Usage`] with file, line and key: malformed TOML, an unknown key, an invalid value.
    pub fn load(folder: &Path) -> Result<Config> {
        let path = folder.join("config.toml");
        let text = read_text(&path)?.unwrap_or_default();
        Ok(Config::parse(&path, &text)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Config, Usage> {
        let mut config = Config {
            path: path.to_owned(),
            theme: "dark".into(),
            ascii: None,
            charts: Charts::Auto,
            mouse: true,
            notify: Notify::Off,
            alert: Vec::new(),
            runs: None,
            on_hangup: OnHangup::Detach,
            keys: Vec::new(),
        };
        let spans = TomlSpans::parse(&path.display().to_string(), text)?;
        for entry in &spans.entries {
            let expected = |wanted| spans.expected(entry, wanted);
            match entry.key.as_str() {
                "theme" => config.theme = text_of(entry).ok_or_else(|| expected("a theme's name, or \"auto\""))?,
                "ascii" => {
                    config.ascii = match (entry.value.as_bool(), entry.value.as_str()) {
                        (None, Some("auto")) => None,
                        (None, _) => return Err(expected("true, false or \"auto\"")),
                        (ascii, _) => ascii,
                    }
                }
                "charts" => {
                    let name = entry.value.as_str();
                    let found = Charts::NAMES.iter().find(|(known, _)| Some(*known) == name);
                    config.charts = found.ok_or_else(|| expected("\"auto\", \"braille\" or \"pixels\""))?.1;
                }
                "mouse" => config.mouse = entry.value.as_bool().ok_or_else(|| expected("true or false"))?,
                "notify" => {
                    let name = entry.value.as_str();
                    let found = Notify::NAMES.iter().find(|(known, _)| Some(*known) == name);
                    config.notify = found.ok_or_else(|| expected("\"off\", \"bell\", \"osc9\" or \"osc777\""))?.1;
                }
                "alert" => {
                    let rules =
                        texts_of(entry).ok_or_else(|| expected("a rule such as \"loss > 5\", or a list of rules"))?;
                    config.alert = rules.iter().map(|rule| alert_of(&spans, entry, rule)).collect::<Result<_, _>>()?;
                }
                "on_hangup" => {
                    let name = entry.value.as_str();
                    let found = OnHangup::NAMES.iter().find(|(known, _)| Some(*known) == name);
                    config.on_hangup = found.ok_or_else(|| expected("\"detach\" or \"checkpoint\""))?.1;
                }
                "runs" => config.runs = Some(folder_of(entry).ok_or_else(|| expected("a folder"))?),
                key => match key.strip_prefix("keys.") {
                    Some(name) => config.keys.push(Remap {
                        name: name.to_owned(),
                        keys: texts_of(entry).ok_or_else(|| expected("a key, or a list of keys"))?,
                        location: format!("{}:{}", spans.file, entry.line),
                    }),
                    None => return Err(spans.unknown(entry, KEYS)),
                },
            }
        }
        Ok(config)
    }

    /// The settings as TOML, without key bindings.
    pub fn to_toml(&self) -> String {
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        let notify = Notify::NAMES.iter().find(|(_, known)| *known == self.notify).map_or("off", |(name, _)| name);
        let known = OnHangup::NAMES.iter().find(|(_, known)| *known == self.on_hangup);
        let on_hangup = known.map_or("detach", |(name, _)| name);
        let charts = Charts::NAMES.iter().find(|(_, known)| *known == self.charts).map_or("auto", |(name, _)| name);
        let rules: Vec<String> = self.alert.iter().map(|rule| text(&rule.to_string())).collect();
        let mut toml = format!(
            "theme = {}\nascii = {}\ncharts = {}\nmouse = {}\nnotify = {}\nalert = [{}]\non_hangup = {}\n",
            text(&self.theme),
            self.ascii.map_or_else(|| text("auto"), |ascii| ascii.to_string()),
            text(charts),
            self.mouse,
            text(notify),
            rules.join(", "),
            text(on_hangup),
        );
        if let Some(runs) = &self.runs {
            toml += &format!("runs = {}\n", text(&runs.display().to_string()));
        }
        toml
    }

    /// Writes a theme's name into the file and leaves the rest as it is, comments included.
    ///
    /// # Errors
    /// [`Usage`]: the current file is invalid. Otherwise the file cannot be written.
    pub fn save_theme(path: &Path, name: &str) -> Result<()> {
        let text = read_text(path)?.unwrap_or_default();
        Config::parse(path, &text)?;
        let changed = with_theme(&text, name);
        if Config::parse(path, &changed).is_ok_and(|config| config.theme != name) {
            bail!("{}: cannot change the theme in this file; write theme = \"{name}\" into it by hand", path.display());
        }
        let new = path.with_extension("toml.new");
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&new, changed))
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("{}: cannot write", path.display()))
    }
}

fn text_of(entry: &TomlEntry) -> Option<String> {
    entry.value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn folder_of(entry: &TomlEntry) -> Option<PathBuf> {
    text_of(entry).map(|text| path_of(&text))
}

fn alert_of(spans: &TomlSpans, entry: &TomlEntry, rule: &str) -> Result<Rule, Usage> {
    rule.parse().map_err(|error| spans.error_at(entry, &format!("alert \"{rule}\": {error}")))
}

/// A path as users type it; `~/` is the home folder.
pub fn path_of(text: &str) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(rest) => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(rest),
        None => PathBuf::from(text),
    }
}

fn texts_of(entry: &TomlEntry) -> Option<Vec<String>> {
    match &entry.value {
        Value::String(key) => Some(vec![key.clone()]),
        Value::Array(keys) => keys.iter().map(|key| key.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The text with another theme: in the line of `theme`, or in a new line at the top.
fn with_theme(text: &str, name: &str) -> String {
    let line = TomlSpans::parse("", text).ok().and_then(|spans| {
        let entry = spans.entries.iter().find(|entry| entry.key == "theme")?;
        Some(entry.line - 1)
    });
    let Some(line) = line else { return format!("theme = \"{name}\"\n{text}") };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let old = &lines[line];
    // Keep what follows the value, such as a comment.
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
    fn keys_that_are_not_set_have_defaults() {
        let config = parse(
            "theme = \"nord\"\nnotify = \"osc9\"\nruns = \"/data/runs\"\n[keys]\npause = [\"space\"]\nstop = \"s\"\n",
        )
        .unwrap();
        assert_eq!((config.theme.as_str(), config.notify, config.mouse), ("nord", Notify::Osc9, true));
        assert_eq!(config.runs, Some(PathBuf::from("/data/runs")));
        let stop = Remap { name: "stop".into(), keys: vec!["s".into()], location: "config.toml:6".into() };
        assert_eq!(config.keys[1], stop);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(folder.path()).unwrap().theme, "dark");
    }

    #[test]
    fn invalid_settings_are_errors_with_file_and_line() {
        for (text, message) in [
            ("\nthem = \"nord\"", "config.toml:2: unknown key \"them\"; did you mean \"theme\"?"),
            ("theme = 3", "config.toml:1: theme is 3, expected a theme's name"),
            ("ascii = \"yes\"", "config.toml:1: ascii is \"yes\", expected true, false or \"auto\""),
            ("charts = \"dots\"", "config.toml:1: charts is \"dots\", expected \"auto\", \"braille\" or \"pixels\""),
            ("mouse = \"no\"", "config.toml:1: mouse is \"no\", expected true or false"),
            ("on_hangup = true", "config.toml:1: on_hangup is true, expected \"detach\" or \"checkpoint\""),
            ("notify = \"loud\"", "config.toml:1: notify is \"loud\", expected \"off\", \"bell\""),
            ("alert = 5", "config.toml:1: alert is 5, expected a rule such as \"loss > 5\", or a list of rules"),
            (
                "\nalert = [\"loss > 5\", \"los > 5\"]",
                "config.toml:2: alert \"los > 5\": there is no metric \"los\"; did you mean \"loss\"?",
            ),
            ("[keys]\npause = 3", "config.toml:2: keys.pause is 3, expected a key, or a list of keys"),
            ("theme =", "config.toml:1: "),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn saving_the_theme_keeps_the_rest_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.toml");
        Config::save_theme(&path, "nord").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theme = \"nord\"\n");
        let text = "# mine\nascii = true\ntheme = 'nord'   # cold\n\n[keys]\n# none\nquit = \"q\"";
        fs::write(&path, text).unwrap();
        Config::save_theme(&path, "light").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("'nord'", "\"light\""));
        fs::write(&path, "[keys]\nquit = \"q\"\n").unwrap();
        Config::save_theme(&path, "light").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theme = \"light\"\n[keys]\nquit = \"q\"\n");
        fs::write(&path, "nonsense").unwrap();
        assert!(Config::save_theme(&path, "light").unwrap_err().is::<Usage>());
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }
}
