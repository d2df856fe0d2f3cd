//! finesift.
fn main() {}
