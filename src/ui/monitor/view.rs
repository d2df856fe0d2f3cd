//! The view of a run: tab, focus, axes and scroll positions.

use super::layers_view::LayersView;
use super::log_view::LogView;
use super::panel::Panel;
use super::smoothing::Smoothing;
use crate::runs::History;
use crate::series::At;

/// What the monitor shows of a run.
pub struct View {
    pub tab: Tab,
    /// The focused chart of the overview.
    pub(super) focus: Panel,
    /// The focused chart of the System tab.
    pub(super) machine: Panel,
    /// Whether the focused chart fills the screen.
    pub full: bool,
    pub(super) smoothing: Smoothing,
    /// Whether the y axis is logarithmic.
    pub(super) log: bool,
    /// Whether the x axis shows time instead of steps.
    pub(super) time: bool,
    /// The x of the cursor in full screen.
    pub cursor: Option<f64>,
    /// The part of the x axis shown in full screen.
    pub window: Option<(f64, f64)>,
    pub(super) layers: LayersView,
    /// Index of the example or completion under the cursor.
    pub(super) example: usize,
    pub(super) lines: LogView,
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
            machine: Panel::Rss,
            full: false,
            smoothing: Smoothing::Light,
            log: false,
            time: false,
            cursor: None,
            window: None,
            layers: LayersView::default(),
            example: 0,
            lines: LogView::default(),
            preset: 0,
        }
    }
}

impl View {
    /// The chart that keys act on.
    pub(super) fn chart(&self, run: &History) -> Panel {
        match self.tab {
            Tab::System => self.machine,
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

    /// Leaves full screen.
    pub(super) fn shrink(&mut self) {
        self.full = false;
        (self.cursor, self.window) = (None, None);
    }
}
