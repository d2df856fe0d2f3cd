//! Values of compared runs at a position of the x axis, and their differences to the baseline.
//!
//! A value is that of the nearest point: the last value of the nearest bucket of a long curve. Nothing is interpolated.

use super::curves::RunCurves;
use super::metric::Metric;
use crate::series::{At, Series};
use crate::ui::format::{duration, number};
use crate::ui::smoothing::Smoothing;

/// How values are read from curves.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub metric: &'a Metric,
    pub smoothing: Smoothing,
    /// Whether positions are times.
    pub timed: bool,
    /// The position; `None` for the latest value of each run.
    pub cursor: Option<f64>,
}

/// A value of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveValue {
    pub value: f64,
    /// The position of its point.
    pub at: At,
}

/// How a run differs from the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The run's value minus the baseline's.
    pub value: f64,
    /// The position of the run's point. Without a cursor, runs are compared where the shorter one of the two ends.
    pub at: At,
}

/// A curve, and the position up to which its run has come: the last evaluation may lie before.
#[derive(Clone, Copy)]
pub struct ReadCurve<'a> {
    pub series: &'a Series,
    pub reach: f64,
}

impl Reading<'_> {
    /// The curve of a run; `None` for a score that it does not have.
    pub fn curve<'r>(&self, run: &'r RunCurves) -> Option<ReadCurve<'r>> {
        let series = self.metric.series(run, self.smoothing)?;
        Some(ReadCurve { series, reach: if self.timed { run.elapsed } else { run.taken as f64 } })
    }

    /// The value of a curve. `None` without points, and at a position that the run has not reached.
    pub fn value(&self, curve: ReadCurve) -> Option<CurveValue> {
        match self.cursor {
            Some(x) if !self.reaches(curve, x) => None,
            x => self.nearest(curve, x.unwrap_or(f64::INFINITY)),
        }
    }

    /// The difference of a curve to that of the baseline, where both have a value.
    pub fn difference(&self, own: ReadCurve, baseline: ReadCurve) -> Option<Difference> {
        let [own_end, baseline_end] = [self.end(own)?, self.end(baseline)?];
        let x = self.cursor.unwrap_or(own_end.min(baseline_end));
        if !self.reaches(own, x) || !self.reaches(baseline, x) {
            return None;
        }
        let (own, baseline) = (self.nearest(own, x)?, self.nearest(baseline, x)?);
        Some(Difference { value: own.value - baseline.value, at: own.at })
    }

    /// A difference with its sign. If it is not the one at the shown value, it says where: `+0.012 @55`.
    pub fn difference_text(&self, difference: &Difference, shown: Option<CurveValue>) -> String {
        let text = self.metric.text(difference.value.abs());
        let sign = match difference.value {
            0.0 => "",
            ..0.0 => "-",
            _ => "+",
        };
        match (shown.is_some_and(|shown| shown.at == difference.at), self.timed) {
            (true, _) => format!("{sign}{text}"),
            (false, true) => format!("{sign}{text} @{}", duration(difference.at.time)),
            (false, false) => format!("{sign}{text} @{}", number(difference.at.step)),
        }
    }

    /// The x of a point.
    pub fn x_of(&self) -> fn(At) -> f64 {
        if self.timed { |at| at.time } else { |at| at.step }
    }

    fn end(&self, curve: ReadCurve) -> Option<f64> {
        curve.series.last_at().map(self.x_of())
    }

    fn reaches(&self, curve: ReadCurve, x: f64) -> bool {
        x <= self.end(curve).map_or(curve.reach, |end| end.max(curve.reach))
    }

    fn nearest(&self, curve: ReadCurve, x: f64) -> Option<CurveValue> {
        curve.series.nearest(x, self.x_of()).map(|bucket| CurveValue { value: bucket.end, at: bucket.last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: u64) -> At {
        At { step: step as f64, time: step as f64 * 10.0 }
    }

    /// A run of so many steps whose loss at a step is `level - step / 100`, evaluated every 10 steps.
    fn run(steps: u64, level: f64) -> RunCurves {
        let mut run = RunCurves { taken: steps, steps, elapsed: steps as f64 * 10.0, ..RunCurves::default() };
        for step in 1..=steps {
            let loss = level - step as f64 / 100.0;
            run.loss.raw.push(at(step), loss);
            if step % 10 == 0 {
                run.eval_loss.push(at(step), loss);
            }
        }
        run
    }

    fn reading(metric: &Metric, cursor: Option<f64>) -> Reading<'_> {
        Reading { metric, smoothing: Smoothing::None, timed: false, cursor }
    }

    fn value(reading: Reading, run: &RunCurves) -> Option<CurveValue> {
        reading.value(reading.curve(run)?)
    }

    /// The difference as the legend shows it, and its step.
    fn difference(reading: Reading, run: &RunCurves, baseline: &RunCurves) -> Option<(String, f64)> {
        let own = reading.curve(run)?;
        let difference = reading.difference(own, reading.curve(baseline)?)?;
        Some((reading.difference_text(&difference, reading.value(own)), difference.at.step))
    }

    fn shown(text: &str, step: f64) -> Option<(String, f64)> {
        Some((text.to_owned(), step))
    }

    #[test]
    fn a_difference_is_that_of_the_nearest_points_at_the_cursor() {
        let (baseline, higher) = (run(100, 2.0), run(100, 2.5));
        let loss = |cursor| difference(reading(&Metric::Loss, Some(cursor)), &higher, &baseline);
        assert_eq!(
            (loss(40.0), loss(40.4), loss(0.0)),
            (shown("+0.5000", 40.0), shown("+0.5000", 40.0), shown("+0.5000", 1.0))
        );
        // Evaluations of the two runs need not be at the same step.
        let mut odd = run(100, 2.5);
        odd.eval_loss = Series::default();
        odd.eval_loss.push(at(37), 1.0);
        let evaluated = reading(&Metric::EvalLoss, Some(36.0));
        assert_eq!(value(evaluated, &odd), Some(CurveValue { value: 1.0, at: at(37) }));
        assert_eq!(difference(evaluated, &odd, &baseline), shown("-0.6000", 37.0));
        assert_eq!(difference(evaluated, &baseline, &baseline), shown("0", 40.0));
    }

    #[test]
    fn a_run_has_no_value_where_it_has_not_been() {
        let (long, short) = (run(100, 2.0), run(55, 2.5));
        let beyond = reading(&Metric::Loss, Some(80.0));
        assert_eq!((value(beyond, &short), difference(beyond, &short, &long)), (None, None));
        assert_eq!(difference(beyond, &long, &short), None);
        assert!(value(beyond, &long).is_some());
        // At its last step the latest evaluation is that of step 50.
        let latest = reading(&Metric::EvalLoss, Some(55.0));
        assert_eq!(value(latest, &short).map(|it| it.at), Some(at(50)));
        let timed = Reading { timed: true, ..reading(&Metric::Loss, Some(551.0)) };
        assert_eq!((value(timed, &short), value(timed, &long).map(|it| it.at)), (None, Some(at(55))));
    }

    #[test]
    fn without_a_cursor_runs_are_compared_where_the_shorter_one_ends() {
        let (long, short) = (run(100, 2.0), run(55, 2.5));
        let latest = reading(&Metric::Loss, None);
        assert_eq!(value(latest, &short).map(|it| it.at), Some(at(55)));
        assert_eq!(difference(latest, &short, &long), shown("+0.5000", 55.0));
        // The value of the longer one is that of step 100.
        assert_eq!(difference(latest, &long, &short), shown("-0.5000 @55", 55.0));
        assert_eq!(difference(Reading { timed: true, ..latest }, &long, &short), shown("-0.5000 @9:10", 55.0));
        assert_eq!(difference(latest, &long, &RunCurves::default()), None);
        assert_eq!(value(latest, &RunCurves::default()), None);
    }
}
