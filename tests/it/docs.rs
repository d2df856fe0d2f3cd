//! README and docs name every command, preset key, setting and key binding, and nothing that does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place;

const PAGES: [&str; 11] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/data.md",
    "docs/evidence.md",
    "docs/guide.md",
    "docs/performance.md",
    "docs/reference.md",
    "docs/scaling.md",
    "docs/troubleshooting.md",
];

#[test]
fn the_reference_lists_every_command() {
    let reference = page("docs/reference.md");
    for command in subcommands(Helps::default().of("")) {
        assert!(reference.contains(&format!("`finesift {command}")), "docs/reference.md lacks `finesift {command}`");
    }
}

#[test]
fn the_reference_lists_every_preset_key_and_its_default() {
    let reference = page("docs/reference.md");
    for key in finesift::preset::KEYS.iter().map(|key| key.name) {
        assert!(reference.contains(&format!("\n| `{key}` |")), "docs/reference.md lacks the preset key {key}");
    }
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let known = |key: &str| finesift::preset::KEYS.iter().any(|known| known.name == key);
    for (key, _) in rows.filter(|(key, _)| {
        ["model.", "data.", "sift.", "train.", "sample.", "keep."].iter().any(|table| key.starts_with(table))
    }) {
        assert!(known(key), "docs/reference.md has {key}, which no preset may set");
    }
}

#[test]
fn the_reference_lists_every_setting_and_key_binding() {
    let reference = page("docs/reference.md");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(place::program()).arg("config").env("XDG_CONFIG_HOME", folder.path()).output().unwrap();
    let config: toml::Table = String::from_utf8(output.stdout).unwrap().parse().unwrap();
    let names = |table: &toml::Table| table.keys().filter(|name| *name != "keys").cloned().collect::<Vec<_>>();
    for setting in names(&config) {
        assert!(reference.contains(&format!("\n| `{setting}` |")), "docs/reference.md lacks the setting {setting}");
    }
    let keys = reference.split("\n## Keys\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for (name, bound) in config["keys"].as_table().unwrap() {
        let row = keys.lines().find(|line| line.starts_with("| `") && first_cell(line).contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("docs/reference.md lacks the key binding {name}"));
        for key in bound.as_array().unwrap().iter().filter_map(toml::Value::as_str) {
            // Rows of several bindings list their keys as arrows or as a range.
            let shown = row.contains(&format!("`{key}`")) || row.contains("arrows") || row.contains("`1` to `6`");
            assert!(shown, "docs/reference.md does not bind {key} to {name}: {row}");
        }
    }
}

#[test]
fn the_reference_lists_every_event_of_a_run() {
    let reference = page("docs/reference.md");
    let events = fs::read_to_string(root().join("tests/fixtures/runs/demo.jsonl")).unwrap();
    let kinds: BTreeSet<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].as_str().unwrap().to_owned())
        .collect();
    for kind in kinds {
        assert!(reference.contains(&format!("\n| `{kind}` |")), "docs/reference.md lacks the event {kind}");
    }
}

/// A build without torch lacks some commands.
#[cfg(feature = "torch")]
#[test]
fn every_command_and_option_in_the_docs_exists() {
    let mut helps = Helps::default();
    for name in PAGES {
        for code in code(&page(name)) {
            // Of a pipeline, the part that is finesift.
            for part in code.split(['|', '#', ';']) {
                let Some(arguments) = part.trim().strip_prefix("finesift ") else { continue };
                let words: Vec<&str> = arguments.split_whitespace().collect();
                let Some(command) = words.first().filter(|word| is_word(word)) else { continue };
                assert!(subcommands(helps.of("")).contains(*command), "{name}: `{code}`: no `finesift {command}`");
                let nested = words.get(1).filter(|word| subcommands(helps.of(command)).contains(**word));
                let path = nested.map_or((*command).to_owned(), |nested| format!("{command} {nested}"));
                let help = helps.of(&path);
                let options =
                    words.iter().filter(|word| word.starts_with("--")).filter_map(|word| word.split('=').next());
                for option in options {
                    assert!(help.contains(option), "{name}: `{code}`: `finesift {path}` has no {option}");
                }
            }
        }
    }
}

#[test]
fn links_lead_to_files_and_headings() {
    for name in PAGES {
        let text = page(name);
        let folder = root().join(name).parent().unwrap().to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let images = text.split("<img src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for target in links.chain(images) {
            if target.starts_with("http") {
                continue;
            }
            let (file, heading) =
                target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
            let path = if file.is_empty() { root().join(name) } else { folder.join(file) };
            assert!(path.exists(), "{name}: no file for the link {target}");
            if let Some(heading) = heading {
                let anchors: Vec<String> = headings(&fs::read_to_string(&path).unwrap());
                assert!(anchors.iter().any(|anchor| anchor == heading), "{name}: no heading for the link {target}");
            }
        }
    }
}

#[test]
fn the_tables_of_scaling_are_those_that_are_computed() {
    for arguments in [&["selftest"][..], &["--check", "docs/scaling.md"]] {
        let mut script = Command::new("python3");
        let output = script.arg("benches/scaling.py").args(arguments).current_dir(root()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "benches/scaling.py {}: {said}", arguments.join(" "));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn first_cell(row: &str) -> &str {
    row.trim_start_matches('|').split('|').next().unwrap_or_default()
}

/// What `finesift COMMAND --help` prints, each asked for once.
#[derive(Default)]
struct Helps(BTreeMap<String, String>);

impl Helps {
    fn of(&mut self, command: &str) -> &str {
        self.0.entry(command.to_owned()).or_insert_with(|| {
            let mut finesift = Command::new(place::program());
            let output = finesift.args(command.split_whitespace()).arg("--help").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    }
}

/// The commands that a help lists.
fn subcommands(help: &str) -> BTreeSet<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A line that is indented further continues a description.
    let names =
        lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// A command's name, and not a placeholder or an option.
#[cfg(feature = "torch")]
fn is_word(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase())
}

/// The lines of shell blocks and the inline code of a page.
#[cfg(feature = "torch")]
fn code(text: &str) -> Vec<String> {
    let (mut found, mut fence) = (Vec::new(), None);
    for line in text.lines() {
        match (line.strip_prefix("```"), fence) {
            (Some(language), None) => fence = Some(language == "sh"),
            (Some(_), Some(_)) => fence = None,
            (None, Some(true)) => found.push(line.to_owned()),
            (None, Some(false)) => {}
            (None, None) => found.extend(line.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "/"))),
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub makes them.
fn headings(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut anchors = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if !fenced && line.starts_with('#') {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            anchors.push(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
    }
    anchors
}
