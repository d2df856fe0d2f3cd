//! Commands from the front end, in order. A long task can look ahead for the one that stops it.

use std::collections::VecDeque;

use crate::protocol::Command;
use crate::session::Port;

/// Commands that are not handled yet.
pub struct CommandQueue<'a> {
    port: &'a Port,
    waiting: VecDeque<Command>,
}

impl<'a> CommandQueue<'a> {
    pub fn new(port: &'a Port) -> CommandQueue<'a> {
        CommandQueue { port, waiting: VecDeque::new() }
    }

    /// The next command, if there is one.
    pub fn next(&mut self) -> Option<Command> {
        self.waiting.pop_front().or_else(|| self.port.command())
    }

    /// Sleeps until the next command. `None` if no front end is left to send one.
    pub fn wait(&mut self) -> Option<Command> {
        self.waiting.pop_front().or_else(|| self.port.wait())
    }

    /// Whether one of the commands is to stop. It stays in the queue.
    pub fn stop_requested(&mut self) -> bool {
        self.waiting.extend(std::iter::from_fn(|| self.port.command()));
        self.waiting.iter().any(|command| matches!(command, Command::Stop { .. }))
    }
}
