//! The table of scores: rows, their mean and standard deviation, and a cell per seed.

use ratatui::Frame;
use ratatui::layout::{Alignment, Margin, Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use super::SweepScreen;
use crate::sweep::{RunProgress, ScoreCell, TableRow};
use crate::ui::format::{duration, number, plain, progress, score, truncated, width};
use crate::ui::theme::{Hue, Look};
use crate::ui::widgets::panel::{Title, panel};

/// Columns before each row: the pointer and the mark of the best.
const MARKS: u16 = 4;

/// The least width of a row's name.
const NAME: u16 = 20;

/// The width of a long name.
const LONG_NAME: u16 = 40;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScoreColumn {
    Name,
    Trainable,
    Value,
    Mean,
    /// Index of the seed.
    Seed(usize),
    Time,
}

/// The columns that fit a line, with their areas.
fn columns(screen: &SweepScreen, line: Rect) -> Vec<(ScoreColumn, Rect)> {
    let seeds = screen.plan.seeds.len();
    let mut shown = vec![(ScoreColumn::Name, 0), (ScoreColumn::Mean, 20)];
    let used = |shown: &[(ScoreColumn, u16)]| shown.iter().map(|(_, width)| width + 1).sum::<u16>() + MARKS;
    let room = line.width.saturating_sub(NAME);
    // The most useful ones first; all seeds, or none of them.
    let mut add = |columns: Vec<(ScoreColumn, u16)>| {
        let wider: u16 = columns.iter().map(|(_, width)| width + 1).sum();
        if used(&shown) + wider <= room {
            shown.extend(columns);
        }
    };
    add((0..seeds.min(64)).map(|seed| (ScoreColumn::Seed(seed), 8)).collect());
    add(vec![(ScoreColumn::Value, 8)]);
    add(vec![(ScoreColumn::Trainable, 13)]);
    add(vec![(ScoreColumn::Time, 8)]);
    let place = |column: ScoreColumn| match column {
        ScoreColumn::Name => 0,
        ScoreColumn::Trainable => 1,
        ScoreColumn::Value => 2,
        ScoreColumn::Mean => 3,
        ScoreColumn::Seed(seed) => 4 + seed,
        ScoreColumn::Time => usize::MAX,
    };
    shown.sort_by_key(|(column, _)| place(*column));
    // Numbers stand beside the names, not at the other end of a wide terminal.
    let longest = screen.plan.rows.iter().map(|row| width(&plain(&row.name))).max().unwrap_or(0);
    let name = line.width.saturating_sub(used(&shown)).min(longest.max(usize::from(NAME)) as u16);
    let mut x = line.x + MARKS;
    let area = |(column, width): (ScoreColumn, u16)| {
        let width = if column == ScoreColumn::Name { name } else { width };
        let area = Rect { x, width, ..line }.intersection(line);
        x = x.saturating_add(width + 1);
        (column, area)
    };
    shown.into_iter().map(area).collect()
}

/// Columns of the table with all that it has to show, and its borders. Names longer than most are cut.
pub(super) fn width_of_all(screen: &SweepScreen) -> u16 {
    let all = columns(screen, Rect { width: u16::MAX, height: 1, ..Rect::default() });
    let width = all.last().map_or(0, |(_, area)| area.right()).saturating_add(3);
    let name = all.iter().find(|(column, _)| *column == ScoreColumn::Name).map_or(0, |(_, area)| area.width);
    width - name.saturating_sub(LONG_NAME)
}

/// The place of the row at a screen position.
pub(super) fn row_at(screen: &SweepScreen, area: Rect, at: Position) -> Option<usize> {
    let inner = area.inner(Margin::new(1, 1));
    let below_header = at.y.checked_sub(inner.y + 1).filter(|_| inner.contains(at))?;
    let place = first_visible(screen, rows(inner)) + usize::from(below_header);
    (place < screen.order.len()).then_some(place)
}

fn rows(inner: Rect) -> usize {
    usize::from(inner.height.saturating_sub(1))
}

fn first_visible(screen: &SweepScreen, rows: usize) -> usize {
    (screen.cursor + 1).saturating_sub(rows.max(1))
}

pub(super) fn draw(screen: &SweepScreen, frame: &mut Frame, area: Rect, look: &Look) {
    let theme = &look.theme;
    let table = &screen.table;
    let mut title = Title::named("Scores");
    if !table.metric.is_empty() {
        let direction = if table.lower_is_better { "lower is better" } else { "higher is better" };
        title.values.push(Span::styled(plain(&table.metric), theme.bold(theme.score)));
        title.values.push(Span::styled(direction, theme.style(theme.dim)));
    }
    title.note = screen.sort.name().to_owned();
    let inner = panel(frame, area, look, true, title);
    if inner.is_empty() {
        return;
    }
    let header = Rect { height: 1, ..inner };
    for (column, area) in columns(screen, header) {
        put(frame, area, alignment(column), &name(screen, column, look), theme.bold(theme.dim), look.ascii);
    }
    let first = first_visible(screen, rows(inner));
    for (place, y) in (first..screen.order.len()).zip(inner.y + 1..inner.bottom()) {
        draw_row(screen, frame, Rect { y, height: 1, ..inner }, look, place);
    }
}

fn name(screen: &SweepScreen, column: ScoreColumn, look: &Look) -> String {
    match column {
        ScoreColumn::Name => "Row".to_owned(),
        ScoreColumn::Trainable => "Trainable".to_owned(),
        ScoreColumn::Value => match screen.plan.tune.key.as_str() {
            "train.learning_rate" => "LR".to_owned(),
            key => key.rsplit('.').next().unwrap_or_default().to_owned(),
        },
        ScoreColumn::Mean if look.ascii => "Mean +- sd".to_owned(),
        ScoreColumn::Mean => "Mean ± sd".to_owned(),
        ScoreColumn::Seed(seed) => screen.plan.seeds.get(seed).map(|seed| format!("seed {seed}")).unwrap_or_default(),
        ScoreColumn::Time => "Time".to_owned(),
    }
}

fn alignment(column: ScoreColumn) -> Alignment {
    if column == ScoreColumn::Name { Alignment::Left } else { Alignment::Right }
}

fn draw_row(screen: &SweepScreen, frame: &mut Frame, line: Rect, look: &Look, place: usize) {
    let theme = &look.theme;
    let at = screen.order[place];
    let row = &screen.table.rows[at];
    let selected = place == screen.cursor;
    if selected {
        frame.buffer_mut().set_style(line, theme.marked_line());
        let pointer = if look.ascii { ">" } else { "▌" };
        put(frame, Rect { width: 1, ..line }, Alignment::Left, pointer, theme.bold(theme.accent), look.ascii);
    }
    if screen.table.best == Some(at) {
        let mark = Rect { x: line.x + 2, width: 1, ..line }.intersection(line);
        put(frame, mark, Alignment::Left, if look.ascii { "*" } else { "★" }, theme.bold(theme.good), look.ascii);
    }
    for (column, area) in columns(screen, line) {
        let (text, hue) = cell(row, column, look);
        let bold =
            selected && column == ScoreColumn::Name || screen.table.best == Some(at) && column == ScoreColumn::Mean;
        let style = if bold { theme.bold(hue) } else { theme.style(hue) };
        put(frame, area, alignment(column), &text, style, look.ascii);
    }
}

fn cell(row: &TableRow, column: ScoreColumn, look: &Look) -> (String, Hue) {
    let theme = &look.theme;
    match column {
        ScoreColumn::Name => (plain(&row.name), theme.text),
        ScoreColumn::Trainable => {
            let trainable =
                row.trainable.map(|all| format!("{} + {}", number(all.sparse as f64), number(all.dense as f64)));
            (trainable.unwrap_or_default(), theme.selected)
        }
        ScoreColumn::Value => (plain(row.value.as_deref().unwrap_or_default()), theme.learning_rate),
        ScoreColumn::Mean => match (row.mean, row.deviation, row.tuning) {
            (_, _, Some((ended, of))) => (format!("tuning {ended}/{of}"), theme.dim),
            (Some(mean), deviation, _) => {
                let sign = if look.ascii { "+-" } else { "±" };
                let deviation = deviation.map(|deviation| format!(" {sign} {}", score(deviation))).unwrap_or_default();
                // A mean over fewer seeds than others have says so.
                let (scores, seeds) = (row.scores().count(), row.cells.len());
                let part = if scores < seeds { format!(" {scores}/{seeds}") } else { String::new() };
                (format!("{}{deviation}{part}", score(mean)), if scores < seeds { theme.dim } else { theme.score })
            }
            (None, ..) => (String::new(), theme.dim),
        },
        ScoreColumn::Seed(seed) => match row.cells.get(seed).map(|(_, cell)| cell) {
            Some(ScoreCell::Done(value)) => (score(*value), theme.evaluation),
            Some(ScoreCell::Active(far)) => (share(far, if look.ascii { ">" } else { "▸" }), theme.accent),
            Some(ScoreCell::Unfinished(far)) => (share(far, if look.ascii { "=" } else { "‖" }), theme.paused),
            Some(ScoreCell::Failed) => ("failed".to_owned(), theme.error),
            Some(ScoreCell::Missing) | None => (if look.ascii { "." } else { "·" }.to_owned(), theme.dim),
        },
        ScoreColumn::Time => (row.seconds.map(duration).unwrap_or_default(), theme.dim),
    }
}

/// How far a run is.
fn share(far: &RunProgress, sign: &str) -> String {
    match far.steps {
        0 => sign.to_owned(),
        steps => format!("{sign} {}", progress(far.step as f64 / steps as f64)),
    }
}

/// Writes text into part of a line; a longer one ends with an ellipsis.
pub(super) fn put(frame: &mut Frame, area: Rect, alignment: Alignment, text: &str, style: Style, ascii: bool) {
    if area.is_empty() {
        return;
    }
    let room = usize::from(area.width);
    let text = truncated(text, room, ascii);
    let indent = if alignment == Alignment::Right { room.saturating_sub(width(&text)) } else { 0 };
    frame.buffer_mut().set_stringn(area.x + indent as u16, area.y, text, room - indent, style);
}
