//! Below the table: what is known of the run under the cursor, and its loss. Above it: what is typed or asked.

use std::path::PathBuf;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::list::RunList;
use super::mode::Mode;
use super::sign::sign;
use crate::runs::{CheckpointSummary, RunEnd, RunEntry};
use crate::series::{At, Series};
use crate::ui::format::{Unit, age, duration, grouped, number, plain, score, wrapped};
use crate::ui::theme::Look;
use crate::ui::widgets::chart::{Chart, Curve, Shape};
use crate::ui::widgets::panel::{Title, panel};
use crate::ui::widgets::popup::popup;

pub(super) fn draw(runs: &RunList, frame: &mut Frame, area: Rect, look: &Look) {
    let Some(run) = runs.current() else {
        panel(frame, area, look, false, Title::named("Run"));
        return;
    };
    let [left, right] = Layout::horizontal([Constraint::Fill(6), Constraint::Fill(5)]).areas(area);
    let inner = panel(frame, left, look, false, Title::named(&plain(&run.name)));
    frame.render_widget(Paragraph::new(facts(runs, run, look, usize::from(inner.width))), inner);
    draw_loss(run, frame, right, look);
}

fn facts<'a>(runs: &RunList, run: &RunEntry, look: &Look, width: usize) -> Vec<Line<'a>> {
    let (theme, summary) = (&look.theme, &run.summary);
    let (hue, sign) = sign(run.state, look);
    let row = |name: &'static str, value: Vec<Span<'a>>| {
        let mut spans = vec![Span::styled(format!(" {name:<7}"), theme.style(theme.dim))];
        spans.extend(value);
        Line::from(spans)
    };
    let text = |text: String| Span::styled(text, theme.style(theme.text));
    let told = run.updated.map(|told| format!("  {}", ago(&age(runs.now, told)))).unwrap_or_default();
    let mut lines =
        vec![row("state", vec![Span::styled(format!("{sign} {}", run.state.name()), theme.bold(hue)), text(told)])];
    if let Some(RunEnd::Failed { error, .. }) = &summary.end {
        let error = wrapped(&plain(error), width.saturating_sub(9)).into_iter().take(3).enumerate();
        lines.extend(error.map(|(number, part)| {
            row(if number == 0 { "error" } else { "" }, vec![Span::styled(part, theme.style(theme.error))])
        }));
    }
    if summary.steps > 0 {
        let steps = format!("{} of {}", grouped(summary.step), grouped(summary.steps));
        lines.push(row("steps", vec![text(format!("{steps} in {}", duration(summary.elapsed)))]));
    }
    if let Some(best) = summary.best() {
        let value = Span::styled(format!("{} {}", plain(best.name), score(best.score)), theme.bold(theme.score));
        lines.push(row("best", vec![value, text(format!(" at step {}", grouped(best.step)))]));
    }
    if !summary.model.is_empty() {
        let subject = format!("{} on {}, {}", summary.model, summary.data, summary.device);
        lines.push(row("model", vec![text(plain(&subject))]));
        lines.push(row("preset", vec![text(plain(&format!("{}: {}", summary.preset, summary.about)))]));
    }
    if !run.tags.is_empty() {
        let tags: Vec<String> = run.tags.iter().map(|tag| format!("#{tag}")).collect();
        lines.push(row("tags", vec![Span::styled(tags.join(" "), theme.style(theme.selected))]));
    }
    if !run.checkpoints.is_empty() {
        lines.push(row("kept", kept(&run.checkpoints, look)));
    }
    lines.push(row("folder", vec![Span::styled(plain(&run.path.display().to_string()), theme.style(theme.dim))]));
    lines
}

/// The steps of checkpoints, the newest first; pinned ones stand out, and the best has its colour.
fn kept<'a>(kept: &[CheckpointSummary], look: &Look) -> Vec<Span<'a>> {
    let theme = &look.theme;
    let mut spans = Vec::new();
    for kept in kept {
        let hue = if kept.best { theme.score } else { theme.dim };
        spans.push(Span::styled(format!("{} ", grouped(kept.step)), theme.style(hue)));
        if kept.pinned {
            spans.push(Span::styled("pinned ", theme.style(theme.selected)));
        }
    }
    spans
}

fn ago(age: &str) -> String {
    if age == "now" { age.to_owned() } else { format!("{age} ago") }
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
    let chart = Chart {
        curves: vec![Curve { name: "loss", series: &series, style: theme.style(theme.loss), shape: Shape::Line }],
        axis: |at| at.step,
        window: None,
        log: false,
        value: Unit::Number,
        place: Unit::Steps,
        include: &[],
        cursor: None,
        marks: Vec::new(),
        waiting: "no step was taken",
        axes: theme.style(theme.dim),
        ascii: look.ascii,
    };
    chart.draw(inner, frame.buffer_mut());
}

/// What is typed, or asked.
pub(super) fn draw_mode(mode: &Mode, frame: &mut Frame, area: Rect, look: &Look) {
    let theme = &look.theme;
    let typed = |text: &str| {
        Line::from(vec![
            Span::styled(format!(" {}", plain(text)), theme.bold(theme.text)),
            Span::styled("_", theme.bold(theme.accent)),
        ])
    };
    let hint = |text: &'static str| Line::styled(format!(" {text}"), theme.style(theme.dim));
    match mode {
        Mode::List | Mode::Filter { .. } => {}
        Mode::Rename(_, entry) => {
            let lines = vec![typed(&entry.text), Line::default(), hint("enter renames, esc leaves it")];
            popup(frame, area, look, "Another name", lines, 60);
        }
        Mode::Tag(paths, entry) => {
            let of = if paths.len() == 1 { "Tags".to_owned() } else { format!("Tags of {} runs", paths.len()) };
            let lines = vec![typed(&entry.text), Line::default(), hint("words; enter sets them, esc leaves them")];
            popup(frame, area, look, &of, lines, 60);
        }
        Mode::Delete(paths) => {
            let mut lines = vec![Line::default()];
            lines.push(Line::styled(format!(" {}", question(paths)), theme.style(theme.text)));
            lines.push(hint("with its checkpoints, to .trash within the folder of runs"));
            lines.push(Line::default());
            let key = |key: &'static str| Span::styled(key, theme.bold(theme.accent));
            let word = |word: &'static str| Span::styled(word, theme.style(theme.text));
            lines.push(Line::from(vec![key(" y"), word(" delete   "), key("n"), word(" keep")]));
            popup(frame, area, look, "Delete", lines, 64);
        }
        Mode::Export(draft) => draft.draw(frame, area, look),
        Mode::Biases(order, biases) => {
            let name = order.run.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let key = |key: &'static str| Span::styled(key, theme.bold(theme.accent));
            let word = |word: &'static str| Span::styled(word, theme.style(theme.text));
            let why = wrapped(&plain(&biases.to_string()), 62);
            let mut lines = vec![Line::default()];
            lines.extend(why.into_iter().map(|line| Line::styled(format!(" {line}"), theme.style(theme.text))));
            lines.push(Line::default());
            lines.push(Line::from(vec![key(" y"), word(" leave them out   "), key("n"), word(" write no adapter")]));
            popup(frame, area, look, &format!("Export {}", plain(&name)), lines, 68);
        }
        Mode::Pins(pins) => pins.draw(frame, area, look),
    }
}

fn question(paths: &[PathBuf]) -> String {
    match paths {
        [one] => format!("Delete {}?", plain(&one.file_name().unwrap_or_default().to_string_lossy())),
        many => format!("Delete {} runs?", many.len()),
    }
}
