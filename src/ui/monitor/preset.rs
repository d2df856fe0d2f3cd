//! The Preset tab: the run's preset, and its changes against the built-in preset it is based on.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use toml::{Table, Value};

use super::files::Files;
use super::list::move_cursor;
use super::scene::Scene;
use super::view::View;
use crate::preset::built_in;
use crate::protocol::Started;
use crate::ui::format::{grouped, number, plain};
use crate::ui::keymap::Action;
use crate::ui::widgets::panel::{Title, panel, placeholder};
use crate::ui::widgets::wrap::draw_wrapped;

pub(super) fn act(view: &mut View, files: Option<&Files>, action: Action, body: Rect) {
    let lines = files.map_or(0, |files| files.preset.lines().count());
    let rows = usize::from(parts(body)[0].height.saturating_sub(2));
    view.preset = move_cursor(view.preset, action, rows, (lines + 1).saturating_sub(rows));
}

pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let [left, right] = parts(body);
    let origin = scene.run.started.as_ref().map(|started| PresetOrigin::new(started, scene.files));
    draw_toml(frame, left, scene, origin.as_ref());
    draw_origin(frame, right, scene, origin.as_ref());
}

/// The areas of the preset and of its changes.
fn parts(body: Rect) -> [Rect; 2] {
    match body.width {
        100.. => Layout::horizontal([Constraint::Fill(1); 2]).areas(body),
        _ => Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]).areas(body),
    }
}

/// The preset that a run's preset is based on.
enum PresetOrigin {
    BuiltIn {
        name: String,
        changes: Vec<SettingChange>,
    },
    /// A preset of the user's, by name.
    User(String),
    /// The run's preset.toml is missing; the name is from its events.
    Unknown(String),
}

/// A setting that differs from the built-in preset; `None` where it is not set.
#[derive(Debug, PartialEq)]
struct SettingChange {
    key: String,
    built_in: Option<String>,
    run: Option<String>,
}

impl PresetOrigin {
    fn new(started: &Started, files: Option<&Files>) -> PresetOrigin {
        let name = started.preset.clone();
        let Some(files) = files else { return PresetOrigin::Unknown(name) };
        match built_in().iter().find(|preset| preset.name == name) {
            Some(preset) => {
                let changes = changes(&settings(preset.toml), &settings(&files.preset));
                PresetOrigin::BuiltIn { name, changes }
            }
            None => PresetOrigin::User(name),
        }
    }

    fn changes(&self, key: &str) -> bool {
        matches!(self, PresetOrigin::BuiltIn { changes, .. } if changes.iter().any(|change| change.key == key))
    }
}

/// The values of a preset by `section.key`; empty for invalid TOML.
fn settings(toml: &str) -> BTreeMap<String, Value> {
    let mut settings = BTreeMap::new();
    for (name, value) in toml.parse::<Table>().unwrap_or_default() {
        match value {
            Value::Table(section) => {
                settings.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => {
                settings.insert(name, value);
            }
        }
    }
    settings
}

/// The settings in which a run's preset differs from the built-in one.
fn changes(built_in: &BTreeMap<String, Value>, run: &BTreeMap<String, Value>) -> Vec<SettingChange> {
    let keys: BTreeSet<&String> = built_in.keys().chain(run.keys()).collect();
    let differing = keys.into_iter().filter(|key| built_in.get(*key) != run.get(*key));
    let text = |settings: &BTreeMap<String, Value>, key: &String| settings.get(key).map(Value::to_string);
    differing
        .map(|key| SettingChange { key: key.clone(), built_in: text(built_in, key), run: text(run, key) })
        .collect()
}

fn draw_toml(frame: &mut Frame, area: Rect, scene: Scene, origin: Option<&PresetOrigin>) {
    let theme = &scene.look.theme;
    let Some(files) = scene.files else {
        let inner = panel(frame, area, scene.look, true, Title::named("Preset"));
        return placeholder(frame, inner, scene.look, "the run folder has no preset.toml");
    };
    let note = plain(&files.folder.join("preset.toml").display().to_string());
    let inner = panel(frame, area, scene.look, true, Title { note, ..Title::named("Preset") });
    let mut section = String::new();
    let mut lines = Vec::new();
    for text in files.preset.lines() {
        let text = plain(text);
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            lines.push(Line::styled(format!("  {text}"), theme.bold(theme.accent)));
            continue;
        }
        let Some((key, value)) = text.split_once('=') else {
            lines.push(Line::styled(format!("  {text}"), theme.style(theme.text)));
            continue;
        };
        let changed = origin.is_some_and(|origin| origin.changes(&format!("{section}{}", key.trim())));
        let hue = if changed { theme.warning } else { theme.text };
        lines.push(Line::from(vec![
            Span::styled(if changed { "~ " } else { "  " }, theme.bold(theme.warning)),
            Span::styled(format!("{key}="), theme.style(theme.dim)),
            Span::styled(value.to_owned(), theme.style(hue)),
        ]));
    }
    let first = scene.view.preset.min(lines.len().saturating_sub(usize::from(inner.height)));
    draw_wrapped(frame, inner, &lines[first..], 4, scene.look);
}

