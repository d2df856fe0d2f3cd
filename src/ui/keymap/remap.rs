//! The user's keys instead of the table's own.

use super::{BINDINGS, Context, Key, Keymap};
use crate::Usage;
use crate::config::Remap;
use crate::suggest::did_you_mean;

impl Keymap {
    /// The table's keys, but for those that the user gave others. An empty list leaves something without a key.
    ///
    /// # Errors
    /// [`Usage`], with the place: a name or a key that there is not, or a key that would do two things.
    pub fn with(remaps: &[Remap]) -> Result<Keymap, Usage> {
        let mut keymap = Keymap::default();
        for remap in remaps {
            let names = || BINDINGS.iter().map(|binding| binding.name);
            let Some(line) = names().position(|name| name == remap.name) else {
                let meant = did_you_mean(&remap.name, names());
                return Err(Usage(format!("{}: keys.{}: nothing has that name{meant}", remap.location, remap.name)));
            };
            let keys = remap.keys.iter().map(|key| Key::parse(key));
            keymap.keys[line] = keys.collect::<Result<_, _>>().map_err(|why| complaint(remap, &why))?;
        }
        for remap in remaps {
            keymap.check(remap)?;
        }
        Ok(keymap)
    }

    /// Whether none of the keys does something else where it counts.
    fn check(&self, remap: &Remap) -> Result<(), Usage> {
        let lines = || BINDINGS.iter().zip(&self.keys);
        let Some((own, keys)) = lines().find(|(binding, _)| binding.name == remap.name) else { return Ok(()) };
        if own.name == "quit" && keys.is_empty() {
            return Err(complaint(remap, "quit needs a key"));
        }
        let meets = |place| place == own.context || [place, own.context].contains(&Context::Anywhere);
        let others = lines().filter(|(other, _)| other.action != own.action && meets(other.context));
        for (other, taken) in others {
            if let Some(key) = keys.iter().find(|key| taken.contains(key)) {
                let why = format!("{} is also {}'s; give that another key", key.name(), other.name);
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
    fn other_keys_count_and_the_tables_own_do_not_any_more() {
        let keymap = with(&[("pause", &["F5", "ctrl-p"]), ("checkpoint", &["p"]), ("theme", &[])]).unwrap();
        let does = |code, modifiers| keymap.action(Context::Monitor, &KeyEvent::new(code, modifiers));
        assert_eq!(does(KeyCode::F(5), KeyModifiers::NONE), Some(Action::PauseOrResume));
        assert_eq!(does(KeyCode::Char('p'), KeyModifiers::CONTROL), Some(Action::PauseOrResume));
        assert_eq!(does(KeyCode::Char('p'), KeyModifiers::NONE), Some(Action::Checkpoint));
        assert_eq!(does(KeyCode::Char(' '), KeyModifiers::NONE), None);
        assert_eq!(does(KeyCode::Char('t'), KeyModifiers::NONE), None);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        for (remap, message) in [
            (("paus", &["p"] as &[&str]), "config.toml:3: keys.paus: nothing has that name; did you mean \"pause\"?"),
            (("pause", &["spcae"]), "config.toml:3: keys.pause: no key \"spcae\"; did you mean \"space\"?"),
            (("pause", &["c"]), "config.toml:3: keys.pause: c is also checkpoint's; give that another key"),
            (("pause", &["t"]), "keys.pause: t is also theme's"),
            (("theme", &["c"]), "keys.theme: c is also"),
            (("pause", &["ctrl-i"]), "terminals send the same for tab"),
            (("quit", &[]), "quit needs a key"),
        ] {
            let error = with(&[remap]).err().unwrap();
            assert!(error.contains(message), "{error}");
        }
    }
}
