//! The settings of several runs side by side: only what differs, and what came of it.

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

/// Width of the keys, and of a run's values at most.
const KEYS: u16 = 26;
const VALUES: u16 = 26;

/// What runs differ in.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    names: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    key: String,
    values: Vec<String>,
    /// Whether it is what came of the settings.
    outcome: bool,
    /// The run that did best in it.
    best: Option<usize>,
}

impl Comparison {
    /// Of runs as they are listed; their presets are read.
    ///
    /// # Errors
    /// A preset that cannot be read.
    pub fn of(runs: &[RunEntry]) -> Result<Comparison> {
        let paths: Vec<&Path> = runs.iter().map(|run| run.path.as_path()).collect();
        let mut rows = outcomes(runs);
        let unset = || "-".to_owned();
        rows.extend(setting_differences(&paths)?.into_iter().map(|difference| Row {
            key: difference.key,
            values:
                difference.values.into_iter().map(|value| value.map_or_else(unset, |value| plain(&value))).collect(),
            outcome: false,
            best: None,
        }));
        Ok(Comparison { names: runs.iter().map(|run| plain(&run.name)).collect(), rows })
    }

    /// Rows that can be above the window.
    pub fn most(&self, within: Rect) -> usize {
        self.rows.len().saturating_sub(usize::from(self.area(within).height.saturating_sub(3)))
    }

    fn area(&self, within: Rect) -> Rect {
        let columns = self.names.len().min(8) as u16;
        let width = (KEYS + 3 + columns * (VALUES + 1)).min(within.width);
        middle(within, width, (self.rows.len() as u16).saturating_add(3).min(within.height))
    }

    pub(in crate::ui) fn draw(&self, frame: &mut Frame, within: Rect, look: &Look, from: usize) {
        let theme = &look.theme;
        let settings = self.rows.iter().filter(|row| !row.outcome).count();
        let note = if settings == 0 { "the settings are the same".to_owned() } else { "esc closes".to_owned() };
        let values = vec![Span::styled(format!("{settings} settings differ"), theme.bold(theme.text))];
        let inner = window(frame, self.area(within), look, Title { name: "Compare", values, note });
        if inner.is_empty() {
            return;
        }
        let keys = KEYS.min(inner.width / 3);
        // As many runs as there is room for at a width that can be read.
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
                let style = match (row.outcome, row.best == Some(usize::from(column))) {
                    (true, true) => theme.bold(theme.good),
                    (true, false) => theme.style(theme.text),
                    (false, _) => theme.style(theme.selected),
                };
                put(cell(column, y), value, style);
            }
        }
    }
}

/// What came of the runs.
fn outcomes(runs: &[RunEntry]) -> Vec<Row> {
    let row = |key: &str, value: &dyn Fn(&RunEntry) -> String| Row {
        key: key.to_owned(),
        values: runs.iter().map(value).collect(),
        outcome: true,
        best: None,
    };
    let scores = runs.iter().enumerate().filter_map(|(place, run)| Some((place, run.summary.best()?)));
    // Only scores of one kind can be held against one another.
    let comparable = runs.iter().filter_map(|run| run.summary.best()).map(|best| best.name).collect::<Vec<_>>();
    let comparable = comparable.len() > 1 && comparable.windows(2).all(|pair| pair[0] == pair[1]);
    let best = scores.max_by(|a, b| a.1.score.total_cmp(&b.1.score)).filter(|_| comparable);
    let mut rows = vec![
        row("state", &|run| run.state.name().to_owned()),
        row("best", &|run| {
            run.summary.best().map_or("-".into(), |best| format!("{} {}", plain(best.name), score(best.score)))
        }),
        row("last loss", &|run| run.summary.last_loss.map_or("-".into(), number)),
        row("steps", &|run| format!("{}/{}", run.summary.step, run.summary.steps)),
        row("time", &|run| duration(run.summary.elapsed)),
    ];
    rows[1].best = best.map(|(place, _)| place);
    rows
}
