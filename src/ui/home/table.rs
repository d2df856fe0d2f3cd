//! The table of presets.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::list::{Entry, List, Row, model, task};
use super::scene::Scene;
use crate::estimate::Estimate;
use crate::preset::Preset;
use crate::protocol::TrainingMethod;
use crate::ui::format::{duration, fitted, grouped, number, padded_start, plain, truncated};
use crate::ui::widgets::panel::{Title, panel};

/// Draws the table.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, focused: bool, filtering: bool) {
    let (list, look, theme) = (scene.list, scene.look, &scene.look.theme);
    let shown = list.shown();
    let filter = list.filter.text();
    let mut title = Title::named("Presets");
    let own = list.entries.iter().filter(|entry| entry.is_own()).count();
    title.note = match own {
        _ if shown.len() < list.len() => format!("{} of {}", shown.len(), list.len()),
        0 => format!("{} built-in", list.len()),
        own => format!("{} built-in, {own} of yours", list.len() - own),
    };
    let inner = panel(frame, area, look, focused, title);
    if filtering || !filter.is_empty() {
        // In the frame, after the name of the panel.
        let line = Rect { x: area.x + 11, y: area.y, width: area.width.saturating_sub(30), height: 1 };
        let [slash, rest] = [Rect { width: 2, ..line }, Rect { x: line.x + 2, width: line.width.min(34) - 2, ..line }];
        frame.render_widget(Line::styled(" /", theme.bold(theme.accent)), slash);
        if filtering {
            frame.render_widget(Line::raw(" ".repeat(usize::from(rest.width))), rest);
            list.filter.draw(frame, rest, theme.style(theme.text));
        } else {
            let filter = truncated(&format!("{} ", plain(&filter)), usize::from(rest.width), look.ascii);
            frame.render_widget(Line::styled(filter, theme.style(theme.text)), rest);
        }
    }
    let columns = Columns::of(list, inner.width);
    frame.render_widget(columns.head(scene), Rect { height: 1.min(inner.height), ..inner });
    if shown.is_empty() {
        let line = Line::styled("   no preset matches the filter; esc clears it", theme.style(theme.dim));
        frame.render_widget(line, Rect { y: inner.y + 1, height: 1, ..inner }.intersection(inner));
    }
    let rows = list.rows();
    let first = list.first_row(&rows, usize::from(inner.height).saturating_sub(1));
    for (row, y) in rows.iter().skip(first).zip(inner.top() + 1..inner.bottom()) {
        let line = match row {
            Row::Heading(name) => Line::styled(format!("  {name}"), theme.bold(theme.dim)),
            Row::Preset(number) => columns.row(&list.entries[*number], scene, *number == list.selected, focused),
        };
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

/// Widths of the columns; 0 for one that there is no room for.
struct Columns {
    name: usize,
    model: usize,
    task: usize,
    /// Of the estimated time, which the plan shows too.
    time: usize,
    about: usize,
    /// Of the whole table.
    width: u16,
}

/// The columns of numbers.
const TRAINABLE: usize = 10;
const STEPS: usize = 12;
const TIME: usize = 9;

/// The narrowest table with the time of every preset.
const WITH_TIME: u16 = 70;

impl Columns {
    fn of(list: &List, width: u16) -> Columns {
        let widest = |text: &dyn Fn(&Entry) -> String, least: usize, most: usize| {
            let widths = list.entries.iter().map(|entry| crate::ui::format::width(&text(entry)));
            widths.max().unwrap_or(0).clamp(least, most) + 2
        };
        let preset = |entry: &Entry, text: &dyn Fn(&Preset) -> String| entry.now.as_ref().map_or(String::new(), text);
        let time = if width >= WITH_TIME { TIME } else { 0 };
        // A changed preset has a mark. A narrow table has to leave room for the models.
        let mut name = widest(&|entry| format!("{} *", entry.listed.name), 6, if time > 0 { 20 } else { 14 });
        let mut model = widest(&|entry| preset(entry, &model), 5, 22);
        let mut task = widest(&|entry| preset(entry, &task), 4, 14);
        // What the pointer, the numbers and a gap at the end leave.
        let room = usize::from(width).saturating_sub(3 + TRAINABLE + STEPS + time);
        // If that is too little, texts are cut.
        model = model.min(room.saturating_sub(name + task).max(7));
        task = task.min(room.saturating_sub(name + model).max(7));
        name = name.min(room.saturating_sub(model + task).max(9));
        let rest = room.saturating_sub(name + model + task);
        Columns { name, model, task, time, about: if rest >= 16 { rest } else { 0 }, width }
    }

    fn head(&self, scene: &Scene) -> Line<'static> {
        let cell = |text: &str, width: usize| fitted(text, width, scene.look.ascii);
        let cells = [
            cell("", 2),
            cell("preset", self.name),
            cell("model", self.model),
            cell("task", self.task),
            format!("{:>width$}", "trainable", width = TRAINABLE),
            format!("{:>STEPS$}", "steps"),
            padded_start(if self.time > 0 { "time" } else { "" }, self.time),
            cell(if self.about > 0 { "  about" } else { "" }, self.about),
        ];
        Line::styled(cells.concat(), scene.look.theme.style(scene.look.theme.dim))
    }

    fn row(&self, entry: &Entry, scene: &Scene, selected: bool, focused: bool) -> Line<'static> {
        let theme = &scene.look.theme;
        // With a gap to the next column.
        let cell = |text: &str, width: usize| fitted(text, width.saturating_sub(2), scene.look.ascii) + "  ";
        let mark = match (selected, scene.look.ascii) {
            (false, _) => "  ",
            (true, false) => "▌ ",
            (true, true) => "> ",
        };
        let name = plain(&entry.listed.name);
        let name = if entry.changes() > 0 { format!("{name} *") } else { name };
        let name_style = match (selected, entry.changes() > 0) {
            (_, true) => theme.bold(theme.changed),
            (true, false) if focused => theme.bold(theme.accent),
            (true, false) => theme.bold(theme.text),
            _ => theme.style(theme.text),
        };
        let mut line = Line::from(vec![
            Span::styled(mark, theme.bold(if focused { theme.focus } else { theme.dim })),
            Span::styled(cell(&name, self.name), name_style),
        ]);
        let preset = match &entry.now {
            Ok(preset) => preset,
            Err(error) => {
                // The details have the folder of the file.
                let folder = entry.listed.path.as_ref().and_then(|path| path.parent());
                let folder = folder.map(|folder| format!("{}/", folder.display())).unwrap_or_default();
                let room = usize::from(self.width).saturating_sub(line.width());
                let error = truncated(&plain(&error.to_string().replace(&folder, "")), room, scene.look.ascii);
                line.push_span(Span::styled(error, theme.style(theme.error)));
                return line;
            }
        };
        let known = scene.estimates.known(preset);
        let estimate = known.estimate.filter(|_| !known.outdated);
        let steps = estimate.and_then(|estimate| estimate.data.as_ref()).map(|data| grouped(data.steps));
        let epochs = format!("{} ep", preset.train.epochs);
        let text = |text: String| Span::styled(text, theme.style(theme.text));
        let dim = |text: String| Span::styled(text, theme.style(theme.dim));
        line.push_span(text(cell(&model(preset), self.model)));
        line.push_span(text(cell(&task(preset), self.task)));
        line.push_span(text(format!("{:>TRAINABLE$}", trainable(preset))));
        line.push_span(match steps {
            Some(steps) => text(format!("{steps:>STEPS$}")),
            None => dim(format!("{epochs:>STEPS$}")),
        });
        if self.time > 0 {
            line.push_span(match estimate.and_then(Estimate::seconds) {
                Some(seconds) => text(padded_start(&duration(seconds), self.time)),
                None => dim(padded_start(if scene.look.ascii { "-" } else { "–" }, self.time)),
            });
        }
        if self.about > 0 {
            line.push_span(dim(format!(
                "  {}",
                fitted(&plain(&preset.about), self.about.saturating_sub(2), scene.look.ascii)
            )));
        }
        line
    }
}

fn trainable(preset: &Preset) -> String {
    match preset.method {
        TrainingMethod::Sift if preset.sift.modules.is_empty() => "head".into(),
        TrainingMethod::Sift => format!("{} %", number(preset.sift.rate * 100.0)),
        TrainingMethod::Full => "full".into(),
        TrainingMethod::Head => "head".into(),
        TrainingMethod::Lora => format!("r {}", preset.lora.r),
    }
}
