//! What the front end orders is done between two steps.

use std::ops::ControlFlow;

use anyhow::Result;

use super::{Run, Save};
use crate::protocol::{Command, Event, Phase};

impl Run<'_> {
    /// Does what was ordered. `Break` ends the run.
    pub(super) fn obey(&mut self) -> Result<ControlFlow<Save>> {
        while let Some(command) = self.orders.next() {
            self.settle()?;
            let obeyed = match command {
                Command::Pause => self.hold()?,
                other => self.obey_at_once(other)?,
            };
            if obeyed.is_break() {
                return Ok(obeyed);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn obey_at_once(&mut self, command: Command) -> Result<ControlFlow<Save>> {
        match command {
            Command::Checkpoint => self.checkpoint(),
            Command::Evaluate => self.evaluate()?,
            Command::Sample { prompt } => {
                self.port.emit(Event::Phase { phase: Phase::Sampling });
                self.sample(&prompt);
                self.port.emit(Event::Phase { phase: Phase::Training });
            }
            Command::Stop { save: true } => return Ok(ControlFlow::Break(Save::Yes)),
            Command::Stop { save: false } => return Ok(ControlFlow::Break(Save::No)),
            Command::Pause | Command::Resume => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sleeps until told to go on; other orders are obeyed meanwhile.
    fn hold(&mut self) -> Result<ControlFlow<Save>> {
        self.clock.pause();
        self.port.emit(Event::Phase { phase: Phase::Paused });
        let obeyed = loop {
            match self.orders.wait() {
                Some(Command::Resume) => break ControlFlow::Continue(()),
                Some(Command::Pause) => {}
                Some(command) => {
                    let obeyed = self.obey_at_once(command)?;
                    if obeyed.is_break() {
                        break obeyed;
                    }
                    self.port.emit(Event::Phase { phase: Phase::Paused });
                }
                // No one is left who could say so.
                None => break ControlFlow::Break(Save::Yes),
            }
        };
        self.clock.unpause();
        if obeyed.is_continue() {
            self.port.emit(Event::Phase { phase: Phase::Training });
        }
        Ok(obeyed)
    }
}
