//! Events for a reader of stderr: a bar where that is a terminal, otherwise a line now and then.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::protocol::{Event, Level, Phase, Progress, Resumed, Started, Step};

/// Lines for steps in a run that is not watched on a terminal.
const STEP_LINES: u64 = 20;

/// What is shown, and what it takes to show it.
pub(super) struct Plain {
    bar: ProgressBar,
    /// Of the run, when it has told.
    steps: u64,
    task: Option<ProgressBar>,
    phase: Option<Phase>,
    /// The latest step, in words.
    latest: Option<String>,
}

impl Plain {
    pub fn new() -> Plain {
        let bar = ProgressBar::new(0);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Plain { bar, steps: 0, task: None, phase: None, latest: None }
    }

    /// Lines alone, also on a terminal.
    pub fn without_bar() -> Plain {
        let plain = Plain::new();
        plain.bar.set_draw_target(ProgressDrawTarget::hidden());
        plain
    }

    /// How the run stands.
    pub fn status(&self) -> String {
        let phase = match self.phase {
            None | Some(Phase::Preparing) => "preparing",
            Some(Phase::Selecting) => "selecting components",
            Some(Phase::Training) => "training",
            Some(Phase::Evaluating) => "evaluating",
            Some(Phase::Sampling) => "answering",
            Some(Phase::Checkpointing) => "writing a checkpoint",
            Some(Phase::Paused) => "paused",
        };
        match &self.latest {
            Some(step) => format!("{phase}; {step}"),
            None => phase.to_owned(),
        }
    }

    /// Shows an event, or nothing of it.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Started(started) => self.started(started),
            Event::Resumed(resumed) => self.resumed(resumed),
            Event::Progress(progress) => self.task(progress),
            Event::Selected(selected) => self.line(&format!(
                "selected {} of {} components ({:.3} %), and {} trained in full",
                grouped(selected.total),
                grouped(selected.of),
                100.0 * selected.total as f64 / selected.of.max(1) as f64,
                grouped(selected.dense)
            )),
            Event::Step(step) => self.step(step),
            Event::Eval(eval) => {
                let scores: Vec<String> =
                    eval.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
                let best = if eval.best { ", the best so far" } else { "" };
                self.line(&format!(
                    "step {}: evaluation loss {:.4}, {}{best}",
                    eval.step,
                    eval.loss,
                    scores.join(", ")
                ));
            }
            Event::Checkpointed { path, .. } => self.line(&format!("checkpoint {}", path.display())),
            Event::Phase { phase } => {
                match (self.phase, phase) {
                    (_, Phase::Paused) => self.line("paused"),
                    (Some(Phase::Paused), Phase::Training) => self.line("training again"),
                    _ => {}
                }
                self.phase = Some(*phase);
            }
            Event::Sample { prompt, text, .. } => self.line(&format!("{prompt} -> {text}")),
            Event::Log { level, message } => self.line(&match level {
                Level::Info => message.clone(),
                Level::Warning => format!("warning: {message}"),
                Level::Error => format!("error: {message}"),
            }),
            Event::Finished(_) | Event::Failed { .. } => {
                self.end_task();
                self.bar.finish_and_clear();
            }
            Event::Mass(_) | Event::Examples(_) | Event::Memory(_) | Event::System(_) => {}
        }
    }

    fn started(&mut self, started: &Started) {
        self.end_task();
        self.line(&format!(
            "{}: {} on {}, {} examples and {} held out, {} steps of {} ({})",
            started.run,
            started.model,
            started.data,
            grouped(started.examples),
            grouped(started.eval_examples),
            grouped(started.steps),
            started.batch,
            started.device_note
        ));
        self.take_steps(0, started.steps);
    }

    fn resumed(&mut self, resumed: &Resumed) {
        self.end_task();
        let Resumed { run, step, steps, checkpoint, device_note, .. } = resumed;
        self.line(&format!(
            "{run}: goes on after step {step} of {steps}, from {} ({device_note})",
            checkpoint.display()
        ));
        self.take_steps(*step, *steps);
    }

    fn take_steps(&mut self, from: u64, steps: u64) {
        self.bar.set_length(steps);
        self.bar.set_position(from);
        self.bar.set_style(style("{bar:30} {pos}/{len}  {msg}"));
        self.steps = steps;
    }

    fn step(&mut self, step: &Step) {
        self.end_task();
        let eta = step
            .eta
            .map(|eta| format!("  {} left", HumanDuration(Duration::from_secs_f64(eta.max(0.0)))))
            .unwrap_or_default();
        let message = format!("loss {:.4}  {:.0} tokens/s{eta}", step.loss, step.tokens_per_second);
        self.bar.set_position(step.step);
        let steps = self.steps.max(1);
        let line = format!("step {}/{steps}: {message}", step.step);
        if self.bar.is_hidden() && step.step * STEP_LINES / steps > (step.step - 1) * STEP_LINES / steps {
            self.line(&line);
        }
        self.latest = Some(line);
        self.bar.set_message(message);
    }

    /// A long task has a bar of its own on a terminal, and its name once elsewhere.
    fn task(&mut self, progress: &Progress) {
        if self.task.as_ref().is_none_or(|task| task.message() != progress.task) {
            self.end_task();
            if self.bar.is_hidden() && progress.task != "evaluating" {
                self.line(&progress.task);
            }
            let task = ProgressBar::new(progress.total).with_message(progress.task.clone());
            let units = if progress.unit == "bytes" { "{bytes}/{total_bytes}" } else { "{pos}/{len}" };
            task.set_draw_target(if self.bar.is_hidden() {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr()
            });
            task.set_style(style(&format!("{{msg}} {{bar:30}} {units}")));
            self.task = Some(task);
        }
        if let Some(task) = &self.task {
            task.set_length(progress.total);
            task.set_position(progress.done);
        }
    }

    fn end_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.finish_and_clear();
        }
    }

    /// Writes a line.
    pub fn line(&self, text: &str) {
        // Text from files must not move the cursor.
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(super::grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
