//! A dataset's card: the YAML at the top of its README.md, as far as it says which files make up its configs and splits,
//! and how classes are called.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// Limit on the YAML, in bytes. That of datasets with hundreds of configs has some hundred KB.
const MAX_YAML: usize = 4 << 20;

/// What a card says. Without a card, or without `configs` in it, all are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DatasetCard {
    pub configs: Vec<CardConfig>,
    /// Names of classes by config, then by column.
    class_names: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// One of `configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CardConfig {
    pub name: String,
    /// Whether it has `default: true`.
    pub default: bool,
    /// Patterns of file names by split, in the card's order; `None` where the names of the files decide.
    pub data_files: Option<Vec<SplitPatterns>>,
    /// The folder that the patterns, or else the files, are in.
    pub data_dir: Option<String>,
}

/// The files of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SplitPatterns {
    pub split: String,
    pub patterns: Vec<String>,
}

/// Why a card is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CardError {
    TooLong,
    Yaml(String),
    /// With the place in the YAML, such as `configs[1].data_files`.
    Unexpected(String),
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CardError::TooLong => write!(f, "its YAML is longer than {} MiB", MAX_YAML >> 20),
            CardError::Yaml(error) => write!(f, "its YAML is malformed: {error}"),
            CardError::Unexpected(place) => write!(f, "{place} of its YAML is not as in dataset cards of the hub"),
        }
    }
}

impl std::error::Error for CardError {}

impl DatasetCard {
    /// Reads the card of a README.md. Keys that other software needs are ignored.
    pub fn parse(readme: &str) -> Result<DatasetCard, CardError> {
        let Some(yaml) = front_matter(readme) else { return Ok(DatasetCard::default()) };
        if yaml.len() > MAX_YAML {
            return Err(CardError::TooLong);
        }
        // The parser's own budget bounds nesting and aliases, so that a small text does not become a large tree.
        // `no` is the name of a class more often than it is false.
        let options = serde_saphyr::options! { strict_booleans: true };
        let parsed: Option<Map<String, Value>> = serde_saphyr::from_str_with_options(yaml, options)
            .map_err(|error| CardError::Yaml(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
        let mut fields = parsed.unwrap_or_default();
        let configs = match fields.remove("configs") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(configs)) => {
                let read = |(number, config): (usize, Value)| {
                    let place = format!("configs[{number}]");
                    match config {
                        Value::Object(config) => config_of(config, &place),
                        _ => Err(CardError::Unexpected(place)),
                    }
                };
                configs.into_iter().enumerate().map(read).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(CardError::Unexpected("configs".into())),
        };
        Ok(DatasetCard { configs, class_names: class_names(fields.remove("dataset_info")) })
    }

    /// The classes of a config's columns, by column, in the order of their indices.
    pub fn class_names(&self, config: &str) -> BTreeMap<String, Vec<String>> {
        self.class_names.get(config).cloned().unwrap_or_default()
    }
}

/// The text between `---` at the beginning and the next `---`.
fn front_matter(readme: &str) -> Option<&str> {
    let rest = readme.trim_start_matches('\u{feff}').strip_prefix("---")?;
    let rest = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n"))?;
    let mut start = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some(&rest[..start]);
        }
        start += line.len();
    }
    None
}

fn config_of(mut config: Map<String, Value>, place: &str) -> Result<CardConfig, CardError> {
    let unexpected = |key: &str| CardError::Unexpected(format!("{place}.{key}"));
    let name = config.remove("config_name").and_then(scalar).ok_or_else(|| unexpected("config_name"))?;
    let data_files = match config.remove("data_files") {
        None | Some(Value::Null) => None,
        Some(files) => Some(split_patterns(files).ok_or_else(|| unexpected("data_files"))?),
    };
    let data_dir = match config.remove("data_dir") {
        None | Some(Value::Null) => None,
        Some(folder) => Some(scalar(folder).ok_or_else(|| unexpected("data_dir"))?),
    };
    let default = config.get("default").and_then(Value::as_bool).unwrap_or(false);
    Ok(CardConfig { name, default, data_files, data_dir })
}

/// `data_files` is a pattern or a list of patterns, which make up `train`; a list of `{split, path}`; or a map from splits
/// to patterns.
fn split_patterns(files: Value) -> Option<Vec<SplitPatterns>> {
    let of_split =
        |split: &str, patterns: Value| Some(SplitPatterns { split: split.to_owned(), patterns: texts(patterns)? });
    match files {
        Value::Object(splits) => splits.into_iter().map(|(split, patterns)| of_split(&split, patterns)).collect(),
        Value::Array(splits) if splits.iter().any(Value::is_object) => splits
            .into_iter()
            .map(|split| {
                let Value::Object(mut split) = split else { return None };
                let path = split.remove("path")?;
                of_split(&scalar(split.remove("split")?)?, path)
            })
            .collect(),
        patterns => Some(vec![of_split("train", patterns)?]),
    }
}

/// A text, or a list of texts.
fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Array(texts) => texts.into_iter().map(scalar).collect(),
        one => Some(vec![scalar(one)?]),
    }
}

/// YAML reads `2023` and `true` as what they look like, where a card means names.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// `dataset_info` is one object or a list of them, each with `features`. Whatever has another shape is ignored: it serves
/// display, and the files themselves may say more.
fn class_names(info: Option<Value>) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let infos = match info {
        Some(Value::Array(infos)) => infos,
        Some(info) => vec![info],
        None => Vec::new(),
    };
    let mut by_config = BTreeMap::new();
    for info in infos {
        let config = info.get("config_name").cloned().and_then(scalar).unwrap_or_else(|| "default".into());
        let features = info.get("features").and_then(Value::as_array).into_iter().flatten();
        let columns = features.filter_map(|feature| {
            let column = feature.get("name")?.as_str()?.to_owned();
            Some((column, names_in_order(feature.get("dtype")?.get("class_label")?.get("names")?)?))
        });
        by_config.insert(config, columns.collect());
    }
    by_config
}

