//! Tables as spreadsheets, pandas and others write them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use finesift::Usage;
use finesift::data::instruct::{self, InstructionDataset, InstructionExample, InstructionFormat, InstructionSource};
use finesift::data::records::Objects;
use finesift::data::{self, Columns, Dataset, HeldOut, LabelledSource, ReadOptions, Task};
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::place;

/// A folder of data files.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Files {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Files(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn paths(&self, names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| self.path(name)).collect()
    }

    /// Labelled texts; all of them are evaluated on, too.
    fn labelled(&self, names: &[&str]) -> Result<Dataset> {
        self.held_out(names, HeldOut::Files(self.paths(names)))
    }

    fn held_out(&self, names: &[&str], held_out: HeldOut) -> Result<Dataset> {
        let columns = Columns::default();
        let source = LabelledSource::Table { train: self.paths(names), held_out, columns };
        data::load(&source, ReadOptions { seed: 0, max_bad_rows: 0.5 }, &|_| {})
    }

    fn instructions(&self, names: &[&str], format: InstructionFormat) -> Result<InstructionDataset> {
        let held_out = HeldOut::Files(self.paths(&names[..1]));
        let source = InstructionSource { format, columns: Default::default(), train: self.paths(names), held_out };
        instruct::load(&source, ReadOptions { seed: 0, max_bad_rows: 0.5 }, &|_| {})
    }
}

/// The texts of one labelled file, and what is said about it without the folder's name.
fn read(name: &str, bytes: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    let files = Files::new(&[(name, bytes)]);
    let dataset = files.held_out(&[name], HeldOut::Fraction(0.01)).or_else(|_| files.labelled(&[name]))?;
    let folder = format!("{}/", files.0.path().display());
    let notes = dataset.notes.iter().chain(&dataset.warnings).map(|note| note.replace(&folder, ""));
    // The file is read a second time as the held-out set.
    let about_file = |note: &String| !note.starts_with("labels: ") && !note.contains("both trained and evaluated on");
    let mut notes: Vec<String> = notes.filter(about_file).collect();
    notes.sort();
    notes.dedup();
    Ok((dataset.train.into_iter().map(|example| example.text).collect(), notes))
}

fn error(name: &str, bytes: &[u8]) -> String {
    let error = read(name, bytes).unwrap_err();
    assert!(error.is::<Usage>(), "{error:?}");
    let message = error.to_string();
    let end = message.find(name).unwrap_or_else(|| panic!("{message} does not name {name}"));
    message[end..].to_owned()
}

