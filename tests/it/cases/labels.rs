//! Labels and classification heads as people have them.

use std::fs;
use std::path::{Path, PathBuf};

use finesift::Usage;
use finesift::data::{
    self, Columns, Dataset, Example, HeldOut, Label, LabelKind, LabelSet, LabelledSource, ReadOptions,
};

use crate::place;

fn fixture(name: &str) -> PathBuf {
    place::fixture("cases/labels").join(name)
}

/// Reads a training and an evaluation file.
fn read(train: &str, eval: &str, labels: &[&str]) -> anyhow::Result<Dataset> {
    load(&fixture(train), &fixture(eval), labels)
}

fn load(train: &Path, eval: &Path, labels: &[&str]) -> anyhow::Result<Dataset> {
    let labels = labels.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let columns =
        Columns { label_kind: LabelKind::Classes((!labels.is_empty()).then_some(labels)), ..Columns::default() };
    let source = LabelledSource::Table {
        train: vec![train.to_owned()],
        held_out: HeldOut::Files(vec![eval.to_owned()]),
        columns,
    };
    data::load(&source, ReadOptions { seed: 1, max_bad_rows: 0.5 }, &|_| {})
}

/// The warnings, except the one that the same file is trained and evaluated on.
fn about_labels(dataset: &Dataset) -> Vec<&str> {
    let warnings = dataset.warnings.iter().map(String::as_str);
    warnings.filter(|warning| !warning.contains("both trained and evaluated on")).collect()
}

fn names(dataset: &Dataset) -> &[String] {
    match &dataset.labels {
        LabelSet::Classes(classes) => &classes.names,
        LabelSet::Regression => panic!("no classes"),
    }
}

fn classes(examples: &[Example]) -> Vec<u32> {
    let class = |example: &Example| match example.label {
        Label::Class(class) => class,
        Label::Score(score) => panic!("{score}"),
    };
    examples.iter().map(class).collect()
}

#[test]
fn a_whole_float_is_the_class_of_its_integer() {
    let dataset = read("twelve_float.csv", "twelve_int.csv", &[]).unwrap();
    // In numeric order, not 0, 1, 10, 11, 2.
    assert_eq!(names(&dataset), (0..12).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(classes(&dataset.train), (0..12).chain(0..12).collect::<Vec<_>>());
    assert_eq!(classes(&dataset.eval[0].examples), (0..12).collect::<Vec<_>>());
    let note = "labels: 0 (0), 1 (1), 2 (2), 3 (3), 4 (4), 5 (5), 6 (6), 7 (7), 8 (8), 9 (9), … (12 classes) from \
                twelve_float.csv";
    assert_eq!(dataset.notes, [note]);
}

#[test]
fn csv_json_lines_and_parquet_agree_on_float_labels() {
    for (train, place) in [("float.csv", "line 8"), ("float.jsonl", "line 7"), ("float.parquet", "line 7")] {
        let dataset = read(train, "int.csv", &["bad", "good"]).unwrap();
        assert_eq!(names(&dataset), ["bad", "good"]);
        assert_eq!(classes(&dataset.train), [0, 1, 0, 1, 0, 1, 1], "{train}");
        assert_eq!(classes(&dataset.eval[0].examples), [0, 1, 0, 1, 0, 1], "{train}");
        let path = fixture(train).display().to_string();
        assert_eq!(dataset.warnings, [format!("{path}: 1 row skipped: no label ({place})")]);
        assert_eq!(dataset.notes, [format!("labels: bad (0), good (1) from data.labels; {train} has their indices")]);
    }
}

#[test]
fn booleans_are_one_class_in_any_case_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("bool.jsonl");
    fs::write(&json, "{\"text\": \"a\", \"label\": true}\n{\"text\": \"b\", \"label\": \"FALSE\"}\n").unwrap();
    let dataset = load(&fixture("bool.csv"), &json, &[]).unwrap();
    assert_eq!(names(&dataset), ["false", "true"]);
    assert_eq!(classes(&dataset.eval[0].examples), [1, 0]);
    // pandas writes 0 and 1 for the same column once it holds an empty cell.
    let dataset = read("bool.csv", "float.csv", &[]).unwrap();
    assert_eq!(classes(&dataset.eval[0].examples), [0, 1, 0, 1, 0, 1, 1]);
}

