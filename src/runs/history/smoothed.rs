//! A curve with its moving averages.

use crate::series::{At, Ema, Series};

/// Decay of the two averages.
const LIGHT: f64 = 0.9;
const STRONG: f64 = 0.98;

/// A curve and two averages of it.
#[derive(Clone, Default)]
pub struct SmoothedSeries {
    pub raw: Series,
    pub light: Series,
    pub strong: Series,
    averages: Option<(Ema, Ema)>,
}

impl SmoothedSeries {
    pub(super) fn push(&mut self, at: At, value: f64) {
        let (light, strong) = self.averages.get_or_insert_with(|| (Ema::new(LIGHT), Ema::new(STRONG)));
        self.raw.push(at, value);
        self.light.push(at, light.push(value));
        self.strong.push(at, strong.push(value));
    }

    /// The curves in at most `most` buckets each.
    pub fn coarsened(&self, most: usize) -> SmoothedSeries {
        SmoothedSeries {
            raw: self.raw.coarsened(most),
            light: self.light.coarsened(most),
            strong: self.strong.coarsened(most),
            averages: self.averages.clone(),
        }
    }

    pub(super) fn rewind(&mut self, step: f64) {
        let before = self.raw.points();
        for series in [&mut self.raw, &mut self.light, &mut self.strong] {
            series.rewind(step);
        }
        if self.raw.points() < before {
            let average = |series: &Series, decay| Some(Ema::resumed(decay, series.last()?, series.points()));
            self.averages = average(&self.light, LIGHT).zip(average(&self.strong, STRONG));
        }
    }
}
