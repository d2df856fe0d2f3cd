//! The list of presets: launching, filtering, saving.

use super::*;

#[test]
fn enter_launches_the_selected_preset_with_its_changes() {
    let mut screens = Screens::new(120, 40);
    screens.edit("train.epochs");
    screens.clear();
    screens.press("7\r");
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!((preset.name.as_str(), preset.train.epochs), ("demo", 7));
    assert!(preset.toml.contains("epochs = 7"));
    screens.code(KeyCode::Esc);
    screens.press("jj");
    let Some(Effect::Launch(preset)) = screens.press("\r") else { panic!("no launch") };
    assert_eq!(preset.name, "glue/cola");
    // The changes are still there.
    screens.press("kk");
    let Some(Effect::Launch(preset)) = screens.press("\r") else { panic!("no launch") };
    assert_eq!(preset.train.epochs, 7);
}

#[test]
fn saving_keeps_comments_and_asks_for_an_allowed_name() {
    let mut screens = Screens::new(120, 40);
    screens.press("/reviews\r");
    screens.edit("train.learning_rate");
    screens.clear();
    screens.app.update(Msg::Input(UserInput::Paste(" 1e-3\n".into())));
    screens.press("\r");
    screens.press("s");
    assert!(screens.text().contains("overwrites the preset"));
    screens.clear();
    for (name, complaint) in [
        ("demo", "is a built-in preset"),
        ("broken", "a preset \"broken\" already exists"),
        ("a/b", "use letters, digits"),
    ] {
        screens.press(name);
        assert!(screens.text().contains(complaint), "{}", screens.text());
        assert_eq!(screens.press("\r"), None);
        screens.clear();
    }
    screens.press("better");
    let Some(Effect::SavePreset(request)) = screens.press("\r") else { panic!("nothing to save") };
    let expected = ("reviews", "better", false);
    assert_eq!((request.from.as_str(), request.name.as_str(), request.replace), expected);
    assert_eq!(request.toml, REVIEWS.replace("2e-4 ", "1e-3 "));
    let path = screens.save(std::slice::from_ref(&request)).pop().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), request.toml);
    let text = screens.text();
    assert!(text.contains("╭ better ") && text.contains("saved as") && !text.contains("changed"), "{text}");
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!((preset.name.as_str(), preset.train.learning_rate), ("better", 1e-3));
}

#[test]
fn a_broken_preset_is_listed_with_its_error() {
    let mut screens = Screens::new(120, 40);
    let error = screens.app.look.theme.error.0;
    screens.press("/bro\r");
    assert!(screens.text().contains("broken.toml:3: unknown key \"model.rat\""));
    assert_eq!(screens.style_of("broken.toml:3").fg, error);
    assert_eq!(
        (screens.press("\r"), screens.press("r"), screens.press("s"), screens.press("e")),
        (None, None, None, None)
    );
    screens.press("eee");
    assert!(!screens.app.home.typing());
}

#[test]
fn the_filter_searches_names_models_tasks_and_descriptions() {
    let mut screens = Screens::new(120, 40);
    screens.press("/LARGE acc q");
    let text = screens.text();
    assert!(text.contains("/LARGE acc q") && text.contains("glue/qqp") && text.contains("glue/qnli"), "{text}");
    assert!(text.contains("2 of 18") && !text.contains("glue/rte"), "{text}");
    screens.code(KeyCode::Down);
    screens.press("\r");
    let Some(Effect::Launch(preset)) = screens.press("\r") else { panic!("no launch") };
    assert_eq!(preset.name, "glue/qnli");
    screens.press("/zzz");
    assert!(screens.text().contains("no preset matches the filter"));
    assert_eq!(screens.press("\r\r"), None);
    screens.code(KeyCode::Esc);
    assert!(screens.text().contains("glue/rte"));
}

#[test]
fn own_presets_come_first_under_a_heading() {
    let mut screens = Screens::new(120, 40);
    let text = screens.text();
    let line = |wanted: &str| text.lines().position(|line| line.contains(wanted)).unwrap();
    assert!(line("│  yours") < line("reviews") && line("reviews") < line("│  built-in"), "{text}");
    assert!(line("│  built-in") < line("▌ demo"), "{text}");
    // Headings are not selected, and have none for nothing.
    screens.press("k");
    assert!(screens.text().contains("▌ reviews"));
    screens.press("/glue\r");
    assert!(!screens.text().contains("│  yours") && screens.text().contains("│  built-in"));
}