#[test]
fn negative_labels_are_named_in_numeric_order_with_a_warning() {
    let dataset = read("polarity.csv", "polarity.csv", &["negative", "neutral", "positive"]).unwrap();
    assert_eq!(classes(&dataset.train)[..8], [0, 1, 2, 0, 1, 2, 0, 2]);
    assert_eq!(
        dataset.notes,
        ["labels: negative (0), neutral (1), positive (2) from data.labels; polarity.csv has -1, 0, 1"]
    );
    let warning = "the labels are no indices from 0 to 2, so data.labels names them in numeric order: -1 is negative, 0 is \
                   neutral, 1 is positive";
    assert_eq!(about_labels(&dataset), [warning]);
    assert_eq!(names(&read("polarity.csv", "polarity.csv", &[]).unwrap()), ["-1", "0", "1"]);
    let error = read("polarity.csv", "polarity.csv", &["negative", "positive"]).unwrap_err();
    let message = "the labels are the 3 numbers -1, 0, 1, but data.labels has 2 names; give one name for each number, in this order";
    assert!(error.is::<Usage>() && error.to_string().ends_with(message), "{error}");
}

#[test]
fn a_class_label_of_datasets_names_the_indices_of_its_file() {
    let dataset = read("class_label.parquet", "class_label.parquet", &[]).unwrap();
    assert_eq!(names(&dataset), ["negative", "positive"]);
    // -1 is an example without a label.
    assert_eq!(classes(&dataset.train), [0, 1, 0, 1, 0, 1, 1]);
    let note = "labels: negative (0), positive (1) from the file's ClassLabel; class_label.parquet has their indices";
    assert_eq!(dataset.notes, [note]);
    // The preset's order of the same names; the indices are still those of the file.
    let dataset = read("class_label.parquet", "class_label.parquet", &["positive", "negative"]).unwrap();
    assert_eq!(classes(&dataset.train), [1, 0, 1, 0, 1, 0, 0]);
    let note = "labels: positive (0), negative (1) from data.labels; class_label.parquet has 1, 0";
    assert_eq!(dataset.notes, [note]);
}

#[test]
fn a_class_without_training_examples_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    fs::write(&file, "text,label\na,0\nb,2\nc,0\n").unwrap();
    let dataset = load(&file, &file, &["low", "middle", "high"]).unwrap();
    assert_eq!(about_labels(&dataset), ["labels: no training example of middle"]);
}

#[test]
fn label_columns_are_read_as_pandas_and_datasets_read_them() {
    let path = place::fixture("differential/labels.json");
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 300);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.csv");
    for case in cases {
        let strings = |value: &serde_json::Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        fs::write(&file, case["csv"].as_str().unwrap()).unwrap();
        let labels = strings(&case["labels"]);
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let columns = Columns {
            label_kind: LabelKind::Classes(
                (!labels.is_empty()).then(|| labels.iter().map(|&name| name.to_owned()).collect()),
            ),
            ..Columns::default()
        };
        let source =
            LabelledSource::Table { train: vec![file.clone()], held_out: HeldOut::Files(vec![file.clone()]), columns };
        let dataset = data::load(&source, ReadOptions { seed: 1, max_bad_rows: 1.0 }, &|_| {}).unwrap();
        assert_eq!(names(&dataset), strings(&case["names"]), "{case}");
        let expected: Vec<u64> =
            case["classes"].as_array().unwrap().iter().filter_map(|class| class.as_u64()).collect();
        assert_eq!(classes(&dataset.train).into_iter().map(u64::from).collect::<Vec<_>>(), expected, "{case}");
    }
}
