//! Home as a whole: keys and clicks in, screens and effects out, with a fake estimate.

mod editors;
mod estimates;
mod leaving;
mod presets;
mod screens;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};

use crate::estimate::{
    AutoBatch, ChosenBatch, DataPreview, DeviceMemory, DownloadSize, Estimate, MemoryFit, MemoryPart, ModelEstimate,
    Throughput, TokenRole, TokenSpan,
};
use crate::preset::{Library, Preset};
use crate::protocol::Command;
use crate::ui::home::Home;
use crate::ui::input::UserInput;
use crate::ui::keymap::Keymap;
use crate::ui::message::{Effect, Msg};
use crate::ui::runs::Runs;
use crate::ui::saving::{EditedPreset, PresetEdit, SaveRequest, SavedPreset};
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

/// The sizes at which screens and dialogs are looked at.
const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

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
        let look = Look { theme: Theme::load("dark", depth).unwrap(), name: "dark".into(), depth, ascii, pixels: None };
        let home = Home::new(library.list());
        let app = App::new(look, Keymap::default(), home, Runs::default(), columns, rows);
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut screens = Screens { app, terminal, now: Duration::ZERO, library, folder };
        // From the user's own presets to the first built-in one.
        screens.press("j");
        screens
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

    /// Opens the editor of a setting.
    fn edit(&mut self, key: &str) {
        self.app.home.select_setting(key);
        assert!(self.text().contains(&format!("{key}: ")), "no {key} in\n{}", self.text());
        self.press("e");
    }

    /// Asserts what the screen shows, against the snapshot of this name.
    fn assert_snapshot(&mut self, name: &str) {
        let text = self.text();
        insta::with_settings!({snapshot_path => "../../../../tests/it/snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!(name, text);
        });
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
            adapters: 0,
            memory: vec![
                part("weights", 90_855_944, false),
                part("sparse optimizer", 681_984, false),
                part("dense optimizer", 12_320, false),
                part("activations", 3 << 30, true),
            ],
            fits: Vec::new(),
            offloaded: 0,
            layout: Vec::new(),
        }),
        data: Some(DataPreview {
            examples: 2700,
            eval_examples: 300,
            longest: 64,
            steps: 170,
            evaluations: 2,
            warnings: Vec::new(),
            notes: vec!["labels: negative (0), positive (1) from data.labels; reviews.csv has the names".into()],
            preview: vec![
                row("positive", &[" un", "##believ", "##ably", " good"], 0),
                row("negative", &[" bad"], 3),
                vec![piece(" say", TokenRole::Context), piece(" yes", TokenRole::Loss)],
            ],
        }),
        device: Some(DeviceMemory { name: "NVIDIA H100".into(), total: 80 << 30, free: 60 << 30, own: 0 }),
        throughput: Some(Throughput {
            runs: vec!["demo-20260101-120000".into()],
            seconds_per_step: 0.5,
            seconds_per_evaluation: None,
        }),
        batch: None,
    }
}
