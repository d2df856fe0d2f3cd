//! Leaving with changed presets: they are asked about and not lost.

use super::*;
use crate::ui::intent::Intent;

#[test]
fn quitting_with_unsaved_presets_asks_first() {
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let mut screens = Screens::new(columns, rows);
        screens.settle();
        assert_eq!(screens.press("q"), Some(Effect::Leave), "nothing is unsaved");
        screens.change("train.epochs", "7");
        screens.press("/reviews\r");
        screens.change("train.batch", "8");
        // Also for presets that the filter hides, and from another screen.
        screens.press("R");
        assert_eq!(screens.press("q"), None);
        screens.press("kH");
        assert_eq!(screens.press("q"), None);
        screens.assert_snapshot(&format!("home_quit_{columns}x{rows}"));
        for key in [KeyCode::Esc, KeyCode::Char('k')] {
            assert_eq!(screens.code(key), None);
            assert!(!screens.text().contains("unsaved") && screens.text().contains("1 changed"));
            screens.press("q");
        }
        // A letter with ctrl is no answer.
        let key = KeyEvent::new(KeyCode::Char('n'), KeyModifiers::CONTROL);
        assert_eq!(screens.app.update(Msg::Input(UserInput::Key(key))), None);
        assert_eq!(screens.press("n"), Some(Effect::Leave));
    }
}

#[test]
fn save_all_saves_every_changed_preset_and_leaves() {
    let mut screens = Screens::new(120, 40);
    screens.change("train.epochs", "7");
    screens.press("/reviews\r");
    screens.change("train.learning_rate", "1e-3");
    screens.press("q");
    let Some(Effect::SaveAll(requests)) = screens.press("\r") else { panic!("nothing to save") };
    let names: Vec<_> = requests.iter().map(|request| (request.name.as_str(), request.replace)).collect();
    assert_eq!(names, [("reviews", true), ("my-demo", false)]);
    assert!(requests[1].toml.contains("epochs = 7") && requests[0].toml == REVIEWS.replace("2e-4 ", "1e-3 "));
    screens.save(&requests);
    let text = screens.text();
    assert!(text.contains("╭ reviews ") && !text.contains("changed"), "{text}");
    assert_eq!(screens.app.update(Msg::AllSaved), Some(Effect::Leave));
    // The default name exists now.
    screens.code(KeyCode::Esc);
    screens.press("/demo\r");
    screens.code(KeyCode::Esc);
    screens.press("jj");
    assert!(screens.text().contains("built-in, 3 of yours") && screens.text().contains("my-demo"));
    screens.change("train.batch", "9");
    screens.press("q");
    assert!(screens.text().contains("a preset \"my-demo\" already exists"), "{}", screens.text());
}

#[test]
fn changes_survive_the_deletion_of_the_preset_file() {
    let mut screens = Screens::new(120, 40);
    screens.press("/reviews\r");
    screens.change("train.batch", "8");
    fs::remove_file(screens.folder.path().join("presets/reviews.toml")).unwrap();
    screens.code(KeyCode::Esc);
    screens.press("/demo\r");
    screens.press("s");
    let Some(Effect::SavePreset(request)) = screens.press("\r") else { panic!("nothing to save") };
    screens.save(&[request]);
    screens.press("q");
    let Some(Effect::SaveAll(requests)) = screens.press("s") else { panic!("nothing to save") };
    screens.save(&requests);
    let saved = fs::read_to_string(screens.folder.path().join("presets/reviews.toml")).unwrap();
    assert_eq!(saved, REVIEWS.replace("batch = 16", "batch = 8"));
}

