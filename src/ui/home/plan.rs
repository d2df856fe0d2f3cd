//! The estimate of the preset in view: trainable parameters, steps, time, and memory against that of the device.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::scene::Scene;
use crate::estimate::{DeviceMemory, Estimate, MemoryFit, ModelEstimate};
use crate::preset::Preset;
use crate::ui::format::{bytes, duration, grouped, number, plain};
use crate::ui::theme::{Depth, Hue};
use crate::ui::widgets::panel::{Title, panel};

/// Width of the labels at the left.
const LABEL: usize = 10;

/// Draws the estimate, or what it waits for.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, preset: Option<&Preset>) {
    let theme = &scene.look.theme;
    let answer = preset.and_then(|preset| scene.estimates.answer(preset));
    let mut title = Title::named("Plan");
    if let Some(device) = answer.and_then(|answer| answer.as_ref().ok()?.device.as_ref()) {
        title.note = plain(&device.name);
    }
    let inner = panel(frame, area, scene.look, false, title);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let text = match (preset, answer) {
        (None, _) => Text::default(),
        (Some(_), None) => Text::styled("reading model and data…", theme.style(theme.dim)),
        (Some(_), Some(Err(error))) => Text::styled(plain(error), theme.style(theme.error)),
        (Some(preset), Some(Ok(estimate))) => Text::from(lines(estimate, preset, scene, inner)),
    };
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
}

