//! Home as a whole: keys and clicks in, screens and effects out, with a fake estimate.

mod leaving;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};

use crate::estimate::{
    DataPreview, DeviceMemory, Estimate, MemoryPart, ModelEstimate, Throughput, TokenRole, TokenSpan,
};
use crate::preset::{Library, Preset};
use crate::protocol::Command;
use crate::ui::home::Home;
use crate::ui::input::UserInput;
use crate::ui::keymap::Keymap;
use crate::ui::message::{Effect, Msg};
use crate::ui::runs::Runs;
use crate::ui::saving::{SaveRequest, SavedPreset};
use crate::ui::screen::Screen;
use crate::ui::theme::{Depth, Look, Theme};
use crate::ui::{App, draw};

/// A preset of the user's own, with comments.
const REVIEWS: &str = r#"about = "Reviews of our own shop"
[model]
id = "org/small"       # the fastest
[data]
path = "reviews.csv"
[sift]
modules = ["query"]
[train]
# Found by trying.
learning_rate = 2e-4   # of four
batch = 16
"#;

struct Screens {
    app: App,
    terminal: Terminal<TestBackend>,
    now: Duration,
    library: Library,
    folder: tempfile::TempDir,
}

impl Screens {
    fn new(columns: u16, rows: u16) -> Screens {
        Screens::with_look(columns, rows, Depth::True, false)
    }

    fn with_look(columns: u16, rows: u16, depth: Depth, ascii: bool) -> Screens {
        let folder = tempfile::tempdir().unwrap();
        let presets = folder.path().join("presets");
        fs::create_dir(&presets).unwrap();
        fs::write(presets.join("reviews.toml"), REVIEWS).unwrap();
        fs::write(presets.join("broken.toml"), "[model]\nid = \"x\"\nrat = 1\n").unwrap();
        let library = Library::new(presets, "/cache".into());
        let look = Look { theme: Theme::load("dark", depth).unwrap(), name: "dark".into(), depth, ascii };
        let home = Home::new(library.list());
        let app = App::new(look, Keymap::default(), home, Runs::default(), columns, rows);
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        Screens { app, terminal, now: Duration::ZERO, library, folder }
    }

    /// Advances the time by half a second, and answers with an estimate. Returns the preset that was estimated.
    fn settle(&mut self) -> Option<Box<Preset>> {
        self.settle_with(estimate())
    }

    fn settle_with(&mut self, estimate: Estimate) -> Option<Box<Preset>> {
        let mut asked = None;
        for _ in 0..5 {
            self.now += Duration::from_millis(100);
            if let Some(Effect::Estimate(preset)) = self.app.update(Msg::Tick(self.now)) {
                self.app.update(Msg::Estimate(preset.toml.clone(), Ok(estimate.clone())));
                asked = Some(preset);
            }
        }
        asked
    }

    fn code(&mut self, code: KeyCode) -> Option<Effect> {
        self.app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, KeyModifiers::NONE))))
    }

    fn press(&mut self, keys: &str) -> Option<Effect> {
        let mut effect = None;
        for c in keys.chars() {
            effect = self.code(if c == '\r' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
        effect
    }

    fn clear(&mut self) {
        self.app.update(Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL))));
    }

    fn scroll_down(&mut self, at: (u16, u16)) -> Option<Effect> {
        self.app.update(Msg::Input(UserInput::ScrollDown(at.into())))
    }

    fn click(&mut self, at: (u16, u16)) -> Option<Effect> {
        self.app.update(Msg::Input(UserInput::Click(at.into())))
    }

    /// Edits the setting of a key.
    fn edit(&mut self, key: &str) {
        self.code(KeyCode::Left);
        self.press("e");
        self.code(KeyCode::Home);
        for _ in 0..60 {
            if self.text().contains(&format!("{key}: ")) {
                self.press("e");
                return;
            }
            self.code(KeyCode::Down);
        }
        panic!("no {key} in\n{}", self.text());
    }

    /// Changes a setting of the selected preset.
    fn change(&mut self, key: &str, value: &str) {
        self.edit(key);
        self.clear();
        self.press(&format!("{value}\r"));
        self.code(KeyCode::Esc);
    }

    /// Saves presets as the event loop does. Returns their files.
    fn save(&mut self, requests: &[SaveRequest]) -> Vec<PathBuf> {
        let write = |request: &SaveRequest| {
            let path = self.library.save(&request.name, &request.toml, request.replace).unwrap();
            SavedPreset { from: request.from.clone(), name: request.name.clone(), path }
        };
        let saved: Vec<SavedPreset> = requests.iter().map(write).collect();
        let paths = saved.iter().map(|saved| saved.path.clone()).collect();
        self.app.update(Msg::Saved(saved, self.library.list()));
        paths
    }

    fn draw(&mut self) -> &Buffer {
        self.terminal.draw(|frame| draw(frame, &self.app)).unwrap();
        self.terminal.backend().buffer()
    }

    fn text(&mut self) -> String {
        let buffer = self.draw();
        let width = usize::from(buffer.area.width);
        let row = |row: &[Cell]| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned();
        buffer.content.chunks(width).map(row).collect::<Vec<_>>().join("\n")
    }

    /// Position of the first character of a text.
    fn find(&mut self, text: &str) -> (u16, u16) {
        let buffer = self.draw();
        let area = buffer.area;
        let wanted: Vec<String> = text.chars().map(String::from).collect();
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                let fits = x as usize + wanted.len() <= usize::from(area.width);
                if fits && (x..).zip(&wanted).all(|(x, c)| buffer[(x, y)].symbol() == c) {
                    return (x, y);
                }
            }
        }
        panic!("no {text:?} in\n{}", self.text());
    }

    fn style_of(&mut self, text: &str) -> Cell {
        let at = self.find(text);
        self.draw()[at].clone()
    }
}

