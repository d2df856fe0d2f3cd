//! Whether the terminal's background is light or dark: the terminal is asked (OSC 11), before anything else reads its input.

use std::io::{self, Write, stdin, stdout};
use std::time::{Duration, Instant};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Asks for the background, and then for what every terminal answers: the second answer ends the wait for the first.
const QUESTION: &str = "\x1b]11;?\x1b\\\x1b[c";

/// The time that the slowest connection may take. A later answer would be taken for keys.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the terminal's background is light; `None` if the terminal does not answer.
pub fn is_light() -> Option<bool> {
    enable_raw_mode().ok()?;
    let answer = ask();
    let _ = disable_raw_mode();
    let [red, green, blue] = background(&answer.ok()?)?;
    Some(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
}

fn ask() -> io::Result<Vec<u8>> {
    stdout().write_all(QUESTION.as_bytes())?;
    stdout().flush()?;
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

/// Whether the second answer has arrived: `ESC [ ? … c`.
fn is_complete(answer: &[u8]) -> bool {
    let start = answer.windows(3).position(|bytes| bytes == b"\x1b[?");
    start.is_some_and(|start| answer[start..].contains(&b'c'))
}

/// Red, green and blue between 0 and 1, of `ESC ] 11 ; rgb:RRRR/GGGG/BBBB` with one to four digits each.
fn background(answer: &[u8]) -> Option<[f64; 3]> {
    let text = String::from_utf8_lossy(answer);
    let (_, color) = text.split_once("]11;rgb")?;
    let color = color.split(['\x07', '\x1b']).next()?;
    let mut parts = color.split_once(':')?.1.split('/').map(|digits| {
        let most = 16f64.powi(i32::try_from(digits.len()).ok().filter(|length| (1..=4).contains(length))?) - 1.0;
        Some(f64::from(u32::from_str_radix(digits, 16).ok()?) / most)
    });
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_answer_is_parsed() {
        assert_eq!(
            background(b"\x1b]11;rgb:ffff/0000/8000\x1b\\\x1b[?62;c").map(|rgb| rgb.map(|v| (v * 10.0).round())),
            Some([10.0, 0.0, 5.0])
        );
        assert_eq!(background(b"\x1b]11;rgba:ff/ff/00/80\x07"), Some([1.0, 1.0, 0.0]));
        for nothing in
            ["", "\x1b[?1;2c", "\x1b]11;rgb:1/2", "\x1b]11;rgb:/1/2", "\x1b]11;rgb:12345/1/2", "\x1b]11;rgb:x/y/z"]
        {
            assert_eq!(background(nothing.as_bytes()), None, "{nothing}");
        }
        assert!(is_complete(b"q\x1b]11;rgb:0/0/0\x07\x1b[?62;22c") && !is_complete(b"\x1b]11;rgb:c/c/c\x07\x1b[?6"));
    }
}
