//! Which files of a dataset make up its splits: by its card, or else by their names, as the `datasets` library decides it.

use std::collections::BTreeMap;
use std::fmt;

use glob::{MatchOptions, Pattern, PatternError};

use super::card::{CardConfig, DatasetCard, SplitPatterns};
use super::split_names::{VALIDATION, by_keywords};

/// Says in which format a file of this name is, and `None` for a file that is not read, such as a picture. Files of one
/// format are read by the same reader.
pub type FormatOf<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

/// The splits of one config: their names with the files of each, in the order in which they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splits {
    pub config: String,
    pub files: BTreeMap<String, Vec<String>>,
    /// Files with examples that are in no split.
    pub unused: Vec<String>,
}

/// Why a config has no splits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SplitError {
    UnknownConfig {
        config: String,
        known: Vec<String>,
    },
    ConfigNeeded {
        known: Vec<String>,
    },
    UnknownSplit {
        split: String,
        config: String,
        known: Vec<String>,
    },
    NoFiles {
        pattern: Option<String>,
    },
    /// A pattern that is no pattern, or that leads out of the repository.
    Pattern {
        pattern: String,
        reason: String,
    },
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| names.join(", ");
        match self {
            SplitError::UnknownConfig { config, known } => {
                write!(f, "data.config: the dataset has no config \"{config}\"; it has {}", list(known))
            }
            SplitError::ConfigNeeded { known } => {
                write!(f, "data.config is missing: the dataset has several configs; set it to one of {}", list(known))
            }
            SplitError::UnknownSplit { split, config, known } => {
                write!(
                    f,
                    "no split \"{split}\" in config {config}; it has {}. Parts of splits cannot be named",
                    list(known)
                )
            }
            SplitError::NoFiles { pattern: Some(pattern) } => {
                write!(f, "the dataset has no file {pattern}, which its README.md names")
            }
            SplitError::NoFiles { pattern: None } => {
                f.write_str("the dataset has no file with examples that can be read")
            }
            SplitError::Pattern { pattern, reason } => {
                write!(f, "README.md names the files {pattern:?}: {reason}")
            }
        }
    }
}

impl std::error::Error for SplitError {}

/// Files of a repository that never hold examples.
const IGNORED: [&str; 5] = ["README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json"];

/// `*` does not match `/`.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

impl Splits {
    /// The splits of a config. Without a name it is the only one, the one named `default` or the one marked so.
    pub fn of(
        card: &DatasetCard,
        names: &[String],
        config: Option<&str>,
        format_of: FormatOf,
    ) -> Result<Splits, SplitError> {
        let names: Vec<&String> = names.iter().filter(|name| may_hold_examples(name)).collect();
        let by_name = CardConfig { name: "default".into(), default: true, data_files: None, data_dir: None };
        let configs = if card.configs.is_empty() { std::slice::from_ref(&by_name) } else { &card.configs };
        let chosen = choose(configs, config)?;
        let folder = chosen.data_dir.as_deref().map(|folder| folder.trim_matches('/').trim_start_matches("./"));
        let folder = folder.filter(|folder| !folder.is_empty()).map_or(String::new(), |folder| format!("{folder}/"));
        let files = match &chosen.data_files {
            Some(splits) => by_patterns(splits, &folder, &names)?,
            None => {
                let inside = |name: &&String| name.strip_prefix(&folder).map(str::to_owned);
                let readable: Vec<String> =
                    names.iter().filter_map(inside).filter(|name| format_of(name).is_some()).collect();
                let outside = |(split, files): (String, Vec<String>)| {
                    (split, files.into_iter().map(|name| format!("{folder}{name}")).collect())
                };
                by_keywords(&readable).into_iter().map(outside).collect()
            }
        };
        let mut splits = Splits { config: chosen.name.clone(), files, unused: Vec::new() };
        for files in splits.files.values_mut() {
            keep_one_format(files, format_of);
        }
        splits.files.retain(|_, files| !files.is_empty());
        if splits.files.is_empty() {
            return Err(SplitError::NoFiles { pattern: None });
        }
        // Other configs have files of their own; they are not left out.
        let used = |name: &str| splits.files.values().flatten().any(|file| file == name);
        if configs.len() == 1 {
            let unused = names.iter().filter(|name| format_of(name).is_some() && !used(name));
            splits.unused = unused.map(|name| name.to_string()).collect();
        }
        Ok(splits)
    }

