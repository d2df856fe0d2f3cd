//! The rows of a sweep become runs: each a validated preset, with an identity. Equal runs of several rows are one.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::file::{RowSpec, SweepFile, value_text};
use super::identity::identity;
use crate::Usage;
use crate::preset::{Library, Override, Preset, PresetKey, PresetText};

/// Bytes of a row's name in the name of a run's folder.
const SLUG: usize = 72;

/// A sweep with the presets of its runs.
#[derive(Clone, Debug)]
pub struct ExpandedSweep {
    pub plan: SweepPlan,
    /// The preset of each run, by its index in the plan. Their paths are absolute.
    pub presets: Vec<Preset>,
}

/// A sweep as its table and its schedule see it. It is stored beside the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepPlan {
    pub about: String,
    /// The score of the table; `None` for the one that decides which evaluation of a run is best.
    pub metric: Option<String>,
    pub seeds: Vec<u64>,
    pub tune: TunePlan,
    /// At least one.
    pub rows: Vec<PlanRow>,
    pub runs: Vec<PlanRun>,
}

/// What tuned rows tune.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunePlan {
    pub key: String,
    pub seeds: Vec<u64>,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    pub name: String,
    /// Keys of the preset and their values, as far as rows differ in them.
    pub settings: Vec<(String, String)>,
    /// One for each value that the row is tuned over; one if it is not tuned.
    pub variants: Vec<Variant>,
}

/// A row with one value of the tuned key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// The value of the tuned key in these runs; empty if the preset does not set it.
    pub value: String,
    /// Indices of the runs by seed.
    pub runs: BTreeMap<u64, usize>,
}

/// A run of the sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRun {
    /// Its identity, which ends the name of its folder.
    pub id: String,
    /// The name of its folder if it is started now. Found is it by its identity.
    pub folder: String,
    /// What it is in messages: the first row that it belongs to, the tuned value and the seed.
    pub title: String,
    pub seed: u64,
}

impl PlanRow {
    /// Whether a value is chosen for it.
    pub fn is_tuned(&self) -> bool {
        self.variants.len() > 1
    }

    /// Whether a chosen value is the smallest or largest number it is tuned over, so that one beyond might be better.
    pub fn is_at_end(&self, value: &str) -> bool {
        let numbers: Vec<f64> = self.variants.iter().filter_map(|variant| variant.value.parse().ok()).collect();
        let Ok(value) = value.parse::<f64>() else { return false };
        self.is_tuned() && !(numbers.iter().any(|n| *n < value) && numbers.iter().any(|n| *n > value))
    }
}

impl ExpandedSweep {
    /// Expands a sweep; `set` overrides keys of all its runs. `cache` is finesift's cache folder.
    ///
    /// # Errors
    /// [`Usage`] with every invalid preset, each with the line of the sweep file.
    pub fn of(file: &SweepFile, set: &[String], cache: &Path) -> Result<ExpandedSweep> {
        let text = preset_text(file)?;
        let set: Vec<Override> = set.iter().map(|assignment| Override::parse(assignment)).collect::<Result<_>>()?;
        check_set(&set, file)?;
        let common: Vec<Override> = defaults(&text, file, &set)
            .into_iter()
            .chain(file.set.clone())
            .chain(file.metric.clone())
            .chain(set)
            .collect();
        let seeds = file.seeds.clone().unwrap_or_else(|| vec![seed_of(&text)]);
        let tune_seeds = file.tune.seeds.clone().unwrap_or_else(|| seeds.iter().take(1).copied().collect());
        let mut expansion = Expansion {
            text: &text,
            common: &common,
            cache,
            here: std::env::current_dir().context("cannot find the current folder")?,
            all_seeds: tune_seeds.iter().chain(&seeds).copied().collect(),
            known: HashMap::new(),
            runs: Vec::new(),
            presets: Vec::new(),
            errors: Vec::new(),
        };
        let rows = file.rows.iter().map(|row| expansion.row(row, &file.tune.key)).collect();
        let Expansion { runs, presets, mut errors, .. } = expansion;
        if !errors.is_empty() {
            let mut seen = Vec::new();
            errors.retain(|error| {
                !seen.contains(error) && {
                    seen.push(error.clone());
                    true
                }
            });
            bail!(Usage(errors.join("\n")));
        }
        let tune = TunePlan { key: file.tune.key.clone(), seeds: tune_seeds };
        let metric = file.metric.as_ref().map(|metric| value_text(&metric.value));
        let plan = SweepPlan { about: file.about.clone(), metric, seeds, tune, rows, runs };
        Ok(ExpandedSweep { plan, presets })
    }
}

/// The preset that a sweep names: its file lies beside that of the sweep.
fn preset_text(file: &SweepFile) -> Result<PresetText> {
    let is_file = Path::new(&file.preset).extension().is_some_and(|extension| extension == "toml");
    let beside = file.path.parent().unwrap_or(Path::new("")).join(&file.preset);
    let name = if is_file { beside.display().to_string() } else { file.preset.clone() };
    Library::from_env().find(&name).map_err(|error| match error.downcast::<Usage>() {
        Ok(Usage(error)) => Usage(format!("{}: {error}", file.preset_place)).into(),
        Err(error) => error,
    })
}

