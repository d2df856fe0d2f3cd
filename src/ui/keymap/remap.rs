//! The user's keys in place of the defaults.

use super::{BINDINGS, Context, Key, Keymap};
use crate::Usage;
use crate::config::Remap;
use crate::suggest::did_you_mean;

impl Keymap {
    /// The default keys, except where the user binds others. An empty list unbinds an action.
    ///
    /// # Errors
    /// [`Usage`] with the place: an unknown name or key, or a key that is bound twice.
    pub fn with(remaps: &[Remap]) -> Result<Keymap, Usage> {
        let mut keymap = Keymap::default();
        for remap in remaps {
            let names = || BINDINGS.iter().map(|binding| binding.name);
            let Some(line) = names().position(|name| name == remap.name) else {
                let meant = did_you_mean(&remap.name, names());
                return Err(Usage(format!("{}: keys.{}: unknown name{meant}", remap.location, remap.name)));
            };
            let keys = remap.keys.iter().map(|key| Key::parse(key));
            keymap.keys[line] = keys.collect::<Result<_, _>>().map_err(|why| complaint(remap, &why))?;
        }
        for remap in remaps {
            keymap.check(remap)?;
        }
        Ok(keymap)
    }

    /// Rejects a key that is already bound in the same context.
    fn check(&self, remap: &Remap) -> Result<(), Usage> {
        let lines = || BINDINGS.iter().zip(&self.keys);
        let Some((own, keys)) = lines().find(|(binding, _)| binding.name == remap.name) else { return Ok(()) };
        if own.name == "quit" && keys.is_empty() {
            return Err(complaint(remap, "quit needs a key"));
        }
        let overlaps = |place| place == own.context || [place, own.context].contains(&Context::Anywhere);
        let others = lines().filter(|(other, _)| other.action != own.action && overlaps(other.context));
        for (other, taken) in others {
            if let Some(key) = keys.iter().find(|key| taken.contains(key)) {
                let why = format!("{} is already bound to {}; bind that to another key", key.name(), other.name);
                return Err(complaint(remap, &why));
            }
        }
        Ok(())
    }
}

fn complaint(remap: &Remap, why: &str) -> Usage {
    Usage(format!("{}: keys.{}: {why}", remap.location, remap.name))
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::super::Action;
    use super::*;

    fn with(remaps: &[(&str, &[&str])]) -> Result<Keymap, String> {
        let remap = |(name, keys): &(&str, &[&str])| Remap {
            name: name.to_string(),
            keys: keys.iter().map(|key| key.to_string()).collect(),
            location: "config.toml:3".into(),
        };
        Keymap::with(&remaps.iter().map(remap).collect::<Vec<_>>()).map_err(|error| error.0)
    }

    #[test]
    fn user_keys_replace_the_default_ones() {
        let keymap = with(&[("pause", &["F9", "ctrl-o"]), ("checkpoint", &["p"]), ("theme", &[])]).unwrap();
        let does = |code, modifiers| keymap.action(Context::Monitor, &KeyEvent::new(code, modifiers));
        assert_eq!(does(KeyCode::F(9), KeyModifiers::NONE), Some(Action::PauseOrResume));
        assert_eq!(does(KeyCode::Char('o'), KeyModifiers::CONTROL), Some(Action::PauseOrResume));
        assert_eq!(does(KeyCode::Char('p'), KeyModifiers::NONE), Some(Action::Checkpoint));
        assert_eq!(does(KeyCode::Char(' '), KeyModifiers::NONE), None);
        assert_eq!(does(KeyCode::Char('t'), KeyModifiers::NONE), None);
    }

    #[test]
    fn errors_name_the_place() {
        for (remap, message) in [
            (("paus", &["p"] as &[&str]), "config.toml:3: keys.paus: unknown name; did you mean \"pause\"?"),
            (("pause", &["spcae"]), "config.toml:3: keys.pause: no key \"spcae\"; did you mean \"space\"?"),
            (
                ("pause", &["c"]),
                "config.toml:3: keys.pause: c is already bound to checkpoint; bind that to another key",
            ),
            (("pause", &["t"]), "keys.pause: t is already bound to theme"),
            (("theme", &["c"]), "keys.theme: c is already bound"),
            (("pause", &["ctrl-i"]), "terminals send it as tab"),
            (("quit", &[]), "quit needs a key"),
        ] {
            let error = with(&[remap]).err().unwrap();
            assert!(error.contains(message), "{error}");
        }
    }
}
