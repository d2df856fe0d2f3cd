//! The presets: which are shown, which is marked, and the table of them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Scene;
use super::layout::window;
use crate::data::LabelledSource;
use crate::estimate::Estimate;
use crate::preset::{DataSource, Draft, InstructionFiles, Preset, PresetEntry};
use crate::ui::app::Saved;
use crate::ui::format::{duration, fitted, grouped, number, plain};
use crate::ui::widgets::input::Input;
use crate::ui::widgets::panel::{Title, panel};

/// The presets.
pub struct List {
    entries: Vec<Entry>,
    /// What their names and descriptions must contain, word by word.
    pub filter: Input,
    marked: usize,
}

/// A preset in the list.
pub struct Entry {
    /// As it was found, with the changes made since.
    pub listed: PresetEntry,
    /// The preset as it is now, or why it cannot be.
    pub now: Result<Preset, String>,
}

impl Entry {
    fn new(listed: PresetEntry) -> Entry {
        let now = match &listed.draft {
            Ok(draft) => draft.preset().map_err(|error| format!("{error:#}")),
            Err(error) => Err(error.to_string()),
        };
        Entry { listed, now }
    }

    /// Changes it.
    pub fn change(&mut self, change: impl FnOnce(&mut Draft)) {
        if let Ok(draft) = &mut self.listed.draft {
            change(draft);
            self.now = draft.preset().map_err(|error| format!("{error:#}"));
        }
    }

    /// How many of its keys were changed.
    pub fn changes(&self) -> usize {
        self.listed.draft.as_ref().map_or(0, Draft::changes)
    }

    fn contains(&self, word: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(word);
        has(&self.listed.name)
            || self.now.as_ref().is_ok_and(|preset| has(&preset.about) || has(&preset.model.id) || has(&task(preset)))
    }
}

impl List {
    /// With the first one marked.
    pub fn new(listed: Vec<PresetEntry>) -> List {
        List { entries: listed.into_iter().map(Entry::new).collect(), filter: Input::default(), marked: 0 }
    }

    /// The entries that the filter lets through, by their number.
    pub fn shown(&self) -> Vec<usize> {
        let filter = self.filter.text().to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let through = |number: &usize| words.iter().all(|word| self.entries[*number].contains(word));
        (0..self.entries.len()).filter(through).collect()
    }

    /// The marked preset; none where the filter lets none through.
    pub fn marked(&self) -> Option<&Entry> {
        self.shown().contains(&self.marked).then(|| &self.entries[self.marked])
    }

    /// The marked preset, to be changed.
    pub fn marked_mut(&mut self) -> Option<&mut Entry> {
        self.shown().contains(&self.marked).then(|| &mut self.entries[self.marked])
    }

    /// Marks another one of those shown, so many further.
    pub fn go(&mut self, by: isize) {
        let shown = self.shown();
        let place = shown.iter().position(|number| *number == self.marked).unwrap_or(0);
        if let Some(last) = shown.len().checked_sub(1) {
            self.marked = shown[place.saturating_add_signed(by).min(last)];
        }
    }

    /// Marks the first shown if the one that is marked is not.
    pub fn settle(&mut self) {
        if self.marked().is_none() {
            self.go(0);
        }
    }

    /// Marks the one in a row of the table; whether there is one.
    pub fn mark_row(&mut self, row: usize, rows: usize) -> bool {
        let shown = self.shown();
        let place = shown.iter().position(|number| *number == self.marked).unwrap_or(0);
        match shown.get(window(place, rows, shown.len()) + row).filter(|_| row < rows) {
            Some(number) => {
                self.marked = *number;
                true
            }
            None => false,
        }
    }

