//! A table of several runs side by side: their results and the settings that differ.

use std::path::Path;

use anyhow::Result;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::runs::{RunEntry, setting_differences};
use crate::ui::format::{duration, number, plain, score};
use crate::ui::theme::Look;
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

/// Largest widths of the settings' keys and of a run's values.
const KEYS: u16 = 26;
const VALUES: u16 = 26;

/// The results of runs and the settings that differ between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    names: Vec<String>,
    rows: Vec<ComparisonRow>,
}

#[derive(Clone, Debug, PartialEq)]
struct ComparisonRow {
    key: String,
    /// One per run.
    values: Vec<String>,
    kind: RowKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RowKind {
    Setting,
    Result {
        /// Index of the run with the best value.
        best: Option<usize>,
    },
}

impl Comparison {
    /// Compares runs by their presets, which are read from their folders.
    ///
    /// # Errors
    /// If a preset cannot be read.
    pub fn of(runs: &[RunEntry]) -> Result<Comparison> {
        let paths: Vec<&Path> = runs.iter().map(|run| run.path.as_path()).collect();
        let mut rows = results(runs);
        let unset = || "-".to_owned();
        rows.extend(setting_differences(&paths)?.into_iter().map(|difference| ComparisonRow {
            key: difference.key,
            values:
                difference.values.into_iter().map(|value| value.map_or_else(unset, |value| plain(&value))).collect(),
            kind: RowKind::Setting,
        }));
        Ok(Comparison { names: runs.iter().map(|run| plain(&run.name)).collect(), rows })
    }

    /// The largest number of rows that can be scrolled out of view.
    pub fn most(&self, within: Rect) -> usize {
        self.rows.len().saturating_sub(usize::from(self.area(within).height.saturating_sub(3)))
    }

    /// The area of the table.
    pub fn area(&self, within: Rect) -> Rect {
        let columns = self.names.len().min(8) as u16;
        let width = (KEYS + 3 + columns * (VALUES + 1)).min(within.width);
        middle(within, width, (self.rows.len() as u16).saturating_add(3).min(within.height))
    }

    pub(in crate::ui) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look, from: usize) {
        let theme = &look.theme;
        let settings = self.rows.iter().filter(|row| row.kind == RowKind::Setting).count();
        let summary = match settings {
            0 => "same settings".to_owned(),
            1 => "1 setting differs".to_owned(),
            _ => format!("{settings} settings differ"),
        };
        let values = vec![Span::styled(summary, theme.bold(theme.text))];
        let title = Title { name: "Compare", values, note: "esc close".into() };
        let inner = window(frame, self.area(within), look, title);
        if inner.is_empty() {
            return;
        }
        let keys = KEYS.min(inner.width / 3);
        // As many runs as fit at a readable width.
        let fit = ((inner.width - keys) / 13).clamp(1, self.names.len().max(1) as u16);
        let width = (inner.width - keys) / fit;
        let cell = |column: u16, y: u16| Rect { x: inner.x + keys + column * width, y, width: width - 1, height: 1 };
        let mut put = |area: Rect, text: &str, style: Style| {
            let area = area.intersection(inner);
            frame.buffer_mut().set_stringn(area.x, area.y, text, usize::from(area.width), style);
        };
        for (column, name) in (0..fit).zip(&self.names) {
            put(cell(column, inner.y), name, theme.bold(theme.accent));
        }
        let from = from.min(self.most(within));
        for (row, y) in self.rows.iter().skip(from).zip(inner.top() + 1..inner.bottom()) {
            let key = Rect { x: inner.x + 1, y, width: keys.saturating_sub(2), height: 1 };
            put(key, &row.key, theme.style(theme.dim));
            for (column, value) in (0..fit).zip(&row.values) {
                let style = match row.kind {
                    RowKind::Result { best } if best == Some(usize::from(column)) => theme.bold(theme.good),
                    RowKind::Result { .. } => theme.style(theme.text),
                    RowKind::Setting => theme.style(theme.selected),
                };
                put(cell(column, y), value, style);
            }
        }
    }
}

/// The rows with the results of runs.
fn results(runs: &[RunEntry]) -> Vec<ComparisonRow> {
    let row = |key: &str, best: Option<usize>, value: &dyn Fn(&RunEntry) -> String| ComparisonRow {
        key: key.to_owned(),
        values: runs.iter().map(value).collect(),
        kind: RowKind::Result { best },
    };
    vec![
        row("state", None, &|run| run.state.name().to_owned()),
        row("best", best_run(runs), &|run| {
            run.summary.best().map_or("-".into(), |best| format!("{} {}", plain(best.name), score(best.score)))
        }),
        row("last loss", None, &|run| run.summary.last_loss.map_or("-".into(), number)),
        row("steps", None, &|run| format!("{}/{}", run.summary.step, run.summary.steps)),
        row("time", None, &|run| duration(run.summary.elapsed)),
    ]
}

/// Index of the run with the best score, if all scores are of one metric.
fn best_run(runs: &[RunEntry]) -> Option<usize> {
    let scores = runs.iter().enumerate().filter_map(|(index, run)| Some((index, run.summary.best()?)));
    let metrics: Vec<&str> = scores.clone().map(|(_, best)| best.name).collect();
    let comparable = metrics.len() > 1 && metrics.windows(2).all(|pair| pair[0] == pair[1]);
    let best = scores.max_by(|a, b| a.1.rank().total_cmp(&b.1.rank())).filter(|_| comparable);
    best.map(|(index, _)| index)
}
