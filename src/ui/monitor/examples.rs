//! The Samples tab of a classifier: its predictions for held-out examples, highest loss first, and its confusion matrix.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};

use super::confusion;
use super::confusion_view::{ConfusionView, Matrix};
use super::list::{first_visible, move_cursor, pointer, row_at};
use super::scene::Scene;
use super::view::View;
use crate::protocol::ExamplePrediction;
use crate::runs::History;
use crate::ui::format::{fitted, grouped, number, plain, truncated, width};
use crate::ui::keymap::Action;
use crate::ui::widgets::cut::cut;
use crate::ui::widgets::panel::{Title, panel, placeholder};
use crate::ui::widgets::wrap::draw_wrapped;

/// The narrowest screen with the list and the matrix side by side. On a narrower one the focus decides which is shown.
const SIDE_BY_SIDE: u16 = 100;

pub(super) fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let matrix = Matrix::of(run);
    let page = usize::from(parts(body)[0].height.saturating_sub(3));
    match (action, matrix) {
        (Action::FocusNext | Action::FocusPrevious, Some(_)) => view.confusion.focused = !view.confusion.focused,
        (action, Some(matrix)) if view.confusion.focused => {
            confusion::act(&mut view.confusion, &matrix.confusion, action, page);
            // The list that is now filtered takes the place of the matrix.
            view.confusion.focused = action != Action::Enter || body.width >= SIDE_BY_SIDE;
            view.example = 0;
        }
        (action, _) => {
            view.example = move_cursor(view.example, action, page, view.confusion.examples(run).len());
        }
    }
}

pub(super) fn click(view: &mut View, run: &History, at: Position, body: Rect) {
    let matrix = Matrix::of(run);
    let [list, beside] = top(parts(body)[0], matrix.as_ref(), &view.confusion);
    if let Some(matrix) = matrix.filter(|_| beside.contains(at)) {
        view.example = 0;
        return confusion::click(&mut view.confusion, &matrix.confusion, at, beside);
    }
    let inner = list.inner(ratatui::layout::Margin::new(1, 1));
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if let Some(index) = row_at(at, rows, view.example, view.confusion.examples(run).len()) {
        (view.example, view.confusion.focused) = (index, false);
    }
}

/// The list with the matrix, and the details.
fn parts(body: Rect) -> [Rect; 2] {
    let detail = (body.height / 3).clamp(5, 14);
    Layout::vertical([Constraint::Fill(1), Constraint::Length(detail)]).areas(body)
}

/// The list and the matrix; one of them is empty if there is no room for both.
fn top(area: Rect, matrix: Option<&Matrix>, view: &ConfusionView) -> [Rect; 2] {
    match matrix {
        None => [area, Rect::ZERO],
        Some(_) if area.width < SIDE_BY_SIDE && view.focused => [Rect::ZERO, area],
        Some(_) if area.width < SIDE_BY_SIDE => [area, Rect::ZERO],
        Some(matrix) => {
            let wanted = confusion::wanted_width(&matrix.confusion).clamp(46, area.width / 2);
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(wanted)]).areas(area)
        }
    }
}

/// The examples that are listed.
struct Listed<'a> {
    examples: Vec<&'a ExamplePrediction>,
    cursor: usize,
    /// Whether there is a matrix that the list hides.
    hides_matrix: bool,
}

pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let [above, detail] = parts(body);
    let matrix = Matrix::of(scene.run);
    let [list, beside] = top(above, matrix.as_ref(), &scene.view.confusion);
    let examples = scene.view.confusion.examples(scene.run);
    let cursor = scene.view.example.min(examples.len().saturating_sub(1));
    let listed = Listed { examples, cursor, hides_matrix: matrix.is_some() && beside.is_empty() };
    if !list.is_empty() {
        draw_list(frame, list, scene, &listed);
    }
    if let Some(matrix) = matrix.filter(|_| !beside.is_empty()) {
        confusion::draw(frame, beside, scene, &matrix);
    }
    match listed.examples.get(cursor) {
        Some(judged) => draw_detail(frame, detail, scene, judged),
        None => drop(panel(frame, detail, scene.look, false, Title::named("Example"))),
    }
}

fn draw_list(frame: &mut Frame, area: Rect, scene: Scene, listed: &Listed) {
    let theme = &scene.look.theme;
    let Listed { examples, cursor, .. } = listed;
    let inner = panel(frame, area, scene.look, !scene.view.confusion.focused, title(scene, listed));
    if examples.is_empty() {
        let filtered = scene.view.confusion.filter.is_some();
        let text =
            if filtered { "none of the highest-loss examples is in this cell" } else { "waiting for an evaluation" };
        return placeholder(frame, inner, scene.look, text);
    }
    let widest = examples.iter().flat_map(|judged| [&judged.prediction, &judged.label]).map(|name| width(name));
    let class = widest.max().unwrap_or(0).clamp(9, (usize::from(inner.width) / 6).clamp(9, 24));
    let head = format!("    loss  confidence   {:<class$}  {:<class$}  text", "predicted", "label");
    frame.render_widget(Line::styled(head, theme.style(theme.dim)), Rect { height: 1.min(inner.height), ..inner });
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let first = first_visible(*cursor, rows.height);
    for ((index, judged), y) in examples.iter().enumerate().skip(first).zip(rows.top()..rows.bottom()) {
        let line = line(scene, judged, class, index == *cursor, usize::from(rows.width));
        frame.render_widget(cut(line, usize::from(rows.width), scene.look.ascii), Rect { y, height: 1, ..rows });
    }
}

/// What is listed: the examples of a cell, or those of the highest loss.
fn title(scene: Scene, listed: &Listed) -> Title<'static> {
    let (theme, view) = (&scene.look.theme, &scene.view.confusion);
    let mut title = Title::named("Examples");
    let Some(examples) = &scene.run.examples else { return title };
    let count = listed.examples.len();
    if let Some(filter) = &view.filter {
        title.values.push(Span::styled(confusion::arrow(scene, filter), theme.bold(theme.accent)));
        let among = format!("{count} of the {} highest-loss examples", examples.examples.len());
        title.values.push(Span::styled(among, theme.style(theme.dim)));
        title.note = "esc show all".into();
        return title;
    }
    if let Some(wrong) = examples.wrong {
        let hue = if wrong == 0 { theme.good } else { theme.error };
        title.values.push(Span::styled(format!("{} wrong", grouped(wrong)), theme.bold(hue)));
    }
    title.values.push(Span::styled(format!("of {}", grouped(examples.of)), theme.style(theme.dim)));
    title.note = format!("{count} highest-loss examples at step {}", grouped(examples.step));
    if listed.hides_matrix {
        title.note = "highest loss first  tab confusion matrix".into();
    }
    title
}

fn line(scene: Scene, judged: &ExamplePrediction, class: usize, under_cursor: bool, room: usize) -> Line<'static> {
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
    let mut texts = vec![Span::styled(plain(&judged.text), text)];
    if let Some(pair) = &judged.pair {
        texts.extend([Span::styled(separator(scene), theme.style(theme.dim)), Span::styled(plain(pair), text)]);
    }
    for span in texts {
        let left = room.saturating_sub(line.width());
        line.push_span(Span::styled(truncated(&span.content, left, scene.look.ascii), span.style));
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
    draw_wrapped(frame, inner, &lines, 0, scene.look);
}

/// A loss with three decimals, so that a column of them is aligned.
fn loss(loss: f64) -> String {
    if loss.abs() < 1000.0 { format!("{loss:.3}") } else { number(loss) }
}
