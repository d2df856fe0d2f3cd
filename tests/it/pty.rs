//! A program in a pseudo-terminal: keys go in, a screen comes out.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::place;

/// What anything may take before a test gives up. Nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(120);

/// finesift, running in a terminal of its own.
pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    child: Killed,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// The terminal's modes before the program changed them.
    modes: [u64; 4],
    /// What the terminal answers when it is asked for its attributes (DA1).
    answer: &'static str,
    /// All that came so far.
    pub written: Vec<u8>,
}

impl Pty {
    /// Starts it with these arguments in a terminal of so many columns and rows.
    pub fn start(columns: u16, rows: u16, folder: &Path, arguments: &[&str]) -> Pty {
        Pty::start_with(columns, rows, folder, arguments, &[])
    }

    /// The same with more of an environment.
    pub fn start_with(columns: u16, rows: u16, folder: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Pty {
        Pty::start_program(place::program().to_str().unwrap(), columns, rows, folder, arguments, more)
    }

    /// The same in a terminal that answers with this to questions. A terminal without an answer is silent.
    pub fn start_answering(
        answer: &'static str,
        columns: u16,
        rows: u16,
        folder: &Path,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Pty {
        Pty { answer, ..Pty::start_with(columns, rows, folder, arguments, more) }
    }

    /// The same for another program.
    pub fn start_program(
        program: &str,
        columns: u16,
        rows: u16,
        folder: &Path,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Pty {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(folder);
        for name in [
            "NO_COLOR",
            "FINESIFT_RUNS",
            "TMUX",
            "STY",
            "TERM_PROGRAM",
            "LC_TERMINAL",
            "WT_SESSION",
            "DISPLAY",
            "LC_ALL",
            "LC_CTYPE",
        ] {
            command.env_remove(name);
        }
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "C.UTF-8")] {
            command.env(name, value);
        }
        command.env("XDG_CONFIG_HOME", folder.join("config"));
        command.env("XDG_CACHE_HOME", folder.join("cache"));
        more.iter().for_each(|(name, value)| command.env(name, value));
        let modes = modes(&*pair.master);
        let child = Killed(pair.slave.spawn_command(command).unwrap());
        drop(pair.slave);
        let (sender, output) = mpsc::channel();
        let mut reader = pair.master.try_clone_reader().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 1 << 16];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keyboard = pair.master.take_writer().unwrap();
        let screen = vt100::Parser::new(whole(rows), whole(columns), 0);
        let answer = "\x1b[?62;22c";
        Pty { master: pair.master, child, keyboard, output, screen, modes, answer, written: Vec::new() }
    }

    /// Presses keys, one character each.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until all of these are on the screen.
    pub fn wait_for(&mut self, texts: &[&str]) {
        self.wait_until(&format!("{texts:?}"), |screen| {
            let contents = screen.contents();
            texts.iter().all(|text| contents.contains(text))
        });
    }

    /// Waits until a condition of the screen holds.
    pub fn wait_until(&mut self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let start = Instant::now();
        while !holds(self.screen.screen()) {
            match self.output.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => panic!("{error} while waiting for {what} on\n{}", self.text()),
            }
        }
    }

    /// The screen, when the frame that is on its way has come as a whole.
    pub fn whole_screen(&mut self) -> &vt100::Screen {
        let last = |written: &[u8], what: &[u8]| written.windows(what.len()).rposition(|bytes| bytes == what);
        // What begins and ends a synchronized update.
        while last(&self.written, b"\x1b[?2026h") > last(&self.written, b"\x1b[?2026l") {
            let bytes = self.output.recv_timeout(PATIENCE).unwrap();
            self.take(&bytes);
        }
        self.screen.screen()
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// What a terminal without an alternate screen would show, that was full of a letter before.
    pub fn on_one_screen_after(&self, letter: char) -> String {
        let (rows, columns) = self.screen.screen().size();
        let mut screen = vt100::Parser::new(rows, columns, 0);
        screen.process(letter.to_string().repeat(usize::from(rows.get() * columns.get())).as_bytes());
        let written = String::from_utf8_lossy(&self.written).replace("\x1b[?1049h", "").replace("\x1b[?1049l", "");
        screen.process(written.as_bytes());
        screen.screen().contents()
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(size(columns, rows)).unwrap();
        self.screen.screen_mut().set_size(whole(rows), whole(columns));
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.process_id().to_string();
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(status.success());
    }

    pub fn process_id(&self) -> u32 {
        self.child.0.process_id().unwrap()
    }

    /// Closes the terminal under the program, as a lost connection does. Its exit status, when it has ended.
    #[cfg(feature = "torch")]
    pub fn close(self) -> u32 {
        let Pty { master, mut child, keyboard, output, .. } = self;
        drop((master, keyboard, output));
        child.0.wait().unwrap().exit_code()
    }

    /// Waits for the program's end: its exit status, and all that it left on the terminal.
    pub fn wait_exit(&mut self) -> (u32, String) {
        let start = Instant::now();
        loop {
            match self.output.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.text()),
            }
        }
        (self.child.0.wait().unwrap().exit_code(), self.text())
    }

    /// Whether the program wrote this, on the screen or besides.
    pub fn wrote(&self, sequence: &str) -> bool {
        self.written.windows(sequence.len()).any(|bytes| bytes == sequence.as_bytes())
    }

    /// Waits until the program has written this.
    pub fn wait_for_sequence(&mut self, sequence: &str) {
        let start = Instant::now();
        while !self.wrote(sequence) {
            match self.output.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => panic!("{error} while waiting for {sequence:?} on\n{}", self.text()),
            }
        }
    }

    /// Fails unless the terminal is as it was before the program came.
    pub fn assert_restored(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "paste is still bracketed");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is still captured");
        assert_eq!(modes(&*self.master), self.modes, "the terminal's modes are changed");
    }

    fn take(&mut self, bytes: &[u8]) {
        const QUESTION: &[u8] = b"\x1b[c";
        let unseen = self.written.len().saturating_sub(QUESTION.len() - 1);
        self.written.extend_from_slice(bytes);
        if self.written[unseen..].windows(QUESTION.len()).any(|bytes| bytes == QUESTION) {
            self.keyboard.write_all(self.answer.as_bytes()).unwrap();
        }
        self.screen.process(bytes);
    }
}

/// A process that does not outlive its test.
struct Killed(Box<dyn Child + Send + Sync>);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn whole(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn modes(master: &(dyn MasterPty + Send)) -> [u64; 4] {
    let modes = master.get_termios().unwrap();
    [
        modes.input_flags.bits().into(),
        modes.output_flags.bits().into(),
        modes.control_flags.bits().into(),
        modes.local_flags.bits().into(),
    ]
}
