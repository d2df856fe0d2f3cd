//! Entries of the conversation as lines: wrapped, and from 100 columns on with both answers side by side.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::exchange::{Answer, AnswerState, Exchange};
use super::model::Model;
use super::transcript::Entry;
use crate::chat::{CompletionEnd, Rate};
use crate::ui::format::{grouped, padded, plain_lines, wrapped_lines};
use crate::ui::theme::Look;

/// Columns of the conversation from which answers lie side by side.
const SIDE_BY_SIDE: usize = 96;

/// The heading of the base model's answers.
const BASE: &str = "base model";

/// Writes entries as lines.
pub struct Writer<'a> {
    width: usize,
    look: &'a Look,
    /// The heading of the fine-tuned model's answers.
    fine_tuned: String,
}

impl<'a> Writer<'a> {
    /// Lines of at most `width` cells.
    pub fn new(width: u16, look: &'a Look, model: &Model) -> Writer<'a> {
        Writer { width: usize::from(width), look, fine_tuned: model.fine_tuned() }
    }

    /// The lines of an entry, the last one empty.
    pub fn lines(&self, entry: &Entry) -> Vec<Line<'static>> {
        let theme = &self.look.theme;
        let mut lines = match entry {
            Entry::Exchange(exchange) => self.exchange(exchange),
            Entry::Note(text) => self.note(text, theme.style(theme.dim)),
            Entry::Error(text) => self.note(text, theme.style(theme.error)),
        };
        lines.push(Line::default());
        lines
    }

    fn note(&self, text: &str, style: Style) -> Vec<Line<'static>> {
        wrapped_lines(&plain_lines(text), self.width).into_iter().map(|line| Line::styled(line, style)).collect()
    }

    fn exchange(&self, exchange: &Exchange) -> Vec<Line<'static>> {
        let mut lines = self.prompt(&exchange.prompt);
        lines.push(Line::default());
        match &exchange.base {
            None => lines.extend(self.answer(&exchange.answer, self.width)),
            Some(base) if self.width >= SIDE_BY_SIDE => lines.extend(self.side_by_side(base, &exchange.answer)),
            Some(base) => {
                lines.push(self.heading(BASE.into()));
                lines.extend(self.answer(base, self.width));
                lines.extend([Line::default(), self.heading(self.fine_tuned.clone())]);
                lines.extend(self.answer(&exchange.answer, self.width));
            }
        }
        lines
    }

    fn prompt(&self, text: &str) -> Vec<Line<'static>> {
        let theme = &self.look.theme;
        let mark = if self.look.ascii { "> " } else { "❯ " };
        let lines = wrapped_lines(&plain_lines(text), self.width.saturating_sub(2));
        let line = |(number, line)| {
            let mark = if number == 0 { mark } else { "  " };
            Line::from(vec![Span::styled(mark, theme.bold(theme.accent)), Span::styled(line, theme.bold(theme.text))])
        };
        lines.into_iter().enumerate().map(line).collect()
    }

    fn heading(&self, name: String) -> Line<'static> {
        Line::styled(name, self.look.theme.style(self.look.theme.accent))
    }

    /// An answer, and below it how it ended.
    fn answer(&self, answer: &Answer, width: usize) -> Vec<Line<'static>> {
        let theme = &self.look.theme;
        let text = plain_lines(&answer.text);
        // Models often begin with a line break.
        let mut text = text.trim_matches('\n').trim_end().to_owned();
        if answer.state == AnswerState::Streaming {
            text.push_str(if self.look.ascii { "_" } else { "▌" });
        }
        let mut lines = Vec::new();
        if !text.is_empty() {
            let style = theme.style(theme.text);
            lines.extend(wrapped_lines(&text, width).into_iter().map(|line| Line::styled(line, style)));
        }
        let style = theme.style(if matches!(answer.state, AnswerState::Failed(_)) { theme.error } else { theme.dim });
        lines.extend(wrapped_lines(&end(answer), width).into_iter().map(|line| Line::styled(line, style)));
        lines
    }

    fn side_by_side(&self, base: &Answer, fine_tuned: &Answer) -> Vec<Line<'static>> {
        let theme = &self.look.theme;
        let (edge, left) = (if self.look.ascii { " | " } else { " │ " }, (self.width - 3) / 2);
        let column = |heading, answer, width| -> Vec<Line<'static>> {
            [self.heading(heading)].into_iter().chain(self.answer(answer, width)).collect()
        };
        let base = column(BASE.into(), base, left);
        let fine_tuned = column(self.fine_tuned.clone(), fine_tuned, self.width - 3 - left);
        let rows = base.len().max(fine_tuned.len());
        let (mut base, mut fine_tuned) = (base.into_iter(), fine_tuned.into_iter());
        let row = |_| {
            let (base, tuned) = (base.next().unwrap_or_default(), fine_tuned.next().unwrap_or_default());
            let style = base.style;
            let text = padded(&base.to_string(), left);
            let edge = Span::styled(edge, theme.style(theme.border));
            Line::from(vec![Span::styled(text, style), edge, Span::styled(tuned.to_string(), tuned.style)])
        };
        (0..rows).map(row).collect()
    }
}

/// How an answer ended, or what it waits for.
fn end(answer: &Answer) -> String {
    let rate = rate(answer.rate);
    match &answer.state {
        AnswerState::Waiting => "reading the prompt".into(),
        AnswerState::Streaming => rate,
        AnswerState::Ended(CompletionEnd::StopToken) if answer.text.trim().is_empty() => "an empty answer".into(),
        AnswerState::Ended(CompletionEnd::StopToken) => rate,
        AnswerState::Ended(CompletionEnd::MaxNewTokens) => format!("{rate}; cut at the maximum of new tokens"),
        AnswerState::Ended(CompletionEnd::Stopped) => format!("{rate}; stopped"),
        AnswerState::Failed(error) => plain_lines(error),
    }
}

/// `57 tokens, 31.2 tokens/s`.
fn rate(rate: Rate) -> String {
    let noun = if rate.tokens == 1 { "token" } else { "tokens" };
    let tokens = format!("{} {noun}", grouped(rate.tokens as u64));
    match rate.per_second() {
        Some(speed) if speed < 100.0 => format!("{tokens}, {speed:.1} tokens/s"),
        Some(speed) => format!("{tokens}, {} tokens/s", grouped(speed.round() as u64)),
        None => tokens,
    }
}
