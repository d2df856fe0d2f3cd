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
    tight.device = Some(DeviceMemory { name: "GPU".into(), total: 8 << 30, free: 1 << 30, own: 0 });
    screens.app.update(Msg::Estimate(preset.toml.clone(), Ok(tight.clone())));
    assert_eq!(screens.style_of("~3.09 GiB, exceeds the 1.0 GiB free now").fg, warning);
    tight.device = Some(DeviceMemory { name: "GPU".into(), total: 2 << 30, free: 1 << 30, own: 0 });
    tight.missing = vec!["model org/x is not downloaded; launch will fetch it".into()];
    screens.app.update(Msg::Estimate(preset.toml.clone(), Ok(tight)));
    assert_eq!(screens.style_of("~3.09 GiB, exceeds the 2.0 GiB of the device").fg, error);
    assert_eq!(screens.style_of("model org/x is not downloaded").fg, warning);
    screens.app.update(Msg::Estimate(preset.toml, Err("sift.modules: no such".into())));
    assert_eq!(screens.style_of("sift.modules: no such").fg, error);
}

#[test]
fn the_batch_that_is_chosen_is_shown_or_why_there_is_none() {
    let chosen = ChosenBatch { batch: 16, accumulate: 2, bytes: 9 << 30, free: 12 << 30, larger: Some((32, 15 << 30)) };
    let why = "train.batch: is \"auto\", but not one example fits: it takes an estimated 9.1 GiB, and 8.0 GiB of 12.0 GiB are \
               free. By the estimate these fit: train.gradient_checkpointing = true (5.2 GiB)";
    let fits = |checkpointing, largest| MemoryFit {
        checkpointing,
        offload: false,
        shard: false,
        memory: Vec::new(),
        largest: Some(largest),
    };
    let of = |batch, size: (u16, u16)| {
        let mut screens = Screens::new(size.0, size.1);
        let mut estimate = Estimate { batch: Some(batch), ..estimate() };
        estimate.model.as_mut().unwrap().fits = vec![fits(false, 24), fits(true, 90)];
        screens.settle_with(estimate);
        screens
    };
    for (columns, rows) in SIZES {
        let size = (columns, rows);
        of(AutoBatch::Chosen(chosen.clone()), size).assert_snapshot(&format!("home_auto_{columns}x{rows}"));
    }
    let text = of(AutoBatch::Unknown("known once the model is downloaded".into()), (120, 40)).text();
    assert!(text.contains("batch     auto: known once the model is downloaded"), "{text}");
    let text = of(AutoBatch::NothingFits(why.into()), (120, 40)).text();
    assert!(text.contains("not one example fits") && text.contains("checkpointing = true (5.2"), "{text}");
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

#[test]
fn the_time_says_from_how_many_runs_it_comes() {
    let mut several = estimate();
    let throughput = several.throughput.as_mut().unwrap();
    throughput.runs = ["a", "b", "c"].map(str::to_owned).into();
    throughput.seconds_per_evaluation = Some(3.0);
    let mut screens = Screens::new(120, 40);
    screens.settle_with(several);
    // 170 steps of half a second, and 2 evaluations.
    assert!(screens.text().contains("~1:31 (median of 3 similar runs)"), "{}", screens.text());
}

#[test]
fn another_learning_rate_keeps_the_estimate_on_the_screen() {
    let mut screens = Screens::new(120, 40);
    screens.settle();
    screens.app.home.select_setting("train.learning_rate");
    screens.code(KeyCode::Right);
    let text = screens.text();
    assert!(text.contains("~1:25") && text.contains("updating") && text.contains("un##believ"), "{text}");
    screens.settle();
    assert!(!screens.text().contains("updating"));
}

#[test]
fn no_part_of_the_memory_is_lost_in_the_legend() {
    let part = |name, bytes| MemoryPart { name, bytes, estimated: name == "activations" };
    let mut full = estimate();
    full.model.as_mut().unwrap().memory = vec![
        part("weights", 90_855_944),
        part("sparse optimizer", 681_984),
        part("dense optimizer", 12_320),
        part("activations", 3 << 30),
        part("workspace", 130 << 20),
        part("process", 145 << 20),
        part("selection", 14 << 20),
    ];
    for (columns, rows) in SIZES {
        let mut screens = Screens::new(columns, rows);
        screens.settle_with(full.clone());
        screens.assert_snapshot(&format!("home_legend_{columns}x{rows}"));
        let text = screens.text();
        let marks = text.matches('■').count();
        assert!(marks == 7 || text.contains(&format!("+{} more", 7 - marks)), "{marks} of 7 in\n{text}");
    }
}

#[test]
fn sizes_of_downloads_are_asked_for_once_and_shown_when_they_are_known() {
    let mut screens = Screens::new(120, 40);
    let missing = "model org/small: not downloaded; launch will fetch it".to_owned();
    let absent = Estimate { missing: vec![missing.clone()], ..Estimate::default() };
    screens.now += Duration::from_secs(1);
    screens.app.update(Msg::Tick(screens.now));
    screens.now += Duration::from_secs(1);
    let Some(Effect::Estimate(preset)) = screens.app.update(Msg::Tick(screens.now)) else { panic!("not asked") };
    let asked = screens.app.update(Msg::Estimate(preset.toml.clone(), Ok(absent.clone())));
    assert_eq!(asked, Some(Effect::DownloadSizes(preset)));
    assert!(screens.text().contains("launch will fetch it "), "{}", screens.text());
    screens.app.update(Msg::DownloadSizes(vec![DownloadSize { missing, size: " (1.4 GB)".into() }]));
    assert!(screens.text().contains("launch will fetch it (1.4 GB)"));
    // Another setting of the same preset has the same downloads.
    screens.app.home.select_setting("train.epochs");
    screens.code(KeyCode::Right);
    let asked = screens.settle_with(absent);
    assert!(asked.is_some() && screens.text().contains("(1.4 GB)"));
}

#[test]
fn tabs_wide_and_combining_characters_are_shown_in_the_first_batch() {
    let mut odd = estimate();
    let piece = |text: &str| TokenSpan { text: text.into(), role: TokenRole::Context };
    let data = odd.data.as_mut().unwrap();
    data.notes.clear();
    data.preview =
        vec![vec![piece("学习"), piece("\trate"), piece("\u{301}"), piece(" 👩\u{200d}🔬"), piece("\n")]; 30];
    // The smallest size has no room for the first batch.
    for (columns, rows) in SIZES.into_iter().skip(1) {
        let mut screens = Screens::new(columns, rows);
        screens.settle_with(odd.clone());
        let text = screens.text();
        assert!(text.contains("⇥rate") && text.contains("↵"), "{text}");
        // The right border stands in one column, and what is cut says so.
        let buffer = screens.draw();
        assert!(
            (12..buffer.area.height - 2).all(|y| ["│", "╯", "╮"].contains(&buffer[(columns - 1, y)].symbol())),
            "{text}"
        );
        assert!(text.contains(" …"), "{text}");
    }
}
