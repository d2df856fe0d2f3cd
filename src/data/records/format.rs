//! File formats, by their extensions.

use std::path::Path;

use anyhow::{Result, bail};

use crate::Usage;

/// File formats of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::data) enum Format {
    /// Fields between commas, enclosed in quotes where need be, below a header.
    Csv,
    /// The same with tabs. Quotes enclose fields only if they do so in all of the file.
    Tsv,
    /// Tab-separated without quoting: quotes are ordinary characters, and fields hold neither tabs nor line breaks.
    GlueTsv,
    /// One JSON object per line, or one list of objects.
    Json,
    /// Columns of values.
    Parquet,
}

/// Extensions of files that are unpacked while they are read.
const COMPRESSED: [&str; 3] = ["gz", "zst", "zstd"];

/// Extensions of files that have to be converted, with what to do.
const NOT_READ: [(&str, &str); 10] = [
    ("bz2", "unpack it, or compress with gzip or zstd"),
    ("xz", "unpack it, or compress with gzip or zstd"),
    ("lz4", "unpack it, or compress with gzip or zstd"),
    ("br", "unpack it, or compress with gzip or zstd"),
    ("zip", "unpack it"),
    ("tar", "unpack it"),
    ("tgz", "unpack it"),
    ("xlsx", "save the sheet as CSV"),
    ("xls", "save the sheet as CSV"),
    ("arrow", "write it as parquet: Dataset.load_from_disk(…).to_parquet(…)"),
];

impl Format {
    /// By the file's extension, that of a compression left aside.
    pub fn of(path: &Path) -> Result<Format> {
        let extension = extension(path);
        match Format::of_extension(&extension) {
            Some(format) => Ok(format),
            None => match NOT_READ.iter().find(|(known, _)| *known == extension) {
                Some((_, remedy)) => {
                    bail!(Usage(format!("{}: .{extension} files are not read; {remedy}", path.display())))
                }
                None => bail!(Usage(format!(
                    "{}: unknown file extension; expected .csv, .tsv, .json, .jsonl or .parquet",
                    path.display()
                ))),
            },
        }
    }

    /// The usual extension.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Tsv | Format::GlueTsv => "tsv",
            Format::Json => "jsonl",
            Format::Parquet => "parquet",
        }
    }

    fn of_extension(extension: &str) -> Option<Format> {
        match extension {
            "csv" => Some(Format::Csv),
            "tsv" => Some(Format::Tsv),
            "jsonl" | "ndjson" | "json" => Some(Format::Json),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

/// The extension in lower case, that of a compression left aside: `csv` of `a.csv.gz`.
pub(in crate::data) fn extension(path: &Path) -> String {
    let of = |path: &Path| path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    let last = of(path);
    match path.file_stem() {
        Some(stem) if COMPRESSED.contains(&last.as_str()) => of(Path::new(stem)),
        _ => last,
    }
}

/// # Errors
/// [`Usage`]: the path does not exist or is a folder.
pub(in crate::data) fn expect_file(path: &Path) -> Result<()> {
    match path {
        file if file.is_file() => Ok(()),
        folder if folder.is_dir() => bail!(Usage(format!("{}: a folder, expected a file", folder.display()))),
        _ => bail!(Usage(format!("{}: no such file", path.display()))),
    }
}
