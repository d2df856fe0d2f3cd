//! The preset: what runs, and what of it differs from the built-in preset it came from.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use toml::{Table, Value};

use super::files::Files;
use super::list::moved;
use super::scene::Scene;
use super::view::View;
use crate::preset::built_in;
use crate::protocol::Started;
use crate::ui::format::{grouped, number, plain};
use crate::ui::keymap::Action;
use crate::ui::widgets::panel::{Title, panel};

/// Does what a key says.
pub fn act(view: &mut View, files: Option<&Files>, action: Action, body: Rect) {
    let lines = files.map_or(0, |files| files.preset.lines().count());
    let rows = usize::from(parts(body)[0].height.saturating_sub(2));
    view.preset = moved(view.preset, action, rows, (lines + 1).saturating_sub(rows));
}

/// Draws the preset and beside or below it what is different.
pub fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let [left, right] = parts(body);
    let origin = scene.run.started.as_ref().map(|started| Origin::of(started, scene.files));
    draw_toml(frame, left, scene, origin.as_ref());
    draw_origin(frame, right, scene, origin.as_ref());
}

/// The preset, and what differs.
fn parts(body: Rect) -> [Rect; 2] {
    match body.width {
        100.. => Layout::horizontal([Constraint::Fill(1); 2]).areas(body),
        _ => Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]).areas(body),
    }
}

/// Where a run's preset comes from.
enum Origin {
    /// A built-in preset, and what is different: key, there, here.
    BuiltIn(String, Vec<Change>),
    /// A file of the user's.
    Own(String),
    /// The run's own preset is not at hand.
    Unknown(String),
}

/// A key with its value in the built-in preset and in the run's; none where it is left out.
type Change = (String, Option<String>, Option<String>);

impl Origin {
    fn of(started: &Started, files: Option<&Files>) -> Origin {
        let name = started.preset.clone();
        let Some(files) = files else { return Origin::Unknown(name) };
        match built_in().iter().find(|preset| preset.name == name) {
            Some(preset) => {
                let changes = changes(&entries(preset.toml), &entries(&files.preset));
                Origin::BuiltIn(name, changes)
            }
            None => Origin::Own(name),
        }
    }

    fn changed(&self, key: &str) -> bool {
        matches!(self, Origin::BuiltIn(_, changes) if changes.iter().any(|(changed, ..)| changed == key))
    }
}

