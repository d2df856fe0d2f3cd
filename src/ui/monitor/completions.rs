//! The Samples tab of a language model: its completions, newest first; below, the one under the cursor beside the first
//! completion of the same prompt.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Margin, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::list::{first_visible, move_cursor, pointer, row_at};
use super::scene::Scene;
use super::view::View;
use crate::runs::{Completion, History};
use crate::ui::format::{fitted, grouped, plain, wrapped_at_most};
use crate::ui::keymap::Action;
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::panel::{Title, panel, placeholder};
use crate::ui::widgets::wrap::draw_wrapped;

/// Lines of a prompt above its completions, at most.
const PROMPT_LINES: usize = 3;

/// The completions, newest first.
fn newest_first(run: &History) -> Vec<&Completion> {
    run.completions.iter().rev().collect()
}

pub(super) fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let page = usize::from(parts(body)[0].height.saturating_sub(3));
    view.example = move_cursor(view.example, action, page, run.completions.len());
}

pub(super) fn click(view: &mut View, run: &History, at: Position, body: Rect) {
    let [_, rows] = rows(parts(body)[0].inner(Margin::new(1, 1)));
    if let Some(index) = row_at(at, rows, view.example, run.completions.len()) {
        view.example = index;
    }
}

/// The list, and the details.
fn parts(body: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(body)
}

/// The header of the list, and its rows.
fn rows(inner: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner)
}

pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let [list, detail] = parts(body);
    let answers = newest_first(scene.run);
    let cursor = scene.view.example.min(answers.len().saturating_sub(1));
    let note = if answers.is_empty() { String::new() } else { "newest first".into() };
    let inner = panel(frame, list, scene.look, true, Title { note, ..Title::named("Completions") });
    let Some(answer) = answers.get(cursor) else {
        let waiting = "no completions yet; set sample.prompts, or enter a prompt with g";
        placeholder(frame, inner, scene.look, waiting);
        panel(frame, detail, scene.look, false, Title::named("Completion"));
        return;
    };
    let longest = answers.iter().map(|answer| crate::ui::format::width(&plain(&answer.prompt))).max().unwrap_or(0);
    let width = longest.clamp(6, 8.max(usize::from(inner.width) * 2 / 5));
    let [head, rows] = rows(inner);
    let names = format!("    step  {:<width$}  completion", "prompt");
    frame.render_widget(Line::styled(names, theme.style(theme.dim)), head);
    let shown = answers.iter().enumerate().skip(first_visible(cursor, rows.height));
    for ((index, answer), y) in shown.zip(rows.top()..rows.bottom()) {
        let text = if index == cursor { theme.bold(theme.text) } else { theme.style(theme.text) };
        let line = Line::from(vec![
            Span::styled(pointer(scene, index == cursor), theme.bold(theme.accent)),
            Span::styled(format!("{:>7}  ", grouped(answer.step)), theme.style(theme.dim)),
            Span::styled(fitted(&plain(&answer.prompt), width, scene.look.ascii), theme.style(theme.accent)),
            Span::raw("  "),
            Span::styled(plain(answer.text.trim_start()), text),
        ]);
        frame.render_widget(cut(line, usize::from(rows.width), scene.look.ascii), Rect { y, height: 1, ..rows });
    }
    draw_detail(frame, detail, scene, answer);
}

/// Draws the prompt, and below it the first and the current completion.
fn draw_detail(frame: &mut Frame, area: Rect, scene: Scene, answer: &Completion) {
    let theme = &scene.look.theme;
    let room = usize::from(area.width.saturating_sub(2));
    let prompt = wrapped_at_most(&plain(&answer.prompt), room, PROMPT_LINES, scene.look.ascii);
    let prompt: Vec<Line> =
        prompt.into_iter().map(|line| Line::styled(format!(" {line}"), theme.style(theme.accent))).collect();
    let [above, below] = Layout::vertical([Constraint::Length(prompt.len() as u16), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(prompt), above);
    let first = scene.run.completions.iter().find(|first| first.prompt == answer.prompt && first.step < answer.step);
    let mut draw = |title: Title, answer: &Completion, area: Rect| {
        let inner = panel(frame, area, scene.look, false, title);
        let lines: Vec<Line> =
            answer.text.lines().map(|line| Line::styled(plain(line), theme.style(theme.text))).collect();
        draw_wrapped(frame, inner, &lines, 0, scene.look);
    };
    let at_step = |name, step| Title { note: format!("step {}", grouped(step)), ..Title::named(name) };
    match first {
        Some(first) => {
            let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(below);
            let title = match first.step {
                0 => Title::named("Base model (step 0)"),
                step => at_step("First completion", step),
            };
            draw(title, first, left);
            draw(at_step("Completion", answer.step), answer, right);
        }
        None => draw(at_step("Completion", answer.step), answer, below),
    }
}
