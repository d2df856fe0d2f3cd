//! The memory of a run as a bar and a legend: every part is in both, however small it is and however narrow the panel.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::scene::Scene;
use super::shares::{Size, cells, sizes};
use crate::estimate::{DeviceMemory, MemoryPart, ModelEstimate};
use crate::ui::format::{bytes, padded, padded_start, width};
use crate::ui::theme::{Depth, Hue};

/// How much a legend says, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegendForm {
    /// In columns.
    Grid,
    /// One part after the other.
    Full,
    /// With the first word of each name, and without the unit of the total.
    Short,
    /// Without names.
    Marks,
}

impl LegendForm {
    pub const ALL: [LegendForm; 4] = [LegendForm::Grid, LegendForm::Full, LegendForm::Short, LegendForm::Marks];
}

/// The memory that is needed, and how that compares to the device's.
pub fn verdict(model: &ModelEstimate, device: Option<&DeviceMemory>, scene: &Scene, room: usize) -> (String, Hue) {
    let theme = &scene.look.theme;
    let needed = model.bytes();
    let total = sizes(&model.memory.iter().map(|part| part.bytes).collect::<Vec<_>>()).total;
    let (hue, verdict) = match device {
        Some(device) if needed > device.total => {
            (theme.error, format!(", exceeds the {} of the device", bytes(device.total as f64)))
        }
        Some(device) if needed > device.free => {
            (theme.warning, format!(", exceeds the {} free now", bytes(device.free as f64)))
        }
        Some(device) => (theme.text, format!(" of {} free", bytes(device.free as f64))),
        None => (theme.text, String::new()),
    };
    let whole = format!("~{total}{verdict}");
    // What fits needs no comparison, if there is no room for it.
    (if hue == theme.text && width(&whole) > room { format!("~{total}") } else { whole }, hue)
}

/// The memory that is in use already, the parts of the estimate, and what is left.
pub fn bar(model: &ModelEstimate, device: Option<&DeviceMemory>, scene: &Scene, width: usize) -> Line<'static> {
    let theme = &scene.look.theme;
    let used = device.map_or(0, |device| device.total.saturating_sub(device.free));
    let needed = model.bytes().saturating_add(used);
    let rest = device.map_or(0, |device| device.total.saturating_sub(needed));
    let values: Vec<u64> = [used].into_iter().chain(model.memory.iter().map(|part| part.bytes)).chain([rest]).collect();
    let parts = (0..model.memory.len()).map(|number| {
        let (style, letter) = colour(number, scene);
        (style, if letters(scene) { letter } else { '█' })
    });
    let track = theme.style(theme.track);
    let used = (track, if letters(scene) { '.' } else { '█' });
    let free = (track, if scene.look.ascii { '-' } else { '░' });
    let drawn = [used].into_iter().chain(parts).chain([free]);
    let spans = drawn.zip(cells(&values, width));
    Line::from_iter(spans.map(|((style, symbol), cells)| Span::styled(symbol.to_string().repeat(cells), style)))
}

/// The parts with their sizes.
pub fn legend(model: &ModelEstimate, scene: &Scene, room: usize, form: LegendForm) -> Vec<LegendRow> {
    let all: Vec<u64> = model.memory.iter().map(|part| part.bytes).collect();
    let shown = sizes(&all);
    let mut parts: Vec<_> =
        model.memory.iter().zip(&shown.parts).enumerate().filter(|(_, (part, _))| part.bytes > 0).collect();
    if form == LegendForm::Marks {
        // Where there is no room for all, there is for the largest.
        parts.sort_by_key(|(_, (part, _))| std::cmp::Reverse(part.bytes));
    }
    let entry = |(number, (part, size))| Entry::new(number, part, size, shown.unit, scene, form);
    let entries: Vec<Entry> = parts.into_iter().map(entry).collect();
    match form {
        LegendForm::Grid => grid(&entries, room),
        _ => flow(&entries, room),
    }
}

/// A row of the legend.
pub struct LegendRow {
    pub line: Line<'static>,
    /// Index of the first span of each part.
    parts: Vec<usize>,
}

/// A part in the legend.
struct Entry {
    mark: Span<'static>,
    name: Span<'static>,
    size: Span<'static>,
}

