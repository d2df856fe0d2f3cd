//! Asks for the estimate of the preset in view: after it has been in view for a moment, and one preset at a time.

use std::collections::HashMap;
use std::time::Duration;

use crate::estimate::Estimate;
use crate::preset::Preset;

/// Presets passed on the way to another one, and numbers typed on the way to a longer one, are not estimated.
const SETTLES: Duration = Duration::from_millis(200);

/// Estimates that are kept.
const MOST: usize = 64;

/// The estimates so far, and the one to ask for next.
#[derive(Default)]
pub struct EstimateQuery {
    answers: HashMap<String, Result<Estimate, String>>,
    /// The preset to ask about next, and since when it has been in view.
    next: Option<(Box<Preset>, Option<Duration>)>,
    /// TOML of the preset that is being estimated.
    asked: Option<String>,
    /// TOML of the preset in view.
    subject: String,
}

impl EstimateQuery {
    /// Notes the preset in view.
    pub fn look_at(&mut self, preset: &Preset) {
        if self.subject != preset.toml {
            self.subject.clone_from(&preset.toml);
            self.next = Some((Box::new(preset.clone()), None));
        }
    }

    /// Asks about the preset in view again: a run may have changed the answer.
    pub fn forget(&mut self) {
        self.subject.clear();
    }

    /// Whether a preset waits to be asked about.
    pub fn waiting(&self) -> bool {
        self.next.is_some() && self.asked.is_none()
    }

    /// Advances the time. Returns a preset to estimate, if it is time for one.
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

    /// Keeps an answer, also for a preset that is no longer in view: it may come back.
    pub fn on_answer(&mut self, toml: &str, answer: Result<Estimate, String>) {
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        self.answers.insert(toml.to_owned(), answer);
        if self.asked.as_deref() == Some(toml) {
            self.asked = None;
        }
    }

    /// The estimate of a preset, or why it failed.
    pub fn answer(&self, preset: &Preset) -> Option<&Result<Estimate, String>> {
        self.answers.get(&preset.toml)
    }
}
