//! The legend: each run with its value at the cursor, or else its latest, and the difference to the baseline.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::metric::Metric;
use super::run::ComparedRun;
use super::scene::Scene;
use super::value::{CurveValue, ReadCurve, Reading};
use crate::series::At;
use crate::ui::format::{duration, grouped, number, padded_start, truncated};
use crate::ui::widgets::panel::{Title, panel};

/// Columns of the sign, a value, a difference and a step.
const SIGN: u16 = 3;
const VALUE: u16 = 9;
const DIFFERENCE: u16 = 13;
const STEP: u16 = 8;

/// Fewest columns of a name.
const NAME: u16 = 12;

/// Lines besides those of the runs: borders and heading.
const OTHERS: u16 = 3;

/// Lines for all runs.
pub(super) fn height(scene: Scene) -> u16 {
    scene.runs.len() as u16 + OTHERS
}

pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene, metric: &Metric) {
    let theme = &scene.look.theme;
    let (compared, marked) = (scene.runs.len(), scene.marked);
    let count = match marked > compared {
        true => Span::styled(format!("{compared} of {marked} marked"), theme.bold(theme.warning)),
        false => Span::styled(compared.to_string(), theme.bold(theme.text)),
    };
    let note = metric.name();
    let inner = panel(frame, area, scene.look, false, Title { name: "Compared", values: vec![count], note });
    if inner.is_empty() {
        return;
    }
    let columns = Columns::of(inner);
    draw_heading(frame, inner, scene, columns);
    let rows = usize::from(inner.height - 1);
    // The last row says how many have no room.
    let shown = if compared > rows { rows.saturating_sub(1) } else { compared };
    for (run, y) in scene.runs.iter().zip(inner.y + 1..).take(shown) {
        draw_run(frame, Rect { y, height: 1, ..inner }, scene, metric, run, columns);
    }
    if shown < compared && rows > 0 {
        let more = format!(" {} more", compared - shown);
        let y = inner.y + 1 + shown as u16;
        frame.buffer_mut().set_stringn(inner.x, y, more, usize::from(inner.width), theme.style(theme.dim));
    }
}

/// Widths of the columns; those that have no room are 0.
#[derive(Clone, Copy)]
struct Columns {
    name: u16,
    difference: u16,
    step: u16,
}

impl Columns {
    fn of(inner: Rect) -> Columns {
        let room = inner.width.saturating_sub(SIGN + NAME + VALUE);
        let difference = if room >= DIFFERENCE { DIFFERENCE } else { 0 };
        let step = if room >= DIFFERENCE + STEP { STEP } else { 0 };
        Columns { name: inner.width.saturating_sub(SIGN + VALUE + difference + step), difference, step }
    }

    /// The areas of name, value, difference and step on a line.
    fn areas(self, line: Rect) -> [Rect; 4] {
        let mut x = line.x + SIGN;
        [self.name, VALUE, self.difference, self.step].map(|width| {
            let area = Rect { x, width, ..line }.intersection(line);
            x += width;
            area
        })
    }
}

fn draw_heading(frame: &mut Frame, inner: Rect, scene: Scene, columns: Columns) {
    let style = scene.look.theme.style(scene.look.theme.dim);
    let [name, value, difference, step] = columns.areas(Rect { height: 1, ..inner });
    let (at, position) = match (scene.view.cursor, scene.view.timed) {
        (None, timed) => ("latest".to_owned(), if timed { "time" } else { "step" }),
        (Some(x), true) => (format!("at {}", duration(x)), "time"),
        (Some(x), false) => (format!("at {}", number(x)), "step"),
    };
    put(frame, name, scene, "run", style);
    put_right(frame, value, scene, &at, style);
    put_right(frame, difference, scene, "difference", style);
    put_right(frame, step, scene, position, style);
}

fn draw_run(frame: &mut Frame, line: Rect, scene: Scene, metric: &Metric, run: &ComparedRun, columns: Columns) {
    let (look, theme) = (scene.look, &scene.look.theme);
    let selected = scene.selected == Some(&run.path);
    if selected {
        frame.buffer_mut().set_style(line, theme.marked_line());
        put(frame, Rect { width: 1, ..line }, scene, if look.ascii { ">" } else { "▌" }, theme.bold(theme.accent));
    }
    let sign = Rect { x: line.x + 1, width: SIGN - 1, ..line }.intersection(line);
    put(frame, sign, scene, &run.swatch(look), run.style(look));
    let [name, value, difference, step] = columns.areas(line);
    let plain = if selected { theme.bold(theme.text) } else { theme.style(theme.text) };
    put(frame, Rect { width: name.width.saturating_sub(1), ..name }, scene, &run.name, plain);
    if run.curves.is_none() {
        return put_right(frame, value, scene, "reading", theme.style(theme.dim));
    }
    let reading = scene.view.reading(metric);
    let found = curve_of(&reading, run).and_then(|curve| reading.value(curve));
    let text = found.map_or_else(|| "-".to_owned(), |it| metric.text(it.value));
    put_right(frame, value, scene, &text, theme.bold(theme.text));
    if let Some(it) = found {
        put_right(frame, step, scene, &position(it.at, reading.timed), theme.style(theme.dim));
    }
    let (text, style) = match run.is_baseline {
        true => ("baseline".to_owned(), theme.style(theme.dim)),
        false => (difference_of(scene, &reading, run, found), plain),
    };
    put_right(frame, difference, scene, &text, style);
}

fn curve_of<'a>(reading: &Reading, run: &'a ComparedRun) -> Option<ReadCurve<'a>> {
    reading.curve(run.curves.as_deref()?)
}

/// The difference to the baseline.
fn difference_of(scene: Scene, reading: &Reading, run: &ComparedRun, shown: Option<CurveValue>) -> String {
    let baseline = scene.runs.iter().find(|run| run.is_baseline).and_then(|run| curve_of(reading, run));
    let curves = curve_of(reading, run).zip(baseline);
    let difference = curves.and_then(|(own, baseline)| reading.difference(own, baseline));
    difference.map_or_else(|| "-".into(), |difference| reading.difference_text(&difference, shown))
}

fn position(at: At, timed: bool) -> String {
    match at.step {
        _ if timed => duration(at.time),
        0.0..1e6 => grouped(at.step as u64),
        step => number(step),
    }
}

fn put(frame: &mut Frame, area: Rect, scene: Scene, text: &str, style: Style) {
    if area.is_empty() {
        return;
    }
    let room = usize::from(area.width);
    frame.buffer_mut().set_stringn(area.x, area.y, truncated(text, room, scene.look.ascii), room, style);
}

/// With a space before it, at least.
fn put_right(frame: &mut Frame, area: Rect, scene: Scene, text: &str, style: Style) {
    if area.width < 2 {
        return;
    }
    let room = usize::from(area.width) - 1;
    let text = padded_start(&truncated(text, room, scene.look.ascii), room);
    frame.buffer_mut().set_stringn(area.x + 1, area.y, text, room, style);
}
