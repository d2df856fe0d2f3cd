//! Attaching to a run in another process, over a socket in the run's folder. Whoever may write there may attach.
//!
//! Both sides write lines of JSON. A viewer writes commands as in [`protocol`](crate::protocol): `"pause"`,
//! `{"sample":{"prompt":"…"}}`, `{"stop":{"save":true}}`. The run writes [`SocketLine`]s. Events are not sent but read from
//! the run's file, up to the byte that was announced last, so that a stalled viewer costs the run nothing and
//! misses nothing. When a run is detached, it continues in another process, and viewers follow it there.

mod connection;
mod follower;
mod line;
mod link;
mod listener;
mod viewer;

pub use line::SocketLine;
pub use link::Link;
pub use listener::{Listener, listen};
pub use viewer::Viewer;
