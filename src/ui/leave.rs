//! Leaving the workbench: the live run is stopped, detached or left to its process, and its outcome is reported.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Result;

use super::Workbench;
use super::backend::Launched;
use super::event_loop::Ending;
use super::launch::continue_in_background;
use super::message::Msg;
use crate::Usage;
use crate::config::OnHangup;
use crate::outcome::Outcome;
use crate::protocol::Command;
use crate::signals::{Signal, Signals};

/// What the end of a chat's thread may take: a token, or loading a large model, which is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether an error comes from a terminal that was closed. Writing fails a moment before it is no terminal any more.
fn is_closed(error: &anyhow::Error) -> bool {
    let lost = |cause: &io::Error| cause.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    !io::stdin().is_terminal() || error.chain().any(|cause| cause.downcast_ref().is_some_and(lost))
}

impl Workbench {
    /// Waits for the run of this process, if there is one, and reports how it has ended.
    pub(super) async fn leave(mut self, ending: Result<Ending>, mut signals: Signals) -> Result<Outcome> {
        // Waits for the end of the current batch.
        drop(self.analysis.take());
        if let Some(chat) = self.chat.take() {
            chat.close(PATIENCE);
        }
        let ending = match ending {
            // A terminal that was closed may fail before its signal comes.
            Err(error) if is_closed(&error) => Ok(Ending::Signalled(Signal::Hangup)),
            ending => ending,
        };
        if let Ok(Ending::Signalled(signal)) = ending {
            self.outcome.signal = Some(signal);
        }
        if let Some(mut hand_off) = self.hand_off.take() {
            hand_off.wait().await?;
            self.outcome.detached = Some(hand_off.into_folder());
        }
        if let Some(mut live) = self.live.take() {
            // A terminal that is gone takes the screen along, but not the results of the run.
            if let Ok(Ending::Signalled(Signal::Hangup)) = ending
                && self.on_hangup == OnHangup::Detach
                && !self.stopping
            {
                self.detaching = true;
                live.link.detach();
            }
            if !matches!(ending, Ok(Ending::Left)) && live.link.is_own() {
                live.link.send(Command::Stop { save: true });
            }
            self.wait_for(&mut live, &mut signals).await;
            self.finish(live)?;
        }
        ending?;
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.outcome),
        }
    }

    /// Waits for the last event of a run of this process.
    async fn wait_for(&mut self, live: &mut Launched, signals: &mut Signals) {
        while live.link.is_own() {
            tokio::select! {
                event = live.link.next() => match event {
                    Some(event) => self.note(&event),
                    None => break,
                },
                // A second signal does not wait for the checkpoint. A closed terminal may send its signal more than once.
                signal = signals.next(), if self.outcome.signal.is_some() => {
                    if signal != Signal::Hangup {
                        signal_hook::low_level::exit(signal.exit_code());
                    }
                }
            }
        }
    }

    /// Joins the trainer of a run that has sent its last event. If the run is of the queue and did not start, the entry keeps the
    /// error, which the message repeats.
    pub(super) fn join(&mut self, live: Launched) -> Option<Msg> {
        let Err(error) = live.link.join() else { return None };
        // A run that could not start for a mistake in its preset leaves no folder.
        if live.fresh && error.is::<Usage>() {
            let _ = std::fs::remove_dir_all(&live.folder);
        }
        if let Some(taken) = self.taken.take() {
            let name = taken.entry.name().to_owned();
            return Some(match taken.failed(&format!("{error:#}")) {
                Ok(()) => Msg::Refused(format!("{name} cannot start, and stays in the queue: {error:#}")),
                Err(error) => Msg::QueueRefused(format!("{error:#}")),
            });
        }
        if self.single {
            self.failure = Some(error);
        }
        None
    }

    /// Joins the trainer, and starts the process that continues a detached run.
    fn finish(&mut self, live: Launched) -> Result<()> {
        let (folder, own) = (live.folder.clone(), live.link.is_own());
        self.join(live);
        if own && self.continues() && self.failure.is_none() {
            continue_in_background(&*self.backend, &folder)?;
            self.outcome.detached = Some(folder);
        } else if !own && self.app.monitors.at_work() {
            self.outcome.detached = Some(folder);
        }
        Ok(())
    }
}