/// The seed of a preset, which `[set]` and `--set` do not change.
fn seed_of(text: &PresetText) -> u64 {
    let table: Table = text.text.parse().unwrap_or_default();
    let seed = table.get("train").and_then(|train| train.get("seed")?.as_integer());
    let default = || PresetKey::of("train.seed")?.default?.parse().ok();
    seed.and_then(|seed| u64::try_from(seed).ok()).or_else(default).unwrap_or_default()
}

/// Refuses `--set` of a key that the sweep itself decides: the rows would no longer be what they are called.
fn check_set(set: &[Override], file: &SweepFile) -> Result<(), Usage> {
    for Override { key, .. } in set {
        let in_rows = file.rows.iter().flat_map(|row| row.settings.iter().chain(&row.values));
        let place = in_rows.into_iter().find(|with| with.key == *key).map(|with| with.place.clone());
        let why = match (place, key.as_str()) {
            (Some(place), _) => format!("the sweep varies it ({place})"),
            (None, "train.seed") => "the sweep sets it; change its key seeds".to_owned(),
            (None, "keep.best") => "the sweep sets it; change its key metric".to_owned(),
            _ => continue,
        };
        return Err(Usage(format!("--set {key}: {why}")));
    }
    Ok(())
}

/// What runs of a sweep have unless the preset or the sweep says otherwise: few checkpoints, and predictions to compare.
fn defaults(text: &PresetText, file: &SweepFile, set: &[Override]) -> Vec<Override> {
    let table: Table = text.text.parse().unwrap_or_default();
    let defaults = [("checkpoints", Value::Integer(1)), ("predictions", Value::Boolean(true))];
    let is_set = |name: &str| {
        let key = format!("keep.{name}");
        table.get("keep").is_some_and(|keep| keep.get(name).is_some())
            || file.set.iter().chain(set).any(|with| with.key == key)
    };
    let with = |(name, value)| Override { key: format!("keep.{name}"), value, place: "sweep".into() };
    defaults.into_iter().filter(|(name, _)| !is_set(name)).map(with).collect()
}

/// The runs found so far.
struct Expansion<'a> {
    text: &'a PresetText,
    common: &'a [Override],
    cache: &'a Path,
    here: std::path::PathBuf,
    all_seeds: Vec<u64>,
    /// Index of a run by its identity.
    known: HashMap<String, usize>,
    runs: Vec<PlanRun>,
    presets: Vec<Preset>,
    errors: Vec<String>,
}

impl Expansion<'_> {
    fn row(&mut self, row: &RowSpec, tuned: &str) -> PlanRow {
        let settings = row.settings.iter().map(|with| (with.key.clone(), value_text(&with.value))).collect();
        let values: Vec<Option<&Override>> = match row.values.as_slice() {
            [] => vec![None],
            values => values.iter().map(Some).collect(),
        };
        let variants = values.into_iter().map(|value| self.variant(row, tuned, value)).collect();
        PlanRow { name: row.name.clone(), settings, variants }
    }

    fn variant(&mut self, row: &RowSpec, tuned: &str, value: Option<&Override>) -> Variant {
        let mut variant = Variant { value: String::new(), runs: BTreeMap::new() };
        for seed in self.all_seeds.clone() {
            let seeded =
                Override { key: "train.seed".into(), value: Value::Integer(seed as i64), place: row.place.clone() };
            let overrides = self.common.iter().chain(&row.settings).chain(value).cloned().chain([seeded]);
            let overrides: Vec<Override> = overrides.collect();
            let preset = self.text.preset(&overrides, self.cache);
            let preset = preset.and_then(|preset| preset.anchored(&self.here, self.cache));
            match preset {
                Err(Usage(error)) => self.errors.push(error),
                Ok(preset) => {
                    variant.value = set_value(&preset, tuned);
                    let tuned_to = value.map(|value| format!("{}={}", short(tuned), value_text(&value.value)));
                    variant.runs.insert(seed, self.run(row, tuned_to, seed, preset));
                }
            }
        }
        variant
    }

    /// The index of the run with this preset.
    fn run(&mut self, row: &RowSpec, tuned_to: Option<String>, seed: u64, preset: Preset) -> usize {
        let id = identity(&preset);
        *self.known.entry(id.clone()).or_insert_with(|| {
            let name = [Some(row.name.clone()), tuned_to].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let folder = format!("{}-s{seed}-{id}", slug(&name));
            self.runs.push(PlanRun { id, folder, title: format!("{name}, seed {seed}"), seed });
            self.presets.push(preset);
            self.runs.len() - 1
        })
    }
}

/// The value of a key as the preset sets it; empty where it does not.
fn set_value(preset: &Preset, key: &str) -> String {
    let table: Table = preset.toml.parse().unwrap_or_default();
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let value = if section.is_empty() { table.get(name) } else { table.get(section).and_then(|table| table.get(name)) };
    value.map(value_text).unwrap_or_default()
}

/// The last part of a key: `learning_rate`.
pub(super) fn short(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// A name as part of a folder's name.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        let c = if c.is_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
        if slug.len() + c.len_utf8() > SLUG {
            break;
        }
        if c != '-' || !slug.ends_with('-') {
            slug.push(c);
        }
    }
    let slug = slug.trim_matches(['-', '.']);
    if slug.is_empty() { "run".to_owned() } else { slug.to_owned() }
}
