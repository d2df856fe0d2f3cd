//! Progress of a command on stderr.

use std::io::{self, IsTerminal, Write};

use crate::protocol::Progress;

/// Shows progress: one line that is rewritten on a terminal, elsewhere a line for each finished task.
pub(super) fn show(progress: Progress) {
    let Progress { task, done, total, unit } = progress;
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let end = if done == total { "\n" } else { "" };
        let _ = write!(stderr, "\r\x1b[K{task}: {done} of {total} {unit}{end}");
    } else if done == total {
        let _ = writeln!(stderr, "{task}: {done} of {total} {unit}");
    }
}
