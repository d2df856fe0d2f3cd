//! The Ranks panel of the System tab: which ranks it shows, in which order, and how it scrolls.

use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::Span;

use super::list::move_cursor;
use super::rank_table::RankTable;
use super::scene::Scene;
use super::view::View;
use super::{Panel, hosts};
use crate::runs::{History, responds};
use crate::ui::format::grouped;
use crate::ui::keymap::Action;
use crate::ui::widgets::panel::{Title, panel, placeholder};

/// Lines of the panel around the rows: its frame and the heads of the columns.
const AROUND: u16 = 3;

/// Lines of the panel with all of its rows.
pub(super) fn height(run: &History) -> u16 {
    u16::try_from(run.ranks.samples.len().max(1)).unwrap_or(u16::MAX).saturating_add(AROUND)
}

/// The rows of a panel on this area.
fn page(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(AROUND))
}

/// The ranks from top to bottom. If they have no room, those with a problem come first; otherwise rows would change
/// places for nothing.
fn order(run: &History, page: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..run.ranks.samples.len()).collect();
    if order.len() > page {
        order.sort_by_key(|rank| match run.ranks.samples.get(*rank) {
            Some(sample) if !responds(sample) => 0,
            _ if run.ranks.straggler(*rank).is_some() => 1,
            _ => 2,
        });
    }
    order
}

/// Scrolls the panel on `area`. Returns whether the action scrolls.
pub(super) fn scroll(view: &mut View, run: &History, action: Action, area: Rect) -> bool {
    let (length, page) = (run.ranks.samples.len(), page(area));
    let last = length.saturating_sub(page);
    let moved = move_cursor(view.ranks.min(last), action, page, last + 1);
    let scrolls = matches!(action, Action::Up | Action::Down | Action::PageUp | Action::PageDown);
    if scrolls || matches!(action, Action::First | Action::Last) {
        view.ranks = moved;
        return true;
    }
    false
}

/// Draws the panel.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: Scene) {
    let run = scene.run;
    let (order, page) = (order(run, page(area)), page(area));
    let first = scene.view.ranks.min(order.len().saturating_sub(page));
    let shown = &order[first..(first + page).min(order.len())];
    let mut title = title(scene);
    title.note = match shown.len() {
        shown if shown < order.len() => format!("rows {}-{} of {}", first + 1, first + shown, order.len()),
        _ if scene.view.full => "esc back".into(),
        _ => String::new(),
    };
    let focused = scene.view.chart(run) == Panel::Ranks;
    panel(frame, area, scene.look, focused, title);
    let inner = area.inner(Margin::new(1, 1));
    if order.is_empty() {
        return placeholder(frame, inner, scene.look, "waiting for a sample of each rank");
    }
    RankTable::new(scene, inner.width).draw(frame, inner, shown);
}

/// How many ranks there are, on how many hosts, and how many of them have a problem.
fn title(scene: Scene) -> Title<'static> {
    let (run, theme) = (scene.run, &scene.look.theme);
    let samples = &run.ranks.samples;
    let hosts = hosts::count(&samples.iter().map(|sample| sample.host.as_str()).collect::<Vec<_>>());
    let on = if hosts > 1 { format!(" on {hosts} hosts") } else { String::new() };
    let mut values = vec![(format!("{}{on}", grouped(run.rank_count())), theme.bold(theme.text))];
    let silent = samples.iter().filter(|sample| !responds(sample)).count();
    if silent > 0 {
        values.push((format!("{silent} not responding"), theme.bold(theme.error)));
    }
    match run.ranks.stragglers.len() {
        0 => {}
        1 => values.push(("1 straggler".into(), theme.bold(theme.warning))),
        several => values.push((format!("{several} stragglers"), theme.bold(theme.warning))),
    }
    let last = values.len() - 1;
    let values = values
        .into_iter()
        .enumerate()
        .map(|(number, (text, style))| Span::styled(if number < last { format!("{text},") } else { text }, style));
    let values = values.collect();
    Title { values, ..Title::named("Ranks") }
}
