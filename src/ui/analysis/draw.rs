//! Draws the screen of an analysis: its state, its findings, and the part in front.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{AnalysisScreen, Part, State, table};
use crate::analysis::Report;
use crate::ui::format::{duration, fitted_end, plain, progress, truncated, width, wrapped};
use crate::ui::theme::Look;
use crate::ui::widgets::figure;
use crate::ui::widgets::panel::{Title, panel, placeholder};

/// Cells of the progress bar.
const BAR: usize = 20;

impl AnalysisScreen {
    /// Draws the analysis.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let [state, findings, part] = self.areas(area);
        self.draw_state(frame, state, look);
        let Some(report) = self.report.as_deref() else {
            let inner = panel(frame, part, look, false, Title::named("Report"));
            let text = match &self.state {
                State::None => "no analysis yet: press a at Home on a preset, or start finesift analyze",
                State::Failed(_) | State::Cancelled => "no report",
                State::Running { .. } | State::Done => "figures appear with the first batch",
            };
            return placeholder(frame, inner, look, &truncated(text, usize::from(inner.width), look.ascii));
        };
        if findings.height > 2 {
            let inner = panel(frame, findings, look, false, Title::named("Findings"));
            let lines = listed(&report.findings, inner.width);
            let hidden = lines.len().saturating_sub(usize::from(inner.height));
            draw_lines(frame, inner, look, &lines, 0);
            if hidden > 0 {
                let more =
                    if hidden == 1 { " 1 more line: tab ".to_owned() } else { format!(" {hidden} more lines: tab ") };
                let at =
                    Rect { y: findings.bottom() - 1, height: 1, width: findings.width.saturating_sub(2), ..findings };
                frame.render_widget(Line::styled(more, look.theme.style(look.theme.dim)).right_aligned(), at);
            }
        }
        self.draw_part(frame, part, look, report);
    }

    /// Lines or rows of the part in front that can be scrolled.
    pub(super) fn rows(&self, area: Rect, _look: &Look) -> usize {
        let [_, _, part] = self.areas(area);
        let room = part.width.saturating_sub(2);
        let height = usize::from(part.height.saturating_sub(2));
        let Some(report) = self.report.as_deref() else { return 0 };
        let lines = match self.shown() {
            Some(Part::Table(number)) => {
                return report.tables.get(number).map_or(0, |table| table.rows.len());
            }
            Some(Part::Findings) => listed(&report.findings, room).len(),
            Some(Part::Notes) => listed(&report.notes, room).len(),
            Some(Part::Figure(_)) | None => 0,
        };
        // The last page stays full.
        (lines + 1).saturating_sub(height)
    }

    /// The areas of the state, the findings and the part in front.
    fn areas(&self, area: Rect) -> [Rect; 3] {
        let findings = match (&self.report, self.shown()) {
            (Some(report), Some(Part::Figure(_) | Part::Table(_))) if !self.full => {
                let lines = listed(&report.findings, area.width.saturating_sub(2)).len() as u16;
                // A figure needs more room than the sentences about it.
                (lines + 2).min(area.height.saturating_sub(13)).min(area.height * 2 / 5)
            }
            _ => 0,
        };
        let findings = if findings > 2 { findings } else { 0 };
        Layout::vertical([Constraint::Length(1), Constraint::Length(findings), Constraint::Fill(1)]).areas(area)
    }

    fn draw_state(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let dot = if look.ascii { "*" } else { "●" };
        let room = usize::from(area.width);
        let mut line = Line::default();
        let (sign, word, hue) = match &self.state {
            State::None => ("", String::new(), theme.dim),
            State::Running { cancelling: true, .. } => (dot, "cancelling after this batch".into(), theme.paused),
            State::Running { progress: None, .. } => (dot, "opening model and data".into(), theme.accent),
            State::Running { progress: Some(progress), .. } => {
                (dot, format!("{} {}/{}", plain(&progress.task), progress.done, progress.total), theme.accent)
            }
            State::Done => (dot, "done".into(), theme.good),
            State::Cancelled => (dot, "cancelled; nothing was written".into(), theme.warning),
            State::Failed(error) => (dot, plain(error), theme.error),
        };
        line.push_span(Span::styled(truncated(&format!(" {sign} {word}"), room, look.ascii), theme.style(hue)));
        if let State::Running { progress: Some(at), since, .. } = &self.state
            && at.total > 0
        {
            let share = at.done as f64 / at.total as f64;
            let cells = BAR.min(room.saturating_sub(line.width() + 30));
            let full = (cells as f64 * share).round() as usize;
            let (filled, empty) = if look.ascii { ("=", "-") } else { ("━", "━") };
            line.push_span(Span::raw("  "));
            line.push_span(Span::styled(filled.repeat(full.min(cells)), theme.style(theme.bar)));
            line.push_span(Span::styled(empty.repeat(cells.saturating_sub(full)), theme.style(theme.track)));
            let spent = self.now.saturating_sub(*since).as_secs_f64();
            let left = (at.done > 0 && spent > 1.0).then(|| format!(" ~{} left", duration(spent / share - spent)));
            line.push_span(Span::styled(
                format!(" {}{}", progress(share), left.unwrap_or_default()),
                theme.style(theme.text),
            ));
        }
        if let State::Done = self.state {
            let folder = format!("files in {}", plain(&self.folder.display().to_string()));
            let folder = fitted_end(&folder, room.saturating_sub(line.width() + 3), look.ascii);
            line.push_span(Span::styled(format!("  {}", folder.trim_end()), theme.style(theme.dim)));
        }
        let used = line.width();
        frame.render_widget(line, area);
        let title = plain(&self.title);
        if used + width(&title) + 3 <= room {
            frame.render_widget(Line::styled(format!("{title} "), theme.bold(theme.text)).right_aligned(), area);
        }
    }

    fn draw_part(&self, frame: &mut Frame, area: Rect, look: &Look, report: &Report) {
        let parts = Part::all(report);
        let note = format!("{}/{}", self.part + 1, parts.len());
        let Some(part) = parts.get(self.part) else { return };
        let named = |name: &str| fitted_title(name, area.width, &note, look);
        match part {
            Part::Figure(number) => {
                let shown = &report.figures[*number];
                let title = named(&shown.title);
                let inner = panel(frame, area, look, true, Title { note, ..Title::named(&title) });
                figure::draw(frame, inner, look, shown, self.cursor);
            }
            Part::Table(number) => {
                let shown = &report.tables[*number];
                let title = named(&shown.title);
                let inner = panel(frame, area, look, true, Title { note, ..Title::named(&title) });
                table::draw(frame, inner, look, shown, (self.scrolled, self.column));
            }
            Part::Findings => {
                let inner = panel(frame, area, look, true, Title { note, ..Title::named("Findings") });
                draw_lines(frame, inner, look, &listed(&report.findings, inner.width), self.scrolled);
            }
            Part::Notes => {
                let inner = panel(frame, area, look, true, Title { note, ..Title::named("Notes") });
                draw_lines(frame, inner, look, &listed(&report.notes, inner.width), self.scrolled);
            }
        }
    }
}

/// A title that leaves room for the note.
fn fitted_title(name: &str, area: u16, note: &str, look: &Look) -> String {
    truncated(&plain(name), usize::from(area).saturating_sub(note.len() + 9), look.ascii)
}

/// Sentences with a dash before each, wrapped.
fn listed(sentences: &[String], room: u16) -> Vec<String> {
    let room = usize::from(room).saturating_sub(4);
    let lines = sentences.iter().flat_map(|sentence| {
        let lines = wrapped(&plain(sentence), room.max(1));
        lines.into_iter().enumerate().map(|(number, line)| format!(" {} {line}", if number == 0 { '-' } else { ' ' }))
    });
    lines.collect()
}

fn draw_lines(frame: &mut Frame, area: Rect, look: &Look, lines: &[String], scrolled: usize) {
    let shown = lines.iter().skip(scrolled).take(usize::from(area.height));
    let lines: Vec<Line> = shown.map(|line| Line::styled(line.clone(), look.theme.style(look.theme.text))).collect();
    frame.render_widget(Paragraph::new(lines), area);
}
