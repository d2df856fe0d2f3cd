//! finesift speaks the language of PyTorch, Hugging Face and PEFT: a list of coined words that must not come back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place;

/// Words that no reader knows, and what to write instead.
const COINED: [(&str, &str); 51] = [
    ("taken up", "resumed"),
    ("take up", "resume"),
    ("takes up", "resumes"),
    ("take it up", "resume it"),
    ("learnt", "loss tokens, loss mask, trained on"),
    ("to be learned", "in the loss mask"),
    ("run that goes", "active run"),
    ("runs that go", "active runs"),
    ("run goes in", "active run in"),
    ("goes elsewhere", "runs in another process"),
    ("order it about", "control it"),
    ("orders it about", "controls it"),
    ("told", "shown, printed, sent, reported"),
    ("what becomes", "what happens to"),
    ("becomes of", "happens to"),
    ("left behind", "detached"),
    ("leave behind", "detach"),
    ("trained in full", "dense"),
    ("came to, for", "export"),
    ("what a run came to", "a run's results"),
    ("makes of texts", "predicts"),
    ("what it makes of", "its predictions for"),
    ("as it came", "raw"),
    ("call off", "cancel"),
    ("calls off", "cancels"),
    ("called off", "cancelled"),
    ("calls it off", "cancels it"),
    ("thrown away", "moved to the trash"),
    ("throw away", "move to the trash"),
    ("held up", "delayed"),
    ("looked at anew", "checked again"),
    ("is not here yet", "not downloaded"),
    ("not known before a run", "no estimate yet"),
    ("seconds of work", "training time"),
    ("s of work", "s training time"),
    ("newest checkpoint", "latest checkpoint"),
    ("passed over", "skipped"),
    ("billion fp32 operations", "GFLOP/s (fp32)"),
    ("weigh their memory", "measure their memory"),
    ("foreseen", "predicted, estimated"),
    ("foresees", "predicts"),
    ("of one's own", "custom"),
    ("tells of", "reports"),
    ("tell of", "report"),
    ("of no consequence", "ignored"),
    ("stands still", "stalled"),
    ("is none of", "expected one of"),
    ("goes on", "continues"),
    ("anew", "again"),
    ("order of the user", "command"),
    ("ordered about", "controlled"),
];

#[test]
fn coined_words_are_in_no_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for place in ["src", "docs", "presets", "themes", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile"] {
        for path in texts(&root.join(place)) {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display();
            found.extend(
                coined(&text)
                    .into_iter()
                    .map(|(line, word, instead)| format!("{name}:{line}: \"{word}\" (write: {instead})")),
            );
        }
    }
    assert!(found.is_empty(), "{} coined words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn coined_words_are_in_no_help() {
    let help = |arguments: &[&str]| {
        let output = Command::new(place::program()).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let main = help(&[]);
    let commands = main.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"train") && commands.contains(&"attach"), "{commands:?}");
    for command in commands {
        assert_eq!(coined(&help(&[command])), [], "finesift {command} --help");
    }
    assert_eq!(coined(&main), [], "finesift --help");
}

#[test]
fn a_coined_word_is_found_and_a_part_of_a_word_is_not() {
    assert_eq!(coined("a\nit was Told, once").len(), 1);
    assert_eq!(coined("a\nit was told")[0].0, 2);
    // Across a line break of a comment, too.
    assert_eq!(coined("/// a run is left\n/// behind").len(), 1);
    assert_eq!(coined("untold, \"left_behind\", unlearnt"), []);
}

/// Lines, words and replacements.
fn coined(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    // A phrase may be broken by a line's end and the next comment's marker, so that words are compared one by one.
    let mut words: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        let parts = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == ',' || c == '\''));
        for part in parts.filter(|part| !part.is_empty()) {
            words.push((number + 1, part.to_owned()));
        }
    }
    let mut found = Vec::new();
    for (phrase, instead) in COINED {
        let phrase_words: Vec<&str> = phrase.split(' ').collect();
        for window in words.windows(phrase_words.len()) {
            let (last, first) = (phrase_words.len() - 1, &window[0]);
            let same = |(at, (_, word)): (usize, &(usize, String))| {
                let word =
                    if at == last && !phrase_words[at].ends_with(',') { word.trim_end_matches(',') } else { word };
                word == phrase_words[at]
            };
            if window.iter().enumerate().all(same) {
                found.push((first.0, phrase, instead));
            }
        }
    }
    found.sort_unstable();
    found
}

fn texts(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let known = ["rs", "md", "toml", "cpp"].map(|extension| Some(extension.as_ref()));
        let text = known.contains(&path.extension()) || path.file_name().is_some_and(|name| name == "Makefile");
        return if text { vec![path.to_owned()] } else { Vec::new() };
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|path| texts(path)).collect()
}
