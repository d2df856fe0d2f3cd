//! Label columns: which class each label is.
//!
//! A label is a name. It is an index only where the data say so, and then for the whole column: the column is read first, and
//! its labels become classes when all of them are known.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::classes::{Classes, key, loose_key, only_position, whole_number};
use super::records::{RowError, shortened};
use super::{Label, LabelSet};
use crate::Usage;

/// Limit on the classes of a column. A column with more holds scores or texts.
const MAX_CLASSES: usize = 1000;

/// What is known about the labels of a column before it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LabelRule {
    /// Classes; their names are the labels that occur.
    Collect,
    /// These classes, of which the data have the names or a number each. `origin` says where the names come from.
    Known { classes: Classes, numbers: Numbers, origin: &'static str },
    /// Numbers within a range.
    Scores(RangeInclusive<f32>),
}

/// What a number means where class names are known, and none of them is that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// An index, since the dataset is published so; -1 is an example without a label.
    Published,
    /// An index, or the place in numeric order: the user named the classes of a file of numbers.
    Named,
    /// [`Classes::numbers`] alone.
    Recorded,
}

/// The labels of one split, while it is read.
pub(super) struct LabelColumn {
    rule: LabelRule,
    /// The distinct labels, in order of appearance.
    distinct: Vec<FirstLabel>,
    /// The place of each in `distinct`, by key.
    places: HashMap<String, u32>,
}

/// A label where it occurs first.
struct FirstLabel {
    text: String,
    path: PathBuf,
    line: u64,
}

/// The classes of some columns.
pub(super) struct ReadLabels {
    pub labels: LabelSet,
    /// What the data have for each class.
    pub reading: Reading,
    pub warnings: Vec<String>,
    /// The class of each distinct label, by column.
    classes: Vec<Vec<u32>>,
}

/// What the data have for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Names,
    Indices,
    /// [`Classes::numbers`], which are not the indices.
    Numbers,
}

impl LabelColumn {
    pub fn new(rule: LabelRule) -> LabelColumn {
        LabelColumn { rule, distinct: Vec::new(), places: HashMap::new() }
    }

    /// Reads a trimmed cell. `None` means that the example has no label. A class is provisional until [`resolve`].
    pub fn read(&mut self, label: &str, path: &Path, line: u64) -> Result<Option<Label>, RowError> {
        if let LabelRule::Scores(range) = &self.rule {
            return score(label, range);
        }
        let key = key(label);
        if self.is_missing(&key) {
            return Ok(None);
        }
        if let Some(&place) = self.places.get(key.as_ref()) {
            return Ok(Some(Label::Class(place)));
        }
        let place = self.distinct.len() as u32;
        if self.distinct.len() == MAX_CLASSES {
            return Err(RowError::new(format!(
                "label \"{}\" is class number {}; is this the right column? Set data.regression = true if the labels are \
                 numbers to predict",
                shortened(label),
                MAX_CLASSES + 1
            )));
        }
        self.places.insert(key.into_owned(), place);
        self.distinct.push(FirstLabel { text: label.to_owned(), path: path.to_owned(), line });
        Ok(Some(Label::Class(place)))
    }

    /// An empty cell, the NaN that pandas writes for one, or the -1 of published datasets.
    fn is_missing(&self, key: &str) -> bool {
        match (&self.rule, key) {
            (_, "") => true,
            (LabelRule::Known { classes, .. }, key) if classes.names.iter().any(|name| name == key) => false,
            (_, "nan" | "NaN" | "<NA>") => true,
            (LabelRule::Known { numbers: Numbers::Published, .. }, "-1") => true,
            _ => false,
        }
    }

    fn keys(&self) -> impl Iterator<Item = String> + '_ {
        self.distinct.iter().map(|label| key(&label.text).into_owned())
    }
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

fn score(label: &str, range: &RangeInclusive<f32>) -> Result<Option<Label>, RowError> {
    match label.parse::<f32>() {
        _ if label.is_empty() => Ok(None),
        Ok(score) if score.is_nan() => Ok(None),
        Ok(score) if score.is_finite() && range.contains(&score) => Ok(Some(Label::Score(score))),
        Ok(score) if score.is_finite() => {
            Err(RowError::new(format!("score {label} is not within {} to {}", range.start(), range.end())))
        }
        _ => Err(RowError::new(format!("score \"{}\" is not a number", shortened(label)))),
    }
}

