//! The keys of a sweep file become rows: those of its grids and its explicit ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use toml::Value;

use super::document::{self, Entry, place, preset_keys};
use crate::Usage;
use crate::preset::{KeyKind, Override, PresetKey, read_file, unknown_key};
use crate::suggest::did_you_mean;

/// The key that is tuned unless the file names another one.
const TUNED: &str = "train.learning_rate";

/// Limit on the rows of a sweep: a grid grows with the product of its lists.
const MOST_ROWS: usize = 1000;

const KEYS: [&str; 8] = ["about", "preset", "metric", "seeds", "set", "grid", "row", "tune"];

/// A sweep as its file describes it.
#[derive(Clone, Debug)]
pub struct SweepFile {
    pub path: PathBuf,
    /// One line of description; may be empty.
    pub about: String,
    /// Name of the preset, or path of its file, seen from the folder of the sweep file.
    pub preset: String,
    pub(super) preset_place: String,
    /// The score that the table shows, as `keep.best` of every run.
    pub(super) metric: Option<Override>,
    /// `None` for the seed of the preset.
    pub(super) seeds: Option<Vec<u64>>,
    /// For all runs.
    pub(super) set: Vec<Override>,
    /// At least one.
    pub(super) rows: Vec<RowSpec>,
    pub(super) tune: TuneSpec,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct RowSpec {
    pub name: String,
    pub place: String,
    pub settings: Vec<Override>,
    /// The values to tune over; empty if the row is not tuned.
    pub values: Vec<Override>,
}

/// `[tune]`.
#[derive(Clone, Debug)]
pub(super) struct TuneSpec {
    pub key: String,
    /// `None` for the first seed.
    pub seeds: Option<Vec<u64>>,
}

/// A row before it has a name.
struct RawRow {
    name: Option<String>,
    place: String,
    settings: Vec<Override>,
    /// Its own values to tune over.
    values: Option<Vec<Override>>,
}

impl SweepFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Usage`] with every mistake, each with its line. Otherwise the file cannot be read.
    pub fn load(path: &Path) -> Result<SweepFile> {
        Ok(SweepFile::parse(path, &read_file(path)?)?)
    }

    /// As [`SweepFile::load`], for a text that was read.
    ///
    /// # Errors
    /// [`Usage`] with every mistake, each with its line.
    pub fn parse(path: &Path, text: &str) -> Result<SweepFile, Usage> {
        let name = path.display().to_string();
        let entries = document::parse(&name, text)?;
        let mut reader = Reader { file: name, errors: Vec::new() };
        let read = reader.sweep(path, &entries);
        match read {
            Some(sweep) if reader.errors.is_empty() => Ok(sweep),
            _ => Err(Usage(reader.in_order())),
        }
    }
}

/// Collects what is wrong, so that all of it is shown at once.
struct Reader {
    file: String,
    errors: Vec<String>,
}

impl Reader {
    fn sweep(&mut self, path: &Path, entries: &[Entry]) -> Option<SweepFile> {
        for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
            let hint = match unknown_key(&entry.key, None) {
                None => "; a key of the preset belongs below [set], [grid] or [[row]]".to_owned(),
                Some(_) => did_you_mean(&entry.key, KEYS),
            };
            self.error(entry.line, &format!("unknown key \"{}\"{hint}", entry.key));
        }
        let find = |key: &str| entries.iter().find(|entry| entry.key == key);
        let about = find("about").and_then(|entry| self.text(entry)).unwrap_or_default();
        let preset = find("preset").map(|entry| (entry.line, self.text(entry)));
        if preset.is_none() {
            self.errors.push(format!("{}: preset is missing; name a preset or the path of one", self.file));
        }
        let metric = find("metric").and_then(|entry| {
            let value = Value::String(self.text(entry)?);
            Some(Override { key: "keep.best".into(), value, place: place(&self.file, entry.line) })
        });
        let seeds = find("seeds").map(|entry| self.seeds("seeds", entry));
        let set = find("set").map(|entry| self.set(entry)).unwrap_or_default();
        let (tune, values) =
            find("tune").map_or_else(|| (TuneSpec { key: TUNED.into(), seeds: None }, None), |entry| self.tune(entry));
        let mut raw = Vec::new();
        for (number, table) in find("grid").map(|entry| self.tables(entry)).unwrap_or_default() {
            raw.extend(self.grid(number, &table, &tune));
        }
        for (number, table) in find("row").map(|entry| self.tables(entry)).unwrap_or_default() {
            raw.extend(self.row(number, &table, &tune));
        }
        if raw.is_empty() && find("grid").is_none() && find("row").is_none() {
            // A preset with several seeds, or with a tuned learning rate.
            raw.push(RawRow { name: None, place: self.file.clone(), settings: Vec::new(), values: None });
        }
        let rows = self.named(raw, &tune, values.as_deref());
        let (preset_line, preset) = preset?;
        Some(SweepFile {
            path: path.to_owned(),
            about,
            preset: preset?,
            preset_place: place(&self.file, preset_line),
            metric,
            seeds: seeds.flatten(),
            set,
            rows,
            tune,
        })
    }

    /// All errors by line; those without one come first.
    fn in_order(mut self) -> String {
        let line = |error: &String| {
            let rest = error.strip_prefix(&self.file)?.strip_prefix(':')?;
            rest.split(':').next()?.parse::<usize>().ok()
        };
        self.errors.sort_by_key(line);
        self.errors.join("\n")
    }

    fn error(&mut self, line: usize, message: &str) {
        self.errors.push(format!("{}: {message}", place(&self.file, line)));
    }

    fn text(&mut self, entry: &Entry) -> Option<String> {
        let text = entry.value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if text.is_none() {
            self.expected(entry, "a string");
        }
        text
    }

    fn expected(&mut self, entry: &Entry, expected: &str) {
        let shown: String = entry.value.to_string().chars().take(60).collect();
        self.error(entry.line, &format!("{} is {shown}, expected {expected}", entry.key));
    }

    fn seeds(&mut self, name: &str, entry: &Entry) -> Option<Vec<u64>> {
        let numbers = entry.value.as_array().filter(|seeds| !seeds.is_empty());
        let seeds = numbers.and_then(|seeds| {
            seeds.iter().map(|seed| u64::try_from(seed.as_integer()?).ok()).collect::<Option<Vec<u64>>>()
        });
        match &seeds {
            None => self.expected(entry, "a list of whole numbers from 0, such as [1, 2, 3]"),
            Some(seeds) if seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() => {
                self.error(entry.line, &format!("{name} has a number twice"));
            }
            Some(_) => {}
        }
        seeds
    }

    /// Keys of the preset for all runs.
    fn set(&mut self, entry: &Entry) -> Vec<Override> {
        let [table] = entry.tables.as_slice() else {
            self.expected(entry, "a table of preset keys");
            return Vec::new();
        };
        let settings = preset_keys(&self.file, table);
        self.check_keys(&settings);
        settings
    }

    /// A table, or each table of an array, with its line.
    fn tables(&mut self, entry: &Entry) -> Vec<(usize, Vec<Entry>)> {
        if entry.tables.is_empty() {
            self.expected(entry, "a table of preset keys, or several of them");
        }
        let line = |table: &Vec<Entry>| table.first().map_or(entry.line, |first| first.line);
        entry.tables.iter().map(|table| (line(table), table.clone())).collect()
    }

    fn tune(&mut self, entry: &Entry) -> (TuneSpec, Option<Vec<Override>>) {
        let mut tune = TuneSpec { key: TUNED.into(), seeds: None };
        let [table] = entry.tables.as_slice() else {
            self.expected(entry, "a table with key, values and seeds");
            return (tune, None);
        };
        let mut values = None;
        for entry in table {
            match entry.key.as_str() {
                "key" => tune.key = self.text(entry).unwrap_or(tune.key),
                "values" => values = Some(entry),
                "seeds" => tune.seeds = self.seeds("tune.seeds", entry),
                other => {
                    let hint = did_you_mean(other, ["key", "values", "seeds"]);
                    self.error(entry.line, &format!("unknown key \"tune.{other}\"{hint}"));
                }
            }
        }
        let key = Override { key: tune.key.clone(), value: Value::Boolean(true), place: place(&self.file, entry.line) };
        self.check_keys(std::slice::from_ref(&key));
        let values = values.map(|entry| self.values(&tune, entry));
        (tune, values)
    }

    /// A list of values of the tuned key.
    fn values(&mut self, tune: &TuneSpec, entry: &Entry) -> Vec<Override> {
        let Some(values) = entry.value.as_array().filter(|values| !values.is_empty()) else {
            self.expected(entry, &format!("a list of values of {}", tune.key));
            return Vec::new();
        };
        if (1..values.len()).any(|at| values[..at].contains(&values[at])) {
            self.error(entry.line, &format!("{} has a value twice", entry.key));
        }
        let place = place(&self.file, entry.line);
        let with = |value: &Value| Override { key: tune.key.clone(), value: value.clone(), place: place.clone() };
        values.iter().map(with).collect()
    }

    /// The combinations of a grid; the first key changes slowest.
    fn grid(&mut self, line: usize, table: &[Entry], tune: &TuneSpec) -> Vec<RawRow> {
        let (own, axes) = self.apart(table);
        let values = own.get("tune").map(|entry| self.values(tune, entry));
        if let Some(entry) = own.get("name") {
            self.error(entry.line, "only a [[row]] has a name; those of a grid are named by their values");
        }
        self.check_keys(&axes);
        let mut combinations: Vec<Vec<Override>> = vec![Vec::new()];
        for axis in &axes {
            let Some(values) = axis.value.as_array().filter(|values| !values.is_empty()) else {
                self.errors.push(format!("{}: {} of a grid needs a list of values", axis.place, axis.key));
                return Vec::new();
            };
            if combinations.len() * values.len() > MOST_ROWS {
                self.error(line, &format!("the grid has more than {MOST_ROWS} combinations"));
                return Vec::new();
            }
            let with = |row: &Vec<Override>, value: &Value| {
                let mut row = row.clone();
                row.push(Override { value: value.clone(), ..axis.clone() });
                row
            };
            combinations =
                combinations.iter().flat_map(|row| values.iter().map(move |value| with(row, value))).collect();
        }
        if axes.is_empty() {
            self.error(line, "the grid is empty");
            return Vec::new();
        }
        let place = place(&self.file, line);
        let row = |settings| RawRow { name: None, place: place.clone(), settings, values: values.clone() };
        combinations.into_iter().map(row).collect()
    }

    fn row(&mut self, line: usize, table: &[Entry], tune: &TuneSpec) -> Option<RawRow> {
        let (own, settings) = self.apart(table);
        let name = own.get("name").and_then(|entry| self.text(entry));
        let values = own.get("tune").map(|entry| self.values(tune, entry));
        self.check_keys(&settings);
        Some(RawRow { name, place: place(&self.file, line), settings, values })
    }

    /// The sweep's own keys of a row or grid, and those of the preset.
    fn apart<'a>(&self, table: &'a [Entry]) -> (BTreeMap<&'a str, &'a Entry>, Vec<Override>) {
        let is_own = |entry: &&Entry| ["name", "tune"].contains(&entry.key.as_str());
        let own = table.iter().filter(is_own).map(|entry| (entry.key.as_str(), entry)).collect();
        let others: Vec<Entry> = table.iter().filter(|entry| !is_own(entry)).cloned().collect();
        (own, preset_keys(&self.file, &others))
    }

    /// Refuses unknown keys, and those that the sweep sets itself.
    fn check_keys(&mut self, settings: &[Override]) {
        for Override { key, value, place } in settings {
            let instead = match key.as_str() {
                "train.seed" => Some("seeds"),
                "keep.best" => Some("metric"),
                _ => None,
            };
            match (unknown_key(key, Some(value)), instead) {
                (Some(error), _) => self.errors.push(format!("{place}: {error}")),
                (None, Some(instead)) => {
                    self.errors.push(format!("{place}: {key} is set by the sweep; use its key {instead}"));
                }
                (None, None) => {}
            }
        }
    }

    /// Rows with a name each, and with the values that they are tuned over.
    fn named(&mut self, raw: Vec<RawRow>, tune: &TuneSpec, values: Option<&[Override]>) -> Vec<RowSpec> {
        if raw.len() > MOST_ROWS {
            self.errors.push(format!("{}: more than {MOST_ROWS} rows", self.file));
            return Vec::new();
        }
        let varied: BTreeSet<&str> = raw.iter().flat_map(|row| &row.settings).map(|with| with.key.as_str()).collect();
        let names: Vec<String> =
            raw.iter().map(|row| row.name.clone().unwrap_or_else(|| row_name(row, &varied))).collect();
        for (at, name) in names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name)) {
            self.errors
                .push(format!("{}: another row is named \"{name}\" too; give it a name of its own", raw[at].place));
        }
        let rows = raw.into_iter().zip(names).map(|(row, name)| {
            let RawRow { place, settings, values: own, .. } = row;
            // A row that sets the key itself is not tuned.
            let fixed = settings.iter().any(|with| with.key == tune.key);
            if let (true, Some(own)) = (fixed, &own) {
                let at = own.first().map_or(&place, |value| &value.place);
                self.errors.push(format!("{at}: the row sets {} itself; remove one of them", tune.key));
            }
            let values = own.or_else(|| values.map(<[Override]>::to_vec)).filter(|_| !fixed).unwrap_or_default();
            RowSpec { name, place, settings, values }
        });
        rows.collect()
    }
}

/// A row without a name of its own is named by its settings: `gradient rate=0.01`.
fn row_name(row: &RawRow, varied: &BTreeSet<&str>) -> String {
    let short = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let shown = |key: &str| {
        let own = short(key);
        let unique = varied.iter().filter(|other| short(other) == own).count() < 2;
        if unique { own } else { key.to_owned() }
    };
    let part = |with: &Override| match PresetKey::of(&with.key).map(|key| key.kind) {
        // The name of a choice says enough.
        Some(KeyKind::Choice(_)) => value_text(&with.value),
        _ => format!("{}={}", shown(&with.key), value_text(&with.value)),
    };
    let parts = row.settings.iter().map(part);
    let name = parts.collect::<Vec<_>>().join(" ");
    if name.is_empty() { "preset".to_owned() } else { name }
}

/// A value as it is shown: strings without quotes.
pub(super) fn value_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
