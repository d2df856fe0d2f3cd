//! What a run has told so far, in the shape that screens need. Live and replayed events come the same way.

use std::collections::{BTreeMap, VecDeque};

use super::smoothing::Smoothing;
use super::targets::Targets;
use crate::protocol::{
    Eval, Event, Examples, Finished, Level, Mass, Memory, Phase, Progress, Selected, Started, Step, System,
};
use crate::series::{At, Ema, Series};

/// Log lines kept.
const LINES: usize = 1000;

/// Answers of the model kept.
const ANSWERS: usize = 50;

/// How much of the past two averages keep.
const LIGHT: f64 = 0.9;
const STRONG: f64 = 0.98;

/// A run as its events tell it.
#[derive(Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Run {
    pub started: Option<Started>,
    pub phase: Option<Phase>,
    /// Whether it is held, also while it evaluates or writes a checkpoint meanwhile.
    pub held: bool,
    /// The long task under way.
    pub task: Option<Progress>,
    pub step: Option<Step>,
    pub loss: Averaged,
    pub grad_norm: Averaged,
    pub throughput: Averaged,
    pub learning_rate: Series,
    pub eval_loss: Series,
    /// By name.
    pub scores: BTreeMap<String, Series>,
    pub evals: u64,
    pub best: Option<Eval>,
    /// Of the latest evaluation.
    pub examples: Option<Examples>,
    /// What the model answered, the latest last.
    pub answers: VecDeque<Answer>,
    pub selected: Option<Selected>,
    pub targets: Targets,
    pub mass: Series,
    /// The latest of each target.
    pub latest_mass: Option<Mass>,
    pub account: Option<Memory>,
    /// GPU memory where there is a GPU, else this process's resident set.
    pub memory: Series,
    pub machine: Machine,
    pub system: Option<System>,
    pub log: VecDeque<Told>,
    pub checkpoints: u64,
    /// Sizes of the checkpoints, at their steps.
    pub checkpointed: Series,
    pub end: Option<End>,
    /// Seconds since the start, as far as the run has told.
    clock: f64,
    /// Lines told so far.
    lines: u64,
}

/// The machine's load over time.
#[derive(Default)]
pub struct Machine {
    /// In percent of one core.
    pub process_cpu: Series,
    /// In percent of all.
    pub cpu: Series,
    pub rss: Series,
    pub used: Series,
    pub disk_free: Series,
    pub gpu_memory: Series,
    pub gpu_process: Series,
    pub utilization: Series,
    pub temperature: Series,
    pub power: Series,
}

/// A line of the log.
pub struct Told {
    /// Its number, counted from 0 at the run's first.
    pub number: u64,
    /// Seconds since the start.
    pub at: f64,
    pub level: Level,
    pub text: String,
}

/// What the model answered.
pub struct Answer {
    pub step: u64,
    pub prompt: String,
    pub text: String,
}

/// How a run ended.
pub enum End {
    /// As it should.
    Finished(Finished),
    /// With an error, and the checkpoint to go back to.
    Failed(String, Option<String>),
}

/// A curve and its averages.
#[derive(Default)]
pub struct Averaged {
    /// As it came.
    pub raw: Series,
    /// Smoothed a little.
    pub light: Series,
    /// Smoothed much.
    pub strong: Series,
    averages: Option<(Ema, Ema)>,
}

impl Averaged {
    fn push(&mut self, at: At, value: f64) {
        let (light, strong) = self.averages.get_or_insert_with(|| (Ema::new(LIGHT), Ema::new(STRONG)));
        self.raw.push(at, value);
        self.light.push(at, light.push(value));
        self.strong.push(at, strong.push(value));
    }

    /// As smooth as asked for.
    pub fn shown(&self, smoothing: Smoothing) -> &Series {
        match smoothing {
            Smoothing::None => &self.raw,
            Smoothing::Light => &self.light,
            Smoothing::Strong => &self.strong,
        }
    }
}

impl Machine {
    fn push(&mut self, at: At, system: &System) {
        self.process_cpu.push(at, system.process_cpu);
        self.cpu.push(at, system.cpu);
        self.rss.push(at, system.process_rss as f64);
        self.used.push(at, system.memory_used as f64);
        if let Some(free) = system.disk_free {
            self.disk_free.push(at, free as f64);
        }
        let Some(gpu) = &system.gpu else { return };
        self.gpu_memory.push(at, gpu.memory_used as f64);
        self.utilization.push(at, gpu.utilization);
        if let Some(memory) = gpu.process_memory {
            self.gpu_process.push(at, memory as f64);
        }
        // 0 is what a GPU says that does not tell.
        for (series, value) in [(&mut self.temperature, gpu.temperature), (&mut self.power, gpu.power)] {
            if value > 0.0 {
                series.push(at, value);
            }
        }
    }
}

