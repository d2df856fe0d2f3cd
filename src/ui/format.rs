//! Numbers, sizes, times and texts as screens show them.

pub use crate::quantity::Unit;
pub(crate) use crate::quantity::{age, bytes, duration, grouped, number, percent, progress, score};
pub(crate) use crate::text::{
    fitted, fitted_end, padded, padded_start, plain, plain_lines, truncated, width, wrapped, wrapped_at_most,
    wrapped_lines,
};
