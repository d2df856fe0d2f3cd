//! Progress of a command on stderr.

#[cfg(feature = "torch")]
use std::io::IsTerminal;
use std::io::{self, Write};

use crate::protocol::Progress;

/// Shows progress in one line that is rewritten. Off a terminal it shows nothing.
#[cfg(feature = "torch")]
pub(super) fn show(progress: Progress) {
    let Progress { task, done, total, unit } = progress;
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let end = if done == total { "\n" } else { "" };
        let _ = write!(stderr, "\r\x1b[K{task}: {done} of {total} {unit}{end}");
    }
}

/// Shows progress in a line each.
pub(super) fn show_lines(progress: Progress) {
    let Progress { task, done, total, unit } = progress;
    let _ = writeln!(io::stderr(), "{task}: {done} of {total} {unit}");
}
