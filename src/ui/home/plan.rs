//! The estimate of the preset in view: trainable parameters, steps, time, and memory against that of the device.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use super::estimate_query::Known;
use super::memory::{self, LegendForm};
use super::scene::Scene;
use crate::estimate::{AutoBatch, Estimate, MemoryFit, ModelEstimate, Throughput};
use crate::preset::Preset;
use crate::quantity::bytes;
use crate::ui::format::{duration, grouped, number, plain, truncated, width, wrapped};
use crate::ui::theme::Hue;
use crate::ui::widgets::panel::{Title, panel};

/// Width of the labels at the left.
const LABEL: usize = 10;

/// Draws the estimate, or what it waits for.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, preset: Option<&Preset>) {
    let theme = &scene.look.theme;
    let known = preset.map(|preset| scene.estimates.known(preset)).unwrap_or_default();
    let mut title = Title::named("Plan");
    match (known.outdated, known.error) {
        (true, Some(_)) => title.values.push(Span::styled("before this change", theme.bold(theme.warning))),
        (true, None) => title.values.push(Span::styled("updating", theme.style(theme.dim))),
        (false, _) => {}
    }
    if let Some(device) = known.estimate.and_then(|estimate| estimate.device.as_ref()) {
        title.note = plain(&device.name);
    }
    let inner = panel(frame, area, scene.look, false, title);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let text = match (preset, known) {
        (None, _) => Text::default(),
        (Some(preset), Known { estimate: Some(estimate), error, .. }) => {
            Plan { estimate, preset, error, scene, area: inner }.text()
        }
        (Some(_), Known { error: Some(error), .. }) => {
            Text::from_iter(said(error, theme.error, scene, usize::from(inner.width)))
        }
        (Some(_), Known { .. }) => Text::styled("reading model and data", theme.style(theme.dim)),
    };
    frame.render_widget(Paragraph::new(text), inner);
}

/// A text in as many lines as it takes.
fn said(text: &str, hue: Hue, scene: &Scene, room: usize) -> Vec<Line<'static>> {
    let style = scene.look.theme.style(hue);
    wrapped(&plain(text), room).into_iter().map(|line| Line::styled(line, style)).collect()
}

/// A line with its rank: if room is short, those of the highest rank are left out.
struct Ranked {
    rank: u8,
    line: Line<'static>,
}

/// What is said of a preset, and where.
struct Plan<'a> {
    estimate: &'a Estimate,
    preset: &'a Preset,
    error: Option<&'a str>,
    scene: &'a Scene<'a>,
    area: Rect,
}

