//! Details and loss curve of the run under the cursor, below the table; dialogs, above it.

use std::path::PathBuf;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::line_input::LineInput;
use super::list::RunList;
use super::mode::Mode;
use super::sign::sign;
use crate::runs::{CheckpointSummary, RunEnd, RunEntry};
use crate::series::{At, Series};
use crate::ui::format::{
    age, duration, fitted_end, grouped, number, plain, score, truncated, wrapped, wrapped_at_most,
};
use crate::ui::theme::Look;
use crate::ui::widgets::chart::{Chart, Curve};
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::panel::{Title, panel};
use crate::ui::widgets::popup::popup;

/// Columns of the labels.
const LABELS: usize = 12;

pub(super) fn draw(runs: &RunList, frame: &mut Frame, area: Rect, look: &Look) {
    if area.is_empty() {
        return;
    }
    let Some(run) = runs.current() else {
        panel(frame, area, look, false, Title::named("Run"));
        return;
    };
    let [left, right] = Layout::horizontal([Constraint::Fill(6), Constraint::Fill(5)]).areas(area);
    let inner = panel(frame, left, look, false, Title::named(&plain(&run.name)));
    let facts = facts(runs, run, look, usize::from(inner.width));
    for (line, y) in facts.into_iter().zip(inner.top()..inner.bottom()) {
        frame.render_widget(cut(line, usize::from(inner.width), look.ascii), Rect { y, height: 1, ..inner });
    }
    draw_loss(run, frame, right, look);
}

fn facts<'a>(runs: &RunList, run: &RunEntry, look: &Look, width: usize) -> Vec<Line<'a>> {
    let (theme, summary) = (&look.theme, &run.summary);
    let (hue, sign) = sign(run.state, look);
    let row = |name: &'static str, value: Vec<Span<'a>>| {
        let mut spans = vec![Span::styled(format!(" {name:<LABELS$}"), theme.style(theme.dim))];
        spans.extend(value);
        Line::from(spans)
    };
    let room = width.saturating_sub(LABELS + 1);
    let text = |text: String| Span::styled(truncated(&text, room, look.ascii), theme.style(theme.text));
    let updated = run.updated.map(|updated| format!("  {}", ago(&age(runs.now, updated)))).unwrap_or_default();
    let mut lines =
        vec![row("state", vec![Span::styled(format!("{sign} {}", run.state.name()), theme.bold(hue)), text(updated)])];
    if let Some(RunEnd::Failed { error, .. }) = &summary.end {
        let room = width.saturating_sub(LABELS + 2);
        let error = wrapped_at_most(&plain(error), room, 3, look.ascii).into_iter().enumerate();
        lines.extend(error.map(|(number, part)| {
            row(if number == 0 { "error" } else { "" }, vec![Span::styled(part, theme.style(theme.error))])
        }));
    }
    if summary.steps > 0 {
        let steps = format!("{}/{}", grouped(summary.step), grouped(summary.steps));
        lines.push(row("steps", vec![text(format!("{steps} in {}", duration(summary.elapsed)))]));
    }
    if let Some(best) = summary.best() {
        let value = Span::styled(format!("{} {}", plain(best.name), score(best.score)), theme.bold(theme.score));
        lines.push(row("best", vec![value, text(format!(" at step {}", grouped(best.step)))]));
    }
    if !summary.model.is_empty() {
        let subject = format!("{} on {}, {}", summary.model, summary.data, summary.device);
        lines.push(row("model", vec![text(plain(&subject))]));
        let about = if summary.about.is_empty() { String::new() } else { format!(": {}", summary.about) };
        lines.push(row("preset", vec![text(plain(&format!("{}{about}", summary.preset)))]));
    }
    if !run.tags.is_empty() {
        let tags: Vec<String> = run.tags.iter().map(|tag| format!("#{tag}")).collect();
        let tags = truncated(&tags.join(" "), room, look.ascii);
        lines.push(row("tags", vec![Span::styled(tags, theme.style(theme.selected))]));
    }
    if !run.checkpoints.is_empty() {
        lines.push(row("checkpoints", checkpoints(&run.checkpoints, look)));
    }
    let folder = fitted_end(&plain(&run.path.display().to_string()), room, look.ascii);
    lines.push(row("folder", vec![Span::styled(folder, theme.style(theme.dim))]));
    lines
}

/// The steps of checkpoints, newest first: `170, 140 (best), 100 (pinned)`.
fn checkpoints<'a>(kept: &[CheckpointSummary], look: &Look) -> Vec<Span<'a>> {
    let theme = &look.theme;
    let mut spans = Vec::new();
    for (number, kept) in kept.iter().enumerate() {
        if number > 0 {
            spans.push(Span::styled(", ", theme.style(theme.dim)));
        }
        let hue = if kept.best { theme.score } else { theme.dim };
        spans.push(Span::styled(grouped(kept.step), theme.style(hue)));
        let (note, hue) = match (kept.best, kept.pinned) {
            (true, true) => (" (best, pinned)", theme.score),
            (true, false) => (" (best)", theme.score),
            (false, true) => (" (pinned)", theme.selected),
            (false, false) => continue,
        };
        spans.push(Span::styled(note, theme.style(hue)));
    }
    spans
}

