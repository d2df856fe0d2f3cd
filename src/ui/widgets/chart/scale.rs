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

    /// The cell of a position on an axis of so many cells.
    pub(super) fn cell(&self, position: f64, length: u16) -> u16 {
        let cell = (self.share(position) * f64::from(length)).floor();
        cell.clamp(0.0, f64::from(length.saturating_sub(1))) as u16
    }

    /// About so many ticks at round values, with labels in one unit.
    pub(in crate::ui::widgets) fn ticks(&self, about: usize, unit: Unit) -> Vec<Tick> {
        let rough = (self.to - self.from) / about.max(1) as f64;
        let step = match self.log {
            // More than a decade is divided into whole decades.
            true if self.to - self.from > 1.0 => Unit::Number.step(rough).max(1.0).round(),
            true => Unit::Number.step(rough),
            false => unit.step(rough),
        };
        let first = (self.from / step).ceil() as i64;
        let positions = (first..).map(|number| number as f64 * step).take_while(|at| *at <= self.to + step * 1e-9);
        let positions: Vec<f64> = positions.take(100).collect();
        let labels = if self.log {
            positions.iter().map(|at| log_label(10f64.powf(*at), unit)).collect()
        } else {
            unit.labels(&positions, step)
        };
        positions.into_iter().zip(labels).map(|(at, label)| Tick { at, label }).collect()
    }
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