/// 24 texts, of which row 7 is replaced.
fn rows(label_first: bool, seventh: &str) -> String {
    let (mut text, header) = (String::new(), if label_first { "label,text\n" } else { "text,label\n" });
    text += header;
    for row in 0..24 {
        let label = if row % 2 == 0 { "neg" } else { "pos" };
        match (row, label_first) {
            (6, _) => text += seventh,
            (_, true) => text += &format!("{label},film number {row}"),
            (_, false) => text += &format!("film number {row},{label}"),
        }
        text += "\n";
    }
    text
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const TWO: &str = "text,label\ngood,pos\nbad,neg\n";

#[test]
fn a_quote_that_never_closes_is_an_error_with_its_line() {
    let expected = "x.csv:8: the quote that opens in this row is not closed by the end of the file";
    for text in [rows(true, "neg,\"never closed"), rows(false, "\"never closed,neg"), rows(false, "film,\"neg")] {
        assert!(error("x.csv", text.as_bytes()).starts_with(expected));
    }
    let endless = format!("{}{}", rows(true, "neg,\"never closed"), "pos,one more\n".repeat(100_000));
    assert!(
        error("x.csv", endless.as_bytes())
            .starts_with("x.csv:8: the quote that opens in this row is not closed within 1 MiB")
    );
}

#[test]
fn a_stray_quote_that_another_one_closes_swallows_no_rows() {
    // The second one opens a field, stands within a text, or ends one.
    for (label_first, second, message) in [
        (
            true,
            "neg,\"fine, really\"",
            "x.csv:8: the quote that opens in this row is closed only in line 20, within a field",
        ),
        (
            false,
            "\"fine, really\",neg",
            "x.csv:8: the quote that opens in this row is closed only in line 20, within a field",
        ),
        (true, "neg,a 5\" disk", "x.csv:8: the quote that opens in this row is closed only in line 20, within a field"),
        (true, "neg,a disk of 5\"", "x.csv:8: the quote that opens in this row encloses the rows after it"),
        (false, "a disk of 5\",neg", "x.csv:8: the quote that opens in this row encloses the rows after it"),
    ] {
        let first = if label_first { "neg,\"never closed" } else { "\"never closed,neg" };
        let text = rows(label_first, first);
        let mut lines: Vec<&str> = text.lines().collect();
        lines[19] = second;
        assert!(error("x.csv", lines.join("\n").as_bytes()).starts_with(message), "{second}");
    }
    // The row that is left has a wrong number of columns.
    let text = "text,label,id\na,pos,1\n\"never closed,neg,2\nc,pos,3\nd,neg,4\ne,pos,5\"\nf,neg,6\n";
    assert!(error("x.csv", text.as_bytes()).starts_with("x.csv:3: the quote that opens in this row encloses the rows"));
    // Lines that look like rows may be text.
    let text = "text,label\ngood,pos\n\"He came, I think\nand saw, I hope\nin May\",neg\n";
    let (texts, notes) = read("x.csv", text.as_bytes()).unwrap();
    assert_eq!(texts[1], "He came, I think\nand saw, I hope\nin May");
    assert_eq!(
        notes,
        ["x.csv: 1 row with a quoted field whose lines look like rows (line 3); is a quote not closed there?"]
    );
}

#[test]
fn text_after_a_closing_quote_is_read_as_by_python_and_said() {
    let (texts, notes) = read("x.csv", b"text,label\n\"so\" he said,pos\n5\" disk,neg\n").unwrap();
    assert_eq!(texts, ["so he said", "5\" disk"]);
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("x.csv: 1 row with text after a closing quote, read as Python's csv reads it (line 2)")
    );
}

#[test]
fn quotes_of_a_tsv_file_enclose_fields_only_if_they_do_so_everywhere() {
    let pandas =
        "text\tlabel\n\"He said \"\"good\"\" twice\"\tneg\n\"two\nlines here\"\tpos\n\"a\ttab\"\tpos\nplain\tneg\n";
    let (texts, notes) = read("x.tsv", pandas.as_bytes()).unwrap();
    assert_eq!(texts, ["He said \"good\" twice", "two\nlines here", "a\ttab", "plain"]);
    assert_eq!(notes, ["x.tsv: 4 rows, quotes enclose fields"]);

    for (row, line) in [("\"So\" he said\tpos", 2), ("a 5\" disk\tpos", 2), ("\"never closed\tpos", 2)] {
        let (texts, notes) = read("x.tsv", format!("text\tlabel\n{row}\nplain\tneg\n").as_bytes()).unwrap();
        assert_eq!(texts, [row.strip_suffix("\tpos").unwrap(), "plain"]);
        assert_eq!(notes, [format!("x.tsv: 2 rows, quotes are text, as in line {line}")]);
    }
    let open = "text\tlabel\n\"He said \"\"good\"\" twice\"\tneg\n\"never closed\tpos\nplain\tneg\n";
    assert!(error("x.tsv", open.as_bytes()).starts_with("x.tsv:3: the quote that opens in this row is not closed"));
    // Closed by a later one, as if the lines between were one field.
    for text in ["text\tlabel\n\"Yes\tpos\nNo\tneg\nwell\"\tpos\n", "label\ttext\npos\t\"Yes\nneg\tNo\npos\twell\"\n"] {
        assert_eq!(read("x.tsv", text.as_bytes()).unwrap().0, ["\"Yes", "No", "well\""]);
    }
    let (texts, _) = read("x.tsv", b"text\tlabel\n\"Yes\tpos\nNo\tneg\nwell\tpos\"\n").unwrap();
    assert_eq!(texts, ["\"Yes", "No", "well"]);
}

