//! A run without the workbench: a progress bar or plain lines on stderr, or every event as a line of JSON on stdout.

mod plain;
mod typed;

use std::io::{self, Write};

use anyhow::Result;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::alerts::{Alert, Alerts, Rule};
use crate::attach::Link;
use crate::config::OnHangup;
use crate::outcome::Outcome;
use crate::protocol::{Command, Event};
use crate::signals::{Signal, Signals};
use crate::stdout::{StdoutError, print};
use plain::Plain;
use typed::Input;

/// How a run is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// A progress bar if stderr is a terminal, a line now and then otherwise.
    Bar,
    /// Lines of text without a bar; commands are typed as lines.
    Plain,
    /// Every event as a line of JSON on stdout.
    Json,
}

/// How a run is printed, and what happens besides.
pub struct HeadlessOptions {
    pub format: OutputFormat,
    /// What a hang-up does to a run of this process.
    pub on_hangup: OnHangup,
    /// When to warn of the run.
    pub alerts: Vec<Rule>,
}

/// Called at the first [`Event::Started`] or [`Event::Resumed`].
pub type OnStarted = Box<dyn FnOnce() -> Result<()>>;

/// Prints a run until it ends. If stdout cannot be written, a run of this process continues to its end all the same. The first
/// signal stops it with a checkpoint, the second one ends the process. On an attached run the first signal only detaches. After
/// a hang-up with [`OnHangup::Detach`], attached viewers wait for the process that resumes the run, which the caller starts.
///
/// # Errors
/// Those of the run. What could not be written.
pub fn run(link: impl Into<Link>, options: HeadlessOptions, on_started: Option<OnStarted>) -> Result<Outcome> {
    let typed = if options.format == OutputFormat::Plain { Some(typed::lines()) } else { None };
    watch(link.into(), options, typed, on_started)
}

fn watch(
    mut link: Link,
    options: HeadlessOptions,
    mut typed: Option<UnboundedReceiver<String>>,
    mut on_started: Option<OnStarted>,
) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let HeadlessOptions { format, on_hangup, alerts } = options;
    let mut alerts = Alerts::new(alerts);
    let mut outcome = Outcome::default();
    // A run is worth more than what it prints.
    let mut unwritten: Option<StdoutError> = None;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut plain = if format == OutputFormat::Plain { Plain::without_bar() } else { Plain::new() };
        if format == OutputFormat::Plain {
            plain.line("type help for the list of commands");
            if !link.is_own() {
                plain.line("Ctrl-C detaches; training continues");
            }
        }
        loop {
            tokio::select! {
                event = link.next() => {
                    let Some(event) = event else { return Ok(()) };
                    if matches!(event, Event::Started(_) | Event::Resumed(_))
                        && let Some(on_started) = on_started.take()
                    {
                        on_started()?;
                        // Stderr may no longer be a terminal.
                        plain = Plain::new();
                    }
                    alerts.muted = link.is_behind();
                    let alert = alerts.on_event(&event);
                    if let Event::Finished(finished) = &event {
                        outcome.finished = Some(finished.clone());
                    }
                    if format != OutputFormat::Json {
                        plain.show(event);
                    } else if unwritten.is_none()
                        && let Err(error) = print_line(&event)
                    {
                        if !link.is_own() {
                            return Err(error.into());
                        }
                        plain.line(&format!("{error}; training continues, and all events are in the run's events.jsonl"));
                        unwritten = Some(error);
                    }
                    if let Some(alert) = alert {
                        plain.line(&alert_line(&alert));
                    }
                }
                line = async { typed.as_mut().expect("guarded").recv().await }, if typed.is_some() => match line {
                    // The run continues after the end of stdin.
                    None => typed = None,
                    Some(line) => match typed::read(&line) {
                        Ok(None) => {}
                        Ok(Some(Input::Command(command))) => link.send(command),
                        Ok(Some(Input::Status)) => plain.line(&plain.status()),
                        Ok(Some(Input::Help)) => plain.line(&typed::help()),
                        Err(error) => plain.line(&error.to_string()),
                    },
                },
                signal = signals.next() => {
                    // A closed terminal may send its signal more than once.
                    if (outcome.signal, signal) == (Some(Signal::Hangup), Signal::Hangup) {
                        continue;
                    }
                    if outcome.signal.is_some() {
                        // Skips libtorch's destructors, which crash while a trainer runs.
                        signal_hook::low_level::exit(signal.exit_code());
                    }
                    outcome.signal = Some(signal);
                    if !link.is_own() {
                        return Ok(());
                    }
                    if signal == Signal::Hangup && on_hangup == OnHangup::Detach {
                        link.detach();
                    }
                    link.send(Command::Stop { save: true });
                    let _ = writeln!(io::stderr(), "{signal}: stopping after this step with a checkpoint; repeat to quit at once");
                }
            }
        }
    })
    .and_then(|()| link.join())?;
    match unwritten {
        Some(error) if outcome.signal.is_none() => Err(error.into()),
        _ => Ok(outcome),
    }
}

/// An alert as a warning. Nobody may be there to resume a run without screens, so it is not paused.
fn alert_line(alert: &Alert) -> String {
    let note = if alert.pause { " (not paused: only a run with screens is)" } else { "" };
    format!("warning: alert: {}{note}", alert.text)
}

fn print_line(event: &Event) -> Result<(), StdoutError> {
    let line = serde_json::to_string(event).map_err(io::Error::from)?;
    print(&(line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Finished, Reason};
    use crate::session::Session;

    #[test]
    fn an_alert_says_that_a_run_without_screens_is_not_paused() {
        let alert = |pause| Alert { text: "loss 6 > 5 at step 3".into(), pause };
        assert_eq!(alert_line(&alert(false)), "warning: alert: loss 6 > 5 at step 3");
        assert_eq!(
            alert_line(&alert(true)),
            "warning: alert: loss 6 > 5 at step 3 (not paused: only a run with screens is)"
        );
    }

    #[test]
    fn typed_commands_reach_the_trainer_and_the_run_continues_after_the_end_of_stdin() {
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
        let options =
            HeadlessOptions { format: OutputFormat::Plain, on_hangup: OnHangup::Checkpoint, alerts: Vec::new() };
        let outcome = watch(session.into(), options, Some(lines), None).unwrap();
        assert_eq!(outcome.finished.map(|finished| finished.step), Some(3));
    }
}
