//! The scale of an axis: from values to shares of its length, and its ticks.

use crate::ui::format::{Unit, number};

/// A linear or logarithmic scale. On a logarithmic one, positions are powers of ten.
pub(in crate::ui::widgets) struct Scale {
    from: f64,
    to: f64,
    log: bool,
}

/// A labelled position on a scale.
pub(in crate::ui::widgets) struct Tick {
    pub at: f64,
    pub label: String,
}

impl Scale {
    pub(super) fn new(from: f64, to: f64, log: bool) -> Scale {
        let (from, to) = if log { (from.log10(), to.log10()) } else { (from, to) };
        // A single value lies in the middle.
        let (from, to) = if to - from > from.abs().max(1e-12) * 1e-9 {
            (from, to)
        } else {
            (from - spread(from), to + spread(from))
        };
        Scale { from, to, log }
    }

    /// The scale with a margin at both ends.
    pub(super) fn padded(self) -> Scale {
        let room = (self.to - self.from) * 0.04;
        Scale { from: self.from - room, to: self.to + room, ..self }
    }

    /// The position of a value.
    pub(in crate::ui::widgets) fn position(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// The share of the axis that lies before a position.
    pub(in crate::ui::widgets) fn share(&self, position: f64) -> f64 {
        (position - self.from) / (self.to - self.from)
    }

    /// The position after a share of a linear axis.
    pub(super) fn value_at(&self, share: f64) -> f64 {
        self.from + share * (self.to - self.from)
    }

    /// The cell of a position on an axis of `length` cells.
    pub(super) fn cell(&self, position: f64, length: u16) -> u16 {
        let cell = (self.share(position) * f64::from(length)).floor();
        cell.clamp(0.0, f64::from(length.saturating_sub(1))) as u16
    }

    /// Ticks at round values, about as many as asked for, with labels in one unit.
    pub(in crate::ui::widgets) fn ticks(&self, about: usize, unit: Unit) -> Vec<Tick> {
        let about = about.max(1) as f64;
        if self.log {
            return self.log_ticks(about, unit);
        }
        let step = unit.step((self.to - self.from) / about);
        let values = multiples(self.from, self.to, step);
        let labels = unit.labels(&values, step);
        values.into_iter().zip(labels).map(|(at, label)| Tick { at, label }).collect()
    }

    /// Ticks at powers of ten; on a scale of less than a decade at 1, 2 and 5 times these, or if it has none of them at
    /// multiples of a round step.
    fn log_ticks(&self, about: f64, unit: Unit) -> Vec<Tick> {
        let tick = |value: f64, label: String| Tick { at: value.log10(), label };
        let decades = self.to - self.from;
        if decades > 1.0 {
            let step = Unit::Number.step(decades / about).max(1.0).round();
            let values = multiples(self.from, self.to, step).into_iter().map(|at| 10f64.powf(at));
            return values.map(|value| tick(value, log_label(value, unit))).collect();
        }
        let powers = (self.from.floor() as i32)..=(self.to.floor() as i32);
        let values = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(power)));
        let values: Vec<f64> = values.filter(|value| (self.from..=self.to).contains(&value.log10())).collect();
        if values.len() > 1 {
            return values.into_iter().map(|value| tick(value, log_label(value, unit))).collect();
        }
        let (from, to) = (10f64.powf(self.from), 10f64.powf(self.to));
        let step = unit.step((to - from) / about);
        let values = multiples(from, to, step);
        let labels = unit.labels(&values, step);
        values.into_iter().zip(labels).map(|(value, label)| tick(value, label)).collect()
    }
}

/// The multiples of a step within a range, at most 100.
fn multiples(from: f64, to: f64, step: f64) -> Vec<f64> {
    let first = (from / step).ceil() as i64;
    let multiples = (first..).map(|number| number as f64 * step).take_while(|value| *value <= to + step * 1e-9);
    multiples.take(100).collect()
}

/// The label of a tick whose neighbours may be decades away.
fn log_label(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{} %", number(value)),
        unit => unit.text(value),
    }
}

/// Half the length of a scale around a single value.
fn spread(value: f64) -> f64 {
    if value == 0.0 { 1.0 } else { value.abs() * 0.05 }
}
