//! The Samples tab of a classifier: its predictions for held-out examples, highest loss first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::list::{first_visible, move_cursor, pointer, row_at};
use super::scene::Scene;
use super::view::View;
use crate::protocol::ExamplePrediction;
use crate::runs::History;
use crate::ui::format::{fitted, grouped, number, plain, width};
use crate::ui::keymap::Action;
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::panel::{Title, panel, placeholder};

fn examples(run: &History) -> &[ExamplePrediction] {
    run.examples.as_ref().map_or(&[], |examples| &examples.examples)
}

pub(super) fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let page = usize::from(parts(body)[0].height.saturating_sub(3));
    view.example = move_cursor(view.example, action, page, examples(run).len());
}

pub(super) fn click(view: &mut View, run: &History, at: Position, body: Rect) {
    let inner = parts(body)[0].inner(ratatui::layout::Margin::new(1, 1));
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if let Some(index) = row_at(at, rows, view.example, examples(run).len()) {
        view.example = index;
    }
}

/// The list, and the details.
fn parts(body: Rect) -> [Rect; 2] {
    let detail = (body.height / 3).clamp(5, 14);
    Layout::vertical([Constraint::Fill(1), Constraint::Length(detail)]).areas(body)
}

pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let theme = &scene.look.theme;
    let [list, detail] = parts(body);
    let examples = examples(scene.run);
    let cursor = scene.view.example.min(examples.len().saturating_sub(1));
    let mut title = Title::named("Examples");
    if let Some(examples) = &scene.run.examples {
        if let Some(wrong) = examples.wrong {
            let hue = if wrong == 0 { theme.good } else { theme.error };
            title.values.push(Span::styled(format!("{} wrong", grouped(wrong)), theme.bold(hue)));
        }
        title.values.push(Span::styled(format!("of {}", grouped(examples.of)), theme.style(theme.dim)));
        title.note = format!("{} highest-loss examples at step {}", examples.examples.len(), grouped(examples.step));
    }
    let inner = panel(frame, list, scene.look, true, title);
    let Some(judged) = examples.get(cursor) else {
        placeholder(frame, inner, scene.look, "waiting for an evaluation");
        panel(frame, detail, scene.look, false, Title::named("Example"));
        return;
    };
    let widest = examples.iter().flat_map(|judged| [&judged.prediction, &judged.label]).map(|name| width(name));
    let class = widest.max().unwrap_or(0).clamp(9, 16.max(usize::from(inner.width) / 8));
    let head = format!("    loss  confidence   {:<class$}  {:<class$}  text", "predicted", "label");
    frame.render_widget(Line::styled(head, theme.style(theme.dim)), Rect { height: 1.min(inner.height), ..inner });
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let first = first_visible(cursor, rows.height);
    for ((index, judged), y) in examples.iter().enumerate().skip(first).zip(rows.top()..rows.bottom()) {
        let line = line(scene, judged, class, index == cursor);
        frame.render_widget(cut(line, usize::from(rows.width), scene.look.ascii), Rect { y, height: 1, ..rows });
    }
    draw_detail(frame, detail, scene, judged);
}

fn line(scene: Scene, judged: &ExamplePrediction, class: usize, under_cursor: bool) -> Line<'static> {
    let theme = &scene.look.theme;
    let mut line = Line::from(Span::styled(pointer(scene, under_cursor), theme.bold(theme.accent)));
    let text = if under_cursor { theme.bold(theme.text) } else { theme.style(theme.text) };
    let hue = if judged.prediction == judged.label { theme.good } else { theme.error };
    // A regression model predicts numbers, without a confidence.
    let regression = judged.confidence.is_none();
    let mark = match (regression, judged.prediction == judged.label, scene.look.ascii) {
        (true, ..) => " ",
        (_, true, true) => "+",
        (_, false, true) => "x",
        (_, true, false) => "✓",
        (_, false, false) => "✗",
    };
    let hue = if regression { theme.text } else { hue };
    let name = |name: &str| fitted(&plain(name), class, scene.look.ascii);
    let confidence = judged.confidence.map(|share| format!("{:.0} %", share * 100.0)).unwrap_or_default();
    line.push_span(Span::styled(format!("{:>7}  {confidence:>10} ", loss(judged.loss)), theme.style(theme.loss)));
    line.push_span(Span::styled(format!("{mark} {}  ", name(&judged.prediction)), theme.bold(hue)));
    line.push_span(Span::styled(format!("{}  ", name(&judged.label)), theme.style(theme.text)));
    line.push_span(Span::styled(plain(&judged.text), text));
    if let Some(pair) = &judged.pair {
        line.push_span(Span::styled(separator(scene), theme.style(theme.dim)));
        line.push_span(Span::styled(plain(pair), text));
    }
    line
}

/// The separator between the two texts of a pair.
fn separator(scene: Scene) -> &'static str {
    if scene.look.ascii { " / " } else { " ⏐ " }
}

fn draw_detail(frame: &mut Frame, area: Rect, scene: Scene, judged: &ExamplePrediction) {
    let theme = &scene.look.theme;
    let hue = if judged.prediction == judged.label { theme.good } else { theme.error };
    let values = vec![
        Span::styled(format!("{},", plain(&judged.prediction)), theme.bold(hue)),
        Span::styled(format!("expected {}", plain(&judged.label)), theme.style(theme.dim)),
    ];
    let mut lines = vec![Line::styled(plain(&judged.text), theme.style(theme.text))];
    lines.extend(judged.pair.iter().map(|pair| Line::styled(plain(pair), theme.style(theme.accent))));
    let title = Title { values, note: format!("loss {}", number(judged.loss)), ..Title::named("Predicted") };
    let inner = panel(frame, area, scene.look, false, title);
    frame.render_widget(Paragraph::new(Text::from(lines)).wrap(Wrap { trim: false }), inner);
}

/// A loss with three decimals, so that a column of them is aligned.
fn loss(loss: f64) -> String {
    if loss.abs() < 1000.0 { format!("{loss:.3}") } else { number(loss) }
}