#[test]
fn glues_own_files_have_no_quoting() {
    let tsv = "sentence\tlabel\n\"good\"\t1\n\"a film\t0\n";
    let files = Files::new(&[("train.tsv", tsv.as_bytes()), ("dev.tsv", tsv.as_bytes())]);
    let source = LabelledSource::Glue { task: Task::Sst2, folder: files.0.path().to_owned() };
    let dataset = data::load(&source, ReadOptions { seed: 0, max_bad_rows: 0.0 }, &|_| {}).unwrap();
    let texts: Vec<&str> = dataset.train.iter().map(|example| example.text.as_str()).collect();
    assert_eq!(texts, ["\"good\"", "\"a film"]);
    assert!(dataset.notes.iter().all(|note| note.starts_with("labels: ")), "{:?}", dataset.notes);
    let (examples, _) = data::read_texts(&files.path("dev.tsv"), &["sentence"], Some(Task::Sst2), &|_| {}).unwrap();
    assert_eq!(examples[0].text, "\"good\"");
}

#[test]
fn delimiters_are_recognised_and_said() {
    for (name, text, note) in [
        ("x.csv", "text;label\ngood, really;pos\nbad;neg\n", "x.csv: 2 rows, delimiter \";\""),
        ("x.csv", "text\tlabel\ngood, really\tpos\nbad\tneg\n", "x.csv: 2 rows, delimiter tab"),
        ("x.csv", "text|label\ngood, really|pos\nbad|neg\n", "x.csv: 2 rows, delimiter \"|\""),
        ("x.csv", "sep=;\r\ntext;label\r\ngood, really;pos\r\nbad;neg\r\n", "x.csv: 2 rows, delimiter \";\""),
        ("x.csv", "sep=^\ntext^label\ngood, really^pos\nbad^neg\n", "x.csv: 2 rows, delimiter \"^\""),
        (
            "x.tsv",
            "text,label\n\"good, really\",pos\nbad,neg\n",
            "x.tsv: 2 rows, delimiter \",\", quotes enclose fields",
        ),
        ("x.tsv", "text;label\ngood, really;pos\nbad;neg\n", "x.tsv: 2 rows, delimiter \";\""),
    ] {
        let (texts, notes) = read(name, text.as_bytes()).unwrap();
        assert_eq!((texts, notes), (vec!["good, really".to_owned(), "bad".into()], vec![note.to_owned()]), "{text}");
    }
    assert_eq!(read("x.csv", TWO.as_bytes()).unwrap().1, Vec::<String>::new());
    assert!(error("x.csv", b"a;b\n1;2\n").starts_with("x.csv: no column \"text\". The columns are \"a\", \"b\""));
}

#[test]
fn byte_order_marks_name_the_encoding() {
    let (tsv, jsonl) = (
        "text\tlabel\ngrün 😀\tpos\nbad\tneg\n",
        "{\"text\": \"grün 😀\", \"label\": 1}\n{\"text\": \"bad\", \"label\": 0}\n",
    );
    let list = format!("[{}]", jsonl.trim().replace('\n', ",\n"));
    let csv = tsv.replace('\t', ",");
    for (name, text) in [("x.csv", csv.as_str()), ("x.tsv", tsv), ("x.jsonl", jsonl), ("x.json", &list)] {
        for (big_endian, encoding) in [(false, "UTF-16LE"), (true, "UTF-16BE")] {
            let (texts, notes) = read(name, &utf16(text, big_endian)).unwrap();
            assert_eq!((texts[0].as_str(), notes), ("grün 😀", vec![format!("{name}: 2 rows, {encoding}")]));
        }
        let (texts, notes) = read(name, format!("\u{feff}{text}").as_bytes()).unwrap();
        assert_eq!((texts[0].as_str(), notes), ("grün 😀", Vec::new()), "{name}");
        let unmarked: Vec<u8> = utf16(text, false)[2..].to_vec();
        assert_eq!(
            error(name, &unmarked),
            format!("{name}: this is UTF-16 without a byte-order mark; save it as UTF-8")
        );
    }
    let files = Files::new(&[("a.txt", &utf16("Ein Text.", true)), ("b.txt.gz", &gzip(b"caf\xe9"))]);
    let dataset = files.instructions(&["a.txt", "b.txt.gz"], InstructionFormat::Text).unwrap();
    let texts: Vec<&InstructionExample> = dataset.train.iter().map(|row| &row.example).collect();
    let expected = ["Ein Text.", "café"].map(|text| InstructionExample::Text(text.into()));
    assert_eq!(texts, expected.iter().collect::<Vec<_>>());
    assert!(dataset.notes()[0].ends_with("a.txt: UTF-16BE") && dataset.notes()[1].ends_with("b.txt.gz: gzip"));
    let warnings = dataset.warnings();
    assert!(warnings[0].contains("b.txt.gz: 1 row not UTF-8, read as Windows-1252"), "{warnings:?}");
}

