//! Gives the labels of columns their classes, once all of them are known.

use super::{FirstLabel, LabelColumn, LabelRule, Numbers};
use crate::Usage;
use crate::data::classes::{Classes, key, loose_key, only_position, whole_number};
use crate::data::records::{RowError, shortened};
use crate::data::{Label, LabelSet};

/// The classes of some columns.
pub(in crate::data) struct ReadLabels {
    pub labels: LabelSet,
    /// What the data have for each class.
    pub reading: Reading,
    pub warnings: Vec<String>,
    /// The class of each distinct label, by column.
    classes: Vec<Vec<u32>>,
}

/// What the data have for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Reading {
    Names,
    Indices,
    /// [`Classes::numbers`], which are not the indices.
    Numbers,
}

impl ReadLabels {
    /// The final label of a provisional one of a column.
    pub fn label(&self, column: usize, label: Label) -> Label {
        match label {
            Label::Class(place) => Label::Class(self.classes[column][place as usize]),
            score => score,
        }
    }
}

/// Gives each label of the columns its class: those of the training set come first, then those of the held-out sets.
///
/// # Errors
/// [`Usage`] with file and line: a label that is no class.
pub(in crate::data) fn resolve(columns: &[LabelColumn]) -> Result<ReadLabels, Usage> {
    let Some(first) = columns.first() else { return Ok(ReadLabels::new(LabelSet::Regression)) };
    match &first.rule {
        LabelRule::Scores(_) => Ok(ReadLabels::new(LabelSet::Regression)),
        LabelRule::Collect => collected(columns),
        LabelRule::Known { classes, numbers, .. } => known(columns, classes, *numbers),
    }
}

impl ReadLabels {
    fn new(labels: LabelSet) -> ReadLabels {
        ReadLabels { labels, reading: Reading::Names, warnings: Vec::new(), classes: Vec::new() }
    }

    /// With the class of every label, by its key.
    fn with(self, columns: &[LabelColumn], class: impl Fn(&str) -> Option<usize>) -> Result<ReadLabels, Usage> {
        let LabelSet::Classes(classes) = &self.labels else { return Ok(self) };
        let of_label = |label: &FirstLabel| match class(&key(&label.text)) {
            Some(class) => Ok(class as u32),
            None => Err(unknown(label, &classes.names)),
        };
        let of_column = |column: &LabelColumn| column.distinct.iter().map(of_label).collect::<Result<Vec<_>, _>>();
        let classes = columns.iter().map(of_column).collect::<Result<Vec<_>, _>>()?;
        Ok(ReadLabels { classes, ..self })
    }
}

/// The classes that occur in the training set, sorted: as numbers where all are numbers.
fn collected(columns: &[LabelColumn]) -> Result<ReadLabels, Usage> {
    let mut names: Vec<String> = columns[0].keys().collect();
    // Some rows have booleans, others 0 and 1: they are the same two classes.
    let boolean = |key: &str| matches!(key, "true" | "false");
    let number = |key: &str| matches!(key, "0" | "1");
    if names.len() > 2 && names.iter().all(|name| boolean(name) || number(name)) {
        names.retain(|name| number(name));
        if names.len() < 2 {
            names = vec!["0".into(), "1".into()];
        }
    }
    match names
        .iter()
        .map(|name| name.parse::<f64>().ok().filter(|number| number.is_finite()))
        .collect::<Option<Vec<_>>>()
    {
        Some(_) => names.sort_by(|a, b| {
            let value = |name: &str| name.parse::<f64>().unwrap_or_default();
            value(a).total_cmp(&value(b)).then(a.cmp(b))
        }),
        None => names.sort(),
    }
    let labels = ReadLabels::new(LabelSet::Classes(Classes::named(names.clone())));
    let mut read = labels.with(columns, |key| position(&names, key))?;
    read.warnings.extend(alike(&names));
    Ok(read)
}