#[test]
fn own_presets_are_deleted_after_a_question_and_built_in_ones_are_not() {
    for (columns, rows) in SIZES {
        let mut screens = Screens::new(columns, rows);
        screens.press("D");
        assert!(!screens.app.home.typing() && screens.text().contains("cannot be deleted"), "{}", screens.text());
        screens.press("kD");
        let text = screens.text();
        assert!(text.contains("Move reviews to the trash?") && text.contains("reviews.toml"), "{text}");
        assert_eq!((screens.press("x"), screens.press("n")), (None, None));
        assert!(!screens.app.home.typing());
        let Some(Effect::EditPreset(edit)) = screens.press("Dy") else { panic!("nothing to delete") };
        assert_eq!(edit, PresetEdit::Delete { name: "reviews".into() });
        let path = screens.library.delete("reviews").unwrap();
        let edited = EditedPreset { from: "reviews".into(), name: None, path };
        screens.app.update(Msg::PresetEdited(edited, screens.library.list()));
        let text = screens.text();
        assert!(text.contains(".trash/reviews.toml") && text.contains("16 built-in, 1 of yours"), "{text}");
    }
}

#[test]
fn own_presets_are_renamed_and_a_refused_name_stays() {
    let mut screens = Screens::new(120, 40);
    screens.press("n");
    assert!(!screens.app.home.typing() && screens.text().contains("cannot be renamed"));
    screens.press("kn");
    screens.clear();
    screens.press("demo");
    assert!(screens.text().contains("demo is a built-in preset"));
    assert_eq!(screens.press("\r"), None);
    screens.clear();
    screens.press("shop");
    let Some(Effect::EditPreset(edit)) = screens.press("\r") else { panic!("nothing to rename") };
    assert_eq!(edit, PresetEdit::Rename { from: "reviews".into(), to: "shop".into() });
    // The disk refuses: what was typed is kept, with the reason.
    screens.app.update(Msg::NotSaved("shop.toml: cannot be renamed: disk full".into()));
    let text = screens.text();
    assert!(text.contains("│ shop") && text.contains("disk full") && text.contains("Rename preset"), "{text}");
    screens.press("s\r");
    let path = screens.library.rename("reviews", "shops").unwrap();
    let edited = EditedPreset { from: "reviews".into(), name: Some("shops".into()), path };
    screens.app.update(Msg::PresetEdited(edited, screens.library.list()));
    let text = screens.text();
    assert!(text.contains("▌ shops") && text.contains("preset reviews renamed to"), "{text}");
}

#[test]
fn a_name_that_cannot_be_saved_is_asked_for_again() {
    let mut screens = Screens::new(120, 40);
    screens.press("s");
    screens.press("2\r");
    screens.app.update(Msg::NotSaved("presets: permission denied".into()));
    let text = screens.text();
    assert!(text.contains("my-demo2") && text.contains("permission denied") && text.contains("Save as"), "{text}");
    // Without a name that was typed, it is a message.
    screens.code(KeyCode::Esc);
    screens.app.update(Msg::NotSaved("presets: no folder".into()));
    assert!(!screens.app.home.typing() && screens.text().contains("no folder"));
}

#[test]
fn columns_stay_aligned_beside_wide_characters() {
    let mut screens = Screens::new(120, 40);
    for name in ["学习率-测试", "e\u{301}tude"] {
        // A combining mark is no letter, so that name is only in the folder.
        fs::write(screens.folder.path().join(format!("presets/{name}.toml")), REVIEWS).unwrap();
    }
    screens.app.update(Msg::Saved(Vec::new(), screens.library.list()));
    let buffer = screens.draw();
    let column_of_model = |y: u16| {
        let row: Vec<&str> = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        row[..60].windows(5).position(|cells| cells.concat() == "small")
    };
    let columns: Vec<usize> = (0..14).filter_map(column_of_model).collect();
    assert!(columns.len() == 3 && columns.windows(2).all(|pair| pair[0] == pair[1]), "{columns:?}");
}

#[test]
fn long_names_leave_the_keys_in_their_dialogs() {
    let mut screens = Screens::new(60, 16);
    let name = "a-very-long-name-".repeat(6)[..100].to_owned();
    screens.library.save(&name, REVIEWS, false).unwrap();
    screens.app.update(Msg::Saved(Vec::new(), screens.library.list()));
    screens.press("/a-very\r");
    screens.press("D");
    assert!(
        screens.text().contains("y move to trash   n cancel") && screens.text().contains('…'),
        "{}",
        screens.text()
    );
    screens.press("ns");
    screens.press("x");
    let text = screens.text();
    assert!(text.contains("enter save  esc cancel") && text.contains("use letters"), "{text}");
}
