//! The settings in which compared runs differ: each value once, with the signs of the runs that have it.

use std::path::PathBuf;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::run::ComparedRun;
use super::scene::Scene;
use crate::runs::SettingDifference;
use crate::ui::format::{padded, plain, truncated, width, wrapped};
use crate::ui::widgets::panel::{Title, panel};

/// Most columns of a setting's name, and of a value.
const KEY: usize = 24;
const VALUE: usize = 36;

/// The settings in which runs differ.
pub struct Settings {
    /// The runs that were compared.
    pub runs: Vec<PathBuf>,
    /// Or why they are not known.
    pub differences: Result<Vec<SettingDifference>, String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { runs: Vec::new(), differences: Ok(Vec::new()) }
    }
}

/// Draws the settings in a panel, scrolled past some lines.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene, from: usize) {
    let theme = &scene.look.theme;
    let settings = scene.settings;
    let same =
        settings.runs.len() == scene.runs.len() && settings.runs.iter().eq(scene.runs.iter().map(|run| &run.path));
    let (summary, hue, lines) = match &settings.differences {
        _ if !same => ("reading".to_owned(), theme.dim, Vec::new()),
        Err(why) => {
            let why = wrapped(&plain(why), usize::from(area.width.saturating_sub(4)));
            let lines = why.into_iter().map(|line| Line::styled(line, theme.style(theme.error))).collect();
            ("not known".to_owned(), theme.error, lines)
        }
        Ok(differences) => {
            let summary = match differences.len() {
                0 => "all the same".to_owned(),
                1 => "1 differs".to_owned(),
                count => format!("{count} differ"),
            };
            (summary, theme.text, rows(scene, differences, usize::from(area.width.saturating_sub(4))))
        }
    };
    let room = usize::from(area.height.saturating_sub(2));
    let from = from.min(lines.len().saturating_sub(room));
    let below = lines.len().saturating_sub(from + room);
    let note = if below > 0 { format!("{below} more below") } else { String::new() };
    let values = vec![Span::styled(summary, theme.bold(hue))];
    let inner = panel(frame, area, scene.look, false, Title { name: "Settings", values, note });
    let inner = Rect { x: inner.x + 1.min(inner.width), width: inner.width.saturating_sub(2), ..inner };
    frame.render_widget(Paragraph::new(lines.into_iter().skip(from).collect::<Vec<_>>()), inner);
}

/// The lines of all settings: the name, then the values beside it, or below where there is no room.
fn rows<'a>(scene: Scene<'a>, differences: &[SettingDifference], room: usize) -> Vec<Line<'a>> {
    let theme = &scene.look.theme;
    let longest = differences.iter().map(|difference| width(&difference.key)).max().unwrap_or(0).min(KEY);
    let indent = if room > longest + 2 + VALUE / 2 { longest + 2 } else { 2 };
    let mut lines = Vec::new();
    for difference in differences {
        let key = truncated(&plain(&difference.key), longest, scene.look.ascii);
        let mut line = Line::from(Span::styled(padded(&key, indent), theme.style(theme.dim)));
        let mut first = indent > 2;
        if !first {
            lines.push(std::mem::replace(&mut line, Line::raw(" ".repeat(indent))));
        }
        for group in groups(scene, difference, room.saturating_sub(indent)) {
            let cells: usize = group.iter().map(Span::width).sum();
            if !first && line.width() > indent && line.width() + cells > room {
                lines.push(std::mem::replace(&mut line, Line::raw(" ".repeat(indent))));
            }
            first = false;
            line.spans.extend(group);
        }
        lines.push(line);
    }
    lines
}

/// Each value with the signs of its runs: `●● 0.008  `.
fn groups<'a>(scene: Scene<'a>, difference: &SettingDifference, room: usize) -> Vec<Vec<Span<'a>>> {
    let theme = &scene.look.theme;
    let mut values: Vec<(&Option<String>, Vec<&ComparedRun>)> = Vec::new();
    for (value, run) in difference.values.iter().zip(scene.runs) {
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, runs)) => runs.push(run),
            None => values.push((value, vec![run])),
        }
    }
    let group = |(value, runs): (&Option<String>, Vec<&ComparedRun>)| {
        let mut spans: Vec<Span> =
            runs.iter().map(|run| Span::styled(run.swatch(scene.look), run.style(scene.look))).collect();
        let value = value.as_ref().map_or_else(|| "not set".to_owned(), |value| plain(value));
        let value = truncated(&value, VALUE.min(room.saturating_sub(runs.len() + 3)), scene.look.ascii);
        spans.push(Span::styled(format!(" {value}  "), theme.style(theme.text)));
        spans
    };
    values.into_iter().map(group).collect()
}
