//! Reusable widgets that know nothing of runs: charts, figures, panels, popups, sparklines, a text input.

pub(super) mod chart;
pub(super) mod cut;
pub(super) mod figure;
pub(super) mod input;
pub(super) mod input_history;
pub(super) mod panel;
pub(super) mod popup;
pub(super) mod sides;
pub(super) mod spark;
pub(super) mod svg;
pub(super) mod wrap;
