//! Screens in ASCII: whatever is not ASCII on them is text of the user's.

use std::collections::BTreeSet;

use crate::palette::{DIALOGS, PLACES, SIZES, World, at, screen};
use crate::queue_screen::entries;
use crate::sweep_screen;

#[test]
fn every_screen_and_dialog_is_drawn_in_ascii() {
    let world = World::new();
    // Examples and other texts of the recorded run.
    let mut own: BTreeSet<char> = world.events.iter().flat_map(texts).filter(|c| !c.is_ascii()).collect();
    own.extend(entries().iter().flat_map(|entry| entry.run.iter().flat_map(|run| run.chars())));
    own.extend(sweep_screen::plan().rows.iter().flat_map(|row| row.name.chars()));
    let mut wrong = BTreeSet::new();
    for (name, start, keys) in PLACES.into_iter().chain(DIALOGS) {
        for size in SIZES.into_iter().chain([(40, 10)]) {
            let mut app = at(&world, start, keys, size);
            app.look.ascii = true;
            for line in screen(&app, size).lines() {
                if line.chars().any(|c| !c.is_ascii() && !own.contains(&c)) {
                    wrong.insert(format!("{name} at {}x{}: {line}", size.0, size.1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// The characters of an event.
fn texts(event: &finesift::protocol::Event) -> Vec<char> {
    serde_json::to_string(event).unwrap().chars().collect()
}
