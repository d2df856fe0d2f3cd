//! CommandQueue from the front end, kept in their sequence while a long task looks for the one that ends it.

use std::collections::VecDeque;

use crate::protocol::Command;
use crate::session::Port;

/// CommandQueue not yet obeyed.
pub struct CommandQueue<'a> {
    port: &'a Port,
    waiting: VecDeque<Command>,
}

impl<'a> CommandQueue<'a> {
    /// Those that come through a port.
    pub fn new(port: &'a Port) -> CommandQueue<'a> {
        CommandQueue { port, waiting: VecDeque::new() }
    }

    /// The next, if there is one.
    pub fn next(&mut self) -> Option<Command> {
        self.waiting.pop_front().or_else(|| self.port.command())
    }

    /// The next, slept for. `None` when no front end is left to give one.
    pub fn wait(&mut self) -> Option<Command> {
        self.waiting.pop_front().or_else(|| self.port.wait())
    }

    /// Whether one of them is to stop. It stays to be obeyed.
    pub fn stop(&mut self) -> bool {
        self.waiting.extend(std::iter::from_fn(|| self.port.command()));
        self.waiting.iter().any(|command| matches!(command, Command::Stop { .. }))
    }
}