fn estimate() -> Estimate {
    let part = |name, bytes, estimated| MemoryPart { name, bytes, estimated };
    let piece = |text: &str, role| TokenSpan { text: text.into(), role };
    let row = |label: &str, words: &[&str], padding: usize| {
        let words = words.iter().map(|word| piece(word, TokenRole::Context));
        let padding = (0..padding).map(|_| piece(" [PAD]", TokenRole::Padding));
        let mut row = vec![piece(" [CLS]", TokenRole::Special)];
        row.extend(words);
        row.push(piece(" [SEP]", TokenRole::Special));
        row.extend(padding);
        row.push(piece(label, TokenRole::Label));
        row
    };
    Estimate {
        missing: Vec::new(),
        model: Some(ModelEstimate {
            parameters: 22_713_986,
            selected: 28_416,
            of: 3_548_160,
            dense: 770,
            memory: vec![
                part("weights", 90_855_944, false),
                part("sparse optimizer", 681_984, false),
                part("dense optimizer", 12_320, false),
                part("activations", 3 << 30, true),
            ],
            fits: Vec::new(),
        }),
        data: Some(DataPreview {
            examples: 2700,
            eval_examples: 300,
            longest: 64,
            steps: 170,
            warnings: Vec::new(),
            notes: vec!["labels: negative (0), positive (1) from data.labels; reviews.csv has the names".into()],
            preview: vec![
                row("positive", &[" un", "##believ", "##ably", " good"], 0),
                row("negative", &[" bad"], 3),
                vec![piece(" say", TokenRole::Context), piece(" yes", TokenRole::Loss)],
            ],
        }),
        device: Some(DeviceMemory { name: "NVIDIA H100".into(), total: 80 << 30, free: 60 << 30 }),
        throughput: Some(Throughput { run: "demo-20260101-120000".into(), seconds_per_step: 0.5 }),
    }
}

#[test]
fn home_at_three_sizes() {
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let mut screens = Screens::new(columns, rows);
        screens.settle();
        insta::with_settings!({snapshot_path => "../../../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(format!("home_{columns}x{rows}"), screens.text());
        });
    }
}

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
fn home_while_a_field_is_edited_and_a_preset_saved() {
    let mut screens = Screens::new(100, 30);
    screens.settle();
    screens.edit("train.epochs");
    screens.press("x");
    insta::with_settings!({snapshot_path => "../../../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("home_editing", screens.text());
        screens.code(KeyCode::Backspace);
        screens.press("0\r");
        screens.press("s");
        screens.settle();
        insta::assert_snapshot!("home_saving", screens.text());
    });
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
    insta::with_settings!({snapshot_path => "../../../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("home_ascii", text);
    });
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
fn typed_values_are_checked_like_overrides_and_invalid_ones_are_not_applied() {
    let mut screens = Screens::new(120, 40);
    let error = screens.app.look.theme.error.0;
    for (key, typed, complaint) in [
        ("train.epochs", "0", "train.epochs is 0, expected a whole number"),
        ("sift.rate", "1.5", "sift.rate is 1.5, expected a number above 0"),
        ("sift.select", "gradeint", "sift.select is \"gradeint\", expected gradient"),
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
    assert_eq!(screens.style_of("~3.1 GiB, exceeds the 1.0 GiB free now").fg, warning);
    tight.device = Some(DeviceMemory { name: "GPU".into(), total: 2 << 30, free: 1 << 30 });
    tight.missing = vec!["model org/x is not downloaded; launch will fetch it".into()];
    screens.app.update(Msg::Estimate(preset.toml.clone(), Ok(tight)));
    assert_eq!(screens.style_of("~3.1 GiB, exceeds the 2.0 GiB of the device").fg, error);
    assert_eq!(screens.style_of("model org/x is not downloaded").fg, warning);
    screens.app.update(Msg::Estimate(preset.toml, Err("sift.modules: no such".into())));
    assert_eq!(screens.style_of("sift.modules: no such").fg, error);
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

#[test]
fn launching_a_run_renews_the_estimate() {
    let mut screens = Screens::new(120, 40);
    screens.settle();
    screens.app.update(Msg::Launched);
    assert!(screens.app.screen == Screen::Monitor && !screens.app.waiting());
    screens.press("H");
    assert_eq!(screens.settle().unwrap().name, "demo");
}
