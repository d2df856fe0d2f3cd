//! Replaying a recorded run at a multiple of its own pace.
//!
//! ```text
//! pace      the speed, and whether the replay is paused
//! timeline  the time that passed before each event was recorded
//! reader    delivers events when they are due, from a thread of its own
//! ```

mod pace;
mod reader;
mod timeline;

pub use pace::Pace;
pub(super) use reader::{PaceControl, read_paced};
