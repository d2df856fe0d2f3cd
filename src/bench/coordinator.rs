//! Runs a worker process per method and alternates their steps.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result};

use super::report::{Report, StepKind, StepTime, WorkerMessage, WorkerStart};
use crate::Usage;

/// Starts workers, requests their steps and collects their reports.
pub struct Coordinator {
    workers: Vec<WorkerProcess>,
    running: Running,
}

/// Kills all workers from another thread. Their reports keep what they measured before.
#[derive(Clone)]
pub struct Kill(Running);

type Running = Arc<Mutex<Processes>>;

/// The worker processes.
#[derive(Default)]
struct Processes {
    children: Vec<Child>,
    killed: bool,
}

struct WorkerProcess {
    method: String,
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
    start: Option<WorkerStart>,
    steps: Vec<StepTime>,
    failed: Option<String>,
    /// Whether it failed for a usage error.
    usage: bool,
}

impl Coordinator {
    /// Without workers.
    pub fn new() -> Coordinator {
        Coordinator { workers: Vec::new(), running: Arc::default() }
    }

    pub fn kill_handle(&self) -> Kill {
        Kill(self.running.clone())
    }

    /// Starts a worker and waits until it is ready. A worker that fails gets a report with its error.
    ///
    /// # Errors
    /// A process that cannot be started.
    pub fn start(&mut self, method: &str, mut command: Command) -> Result<()> {
        let mut running = lock(&self.running);
        if running.killed {
            return Ok(());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        running.children.push(child);
        drop(running);
        let mut worker = WorkerProcess {
            method: method.to_owned(),
            pipes,
            start: None,
            steps: Vec::new(),
            failed: None,
            usage: false,
        };
        worker.read_message();
        self.workers.push(worker);
        Ok(())
    }

    /// Runs `number` steps of every worker, alternating between workers. `on_step` gets the method after each step.
    pub fn steps(&mut self, number: usize, kind: StepKind, on_step: &mut dyn FnMut(&str)) {
        for _ in 0..number {
            for worker in &mut self.workers {
                worker.step(kind);
                on_step(&worker.method);
            }
        }
    }

    /// Ends all workers and waits until their memory is free.
    pub fn finish(&mut self) {
        for worker in &mut self.workers {
            worker.pipes = None;
        }
        for mut child in lock(&self.running).children.drain(..) {
            let _ = child.wait();
        }
    }

    /// The reports of all workers.
    ///
    /// # Errors
    /// [`Usage`], if that is why a worker failed.
    pub fn reports(&self) -> Result<Vec<Report>, Usage> {
        if let Some(WorkerProcess { failed: Some(error), .. }) = self.workers.iter().find(|worker| worker.usage) {
            return Err(Usage(error.clone()));
        }
        Ok(self.workers.iter().map(WorkerProcess::report).collect())
    }
}

impl Default for Coordinator {
    fn default() -> Coordinator {
        Coordinator::new()
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Kill {
    /// Kills the workers.
    pub fn now(&self) {
        let mut running = lock(&self.0);
        running.killed = true;
        for child in &mut running.children {
            let _ = child.kill();
        }
    }

    pub fn was_used(&self) -> bool {
        lock(&self.0).killed
    }
}

impl WorkerProcess {
    fn step(&mut self, kind: StepKind) {
        let Some((input, _)) = &mut self.pipes else { return };
        // A process that is gone shows when its answer is read.
        let _ = serde_json::to_writer(&mut *input, &kind).map_err(Into::into).and_then(|()| writeln!(input));
        self.read_message();
    }

    fn read_message(&mut self) {
        let Some((_, output)) = &mut self.pipes else { return };
        let mut line = String::new();
        let message = match output.read_line(&mut line) {
            Ok(0) | Err(_) => Err("its process ended unexpectedly (possibly killed for lack of memory)".to_owned()),
            Ok(_) => serde_json::from_str(&line).map_err(|error| format!("its process printed {line:?}: {error}")),
        };
        match message {
            Ok(WorkerMessage::Started(start)) => self.start = Some(start),
            Ok(WorkerMessage::Step(step)) => self.steps.push(step),
            Ok(WorkerMessage::Failed { error, usage }) => (self.failed, self.usage) = (Some(error), usage),
            Err(error) => self.failed = Some(error),
        }
        if self.failed.is_some() {
            self.pipes = None;
        }
    }

    fn report(&self) -> Report {
        Report::of(&self.method, self.start.clone(), &self.steps, self.failed.clone())
    }
}

fn lock(running: &Running) -> MutexGuard<'_, Processes> {
    running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