/// `names` is a list, or a map from indices to names.
fn names_in_order(names: &Value) -> Option<Vec<String>> {
    match names {
        Value::Array(names) => names.iter().cloned().map(scalar).collect(),
        Value::Object(names) => {
            let indexed = names.iter().map(|(index, name)| Some((index.parse::<usize>().ok()?, scalar(name.clone())?)));
            let indexed = indexed.collect::<Option<BTreeMap<usize, String>>>()?;
            indexed.keys().copied().eq(0..indexed.len()).then(|| indexed.into_values().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(yaml: &str) -> DatasetCard {
        DatasetCard::parse(&format!("---\n{yaml}\n---\n# A dataset\n---\n")).unwrap()
    }

    fn patterns(yaml: &str) -> Vec<(String, Vec<String>)> {
        let files = card(yaml).configs.remove(0).data_files.unwrap();
        files.into_iter().map(|split| (split.split, split.patterns)).collect()
    }

    #[test]
    fn data_files_are_a_pattern_a_list_or_a_map() {
        let train = |patterns: &[&str]| vec![("train".to_owned(), patterns.iter().map(|p| p.to_string()).collect())];
        let config = "configs:\n- config_name: a\n  data_files:";
        assert_eq!(patterns(&format!("{config} x.csv")), train(&["x.csv"]));
        assert_eq!(patterns(&format!("{config}\n  - x.csv\n  - y/*.csv")), train(&["x.csv", "y/*.csv"]));
        let both: Vec<(String, Vec<String>)> =
            vec![("train".into(), vec!["x.csv".into(), "y.csv".into()]), ("dev".into(), vec!["d.csv".into()])];
        let listed = "\n  - split: train\n    path:\n    - x.csv\n    - y.csv\n  - split: dev\n    path: d.csv";
        assert_eq!(patterns(&format!("{config}{listed}")), both);
        assert_eq!(patterns(&format!("{config}\n    train: [x.csv, y.csv]\n    dev: d.csv")), both);
    }

    #[test]
    fn configs_have_names_defaults_and_folders() {
        let card = card(
            "license: mit\nconfigs:\n- config_name: 2023\n  data_dir: en\n- config_name: b\n  default: true\n  data_files: b.csv",
        );
        let read: Vec<_> = card.configs.iter().map(|c| (c.name.as_str(), c.default, c.data_dir.as_deref())).collect();
        assert_eq!(read, [("2023", false, Some("en")), ("b", true, None)]);
        assert_eq!(card.configs[0].data_files, None);
    }

    #[test]
    fn classes_are_in_the_order_of_their_indices() {
        let names =
            "  - name: label\n    dtype:\n      class_label:\n        names:\n          '1': good\n          '0': bad";
        let one = card(&format!("dataset_info:\n  features:\n  - name: text\n    dtype: string\n{names}"));
        assert_eq!(one.class_names("default")["label"], ["bad", "good"]);
        assert!(!one.class_names("default").contains_key("text") && one.class_names("other").is_empty());
        let gap = card(&format!("dataset_info:\n  features:\n{}", names.replace("'1'", "'2'")));
        assert!(gap.class_names("default").is_empty());
        let of_config = card(
            "dataset_info:\n- config_name: a\n  features:\n  - name: y\n    dtype:\n      class_label:\n        names: [no, yes]",
        );
        assert_eq!(of_config.class_names("a")["y"], ["no", "yes"]);
    }

    proptest::proptest! {
        #[test]
        fn no_readme_panics(text in "(---\n)?([a-z_]{1,5}: ?|- |  |\\[|\\]|\\{|\\}|&a |\\*a|'|\"|#|\n|configs:\n|config_name: a\n){0,30}(---\n)?") {
            let _ = DatasetCard::parse(&text);
        }
    }

    #[test]
    fn a_readme_without_a_card_says_nothing() {
        for readme in
            ["", "# A dataset\n", "---\nnever closed: 1\n", "----\na: 1\n---\n", "---\n---\n", "---\r\n---\r\n"]
        {
            assert_eq!(DatasetCard::parse(readme), Ok(DatasetCard::default()), "{readme:?}");
        }
    }

    #[test]
    fn malformed_cards_are_errors() {
        let parse = |yaml: &str| DatasetCard::parse(&format!("---\n{yaml}\n---\n")).unwrap_err().to_string();
        assert!(parse("configs: [").contains("malformed"), "{}", parse("configs: ["));
        assert!(parse("configs:\n- data_files: x").contains("configs[0].config_name"));
        assert!(parse("configs:\n- config_name: a\n  data_files:\n  - split: train").contains("configs[0].data_files"));
        assert!(parse("configs: 1").contains("configs"));
    }

    #[test]
    fn aliases_that_would_grow_without_bound_are_refused() {
        let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let row = vec![format!("*a{}", level - 1); 10].join(", ");
            yaml += &format!("a{level}: &a{level} [{row}]\n");
        }
        assert!(matches!(DatasetCard::parse(&format!("---\n{yaml}---\n")), Err(CardError::Yaml(_))));
        let deep = format!("---\na: {}{}\n---\n", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(DatasetCard::parse(&deep), Err(CardError::Yaml(_))));
    }
}
