//! The Layers tab: every target as a tile in the colour of its value, at the latest step or at an earlier one, and the
//! target under the cursor in numbers and charts.

mod areas;
mod map;
mod readout;
mod shade;
mod slider;
mod structures;
mod tiles;

use std::iter;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};

use super::grid::{Grid, GridRow, Part};
use super::layers_view::Metric;
use super::list::move_cursor;
use super::panel::Panel;
use super::panels;
use super::playback::Playback;
use super::scene::Scene;
use super::status::name_of;
use super::view::View;
use crate::protocol::Started;
use crate::runs::History;
use crate::ui::format::{fitted, grouped, percent, plain, width};
use crate::ui::keymap::Action;
use crate::ui::theme::Look;
use crate::ui::widgets::panel::{Title, panel, placeholder};
use areas::{Areas, StructureLines, TargetAreas};
use map::Map;
use shade::{Fill, Range, fill};
use slider::Slider;
use tiles::Fitting;

/// Tiles of the colour scale, at most.
const SCALE: usize = 48;

pub(super) fn act(view: &mut View, run: &History, action: Action, body: Rect) {
    let grid = Grid::of(&run.targets);
    let (rows, page) = (grid.rows.len(), usize::from(body.height / 2));
    let columns = grid.rows.get(view.layers.row).map_or(0, |row| row.targets.len());
    match action {
        Action::Metric | Action::FocusNext => view.layers.metric = view.layers.metric.next(),
        Action::FocusPrevious => view.layers.metric = view.layers.metric.next().next(),
        Action::Left => view.layers.column = move_cursor(view.layers.column, Action::Up, 1, columns),
        Action::Right => view.layers.column = move_cursor(view.layers.column, Action::Down, 1, columns),
        Action::Enter => view.full = grid.target(view.layers.row, view.layers.column).is_some(),
        Action::PanLeft => move_slider(view, run, -1),
        Action::PanRight => move_slider(view, run, 1),
        Action::Play => toggle_playback(view, run),
        action => view.layers.row = move_cursor(view.layers.row, action, page, rows),
    }
}

fn move_slider(view: &mut View, run: &History, by: isize) {
    view.cursor = Slider::of(run, view).moved(view.cursor, by);
    view.layers.playback = None;
}

/// Plays from the shown step to the end, or stops there. Live, it plays from the start.
fn toggle_playback(view: &mut View, run: &History) {
    if view.layers.playback.take().is_none()
        && let Some(ends) = Slider::of(run, view).ends()
    {
        view.layers.playback = Playback::new(view.cursor.unwrap_or(ends.0), ends);
    }
}

/// Moves the slider to where the playback is at a time.
pub(super) fn tick(view: &mut View, run: &History, now: Duration) {
    let Some(playback) = &mut view.layers.playback else { return };
    match playback.x(now) {
        Some(x) => view.cursor = Slider::of(run, view).snapped(x),
        None => (view.layers.playback, view.cursor) = (None, None),
    }
}

/// The first click moves the cursor to a target, the second opens its history. A click on the slider moves it.
pub(super) fn click(view: &mut View, run: &History, at: Position, body: Rect, look: &Look) {
    let (grid, areas) = arranged(view, run, body, look);
    if let Some((row, column)) = areas.tiles.at(&grid, at) {
        if grid.target(row, column).is_some() {
            view.full = (view.layers.row, view.layers.column) == (row, column);
            (view.layers.row, view.layers.column) = (row, column);
        }
        return;
    }
    drag(view, run, at, body, look);
}

/// Moves the slider if the mouse is on its line.
pub(super) fn drag(view: &mut View, run: &History, at: Position, body: Rect, look: &Look) {
    let areas = arranged(view, run, body, look).1;
    if let Some(x) = Slider::of(run, view).at(at, areas.slider, view) {
        (view.cursor, view.layers.playback) = (x, None);
    }
}

/// The areas of a target's two charts in full screen.
pub(super) fn full_screen(body: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Fill(1); 2]).areas(body)
}

