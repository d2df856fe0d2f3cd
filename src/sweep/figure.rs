//! A sweep's results as a figure: the mean score of each row with its standard deviation.

use super::plan::{SweepPlan, short};
use super::table::{SweepTable, TableRow};
use super::x_axis::{RowLines, XAxis, number, setting};
use crate::figure::{Axis, Figure, MarkedPoint, Plot, PointRow, PointRows, PointSeries, Points, Scale, Whisker};
use crate::quantity::grouped;
use crate::text::plain;

/// A key spans so many times its least value before its axis is logarithmic.
const LOGARITHMIC: f64 = 10.0;

impl SweepTable {
    /// The figure of the table. Rows without a score are not in it yet.
    pub fn figure(&self, plan: &SweepPlan) -> Figure {
        let grouped_rows = RowLines::of(&plan.rows);
        let metric = if self.metric.is_empty() { "score" } else { &self.metric };
        let direction = if self.lower_is_better { "lower" } else { "higher" };
        let score = Axis { label: format!("{} ({direction} is better)", plain(metric)), scale: Scale::Linear };
        let by = |x: &str| match plan.about.is_empty() {
            true => format!("{} by {x}", plain(metric)),
            false => plain(&plan.about),
        };
        let figure = |title, x, y, plot| Figure { name: "results".into(), title, x, y, plot };
        match &grouped_rows.axis {
            XAxis::Rows => {
                let rows = self.rows.iter().map(|row| self.row(row)).collect();
                let plot = Plot::Rows(PointRows { rows, note: self.note(plan, None) });
                figure(by("row"), score, Axis { label: String::new(), scale: Scale::Linear }, plot)
            }
            XAxis::Key(key) => {
                let value = |row: usize| setting(&plan.rows[row], key).and_then(number);
                let plot = Plot::Points(self.points(plan, &grouped_rows, &value));
                let values: Vec<f64> = (0..plan.rows.len()).filter_map(value).collect();
                figure(by(short(key)), Axis { label: key.clone(), scale: scale(&values) }, score, plot)
            }
            XAxis::Trainable => {
                let count = |row: usize| self.rows[row].trainable.map(|all| (all.sparse + all.dense) as f64);
                let plot = Plot::Points(self.points(plan, &grouped_rows, &count));
                let x = Axis { label: "trainable parameters".into(), scale: Scale::Log };
                figure(by("trainable parameters"), x, score, plot)
            }
        }
    }

    /// The lines of rows as series, at the place that `x` gives a row.
    fn points(&self, plan: &SweepPlan, rows: &RowLines, x: &dyn Fn(usize) -> Option<f64>) -> Points {
        let point = |row: &usize| Some(MarkedPoint { x: x(*row)?, mark: self.whisker(&self.rows[*row])? });
        let series = rows.lines.iter().enumerate().map(|(line, own)| {
            let mut points: Vec<MarkedPoint> = own.iter().filter_map(point).collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            PointSeries { name: plain(&rows.name(&plan.rows, line)), points }
        });
        let axis = match rows.axis {
            XAxis::Key(_) => "points of one value stand side by side",
            XAxis::Trainable | XAxis::Rows => "points of nearly equal counts stand side by side",
        };
        Points { series: series.collect(), note: self.note(plan, Some(axis)) }
    }

    fn row(&self, row: &TableRow) -> PointRow {
        let score = row.mean.map(|mean| match row.deviation {
            Some(deviation) => format!("{mean:.4} ± {deviation:.4}"),
            None => format!("{mean:.4}"),
        });
        let trainable = row.trainable.map(|all| format!("{} trainable", grouped(all.sparse + all.dense)));
        let numbers = [score, trainable].into_iter().flatten().collect::<Vec<_>>().join(", ");
        PointRow { name: plain(&row.name), numbers, mark: self.whisker(row) }
    }

    /// The mean of a row with its standard deviation.
    fn whisker(&self, row: &TableRow) -> Option<Whisker> {
        let value = row.mean?;
        let deviation = row.deviation.unwrap_or(0.0);
        let (scores, seeds) = (row.scores().count(), row.cells.len());
        let tuned = row.value.as_ref().filter(|_| row.tuned).map(|value| format!(", tuned to {value}"));
        let spread = row.deviation.map(|deviation| format!(" ± {deviation}")).unwrap_or_default();
        let trainable = row.trainable.map(|all| format!(", {} trainable", grouped(all.sparse + all.dense)));
        let title = format!(
            "{}{}: {} {value}{spread} (n = {scores} of {seeds}){}",
            plain(&row.name),
            plain(&tuned.unwrap_or_default()),
            plain(&self.metric),
            trainable.unwrap_or_default()
        );
        Some(Whisker { value, low: value - deviation, high: value + deviation, complete: scores == seeds, title })
    }

    /// How the figure is to be read.
    fn note(&self, plan: &SweepPlan, axis: Option<&str>) -> String {
        let list = |seeds: &[u64]| seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let mut notes = match plan.seeds.len() {
            1 => vec![format!("seed {}", list(&plan.seeds))],
            _ => vec![
                format!("mean of seeds {}", list(&plan.seeds)),
                "whiskers: ± sample standard deviation over seeds".to_owned(),
            ],
        };
        if self.rows.iter().any(|row| row.mean.is_some() && row.scores().count() < row.cells.len()) {
            notes.push("hollow: not all seeds are done".to_owned());
        }
        notes.extend(axis.map(str::to_owned));
        if plan.rows.iter().any(|row| row.is_tuned()) {
            notes.push(format!("{} is tuned row by row on seed {}", plan.tune.key, list(&plan.tune.seeds)));
        }
        notes.join("; ")
    }
}

fn scale(values: &[f64]) -> Scale {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least > 0.0 && largest >= least * LOGARITHMIC { Scale::Log } else { Scale::Linear }
}
