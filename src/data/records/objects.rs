//! Objects with any fields: from a JSON array, JSON lines or parquet rows.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::lines::Lines;
use super::metered::{ByteMeter, MeteredFile};
use super::{REPORT_EVERY, parquet};
use crate::Usage;
use crate::protocol::Progress;

/// Limit on an object of a JSON array, in bytes.
const MAX_OBJECT: u64 = 64 << 20;

/// One object of a file.
pub(in crate::data) struct Object {
    /// Line in a file of JSON lines, otherwise the number of the object; both from 1.
    pub row: u64,
    pub fields: Map<String, Value>,
}

/// The objects of a file.
pub(in crate::data) struct Objects {
    path: PathBuf,
    layout: ObjectLayout,
}

/// How the objects of a file are stored.
enum ObjectLayout {
    Array,
    Lines,
    Parquet,
}

impl Objects {
    /// Recognises the layout by the extension; a .json file is an array if it begins with a bracket.
    pub fn open(path: &Path) -> Result<Objects> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
        let layout = match extension.as_str() {
            "jsonl" | "ndjson" => ObjectLayout::Lines,
            "json" if begins_with_bracket(path)? => ObjectLayout::Array,
            "json" => ObjectLayout::Lines,
            "parquet" => ObjectLayout::Parquet,
            _ => {
                bail!(Usage(format!("{}: unknown file extension; expected .json, .jsonl or .parquet", path.display())))
            }
        };
        Ok(Objects { path: path.to_owned(), layout })
    }

    /// Calls `take` with each object in order and reports progress.
    pub fn for_each(self, progress: &dyn Fn(Progress), mut take: impl FnMut(Object) -> Result<()>) -> Result<()> {
        let path = &self.path;
        let task = format!("reading {}", path.file_name().unwrap_or_default().to_string_lossy());
        let report = |done: u64, total: u64, unit: &str| {
            progress(Progress { task: task.clone(), done, total, unit: unit.to_owned() });
        };
        match self.layout {
            ObjectLayout::Lines => {
                let mut lines = Lines::open(path)?;
                let mut count = 0;
                while let Some(line) = lines.next() {
                    let line = line?;
                    let fields = serde_json::from_str(&line.text).map_err(|error| {
                        Usage(format!("{}:{}: not a JSON object: {error}", path.display(), line.number))
                    })?;
                    take(Object { row: line.number, fields })?;
                    count += 1;
                    if count % REPORT_EVERY == 0 {
                        report(lines.done.get(), lines.total, "bytes");
                    }
                }
                report(lines.total, lines.total, "bytes");
            }
            ObjectLayout::Array => {
                let file = File::open(path).with_context(|| format!("{}: cannot open", path.display()))?;
                let total = file.metadata()?.len();
                let meter = ByteMeter::new(MAX_OBJECT, format!("an object is longer than {} MiB", MAX_OBJECT >> 20));
                let mut reader = BufReader::new(MeteredFile::new(file, meter.clone()));
                skip_byte_order_mark(&mut reader)?;
                let mut failure = None;
                let items = ArrayItems {
                    take: |row, value| {
                        meter.next_item();
                        let taken = match value {
                            Value::Object(fields) => take(Object { row, fields }),
                            _ => Err(Usage(format!("{}:{row}: not an object", path.display())).into()),
                        };
                        if row % REPORT_EVERY == 0 {
                            report(meter.bytes().min(total), total, "bytes");
                        }
                        taken.map_err(|error| failure = Some(error)).is_ok()
                    },
                };
                let mut json = serde_json::Deserializer::from_reader(reader);
                let read = json.deserialize_seq(items).and_then(|()| json.end());
                match (failure, read) {
                    (Some(failure), _) => return Err(failure),
                    (None, Err(error)) => bail!(Usage(format!("{}: {error}", path.display()))),
                    (None, Ok(())) => report(total, total, "bytes"),
                }
            }
            ObjectLayout::Parquet => {
                let mut count = 0;
                parquet::objects(path, &mut |total, fields| {
                    count += 1;
                    if count % REPORT_EVERY == 0 || count == total {
                        report(count, total, "examples");
                    }
                    take(Object { row: count, fields })
                })?;
            }
        }
        Ok(())
    }
}

/// Calls `take` with the items of an array one at a time, and stops when it returns false.
struct ArrayItems<F> {
    take: F,
}

impl<'de, F: FnMut(u64, Value) -> bool> Visitor<'de> for ArrayItems<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut row = 0;
        while let Some(item) = items.next_element()? {
            row += 1;
            if !(self.take)(row, item) {
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

fn begins_with_bracket(path: &Path) -> Result<bool> {
    let unreadable = || format!("{}: cannot read", path.display());
    let mut start = Vec::new();
    let file = File::open(path).with_context(unreadable)?;
    file.take(4096).read_to_end(&mut start).with_context(unreadable)?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    Ok(start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
}

fn skip_byte_order_mark(reader: &mut BufReader<MeteredFile>) -> Result<()> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(())
}
