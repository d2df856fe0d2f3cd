//! When estimates are asked for, and how they are shown.

use super::*;

#[test]
fn rows_that_are_left_out_are_above_the_first_batch() {
    let mut left_out = estimate();
    let warning = |number| format!("/data/rows.jsonl: {number} rows skipped: no assistant message (lines 3, 7)");
    left_out.data.as_mut().unwrap().warnings = (1..=9).map(warning).collect();
    let mut screens = Screens::new(120, 40);
    screens.settle_with(left_out);
    // One line each, with the file's name alone, and the examples stay in view.
    let text = screens.text();
    assert!(text.contains("│ rows.jsonl: 1 rows skipped: no assistant message (lines 3, 7)"), "{text}");
    assert!(text.contains("more remarks") && text.contains("positive: [CLS]"), "{text}");
    let theme = Theme::load("dark", Depth::True).unwrap();
    assert_eq!(screens.style_of("rows.jsonl: 1 rows").fg, theme.style(theme.warning).fg.unwrap());
    // The others are scrolled to, past the note about the labels and the first warning.
    screens.code(KeyCode::Tab);
    screens.code(KeyCode::Tab);
    screens.code(KeyCode::Down);
    screens.code(KeyCode::Down);
    let text = screens.text();
    assert!(
        !text.contains("1 rows skipped") && text.contains("9 rows skipped") && !text.contains("more remarks"),
        "{text}"
    );
}

#[test]
fn the_demo_is_selected_and_estimated_after_a_moment() {
    let mut screens = Screens::new(120, 40);
    assert!(screens.app.waiting());
    assert_eq!(screens.app.update(Msg::Tick(Duration::ZERO)), None);
    screens.press("j");
    assert_eq!(
        screens.app.update(Msg::Tick(Duration::from_millis(100))),
        None,
        "a preset that is passed is not estimated"
    );
    screens.press("k");
    let Some(Effect::Estimate(demo)) = ({
        screens.app.update(Msg::Tick(Duration::from_millis(200)));
        screens.app.update(Msg::Tick(Duration::from_millis(400)))
    }) else {
        panic!("nothing is estimated")
    };
    assert_eq!(demo.name, "demo");
    // One estimate at a time, and the estimate of another preset is not shown.
    screens.press("j");
    screens.now = Duration::from_secs(1);
    assert!(!screens.app.waiting() && screens.settle().is_none());
    screens.app.update(Msg::Estimate(demo.toml, Ok(estimate())));
    assert!(screens.text().contains("reading model and data"));
    assert_eq!(screens.settle().unwrap().name, "demo-chat");
    screens.app.update(Msg::Estimate("another".into(), Err("stale".into())));
    assert!(screens.text().contains("22,713,986 parameters") && !screens.text().contains("stale"));
    assert_eq!(screens.settle(), None);
}

#[test]
fn tokens_have_the_colour_of_their_role() {
    let mut screens = Screens::new(120, 40);
    screens.settle();
    let theme = screens.app.look.theme;
    let (_, top) = screens.find("First batch");
    let colours: Vec<_> = ["[CLS]", "un##believ##ably", "[PAD]×3", "positive:", "yes"]
        .map(|text| {
            // In the panel, not in the list above.
            let buffer = screens.draw().clone();
            let area = buffer.area;
            (top + 1..area.bottom())
                .flat_map(|y| (54..area.right()).map(move |x| (x, y)))
                .find(|&(x, y)| {
                    let rest: String = (x..area.right()).map(|x| buffer[(x, y)].symbol()).collect();
                    rest.starts_with(text)
                })
                .map(|at| buffer[at].fg)
        })
        .into();
    let roles = [theme.token_special, theme.token_read, theme.token_padding, theme.token_label, theme.token_trained];
    assert_eq!(colours, roles.map(|hue| Some(hue.0)));
    assert!(!screens.text().contains("[PAD] [PAD]"));
}

#[test]
fn an_estimate_that_exceeds_the_memory_says_so() {
    let mut screens = Screens::new(120, 40);
    let preset = screens.settle().unwrap();
    let (error, warning) = (screens.app.look.theme.error.0, screens.app.look.theme.warning.0);
    let mut tight = estimate();
    tight.device = Some(DeviceMemory { name: "GPU".into(), total: 8 << 30, free: 1 << 30 });
    screens.app.update(Msg::Estimate(preset.toml.clone(), Ok(tight.clone())));
    assert_eq!(screens.style_of("~3.09 GiB, exceeds the 1.0 GiB free now").fg, warning);
    tight.device = Some(DeviceMemory { name: "GPU".into(), total: 2 << 30, free: 1 << 30 });
    tight.missing = vec!["model org/x is not downloaded; launch will fetch it".into()];
    screens.app.update(Msg::Estimate(preset.toml.clone(), Ok(tight)));
    assert_eq!(screens.style_of("~3.09 GiB, exceeds the 2.0 GiB of the device").fg, error);
    assert_eq!(screens.style_of("model org/x is not downloaded").fg, warning);
    screens.app.update(Msg::Estimate(preset.toml, Err("sift.modules: no such".into())));
    assert_eq!(screens.style_of("sift.modules: no such").fg, error);
}

#[test]
fn launching_a_run_renews_the_estimate() {
    let mut screens = Screens::new(120, 40);
    screens.settle();
    screens.app.update(Msg::Launched);
    assert!(screens.app.screen == Screen::Monitor && !screens.app.waiting());
    screens.press("H");
    assert_eq!(screens.settle().unwrap().name, "demo");
}
