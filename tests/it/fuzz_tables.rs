//! Damaged tables, JSON and parquet files: rows or an error, never a panic, and no row is lost in silence.

use std::fs;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use finesift::Usage;
use finesift::data::records::Objects;
use finesift::data::{self, Columns, HeldOut, LabelledSource, ReadOptions};
use flate2::read::GzDecoder;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use serde_json::Value;

use crate::place;

/// Files in a normal run of the tests; `FINESIFT_FUZZ` sets another number.
const FILES: u64 = 2000;

/// More than any of these small files takes, in a debug build too.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn damaged_files_are_read_or_refused() {
    let files = std::env::var("FINESIFT_FUZZ").map_or(FILES, |files| files.parse().unwrap());
    let samples: Vec<(String, Vec<u8>)> = ["delimited", "json", "parquet"].into_iter().flat_map(samples).collect();
    let folder = tempfile::tempdir().unwrap();
    (0..files).into_par_iter().for_each(|seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let (name, bytes) = samples.choose(&mut random).unwrap();
        let path = folder.path().join(format!("{seed}-{name}"));
        fs::write(&path, damaged(bytes, &mut random)).unwrap();
        let begun = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| read(&path))).is_err() {
            panic!("seed {seed}: panicked on {name}");
        }
        assert!(begun.elapsed() < LONGEST, "seed {seed}: {name} took {:?}", begun.elapsed());
        fs::remove_file(&path).unwrap();
    });
}

/// Reads a file as objects and as labelled texts. Errors are [`Usage`]; of a file that is read, no line is lost.
fn read(path: &Path) {
    let mut rows = 0;
    let objects = Objects::open(path).and_then(|objects| {
        objects.for_each(&|_| {}, |_| {
            rows += 1;
            Ok(())
        })
    });
    if let Err(error) = &objects {
        assert!(error.is::<Usage>(), "{}: {error:?}", path.display());
    }
    let columns = Columns::default();
    let source = LabelledSource::Table { train: vec![path.to_owned()], held_out: HeldOut::Fraction(0.5), columns };
    match data::load(&source, ReadOptions { seed: 0, max_bad_rows: 1.0 }, &|_| {}) {
        Ok(dataset) => {
            let used = dataset.train.len() + dataset.eval[0].examples.len();
            let skipped: usize = dataset.warnings.iter().filter_map(|warning| skipped(warning)).sum();
            // Both ways of reading see the same rows, unless the needed columns decide on another delimiter.
            let said = |note: &String| note.contains("delimiter");
            if objects.is_ok() && !dataset.notes.iter().any(said) {
                assert_eq!(used + skipped, rows, "{}: {:?}", path.display(), dataset.warnings);
            }
        }
        Err(error) => assert!(error.is::<Usage>(), "{}: {error:?}", path.display()),
    }
}

/// The number in `x.csv: 3 rows skipped: no label (…)`.
fn skipped(warning: &str) -> Option<usize> {
    let (before, _) = warning.split_once(" skipped: ")?;
    before.rsplit(' ').nth(1)?.parse().ok()
}

/// Bytes with one to four faults of the kinds that files have.
fn damaged(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    const PIECES: [&[u8]; 14] = [
        b"\"",
        b"\"\"",
        b",",
        b"\n",
        b"\r",
        b"\t",
        b";",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"{",
        b"[",
        b"\\ud83d",
        b"NaN",
    ];
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..40)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            _ => {
                let piece = *PIECES.choose(random).unwrap();
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// The recorded files of the differential tests.
fn samples(kind: &str) -> Vec<(String, Vec<u8>)> {
    let fixture = place::fixture(&format!("differential/{kind}.jsonl.gz"));
    let lines = BufReader::new(GzDecoder::new(fs::File::open(fixture).unwrap())).lines();
    let sample = |line: std::io::Result<String>| {
        let file: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (file["name"].as_str().unwrap().to_owned(), crate::differential_tables::bytes(file["bytes"].as_str().unwrap()))
    };
    lines.map(sample).collect()
}
