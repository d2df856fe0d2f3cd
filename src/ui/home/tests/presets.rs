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