fn arranged(view: &View, run: &History, body: Rect, look: &Look) -> (Grid, Areas) {
    let structures = StructureLines { tall: structures::tall(run), short: structures::short(run) };
    let grid = Grid::of(&run.targets);
    let fitting = Fitting {
        cursor: (view.layers.row, view.layers.column),
        halves: !look.ascii && matches!(fill(look, Metric::Mass, 0.0), Fill::Colour { .. }),
        dense: run.selected.as_ref().is_some_and(|selected| selected.dense > 0),
    };
    let areas = Areas::of(body, &grid, &fitting, structures);
    (grid, areas)
}

/// Draws the map, or the history of the target under the cursor in full screen.
pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene) {
    let (theme, run) = (&scene.look.theme, scene.run);
    let (grid, areas) = arranged(scene.view, run, body, scene.look);
    let current = grid.target(scene.view.layers.row, scene.view.layers.column);
    if let (true, Some(index)) = (scene.view.full, current) {
        let [mass, update] = full_screen(body);
        panels::draw_full(frame, mass, scene, Panel::TargetMass(index));
        return panels::draw_full(frame, update, scene, Panel::TargetUpdate(index));
    }
    let metric = scene.view.layers.metric;
    let title = Title {
        name: "Layers",
        values: iter::once(Span::styled(metric.name(), theme.bold(metric.hue(scene.look))))
            .chain(visible_part(&grid, &areas).map(|part| Span::styled(part, theme.style(theme.dim))))
            .collect(),
        note: "m metric  < > step  P play  enter history".into(),
    };
    if grid.rows.is_empty() {
        let inner =
            panel(frame, body, scene.look, true, Title { name: "Layers", values: Vec::new(), note: String::new() });
        let text = match &run.selected {
            Some(_) => match run.started.as_ref().and_then(Started::method_words) {
                Some(method) => &format!("{method}: there is no selection to show"),
                None => "no sparse targets: only dense parameters are trained",
            },
            None => "waiting for the selection",
        };
        return placeholder(frame, inner, scene.look, text);
    }
    panel(frame, areas.panel, scene.look, true, title);
    draw_heading(
        frame,
        areas.heading,
        scene,
        !areas.structures.is_empty() && matches!(areas.target, TargetAreas::Beside { .. }),
    );
    let range = Range::of(scene);
    Map { grid: &grid, tiles: &areas.tiles, scene, range }.draw(frame, areas.names);
    draw_scale(frame, areas.scale, scene, range);
    Slider::of(run, scene.view).draw(frame, areas.slider, scene);
    match &areas.target {
        TargetAreas::Below(_) => structures::draw_short(frame, areas.structures, scene),
        TargetAreas::Beside { .. } => structures::draw_tall(frame, areas.structures, scene, current),
    }
    draw_target(frame, areas.target, scene, current);
}