/// The lines of the estimate, as many as there is room for.
fn lines(estimate: &Estimate, preset: &Preset, scene: &Scene, area: Rect) -> Vec<Line<'static>> {
    let theme = &scene.look.theme;
    let width = usize::from(area.width);
    let row = |name: &str, text: String, hue: Hue| {
        let name = Span::styled(format!("{name:<LABEL$}"), theme.style(theme.dim));
        Line::from(vec![name, Span::styled(text, theme.style(hue))])
    };
    // Each line with its rank: if room is short, those of the highest rank are left out.
    let mut lines: Vec<(u8, Line)> = Vec::new();
    for text in &estimate.missing {
        lines.push((0, Line::styled(plain(text), theme.style(theme.warning))));
    }
    if let Some(model) = &estimate.model {
        lines.push((0, row("trainable", trainable(model, width), theme.selected)));
        lines.push((5, row("model", format!("{} parameters", grouped(model.parameters)), theme.text)));
    }
    if let Some(data) = &estimate.data {
        let (examples, held_out) = (grouped(data.examples), grouped(data.eval_examples));
        lines.push((3, row("data", format!("{examples} examples, {held_out} held out"), theme.text)));
        lines.push((6, row("tokens", format!("max length {}", grouped(data.longest)), theme.text)));
        let steps = format!("{} in {}", grouped(data.steps), counted(preset.train.epochs, "epoch"));
        lines.push((1, row("steps", steps, theme.text)));
        let time = match (estimate.seconds(), &estimate.throughput) {
            (Some(seconds), Some(throughput)) => {
                let about = format!("~{}", duration(seconds));
                let whole = format!("{about} (from {})", plain(&throughput.run));
                let fits = LABEL + crate::ui::format::width(&whole) <= width;
                row("time", if fits { whole } else { about }, theme.text)
            }
            _ => row("time", "no estimate yet (no similar run)".into(), theme.dim),
        };
        lines.push((2, time));
    }
    if let Some(model) = &estimate.model {
        lines.extend(memory(model, estimate.device.as_ref(), scene, width));
    }
    let rows = |line: &Line| line.width().div_ceil(width.max(1)).max(1);
    while lines.iter().map(|(_, line)| rows(line)).sum::<usize>() > usize::from(area.height) {
        let Some(least) = lines.iter().map(|(rank, _)| *rank).max().filter(|rank| *rank > 0) else { break };
        lines.retain(|(rank, _)| *rank != least);
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// `28,416 sparse (0.80 % of 3.55M) + 770 dense`, or without the share if there is no room for it.
fn trainable(model: &ModelEstimate, width: usize) -> String {
    let share = 100.0 * model.selected as f64 / model.of.max(1) as f64;
    let share = if share >= 0.1 { format!("{share:.2}") } else { number(share) };
    let of = if width >= 56 { format!(" ({share} % of {})", number(model.of as f64)) } else { String::new() };
    match (model.selected, model.dense) {
        (0, dense) => format!("{} dense", grouped(dense)),
        (selected, 0) => format!("{} sparse{of}", grouped(selected)),
        (selected, dense) => format!("{} sparse{of} + {} dense", grouped(selected), grouped(dense)),
    }
}

/// The memory that is needed, as a bar, and by part.
fn memory(
    model: &ModelEstimate,
    device: Option<&DeviceMemory>,
    scene: &Scene,
    width: usize,
) -> Vec<(u8, Line<'static>)> {
    let theme = &scene.look.theme;
    let needed = model.bytes();
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
    let head = Line::from(vec![
        Span::styled(format!("{:<LABEL$}", "memory"), theme.style(theme.dim)),
        Span::styled(format!("~{}{verdict}", bytes(needed as f64)), theme.style(hue)),
    ]);
    let mut lines = vec![(0, head), (0, bar(model, device, scene, width))];
    let rows = |fit: Option<&MemoryFit>| Some(grouped(fit?.largest?));
    let fit = |checkpointing| rows(model.fits.iter().find(|fit| fit.checkpointing == checkpointing));
    if let Some((plain, checkpointed)) = fit(false).zip(fit(true)) {
        let text = format!("max batch {plain}, {checkpointed} with gradient checkpointing");
        let label = Span::styled(format!("{:<LABEL$}", "batch"), theme.style(theme.dim));
        lines.push((7, Line::from(vec![label, Span::styled(text, theme.style(theme.text))])));
    }
    let parts: Vec<_> = model.memory.iter().enumerate().filter(|(_, part)| part.bytes > 0).collect();
    let name = parts.iter().map(|(_, part)| part.name.len()).max().unwrap_or(0).max(14) + 1;
    // Two to a line if there is room: each has a mark, a name, a size and a gap.
    let columns = if width >= 2 * (2 + name + 10) + 3 { 2 } else { 1 };
    for chunk in parts.chunks(columns) {
        let mut line = Line::default();
        for (number, part) in chunk {
            let (style, letter) = colour(*number, scene);
            let mark = if letters(scene) { letter } else { '■' };
            line.push_span(Span::styled(format!("{mark} "), style));
            line.push_span(Span::styled(format!("{:<name$}", part.name), theme.style(theme.dim)));
            let about = match (part.estimated, scene.look.ascii) {
                (false, _) => " ",
                (true, false) => "≈",
                (true, true) => "~",
            };
            let text = format!("{:>10}", format!("{about}{}", bytes(part.bytes as f64)));
            line.push_span(Span::styled(text, theme.style(theme.text)));
            line.push_span("   ");
        }
        lines.push((4, line));
    }
    lines
}

/// The memory that is in use already, the parts of the estimate, and what is left.
fn bar(model: &ModelEstimate, device: Option<&DeviceMemory>, scene: &Scene, width: usize) -> Line<'static> {
    let theme = &scene.look.theme;
    let used = device.map_or(0, |device| device.total.saturating_sub(device.free));
    let total = device.map_or(0, |device| device.total).max(model.bytes().saturating_add(used)).max(1);
    let cells = |bytes: u64| (bytes as f64 / total as f64 * width as f64).round() as usize;
    let mut bar = Line::default();
    let mut draw = |from: u64, to: u64, letter: char, style: Style| {
        let symbol = if letters(scene) { letter } else { '█' };
        bar.push_span(Span::styled(symbol.to_string().repeat(cells(to) - cells(from)), style));
    };
    draw(0, used, '.', theme.style(theme.track));
    let mut at = used;
    for (number, part) in model.memory.iter().enumerate() {
        let (style, letter) = colour(number, scene);
        let end = at.saturating_add(part.bytes);
        draw(at, end, letter, style);
        at = end;
    }
    let rest = width.saturating_sub(bar.width());
    let free = if scene.look.ascii { "-" } else { "░" };
    bar.push_span(Span::styled(free.repeat(rest), theme.style(theme.track)));
    bar
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

/// `1 epoch`, `2 epochs`.
fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(number)) }
}