/// The values by `section.key`; none of what is no TOML.
fn entries(toml: &str) -> BTreeMap<String, Value> {
    let mut entries = BTreeMap::new();
    for (name, value) in toml.parse::<Table>().unwrap_or_default() {
        match value {
            Value::Table(section) => {
                entries.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => {
                entries.insert(name, value);
            }
        }
    }
    entries
}

fn changes(there: &BTreeMap<String, Value>, here: &BTreeMap<String, Value>) -> Vec<Change> {
    let keys: std::collections::BTreeSet<&String> = there.keys().chain(here.keys()).collect();
    let differs = keys.into_iter().filter(|key| there.get(*key) != here.get(*key));
    let text = |entries: &BTreeMap<String, Value>, key: &String| entries.get(key).map(Value::to_string);
    differs.map(|key| (key.clone(), text(there, key), text(here, key))).collect()
}

fn draw_toml(frame: &mut Frame, area: Rect, scene: Scene, origin: Option<&Origin>) {
    let theme = &scene.look.theme;
    let Some(files) = scene.files else {
        let inner = panel(frame, area, scene.look, true, Title::named("Preset"));
        let text = Line::styled("the run's preset.toml is not at hand", theme.style(theme.dim)).centered();
        return frame.render_widget(text, Rect { y: inner.y + inner.height / 2, height: 1.min(inner.height), ..inner });
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
        let changed = origin.is_some_and(|origin| origin.changed(&format!("{section}{}", key.trim())));
        let hue = if changed { theme.warning } else { theme.text };
        lines.push(Line::from(vec![
            Span::styled(if changed { "~ " } else { "  " }, theme.bold(theme.warning)),
            Span::styled(format!("{key}="), theme.style(theme.dim)),
            Span::styled(value.to_owned(), theme.style(hue)),
        ]));
    }
    let first = scene.view.preset.min(lines.len().saturating_sub(usize::from(inner.height)));
    draw_wrapped(frame, inner, lines.split_off(first));
}

fn draw_origin(frame: &mut Frame, area: Rect, scene: Scene, origin: Option<&Origin>) {
    let theme = &scene.look.theme;
    let text = |text: String| Line::styled(format!(" {text}"), theme.style(theme.text));
    let mut lines = Vec::new();
    let title = match origin {
        Some(Origin::BuiltIn(name, changes)) => {
            if changes.is_empty() {
                lines.push(text(format!("as the built-in preset {} says", plain(name))));
            }
            for (key, there, here) in changes {
                let value = |value: &Option<String>| value.as_deref().map_or("not set".to_owned(), plain);
                let arrow = if scene.look.ascii { "->" } else { "→" };
                lines.push(Line::from(vec![
                    Span::styled(format!(" ~ {} ", plain(key)), theme.bold(theme.warning)),
                    Span::styled(format!("{} {arrow} ", value(there)), theme.style(theme.dim)),
                    Span::styled(value(here), theme.bold(theme.text)),
                ]));
            }
            Title { note: format!("against {}", plain(name)), ..Title::named("Changed") }
        }
        Some(Origin::Own(name)) => {
            lines.push(text(format!("{} is no built-in preset: nothing to compare with", plain(name))));
            Title::named("Changed")
        }
        Some(Origin::Unknown(name)) => Title { note: format!("preset {}", plain(name)), ..Title::named("Run") },
        None => Title::named("Run"),
    };
    lines.push(Line::default());
    lines.extend(scene.run.started.iter().flat_map(|started| facts(scene, started)));
    let inner = panel(frame, area, scene.look, false, title);
    draw_wrapped(frame, inner, lines);
}

fn draw_wrapped(frame: &mut Frame, area: Rect, lines: Vec<Line>) {
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

/// What the run said of itself when it started.
fn facts(scene: Scene, started: &Started) -> Vec<Line<'static>> {
    let theme = &scene.look.theme;
    let facts = [
        ("about", plain(&started.about)),
        ("model", plain(&started.model)),
        ("data", plain(&started.data)),
        ("examples", format!("{} and {} held out", grouped(started.examples), grouped(started.eval_examples))),
        ("steps", format!("{}, each of {} examples", grouped(started.steps), grouped(started.batch))),
        ("epochs", number(started.epochs)),
        ("selected", format!("{} % by {}", number(started.rate * 100.0), plain(&started.select))),
        ("parameters", grouped(started.parameters)),
        ("best by", plain(&started.best)),
        ("device", format!("{} {}", plain(&started.device), plain(&started.dtype))),
        ("finesift", plain(&started.version)),
    ];
    let line = |(name, value)| {
        Line::from(vec![
            Span::styled(format!(" {name:<11}"), theme.style(theme.dim)),
            Span::styled(value, theme.style(theme.text)),
        ])
    };
    facts.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let there = entries("about = \"a\"\n[train]\nepochs = 2 # few\nbatch = 32\n[sift]\nmodules = [\"query\"]");
        let here = entries("about = \"a\"\n[train]\nbatch = 16\nseed = 1\n[sift]\nmodules = [ 'query' ]");
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            ("train.batch".to_owned(), some("32"), some("16")),
            ("train.epochs".to_owned(), some("2"), None),
            ("train.seed".to_owned(), None, some("1")),
        ];
        assert_eq!(changes(&there, &here), expected);
        assert!(changes(&entries("broken ="), &there).len() == 4);
    }
}
