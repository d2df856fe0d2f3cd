//! What the x axis of a sweep's figure is, and which rows form a line over it.

use super::plan::PlanRow;

/// Keys that decide how many parameters are trained, which is then the axis.
const BUDGET: [&str; 2] = ["sift.rate", "lora.r"];

/// The x axis of a sweep's figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XAxis {
    /// A key of the preset.
    Key(String),
    /// The number of trainable parameters.
    Trainable,
    /// None: each row has a line of its own.
    Rows,
}

/// The rows of a sweep over its x axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLines {
    pub axis: XAxis,
    /// Rows that differ in nothing but the axis, in the order of the first of each.
    pub lines: Vec<Vec<usize>>,
}

impl RowLines {
    /// The axis along which most rows form lines with others, and of equal ones that with the fewest lines. It is a key that every row
    /// sets to a number, or the number of trainable parameters where keys of the budget vary. Where no rows form a line there is
    /// no such axis.
    pub fn of(rows: &[PlanRow]) -> RowLines {
        let keys = numeric_keys(rows).into_iter().map(XAxis::Key);
        let candidates = keys.chain([XAxis::Trainable]).map(|axis| RowLines { lines: lines(rows, &axis), axis });
        let rank = |lines: &RowLines| (lines.joined(), usize::MAX - lines.lines.len());
        // Of equal ones the first.
        let best = candidates.reduce(|best, other| if rank(&other) > rank(&best) { other } else { best });
        let alone = || RowLines { axis: XAxis::Rows, lines: (0..rows.len()).map(|row| vec![row]).collect() };
        best.filter(|best| best.joined() > 0).unwrap_or_else(alone)
    }

    /// Rows that form a line with others.
    fn joined(&self) -> usize {
        self.lines.iter().filter(|line| line.len() > 1).map(Vec::len).sum()
    }

    /// The name of a line: the words with which the names of its rows begin, or else end.
    pub fn name(&self, rows: &[PlanRow], line: usize) -> String {
        let shared = |line: &[usize]| {
            let names: Vec<&str> = line.iter().map(|row| rows[*row].name.as_str()).collect();
            shared_words(&names)
        };
        let own = &self.lines[line];
        let first = &rows[own[0]].name;
        if own.len() == 1 {
            return first.clone();
        }
        let name = shared(own).filter(|name| {
            let others = self.lines.iter().enumerate().filter(|(other, _)| *other != line);
            others.into_iter().all(|(_, other)| shared(other).as_ref() != Some(name))
        });
        name.unwrap_or_else(|| format!("{first} …"))
    }
}

/// The value of a key in a row.
pub(super) fn setting<'a>(row: &'a PlanRow, key: &str) -> Option<&'a str> {
    row.settings.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
}

/// Keys but those of the budget that every row sets to a number, in the order of the file.
fn numeric_keys(rows: &[PlanRow]) -> Vec<String> {
    let is_number = |row: &PlanRow, key: &str| setting(row, key).is_some_and(|value| number(value).is_some());
    let keys = rows.first().into_iter().flat_map(|row| &row.settings).map(|(key, _)| key);
    let keys = keys.filter(|key| !BUDGET.contains(&key.as_str()) && rows.iter().all(|row| is_number(row, key)));
    keys.cloned().collect()
}

/// A number as TOML writes it.
pub(super) fn number(value: &str) -> Option<f64> {
    value.replace('_', "").parse().ok().filter(|value: &f64| value.is_finite())
}

/// Rows whose settings are equal but for the axis.
fn lines(rows: &[PlanRow], axis: &XAxis) -> Vec<Vec<usize>> {
    /// Settings of a row as the plan has them.
    type Settings<'a> = Vec<&'a (String, String)>;
    let mut lines: Vec<(Settings, Vec<usize>)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let on_axis = |key: &str| match axis {
            XAxis::Key(own) => own == key,
            XAxis::Trainable => BUDGET.contains(&key),
            XAxis::Rows => false,
        };
        let mut settings: Settings = row.settings.iter().filter(|(key, _)| !on_axis(key)).collect();
        settings.sort();
        match lines.iter_mut().find(|(others, _)| *others == settings) {
            Some((_, line)) => line.push(at),
            None => lines.push((settings, vec![at])),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The words with which all names begin, or else those with which they end.
fn shared_words(names: &[&str]) -> Option<String> {
    let words: Vec<Vec<&str>> = names.iter().map(|name| name.split_whitespace().collect()).collect();
    let first = words.first()?;
    let begin = |at: &usize| words.iter().all(|words| words.get(*at) == first.get(*at));
    let end = |at: &usize| words.iter().all(|words| words.iter().nth_back(*at) == first.iter().nth_back(*at));
    let count = |same: &dyn Fn(&usize) -> bool| (0..first.len()).take_while(same).count();
    let (begin, end) = (count(&begin), count(&end));
    let shared = if begin > 0 { &first[..begin] } else { &first[first.len() - end..] };
    let shared = shared.join(" ").trim_matches([',', ':', ' ']).to_owned();
    (!shared.is_empty()).then_some(shared)
}
