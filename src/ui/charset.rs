//! Which characters a terminal can show, as far as the environment tells.

use std::env;

/// The characters that a terminal can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charset {
    /// All, as this locale says.
    Unicode(String),
    /// Probably all: no locale is set, as in many containers.
    Unknown,
    /// ASCII, as this locale says.
    Locale(String),
    /// A terminal of this name, which has no box-drawing or braille characters.
    Terminal(String),
}

impl Charset {
    pub fn of_environment() -> Charset {
        Charset::of(|name| env::var(name).ok())
    }

    /// The characters that these variables promise.
    pub fn of(var: impl Fn(&str) -> Option<String>) -> Charset {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        if let Some(term) = set("TERM").filter(|term| ["dumb", "linux"].contains(&term.as_str())) {
            return Charset::Terminal(term);
        }
        // As in setlocale(3): the first of them that is set decides.
        match ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| Some((name, set(name)?))) {
            None => Charset::Unknown,
            Some((name, locale)) => {
                let plain: String = locale.to_lowercase().chars().filter(|c| *c != '-').collect();
                let setting = format!("{name}={locale}");
                if plain.contains("utf8") { Charset::Unicode(setting) } else { Charset::Locale(setting) }
            }
        }
    }

    /// Whether to draw with ASCII characters only.
    pub fn is_ascii(&self) -> bool {
        matches!(self, Charset::Locale(_) | Charset::Terminal(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let of = |vars: &[(&str, &str)]| {
            Charset::of(|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(of(&[]), Charset::Unknown);
        assert_eq!(of(&[("LANG", "en_US.UTF-8")]), Charset::Unicode("LANG=en_US.UTF-8".into()));
        assert_eq!(of(&[("LANG", "C.utf8"), ("LC_ALL", "")]), Charset::Unicode("LANG=C.utf8".into()));
        assert_eq!(of(&[("LANG", "C.UTF-8"), ("LC_ALL", "C")]), Charset::Locale("LC_ALL=C".into()));
        assert_eq!(of(&[("LC_CTYPE", "de_DE.ISO-8859-1")]), Charset::Locale("LC_CTYPE=de_DE.ISO-8859-1".into()));
        assert_eq!(of(&[("TERM", "linux"), ("LANG", "C.UTF-8")]), Charset::Terminal("linux".into()));
        assert!(of(&[("TERM", "dumb")]).is_ascii() && !of(&[]).is_ascii());
    }
}
