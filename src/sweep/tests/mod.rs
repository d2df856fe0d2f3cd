//! Sweep files, their plans and schedules, and the bootstrap.

mod bootstrap;
mod figures;
mod files;
mod schedules;
