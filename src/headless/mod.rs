//! A run without a screen: a progress bar or plain lines on stderr, or every event as a line of JSON on stdout.

mod plain;
mod typed;

use std::io::{self, Write};

use anyhow::Result;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::attach::Link;
use crate::outcome::Outcome;
use crate::protocol::{Command, Event};
use crate::signals::Signals;
use plain::Plain;
pub(crate) use plain::grouped;
use typed::Typed;

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// A progress bar where stderr is a terminal, a line now and then elsewhere.
    Bar,
    /// Lines of text and nothing that moves; commands are typed as lines.
    Plain,
    /// Every event as a line of JSON on stdout.
    Json,
}

/// What is to be done as soon as it is known what is trained on what.
pub type OnStarted = Box<dyn FnOnce() -> Result<()>>;

/// Shows a run until it ends. A first signal stops it after a checkpoint, a second at once; of a run elsewhere the first one
/// takes leave.
///
/// # Errors
/// Those of the run.
pub fn run(link: impl Into<Link>, form: OutputFormat, begun: Option<OnStarted>) -> Result<Outcome> {
    let typed = if form == OutputFormat::Plain { Some(typed::lines()) } else { None };
    watch(link.into(), form, typed, begun)
}

fn watch(
    mut link: Link,
    form: OutputFormat,
    mut typed: Option<UnboundedReceiver<String>>,
    mut begun: Option<OnStarted>,
) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut outcome = Outcome::default();
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut plain = if form == OutputFormat::Plain { Plain::without_bar() } else { Plain::new() };
        if form == OutputFormat::Plain {
            plain.line("type help for what can be typed");
            if !link.is_own() {
                plain.line("Ctrl-C leaves; the run goes on");
            }
        }
        // A reader that went away does not end the run.
        let mut stdout = (form == OutputFormat::Json).then(io::stdout);
        loop {
            tokio::select! {
                event = link.next() => {
                    let Some(event) = event else { return Ok(()) };
                    if matches!(event, Event::Started(_) | Event::Resumed(_))
                        && let Some(begun) = begun.take()
                    {
                        begun()?;
                        // Stderr may be no terminal any more.
                        plain = Plain::new();
                    }
                    match &mut stdout {
                        Some(out) => {
                            if write_line(out, &event).is_err() {
                                stdout = None;
                            }
                        }
                        None if form == OutputFormat::Json => {}
                        None => plain.show(&event),
                    }
                    if let Event::Finished(finished) = event {
                        outcome.finished = Some(finished);
                    }
                }
                line = async { typed.as_mut().expect("guarded").recv().await }, if typed.is_some() => match line {
                    // Without further commands the run goes on.
                    None => typed = None,
                    Some(line) => match typed::read(&line) {
                        Ok(None) => {}
                        Ok(Some(Typed::Order(command))) => link.send(command),
                        Ok(Some(Typed::Status)) => plain.line(&plain.status()),
                        Ok(Some(Typed::Help)) => plain.line(&typed::help()),
                        Err(complaint) => plain.line(&complaint),
                    },
                },
                signal = signals.next() => {
                    if outcome.signal.is_some() {
                        // Without the destructors of libtorch, which crash under a trainer at work.
                        signal_hook::low_level::exit(signal.exit_code());
                    }
                    outcome.signal = Some(signal);
                    if !link.is_own() {
                        return Ok(());
                    }
                    link.send(Command::Stop { save: true });
                    let _ = writeln!(io::stderr(), "{signal}: stopping after this step, with a checkpoint; once more ends it at once");
                }
            }
        }
    })
    .and_then(|()| link.join())?;
    Ok(outcome)
}

fn write_line(out: &mut impl Write, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Finished, Reason};
    use crate::session::Session;

    #[test]
    fn typed_lines_reach_the_trainer_and_their_end_does_not_end_the_run() {
        let session = Session::spawn(None, |port| {
            assert_eq!(port.wait(), Some(Command::Checkpoint));
            assert_eq!(port.wait(), Some(Command::Stop { save: true }));
            port.emit(Event::Finished(Finished { reason: Reason::Stopped, step: 3, elapsed: 1.0, best: None }));
            Ok(())
        })
        .unwrap();
        let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
        for line in ["status", "nonsense", "checkpoint", "", "stop"] {
            sender.send(line.to_owned()).unwrap();
        }
        drop(sender);
        let outcome = watch(session.into(), OutputFormat::Plain, Some(lines), None).unwrap();
        assert_eq!(outcome.finished.map(|finished| finished.step), Some(3));
    }
}
