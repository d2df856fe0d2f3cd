//! How much the curves of the monitor are smoothed.

/// How much curves are smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    None,
    Light,
    Strong,
}
