//! Sweep files, their plans and schedules, and the bootstrap.

mod bootstrap;
mod files;
mod schedules;
