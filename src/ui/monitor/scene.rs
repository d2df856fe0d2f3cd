//! What the drawing code of the monitor reads.

use super::files::Files;
use super::overlays::Overlays;
use super::view::{Tab, View};
use crate::runs::History;
use crate::runs::health::Verdict;
use crate::series::Series;
use crate::ui::theme::Look;

/// A run, and how it is looked at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub run: &'a History,
    pub view: &'a View,
    pub files: Option<&'a Files>,
    /// Other runs to compare with.
    pub overlays: &'a Overlays,
    /// What the checks have found.
    pub verdicts: &'a [Verdict],
    /// Whether badges have a line of their own.
    pub badges: bool,
    pub look: &'a Look,
}

impl Scene<'_> {
    /// The value of a curve at the cursor, or else its latest.
    pub fn value(&self, series: &Series) -> Option<f64> {
        match self.view.cursor {
            // As the map of the tab: nothing that was measured later.
            Some(x) if self.view.tab == Tab::Layers => series.until(x, self.view.x_of()).map(|bucket| bucket.end),
            Some(x) => series.nearest(x, self.view.x_of()).map(|bucket| bucket.end),
            None => series.last(),
        }
    }

    /// The x axis of all charts of the screen: from 0 to the planned steps, or to the latest time.
    pub fn domain(&self) -> Option<(f64, f64)> {
        let end = match self.view.timed() {
            true => {
                self.run.machine.rss.buckets().last().map_or(0.0, |bucket| bucket.last.time).max(self.run.elapsed())
            }
            false => self.run.steps as f64,
        };
        (end > 0.0).then_some((0.0, end))
    }

    /// The x that the run has reached, if there are steps to come.
    pub fn now(&self) -> Option<f64> {
        (!self.view.timed() && self.run.taken < self.run.steps).then_some(self.run.taken as f64)
    }
}