impl Plan<'_> {
    /// As much as there is room for. The legend of the memory gets shorter before a line is left out, and never loses a part
    /// without saying so.
    fn text(&self) -> Text<'static> {
        let (height, width) = (usize::from(self.area.height), usize::from(self.area.width));
        let mut lines = self.lines(false);
        let model = self.estimate.model.as_ref();
        let legend = |form| model.map(|model| memory::legend(model, self.scene, width, form)).unwrap_or_default();
        let complete = |lines: Vec<Ranked>, legend: Vec<Line<'static>>| {
            Text::from_iter(lines.into_iter().map(|ranked| ranked.line).chain(legend))
        };
        loop {
            let fits = |form: &LegendForm| {
                let usual = *form != LegendForm::Marks;
                usual && lines.len() + legend(*form).len() <= height
            };
            if let Some(form) = LegendForm::ALL.into_iter().find(fits) {
                let legend = legend(form).into_iter().map(|row| row.line).collect();
                return complete(lines, legend);
            }
            match lines.iter().map(|ranked| ranked.rank).max().filter(|rank| *rank > 0) {
                // The time joins the steps before either is left out.
                Some(rank) if rank <= 2 && lines.iter().any(|ranked| ranked.rank == 2) => {
                    lines = self.lines(true).into_iter().filter(|ranked| ranked.rank < 2).collect();
                }
                Some(rank) => lines.retain(|ranked| ranked.rank != rank),
                None => break,
            }
        }
        let legend = memory::cut(legend(LegendForm::Marks), height.saturating_sub(lines.len()), width, self.scene);
        complete(lines, legend)
    }

    /// All lines but the legend. Joined, the line of the steps has the time.
    fn lines(&self, joined: bool) -> Vec<Ranked> {
        let (estimate, preset, scene) = (self.estimate, self.preset, self.scene);
        let theme = &scene.look.theme;
        let room = usize::from(self.area.width);
        let row = |rank, name: &str, text: String, hue: Hue| {
            let name = Span::styled(format!("{name:<LABEL$}"), theme.style(theme.dim));
            let text = truncated(&text, room.saturating_sub(LABEL), scene.look.ascii);
            Ranked { rank, line: Line::from(vec![name, Span::styled(text, theme.style(hue))]) }
        };
        let error = self.error.map(|error| (error.to_owned(), theme.error));
        let missing = estimate.missing.iter().map(|text| (scene.estimates.with_size(text), theme.warning));
        let notes = error.into_iter().chain(missing).flat_map(|(text, hue)| said(&text, hue, scene, room));
        let mut lines: Vec<Ranked> = notes.map(|line| Ranked { rank: 0, line }).collect();
        if let Some(model) = &estimate.model {
            lines.push(row(1, "trainable", trainable(model, room), theme.selected));
            lines.push(row(5, "model", format!("{} parameters", grouped(model.parameters)), theme.text));
        }
        if let Some(data) = &estimate.data {
            let (examples, held_out) = (grouped(data.examples), grouped(data.eval_examples));
            lines.push(row(3, "data", format!("{examples} examples, {held_out} held out"), theme.text));
            lines.push(row(6, "tokens", format!("max length {}", grouped(data.longest)), theme.text));
            let steps = format!("{} in {}", grouped(data.steps), counted(preset.train.epochs, "epoch"));
            let time = estimate.seconds().zip(estimate.throughput.as_ref());
            let steps = match time {
                Some((seconds, _)) if joined => {
                    let time = duration(seconds);
                    let whole = format!("{steps}, ~{time}");
                    let fits = LABEL + width(&whole) <= room;
                    if fits { whole } else { format!("{}, ~{time}", grouped(data.steps)) }
                }
                _ => steps,
            };
            lines.push(row(0, "steps", steps, theme.text));
            lines.push(match time {
                Some((seconds, throughput)) => {
                    row(2, "time", about(seconds, throughput, room.saturating_sub(LABEL)), theme.text)
                }
                None => row(2, "time", "no estimate yet (no similar run)".into(), theme.dim),
            });
        }
        if let Some(batch) = &estimate.batch {
            // What does not fit is said in full.
            match batch {
                AutoBatch::NothingFits(why) => {
                    lines.extend(said(why, theme.error, scene, room).into_iter().map(|line| Ranked { rank: 0, line }));
                }
                AutoBatch::Chosen(chosen) => {
                    lines.push(row(1, "batch", format!("auto: {}", chosen.reason()), theme.text))
                }
                AutoBatch::Unknown(missing) => lines.push(row(1, "batch", format!("auto: {missing}"), theme.dim)),
            }
        }
        if let Some(model) = &estimate.model {
            let rows = |fit: Option<&MemoryFit>| Some(grouped(fit?.largest?));
            let fit =
                |checkpointing| rows(model.fits.iter().find(|fit| fit.checkpointing == checkpointing && !fit.offload));
            if let Some((plain, checkpointed)) = fit(false).zip(fit(true)) {
                let text = format!("max batch {plain}, {checkpointed} with gradient checkpointing");
                let name = if estimate.batch.is_some() { "" } else { "batch" };
                lines.push(row(7, name, text, theme.text));
            }
            if model.offloaded > 0 {
                let text = format!("{} of weights in host memory", bytes(model.offloaded as f64));
                lines.push(row(4, "offload", text, theme.text));
            }
            let (verdict, hue) = memory::verdict(model, estimate.device.as_ref(), scene, room.saturating_sub(LABEL));
            lines.push(row(0, "memory", verdict, hue));
            lines.push(Ranked { rank: 0, line: memory::bar(model, estimate.device.as_ref(), scene, room) });
        }
        lines
    }
}

/// `~1:13 (median of 3 similar runs)`, in the longest form that there is room for.
fn about(seconds: f64, throughput: &Throughput, room: usize) -> String {
    let about = format!("~{}", duration(seconds));
    let (long, short) = match throughput.runs.as_slice() {
        [run] => (format!("from {}", plain(run)), "1 run".to_owned()),
        runs => (format!("median of {} similar runs", runs.len()), format!("{} runs", runs.len())),
    };
    let forms = [format!("{about} ({long})"), format!("{about} ({short})")];
    forms.into_iter().find(|form| width(form) <= room).unwrap_or(about)
}

/// `28,416 sparse (0.80 % of 3.55M) + 770 dense`, or without the share if there is no room for it.
fn trainable(model: &ModelEstimate, width: usize) -> String {
    let share = 100.0 * model.selected as f64 / model.of.max(1) as f64;
    let share = if share >= 0.1 { format!("{share:.2}") } else { number(share) };
    let of = if width >= 56 { format!(" ({share} % of {})", number(model.of as f64)) } else { String::new() };
    match (model.selected, model.dense) {
        (0, dense) if model.adapters == dense && dense > 0 => format!("{} LoRA", grouped(dense)),
        (0, dense) if model.adapters > 0 => {
            format!("{} LoRA + {} dense", grouped(model.adapters), grouped(dense - model.adapters))
        }
        (0, dense) if dense == model.parameters => format!("{} dense (all parameters)", grouped(dense)),
        (0, dense) => format!("{} dense", grouped(dense)),
        (selected, 0) => format!("{} sparse{of}", grouped(selected)),
        (selected, dense) => format!("{} sparse{of} + {} dense", grouped(selected), grouped(dense)),
    }
}

/// `1 epoch`, `2 epochs`.
fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(number)) }
}