impl Entry {
    fn new(number: usize, part: &MemoryPart, size: &Size, unit: &str, scene: &Scene, form: LegendForm) -> Entry {
        let theme = &scene.look.theme;
        let (style, letter) = colour(number, scene);
        let mark = if letters(scene) { letter } else { '■' };
        let name = match form {
            LegendForm::Grid | LegendForm::Full => part.name,
            LegendForm::Short => part.name.split(' ').next().unwrap_or_default(),
            LegendForm::Marks => "",
        };
        let about = match (part.estimated, scene.look.ascii) {
            (false, _) => "",
            (true, false) => "≈",
            (true, true) => "~",
        };
        let size = match (size, form) {
            (Size::Number(number), LegendForm::Grid | LegendForm::Full) => format!("{about}{number} {unit}"),
            (Size::Number(number) | Size::Small(number), _) => format!("{about}{number}"),
        };
        Entry {
            mark: Span::styled(format!("{mark} "), style),
            name: Span::styled(name, theme.style(theme.dim)),
            size: Span::styled(size, theme.style(theme.text)),
        }
    }
}

/// In two columns if there is room, else in one.
fn grid(entries: &[Entry], room: usize) -> Vec<LegendRow> {
    const GAP: usize = 3;
    let names = entries.iter().map(|entry| entry.name.width()).max().unwrap_or(0);
    let sizes = entries.iter().map(|entry| entry.size.width()).max().unwrap_or(0);
    let column = 2 + names + 2 + sizes;
    let columns = if room >= 2 * column + GAP { 2 } else { 1 };
    let line = |row: &[Entry]| {
        let (mut line, mut parts) = (Line::default(), Vec::new());
        for (number, entry) in row.iter().enumerate() {
            parts.push(line.spans.len());
            let gap = if number > 0 { GAP } else { 0 };
            line.push_span(Span::raw(" ".repeat(gap)));
            line.push_span(entry.mark.clone());
            line.push_span(Span::styled(padded(&entry.name.content, names + 2), entry.name.style));
            line.push_span(Span::styled(padded_start(&entry.size.content, sizes), entry.size.style));
        }
        LegendRow { line, parts }
    };
    entries.chunks(columns).map(line).collect()
}

/// One after the other, in as many rows as it takes.
fn flow(entries: &[Entry], room: usize) -> Vec<LegendRow> {
    let mut rows: Vec<LegendRow> = Vec::new();
    for entry in entries {
        let gap = usize::from(entry.name.width() > 0);
        let needed = entry.mark.width() + entry.name.width() + gap + entry.size.width();
        match rows.last_mut() {
            Some(row) if row.line.width() + 2 + needed <= room => {
                row.parts.push(row.line.spans.len());
                row.line.push_span("  ");
            }
            _ => rows.push(LegendRow { line: Line::default(), parts: vec![0] }),
        }
        let Some(row) = rows.last_mut() else { continue };
        row.line.push_span(entry.mark.clone());
        row.line.push_span(entry.name.clone());
        row.line.push_span(" ".repeat(gap));
        row.line.push_span(entry.size.clone());
    }
    rows
}

/// As many rows as there is room for; the parts that are left out are counted.
pub fn cut(mut legend: Vec<LegendRow>, rows: usize, room: usize, scene: &Scene) -> Vec<Line<'static>> {
    let mut left_out: usize = legend.iter().skip(rows).map(|row| row.parts.len()).sum();
    legend.truncate(rows);
    if left_out > 0
        && let Some(last) = legend.last_mut()
    {
        let more = |number: usize| format!("  +{number} more");
        while last.line.width() + width(&more(left_out)) > room {
            let Some(start) = last.parts.pop() else { break };
            last.line.spans.truncate(start);
            left_out += 1;
        }
        last.line.push_span(Span::styled(more(left_out), scene.look.theme.style(scene.look.theme.dim)));
    }
    legend.into_iter().map(|row| row.line).collect()
}

/// Whether the parts are drawn with letters instead of colours.
fn letters(scene: &Scene) -> bool {
    scene.look.ascii || scene.look.depth == Depth::None
}

/// The colour and the letter of a part of the memory.
fn colour(number: usize, scene: &Scene) -> (Style, char) {
    let theme = &scene.look.theme;
    let parts = [
        (theme.memory, 'w'),
        (theme.selected, 's'),
        (theme.score, 'h'),
        (theme.mass, 'a'),
        (theme.accent, 'k'),
        (theme.dim, 'p'),
        (theme.loss, 'c'),
    ];
    let (hue, letter) = parts[number % parts.len()];
    (theme.style(hue), letter)
}