impl Run {
    /// Takes up an event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Started(started) => {
                self.task = None;
                self.started = Some(started);
            }
            Event::Resumed(resumed) => {
                // Its words of an earlier end are no end, and who took it up does not hold it.
                (self.task, self.end, self.held) = (None, None, false);
                self.tell(Level::Info, format!("taken up again after step {}", resumed.step));
            }
            Event::Phase { phase } => {
                match (self.phase, phase) {
                    (_, Phase::Paused) => self.held = true,
                    (Some(Phase::Paused), Phase::Training) => self.held = false,
                    _ => {}
                }
                self.task = None;
                self.phase = Some(phase);
            }
            Event::Progress(progress) => self.task = Some(progress),
            Event::Step(step) => {
                let at = At { step: step.step as f64, time: step.elapsed };
                self.clock = self.clock.max(step.elapsed);
                self.loss.push(at, step.loss);
                self.grad_norm.push(at, step.grad_norm);
                self.throughput.push(at, step.tokens_per_second);
                self.learning_rate.push(at, step.learning_rate);
                self.step = Some(step);
            }
            Event::Selected(selected) => {
                self.targets = Targets::of(&selected);
                self.selected = Some(selected);
            }
            Event::Mass(mass) => {
                let at = self.at(mass.step);
                self.mass.push(at, mass.overall);
                self.targets.measured(at, &mass);
                self.latest_mass = Some(mass);
            }
            Event::Eval(eval) => self.evaluated(eval),
            Event::Examples(examples) => self.examples = Some(examples),
            Event::Memory(memory) => self.account = Some(memory),
            Event::System(system) => self.sampled(system),
            Event::Sample { step, prompt, text } => {
                self.tell(Level::Info, format!("{prompt} -> {text}"));
                self.answered(Answer { step, prompt, text });
            }
            Event::Checkpointed { step, path, bytes, .. } => {
                self.checkpoints += 1;
                self.checkpointed.push(self.at(step), bytes as f64);
                let size = crate::ui::format::bytes(bytes as f64);
                self.tell(Level::Info, format!("checkpoint of step {step}, {size}: {}", path.display()));
            }
            Event::Log { level, message } => self.tell(level, message),
            Event::Finished(finished) => {
                self.task = None;
                self.end = Some(End::Finished(finished));
            }
            Event::Failed { error, checkpoint } => {
                self.task = None;
                self.tell(Level::Error, error.clone());
                self.end = Some(End::Failed(error, checkpoint.map(|path| path.display().to_string())));
            }
        }
    }

    fn evaluated(&mut self, eval: Eval) {
        let at = self.at(eval.step);
        self.eval_loss.push(at, eval.loss);
        for (name, &score) in &eval.scores {
            self.scores.entry(name.clone()).or_default().push(at, score);
        }
        let scores =
            eval.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect::<Vec<_>>().join(", ");
        let best = if eval.best { ", the best so far" } else { "" };
        self.tell(Level::Info, format!("evaluation at step {}: {scores}, loss {:.4}{best}", eval.step, eval.loss));
        self.evals += 1;
        if eval.best {
            self.best = Some(eval);
        }
    }

    /// Whether its model writes text, so that it can be asked.
    pub fn writes(&self) -> bool {
        self.started.as_ref().is_some_and(|started| started.writes)
    }

    /// Keeps an answer, and of those that were there the first to each question as long as there is another to let go.
    fn answered(&mut self, answer: Answer) {
        if self.answers.len() == ANSWERS {
            let asked_before = |place: usize| {
                let prompt = &self.answers[place].prompt;
                self.answers.iter().take(place).any(|before| before.prompt == *prompt)
            };
            let least = (0..ANSWERS).find(|place| asked_before(*place)).unwrap_or(0);
            self.answers.remove(least);
        }
        self.answers.push_back(answer);
    }

    fn sampled(&mut self, system: System) {
        let at = At { step: self.step.as_ref().map_or(0.0, |step| step.step as f64), time: system.at };
        self.clock = self.clock.max(system.at);
        let used = system.gpu.as_ref().map_or(system.process_rss, |gpu| gpu.memory_used);
        self.memory.push(at, used as f64);
        self.machine.push(at, &system);
        self.system = Some(system);
    }

    fn at(&self, step: u64) -> At {
        At { step: step as f64, time: self.step.as_ref().map_or(0.0, |step| step.elapsed) }
    }

    fn tell(&mut self, level: Level, message: String) {
        if self.log.len() == LINES {
            self.log.pop_front();
        }
        let text = crate::ui::format::plain(&message);
        self.log.push_back(Told { number: self.lines, at: self.clock, level, text });
        self.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Gpu, SelectedTarget, TargetMass};

    /// Bytes of all curves, as much as their vectors may have grown to.
    fn bytes(run: &Run) -> usize {
        let machine = &run.machine;
        let averaged = [&run.loss, &run.grad_norm, &run.throughput];
        let averaged = averaged.into_iter().flat_map(|curve| [&curve.raw, &curve.light, &curve.strong]);
        let plain = [
            &run.learning_rate,
            &run.eval_loss,
            &run.mass,
            &run.memory,
            &run.checkpointed,
            &machine.process_cpu,
            &machine.cpu,
            &machine.rss,
            &machine.used,
            &machine.disk_free,
            &machine.gpu_memory,
            &machine.gpu_process,
            &machine.utilization,
            &machine.temperature,
            &machine.power,
        ];
        let targets = run.targets.all.iter().flat_map(|target| [&target.mass, &target.update]);
        let series = averaged.chain(plain).chain(run.scores.values()).chain(targets);
        let curves: usize = series.map(|series| series.buckets().len().next_power_of_two() * 64).sum();
        let texts: usize = run.log.iter().map(|line| line.text.len() + size_of::<Told>()).sum();
        curves + texts
    }

    /// Every curve doubles what a bucket stands for when it is full, so what 20,000 steps take, 10 million do.
    #[test]
    fn a_long_run_of_a_large_model_takes_little_memory() {
        let mut run = Run::default();
        let names: Vec<String> = (0..80)
            .flat_map(|layer| ["q", "k", "v", "o", "gate", "up", "down"].map(|part| format!("m.{layer}.{part}.weight")))
            .collect();
        let target = |name: &String| SelectedTarget { name: name.clone(), shape: vec![8192, 8192], selected: 536_871 };
        let targets = names.iter().map(target).collect();
        run.apply(Event::Selected(Selected { total: 1, of: 1, dense: 1, targets }));
        let mut sizes = Vec::new();
        for step in 1..=20_000 {
            let value = step as f64;
            run.apply(Event::Step(Step {
                step,
                epoch: 0.0,
                loss: value,
                learning_rate: value,
                grad_norm: value,
                tokens_per_second: value,
                elapsed: value,
                eta: None,
            }));
            let gpu = Gpu { power: value, temperature: 1.0, process_memory: Some(step), ..Gpu::default() };
            run.apply(Event::System(System { at: value, gpu: Some(gpu), disk_free: Some(1), ..System::default() }));
            run.apply(Event::info("x".repeat(200)));
            if step % 10 == 0 {
                let measured = |name: &String| TargetMass { name: name.clone(), mass: value, update: Some(value) };
                let targets = names.iter().map(measured).collect();
                run.apply(Event::Mass(Mass { step, overall: value, targets }));
            }
            if step % 10_000 == 0 {
                sizes.push(bytes(&run));
            }
        }
        assert!(sizes[1] < 32 << 20, "{} bytes", sizes[1]);
        assert!(sizes[1] <= sizes[0] * 11 / 10, "it grows: {sizes:?}");
    }

    #[test]
    fn a_run_that_is_taken_up_again_has_not_ended_and_is_not_held() {
        let mut run = Run::default();
        run.apply(Event::Phase { phase: Phase::Paused });
        run.apply(Event::Failed { error: "x".into(), checkpoint: None });
        assert!(run.held && run.end.is_some());
        let resumed = r#"{"event":"resumed","run":"r","step":1,"steps":2,"checkpoint":"c","elapsed":1.0,"device":"cpu","version":"0"}"#;
        run.apply(serde_json::from_str(resumed).unwrap());
        assert!(!run.held && run.end.is_none());
    }

    #[test]
    fn lines_keep_their_number_and_time() {
        let mut run = Run::default();
        run.apply(Event::System(System { at: 62.0, ..System::default() }));
        for number in 0..LINES + 5 {
            run.apply(Event::info(number.to_string()));
        }
        let (first, last) = (run.log.front().unwrap(), run.log.back().unwrap());
        assert_eq!((first.number, first.text.as_str(), first.at), (5, "5", 62.0));
        assert_eq!((run.log.len(), last.number), (LINES, LINES as u64 + 4));
    }
}
