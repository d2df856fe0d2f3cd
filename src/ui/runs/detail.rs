//! Details and loss curve of the run under the cursor, below the table.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::list::RunList;
use super::sign::sign;
use crate::runs::{CheckpointSummary, RunEnd, RunEntry};
use crate::series::{At, Series};
use crate::ui::format::{age, duration, fitted_end, grouped, number, plain, score, truncated, wrapped_at_most};
use crate::ui::theme::Look;
use crate::ui::widgets::chart::{Chart, Curve};
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::panel::{Title, panel};

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
    let (ascii, pixels) = (look.ascii, look.pixels.as_ref());
    let chart = Chart { ascii, pixels, ..Chart::over_steps(vec![curve], "no steps yet", theme.style(theme.dim)) };
    chart.draw(inner, frame.buffer_mut());
}
