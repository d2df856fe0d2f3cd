//! Has several workers take their steps in turn.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result};

use super::report::{Opened, Report, Step, WorkerMessage};
use super::worker::{TIMED, WARM_UP};

/// Has each worker take its steps.
pub struct Director {
    workers: Vec<Process>,
    running: Running,
}

/// Ends all workers at once, from another thread; what they told before is kept.
#[derive(Clone)]
pub struct Stopped(Running);

/// Processes, and whether they were told to end.
type Running = Arc<Mutex<(Vec<Child>, bool)>>;

struct Process {
    method: String,
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
    opened: Option<Opened>,
    steps: Vec<Step>,
    failed: Option<String>,
    usage: bool,
}

impl Director {
    /// Of no worker yet.
    pub fn new() -> Director {
        Director { workers: Vec::new(), running: Arc::default() }
    }

    /// What ends them.
    pub fn stop(&self) -> Stopped {
        Stopped(self.running.clone())
    }

    /// Starts a worker and waits until it is ready. One that fails is reported with the others.
    ///
    /// # Errors
    /// A process that cannot be started.
    pub fn start(&mut self, method: &str, mut command: Command) -> Result<()> {
        let mut running = lock(&self.running);
        if running.1 {
            return Ok(());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        running.0.push(child);
        drop(running);
        let mut worker =
            Process { method: method.to_owned(), pipes, opened: None, steps: Vec::new(), failed: None, usage: false };
        worker.listen();
        self.workers.push(worker);
        Ok(())
    }

    /// Has every worker take so many steps, one after the other. `each` is told after every one.
    pub fn steps(&mut self, number: usize, timed: bool, each: &mut dyn FnMut(&str)) {
        for _ in 0..number {
            for worker in &mut self.workers {
                worker.step(timed);
                each(&worker.method);
            }
        }
    }

    /// Lets all workers end, and waits for that. What they hold is free then.
    pub fn finish(&mut self) {
        for worker in &mut self.workers {
            worker.pipes = None;
        }
        for mut child in lock(&self.running).0.drain(..) {
            let _ = child.wait();
        }
    }

    /// What all of them told; a mistake of the user's that keeps them from starting first.
    ///
    /// # Errors
    /// That mistake.
    pub fn reports(&self) -> Result<Vec<Report>, String> {
        if let Some(Process { failed: Some(error), .. }) = self.workers.iter().find(|worker| worker.usage) {
            return Err(error.clone());
        }
        Ok(self.workers.iter().map(Process::report).collect())
    }
}

impl Default for Director {
    fn default() -> Director {
        Director::new()
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Stopped {
    /// Ends them.
    pub fn now(&self) {
        let mut running = lock(&self.0);
        running.1 = true;
        for child in &mut running.0 {
            let _ = child.kill();
        }
    }

    /// Whether they were ended so.
    pub fn is(&self) -> bool {
        lock(&self.0).1
    }
}

impl Process {
    fn step(&mut self, timed: bool) {
        let Some((input, _)) = &mut self.pipes else { return };
        // One that is gone says so where its answer is read.
        let _ = writeln!(input, "{}", if timed { TIMED } else { WARM_UP });
        self.listen();
    }

    /// Reads one line.
    fn listen(&mut self) {
        let Some((_, output)) = &mut self.pipes else { return };
        let mut line = String::new();
        let told = match output.read_line(&mut line) {
            Ok(0) | Err(_) => {
                Err("its process ended without a word: it may have been killed for its memory".to_owned())
            }
            Ok(_) => serde_json::from_str(&line).map_err(|error| format!("its process said {line:?}: {error}")),
        };
        match told {
            Ok(WorkerMessage::Opened(opened)) => self.opened = Some(opened),
            Ok(WorkerMessage::Step(step)) => self.steps.push(step),
            Ok(WorkerMessage::Failed { error, usage }) => (self.failed, self.usage) = (Some(error), usage),
            Err(error) => self.failed = Some(error),
        }
        if self.failed.is_some() {
            self.pipes = None;
        }
    }

    fn report(&self) -> Report {
        Report::of(&self.method, self.opened.clone(), &self.steps, self.failed.clone())
    }
}

fn lock(running: &Running) -> MutexGuard<'_, (Vec<Child>, bool)> {
    running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
