//! Files of fixed seeds are read as Python's csv and json, pandas and pyarrow read them. tests/interop/tables.py records them.

use std::fs;
use std::io::{BufRead, BufReader};

use finesift::Usage;
use finesift::data::records::Objects;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::place;

/// A file, and what is expected of it.
#[derive(Deserialize)]
struct RecordedFile {
    name: String,
    /// In hexadecimal.
    bytes: String,
    #[serde(default)]
    rows: Vec<Map<String, Value>>,
    /// Rows with a wrong number of columns.
    #[serde(default)]
    wrong: usize,
    /// The line that an error names.
    error: Option<u64>,
}

#[test]
fn delimited_files_are_read_as_by_python_and_pandas() {
    check("delimited", 450);
}

#[test]
fn json_is_read_as_by_python() {
    check("json", 300);
}

#[test]
fn parquet_is_read_as_by_pyarrow() {
    check("parquet", 300);
}

fn check(kind: &str, files: usize) {
    let fixture = place::fixture(&format!("differential/{kind}.jsonl.gz"));
    let lines = BufReader::new(GzDecoder::new(fs::File::open(fixture).unwrap())).lines();
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for line in lines {
        let file: RecordedFile = serde_json::from_str(&line.unwrap()).unwrap();
        let path = folder.path().join(&file.name);
        fs::write(&path, bytes(&file.bytes)).unwrap();
        let (mut rows, mut wrong) = (Vec::new(), 0);
        let read = Objects::open(&path).and_then(|objects| {
            objects.for_each(&|_| {}, |object| {
                match object.fields {
                    Ok(fields) => rows.push(fields),
                    Err(_) => wrong += 1,
                }
                Ok(())
            })
        });
        let name = &file.name;
        match (read, file.error) {
            (Ok(_), None) => {
                assert_eq!(rows, file.rows, "{name}");
                assert_eq!(wrong, file.wrong, "{name}");
            }
            (Err(error), Some(line)) => {
                let place = format!("{name}:{line}: the quote that opens in this row is not closed");
                assert!(error.is::<Usage>() && error.to_string().contains(&place), "{place}: {error}");
            }
            (read, expected) => panic!("{name}: {:?}, expected {expected:?}", read.map_err(|error| error.to_string())),
        }
        checked += 1;
    }
    assert_eq!(checked, files);
}

pub fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
