//! Themes from TOML: colours by role, a palette of named colours, and a theme to inherit the rest from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use ratatui::style::Color;

use super::{Depth, Hue, Theme};
use crate::Usage;
use crate::suggest::did_you_mean;
use crate::toml_spans::{TomlEntry, TomlSpans, read_text};

/// The built-in themes: name and TOML.
pub(super) const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("colour-blind", include_str!("../../../themes/colour-blind.toml")),
    ("catppuccin", include_str!("../../../themes/catppuccin.toml")),
    ("gruvbox", include_str!("../../../themes/gruvbox.toml")),
    ("nord", include_str!("../../../themes/nord.toml")),
];

/// The theme that supplies the roles that a user's theme does not name.
const BASE: &str = "dark";

/// The most themes in a line of inheritance.
const MAX_INHERITANCE: usize = 8;

/// All themes: the built-in ones and the user's.
#[derive(Clone, Debug, Default)]
pub struct Themes {
    user: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    /// Its name in errors.
    file: String,
    /// The text, or why it cannot be read.
    text: Result<String, Usage>,
}

impl Themes {
    /// The built-in themes, and the `.toml` files of a folder. A faulty file is an error only when its theme is loaded.
    pub fn of_folder(folder: &Path) -> Themes {
        let mut paths: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let source = |path: &Path| {
            let text = read_text(path).and_then(|text| text.ok_or(Usage("the file no longer exists".into())));
            Some(Source { name: path.file_stem()?.to_str()?.to_owned(), file: path.display().to_string(), text })
        };
        Themes { user: paths.iter().filter_map(|path| source(path)).collect() }
    }

    /// The names of all themes, the built-in ones first.
    pub fn names(&self) -> Vec<&str> {
        let own = self.user.iter().map(|source| source.name.as_str());
        let mut names: Vec<&str> = Theme::names().collect();
        names.extend(own.filter(|name| !BUILT_IN.iter().any(|(known, _)| known == name)));
        names
    }

    /// A theme in the colours of a terminal. A user's theme takes precedence over a built-in one of the same name.
    ///
    /// # Errors
    /// [`Usage`]: there is no theme of this name, or its file is faulty, with file, line and key.
    pub fn load(&self, name: &str, depth: Depth) -> Result<Theme> {
        let Some(own) = self.find(name, true) else {
            let meant = did_you_mean(name, self.names());
            bail!(Usage(format!("no theme \"{name}\"{meant} Available themes: {}", self.names().join(", "))));
        };
        Ok(self.ancestry(own)?.theme()?.in_depth(depth))
    }

    /// The file of the theme and those that it inherits from, in this order.
    fn ancestry(&self, first: Source) -> Result<Ancestry, Usage> {
        let mut ancestry = Ancestry::default();
        let mut next = Some(first);
        while let Some(source) = next {
            let text = source.text?;
            let places = TomlSpans::parse(&source.file, &text)?;
            let parent = places.entries.iter().find(|entry| entry.key == "inherits");
            next = match parent {
                Some(entry) => {
                    let Some(name) = entry.value.as_str() else { return Err(places.expected(entry, "a theme's name")) };
                    if ancestry.files.len() + 1 == MAX_INHERITANCE {
                        return Err(
                            places.error_at(entry, &format!("\"{name}\": themes inherit from each other in a cycle"))
                        );
                    }
                    // A user's theme may inherit from the built-in one of the same name.
                    let parent = self.find(name, name != source.name);
                    let unknown =
                        || places.error_at(entry, &format!("no theme \"{name}\"{}", did_you_mean(name, self.names())));
                    Some(parent.ok_or_else(unknown)?)
                }
                None if source.name != BASE => self.find(BASE, false),
                None => None,
            };
            ancestry.add(places)?;
        }
        Ok(ancestry)
    }

    fn find(&self, name: &str, user: bool) -> Option<Source> {
        let own = self.user.iter().filter(|_| user).find(|source| source.name == name).cloned();
        own.or_else(|| {
            let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
            Some(Source { name: name.to_string(), file: format!("themes/{name}.toml"), text: Ok(text.to_string()) })
        })
    }
}

/// The files of a theme and its ancestors, the nearest first.
#[derive(Default)]
struct Ancestry {
    files: Vec<TomlSpans>,
    /// The nearest entry of each key, and the index of its file.
    entries: BTreeMap<String, (usize, TomlEntry)>,
}

impl Ancestry {
    fn add(&mut self, places: TomlSpans) -> Result<(), Usage> {
        for entry in &places.entries {
            let known = entry.key == "inherits"
                || entry.key.starts_with("palette.")
                || Theme::ROLES.contains(&entry.key.as_str());
            if !known {
                return Err(places.unknown(entry, Theme::ROLES.iter().copied().chain(["inherits"])));
            }
            if !entry.value.is_str() {
                return Err(places.expected(entry, "a string"));
            }
            self.entries.entry(entry.key.clone()).or_insert_with(|| (self.files.len(), entry.clone()));
        }
        self.files.push(places);
        Ok(())
    }

