//! The table of ranks: its columns, as many as there is room for, and its rows.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::hosts;
use super::scene::Scene;
use crate::protocol::RankSample;
use crate::quantity::column::{Column as Values, rates, seconds, sizes};
use crate::quantity::times;
use crate::runs::{RankTimes, responds};
use crate::ui::format::{duration, fitted, padded_start, plain, width};
use crate::ui::widgets::cut::cut;

/// Cells of the narrowest and the widest bar.
const BAR: (usize, usize) = (8, 40);

/// Cells of the widest name of a host or a device.
const NAME: usize = 16;

/// Cells of the health of a rank, and of a table whose health has details.
const HEALTH: (usize, usize) = (16, 22);
const WIDE: usize = 110;

/// A column, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Rank,
    Host,
    Device,
    Tokens,
    Step,
    Wait,
    WaitShare,
    Bar,
    Exchanged,
    Memory,
    Gpu,
    Health,
}

/// The columns that are left out where there is no room, in this order. The number of a rank and its health are never.
const OPTIONAL: [Part; 10] = [
    Part::Exchanged,
    Part::Wait,
    Part::Device,
    Part::Memory,
    Part::Tokens,
    Part::Host,
    Part::Gpu,
    Part::Step,
    Part::Bar,
    Part::WaitShare,
];

/// A column with its head and a text for each rank.
struct Column {
    part: Part,
    head: String,
    texts: Vec<String>,
    /// Cells of a text. There is one more at each side.
    width: usize,
}

impl Column {
    /// A column as wide as its texts, in at most `most` cells.
    fn new(part: Part, head: String, texts: Vec<String>, most: usize) -> Column {
        let width = texts.iter().map(|text| width(text)).max().unwrap_or(0).max(width(&head)).min(most);
        Column { part, head, texts, width }
    }

    /// A column of values, with their unit in its head.
    fn of(part: Part, name: &str, values: Values) -> Column {
        const MOST: usize = 12;
        let head = if values.unit.is_empty() { name.to_owned() } else { format!("{name} {}", values.unit) };
        Column::new(part, head, values.texts, MOST)
    }

    /// A text in the column. Names begin at the left, numbers end at the right.
    fn cell(&self, text: &str, ascii: bool) -> String {
        match self.part {
            Part::Host | Part::Device | Part::Health => format!(" {} ", fitted(text, self.width, ascii)),
            _ => format!(" {} ", padded_start(text, self.width)),
        }
    }
}

/// The columns of all ranks.
pub(super) struct RankTable<'a> {
    scene: Scene<'a>,
    /// From left to right.
    columns: Vec<Column>,
    /// Seconds per step of the rank whose bar is the longest.
    longest: f64,
}

impl<'a> RankTable<'a> {
    /// The table in `room` cells.
    pub(super) fn new(scene: Scene<'a>, room: u16) -> RankTable<'a> {
        let (samples, room) = (&scene.run.ranks.samples, usize::from(room));
        let times = samples.iter().filter_map(current);
        let longest = times.fold(0.0, |longest: f64, times| longest.max(times.step));
        let of = |value: fn(&RankSample) -> Option<f64>| samples.iter().map(value).collect::<Vec<_>>();
        let rate = of(|sample| current(sample).map(|_| sample.tokens_per_second));
        let exchanged = of(|sample| current(sample).map(|_| sample.bytes_per_step));
        let share = of(|sample| current(sample).map(|times| 100.0 * times.wait_share()));
        let numbers = (0..samples.len()).map(|rank| rank.to_string()).collect();
        let (health_width, detailed) = if room < WIDE { (HEALTH.0, false) } else { (HEALTH.1, true) };
        let health = (0..samples.len()).map(|rank| health(scene, rank, detailed).0).collect();
        let columns = [
            Column::new(Part::Rank, "rank".into(), numbers, NAME),
            Column::new(Part::Host, "host".into(), hosts_of(samples), NAME),
            Column::new(Part::Device, "device".into(), devices_of(samples), NAME),
            Column::of(Part::Tokens, "tokens/s", rates(&rate)),
            Column::of(Part::Step, "step", seconds(&of(|sample| current(sample).map(|times| times.step)))),
            Column::of(Part::Wait, "wait", seconds(&of(|sample| current(sample).map(|times| times.wait)))),
            Column::of(Part::WaitShare, "wait", percent(&share)),
            Column { part: Part::Bar, head: String::new(), texts: Vec::new(), width: BAR.0 },
            Column::of(Part::Exchanged, "comm", sizes(&exchanged)),
            Column::of(Part::Memory, "mem", sizes(&of(|sample| responds(sample).then_some(sample.memory as f64)))),
            Column::of(Part::Gpu, "GPU", percent(&of(load))),
            Column { width: health_width, ..Column::new(Part::Health, "health".into(), health, 0) },
        ];
        let has_values = |column: &Column| column.part == Part::Bar || column.texts.iter().any(|text| !text.is_empty());
        let mut table = RankTable { scene, columns: columns.into_iter().filter(has_values).collect(), longest };
        table.fit(room);
        table
    }

    /// Leaves out columns until the others fit, and gives the rest to the bar.
    fn fit(&mut self, room: usize) {
        for part in OPTIONAL {
            if self.width() <= room {
                break;
            }
            self.columns.retain(|column| column.part != part);
        }
        let rest = room.saturating_sub(self.width());
        if let Some(bar) = self.columns.iter_mut().find(|column| column.part == Part::Bar) {
            bar.width = (bar.width + rest).min(BAR.1);
        }
    }

    fn width(&self) -> usize {
        self.columns.iter().map(|column| column.width + 2).sum()
    }

    /// Draws the heads of the columns and the rows of these ranks.
    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, ranks: &[usize]) {
        let lines = std::iter::once(self.head()).chain(ranks.iter().map(|rank| self.row(*rank)));
        for (y, line) in (area.top()..area.bottom()).zip(lines) {
            let line = cut(line, usize::from(area.width), self.scene.look.ascii);
            frame.render_widget(line, Rect { y, height: 1, ..area });
        }
    }

