//! `finesift config`: the current settings and keys as a config.toml.

use anyhow::Result;

use crate::config::Config;
use crate::ui::keymap::Keymap;

/// The settings and all keys as TOML, headed by the path they come from.
///
/// # Errors
/// Invalid keys in the user's config.toml.
pub(super) fn report(config: &Config) -> Result<String> {
    let there = if config.path.is_file() { "" } else { " (not created yet)" };
    let mut text = format!("# {}{there}\n{}\n[keys]\n", config.path.display(), config.to_toml());
    for (binding, keys) in Keymap::with(&config.keys)?.all() {
        let keys: Vec<String> = keys.iter().map(|key| toml::Value::String(key.name()).to_string()).collect();
        text += &format!("{:<14} = {:<24} # {}\n", binding.name, format!("[{}]", keys.join(", ")), binding.help);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Charts, OnHangup};

    #[test]
    fn printed_settings_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(
            &path,
            "theme = \"nord\"\ncharts = \"braille\"\nnotify = \"bell\"\nalert = [\"loss > 5: pause\", \"disk_free < 2G\"]\non_hangup = \"checkpoint\"\nruns = \"a b\"\n[keys]\npause = [\"F9\"]\nhelp = []",
        )
        .unwrap();
        let text = report(&Config::load(folder.path()).unwrap()).unwrap();
        assert!(text.contains("\nalert = [\"loss > 5: pause\", \"disk_free < 2G\"]\n"), "{text}");
        assert!(text.contains("pause          = [\"F9\"] "), "{text}");
        std::fs::write(&path, &text).unwrap();
        let again = Config::load(folder.path()).unwrap();
        assert_eq!((again.theme.as_str(), again.runs.clone()), ("nord", Some("a b".into())));
        assert_eq!((again.on_hangup, again.charts), (OnHangup::Checkpoint, Charts::Braille));
        assert_eq!(report(&again).unwrap(), text);
    }
}
