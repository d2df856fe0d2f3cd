//! What a run has told so far, in the shape that screens need. Live and replayed events come the same way.

use std::collections::{BTreeMap, VecDeque};

use crate::protocol::{
    Eval, Event, Examples, Finished, Level, Mass, Memory, Phase, Progress, Selected, Started, Step, System,
};
use crate::series::{At, Ema, Series};

/// Log lines kept.
const LINES: usize = 1000;

/// How much of the past two averages keep.
const LIGHT: f64 = 0.9;
const STRONG: f64 = 0.98;

/// A run as its events tell it.
#[derive(Default)]
pub struct Run {
    pub started: Option<Started>,
    pub phase: Option<Phase>,
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
    pub selected: Option<Selected>,
    pub mass: Series,
    /// The latest of each target.
    pub latest_mass: Option<Mass>,
    pub account: Option<Memory>,
    /// Of the latest evaluation.
    pub examples: Option<Examples>,
    /// GPU memory where there is a GPU, else this process's resident set.
    pub memory: Series,
    pub system: Option<System>,
    pub log: VecDeque<(Level, String)>,
    pub checkpoints: u64,
    pub end: Option<End>,
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
}

impl Run {
    /// Takes up an event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Started(started) => {
                self.task = None;
                self.started = Some(started);
            }
            Event::Phase { phase } => {
                self.task = None;
                self.phase = Some(phase);
            }
            Event::Progress(progress) => self.task = Some(progress),
            Event::Step(step) => {
                let at = At { step: step.step as f64, time: step.elapsed };
                self.loss.push(at, step.loss);
                self.grad_norm.push(at, step.grad_norm);
                self.throughput.push(at, step.tokens_per_second);
                self.learning_rate.push(at, step.learning_rate);
                self.step = Some(step);
            }
            Event::Selected(selected) => self.selected = Some(selected),
            Event::Mass(mass) => {
                self.mass.push(self.at(mass.step), mass.overall);
                self.latest_mass = Some(mass);
            }
            Event::Eval(eval) => self.evaluated(eval),
            Event::Examples(examples) => self.examples = Some(examples),
            Event::Memory(memory) => self.account = Some(memory),
            Event::System(system) => {
                let at = At { step: self.step.as_ref().map_or(0.0, |step| step.step as f64), time: system.at };
                let used = system.gpu.as_ref().map_or(system.process_rss, |gpu| gpu.memory_used);
                self.memory.push(at, used as f64);
                self.system = Some(system);
            }
            Event::Sample { prompt, text, .. } => self.tell(Level::Info, format!("{prompt} -> {text}")),
            Event::Checkpointed { step, path, bytes } => {
                self.checkpoints += 1;
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

    fn at(&self, step: u64) -> At {
        At { step: step as f64, time: self.step.as_ref().map_or(0.0, |step| step.elapsed) }
    }

    fn tell(&mut self, level: Level, message: String) {
        if self.log.len() == LINES {
            self.log.pop_front();
        }
        self.log.push_back((level, crate::ui::format::plain(&message)));
    }
}