    /// The files of a split.
    pub fn split(&self, split: &str) -> Result<&[String], SplitError> {
        self.files.get(split).map(Vec::as_slice).ok_or_else(|| SplitError::UnknownSplit {
            split: split.to_owned(),
            config: self.config.clone(),
            known: self.files.keys().cloned().collect(),
        })
    }

    /// The name of the validation split, if there is one.
    pub fn validation(&self) -> Option<&str> {
        VALIDATION.iter().copied().find(|word| self.files.contains_key(*word))
    }
}

/// The names that a prefix, or else a pattern with `*`, `?` or `[`, selects.
pub(super) fn named<'a>(names: &'a [String], prefix: &str) -> Result<Vec<&'a String>, SplitError> {
    if !prefix.contains(['*', '?', '[']) {
        return Ok(names.iter().filter(|name| name.starts_with(prefix)).collect());
    }
    let pattern = compile(prefix).map_err(|error| bad_pattern(prefix, &error))?;
    Ok(names.iter().filter(|name| pattern.matches_with(name, OPTIONS)).collect())
}

fn choose<'c>(configs: &'c [CardConfig], config: Option<&str>) -> Result<&'c CardConfig, SplitError> {
    let known = || configs.iter().map(|config| config.name.clone()).collect();
    match (config, configs) {
        (Some(wanted), _) => configs
            .iter()
            .find(|config| config.name == wanted)
            .ok_or_else(|| SplitError::UnknownConfig { config: wanted.to_owned(), known: known() }),
        (None, [only]) => Ok(only),
        (None, _) => {
            let marked = configs.iter().find(|config| config.default);
            let default = marked.or_else(|| configs.iter().find(|config| config.name == "default"));
            default.ok_or_else(|| SplitError::ConfigNeeded { known: known() })
        }
    }
}

fn by_patterns(
    splits: &[SplitPatterns],
    folder: &str,
    names: &[&String],
) -> Result<BTreeMap<String, Vec<String>>, SplitError> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for SplitPatterns { split, patterns } in splits {
        let of_split = files.entry(split.clone()).or_default();
        for pattern in patterns {
            let inside = pattern.trim_start_matches("./");
            if inside.contains("://") || inside.starts_with('/') || inside.split('/').any(|part| part == "..") {
                let reason = "they are outside the repository, which is not supported".to_owned();
                return Err(SplitError::Pattern { pattern: pattern.clone(), reason });
            }
            let full = format!("{folder}{inside}");
            let compiled = compile(&full).map_err(|error| bad_pattern(pattern, &error))?;
            let before = of_split.len();
            let matching = names.iter().filter(|name| compiled.matches_with(name, OPTIONS));
            let mut matching: Vec<String> = matching.map(|name| name.to_string()).collect();
            matching.sort_unstable();
            let known = matching.iter().any(|name| of_split.contains(name));
            of_split.extend(matching.into_iter().filter(|name| !of_split[..before].contains(name)).collect::<Vec<_>>());
            if of_split.len() == before && !known {
                return Err(SplitError::NoFiles { pattern: Some(full) });
            }
        }
    }
    Ok(files)
}

/// `**` at the end stands for all files below a folder.
fn compile(pattern: &str) -> Result<Pattern, PatternError> {
    match pattern == "**" || pattern.ends_with("/**") {
        true => Pattern::new(&format!("{pattern}/*")),
        false => Pattern::new(pattern),
    }
}

