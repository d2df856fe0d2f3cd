//! Which room of `src/` may import which: an allow list, which docs/architecture.md shows as its code map.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use imports::{Imports, circles};

/// A row of the table in docs/architecture.md.
#[derive(Debug)]
struct Room {
    /// Rooms that it may import; `None` for all.
    may_import: Option<BTreeSet<String>>,
    /// Whether it may name tch.
    torch: bool,
}

#[test]
fn rooms_import_only_what_the_architecture_page_allows() {
    let (rooms, imports) = (rooms(), Imports::read(&root().join("src")));
    let mut found = Vec::new();
    for (file, targets) in imports.files().into_iter().filter(|(file, _)| file != "lib.rs") {
        let Some(room) = rooms.get(room_of(&file)) else {
            found.push(format!("src/{file} is in no room of docs/architecture.md"));
            continue;
        };
        let allowed = |target: &String| {
            let target = room_of(target);
            target == room_of(&file) || room.may_import.as_ref().is_none_or(|allowed| allowed.contains(target))
        };
        // Every room may use `Usage` of lib.rs.
        let forbidden = targets.iter().filter(|target| *target != "lib.rs" && !allowed(target));
        found.extend(forbidden.map(|target| format!("src/{file} imports src/{target}")));
    }
    found.extend(foreign_users(&imports, &rooms));
    assert!(found.is_empty(), "not allowed by docs/architecture.md:\n{}", found.join("\n"));
}

/// Files that name a library which is not for their room.
fn foreign_users(imports: &Imports, rooms: &BTreeMap<String, Room>) -> Vec<String> {
    let mut found = Vec::new();
    for library in ["tch", "torch_sys", "ratatui", "crossterm", "indicatif", "clap"] {
        for file in imports.users_of(library) {
            let room = room_of(&file);
            let fits = match library {
                "tch" | "torch_sys" => rooms.get(room).is_some_and(|room| room.torch),
                "ratatui" | "crossterm" => room == "ui",
                "indicatif" => ["cli", "headless"].contains(&room),
                // Export formats are values of an option.
                _ => ["cli", "export"].contains(&room),
            };
            if !fits {
                found.push(format!("src/{file} names {library}"));
            }
        }
    }
    found
}

#[test]
fn every_row_of_the_architecture_page_is_used() {
    let (rooms, imports) = (rooms(), Imports::read(&root().join("src")));
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, targets) in imports.files() {
        let rooms = targets.iter().map(|target| room_of(target).to_owned());
        used.entry(room_of(&file).to_owned()).or_default().extend(rooms);
    }
    for (name, room) in &rooms {
        let Some(used) = used.get(name) else { panic!("docs/architecture.md has a row for {name}, src/ has not") };
        let idle: Vec<&String> = room.may_import.iter().flatten().filter(|other| !used.contains(*other)).collect();
        assert!(idle.is_empty(), "docs/architecture.md lets {name} import {idle:?}, which it does not");
    }
}

#[test]
fn no_more_than_two_files_import_each_other_in_a_circle() {
    let files = Imports::read(&root().join("src")).files();
    let large: Vec<Vec<String>> = circles(&files).into_iter().filter(|circle| circle.len() > 2).collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn only_the_loop_of_the_terminal_side_imports_the_application() {
    let files = Imports::read(&root().join("src")).files();
    let importers = files.iter().filter(|(_, targets)| targets.contains("ui/app.rs"));
    let importers: Vec<&str> = importers
        .map(|(file, _)| file.as_str())
        .filter(|file| *file != "ui/mod.rs" && !file.starts_with("ui/app/"))
        .collect();
    assert!(importers.is_empty(), "{importers:?}");
}

#[test]
fn a_forbidden_import_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "pub mod data;\npub mod ui;\npub mod sift;");
    write("data/mod.rs", "mod batch;\npub use batch::Batch;");
    write("data/batch.rs", "use super::super::ui::{self, Screen};\npub struct Batch;");
    write("ui/mod.rs", "mod screen;\npub use screen::Screen;\nfn draw() { let _ = crate::data::Batch; }");
    write("ui/screen.rs", "use tch::Tensor;\npub struct Screen;");
    write("sift/mod.rs", "use crate::{data, ui};\n#[cfg(test)]\nmod tests { use crate::ui; }\nfn f() { data::Batch; }");
    let imports = Imports::read(folder.path());
    let files = imports.files();
    let imported = |file: &str| files[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imported("data/batch.rs"), ["ui/mod.rs", "ui/screen.rs"]);
    assert_eq!(imported("ui/mod.rs"), ["data/batch.rs"]);
    assert_eq!(imported("sift/mod.rs"), ["data/mod.rs", "ui/mod.rs"]);
    assert_eq!(imports.users_of("tch").into_iter().collect::<Vec<_>>(), ["ui/screen.rs"]);
    assert_eq!(circles(&files), [["data/batch.rs", "ui/mod.rs"]]);
}

/// `ui` of `ui/home/mod.rs`, `config` of `config.rs`.
fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The table below "Code map" in docs/architecture.md: room, what it holds, what it may import, whether it uses torch.
fn rooms() -> BTreeMap<String, Room> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let section = page.split("\n## Code map").nth(1).expect("a section \"Code map\"");
    let rows = section.split("\n## ").next().unwrap_or_default().lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| -> Vec<String> {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned()).collect()
    };
    let mut rooms = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _, may_import, torch] = cells[..] else { panic!("a row of four cells: {row}") };
        let all = may_import == "everything";
        for name in names(room) {
            let may_import = (!all).then(|| names(may_import).into_iter().collect());
            rooms.insert(name, Room { may_import, torch: torch == "yes" });
        }
    }
    assert!(rooms.len() > 20, "{rooms:?}");
    rooms
}
