//! How compared runs are looked at: the metric, the axes, cursor and zoom.

use std::path::{Path, PathBuf};

use super::metric::Metric;
use super::run::ComparedRun;
use super::value::Reading;
use crate::ui::keymap::Action;
use crate::ui::smoothing::Smoothing;
use crate::ui::widgets::chart::{following, panned, zoomed};

/// Parts of the visible axis that an arrow key moves the cursor by, and how many of them a page key.
const PARTS: f64 = 100.0;
const PAGE: f64 = 10.0;

/// Share of the window that one key press pans by.
const PAN: f64 = 0.25;

/// How much of the screen a comparison takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// The part below the table of runs: one metric.
    #[default]
    Below,
    /// The whole screen: a grid of all metrics.
    Grid,
    /// The whole screen: one metric.
    Single,
}

/// What a comparison shows.
#[derive(Default)]
pub struct ComparisonView {
    pub extent: Extent,
    pub(super) metric: Metric,
    pub(super) smoothing: Smoothing,
    /// The metrics whose y axis is logarithmic.
    log: Vec<Metric>,
    /// Whether the x axis shows time instead of steps.
    pub(super) timed: bool,
    /// The x of the cursor, which all charts share.
    pub(super) cursor: Option<f64>,
    /// The part of the x axis shown, the same in all charts.
    pub(super) window: Option<(f64, f64)>,
    /// The run under the cursor of the legend, on the whole screen.
    pub(super) selected: Option<PathBuf>,
    /// Whether the settings take the place of the charts, and how many of their lines are scrolled past.
    pub(super) settings: Option<usize>,
}

impl ComparisonView {
    /// Whether it takes the whole screen.
    pub fn is_open(&self) -> bool {
        self.extent != Extent::Below
    }

    /// Whether an action does something here.
    pub fn applies(&self, action: Action) -> bool {
        match action {
            Action::PanLeft | Action::PanRight if self.is_open() => self.window.is_some(),
            Action::Metric
            | Action::Baseline
            | Action::Axis
            | Action::LogAxis
            | Action::Smoothing
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::PanLeft
            | Action::PanRight => true,
            Action::App(_)
            | Action::FocusNext
            | Action::FocusPrevious
            | Action::Left
            | Action::Right
            | Action::Up
            | Action::Down
            | Action::PageUp
            | Action::PageDown
            | Action::First
            | Action::Last
            | Action::Enter
            | Action::Back
            | Action::Mark
            | Action::Compare => self.is_open(),
            _ => false,
        }
    }

    /// The actions that come first in the footer on the whole screen, with their words.
    pub fn first(&self) -> Vec<(Action, &'static str)> {
        if self.settings.is_some() {
            return vec![(Action::Compare, "charts"), (Action::Back, "back"), (Action::Baseline, "baseline")];
        }
        let enter = if self.extent == Extent::Single { "all metrics" } else { "full screen" };
        vec![
            (Action::Enter, enter),
            (Action::Compare, "settings"),
            (Action::Metric, "metric"),
            (Action::Back, "back"),
            (Action::Right, "cursor"),
            (Action::Baseline, "baseline"),
            (Action::Mark, "unmark"),
        ]
    }

    /// Performs an action on the charts.
    pub fn act(&mut self, action: Action, runs: &[ComparedRun]) {
        let open = self.is_open();
        match action {
            Action::Metric | Action::FocusNext => self.next_metric(runs, 1),
            Action::FocusPrevious => self.next_metric(runs, -1),
            Action::LogAxis => self.toggle_log(),
            Action::Smoothing => self.smoothing = self.smoothing.next(),
            Action::Axis => {
                self.timed = !self.timed;
                (self.cursor, self.window) = (None, None);
            }
            Action::ZoomIn => self.zoom(runs, 0.5),
            Action::ZoomOut => self.zoom(runs, 2.0),
            Action::PanLeft if open => self.pan(runs, -PAN),
            Action::PanRight if open => self.pan(runs, PAN),
            // Below the table, the arrows move in the table.
            Action::PanLeft | Action::Left => self.move_cursor(runs, -1.0),
            Action::PanRight | Action::Right => self.move_cursor(runs, 1.0),
            Action::PageUp => self.scroll_or(-(PAGE as isize), |view| view.move_cursor(runs, -PAGE)),
            Action::PageDown => self.scroll_or(PAGE as isize, |view| view.move_cursor(runs, PAGE)),
            Action::First => self.scroll_or(isize::MIN / 2, |view| view.move_cursor(runs, f64::NEG_INFINITY)),
            Action::Last => self.scroll_or(isize::MAX / 2, |view| view.move_cursor(runs, f64::INFINITY)),
            Action::Up => self.scroll_or(-1, |view| view.select(runs, -1)),
            Action::Down => self.scroll_or(1, |view| view.select(runs, 1)),
            Action::Enter => self.extent = if self.extent == Extent::Grid { Extent::Single } else { Extent::Grid },
            Action::Compare => self.settings = if self.settings.is_some() { None } else { Some(0) },
            Action::Back => self.back(),
            _ => {}
        }
    }

    /// Opens the grid of all metrics on the whole screen.
    pub fn open(&mut self, selected: Option<&Path>) {
        self.extent = Extent::Grid;
        self.selected = selected.map(Path::to_owned);
    }

