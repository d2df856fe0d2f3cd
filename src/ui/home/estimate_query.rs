//! Asking what a run of the marked preset would take: once it has been marked for a moment, and one question at a time.

use std::collections::HashMap;
use std::time::Duration;

use crate::estimate::Estimate;
use crate::preset::Preset;

/// What is passed over on the way to another preset, or typed on the way to another number, is not asked about.
const SETTLES: Duration = Duration::from_millis(200);

/// Answers that are kept.
const MOST: usize = 64;

/// The questions and the answers.
#[derive(Default)]
pub struct EstimateQuery {
    answers: HashMap<String, Result<Estimate, String>>,
    /// What is to be asked, and since when.
    next: Option<(Box<Preset>, Option<Duration>)>,
    /// The preset's TOML that an answer is awaited for.
    asked: Option<String>,
    /// The TOML of the preset in view.
    subject: String,
}

impl EstimateQuery {
    /// The preset in view is this one now.
    pub fn look_at(&mut self, preset: &Preset) {
        if self.subject != preset.toml {
            self.subject.clone_from(&preset.toml);
            self.next = Some((Box::new(preset.clone()), None));
        }
    }

    /// What is in view has to be asked about anew: a run may have changed it.
    pub fn forget(&mut self) {
        self.subject.clear();
    }

    /// Whether time has to pass.
    pub fn waiting(&self) -> bool {
        self.next.is_some() && self.asked.is_none()
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Duration) -> Option<Box<Preset>> {
        if self.asked.is_some() {
            return None;
        }
        let (_, since) = self.next.as_mut()?;
        if now.saturating_sub(*since.get_or_insert(now)) < SETTLES {
            return None;
        }
        let (preset, _) = self.next.take()?;
        self.asked = Some(preset.toml.clone());
        Some(preset)
    }

    /// Takes up an answer, also to a question whose preset is no longer in view: it may come back.
    pub fn on_answer(&mut self, toml: &str, answer: Result<Estimate, String>) {
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        self.answers.insert(toml.to_owned(), answer);
        if self.asked.as_deref() == Some(toml) {
            self.asked = None;
        }
    }

    /// The answer about a preset, if there is one.
    pub fn answer(&self, preset: &Preset) -> Option<&Result<Estimate, String>> {
        self.answers.get(&preset.toml)
    }
}
