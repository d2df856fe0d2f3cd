//! The card of a run that completed or was stopped: what came out of it.

use super::{CardLine, Tone};
use crate::export::delta_bytes;
use crate::protocol::{Finished, Reason, Started, TrainingMethod};
use crate::runs::{History, Summary};
use crate::ui::format::{bytes, duration, grouped, number, percent, plain, score, truncated, width};

/// Cells of the labels.
const LABELS: usize = 11;

/// The title of the card.
pub fn title(finished: &Finished) -> &'static str {
    match finished.reason {
        Reason::Completed => "Completed",
        Reason::EarlyStopped => "Stopped early",
        Reason::Stopped => "Stopped",
    }
}

/// At most `rows` lines of at most `room` cells.
pub(super) fn lines(run: &History, finished: &Finished, room: usize, rows: usize, ascii: bool) -> Vec<CardLine> {
    let facts = [
        match best(run) {
            Some(best) => ("best", vec![best], Tone::Score),
            None => ("best", vec!["no evaluation".into()], Tone::Value),
        },
        ("time", vec![time(run, finished)], Tone::Value),
        ("trainable", trainable(run), Tone::Value),
        ("delta", delta(run), Tone::Value),
    ];
    let room = room.saturating_sub(LABELS + 2);
    let line = |(name, texts, tone): (&str, Vec<String>, Tone)| {
        let text = texts.iter().find(|text| width(text) <= room).or(texts.last())?;
        Some(vec![(Tone::Label, format!(" {name:<LABELS$}")), (tone, truncated(text, room, ascii))])
    };
    facts.into_iter().filter_map(line).take(rows).collect()
}

/// `accuracy 0.8800 at step 140`
pub(in super::super) fn best(run: &History) -> Option<String> {
    let summary = Summary::of(run);
    let best = summary.best()?;
    Some(format!("{} {} at step {}", plain(best.name), score(best.score), grouped(best.step)))
}

/// `1:12 for 170 steps, evaluations included`; of a run that ended early also of how many.
fn time(run: &History, finished: &Finished) -> String {
    let of = if finished.step < run.steps { format!(" of {}", grouped(run.steps)) } else { String::new() };
    let noun = if finished.step == 1 && of.is_empty() { "step" } else { "steps" };
    format!("{} for {}{of} {noun}, evaluations included", duration(finished.elapsed), grouped(finished.step))
}

/// `28,416 sparse (0.80 % of 3.55M) + 770 dense, 0.13 % of the model`, and the same without the last part; of another method
/// `148,226 (LoRA r 8), 0.65 % of the model`.
fn trainable(run: &History) -> Vec<String> {
    let Some(selected) = &run.selected else { return Vec::new() };
    let share = |part: u64, of: u64| percent(100.0 * part as f64 / of.max(1) as f64);
    let text = match run.started.as_ref().and_then(Started::method_words) {
        Some(method) => format!("{} ({method})", grouped(selected.dense)),
        None => format!(
            "{} sparse ({} of {}) + {} dense",
            grouped(selected.total),
            share(selected.total, selected.of),
            number(selected.of as f64),
            grouped(selected.dense)
        ),
    };
    let parameters = run.started.as_ref().map_or(0, |started| started.parameters);
    let of_model = format!("{text}, {} of the model", share(selected.total + selected.dense, parameters));
    (parameters > 0).then_some(of_model).into_iter().chain([text]).collect()
}

/// `225 KiB`, and how it is counted, in more and in fewer words. Full fine-tuning and LoRA have no delta.
fn delta(run: &History) -> Vec<String> {
    let method = run.started.as_ref().map(|started| started.method);
    if let Some(TrainingMethod::Full | TrainingMethod::Lora) = method {
        return Vec::new();
    }
    let Some(selected) = &run.selected else { return Vec::new() };
    let size = bytes(delta_bytes(selected, run.changed.last().map(|changed| changed as u64)) as f64);
    ["index + fp32 value per sparse component, fp32 per dense", "sparse: index + value, dense: value"]
        .map(|counted| format!("{size} ({counted})"))
        .into()
}