#[test]
fn bytes_that_are_not_utf8_are_read_as_windows_1252_with_a_warning() {
    let (texts, notes) = read("x.csv", b"text,label\ncaf\xe9 \x80 5,pos\nbad,neg\n").unwrap();
    assert_eq!(texts, ["café € 5", "bad"]);
    assert_eq!(
        notes,
        [
            "x.csv: 1 row not UTF-8, read as Windows-1252 (Latin-1), the likely encoding (line 2); if characters are wrong, save the \
          file as UTF-8"
        ]
    );
    // Russian in Windows-1251, Japanese in Shift JIS.
    for text in [
        b"text,label\n\xd5\xee\xf0\xee\xf8\xe8\xe9,1\n\xcf\xeb\xee\xf5\xee\xe9,0\n".as_slice(),
        b"text,label\n\x97\xc7\x82\xa2,1\n\x88\xab\x82\xa2,0\n",
    ] {
        let expected = "x.csv: 2 rows neither UTF-8 nor, by their many letters beyond ASCII, Windows-1252 (lines 2, 3); save the \
                        file as UTF-8";
        assert_eq!(error("x.csv", text), expected);
    }
    let (texts, notes) =
        read("x.jsonl", b"{\"text\": \"na\xc3\xafve \xff\", \"label\": 1}\n{\"text\": \"b\", \"label\": 0}\n").unwrap();
    assert_eq!(texts[0], "naïve \u{fffd}");
    assert_eq!(notes, ["x.jsonl: 1 row read with U+FFFD in place of broken characters (line 1)"]);
}

#[test]
fn columns_are_found_by_their_names() {
    assert_eq!(
        error("x.csv", b"text,label,label\na,b,c\n"),
        "x.csv: two columns are named \"label\"; rename one of them"
    );
    let files = Files::new(&[("x.csv", b"prompt,completion,x,x\na,b,c,d\n")]);
    let twice = files.instructions(&["x.csv"], InstructionFormat::PromptCompletion).err().unwrap().to_string();
    assert!(twice.ends_with("x.csv: two columns are named \"x\"; rename one of them"), "{twice}");
    for text in [
        ",text,label\n0,good,pos\n1,bad,neg\n",
        "\u{feff} text , label \ngood,pos\nbad,neg\n",
        "text,label,,\ngood,pos,,\nbad,neg,,\n",
        "text,label\ngood,pos,\nbad,neg,\n",
        "\"text\",\"label\"\r\rgood,pos\rbad,neg",
        "x,label,y,text,x\n1,pos,2,good,3\n1,neg,2,bad,3\n",
        "\n\ntext,label\n\ngood,pos\n   \nbad,neg\n\n",
    ] {
        assert_eq!(
            read("x.csv", text.as_bytes()).unwrap(),
            (vec!["good".into(), "bad".into()], Vec::new()),
            "{text:?}"
        );
    }
}

#[test]
fn rows_with_other_cells_are_left_out_and_counted() {
    let text = "text,label\ngood,pos\ntoo,many,cells\nbad,neg\nfew\nfine,pos\n\0\0\0\n";
    let (texts, notes) = read("x.csv", text.as_bytes()).unwrap();
    assert_eq!(texts, ["good", "bad", "fine"]);
    assert_eq!(notes, ["x.csv: 3 rows skipped: wrong number of columns (lines 3, 5, 7)"]);
    assert_eq!(error("x.csv", b"text,label\n"), "x.csv: no training examples");
    assert_eq!(error("x.csv", b""), "x.csv: the file is empty; expected a line of column names");
}

