//! Events as text on stderr: a progress bar on a terminal, otherwise a line now and then.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::protocol::{Event, Level, Phase, Progress, Resumed, Started, Step};
use crate::quantity::{bytes, grouped};
use crate::runs::History;

/// Lines for steps of a whole run where no bar is shown.
const STEP_LINES: u64 = 20;

/// The run so far, and its bars.
pub(super) struct Plain {
    history: History,
    bar: ProgressBar,
    /// Bar of the long task under way.
    task: Option<ProgressBar>,
}

impl Plain {
    pub fn new() -> Plain {
        let bar = ProgressBar::new(0);
        if !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Plain { history: History::summary(), bar, task: None }
    }

    /// Prints lines only, also on a terminal.
    pub fn without_bar() -> Plain {
        let plain = Plain::new();
        plain.bar.set_draw_target(ProgressDrawTarget::hidden());
        plain
    }

    /// The phase and the latest step.
    pub fn status(&self) -> String {
        let phase = match self.history.phase {
            None | Some(Phase::Preparing) => "preparing",
            Some(Phase::Selecting) => "selecting components",
            Some(Phase::Training) => "training",
            Some(Phase::Evaluating) => "evaluating",
            Some(Phase::Sampling) => "generating",
            Some(Phase::Checkpointing) => "saving a checkpoint",
            Some(Phase::Paused) => "paused",
        };
        let patience = self.history.patience.map(|patience| format!(", {patience}")).unwrap_or_default();
        match &self.history.step {
            Some(step) => format!("{phase}; {}{patience}", self.step_line(step)),
            None => phase.to_owned(),
        }
    }

    pub fn show(&mut self, event: Event) {
        match &event {
            Event::Started(started) => self.show_started(started),
            Event::Resumed(resumed) => self.show_resumed(resumed),
            Event::Progress(progress) => self.show_task(progress),
            Event::Selected(selected) => {
                self.line(&match self.history.started.as_ref().and_then(Started::method_words) {
                    Some(method) => format!("trainable: {} ({method})", grouped(selected.dense)),
                    None => format!(
                        "trainable: {} sparse ({:.2} % of {}) + {} dense",
                        grouped(selected.total),
                        100.0 * selected.total as f64 / selected.of.max(1) as f64,
                        grouped(selected.of),
                        grouped(selected.dense)
                    ),
                });
            }
            Event::Step(step) => self.show_step(step),
            Event::Eval(eval) => {
                let scores: Vec<String> =
                    eval.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
                let best = if eval.best { ", best so far" } else { "" };
                let patience = eval.patience.map(|patience| format!(", {patience}")).unwrap_or_default();
                let scores = scores.join(", ");
                self.line(&format!("step {}: eval loss {:.4}, {scores}{best}{patience}", eval.step, eval.loss));
            }
            Event::Checkpointed { step, path, bytes: size, .. } => {
                self.line(&format!("saved checkpoint at step {step} ({}): {}", bytes(*size as f64), path.display()));
            }
            Event::Phase { phase } => match (self.history.phase, phase) {
                (_, Phase::Paused) => self.line("paused"),
                (Some(Phase::Paused), Phase::Training) => self.line("training again"),
                _ => {}
            },
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
            Event::Structures(_) | Event::Reselected(_) => {}
            Event::Mass(_) | Event::Examples(_) | Event::Memory(_) | Event::System(_) | Event::Ranks(_) => {}
        }
        self.history.apply(event);
    }

    fn show_started(&mut self, started: &Started) {
        self.end_task();
        let Started { run, model, data, examples, eval_examples, steps, batch, .. } = started;
        let devices = devices(started.ranks, &started.device_note);
        self.line(&format!(
            "{run}: {model} on {data}, {} training and {} held-out examples, {} steps, batch size {batch} ({devices})",
            grouped(*examples),
            grouped(*eval_examples),
            grouped(*steps),
        ));
        self.start_bar(0, *steps);
    }

    fn show_resumed(&mut self, resumed: &Resumed) {
        self.end_task();
        let Resumed { run, step, steps, checkpoint, .. } = resumed;
        let devices = devices(resumed.ranks, &resumed.device_note);
        let checkpoint = checkpoint.display();
        self.line(&format!("{run}: resumed from step {step} of {steps}, checkpoint {checkpoint} ({devices})"));
        self.start_bar(*step, *steps);
    }

    fn start_bar(&self, from: u64, steps: u64) {
        self.bar.set_length(steps);
        self.bar.set_position(from);
        self.bar.set_style(style("{bar:30} {pos}/{len}  {msg}"));
    }

    fn show_step(&mut self, step: &Step) {
        self.end_task();
        self.bar.set_position(step.step);
        let steps = self.history.steps.max(1);
        if self.bar.is_hidden() && step.step * STEP_LINES / steps > (step.step - 1) * STEP_LINES / steps {
            self.line(&self.step_line(step));
        }
        self.bar.set_message(numbers(step));
    }

    fn step_line(&self, step: &Step) -> String {
        format!("step {}/{}: {}", step.step, self.history.steps.max(1), numbers(step))
    }

    /// A long task has its own bar on a terminal; elsewhere its name is printed once.
    fn show_task(&mut self, progress: &Progress) {
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

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        // Text from files must not move the cursor.
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }
}

/// The device and why it was chosen, with several ranks their number before it.
fn devices(ranks: u64, note: &str) -> String {
    if ranks > 1 { format!("{ranks} ranks; {note}") } else { note.to_owned() }
}

fn numbers(step: &Step) -> String {
    let left = |eta: f64| format!("  {} left", HumanDuration(Duration::from_secs_f64(eta.max(0.0))));
    let eta = step.eta.map(left).unwrap_or_default();
    format!("loss {:.4}  {:.0} tokens/s{eta}", step.loss, step.tokens_per_second)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(super::grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn several_ranks_are_counted() {
        assert_eq!(
            [1, 4].map(|ranks| super::devices(ranks, "CPU: --device cpu")),
            ["CPU: --device cpu", "4 ranks; CPU: --device cpu"]
        );
    }
}
