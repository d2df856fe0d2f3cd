//! Asking the terminal, before anything else reads its input.

use std::io::{self, Write, stdin, stdout};
use std::time::{Duration, Instant};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Asks what every terminal answers (DA1): its answer ends the wait for those before it.
const LAST_QUESTION: &str = "\x1b[c";

/// Around the questions: a terminal may print those that it does not know.
const KEEP_CURSOR: &str = "\x1b7";
const CLEAR_LINE: &str = "\x1b8\x1b[K";

/// The time that the slowest connection may take. A later answer would be taken for keys.
const PATIENCE: Duration = Duration::from_secs(1);

/// The terminal's answers to these questions, and to what every terminal is asked. What has not arrived after a second is
/// missing.
pub fn ask(questions: &str) -> io::Result<Vec<u8>> {
    enable_raw_mode()?;
    let answer = converse(questions);
    let _ = disable_raw_mode();
    answer
}

fn converse(questions: &str) -> io::Result<Vec<u8>> {
    write(&format!("{KEEP_CURSOR}{questions}{LAST_QUESTION}"))?;
    let answer = read();
    write(CLEAR_LINE)?;
    answer
}

fn write(text: &str) -> io::Result<()> {
    stdout().write_all(text.as_bytes())?;
    stdout().flush()
}

fn read() -> io::Result<Vec<u8>> {
    let (start, mut answer) = (Instant::now(), Vec::new());
    while !is_complete(&answer) {
        let left = PATIENCE.saturating_sub(start.elapsed());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        if poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], Some(&left))? == 0 {
            break;
        }
        let mut bytes = [0; 256];
        let count = rustix::io::read(stdin(), &mut bytes)?;
        answer.extend_from_slice(&bytes[..count]);
        if count == 0 || answer.len() > 4096 {
            break;
        }
    }
    Ok(answer)
}

/// Whether the last answer has arrived: `ESC [ ? … c`.
fn is_complete(answer: &[u8]) -> bool {
    let start = answer.windows(3).position(|bytes| bytes == b"\x1b[?");
    start.is_some_and(|start| answer[start..].contains(&b'c'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_ends_the_wait() {
        assert!(is_complete(b"q\x1b]11;rgb:0/0/0\x07\x1b[?62;22c") && !is_complete(b"\x1b]11;rgb:c/c/c\x07\x1b[?6"));
        assert!(!is_complete(b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t"));
    }
}
