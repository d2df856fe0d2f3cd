//! Label columns as files have them, and the classes they become.

use super::*;
use crate::data::LabelSet;

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
