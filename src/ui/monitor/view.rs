//! The view of a run: tab, focus, axes and scroll positions.

use super::confusion_view::ConfusionView;
use super::layers_view::LayersView;
use super::log_view::LogView;
use super::panel::Panel;
use crate::runs::History;
use crate::series::At;
use crate::ui::smoothing::Smoothing;

/// What the monitor shows of a run.
pub struct View {
    pub tab: Tab,
    /// The focused chart of the overview.
    pub(super) focus: Panel,
    /// The focused panel of the System tab, once one was chosen.
    pub(super) machine: Option<Panel>,
    /// Whether the focused chart fills the screen.
    pub full: bool,
    pub(super) smoothing: Smoothing,
    /// The charts whose y axis is logarithmic.
    pub(super) log: Vec<Panel>,
    /// Whether the x axis shows time instead of steps.
    pub(super) time: bool,
    /// The x of the cursor, which all charts of a screen share.
    pub cursor: Option<f64>,
    /// The part of the x axis shown in full screen.
    pub window: Option<(f64, f64)>,
    pub(super) layers: LayersView,
    /// Index of the example or completion under the cursor.
    pub(super) example: usize,
    pub(super) confusion: ConfusionView,
    pub(super) lines: LogView,
    /// The first visible row of the ranks.
    pub(super) ranks: usize,
    /// The first visible line of the preset.
    pub(super) preset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Layers,
    Samples,
    System,
    Log,
    Preset,
}

impl Tab {
    /// The tabs with their names, in screen order.
    pub(super) const ALL: [(Tab, &'static str); 6] = [
        (Tab::Overview, "Overview"),
        (Tab::Layers, "Layers"),
        (Tab::Samples, "Samples"),
        (Tab::System, "System"),
        (Tab::Log, "Log"),
        (Tab::Preset, "Preset"),
    ];
}

impl Default for View {
    fn default() -> View {
        View {
            tab: Tab::Overview,
            focus: Panel::Loss,
            machine: None,
            full: false,
            smoothing: Smoothing::Light,
            log: Vec::new(),
            time: false,
            cursor: None,
            window: None,
            layers: LayersView::default(),
            example: 0,
            confusion: ConfusionView::default(),
            lines: LogView::default(),
            ranks: 0,
            preset: 0,
        }
    }
}

impl View {
    /// The chart that keys act on.
    pub(super) fn chart(&self, run: &History) -> Panel {
        match self.tab {
            Tab::System => self.machine.unwrap_or(if run.rank_count() > 1 { Panel::Ranks } else { Panel::Rss }),
            Tab::Layers => self.layers.target(run).map_or(Panel::Mass, Panel::TargetMass),
            _ => self.focus,
        }
    }

    /// Whether the x axis shows time. The System tab always does, since its measurements continue between steps.
    pub(super) fn timed(&self) -> bool {
        self.time || self.tab == Tab::System
    }

    /// The x of a point: its time or its step.
    pub(super) fn x_of(&self) -> fn(At) -> f64 {
        if self.timed() { |at| at.time } else { |at| at.step }
    }

    /// Whether the y axis of a chart is logarithmic.
    pub(super) fn is_log(&self, panel: Panel) -> bool {
        self.log.contains(&panel)
    }

    /// Switches the y axis of a chart between linear and logarithmic.
    pub(super) fn toggle_log(&mut self, panel: Panel) {
        match self.log.iter().position(|log| *log == panel) {
            Some(place) => drop(self.log.swap_remove(place)),
            None => self.log.push(panel),
        }
    }

    /// Shows the latest values again.
    pub(super) fn clear_cursor(&mut self) {
        (self.cursor, self.layers.playback) = (None, None);
    }

    /// Leaves full screen. The cursor stays.
    pub(super) fn shrink(&mut self) {
        self.full = false;
        self.window = None;
    }

    /// Shows another tab, whose x axis may be another.
    pub(super) fn open_tab(&mut self, tab: Tab) {
        self.tab = tab;
        self.clear_cursor();
        self.shrink();
    }
}