    fn theme(&self) -> Result<Theme, Usage> {
        // Palette entries that no role uses are checked too.
        self.entries.keys().filter(|key| key.starts_with("palette.")).try_for_each(|key| self.hue(key).map(drop))?;
        Theme::of(|role| self.hue(role))
    }

    /// The colour of a role or of a palette entry.
    fn hue(&self, key: &str) -> Result<Hue, Usage> {
        let Some((file, entry)) = self.entries.get(key) else {
            let file = self.files.last().map_or("", |places| &places.file);
            return Err(Usage(format!("{file}: {key} is missing")));
        };
        let name = entry.value.as_str().unwrap_or_default();
        if let Some(hue) = Hue::parse(name) {
            return Ok(hue);
        }
        if !key.starts_with("palette.") && self.entries.contains_key(&format!("palette.{name}")) {
            return self.hue(&format!("palette.{name}"));
        }
        let palette = self.entries.keys().filter_map(|key| key.strip_prefix("palette."));
        let meant = did_you_mean(name, palette);
        Err(self.files[*file].error_at(
            entry,
            &format!("{key}: colour \"{name}\" is not #rrggbb, default or an entry of [palette]{meant}"),
        ))
    }
}

impl Hue {
    /// Parses `#rrggbb`, or `default` for the terminal's own colour.
    fn parse(text: &str) -> Option<Hue> {
        if text == "default" {
            return Some(Hue(Color::Reset));
        }
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten().map(|number| Hue(Color::from_u32(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn themes(files: &[(&str, &str)]) -> (tempfile::TempDir, Themes) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let themes = Themes::of_folder(folder.path());
        (folder, themes)
    }

    #[test]
    fn a_users_theme_inherits_roles_and_names_colours() {
        let (_folder, themes) = themes(&[
            ("mine.toml", "inherits = \"nord\"\nloss = \"pink\"\n[palette]\npink = \"#ff00ff\"\nfrost = \"#000001\"\n"),
            ("nord.toml", "inherits = \"nord\"\nerror = \"#010203\"\n"),
            ("plain.toml", "error = \"#040506\""),
        ]);
        let mine = themes.load("mine", Depth::True).unwrap();
        assert_eq!(mine.loss.0, Color::Rgb(255, 0, 255));
        // From the user's own nord, which inherits it from the built-in one.
        assert_eq!((mine.error.0, mine.background.0), (Color::Rgb(1, 2, 3), Color::Rgb(0x2e, 0x34, 0x40)));
        // Its palette applies to inherited roles too.
        assert_eq!(mine.accent.0, Color::Rgb(0, 0, 1));
        let plain = themes.load("plain", Depth::True).unwrap();
        assert_eq!(plain, Theme { error: plain.error, ..Theme::load("dark", Depth::True).unwrap() });
        let names = themes.names();
        assert_eq!(names[names.len() - 2..], ["mine", "plain"]);
    }

    #[test]
    fn errors_name_the_place() {
        for (text, message) in [
            ("\nacent = \"#ffffff\"", "x.toml:2: unknown key \"acent\"; did you mean \"accent\"?"),
            ("accent = 3", "x.toml:1: accent is 3, expected a string"),
            ("accent = \"#fff\"", "x.toml:1: accent: colour \"#fff\" is not #rrggbb, default"),
            ("accent = \"#+12345\"", "x.toml:1: accent: colour"),
            ("accent = \"reed\"\n[palette]\nred = \"#ff0000\"", "of [palette]; did you mean \"red\"?"),
            ("[palette]\nred = \"blue\"\nblue = \"#0000ff\"", "x.toml:2: palette.red: colour \"blue\""),
            ("inherits = \"drak\"", "x.toml:1: no theme \"drak\"; did you mean \"dark\"?"),
            ("inherits = \"x\"", "x.toml:1: no theme \"x\""),
            ("inherits = \"y\"", "inherit from each other in a cycle"),
            ("accent =", "x.toml:1: "),
        ] {
            let (_folder, themes) = themes(&[("x.toml", text), ("y.toml", "inherits = \"x\"")]);
            let error = themes.load("x", Depth::True).unwrap_err();
            assert!(error.is::<Usage>());
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
        let error = Theme::load("drak", Depth::True).unwrap_err().to_string();
        assert!(error.contains("did you mean \"dark\"? Available themes: dark, light"), "{error}");
    }

    #[test]
    fn themes_that_inherit_from_no_other_name_every_role() {
        for name in ["dark", "light", "high-contrast", "colour-blind"] {
            let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
            let places = TomlSpans::parse(name, text).unwrap();
            for role in Theme::ROLES {
                assert!(places.entries.iter().any(|entry| entry.key == *role), "themes/{name}.toml: {role}");
            }
        }
    }
}