/// Gives each label of the columns its class: those of the training set come first, then those of the held-out sets.
///
/// # Errors
/// [`Usage`] with file and line: a label that is no class.
pub(super) fn resolve(columns: &[LabelColumn]) -> Result<ReadLabels, Usage> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn named(list: &[&str], numbers: Numbers) -> LabelRule {
        LabelRule::Known { classes: Classes::named(names(list)), numbers, origin: "data.labels" }
    }

    /// The class of each row, by column.
    type ClassesOfRows = Vec<Vec<Option<u32>>>;

    /// Reads columns of labels, the first from line 1 of a.csv, the second from line 1 of b.csv.
    fn read(rule: &LabelRule, splits: &[&[&str]]) -> Result<(ReadLabels, ClassesOfRows), String> {
        let (mut columns, mut provisional) = (Vec::new(), Vec::new());
        for (labels, path) in splits.iter().zip(["a.csv", "b.csv"]) {
            let mut column = LabelColumn::new(rule.clone());
            let labels = (1..).zip(*labels).map(|(line, label)| column.read(label, Path::new(path), line));
            provisional.push(labels.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?);
            columns.push(column);
        }
        let read = resolve(&columns).map_err(|error| error.to_string())?;
        let class = |column: usize, label: Option<Label>| match label.map(|label| read.label(column, label)) {
            Some(Label::Class(class)) => Some(class),
            Some(score) => panic!("{score:?}"),
            None => None,
        };
        let classes = provisional.into_iter().enumerate();
        let classes = classes.map(|(column, labels)| labels.into_iter().map(|label| class(column, label)).collect());
        let classes = classes.collect();
        Ok((read, classes))
    }

    fn class_names(read: &ReadLabels) -> Vec<String> {
        match &read.labels {
            LabelSet::Classes(classes) => classes.names.clone(),
            LabelSet::Regression => panic!("no classes"),
        }
    }

    #[test]
    fn classes_that_occur_are_sorted_and_one_class_in_each_file() {
        let (read_labels, classes) =
            read(&LabelRule::Collect, &[&["10.0", "9.0", "-1.0", "", "NaN"], &["9", "1e1", "-1"]]).unwrap();
        assert_eq!(class_names(&read_labels), ["-1", "9", "10"]);
        assert_eq!(classes, [vec![Some(2), Some(1), Some(0), None, None], vec![Some(1), Some(2), Some(0)]]);
        let (read_labels, classes) = read(&LabelRule::Collect, &[&["True", "FALSE"], &["0", "true", "1"]]).unwrap();
        assert_eq!(class_names(&read_labels), ["false", "true"]);
        assert_eq!(classes, [vec![Some(1), Some(0)], vec![Some(0), Some(1), Some(1)]]);
        let (read_labels, _) = read(&LabelRule::Collect, &[&["True", "1", "0"]]).unwrap();
        assert_eq!(class_names(&read_labels), ["0", "1"]);
        let (read_labels, _) = read(&LabelRule::Collect, &[&["2.5", "-0.5", "11"]]).unwrap();
        assert_eq!(class_names(&read_labels), ["-0.5", "2.5", "11"]);
    }

    #[test]
    fn a_label_that_is_no_class_is_an_error_with_its_place() {
        for (rule, splits, message) in [
            (LabelRule::Collect, [&["no", "yes"][..], &["yes", "maybe"]], "b.csv:2: unknown label \"maybe\"; expected"),
            // A number is no index by accident.
            (LabelRule::Collect, [&["no", "yes"], &["1"]], "b.csv:1: unknown label \"1\"; expected one of no, yes"),
            (
                named(&["no", "yes"], Numbers::Recorded),
                [&["0", "1"], &[]],
                "a.csv:1: unknown label \"0\"; expected one of no, yes. If the numbers are indices, name the classes",
            ),
            (named(&["no", "yes"], Numbers::Named), [&["no", "1"], &[]], "a.csv:2: unknown label \"1\""),
            (named(&["1", "2", "3"], Numbers::Named), [&["0", "1"], &[]], "a.csv:1: unknown label \"0\""),
            (named(&["no", "yes"], Numbers::Published), [&["0", "2"], &[]], "a.csv:2: unknown label \"2\""),
            (
                named(&["no", "yes"], Numbers::Named),
                [&["-1", "0"], &["1"]],
                "a.csv: the labels are the 3 numbers -1, 0, 1, but data.labels has 2 names; give one name for each number",
            ),
        ] {
            let error = read(&rule, &splits).err().unwrap();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn named_classes_are_read_by_name_by_index_or_in_numeric_order() {
        let rule = named(&["bad", "fair", "good"], Numbers::Named);
        let (read_labels, classes) = read(&rule, &[&["fair", "GOOD"], &["bad"]]).unwrap();
        assert_eq!((read_labels.reading, classes), (Reading::Names, vec![vec![Some(1), Some(2)], vec![Some(0)]]));
        let (read_labels, classes) = read(&rule, &[&["2.0", "0.0"], &["1"]]).unwrap();
        assert_eq!((read_labels.reading, classes), (Reading::Indices, vec![vec![Some(2), Some(0)], vec![Some(1)]]));
        // Each number of any split counts: the evaluation file has one that the training file lacks.
        let (read_labels, classes) = read(&rule, &[&["1", "-1"], &["0"]]).unwrap();
        assert_eq!((read_labels.reading, classes), (Reading::Numbers, vec![vec![Some(2), Some(0)], vec![Some(1)]]));
        assert!(read_labels.warnings[0].ends_with("-1 is bad, 0 is fair, 1 is good"), "{:?}", read_labels.warnings);
        let (read_labels, _) = read(&rule, &[&["10", "30", "20"]]).unwrap();
        let LabelSet::Classes(classes) = read_labels.labels else { panic!() };
        assert_eq!(classes.numbers, ["10", "20", "30"]);
        // A later file of a trained model has some of the same numbers.
        let rule = LabelRule::Known { classes, numbers: Numbers::Recorded, origin: "the model" };
        let (_, classes) = read(&rule, &[&["30.0", "10"]]).unwrap();
        assert_eq!(classes, [[Some(2), Some(0)]]);
        let booleans = named(&["no", "yes"], Numbers::Named);
        assert_eq!(read(&booleans, &[&["True", "false"]]).unwrap().1, [[Some(1), Some(0)]]);
    }

    #[test]
    fn published_datasets_have_indices_and_minus_one_for_no_label() {
        let rule = named(&["entailment", "not_entailment"], Numbers::Published);
        let (read_labels, classes) = read(&rule, &[&["1", "-1"], &["0"]]).unwrap();
        assert_eq!((read_labels.reading, classes), (Reading::Indices, vec![vec![Some(1), None], vec![Some(0)]]));
        let (read_labels, _) = read(&rule, &[&["entailment"]]).unwrap();
        assert_eq!(read_labels.reading, Reading::Names);
    }

    #[test]
    fn names_that_are_numbers_are_names() {
        let rule = named(&["1", "0"], Numbers::Named);
        assert_eq!(read(&rule, &[&["1.0", "0"]]).unwrap().1, [[Some(0), Some(1)]]);
    }

    #[test]
    fn classes_that_differ_in_case_alone_are_kept_apart_with_a_warning() {
        let (read_labels, _) = read(&LabelRule::Collect, &[&["Yes", "no", "yes"]]).unwrap();
        assert_eq!(class_names(&read_labels), ["Yes", "no", "yes"]);
        assert!(read_labels.warnings[0].contains("\"Yes\" and \"yes\" are two classes"), "{:?}", read_labels.warnings);
    }

    #[test]
    fn too_many_classes_are_an_error_that_names_the_column() {
        let labels: Vec<String> = (0..=MAX_CLASSES).map(|number| format!("text {number}")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let error = read(&LabelRule::Collect, &[&labels]).err().unwrap();
        assert!(error.contains("is class number 1001; is this the right column?"), "{error}");
    }

    #[test]
    fn scores_outside_the_range_are_errors() {
        let mut column = LabelColumn::new(LabelRule::Scores(0.0..=5.0));
        let mut read = |label| column.read(label, Path::new("a.csv"), 1);
        assert_eq!(read("3.800"), Ok(Some(Label::Score(3.8))));
        assert_eq!((read(""), read("nan")), (Ok(None), Ok(None)));
        for label in ["5.1", "inf", "five"] {
            assert!(read(label).is_err(), "{label}");
        }
    }
}
