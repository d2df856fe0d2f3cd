//! The editors of settings by type: choices, modules, numbers, lists.

use super::*;
use crate::estimate::ParameterCount;
use crate::preset::{KEYS, KeyKind};
use crate::ui::home::editor::bert;

/// The estimate with the parameters of a small BERT.
fn with_layout() -> Estimate {
    let mut estimate = estimate();
    let layout: Vec<ParameterCount> = bert();
    estimate.model.as_mut().unwrap().layout = layout;
    estimate
}

#[test]
fn choices_are_picked_from_a_list_with_help() {
    for (columns, rows) in SIZES {
        let mut screens = Screens::new(columns, rows);
        screens.settle();
        screens.edit("train.schedule");
        screens.code(KeyCode::Down);
        screens.settle();
        screens.assert_snapshot(&format!("home_choices_{columns}x{rows}"));
        screens.press("\r");
        assert!(!screens.app.home.typing());
        let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
        assert_eq!(preset.train.schedule.name(), "cosine");
    }
}

#[test]
fn a_choice_without_a_default_can_be_left_out() {
    let mut screens = Screens::new(120, 40);
    screens.edit("model.head");
    assert!(screens.text().contains("not set"), "{}", screens.text());
    screens.press("j\r");
    assert!(screens.text().contains("new  was not set"), "{}", screens.text());
    screens.press("ek\r");
    assert!(!screens.text().contains("changed"));
    // Esc leaves it as it was.
    screens.press("ej");
    screens.code(KeyCode::Esc);
    assert!(!screens.text().contains("changed"));
}

#[test]
fn modules_are_checked_in_a_list_with_their_parameters() {
    for (columns, rows) in SIZES {
        let mut screens = Screens::new(columns, rows);
        screens.settle_with(with_layout());
        screens.edit("sift.modules");
        // The value off, the first of the MLP on.
        screens.press("jj jj ");
        screens.assert_snapshot(&format!("home_modules_{columns}x{rows}"));
        screens.press("\r");
        let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
        assert_eq!(preset.sift.modules, ["query", "key", "attention.output.dense", "intermediate.dense"]);
    }
}

#[test]
fn names_are_typed_with_commas_where_the_model_is_unknown_or_by_e() {
    let mut screens = Screens::new(120, 40);
    screens.edit("sift.modules");
    screens.clear();
    screens.press("query, value\r");
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!(preset.sift.modules, ["query", "value"]);
    screens.settle_with(with_layout());
    screens.edit("sift.dense");
    screens.press("e");
    screens.clear();
    screens.press("classifier, LayerNorm\r");
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!(preset.sift.dense, ["classifier", "LayerNorm"]);
}

#[test]
fn a_wrong_module_is_marked_and_the_estimate_stays() {
    let mut screens = Screens::new(120, 40);
    screens.settle_with(with_layout());
    screens.edit("sift.modules");
    screens.press("e");
    screens.clear();
    screens.press("quarry, value\r");
    screens.now += Duration::from_secs(1);
    screens.app.update(Msg::Tick(screens.now));
    screens.now += Duration::from_secs(1);
    let Some(Effect::Estimate(preset)) = screens.app.update(Msg::Tick(screens.now)) else { panic!("not asked") };
    assert!(screens.text().contains("updating") && screens.text().contains("22,713,986 parameters"));
    let why =
        "sift.modules: \"quarry\" matches none of the model's 32 parameter names; did you mean one of query, key?";
    screens.app.update(Msg::Estimate(preset.toml, Err(why.into())));
    screens.assert_snapshot("home_wrong_module_120x40");
    let text = screens.text();
    for kept in ["22,713,986 parameters", "before this change", "un##believ##ably good", "did you mean one of query"] {
        assert!(text.contains(kept), "{kept}:\n{text}");
    }
    // Its checklist names it, with a suggestion, and can drop it.
    screens.press("e");
    screens.code(KeyCode::End);
    let text = screens.text();
    assert!(text.contains("\"quarry\" matches no parameter;") && text.contains("\"query\"?"), "{text}");
    screens.press(" \r");
    assert_eq!(screens.settle().unwrap().sift.modules, ["value"]);
    assert!(!screens.text().contains("before this change"));
}

#[test]
fn left_and_right_change_numbers_choices_and_truth_values() {
    let mut screens = Screens::new(120, 40);
    for (key, right, left) in [
        ("train.learning_rate", "2e-3", "5e-4"),
        ("train.epochs", "3", "1"),
        ("sift.rate", "0.01", "5e-3"),
        ("train.schedule", "cosine", "linear"),
        ("train.gradient_checkpointing", "true", "true"),
    ] {
        for (code, value) in [(KeyCode::Right, right), (KeyCode::Left, left)] {
            screens.app.home.select_setting(key);
            screens.code(code);
            let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
            let toml: toml::Table = preset.toml.parse().unwrap();
            let (section, name) = key.split_once('.').unwrap();
            let shown = toml[section].get(name).map_or_else(String::new, ToString::to_string);
            let same = |text: &str| text.trim_matches('"').parse::<f64>().ok();
            let kept = shown.is_empty() && value == "linear";
            assert!(
                kept || shown.trim_matches('"') == value || same(&shown) == same(value) && same(value).is_some(),
                "{key}: {shown} and not {value}"
            );
            screens.press("u");
        }
    }
    // At its bound a number stays.
    screens.app.home.select_setting("train.epochs");
    for _ in 0..9 {
        screens.code(KeyCode::Left);
    }
    let Some(Effect::Launch(preset)) = screens.press("r") else { panic!("no launch") };
    assert_eq!(preset.train.epochs, 1);
}

#[test]
fn a_switch_that_does_not_fit_the_other_settings_is_refused() {
    let mut screens = Screens::new(120, 40);
    screens.app.home.select_setting("data.regression");
    screens.press("\r");
    let text = screens.text();
    assert!(text.contains("data.labels: regression") && !text.contains("1 changed"), "{text}");
}

#[test]
fn every_setting_opens_the_editor_of_its_type() {
    let mut screens = Screens::new(120, 40);
    screens.settle_with(with_layout());
    for key in KEYS {
        screens.app.home.select_setting(key.name);
        if !screens.text().contains(&format!("{}: ", key.name)) {
            // It does not apply to this preset.
            continue;
        }
        screens.press("\r");
        let text = screens.text();
        match key.kind {
            KeyKind::Boolean => assert!(!screens.app.home.typing(), "{}", key.name),
            KeyKind::Choice(_) | KeyKind::Modules => assert!(text.contains("enter set"), "{}", key.name),
            _ => assert!(text.contains("(leave"), "{}:\n{text}", key.name),
        }
        screens.code(KeyCode::Esc);
        screens.press("U");
    }
}

#[test]
fn the_filter_of_the_settings_applies_while_they_have_the_focus() {
    let mut screens = Screens::new(120, 40);
    screens.app.home.select_setting("train.seed");
    screens.press("/steps");
    let text = screens.text();
    assert!(text.contains("/steps_") && text.contains("max_steps") && text.contains("warmup"), "{text}");
    assert!(!text.contains("learning_rate") && text.contains("glue/cola"), "only the settings are filtered: {text}");
    screens.press("\r");
    screens.assert_snapshot("home_settings_filter_120x40");
    // Another setting is selected by its key, hidden or not.
    screens.app.home.select_setting("train.seed");
    assert!(screens.text().contains("train.seed: "));
    screens.press("/zzz\r");
    assert!(screens.text().contains("no setting matches the filter"));
    screens.code(KeyCode::Esc);
    assert!(screens.text().contains("[model]") && screens.text().contains("dtype"));
}
