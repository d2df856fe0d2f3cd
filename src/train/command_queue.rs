//! Commands from the front end, in order. A long task can look ahead for the one that stops it.
//!
//! All ranks handle the same commands between the same steps: those that the first rank gets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::distributed::World;
use crate::protocol::Command;
use crate::session::Port;

/// How often ranks that wait for a command hear that there is none yet, so that they know of each other.
const TICK: Duration = Duration::from_secs(1);

/// Commands that are not handled yet.
pub struct CommandQueue<'a> {
    port: &'a Port,
    waiting: VecDeque<Command>,
    world: Arc<World>,
}

/// What the first rank sends the others while it waits.
#[derive(Serialize, Deserialize)]
enum Sent {
    Command(Command),
    Nothing,
    /// No front end is left that could send a command.
    Alone,
}

impl<'a> CommandQueue<'a> {
    pub fn new(port: &'a Port, world: Arc<World>) -> CommandQueue<'a> {
        CommandQueue { port, waiting: VecDeque::new(), world }
    }

    /// The next command, if there is one.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn next(&mut self) -> Result<Option<Command>> {
        let own = if self.world.is_first() { self.waiting.pop_front().or_else(|| self.port.command()) } else { None };
        Ok(match self.send(own.map_or(Sent::Nothing, Sent::Command))? {
            Sent::Command(command) => Some(command),
            Sent::Nothing | Sent::Alone => None,
        })
    }

    /// Sleeps until the next command. `None` if no front end is left to send one.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn wait(&mut self) -> Result<Option<Command>> {
        loop {
            let own = match self.waiting.pop_front() {
                _ if !self.world.is_first() => Sent::Nothing,
                Some(command) => Sent::Command(command),
                None => match self.port.wait_for(TICK) {
                    Some(Some(command)) => Sent::Command(command),
                    Some(None) => Sent::Nothing,
                    None => Sent::Alone,
                },
            };
            match self.send(own)? {
                Sent::Command(command) => return Ok(Some(command)),
                Sent::Alone => return Ok(None),
                Sent::Nothing => {}
            }
        }
    }

    /// Whether one of the commands is to stop. It stays in the queue.
    pub fn stop_requested(&mut self) -> bool {
        self.waiting.extend(std::iter::from_fn(|| self.port.command()));
        self.waiting.iter().any(|command| matches!(command, Command::Stop { .. }))
    }

    /// What the first rank sends, on all ranks. That there is none is sent as no bytes, since that is so before almost every step.
    fn send(&self, own: Sent) -> Result<Sent> {
        if self.world.is_alone() {
            return Ok(own);
        }
        let bytes = if matches!(own, Sent::Nothing) { Vec::new() } else { serde_json::to_vec(&own)? };
        let sent = self.world.broadcast(bytes)?;
        Ok(if sent.is_empty() { Sent::Nothing } else { serde_json::from_slice(&sent)? })
    }
}