    /// Those that were changed and not saved, also where the filter lets them not through.
    pub fn changed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.changes() > 0)
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.listed.name == name)
    }

    /// Takes up the presets anew after some were saved. Changes of others stay; what was saved of the marked one is marked.
    pub fn renew(&mut self, listed: Vec<PresetEntry>, saved: &[Saved]) {
        let of = |entry: &Entry| saved.iter().find(|saved| saved.from == entry.listed.name);
        let marked = self.entries.get(self.marked);
        let marked =
            marked.map(|entry| of(entry).map_or_else(|| entry.listed.name.clone(), |saved| saved.name.clone()));
        let before: Vec<Entry> = self.entries.drain(..).collect();
        self.entries = listed.into_iter().map(Entry::new).collect();
        for old in before.into_iter().filter(|old| of(old).is_none() && old.changes() > 0) {
            match self.entries.iter_mut().find(|entry| entry.listed.name == old.listed.name) {
                Some(kept) => *kept = old,
                // Its file is gone; what was changed is not.
                None => self.entries.push(old),
            }
        }
        self.marked = self.entries.iter().position(|entry| Some(&entry.listed.name) == marked.as_ref()).unwrap_or(0);
        if self.marked().is_none() {
            self.filter = Input::default();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Draws the table.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, focused: bool, filtering: bool) {
    let (list, look, theme) = (scene.list, scene.look, &scene.look.theme);
    let shown = list.shown();
    let filter = list.filter.text();
    let mut title = Title::named("Presets");
    let own = list.entries.iter().filter(|entry| entry.listed.path.is_some()).count();
    title.note = match own {
        _ if shown.len() < list.len() => format!("{} of {}", shown.len(), list.len()),
        0 => format!("{} built-in", list.len()),
        own => format!("{} built-in, {own} of yours", list.len() - own),
    };
    let inner = panel(frame, area, look, focused, title);
    if filtering || !filter.is_empty() {
        // In the frame, behind the panel's name.
        let line = Rect { x: area.x + 11, y: area.y, width: area.width.saturating_sub(30), height: 1 };
        let [slash, rest] = [Rect { width: 2, ..line }, Rect { x: line.x + 2, width: line.width.min(34) - 2, ..line }];
        frame.render_widget(Line::styled(" /", theme.bold(theme.accent)), slash);
        if filtering {
            frame.render_widget(Line::raw(" ".repeat(usize::from(rest.width))), rest);
            list.filter.draw(frame, rest, theme.style(theme.text));
        } else {
            frame.render_widget(Line::styled(format!("{} ", plain(&filter)), theme.style(theme.text)), rest);
        }
    }
    let columns = Columns::of(list, inner.width);
    frame.render_widget(columns.head(scene), Rect { height: 1.min(inner.height), ..inner });
    if shown.is_empty() {
        let line = Line::styled("   no preset has all of this; esc shows all", theme.style(theme.dim));
        frame.render_widget(line, Rect { y: inner.y + 1, height: 1, ..inner }.intersection(inner));
    }
    let rows = usize::from(inner.height).saturating_sub(1);
    let place = shown.iter().position(|number| *number == list.marked).unwrap_or(0);
    let first = window(place, rows, shown.len());
    for (number, y) in shown.iter().skip(first).zip(inner.top() + 1..inner.bottom()) {
        let marked = *number == list.marked;
        frame
            .render_widget(columns.row(&list.entries[*number], scene, marked, focused), Rect { y, height: 1, ..inner });
    }
}

/// Widths of the columns; 0 for one that there is no room for.
struct Columns {
    name: usize,
    model: usize,
    task: usize,
    about: usize,
}

/// The columns of numbers.
const TRAINED: usize = 8;
const STEPS: usize = 10;
const TIME: usize = 9;

impl Columns {
    fn of(list: &List, width: u16) -> Columns {
        let widest = |text: &dyn Fn(&Entry) -> String, least: usize, most: usize| {
            let widths = list.entries.iter().map(|entry| Span::raw(text(entry)).width());
            widths.max().unwrap_or(0).clamp(least, most) + 2
        };
        let preset = |entry: &Entry, text: &dyn Fn(&Preset) -> String| entry.now.as_ref().map_or(String::new(), text);
        // Room for the mark of one that was changed.
        let mut name = widest(&|entry| format!("{} *", entry.listed.name), 6, 20);
        let mut model = widest(&|entry| preset(entry, &model), 5, 22);
        let mut task = widest(&|entry| preset(entry, &task), 4, 14);
        // The mark, and the numbers.
        let room = usize::from(width).saturating_sub(2 + TRAINED + STEPS + TIME);
        // Where that leaves too little, text gives way.
        model = model.min(room.saturating_sub(name + task).max(7));
        task = task.min(room.saturating_sub(name + model).max(7));
        name = name.min(room.saturating_sub(model + task).max(9));
        let rest = room.saturating_sub(name + model + task);
        Columns { name, model, task, about: if rest >= 16 { rest } else { 0 } }
    }

    fn head(&self, scene: &Scene) -> Line<'static> {
        let cell = |text: &str, width: usize| fitted(text, width, scene.look.ascii);
        let cells = [
            cell("", 2),
            cell("preset", self.name),
            cell("model", self.model),
            cell("task", self.task),
            format!("{:>width$}", "trained", width = TRAINED),
            format!("{:>STEPS$}", "steps"),
            format!("{:>TIME$}", "time"),
            cell(if self.about > 0 { "  about" } else { "" }, self.about),
        ];
        Line::styled(cells.concat(), scene.look.theme.style(scene.look.theme.dim))
    }

    fn row(&self, entry: &Entry, scene: &Scene, marked: bool, focused: bool) -> Line<'static> {
        let theme = &scene.look.theme;
        // With the gap to the next column.
        let cell = |text: &str, width: usize| fitted(text, width.saturating_sub(2), scene.look.ascii) + "  ";
        let mark = match (marked, scene.look.ascii) {
            (false, _) => "  ",
            (true, false) => "▌ ",
            (true, true) => "> ",
        };
        let name = plain(&entry.listed.name);
        let name = if entry.changes() > 0 { format!("{name} *") } else { name };
        let name_style = match (marked, entry.changes() > 0) {
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
                // The folder is known; the details have it too.
                let folder = entry.listed.path.as_ref().and_then(|path| path.parent());
                let folder = folder.map(|folder| format!("{}/", folder.display())).unwrap_or_default();
                line.push_span(Span::styled(plain(&error.replace(&folder, "")), theme.style(theme.error)));
                return line;
            }
        };
        let estimate = scene.inquiry.answer(preset).and_then(|answer| answer.as_ref().ok());
        let steps = estimate.and_then(|estimate| estimate.data.as_ref()).map(|data| grouped(data.steps));
        let epochs = format!("{} ep", preset.train.epochs);
        let text = |text: String| Span::styled(text, theme.style(theme.text));
        let dim = |text: String| Span::styled(text, theme.style(theme.dim));
        line.push_span(text(cell(&model(preset), self.model)));
        line.push_span(text(cell(&task(preset), self.task)));
        line.push_span(text(format!("{:>TRAINED$}", trained(preset))));
        line.push_span(match steps {
            Some(steps) => text(format!("{steps:>STEPS$}")),
            None => dim(format!("{epochs:>STEPS$}")),
        });
        line.push_span(match estimate.and_then(Estimate::seconds) {
            Some(seconds) => text(format!("{:>TIME$}", duration(seconds))),
            None => dim(format!("{:>TIME$}", if scene.look.ascii { "-" } else { "–" })),
        });
        if self.about > 0 {
            line.push_span(dim(format!(
                "  {}",
                fitted(&plain(&preset.about), self.about.saturating_sub(2), scene.look.ascii)
            )));
        }
        line
    }
}

/// The model without its owner or its folder.
pub fn model(preset: &Preset) -> String {
    plain(preset.model.id.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

/// The task, or the name of the file that is trained on.
pub fn task(preset: &Preset) -> String {
    match &preset.data.source {
        DataSource::Hub(task) | DataSource::Local(LabelledSource::Glue { task, .. }) => task.title().to_owned(),
        DataSource::Local(LabelledSource::Table { train, .. }) => {
            plain(&train.file_stem().unwrap_or_default().to_string_lossy())
        }
        DataSource::Instructions(data) => match &data.files {
            InstructionFiles::Hub { id, .. } => plain(id.rsplit('/').next().unwrap_or_default()),
            InstructionFiles::Local(files) => {
                let first = files.first().and_then(|file| file.file_stem()).unwrap_or_default();
                plain(&first.to_string_lossy())
            }
        },
    }
}

fn trained(preset: &Preset) -> String {
    if preset.sift.modules.is_empty() { "head".into() } else { format!("{} %", number(preset.sift.rate * 100.0)) }
}