/// Which blocks and modules are visible, where not all of them are.
fn visible_part(grid: &Grid, areas: &Areas) -> Option<String> {
    let numbers = |rows: &mut dyn Iterator<Item = &GridRow>| -> Vec<u64> {
        let number = |row: &GridRow| if let Part::Block(number) = row.part { Some(number) } else { None };
        rows.filter_map(number).collect()
    };
    let all = numbers(&mut grid.rows.iter());
    let shown = numbers(&mut areas.tiles.rows.iter().map(|row| &grid.rows[row.row]));
    let (modules, columns) = (grid.modules.len(), areas.tiles.columns);
    let blocks = match (shown.first(), shown.last()) {
        (Some(first), Some(last)) if shown.len() < all.len() => Some(format!("blocks {first}-{last} of {}", all.len())),
        _ => None,
    };
    let columns = (columns.count < modules)
        .then(|| format!("modules {}-{} of {modules}", columns.first + 1, columns.first + columns.count));
    let parts: Vec<String> = blocks.into_iter().chain(columns).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Draws what the map is of: model, data, run, step and selection. The latest selection stands in the panel beside, if there is one.
fn draw_heading(frame: &mut Frame, area: Rect, scene: Scene, beside: bool) {
    let (run, theme) = (scene.run, &scene.look.theme);
    let Some(started) = &run.started else { return };
    let total = run.selected.as_ref().map(|selected| 100.0 * selected.total as f64 / selected.of.max(1) as f64);
    let model = format!(" {}", plain(&started.model));
    let model = fitted(&model, width(&model).min(usize::from(area.width)), scene.look.ascii);
    let (dim, text) = (theme.style(theme.dim), theme.style(theme.text));
    let mut line = Line::from(Span::styled(model, theme.bold(theme.text)));
    let selected = total.map(|total| {
        let by = format!(" selected by {}", plain(&started.selection()));
        vec![Span::styled(format!("   {}", percent(total)), theme.bold(theme.selected)), Span::styled(by, dim)]
    });
    let step = format!("{}/{}", grouped(run.taken), grouped(run.steps));
    let parts = [
        Some(vec![Span::styled(format!(" on {}", plain(&started.data)), dim)]),
        selected,
        structures::again(scene).filter(|_| !beside).map(|[at, kept]| vec![Span::raw("   "), at, Span::raw(" "), kept]),
        Some(vec![Span::styled("   run ", dim), Span::styled(name_of(run, scene.files), text)]),
        Some(vec![Span::styled("   step ", dim), Span::styled(step, text)]),
    ];
    // A part that is cut off could be read as another one.
    for part in parts.into_iter().flatten() {
        let room = usize::from(area.width).saturating_sub(line.width());
        if part.iter().map(Span::width).sum::<usize>() <= room {
            line.spans.extend(part);
        }
    }
    frame.render_widget(line, area);
}

/// Draws the colours from the lowest to the highest value of the run, and what they measure.
fn draw_scale(frame: &mut Frame, area: Rect, scene: Scene, range: Option<Range>) {
    let (theme, metric) = (&scene.look.theme, scene.view.layers.metric);
    let Some(Range { low, high }) = range else {
        let text = Line::styled(format!(" no {} measured yet", metric.name()), theme.style(theme.dim));
        return frame.render_widget(text, area);
    };
    let [low, high] = [low, high].map(percent);
    let tiles = (usize::from(area.width) / 3).clamp(4, SCALE);
    let mut line = Line::from(Span::styled(format!(" {low} "), theme.style(theme.text)));
    for tile in 0..tiles {
        line.push_span(match fill(scene.look, metric, tile as f64 / (tiles - 1) as f64) {
            Fill::Colour { fill, .. } => Span::styled(" ", ratatui::style::Style::new().bg(fill)),
            Fill::Glyph(glyph, style) => Span::styled(glyph, style),
        });
    }
    line.push_span(Span::styled(format!(" {high}  "), theme.style(theme.text)));
    let notes = [format!("{} {}", metric.name(), metric.note(scene.look.ascii)), metric.name().to_owned()];
    let room = usize::from(area.width).saturating_sub(line.width());
    if let Some(note) = notes.into_iter().find(|note| width(note) <= room) {
        line.push_span(Span::styled(note, theme.style(theme.dim)));
    }
    frame.render_widget(line, area);
}

/// Draws the target under the cursor.
fn draw_target(frame: &mut Frame, areas: TargetAreas, scene: Scene, target: Option<usize>) {
    let shown = target.map(|index| &scene.run.targets.all[index]);
    match areas {
        TargetAreas::Below(area) => {
            if let Some(target) = shown {
                readout::draw_short(frame, area, scene, target);
            }
        }
        TargetAreas::Beside { panel: area, charts } => {
            let inner = panel(frame, area, scene.look, false, Title::named("Target"));
            match shown {
                Some(target) => readout::draw_tall(frame, inner, scene, target),
                None => placeholder(frame, inner, scene.look, "no target here"),
            }
            for (area, which) in charts.into_iter().zip([Panel::TargetMass, Panel::TargetUpdate]) {
                match target {
                    Some(index) => panels::draw(frame, area, scene, which(index)),
                    None => drop(panel(frame, area, scene.look, false, Title::named(""))),
                }
            }
        }
    }
}
