//! A run without a screen: a progress bar or plain lines on stderr, or every event as a line of JSON on stdout.

mod plain;

use std::io::{self, Write};

use anyhow::Result;

use crate::outcome::Outcome;
use crate::protocol::{Command, Event};
use crate::session::Session;
use crate::signals::Signals;
use plain::Plain;
pub(crate) use plain::grouped;

/// Shows a run until it ends. A first signal stops it after a checkpoint, a second at once.
///
/// # Errors
/// Those of the run.
pub fn run(mut session: Session, json: bool) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut outcome = Outcome::default();
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut plain = Plain::new();
        // A reader that went away does not end the run.
        let mut stdout = json.then(io::stdout);
        loop {
            tokio::select! {
                event = session.next() => {
                    let Some(event) = event else { return Ok(()) };
                    match &mut stdout {
                        Some(out) => {
                            if write_line(out, &event).is_err() {
                                stdout = None;
                            }
                        }
                        None if json => {}
                        None => plain.show(&event),
                    }
                    if let Event::Finished(finished) = event {
                        outcome.finished = Some(finished);
                    }
                }
                signal = signals.next() => {
                    if outcome.signal.is_some() {
                        // Without the destructors of libtorch, which crash under a trainer at work.
                        signal_hook::low_level::exit(signal.exit_code());
                    }
                    outcome.signal = Some(signal);
                    session.send(Command::Stop { save: true });
                    let _ = writeln!(io::stderr(), "{signal}: stopping after this step, with a checkpoint; once more ends it at once");
                }
            }
        }
    })
    .and_then(|()| session.join())?;
    Ok(outcome)
}

fn write_line(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}