fn draw_origin(frame: &mut Frame, area: Rect, scene: Scene, origin: Option<&PresetOrigin>) {
    let theme = &scene.look.theme;
    let text = |text: String| Line::styled(format!(" {text}"), theme.style(theme.text));
    let mut lines = Vec::new();
    let title = match origin {
        Some(PresetOrigin::BuiltIn { name, changes }) => {
            if changes.is_empty() {
                lines.push(text(format!("same as the built-in preset {}", plain(name))));
            }
            for SettingChange { key, built_in, run } in changes {
                let value = |value: &Option<String>| value.as_deref().map_or("not set".to_owned(), plain);
                let arrow = if scene.look.ascii { "->" } else { "→" };
                lines.push(Line::from(vec![
                    Span::styled(format!(" ~ {} ", plain(key)), theme.bold(theme.warning)),
                    Span::styled(format!("{} {arrow} ", value(built_in)), theme.style(theme.dim)),
                    Span::styled(value(run), theme.bold(theme.text)),
                ]));
            }
            Title { note: format!("against built-in {}", plain(name)), ..Title::named("Changes") }
        }
        Some(PresetOrigin::User(name)) => {
            lines.push(text(format!("{} is not a built-in preset; nothing to compare with", plain(name))));
            Title::named("Changes")
        }
        Some(PresetOrigin::Unknown(name)) => Title { note: format!("preset {}", plain(name)), ..Title::named("Run") },
        None => Title::named("Run"),
    };
    lines.push(Line::default());
    lines.extend(scene.run.started.iter().flat_map(|started| facts(scene, started)));
    let inner = panel(frame, area, scene.look, false, title);
    draw_wrapped(frame, inner, &lines, FACT + 1, scene.look);
}

/// Cells of the names of facts.
const FACT: usize = 12;

/// Facts about the run from its first event.
fn facts(scene: Scene, started: &Started) -> Vec<Line<'static>> {
    let theme = &scene.look.theme;
    let facts = [
        ("about", plain(&started.about)),
        ("model", plain(&started.model)),
        ("data", plain(&started.data)),
        ("examples", format!("{} training, {} held out", grouped(started.examples), grouped(started.eval_examples))),
        ("steps", format!("{} of {} examples each", grouped(started.steps), grouped(started.batch))),
        ("epochs", number(started.epochs)),
        match started.method_words() {
            Some(method) => ("method", method),
            None => ("selected", format!("{} % by {}", number(started.rate * 100.0), plain(&started.selection()))),
        },
        ("parameters", grouped(started.parameters)),
        ("best metric", plain(&started.best)),
        ("device", format!("{} {}", plain(&started.devices(None)), plain(&started.dtype))),
        ("finesift", plain(&started.version)),
    ];
    let line = |(name, value)| {
        Line::from(vec![
            Span::styled(format!(" {name:<FACT$}"), theme.style(theme.dim)),
            Span::styled(value, theme.style(theme.text)),
        ])
    };
    facts.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_differ_are_changes() {
        let built_in = settings("about = \"a\"\n[train]\nepochs = 2 # few\nbatch = 32\n[sift]\nmodules = [\"query\"]");
        let run = settings("about = \"a\"\n[train]\nbatch = 16\nseed = 1\n[sift]\nmodules = [ 'query' ]");
        let change = |key: &str, built_in: Option<&str>, run: Option<&str>| SettingChange {
            key: key.to_owned(),
            built_in: built_in.map(str::to_owned),
            run: run.map(str::to_owned),
        };
        let expected = [
            change("train.batch", Some("32"), Some("16")),
            change("train.epochs", Some("2"), None),
            change("train.seed", None, Some("1")),
        ];
        assert_eq!(changes(&built_in, &run), expected);
        assert!(changes(&settings("broken ="), &built_in).len() == 4);
    }
}
