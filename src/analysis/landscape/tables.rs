//! The tables of a landscape.

use super::oscillation::MeanOscillation;
use super::outcome::{Around, Landscape, Sharpness};
use super::report::percent;
use crate::analysis::Table;
use crate::quantity::measured;

impl Landscape {
    pub(super) fn oscillation_table(&self) -> Table {
        let row = |around: &Around| {
            let mean = around.oscillation();
            let cell =
                |of: fn(&MeanOscillation) -> f64| mean.as_ref().map_or("not finite".into(), |mean| measured(of(mean)));
            vec![
                around.weights.name(),
                measured(around.loss),
                cell(|mean| mean.range),
                cell(|mean| mean.variation),
                cell(|mean| mean.second_difference),
                cell(|mean| mean.minima),
            ]
        };
        Table {
            name: "oscillation".into(),
            title: "Oscillation along random directions, mean over directions".into(),
            columns: ["weights", "loss", "amplitude", "variation / amplitude", "second difference", "local minima"]
                .map(str::to_owned)
                .into(),
            rows: self.weights.iter().map(row).collect(),
        }
    }

    pub(super) fn sharpness_table(&self) -> Option<Table> {
        let row = |around: &Around| {
            let sharpness: &Sharpness = around.sharpness.as_ref()?;
            Some(vec![
                around.weights.name(),
                measured(sharpness.eigenvalue),
                measured(sharpness.residual),
                measured(sharpness.halved),
                measured(sharpness.step),
                sharpness.products.to_string(),
                if sharpness.converged { "yes" } else { "no" }.into(),
            ])
        };
        let rows: Vec<Vec<String>> = self.weights.iter().filter_map(row).collect();
        (!rows.is_empty()).then(|| Table {
            name: "sharpness".into(),
            title: "Largest eigenvalue of the Hessian".into(),
            columns: ["weights", "\u{3bb}", "residual", "\u{3bb} at \u{3b5}/2", "\u{3b5}", "products", "converged"]
                .map(str::to_owned)
                .into(),
            rows,
        })
    }

    pub(super) fn slope_table(&self) -> Table {
        let row = |around: &Around| {
            let slope = &around.slope;
            vec![
                around.weights.name(),
                measured(slope.differences.value),
                measured(slope.autograd),
                percent(slope.difference()),
            ]
        };
        Table {
            name: "self_check".into(),
            title: "Derivative along the first random direction".into(),
            columns: ["weights", "finite differences", "autograd", "difference"].map(str::to_owned).into(),
            rows: self.weights.iter().map(row).collect(),
        }
    }
}
