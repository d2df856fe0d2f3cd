//! What can be chosen: actions, presets, runs, settings, themes and exports.

use super::choice::{Choice, ScreenChoice};
use crate::export::ExportFormat;
use crate::preset::{Field, FieldOrigin};
use crate::runs::{RunEntry, RunState};
use crate::ui::format::{plain, score};
use crate::ui::keymap::{Action, AppAction, Binding, Context, Key};
use crate::ui::overlay::Scene;
use crate::ui::runs::format_words;
use crate::ui::screen::Screen;
use crate::ui::theme::Themes;

/// A line of the palette.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub kind: Kind,
    pub title: String,
    /// A description in one line.
    pub about: String,
    /// The keys that do the same; empty without any.
    pub keys: String,
    pub choice: Choice,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Action,
    Preset,
    Run,
    Export,
    Setting,
    Theme,
    Program,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Action => "action",
            Kind::Preset => "preset",
            Kind::Run => "run",
            Kind::Export => "export",
            Kind::Setting => "setting",
            Kind::Theme => "theme",
            Kind::Program => "program",
        }
    }
}

impl Entry {
    fn new(kind: Kind, title: &str, about: &str, choice: Choice) -> Entry {
        Entry { kind, title: plain(title), about: plain(about), keys: String::new(), choice }
    }
}

/// All entries of a place: the actions of the screen, earlier choices, then the others by kind.
pub(super) fn at(scene: &Scene, themes: &Themes, recent: &[Choice]) -> Vec<Entry> {
    let (mut entries, anywhere) = actions(scene);
    let mut others = presets(scene);
    others.extend(runs(scene));
    others.extend(exports(scene));
    others.extend(anywhere);
    others.extend(settings(scene));
    others.extend(themes.names().into_iter().map(|name| theme(scene, name)));
    others.push(ascii(scene));
    others.sort_by_key(|entry| recent.iter().position(|choice| *choice == entry.choice).unwrap_or(recent.len()));
    entries.extend(others);
    entries
}

/// The actions of the screen, and those of anywhere.
fn actions(scene: &Scene) -> (Vec<Entry>, Vec<Entry>) {
    let place = scene.place;
    let lines = place.bindings(scene.keymap).into_iter();
    let (screen, anywhere): (Vec<_>, Vec<_>) = lines
        .filter(|(binding, _)| binding.action != Action::App(AppAction::Palette))
        .partition(|(binding, _)| binding.context != Context::Anywhere);
    let entries = |lines: Vec<_>| -> Vec<Entry> {
        let entry = |(binding, keys): (&'static Binding, &[Key])| {
            let keys: Vec<String> = keys.iter().map(|key| key.name()).collect();
            let entry = Entry::new(Kind::Action, binding.name, binding.help, Choice::Act(binding.action));
            Entry { keys: keys.join(" "), ..entry }
        };
        lines.into_iter().map(entry).collect()
    };
    (entries(screen), entries(anywhere))
}

/// Each preset, to open it at Home and to launch it.
fn presets(scene: &Scene) -> Vec<Entry> {
    let mut entries = Vec::new();
    for preset in scene.place.home.presets() {
        let (name, about) = (preset.name, preset.about);
        let open = Choice::OnScreen(ScreenChoice::OpenPreset(name.to_owned()));
        entries.push(Entry::new(Kind::Preset, &format!("open {name}"), about, open));
        if preset.valid {
            let launch = Choice::OnScreen(ScreenChoice::LaunchPreset(name.to_owned()));
            entries.push(Entry::new(Kind::Preset, &format!("launch {name}"), "launch a run of this preset", launch));
        }
    }
    entries
}

/// The runs, the latest first.
fn runs(scene: &Scene) -> Vec<Entry> {
    let mut runs: Vec<&RunEntry> = scene.place.runs.listed().iter().collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.updated));
    let entry = |run: &RunEntry| {
        let verb = if run.state == RunState::Running { "attach" } else { "replay" };
        let best = run.summary.best().map(|best| format!(", {} {}", best.name, score(best.score)));
        let about = format!("{verb}: {}{}", run.state.name(), best.unwrap_or_default());
        Entry::new(Kind::Run, &run.name, &about, Choice::OnScreen(ScreenChoice::OpenRun(run.path.clone())))
    };
    runs.into_iter().map(entry).collect()
}

/// The formats that the selected run can be exported to; on the monitor, its run.
fn exports(scene: &Scene) -> Vec<Entry> {
    let shown = scene.place.monitor.and_then(|monitor| monitor.files.as_ref()).map(|files| files.folder.as_path());
    let run = match scene.place.screen {
        Screen::Monitor => scene.place.runs.listed().iter().find(|run| Some(run.path.as_path()) == shown),
        Screen::Home | Screen::Runs | Screen::Chat | Screen::Analysis => scene.place.runs.selected(),
    };
    let Some(run) = run else { return Vec::new() };
    let entry = |format: ExportFormat| {
        let (name, purpose) = format_words(format);
        let about = format!("{purpose}; of {}", run.name);
        Entry::new(Kind::Export, name, &about, Choice::OnScreen(ScreenChoice::Export(run.path.clone(), format)))
    };
    ExportFormat::ALL.into_iter().map(entry).collect()
}

/// The settings of the preset that is selected at Home.
fn settings(scene: &Scene) -> Vec<Entry> {
    let entry = |field: Field| {
        let value = field.value.as_deref().unwrap_or("not set");
        let changed = if field.origin == FieldOrigin::Changed { ", changed" } else { "" };
        let about = format!("{value}{changed}; {}", field.help);
        Entry::new(Kind::Setting, field.key, &about, Choice::OnScreen(ScreenChoice::EditSetting(field.key)))
    };
    scene.place.home.settings().into_iter().map(entry).collect()
}

fn theme(scene: &Scene, name: &str) -> Entry {
    let about = if name == scene.look.name { "the current theme" } else { "use this theme" };
    Entry::new(Kind::Theme, name, about, Choice::Theme(name.to_owned()))
}

fn ascii(scene: &Scene) -> Entry {
    let (title, about) = match scene.look.ascii {
        true => ("Unicode characters", "until you quit; `ascii = false` in config.toml for good"),
        false => ("ASCII characters", "until you quit; `ascii = true` in config.toml for good"),
    };
    Entry::new(Kind::Program, title, about, Choice::ToggleAscii)
}
