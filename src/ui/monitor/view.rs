//! What of a run is looked at, and how.

use super::layers_view::LayersView;
use super::log_view::LogView;
use super::panel::Panel;
use super::smoothing::Smoothing;
use crate::runs::History;
use crate::series::At;

/// What is looked at.
pub struct View {
    /// The tab.
    pub tab: Tab,
    /// The chart of the overview with the focus.
    pub focus: Panel,
    /// The chart of the machine with the focus.
    pub machine: Panel,
    /// Whether the chart with the focus fills the screen.
    pub full: bool,
    /// How much curves are smoothed.
    pub smoothing: Smoothing,
    /// Whether values are on a logarithmic scale.
    pub log: bool,
    /// Whether time is along the axis, instead of steps.
    pub time: bool,
    /// The cursor's place in full screen.
    pub cursor: Option<f64>,
    /// The part of the axis shown in full screen.
    pub window: Option<(f64, f64)>,
    /// The layers.
    pub layers: LayersView,
    /// The example that is marked.
    pub example: usize,
    /// The log.
    pub lines: LogView,
    /// The first line shown of the preset.
    pub preset: usize,
}

/// The tabs, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tab {
    Overview,
    Layers,
    Samples,
    System,
    Log,
    Preset,
}

impl Tab {
    /// All of them with their names.
    pub const ALL: [(Tab, &'static str); 6] = [
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
    /// The chart that keys are for.
    pub fn chart(&self, run: &History) -> Panel {
        match self.tab {
            Tab::System => self.machine,
            Tab::Layers => self.layers.target(run).map_or(Panel::Mass, Panel::TargetMass),
            _ => self.focus,
        }
    }

    /// Whether time is along the axis. The machine has its own, which goes on while no step is taken.
    pub fn timed(&self) -> bool {
        self.time || self.tab == Tab::System
    }

    /// Which of a point's places is along the axis.
    pub fn axis(&self) -> fn(At) -> f64 {
        if self.timed() { |at| at.time } else { |at| at.step }
    }

    /// Leaves full screen.
    pub fn shrink(&mut self) {
        self.full = false;
        (self.cursor, self.window) = (None, None);
    }
}
