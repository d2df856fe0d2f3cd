//! Things that are drawn into a rectangle: no state, no knowledge of runs.

pub mod chart;
pub mod input;
pub mod panel;
pub mod popup;
pub mod sides;
pub mod spark;
pub mod svg;