    /// Leaves the whole screen, and forgets cursor and zoom: the next runs may have other axes.
    pub fn close(&mut self) {
        self.extent = Extent::Below;
        (self.cursor, self.window, self.settings) = (None, None, None);
    }

    /// Gives the focus to a metric.
    pub fn focus(&mut self, metric: Metric) {
        self.metric = metric;
    }

    /// The run under the cursor of the legend.
    pub fn selected(&self) -> Option<&PathBuf> {
        self.selected.as_ref()
    }

    /// Whether the settings take the place of the charts.
    pub fn shows_settings(&self) -> bool {
        self.is_open() && self.settings.is_some()
    }

    /// Sets the cursor to a position.
    pub fn set_cursor(&mut self, x: f64) {
        let x = if self.timed { x } else { x.round() };
        self.cursor = Some(x);
        self.window = self.window.map(|window| following(window, x));
    }

    /// Whether a cursor shows values.
    pub fn has_cursor(&self) -> bool {
        self.cursor.is_some()
    }

    /// Follows a run to its new folder.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        self.selected.iter_mut().filter(|run| *run == from).for_each(|run| to.clone_into(run));
    }

    /// Removes the cursor. Whether there was one.
    pub fn drop_cursor(&mut self) -> bool {
        self.cursor.take().is_some()
    }

    pub(super) fn is_log(&self, metric: &Metric) -> bool {
        self.log.contains(metric) && metric.is_positive()
    }

    /// How the values of a metric are read.
    pub(super) fn reading<'a>(&self, metric: &'a Metric) -> Reading<'a> {
        Reading { metric, smoothing: self.smoothing, timed: self.timed, cursor: self.cursor }
    }

    /// The metrics of the runs, and the index of the one with the focus among them.
    pub(super) fn metrics(&self, runs: &[ComparedRun]) -> (Vec<Metric>, usize) {
        let metrics = Metric::of(runs.iter().filter_map(|run| run.curves.as_deref()));
        let focus = metrics.iter().position(|metric| *metric == self.metric).unwrap_or(0);
        (metrics, focus)
    }

    /// The x axis of all charts: to the end of the longest run.
    pub(super) fn domain(&self, runs: &[ComparedRun]) -> Option<(f64, f64)> {
        let curves = runs.iter().filter_map(|run| run.curves.as_deref());
        let ends = curves.map(|run| if self.timed { run.elapsed } else { run.steps as f64 });
        ends.reduce(f64::max).filter(|end| *end > 0.0).map(|end| (0.0, end))
    }

    /// The x that the run that is furthest has reached, if there is more to come.
    pub(super) fn now(&self, runs: &[ComparedRun]) -> Option<f64> {
        let curves = || runs.iter().filter_map(|run| run.curves.as_deref());
        let (taken, steps) = (curves().map(|run| run.taken).max()?, curves().map(|run| run.steps).max()?);
        (!self.timed && taken < steps).then_some(taken as f64)
    }

    fn back(&mut self) {
        match self.extent {
            _ if self.settings.is_some() => self.settings = None,
            Extent::Single => self.extent = Extent::Grid,
            Extent::Grid | Extent::Below => self.extent = Extent::Below,
        }
    }

    fn toggle_log(&mut self) {
        match self.log.iter().position(|log| *log == self.metric) {
            Some(place) => drop(self.log.swap_remove(place)),
            None => self.log.push(self.metric.clone()),
        }
    }

    fn next_metric(&mut self, runs: &[ComparedRun], by: isize) {
        let (mut metrics, focus) = self.metrics(runs);
        let next = (focus as isize + by).rem_euclid(metrics.len().max(1) as isize) as usize;
        if next < metrics.len() {
            self.metric = metrics.swap_remove(next);
        }
    }

    fn zoom(&mut self, runs: &[ComparedRun], by: f64) {
        if let Some(domain) = self.domain(runs) {
            self.window = zoomed(self.window, domain, self.cursor, by);
        }
    }

    fn pan(&mut self, runs: &[ComparedRun], share: f64) {
        if let (Some(domain), Some(window)) = (self.domain(runs), self.window) {
            self.window = Some(panned(window, domain, share));
        }
    }

    /// Moves the cursor by parts of the visible axis, by a step at least.
    fn move_cursor(&mut self, runs: &[ComparedRun], parts: f64) {
        let Some((first, last)) = self.domain(runs) else { return };
        let (from, to) = self.window.unwrap_or((first, last));
        let part = ((to - from) / PARTS).max(1.0);
        let x = self.cursor.unwrap_or(to) + parts * part;
        self.set_cursor(x.clamp(first, last));
    }

    /// Scrolls the settings where they are shown; else does something to the charts.
    fn scroll_or(&mut self, lines: isize, charts: impl FnOnce(&mut ComparisonView)) {
        match &mut self.settings {
            Some(from) => *from = from.saturating_add_signed(lines),
            None => charts(self),
        }
    }

    /// Moves the cursor of the legend.
    fn select(&mut self, runs: &[ComparedRun], by: isize) {
        let now = runs.iter().position(|run| Some(&run.path) == self.selected.as_ref());
        let next = now.map_or(0, |now| now.saturating_add_signed(by).min(runs.len().saturating_sub(1)));
        self.selected = runs.get(next).map(|run| run.path.clone());
    }
}