fn ago(age: &str) -> String {
    if age == "now" { "just now".to_owned() } else { format!("{age} ago") }
}

fn draw_loss(run: &RunEntry, frame: &mut Frame, area: Rect, look: &Look) {
    let theme = &look.theme;
    let mut series = Series::default();
    for (step, value) in run.summary.loss.points() {
        series.push(At { step: step as f64, time: 0.0 }, value);
    }
    let now = run.summary.last_loss.map(|loss| Span::styled(number(loss), theme.bold(theme.loss)));
    let title = Title { values: now.into_iter().collect(), ..Title::named("Loss") };
    let inner = panel(frame, area, look, false, title);
    let curve = Curve::line("loss", &series, theme.style(theme.loss));
    let chart = Chart { ascii: look.ascii, ..Chart::over_steps(vec![curve], "no steps yet", theme.style(theme.dim)) };
    chart.draw(inner, frame.buffer_mut());
}

/// Draws the dialog that keys go to, if there is one.
pub(super) fn draw_mode(mode: &Mode, frame: &mut Frame, area: Rect, look: &Look) {
    match mode {
        Mode::List | Mode::Filter { .. } => {}
        Mode::Rename(renaming) => renaming.draw(frame, area, look),
        Mode::Tag(paths, input) => {
            let title = if paths.len() == 1 { "Tags".to_owned() } else { format!("Tags of {} runs", paths.len()) };
            let hint = hint("separated by spaces  enter save  esc cancel", look);
            popup(frame, area, look, &title, vec![typed(input, look), Line::default(), hint], 60);
        }
        Mode::TrainLonger(longer) => {
            let lines = vec![
                Line::default(),
                Line::styled(
                    format!(" {} {}", short(&longer.name, look), longer.ended),
                    look.theme.style(look.theme.text),
                ),
                hint("settings for the steps to come:", look),
                Line::default(),
                typed(&longer.input, look),
                Line::default(),
                hint("KEY=VALUE ...  enter resume  esc cancel", look),
            ];
            popup(frame, area, look, "Train for longer", lines, 64);
        }
        Mode::Delete(paths) => {
            let lines = vec![
                Line::default(),
                Line::styled(format!(" {}", question(paths, look)), look.theme.style(look.theme.text)),
                hint("with all checkpoints, to .trash in the runs folder", look),
                Line::default(),
                answers("move to trash", "cancel", look),
            ];
            popup(frame, area, look, "Move to trash", lines, 64);
        }
        Mode::Export(form) => form.draw(frame, area, look),
        Mode::Biases(order, biases) => {
            let name = order.run.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why = wrapped(&plain(&biases.to_string()), 62);
            let mut lines = vec![Line::default()];
            lines.extend(
                why.into_iter().map(|line| Line::styled(format!(" {line}"), look.theme.style(look.theme.text))),
            );
            lines.push(Line::default());
            lines.push(answers("export without biases", "cancel", look));
            popup(frame, area, look, &format!("Export {}", plain(&name)), lines, 68);
        }
        Mode::Pins(dialog) => dialog.draw(frame, area, look),
    }
}

/// A text being typed, with a cursor.
fn typed<'a>(input: &LineInput, look: &Look) -> Line<'a> {
    let theme = &look.theme;
    let (before, after) = input.parts();
    Line::from(vec![
        Span::styled(format!(" {before}"), theme.bold(theme.text)),
        Span::styled("_", theme.bold(theme.accent)),
        Span::styled(after, theme.bold(theme.text)),
    ])
}

fn hint<'a>(text: &str, look: &Look) -> Line<'a> {
    Line::styled(format!(" {text}"), look.theme.style(look.theme.dim))
}

/// The keys y and n with their meanings.
fn answers<'a>(yes: &'a str, no: &'a str, look: &Look) -> Line<'a> {
    let theme = &look.theme;
    let key = |key: &'static str| Span::styled(key, theme.bold(theme.accent));
    let word = |word: String| Span::styled(word, theme.style(theme.text));
    Line::from(vec![key(" y"), word(format!(" {yes}   ")), key("n"), word(format!(" {no}"))])
}

/// A name within a sentence of a dialog.
fn short(name: &str, look: &Look) -> String {
    truncated(name, 36, look.ascii)
}

fn question(paths: &[PathBuf], look: &Look) -> String {
    match paths {
        [one] => {
            let name = plain(&one.file_name().unwrap_or_default().to_string_lossy());
            format!("Move {} to the trash?", short(&name, look))
        }
        many => format!("Move {} runs to the trash?", many.len()),
    }
}
