//! What a language model answered when it was asked, the newest first; the marked answer in full, beside the first one to the
//! same question.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Margin, Position, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::list::{clicked, first, moved, pointer};
use super::scene::Scene;
use super::view::View;
use crate::runs::{Completion, History};
use crate::ui::format::{fitted, grouped, plain, wrapped};
use crate::ui::keymap::Action;
use crate::ui::widgets::panel::{Title, panel};

/// Lines of a question at most, above its answers.
const QUESTION: usize = 3;

/// The answers in the list's order.
fn listed(run: &History) -> Vec<&Completion> {
    run.completions.iter().rev().collect()
}

/// Does what a key says.
pub fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let page = usize::from(parts(body)[0].height.saturating_sub(3));
    view.example = moved(view.example, action, page, run.completions.len());
}

/// Marks what was clicked on.
pub fn click(view: &mut View, run: &History, at: Position, body: Rect) {
    let [_, rows] = rows(parts(body)[0].inner(Margin::new(1, 1)));
    if let Some(place) = clicked(at, rows, view.example, run.completions.len()) {
        view.example = place;
    }
}

/// The list, and the marked answer in full.
fn parts(body: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(body)
}

/// The names of the list's columns, and the answers.
fn rows(inner: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner)
}

/// Draws the list, and the marked answer in full.
pub fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let [list, detail] = parts(body);
    let answers = listed(scene.run);
    let marked = scene.view.example.min(answers.len().saturating_sub(1));
    let note = if answers.is_empty() { String::new() } else { "the newest first".into() };
    let inner = panel(frame, list, scene.look, true, Title { note, ..Title::named("Answers") });
    let Some(answer) = answers.get(marked) else {
        let waiting = "waiting to be asked: by sample.prompts at an evaluation, by key (g) at once";
        let waiting = Line::styled(waiting, theme.style(theme.dim)).centered();
        frame.render_widget(waiting, Rect { y: inner.y + inner.height / 2, height: 1.min(inner.height), ..inner });
        panel(frame, detail, scene.look, false, Title::named("Marked"));
        return;
    };
    let longest = answers.iter().map(|answer| Span::raw(plain(&answer.prompt)).width()).max().unwrap_or(0);
    let asked = longest.clamp(5, 8.max(usize::from(inner.width) * 2 / 5));
    let [head, rows] = rows(inner);
    let names = format!("    step  {:<asked$}  answer", "asked");
    frame.render_widget(Line::styled(names, theme.style(theme.dim)), head);
    let shown = answers.iter().enumerate().skip(first(marked, rows.height));
    for ((place, answer), y) in shown.zip(rows.top()..rows.bottom()) {
        let text = if place == marked { theme.bold(theme.text) } else { theme.style(theme.text) };
        let line = Line::from(vec![
            Span::styled(pointer(scene, place == marked), theme.bold(theme.accent)),
            Span::styled(format!("{:>7}  ", grouped(answer.step)), theme.style(theme.dim)),
            Span::styled(fitted(&plain(&answer.prompt), asked, scene.look.ascii), theme.style(theme.accent)),
            Span::raw("  "),
            Span::styled(plain(answer.text.trim_start()), text),
        ]);
        frame.render_widget(line, Rect { y, height: 1, ..rows });
    }
    draw_detail(frame, detail, scene, answer);
}

/// The question, and below it what was answered first and what was answered now.
fn draw_detail(frame: &mut Frame, area: Rect, scene: Scene, answer: &Completion) {
    let theme = &scene.look.theme;
    let question = wrapped(&plain(&answer.prompt), usize::from(area.width.saturating_sub(2)));
    let question: Vec<Line> = question
        .into_iter()
        .take(QUESTION)
        .map(|line| Line::styled(format!(" {line}"), theme.style(theme.accent)))
        .collect();
    let [above, below] = Layout::vertical([Constraint::Length(question.len() as u16), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(question), above);
    let before =
        scene.run.completions.iter().find(|before| before.prompt == answer.prompt && before.step < answer.step);
    let mut draw = |name: &str, answer: &Completion, area: Rect| {
        let title = Title { note: format!("step {}", grouped(answer.step)), ..Title::named(name) };
        let inner = panel(frame, area, scene.look, false, title);
        let lines: Vec<Line> =
            answer.text.lines().map(|line| Line::styled(plain(line), theme.style(theme.text))).collect();
        frame.render_widget(Paragraph::new(Text::from(lines)).wrap(Wrap { trim: false }), inner);
    };
    match before {
        Some(before) => {
            let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(below);
            draw("First answer", before, left);
            draw("Completion", answer, right);
        }
        None => draw("Completion", answer, below),
    }
}
