//! From values to shares of an axis.

/// A linear or logarithmic scale. On a logarithmic one, positions are powers of ten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// A scale between two positions, `from` below `to`.
    pub(super) fn new(from: f64, to: f64, log: bool) -> Scale {
        Scale { from, to, log }
    }

    /// The position of a value.
    pub(crate) fn position(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// The share of the axis that lies before a position.
    pub(crate) fn share(&self, position: f64) -> f64 {
        (position - self.from) / (self.to - self.from)
    }

    /// The position after a share of the axis.
    pub(crate) fn value_at(&self, share: f64) -> f64 {
        self.from + share * (self.to - self.from)
    }

    /// The cell of a position on an axis of `length` cells.
    pub(crate) fn cell(&self, position: f64, length: u16) -> u16 {
        let cell = (self.share(position) * f64::from(length)).floor();
        cell.clamp(0.0, f64::from(length.saturating_sub(1))) as u16
    }
}
