//! Settings: editing, marking and undoing changes.

use super::*;

#[test]
fn typed_values_are_checked_like_overrides_and_invalid_ones_are_not_applied() {
    let mut screens = Screens::new(120, 40);
    let error = screens.app.look.theme.error.0;
    for (key, typed, complaint) in [
        ("train.epochs", "0", "train.epochs is 0, expected a whole number"),
        ("sift.rate", "1.5", "sift.rate is 1.5, expected a number above 0"),
        ("train.warmup", "1", "train.warmup is 1, expected a number from 0"),
        ("train.learning_rate", "", "train.learning_rate is missing"),
    ] {
        screens.edit(key);
        screens.clear();
        screens.press(typed);
        // The rest is on the next line.
        let first: String = complaint.chars().take(22).collect();
        assert!(screens.text().contains(&first), "{key}:\n{}", screens.text());
        screens.press("\r");
        assert!(screens.app.home.typing(), "the value stays in the field");
        assert_eq!(screens.style_of(&first).fg, error);
        screens.code(KeyCode::Esc);
        assert!(!screens.app.home.typing());
    }
    assert!(!screens.text().contains("changed"));
    // A bound key is text here.
    screens.edit("about");
    screens.clear();
    screens.press("quit? r/t H\r");
    assert!(screens.app.screen == Screen::Home && screens.text().contains("quit? r/t H"));
}

#[test]
fn changes_are_marked_and_can_be_undone() {
    let mut screens = Screens::new(120, 40);
    let changed = screens.app.look.theme.changed.0;
    screens.edit("train.batch");
    screens.clear();
    screens.press("8");
    // The estimate follows while the value is typed.
    assert_eq!(screens.settle().unwrap().train.batch, 8);
    screens.press("\r");
    let (x, y) = screens.find("8  was 32");
    assert_eq!(screens.draw()[(x, y)].fg, changed);
    assert!(screens.text().contains("1 changed") && screens.text().contains("demo *"));
    assert_eq!(screens.style_of("1 changed").fg, changed);
    screens.press("u");
    assert!(!screens.text().contains("changed"));
    for (key, value) in [("train.batch", "8"), ("train.epochs", "9")] {
        screens.edit(key);
        screens.clear();
        screens.press(&format!("{value}\r"));
    }
    assert!(screens.text().contains("2 changed"));
    screens.press("U");
    assert!(!screens.text().contains("changed"));
}

#[test]
fn the_mouse_selects_edits_and_scrolls() {
    let mut screens = Screens::new(120, 40);
    let at = screens.find("glue/mrpc");
    screens.click(at);
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!(preset.name, "glue/mrpc");
    screens.scroll_down(at);
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!(preset.name, "glue/qqp");
    let at = screens.find("max_length");
    screens.click(at);
    assert!(screens.text().contains("data.max_length: max length in tokens"));
    let at = screens.find("max_length  ");
    screens.click(at);
    assert!(screens.app.home.typing());
    screens.clear();
    screens.press("64");
    // A click elsewhere keeps the typed value.
    let at = screens.find("glue/cola");
    screens.click(at);
    assert!(!screens.app.home.typing() && screens.text().contains("glue/qqp *"));
}