#[test]
fn compressed_files_are_unpacked_by_their_content() {
    let zstd = zstd::encode_all(TWO.as_bytes(), 3).unwrap();
    for (name, bytes, note) in [
        ("x.csv.gz", gzip(TWO.as_bytes()), Some("x.csv.gz: 2 rows, gzip")),
        ("x.csv.zst", zstd.clone(), Some("x.csv.zst: 2 rows, zstd")),
        ("x.csv", zstd, Some("x.csv: 2 rows, zstd")),
        ("x.csv.gz", TWO.into(), None),
        ("x.csv.gz", gzip(&utf16(TWO, false)), Some("x.csv.gz: 2 rows, UTF-16LE, gzip")),
        ("x.csv.gz", [gzip(b"text,label\ngood,pos\n"), gzip(b"bad,neg\n")].concat(), Some("x.csv.gz: 2 rows, gzip")),
    ] {
        let notes: Vec<String> = note.map(str::to_owned).into_iter().collect();
        assert_eq!(read(name, &bytes).unwrap(), (vec!["good".into(), "bad".into()], notes), "{name}");
    }
    let long = gzip("some,text\n".repeat(1000).as_bytes());
    assert_eq!(
        error("x.csv.gz", &long[..long.len() / 2]),
        "x.csv.gz: the gzip file is incomplete; copy or download it again"
    );
    let mut damaged = gzip(rows(true, "pos,x").as_bytes());
    damaged[30] ^= 0xff;
    assert!(error("x.csv.gz", &damaged).starts_with("x.csv.gz: not a readable gzip file: "));
}

#[test]
fn endless_lines_of_small_files_end_early() {
    let endless = gzip(&vec![b'a'; 8 << 20]);
    for (name, message) in [
        ("x.csv.gz", "x.csv.gz:1: a field is longer than 1 MiB; is this a table?"),
        ("x.tsv.gz", "x.tsv.gz:1: a field is longer than 1 MiB; is this a table?"),
        ("x.jsonl.gz", "x.jsonl.gz:1: the line is longer than 4 MiB"),
    ] {
        assert_eq!(error(name, &endless), message);
    }
    let columns = gzip(&vec![b','; 8 << 20]);
    assert_eq!(error("x.csv.gz", &columns), "x.csv.gz:1: the row is longer than 4 MiB; is this a table?");
}

#[test]
fn files_of_another_kind_are_refused_by_name() {
    for (name, bytes, message) in [
        ("x.csv.bz2", b"BZh9".as_slice(), "x.csv.bz2: .bz2 files are not read; unpack it"),
        ("x.csv", b"BZh91AY", "x.csv: this is a bzip2 file; unpack it, or compress with gzip or zstd"),
        ("x.jsonl.xz", b"\xfd7zXZ\0", "x.jsonl.xz: .xz files are not read"),
        ("x.xlsx", b"PK\x03\x04", "x.xlsx: .xlsx files are not read; save the sheet as CSV"),
        ("x.csv", b"PK\x03\x04", "x.csv: this is a ZIP archive or an Excel workbook"),
        ("x.csv", b"PAR1....", "x.csv: this is a parquet file; name it .parquet"),
        (
            "x.jsonl",
            b"version https://git-lfs.github.com/spec/v1\n",
            "x.jsonl: this is a Git LFS pointer, not the file itself; run `git lfs pull`",
        ),
        ("x.parquet.gz", b"\x1f\x8b\x08", "x.parquet.gz: compressed with gzip; unpack it"),
        ("x.parquet", b"version https://git-lfs.github.com/spec/v1\n", "x.parquet: this is a Git LFS pointer"),
        ("x.jsonl", b"<!DOCTYPE html>\n<html>", "x.jsonl: this is a web page; download the raw file instead"),
        ("x.doc", b"text", "x.doc: unknown file extension; expected .csv, .tsv, .json, .jsonl or .parquet"),
    ] {
        assert!(error(name, bytes).starts_with(message), "{name}: {}", error(name, bytes));
    }
}