#[test]
fn a_preset_that_cannot_be_saved_is_named_and_stay_comes_first() {
    let mut screens = Screens::new(80, 24);
    let library = screens.library.clone();
    library.save("my-demo", REVIEWS, false).unwrap();
    screens.app.update(Msg::Saved(Vec::new(), library.list()));
    screens.change("train.epochs", "7");
    screens.press("/glue/rte\r");
    screens.change("train.epochs", "7");
    screens.press("q");
    let warning = screens.app.look.theme.warning.0;
    assert_eq!(screens.style_of("a preset \"my-demo\" already exists").fg, warning);
    let text = screens.text();
    assert!(
        text.contains("will be saved as my-rte") && !text.contains("save all") && text.contains("> k  stay"),
        "{text}"
    );
    assert_eq!((screens.press("s"), screens.app.overlay.is_some()), (None, true));
    assert_eq!((screens.press("\r"), screens.app.overlay.is_some()), (None, false));
    screens.press("q");
    screens.code(KeyCode::Down);
    assert_eq!(screens.press("\r"), Some(Effect::Leave));
    // More than 4 are counted.
    for name in ["cola", "mnli", "qqp"] {
        screens.code(KeyCode::Esc);
        screens.press(&format!("/glue/{name}\r"));
        screens.change("train.epochs", "7");
    }
    screens.press("q");
    let text = screens.text();
    assert!(text.contains("5 presets have unsaved changes") && text.contains("and 2 more"), "{text}");
    let (columns, rows) = (60, 16);
    screens.terminal.backend_mut().resize(columns, rows);
    screens.app.update(Msg::Resize(columns, rows));
    assert!(screens.text().contains("n  quit without saving"), "{}", screens.text());
}

#[test]
fn a_training_run_is_asked_about_after_the_presets() {
    let mut screens = Screens::new(120, 40);
    screens.change("train.epochs", "7");
    screens.app.update(Msg::Launched);
    screens.press("q");
    assert!(screens.text().contains("will be saved as my-demo"));
    assert_eq!(screens.press("n"), None);
    assert!(screens.text().contains("The run is still preparing to train."));
    screens.code(KeyCode::Esc);
    screens.press("H");
    assert!(screens.text().contains("1 changed"), "staying keeps the changes");
    screens.press("q");
    let Some(Effect::SaveAll(requests)) = screens.press("s") else { panic!("nothing to save") };
    screens.save(&requests);
    assert_eq!(screens.app.update(Msg::AllSaved), None);
    assert!(screens.text().contains("The run is still preparing to train."));
    assert_eq!(screens.press("s"), Some(Effect::Send(Command::Stop { save: true })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn random_inputs_and_sizes_never_panic(
        messages in prop::collection::vec((0u8..12, any::<char>(), 0u16..220, 0u16..70), 1..120),
    ) {
        let mut screens = Screens::new(120, 40);
        screens.app.home.on_estimate("", Ok(estimate()));
        for (kind, c, x, y) in messages {
            match kind {
                0 => { screens.code(KeyCode::Enter); }
                1 => { screens.code(KeyCode::Esc); }
                2 => { screens.code(KeyCode::Tab); }
                3 => { screens.code([KeyCode::Up, KeyCode::Down, KeyCode::End, KeyCode::PageDown][x as usize % 4]); }
                4 => { screens.press(&"eesuU/r?"[x as usize % 8..][..1]); }
                5 => { screens.click((x, y)); }
                6 => { screens.scroll_down((x, y)); }
                7 => { screens.app.update(Msg::Input(UserInput::Paste(format!("{c}日\n")))); }
                8 => {
                    screens.terminal.backend_mut().resize(x, y);
                    screens.app.update(Msg::Resize(x, y));
                }
                9 => { screens.settle(); }
                10 => { screens.code(KeyCode::Backspace); }
                _ => { screens.code(KeyCode::Char(c)); }
            }
            screens.app.screen = Screen::Home;
            screens.draw();
        }
        // Every preset that can be launched can be parsed again.
        if let Some(Intent::Launch(preset)) = screens.app.home.act(crate::ui::keymap::Action::Launch) {
            let again = Preset::parse(&preset.name, "", &preset.toml, &[], Path::new("/cache")).unwrap();
            prop_assert_eq!(again, *preset);
        }
    }
}
