//! Asks for the estimate of the preset in view: after it has been in view for a moment, and one preset at a time.

use std::collections::HashMap;
use std::time::Duration;

use crate::estimate::{DownloadSize, Estimate};
use crate::preset::Preset;

/// Presets passed on the way to another one, and numbers typed on the way to a longer one, are not estimated.
const SETTLES: Duration = Duration::from_millis(200);

/// Estimates that are kept.
const MOST: usize = 64;

/// The estimates so far, and the one to ask for next.
#[derive(Default)]
pub struct EstimateQuery {
    answers: HashMap<String, Result<Estimate, String>>,
    /// The latest estimate of each preset, by name, whatever its settings were.
    latest: HashMap<String, Estimate>,
    /// The preset to ask about next, and since when it has been in view.
    next: Option<(Box<Preset>, Option<Duration>)>,
    /// The preset that is being estimated.
    asked: Option<Box<Preset>>,
    /// The sizes of what is not downloaded, by the sentence about it; `None` while the hub is asked.
    sizes: HashMap<String, Option<String>>,
    /// TOML of the preset in view.
    subject: String,
}

/// What is known about a preset.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// The estimate, or that of the same preset with other settings.
    pub estimate: Option<&'a Estimate>,
    /// Whether the settings have changed since that estimate.
    pub outdated: bool,
    /// Why the preset cannot be estimated as it is.
    pub error: Option<&'a str>,
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
        // The network may be back.
        self.sizes.clear();
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
        self.asked = Some(preset.clone());
        Some(preset)
    }

    /// Keeps an answer, also for a preset that is no longer in view: it may come back. Returns the preset if something of it
    /// is not downloaded and its size was not asked for yet.
    pub fn on_answer(&mut self, toml: &str, answer: Result<Estimate, String>) -> Option<Box<Preset>> {
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        let asked = self.asked.take_if(|asked| asked.toml == toml);
        let mut sizeless = false;
        if let Some((asked, estimate)) = asked.as_ref().zip(answer.as_ref().ok()) {
            self.latest.insert(asked.name.clone(), estimate.clone());
            for missing in &estimate.missing {
                sizeless |= !self.sizes.contains_key(missing);
                self.sizes.entry(missing.clone()).or_default();
            }
        }
        self.answers.insert(toml.to_owned(), answer);
        asked.filter(|_| sizeless)
    }

    /// Keeps the sizes of what is not downloaded.
    pub fn on_download_sizes(&mut self, sizes: Vec<DownloadSize>) {
        self.sizes.extend(sizes.into_iter().map(|size| (size.missing, Some(size.size))));
    }

    /// A sentence about something that is not downloaded, with its size if that is known.
    pub fn with_size(&self, missing: &str) -> String {
        let size = self.sizes.get(missing).and_then(Option::as_deref);
        format!("{missing}{}", size.unwrap_or_default())
    }

    /// What is known about a preset. A wrong setting, and one whose estimate is not there yet, leave the latest estimate.
    pub fn known(&self, preset: &Preset) -> Known<'_> {
        let latest = self.latest.get(&preset.name);
        match self.answers.get(&preset.toml) {
            Some(Ok(estimate)) => Known { estimate: Some(estimate), outdated: false, error: None },
            Some(Err(error)) => Known { estimate: latest, outdated: latest.is_some(), error: Some(error) },
            None => Known { estimate: latest, outdated: latest.is_some(), error: None },
        }
    }
}
