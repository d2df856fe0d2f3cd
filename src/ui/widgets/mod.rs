//! Reusable widgets that know nothing of runs: charts, panels, sparklines, a text input.

pub(super) mod chart;
pub(super) mod input;
pub(super) mod panel;
pub(super) mod spark;
pub(super) mod svg;
