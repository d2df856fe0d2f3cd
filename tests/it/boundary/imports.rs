//! Which file of `src/` imports which, read from the text: `use` items and paths in code, followed through re-exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Path segments of a module below the crate: `["ui", "home"]`.
type Module = Vec<String>;

/// A source file as the compiler sees it in a normal build.
struct Source {
    /// Without comments, strings and test modules.
    code: String,
    uses: Vec<Use>,
}

/// One name that a `use` item brings into scope.
struct Use {
    /// As written: `["crate", "data", "Batch"]`. The last is `*` for a glob.
    path: Vec<String>,
    /// The name in scope.
    name: String,
    reexport: bool,
}

/// The files of a crate and what they import.
pub struct Imports {
    sources: BTreeMap<Module, Source>,
    paths: BTreeMap<Module, String>,
}

impl Imports {
    /// Reads all files below `src`.
    pub fn read(src: &Path) -> Imports {
        let (mut sources, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for file in files(src) {
            let relative = file.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
            let mut module: Module =
                relative.trim_end_matches(".rs").split('/').map(str::to_owned).filter(|part| part != "mod").collect();
            // Test modules in files of their own are not part of the build.
            if module.iter().any(|part| part == "tests") || module == ["main"] {
                continue;
            }
            if module == ["lib"] {
                module.clear();
            }
            let code = code_of(&fs::read_to_string(&file).unwrap());
            let uses = uses_of(&code);
            sources.insert(module.clone(), Source { code, uses });
            paths.insert(module, relative);
        }
        Imports { sources, paths }
    }

    /// Files and the files that each imports, as paths below `src`. Re-exports (`pub use`) are no imports of their file.
    pub fn files(&self) -> BTreeMap<String, BTreeSet<String>> {
        let imported = |module: &Module| {
            let targets = self.targets(module).into_iter().filter(|target| target != module);
            targets.map(|target| self.paths[&target].clone()).collect()
        };
        self.paths.iter().map(|(module, path)| (path.clone(), imported(module))).collect()
    }

    /// Files that name an external crate, as paths below `src`.
    pub fn users_of(&self, library: &str) -> BTreeSet<String> {
        let names = |source: &Source| {
            source.uses.iter().any(|item| item.path[0] == library)
                || paths_in(&source.code).iter().any(|path| path.len() > 1 && path[0] == library)
        };
        self.sources.iter().filter(|(_, source)| names(source)).map(|(module, _)| self.paths[module].clone()).collect()
    }

    fn targets(&self, module: &Module) -> BTreeSet<Module> {
        let source = &self.sources[module];
        let mut targets = BTreeSet::new();
        for item in source.uses.iter().filter(|item| !item.reexport) {
            targets.extend(self.resolve(module, &item.path, 0));
        }
        for path in paths_in(&source.code) {
            let Some(first) = path.first() else { continue };
            if ["crate", "super", "self"].contains(&first.as_str()) {
                targets.extend(self.resolve(module, &path, 0));
            } else if let Some(item) = source.uses.iter().find(|item| item.name == *first) {
                let whole: Vec<String> = item.path.iter().chain(&path[1..]).cloned().collect();
                targets.extend(self.resolve(module, &whole, 0));
            } else if self.sources.contains_key(&child(module, first)) {
                let whole: Vec<String> = std::iter::once("self".to_owned()).chain(path).collect();
                targets.extend(self.resolve(module, &whole, 0));
            }
        }
        targets
    }

    /// The module whose file defines what `path`, written in `from`, names; none for other crates.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut rest = path;
        let mut here = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => from.clone(),
            name if self.sources.contains_key(&child(from, name)) => from.clone(),
            _ => return None,
        };
        if rest[0] == "crate" || rest[0] == "self" {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|part| part == "super") {
            here.pop();
            rest = &rest[1..];
        }
        while let Some(name) = rest.first() {
            let next = child(&here, name);
            if self.sources.contains_key(&next) {
                here = next;
                rest = &rest[1..];
                continue;
            }
            let reexport = self.sources[&here].uses.iter().find(|item| item.reexport && item.name == *name);
            if let Some(item) = reexport.filter(|_| depth < 8) {
                let whole: Vec<String> = item.path.iter().chain(&rest[1..]).cloned().collect();
                return self.resolve(&here, &whole, depth + 1).or(Some(here));
            }
            let globs = self.sources[&here].uses.iter().filter(|item| item.reexport && item.name == "*");
            for glob in globs.filter(|_| depth < 8) {
                let module = self.resolve(&here, &glob.path[..glob.path.len() - 1], depth + 1);
                if let Some(module) = module.filter(|module| self.defines(module, name)) {
                    return Some(module);
                }
            }
            break;
        }
        Some(here)
    }

    fn defines(&self, module: &Module, name: &str) -> bool {
        let kinds = ["struct", "enum", "fn", "trait", "type", "const", "static"];
        let code = &self.sources[module].code;
        kinds.iter().any(|kind| {
            let item = format!("{kind} {name}");
            code.match_indices(&item)
                .any(|(at, _)| !code[at + item.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    }
}

/// Groups of files that import each other in a circle, each sorted. A file may use what the `mod.rs` of its own folders defines: a
/// folder is one module.
pub fn circles(files: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let own_folder = |file: &str, other: &str| {
        other == "lib.rs" || other.strip_suffix("mod.rs").is_some_and(|folder| file.starts_with(folder))
    };
    let reach = |start: &String| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(file) = todo.pop() {
            for next in files.get(file).into_iter().flatten() {
                if !own_folder(file, next) && seen.insert(next) {
                    todo.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<&String>> = files.keys().map(|file| (file, reach(file))).collect();
    let mut found = BTreeSet::new();
    for (file, others) in &reached {
        let circle: Vec<String> =
            others.iter().filter(|other| reached[**other].contains(file)).map(|other| (*other).clone()).collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn child(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).filter(rust).collect()
}

/// The text without comments, string contents and the inline test module at the end.
fn code_of(text: &str) -> String {
    // Tests within the file end it; tests in a file of their own are declared anywhere.
    let tests = "#[cfg(test)]\nmod ";
    let ends = |(at, _): &(usize, &str)| {
        text[at + tests.len()..].find([';', '{']).is_none_or(|end| text[at + tests.len() + end..].starts_with('{'))
    };
    let text = text.match_indices(tests).find(ends).map_or(text, |(at, _)| &text[..at]);
    let (mut code, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("r#\"") {
            rest = rest[3..].find("\"#").map_or("", |end| &rest[3 + end + 2..]);
        } else if c == '"' {
            let bytes = rest.as_bytes();
            let mut end = 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            rest = rest.get(end + 1..).unwrap_or("");
            code.push_str("\"\"");
        } else if let Some(after) = rest.strip_prefix("'\"'").or_else(|| rest.strip_prefix("'\\''")) {
            rest = after;
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

fn uses_of(code: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].rsplit(['\n', ';', '{', '}']).next().unwrap_or_default().trim();
        if !(before.is_empty() || before.starts_with("pub") || before.starts_with("#[") && before.ends_with(']')) {
            continue;
        }
        let item = code[at + 4..].split(';').next().unwrap_or_default();
        expand(item.trim(), &[], before.contains("pub"), &mut uses);
    }
    uses
}

/// Takes a use tree apart: `a::{b, c as d}` is two names.
fn expand(tree: &str, prefix: &[String], reexport: bool, uses: &mut Vec<Use>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let head = tree[..open].trim().trim_end_matches("::");
        let parts = head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let prefix: Vec<String> = prefix.iter().cloned().chain(parts).collect();
        let close = tree.rfind('}').unwrap_or(tree.len());
        let (mut depth, mut start) = (0, open + 1);
        for (at, c) in tree[..close].char_indices().skip_while(|(at, _)| *at <= open) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&tree[start..at], &prefix, reexport, uses);
                    start = at + 1;
                }
                _ => {}
            }
        }
        expand(&tree[start..close], &prefix, reexport, uses);
        return;
    }
    let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let parts = path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    let mut path: Vec<String> = prefix.iter().cloned().chain(parts).collect();
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let Some(last) = path.last() else { return };
    let name = if alias.is_empty() { last.clone() } else { alias.trim().to_owned() };
    uses.push(Use { path, name, reexport });
}

/// Paths of two segments and more in code outside of `use` items.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut paths = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().trim_start_matches("pub ").starts_with("use ")) {
        let mut at = 0;
        while let Some(found) = line[at..].find("::") {
            let start = line[..at + found].rfind(|c: char| !word(c)).map_or(0, |before| before + 1);
            let preceded = line[..start].ends_with("::");
            let mut end = at + found;
            while line[end..].starts_with("::") {
                let after = &line[end + 2..];
                let length = after.find(|c: char| !word(c)).unwrap_or(after.len());
                if length == 0 {
                    break;
                }
                end += 2 + length;
            }
            let path: Vec<String> = line[start..end].split("::").map(str::to_owned).collect();
            if !preceded && path.len() > 1 && !path[0].is_empty() {
                paths.push(path);
            }
            at = end.max(at + found + 2);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_trees_and_paths_are_read() {
        let code = code_of(
            "#[cfg(test)]\nmod tests;\nuse crate::{a, b::{self, C as D}};\npub use child::X; // use crate::no;\nfn f() { crate::e::g(\"crate::no\"); }\n#[cfg(test)]\nmod tests { use crate::no; }",
        );
        let uses = uses_of(&code);
        let names: Vec<(String, &str, bool)> =
            uses.iter().map(|item| (item.path.join("::"), item.name.as_str(), item.reexport)).collect();
        let expected = [
            ("crate::a".to_owned(), "a", false),
            ("crate::b".to_owned(), "b", false),
            ("crate::b::C".to_owned(), "D", false),
            ("child::X".to_owned(), "X", true),
        ];
        assert_eq!(names, expected);
        assert_eq!(paths_in(&code), [["crate", "e", "g"].map(str::to_owned).to_vec()]);
    }

    #[test]
    fn a_circle_is_found() {
        let file = |name: &str, to: &[&str]| {
            (name.to_owned(), to.iter().map(|other| (*other).to_owned()).collect::<BTreeSet<_>>())
        };
        let files = BTreeMap::from([file("a", &["b"]), file("b", &["c"]), file("c", &["a"]), file("d", &["a"])]);
        assert_eq!(circles(&files), [["a", "b", "c"].map(str::to_owned).to_vec()]);
    }
}