fn known(columns: &[LabelColumn], classes: &Classes, numbers: Numbers) -> Result<ReadLabels, Usage> {
    let keys: Vec<String> = columns.iter().flat_map(LabelColumn::keys).collect();
    let names = &classes.names;
    let labels = |numbers: Vec<String>| ReadLabels::new(LabelSet::Classes(Classes { names: names.clone(), numbers }));
    let recorded = |key: &str| classes.numbers.iter().position(|number| *number == as_number(key));
    // One label that is a name makes a column of names: a number in it is an unknown name.
    if keys.is_empty() || keys.iter().any(|key| position(names, key).is_some()) {
        return labels(classes.numbers.clone()).with(columns, |key| position(names, key));
    }
    let indices = |numbers: &[String]| numbers.iter().enumerate().all(|(index, number)| *number == index.to_string());
    if keys.iter().all(|key| recorded(key).is_some()) {
        let reading = if indices(&classes.numbers) { Reading::Indices } else { Reading::Numbers };
        let read = labels(classes.numbers.clone()).with(columns, recorded)?;
        return Ok(ReadLabels { reading, ..read });
    }
    let mut values: Vec<i64> = keys.iter().filter_map(|key| as_number(key).parse().ok()).collect();
    values.sort_unstable();
    values.dedup();
    let count = names.len();
    let all_numbers = keys.iter().all(|key| as_number(key).parse::<i64>().is_ok());
    let within = values.iter().all(|value| (0..count as i64).contains(value));
    if numbers == Numbers::Recorded || !all_numbers {
        return labels(Vec::new()).with(columns, |key| position(names, key)).map_err(|error| hint(error, all_numbers));
    }
    if within || numbers == Numbers::Published {
        let index = |key: &str| as_number(key).parse::<usize>().ok().filter(|index| *index < count);
        let read = labels((0..count).map(|index| index.to_string()).collect()).with(columns, index)?;
        return Ok(ReadLabels { reading: Reading::Indices, ..read });
    }
    let list = values.iter().map(i64::to_string).collect::<Vec<_>>();
    if values.len() != count {
        let first = &columns.iter().find_map(|column| column.distinct.first());
        let place = first.map_or_else(String::new, |label| format!("{}: ", label.path.display()));
        return Err(Usage(format!(
            "{place}the labels are the {} numbers {}, but data.labels has {count} names; give one name for each number, in \
             this order",
            values.len(),
            shortened(&list.join(", "))
        )));
    }
    let in_order = |key: &str| list.iter().position(|number| *number == as_number(key));
    let pairs: Vec<String> = list.iter().zip(names).map(|(number, name)| format!("{number} is {name}")).collect();
    let mut read = labels(list.clone()).with(columns, in_order)?;
    read.reading = Reading::Numbers;
    read.warnings.push(format!(
        "the labels are no indices from 0 to {}, so data.labels names them in numeric order: {}",
        count - 1,
        pairs.join(", ")
    ));
    Ok(read)
}

/// A boolean is the number that Python takes it for.
fn as_number(key: &str) -> String {
    match key {
        "false" => "0".into(),
        "true" => "1".into(),
        key => whole_number(key).map_or_else(|| key.to_owned(), |number| number.to_string()),
    }
}

/// The class of this name: as it is written, or in another case if that is not ambiguous. Booleans are 0 and 1.
fn position(names: &[String], label: &str) -> Option<usize> {
    let exact = |wanted: &str| names.iter().position(|name| key(name) == wanted);
    let boolean = match label {
        "true" => Some("1"),
        "false" => Some("0"),
        "1" => Some("true"),
        "0" => Some("false"),
        _ => None,
    };
    let keys = || names.iter().map(|name| loose_key(name)).collect::<Vec<_>>();
    exact(label)
        .or_else(|| boolean.and_then(exact).filter(|_| names.len() == 2))
        .or_else(|| only_position(&keys(), &loose_key(label)))
}

fn unknown(label: &FirstLabel, names: &[String]) -> Usage {
    let shown = names.iter().take(20).map(|name| shortened(name)).collect::<Vec<_>>().join(", ");
    let more = if names.len() > 20 { ", …" } else { "" };
    let error = RowError::new(format!("unknown label \"{}\"; expected one of {shown}{more}", shortened(&label.text)));
    error.at(&label.path, label.line)
}

/// What to do about numbers whose meaning the data do not give.
fn hint(error: Usage, all_numbers: bool) -> Usage {
    match all_numbers {
        true => Usage(format!(
            "{error}. If the numbers are indices, name the classes in that order: data.labels of a preset, or --labels"
        )),
        false => error,
    }
}

/// A warning about names that differ in their case or separators alone.
fn alike(names: &[String]) -> Option<String> {
    let keys: Vec<String> = names.iter().map(|name| loose_key(name)).collect();
    let twice = keys.iter().enumerate().find_map(|(index, key)| {
        let other = keys[..index].iter().position(|other| other == key)?;
        Some((other, index))
    });
    twice.map(|(a, b)| {
        format!("the labels \"{}\" and \"{}\" are two classes; are they one, written in two ways?", names[a], names[b])
    })
}
