//! Whole screens and what lies above them. Drawing changes nothing.

mod content;
pub mod header;
pub mod monitor;
pub mod overlay;
pub mod panels;