fn bad_pattern(pattern: &str, error: &PatternError) -> SplitError {
    SplitError::Pattern { pattern: pattern.to_owned(), reason: error.msg.to_owned() }
}

/// Files that may hold examples: neither hidden nor internal nor about the dataset.
fn may_hold_examples(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.') || part.starts_with("__"));
    !hidden && !IGNORED.contains(&name.rsplit('/').next().unwrap_or(name))
}

/// Of files in several formats, which are mostly the same examples, those of the format that most files have.
fn keep_one_format(files: &mut Vec<String>, format_of: FormatOf) {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for format in files.iter().filter_map(|name| format_of(name)) {
        *counts.entry(format).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(_, count)| **count).map(|(format, _)| *format);
    files.retain(|name| most.is_some() && format_of(name) == most);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_of(name: &str) -> Option<&'static str> {
        name.ends_with(".csv").then_some("csv")
    }

    /// Recorded by tests/interop/splits.py.
    #[test]
    fn splits_by_name_are_those_of_the_datasets_library() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/differential/splits.jsonl");
        let rows = std::fs::read_to_string(path).unwrap();
        assert_eq!(rows.lines().count(), 400);
        for line in rows.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let names: Vec<String> = serde_json::from_value(row["names"].clone()).unwrap();
            let expected: BTreeMap<String, Vec<String>> = serde_json::from_value(row["splits"].clone()).unwrap();
            let found = Splits::of(&DatasetCard::default(), &names, None, &format_of);
            assert_eq!(found.map(|splits| splits.files).unwrap_or_default(), expected, "{names:?}");
        }
    }

    proptest::proptest! {
        /// A config's files are among those of the repository, each once in a split, whatever its card says.
        #[test]
        fn splits_have_files_of_the_repository_only(
            names in proptest::collection::vec("[a-c/._-]{1,8}\\.csv", 0..6),
            patterns in proptest::collection::vec("[a-c/.*?\\[\\]-]{1,6}", 1..4),
            folder in "[a-c/.]{0,3}",
        ) {
            let splits = vec![SplitPatterns { split: "train".into(), patterns }];
            let config = CardConfig { name: "x".into(), default: false, data_files: Some(splits), data_dir: Some(folder) };
            let mut card = DatasetCard::default();
            card.configs.push(config);
            if let Ok(splits) = Splits::of(&card, &names, None, &format_of) {
                for files in splits.files.values() {
                    let distinct: std::collections::BTreeSet<&String> = files.iter().collect();
                    let known: std::collections::BTreeSet<&String> = names.iter().collect();
                    proptest::prop_assert!(distinct.is_subset(&known), "{files:?} of {names:?}");
                    proptest::prop_assert!(names.len() > known.len() || distinct.len() == files.len(), "{files:?}");
                }
            }
        }
    }

    #[test]
    fn a_star_does_not_cross_folders_and_two_do() {
        let names: Vec<String> = ["a.csv", "x/b.csv", "x/y/c.csv", "x/y.csv"].map(str::to_owned).into();
        let of = |pattern: &str| named(&names, pattern).unwrap().into_iter().cloned().collect::<Vec<_>>().join(" ");
        for (pattern, expected) in [
            ("*.csv", "a.csv"),
            ("x/*.csv", "x/b.csv x/y.csv"),
            ("**/*.csv", "a.csv x/b.csv x/y/c.csv x/y.csv"),
            ("x/**", "x/b.csv x/y/c.csv x/y.csv"),
            ("x/?.csv", "x/b.csv x/y.csv"),
            ("x/[b-d].csv", "x/b.csv"),
            ("x/y", "x/y/c.csv x/y.csv"),
        ] {
            assert_eq!(of(pattern), expected, "{pattern}");
        }
        assert!(matches!(named(&names, "a[*"), Err(SplitError::Pattern { .. })));
    }
}
