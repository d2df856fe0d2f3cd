//! What selections of each structure would cover of the first gradient, with that of the run marked.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::protocol::StructureMass;
use crate::runs::History;
use crate::ui::format::{fitted, grouped, percent, plain, width};
use crate::ui::monitor::layers_view::Metric;
use crate::ui::monitor::scene::Scene;
use crate::ui::widgets::panel::{Title, panel};

/// Structures in a line of the short table.
const ACROSS: usize = 3;

/// Columns of the longest name, `rows_columns`.
const NAME: usize = 12;

/// Lines of the table in a panel, with its border and heading.
pub(super) fn tall(run: &History) -> u16 {
    run.structures.as_ref().map_or(0, |structures| {
        let rows = structures.structures.len() + usize::from(own_row(run).is_some());
        rows as u16 + 3
    })
}

/// Lines of the table below the map.
pub(super) fn short(run: &History) -> u16 {
    run.structures.as_ref().map_or(0, |structures| structures.structures.len().div_ceil(ACROSS) as u16)
}

/// Draws the table in a panel: components, and gradient mass of all targets and of the one under the cursor.
pub(super) fn draw_tall(frame: &mut Frame, area: Rect, scene: Scene, target: Option<usize>) {
    let Some(structures) = &scene.run.structures else { return };
    let theme = &scene.look.theme;
    let title = Title { name: "Structures", values: again(scene).into_iter().flatten().collect(), note: String::new() };
    let inner = panel(frame, area, scene.look, false, title);
    let (dim, text) = (theme.style(theme.dim), theme.style(theme.text));
    let mass = |value: f64| format!("{value:>8.1}");
    let heading = format!("  {:NAME$}{:>12}{:>8}{:>9}", "at the start", "selected", "mass %", "target %");
    let mut lines = vec![Line::styled(heading, dim)];
    for row in &structures.structures {
        let here =
            target.and_then(|index| row.targets.get(index)).map_or("-".to_owned(), |value| format!("{value:.1}"));
        let name_style = if is_chosen(scene, row) { theme.bold(theme.selected) } else { text };
        lines.push(Line::from(vec![
            Span::styled(format!("{}{:NAME$}", mark(scene, row), plain(&row.structure)), name_style),
            Span::styled(format!("{:>12}", grouped(row.selected)), dim),
            Span::styled(mass(row.mass), theme.style(Metric::Mass.hue(scene.look))),
            Span::styled(format!("{here:>9}"), text),
        ]));
    }
    if let Some(name) = own_row(scene.run) {
        let room = NAME + 12;
        lines.push(Line::from(vec![
            Span::styled(
                format!("  {:room$}", fitted(&name, room.min(width(&name)), scene.look.ascii)),
                theme.bold(theme.selected),
            ),
            Span::styled(mass(structures.covered), theme.bold(Metric::Mass.hue(scene.look))),
        ]));
    }
    for (line, y) in lines.into_iter().zip(inner.top()..inner.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inner });
    }
}

/// Draws the table in two lines.
pub(super) fn draw_short(frame: &mut Frame, area: Rect, scene: Scene) {
    let Some(structures) = &scene.run.structures else { return };
    let theme = &scene.look.theme;
    let own = own_row(scene.run).map(|_| format!("run {:.1} %", structures.covered));
    let notes = [
        Span::styled("at the start", theme.style(theme.dim)),
        Span::styled(own.unwrap_or_default(), theme.bold(theme.selected)),
    ];
    let rows = structures.structures.chunks(ACROSS).zip(notes.into_iter().map(Some).chain(std::iter::repeat(None)));
    for ((rows, note), y) in rows.zip(area.top()..area.bottom()) {
        let cell = |row: &StructureMass| {
            let style = if is_chosen(scene, row) { theme.bold(theme.selected) } else { theme.style(theme.dim) };
            [
                Span::styled(format!("{}{:NAME$}", mark(scene, row), plain(&row.structure)), style),
                Span::styled(format!("{:>5.1} % ", row.mass), theme.style(Metric::Mass.hue(scene.look))),
            ]
        };
        let mut line: Line = rows.iter().flat_map(cell).collect();
        line.spans.extend(note.filter(|note| line.width() + note.width() <= usize::from(area.width)));
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// Where the run has selected again: `again at 40 (70 % kept)`.
pub(super) fn again(scene: Scene) -> Option<[Span<'static>; 2]> {
    let theme = &scene.look.theme;
    let (at, overlap) = scene.run.overlap.last_at().zip(scene.run.overlap.last())?;
    let at = Span::styled(format!("again at {}", grouped(at.step as u64)), theme.style(theme.text));
    Some([at, Span::styled(format!("({} kept)", percent(overlap)), theme.style(theme.dim))])
}

/// How the run selects, where that is not the largest gradients of each target, as in the other rows.
fn own_row(run: &History) -> Option<String> {
    let started = run.started.as_ref()?;
    (started.select != "gradient" || started.budget != "per_tensor").then(|| plain(&started.selection()))
}

fn is_chosen(scene: Scene, row: &StructureMass) -> bool {
    scene.run.started.as_ref().is_some_and(|started| started.structure == row.structure)
}

fn mark(scene: Scene, row: &StructureMass) -> &'static str {
    match (is_chosen(scene, row), scene.look.ascii) {
        (true, false) => "▸ ",
        (true, true) => "> ",
        (false, _) => "  ",
    }
}