    fn head(&self) -> Line<'static> {
        let theme = &self.scene.look.theme;
        let spans = self.columns.iter().flat_map(|column| match column.part {
            Part::Bar => self.legend(column.width),
            _ => vec![Span::styled(column.cell(&column.head, self.scene.look.ascii), theme.style(theme.dim))],
        });
        Line::from(spans.collect::<Vec<_>>())
    }

    fn row(&self, rank: usize) -> Line<'static> {
        let theme = &self.scene.look.theme;
        let Some(sample) = self.scene.run.ranks.samples.get(rank) else { return Line::default() };
        let style = match (responds(sample), self.scene.run.ranks.straggler(rank)) {
            (false, _) => theme.style(theme.dim),
            (true, Some(_)) => theme.bold(theme.warning),
            (true, None) => theme.style(theme.text),
        };
        let spans = self.columns.iter().flat_map(|column| {
            // A rank that does not respond has no numbers, but others do.
            let text = column.texts.get(rank).filter(|text| !text.is_empty()).map_or("-", String::as_str);
            let style = if column.part == Part::Health { health(self.scene, rank, false).1 } else { style };
            match column.part {
                Part::Bar => self.bar(rank, sample, column.width),
                _ => vec![Span::styled(column.cell(text, self.scene.look.ascii), style)],
            }
        });
        Line::from(spans.collect::<Vec<_>>())
    }

    /// A step as a bar: what the rank computes, then what it waits.
    fn bar(&self, rank: usize, sample: &RankSample, width: usize) -> Vec<Span<'static>> {
        let theme = &self.scene.look.theme;
        let cells = |seconds: f64| ((seconds / self.longest * width as f64).round() as usize).min(width);
        let (compute, whole) = current(sample).map_or((0, 0), |times| (cells(times.compute()), cells(times.step)));
        let style = match self.scene.run.ranks.straggler(rank) {
            Some(_) => theme.bold(theme.warning),
            None => theme.style(theme.bar),
        };
        let (computes, waits) = self.signs();
        vec![
            Span::styled(format!(" {}", computes.repeat(compute)), style),
            Span::styled(waits.repeat(whole.saturating_sub(compute)), theme.style(theme.dim)),
            Span::raw(" ".repeat(width - whole.max(compute) + 1)),
        ]
    }

    /// What the parts of the bars are.
    fn legend(&self, width: usize) -> Vec<Span<'static>> {
        let theme = &self.scene.look.theme;
        let (computes, waits) = self.signs();
        // Without room for both, the longer part is named.
        let wait = if width < 16 { String::new() } else { format!(" {waits} wait") };
        let room = width - wait.chars().count();
        vec![
            Span::styled(
                format!(" {computes} {}", fitted("compute", room.saturating_sub(2), true)),
                theme.style(theme.bar),
            ),
            Span::styled(format!("{wait} "), theme.style(theme.dim)),
        ]
    }

    /// The signs of computing and waiting, which differ without colours too.
    fn signs(&self) -> (&'static str, &'static str) {
        if self.scene.look.ascii { ("=", ".") } else { ("━", "┄") }
    }
}

/// The times of a rank that responds and takes steps.
fn current(sample: &RankSample) -> Option<RankTimes> {
    RankTimes::of(sample).filter(|_| responds(sample))
}

fn load(sample: &RankSample) -> Option<f64> {
    sample.gpu_utilization.filter(|load| load.is_finite() && responds(sample))
}

/// Whole percentages.
fn percent(values: &[Option<f64>]) -> Values {
    let text = |value: &Option<f64>| value.map(|value| format!("{:.0}", value.clamp(-999.0, 999.0)));
    Values { unit: "%", texts: values.iter().map(|value| text(value).unwrap_or_default()).collect() }
}

/// The names of hosts; empty if there is only one.
fn hosts_of(samples: &[RankSample]) -> Vec<String> {
    different(hosts::short(&samples.iter().map(|sample| sample.host.as_str()).collect::<Vec<_>>()))
}

/// The devices; empty if all have the same, which the header names.
fn devices_of(samples: &[RankSample]) -> Vec<String> {
    different(samples.iter().map(|sample| sample.device.as_str()).collect())
}

fn different(names: Vec<&str>) -> Vec<String> {
    if hosts::count(&names) < 2 { Vec::new() } else { names.into_iter().map(plain).collect() }
}

/// The health of a rank with its style: that of the checks of the run.
fn health(scene: Scene, rank: usize, detailed: bool) -> (String, Style) {
    let (theme, ascii) = (&scene.look.theme, scene.look.ascii);
    let Some(sample) = scene.run.ranks.samples.get(rank) else { return (String::new(), Style::new()) };
    if !responds(sample) {
        let age = if detailed { format!(" {}", duration(sample.age.min(359_999.0))) } else { String::new() };
        return (format!("{} not responding{age}", if ascii { "x" } else { "○" }), theme.bold(theme.error));
    }
    match scene.run.ranks.straggler(rank) {
        Some(straggler) => {
            let sign = if ascii { "!" } else { "◀" };
            let ratio = times(straggler.ratio().min(999.0));
            (format!("{sign} straggler {ratio}x"), theme.bold(theme.warning))
        }
        None => ("ok".into(), theme.style(theme.good)),
    }
}
