//! The screen as a whole at several sizes and with few colours.

use super::*;

#[test]
fn home_at_four_sizes() {
    for (columns, rows) in SIZES {
        let mut screens = Screens::new(columns, rows);
        screens.settle();
        screens.assert_snapshot(&format!("home_{columns}x{rows}"));
    }
}

#[test]
fn home_while_a_field_is_edited_and_a_preset_saved() {
    let mut screens = Screens::new(100, 30);
    screens.settle();
    screens.edit("train.epochs");
    screens.press("x");
    screens.assert_snapshot("home_editing");
    screens.code(KeyCode::Backspace);
    screens.press("0\r");
    screens.press("s");
    screens.settle();
    screens.assert_snapshot("home_saving");
}

#[test]
fn home_in_ascii_without_colours() {
    let mut screens = Screens::with_look(100, 30, Depth::None, true);
    screens.settle();
    screens.edit("train.epochs");
    screens.press("0\r");
    screens.settle();
    let text = screens.text();
    assert!(text.is_ascii(), "{text}");
    assert!(screens.draw().content.iter().all(|cell| cell.fg == ratatui::style::Color::Reset));
    screens.assert_snapshot("home_ascii");
}
