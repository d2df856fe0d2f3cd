//! Handles the front end's commands between two steps.

use std::ops::ControlFlow;

use anyhow::Result;

use super::run::{Run, Save};
use crate::protocol::{Command, Event, Phase};

impl Run<'_> {
    /// Handles all commands in the queue. `Break` ends the run.
    pub(super) fn handle_commands(&mut self) -> Result<ControlFlow<Save>> {
        while let Some(command) = self.commands.next()? {
            self.finish_steps()?;
            let flow = match command {
                Command::Pause => self.pause()?,
                other => self.handle(other)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn handle(&mut self, command: Command) -> Result<ControlFlow<Save>> {
        match command {
            Command::Checkpoint => self.checkpoint()?,
            Command::Evaluate => self.evaluate()?,
            Command::Sample { prompt } => {
                self.port.emit(Event::Phase { phase: Phase::Sampling });
                self.sample(&prompt)?;
                self.port.emit(Event::Phase { phase: Phase::Training });
            }
            Command::Stop { save: true } => return Ok(ControlFlow::Break(Save::Yes)),
            Command::Stop { save: false } => return Ok(ControlFlow::Break(Save::No)),
            Command::Pause | Command::Resume => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sleeps until the command to resume; other commands are handled meanwhile.
    fn pause(&mut self) -> Result<ControlFlow<Save>> {
        self.clock.pause();
        self.port.emit(Event::Phase { phase: Phase::Paused });
        let flow = loop {
            match self.commands.wait()? {
                Some(Command::Resume) => break ControlFlow::Continue(()),
                Some(Command::Pause) => {}
                Some(command) => {
                    let flow = self.handle(command)?;
                    if flow.is_break() {
                        break flow;
                    }
                    self.port.emit(Event::Phase { phase: Phase::Paused });
                }
                // No front end is left that could resume the run.
                None => break ControlFlow::Break(Save::Yes),
            }
        };
        self.clock.resume();
        if flow.is_continue() {
            self.port.emit(Event::Phase { phase: Phase::Training });
        }
        Ok(flow)
    }
}
