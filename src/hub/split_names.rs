//! Splits by the names of files and folders, as the `datasets` library finds them where a dataset has no card.

use std::collections::BTreeMap;

/// The words for the validation split.
pub(super) const VALIDATION: [&str; 4] = ["validation", "valid", "dev", "val"];

/// The words for a split in names of files and folders.
const KEYWORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &VALIDATION),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// The first rule that finds a file decides: shards in `data/`, then words in the names of folders, then words in the names
/// of files; else all files are `train`.
pub(super) fn by_keywords(names: &[String]) -> BTreeMap<String, Vec<String>> {
    let collect = |splits_of: &dyn Fn(&str) -> Vec<String>| {
        let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in names {
            for split in splits_of(name) {
                files.entry(split).or_default().push(name.clone());
            }
        }
        files.values_mut().for_each(|names| names.sort_unstable());
        files
    };
    let by_words = |parts: &dyn Fn(&str) -> Vec<String>, file: bool| {
        collect(&|name| {
            let parts = parts(name);
            let has = |words: &[&str]| words.iter().any(|word| parts.iter().any(|part| has_word(part, word, file)));
            KEYWORDS.iter().filter(|(_, words)| has(words)).map(|(split, _)| split.to_string()).collect()
        })
    };
    let folders = |name: &str| {
        let mut parts: Vec<String> = name.split('/').map(str::to_owned).collect();
        parts.pop();
        parts
    };
    let file = |name: &str| vec![name.rsplit('/').next().unwrap_or(name).to_owned()];
    let rules: [&dyn Fn() -> BTreeMap<String, Vec<String>>; 3] =
        [&|| collect(&|name| sharded_split(name).into_iter().collect()), &|| by_words(&folders, false), &|| {
            by_words(&file, true)
        }];
    let found = rules.iter().map(|rule| rule()).find(|files| !files.is_empty());
    found.unwrap_or_else(|| collect(&|_| vec!["train".to_owned()]))
}

/// The split of `data/SPLIT-00000-of-00001.parquet`.
fn sharded_split(name: &str) -> Option<String> {
    let (stem, rest) = name.strip_prefix("data/")?.rsplit_once("-of-")?;
    let (split, number) = stem.rsplit_once('-')?;
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let shards = rest.get(..5)?;
    (digits(number) && digits(shards) && rest[5..].contains('.') && !split.contains('/') && !split.is_empty())
        .then(|| split.to_owned())
}

/// Whether a name has a word, apart from other words: `train`, `my-train_2`, but not `trained`. In the name of a file
/// something has to follow it, at least its extension.
fn has_word(name: &str, word: &str, file: bool) -> bool {
    let separates = |c: char| "-._ ".contains(c) || c.is_ascii_digit();
    name.match_indices(word).any(|(at, _)| {
        let (before, after) = (name[..at].chars().next_back(), name[at + word.len()..].chars().next());
        before.is_none_or(separates) && after.map_or(!file, separates)
    })
}
