//! Comparison of runs: the marked ones on shared axes, as their events come, with their differences to a baseline.
//!
//! ```text
//! marks     which runs are marked, and their colours
//! reader    reads their curves and settings on a thread of its own
//! curves    the curves of a run, copied from its history
//! metric    what they are compared by
//! value     values at the cursor, and differences to the baseline
//! run       a compared run as screens draw it
//! view      metric, axes, cursor and zoom
//! scene     what the drawing code reads
//! chart     the chart of a metric
//! legend    the runs with their values
//! settings  the settings in which they differ
//! layout    where these lie
//! ```
//!
//! The list of runs owns a [`Comparison`]; the monitor gets its runs to draw them over its own.

mod chart;
mod curves;
mod layout;
mod legend;
mod marks;
mod metric;
mod reader;
mod run;
mod scene;
mod settings;
mod value;
mod view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use curves::RunCurves;
pub use layout::{Hit, draw, hit};
pub use marks::Marks;
pub use metric::Metric;
pub use reader::{ComparisonUpdate, CurveReader};
pub use run::{ComparedRun, by_digits, style, swatch};
pub use scene::Scene;
pub use settings::Settings;
pub use value::{ReadCurve, Reading};
pub use view::{ComparisonView, Extent};

/// The fewest runs that are compared.
pub const FEWEST: usize = 2;

/// What is known of the marked runs, and how they are looked at.
#[derive(Default)]
pub struct Comparison {
    curves: BTreeMap<PathBuf, Arc<RunCurves>>,
    pub settings: Settings,
    pub view: ComparisonView,
}

impl Comparison {
    /// The compared runs with their curves, in the order in which they were marked.
    pub fn runs(&self, marks: &Marks) -> Vec<ComparedRun> {
        let run = |(path, colour): (&Path, usize)| {
            ComparedRun::new(path, colour, marks.baseline() == Some(path), self.curves.get(path).cloned())
        };
        marks.compared().map(run).collect()
    }

    /// Takes in what was read. What comes late, of a run that is no longer marked, is dropped.
    pub fn on_update(&mut self, marks: &Marks, update: ComparisonUpdate) {
        match update {
            ComparisonUpdate::Curves(run, curves) => {
                if marks.colour(&run).is_some() {
                    self.curves.insert(run, curves);
                }
            }
            ComparisonUpdate::Settings(runs, differences) => self.settings = Settings { runs, differences },
            ComparisonUpdate::Unreadable(_) => {}
        }
    }

    /// Forgets the runs that are no longer compared.
    pub fn on_marked(&mut self, marks: &Marks) {
        self.curves.retain(|run, _| marks.colour(run).is_some());
        if marks.compared().count() < FEWEST {
            self.view.close();
        }
    }
}