#[test]
fn json_is_read_as_by_python() {
    let lines = "{\"text\": \"a\", \"label\": 1, \"x\": NaN}\r\n   \r\n{\"text\": \"b\", \"label\": NaN}\n\
                 {\"text\": \"c \\ud83d\", \"label\": 0, \"x\": [Infinity]}\n{\"text\": \"d\", \"label\": 3, \"label\": 1}\n";
    let (texts, notes) = read("x.jsonl", lines.as_bytes()).unwrap();
    assert_eq!(texts, ["a", "c \u{fffd}", "d"]);
    assert_eq!(
        notes,
        [
            "x.jsonl: 1 row read with U+FFFD in place of half a surrogate pair such as \\ud83d (line 4)",
            "x.jsonl: 1 row skipped: no label (line 3)"
        ]
    );
    let list = b" [\n {\"text\": \"a\", \"label\": 1},\n {\"text\": \"b\", \"label\": 0}\n]\n";
    for name in ["x.json", "x.jsonl"] {
        assert_eq!(read(name, list).unwrap(), (vec!["a".into(), "b".into()], Vec::new()));
    }
}

#[test]
fn errors_of_json_name_line_and_column() {
    for (name, text, message) in [
        (
            "x.jsonl",
            "{\"text\": \"é\", \"label\": 1}\n{\"text\": \"é\" \"label\": 1}\n",
            "x.jsonl:2:14: not a JSON object: ",
        ),
        ("x.jsonl", "{\"a\": NaN, \"b\": nope}\n", "x.jsonl:1:17: not a JSON object: expected value"),
        ("x.json", "[{\"text\": \"a\"},\n {\"text\":\n  nope}]", "x.json:3:3: not a JSON object: "),
        ("x.json", "[{\"text\": \"a\"} {}]", "x.json:1:16: expected a comma or the end of the list"),
        ("x.json", "[{\"text\": \"a\"},\n", "x.json:2:1: the file ends within the list; is it complete?"),
        ("x.json", "[{\"text\": \"a\"},\n {\"text\": ", "x.json:2:11: the file ends within an object; is it complete?"),
        ("x.json", "[1, 2]", "x.json:1:2: expected a JSON object, found integer `1`"),
        ("x.json", "[]\n[]", "x.json:2:1: the list has ended; nothing may follow it"),
        ("x.json", "{\n \"data\": []\n}", "x.json:1:2: an object over several lines; expected one object per line"),
        ("x.json", "{\"data\": [{\"text\": \"a\"}]}", "x.json: the rows are in the list \"data\" of one object"),
        (
            "x.json",
            "{\"text\": {\"0\": \"a\"}, \"label\": {\"0\": 1}}",
            "x.json: one object of columns, as pandas' to_json",
        ),
        ("x.jsonl", "text\n", "x.jsonl:1:1: expected a JSON object: expected value"),
    ] {
        assert!(error(name, text.as_bytes()).starts_with(message), "{}", error(name, text.as_bytes()));
    }
    let nested = format!("{{\"text\": {}1{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(error("x.jsonl", nested.as_bytes()).contains("recursion limit exceeded"));
    assert!(error("x.json", format!("[{nested}]").as_bytes()).contains("recursion limit exceeded"));
}

#[test]
fn nulls_that_a_parquet_file_fills_in_are_absent_keys() {
    let objects = |name: &str| {
        let path = place::fixture("cases/tables").join(name);
        let mut all = Vec::new();
        let objects = Objects::open(&path).unwrap();
        let _notes = objects.for_each(&|_| {}, |object| {
            all.push(object.fields.unwrap());
            Ok(())
        });
        all
    };
    assert_eq!(objects("null-columns.parquet"), objects("null-columns.jsonl"));
    assert_eq!(objects("null-columns.jsonl").len(), 3);
}

#[test]
fn instructions_are_read_from_all_kinds_of_files() {
    let csv = "instruction,input,output\nAdd,\"1, 2\",3\n\"Say\nhi\",,hi\nshort,row\n";
    let tsv = "instruction\toutput\nSay ho\tho\n";
    let json = b"[{\"instruction\": \"Say\", \"output\": \"ha\", \"score\": NaN}]";
    let files = Files::new(&[("a.csv", csv.as_bytes()), ("b.tsv.gz", &gzip(tsv.as_bytes())), ("c.json", json)]);
    let dataset = files.instructions(&["a.csv", "b.tsv.gz", "c.json"], InstructionFormat::Alpaca).unwrap();
    let completions: Vec<&str> = dataset
        .train
        .iter()
        .map(|row| match &row.example {
            InstructionExample::PromptCompletion { completion, .. } => completion.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(completions, ["3", "hi", "ho", "ha"]);
    assert!(
        dataset.warnings()[1].ends_with("a.csv: 1 row skipped: wrong number of columns (line 5)"),
        "{:?}",
        dataset.warnings()
    );
    assert!(dataset.notes()[0].ends_with("b.tsv.gz: 1 row, gzip"), "{:?}", dataset.notes());
}

#[test]
fn files_larger_than_any_buffer_are_read_row_by_row() {
    let text = |row: usize| format!("row {row}: \"é\" {{[, \\ {}\n", "x".repeat(row * 37 % 3000));
    let label = |row: usize| ["pos", "neg"][row % 2];
    let rows = 500;
    let csv = (0..rows).map(|row| format!("\"{}\",{}\r\n", text(row).replace('"', "\"\""), label(row)));
    let csv = format!("text,label\r\n{}", csv.collect::<String>());
    let object = |row: usize| serde_json::json!({"text": text(row), "label": label(row)}).to_string();
    let objects: Vec<String> = (0..rows).map(object).collect();
    let (lines, list) = (objects.join("\n"), format!("[{}]", objects.join(" ,\n")));
    assert!(csv.len() > 1 << 19);
    for (name, bytes) in [
        ("x.csv", csv.clone().into_bytes()),
        ("x.tsv.gz", gzip(csv.replace("\",", "\"\t").replace("text,", "text\t").as_bytes())),
        ("x.jsonl", lines.into_bytes()),
        ("x.json", utf16(&list, false)),
    ] {
        let (texts, _) = read(name, &bytes).unwrap();
        // A hundredth is held out.
        assert_eq!(texts.len(), rows - rows / 100, "{name}");
        let numbers = texts.iter().map(|text| text["row ".len()..].split(':').next().unwrap().parse().unwrap());
        assert!(numbers.zip(&texts).all(|(number, read)| *read == text(number)), "{name}");
    }
}

#[test]
fn data_is_a_file_a_folder_a_pattern_or_a_list() {
    let shard = |text: &str| format!("text,label\n{text},pos\nnot {text},neg\n").into_bytes();
    let files = Files::new(&[
        ("d/train-1.csv", &shard("one")),
        ("d/train-2.csv.gz", &gzip(&shard("two"))),
        ("d/test.csv", &shard("three")),
        ("d/.train-0.csv", &shard("hidden")),
        ("d/train-1.csv.sha256", b"0"),
        ("e.jsonl", b"{\"text\": \"four\", \"label\": \"pos\"}\n"),
        ("lacks.csv", b"text,stars\nx,1\n"),
    ]);
    let texts = |names: &[&str]| -> Vec<String> {
        let train = files.held_out(names, HeldOut::Files(files.paths(&["d/test.csv"]))).unwrap().train;
        train.into_iter().map(|example| example.text).filter(|text| !text.starts_with("not")).collect()
    };
    assert_eq!(texts(&["d"]), ["one", "two"]);
    assert_eq!(texts(&["d/*"]), ["three", "one", "two"]);
    assert_eq!(texts(&["e.jsonl", "d/train-*.csv*", "d/train-1.csv"]), ["four", "one", "two"]);

    let dataset = files.held_out(&["d"], HeldOut::Files(files.paths(&["d"]))).unwrap();
    assert_eq!((dataset.name.as_str(), dataset.eval[0].examples[0].text.as_str()), ("d", "three"));
    assert!(
        dataset.notes[1].ends_with("d: 2 files, train-1.csv to train-2.csv.gz; left aside by name: test.csv"),
        "{:?}",
        dataset.notes
    );
    assert_eq!(dataset.warnings, Vec::<String>::new());
    let same = files.labelled(&["e.jsonl", "d"]).unwrap();
    assert!(same.warnings[0].contains("e.jsonl: both trained and evaluated on"), "{:?}", same.warnings);

    for (names, message) in [
        (&["d", "lacks.csv"][..], "lacks.csv: no column \"label\""),
        (&["d/*.parquet"], "d/*.parquet: no file matches; "),
        (&["f"], "f: no such file"),
    ] {
        let error = files.labelled(names).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains(message), "{error}");
    }
}
