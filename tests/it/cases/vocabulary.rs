//! Folders with vocabulary files instead of tokenizer.json: the same ids as transformers.

use std::fs;
use std::path::{Path, PathBuf};

use finesift::data::{Example, Label, TextTokenizer};
use serde_json::Value;

use crate::place;

fn fixtures() -> PathBuf {
    place::fixture("differential/vocabulary")
}

fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixtures().join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    let Err(error) = TextTokenizer::open(folder, 64) else { panic!("opened") };
    assert!(error.is::<finesift::Usage>(), "{error:#}");
    format!("{error:#}")
}

#[test]
fn texts_get_the_ids_of_transformers() {
    let mut compared = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let folder = entry.unwrap().path();
        let tokenizer = TextTokenizer::open(&folder, 4096).unwrap();
        let expected = fs::read_to_string(folder.join("expected.jsonl")).unwrap();
        for line in expected.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| row[key].as_str().map(str::to_owned);
            let ids: Vec<u32> = serde_json::from_value(row["ids"].clone()).unwrap();
            let example = Example { text: text("text").unwrap(), pair: text("pair"), label: Label::Class(0) };
            let encoded = tokenizer.encode("texts", &[example], None, &|_| {});
            match ids.is_empty() {
                true => assert!(encoded.is_err(), "{line}"),
                false => assert_eq!(encoded.unwrap()[0].ids, ids, "{}: {line}", folder.display()),
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 8 * 120);
}

#[test]
fn the_log_says_how_the_vocabulary_was_read() {
    for (name, said) in [
        ("bert-uncased", "WordPiece made of vocab.txt; texts are lower-cased (the default)"),
        ("bert-cased", "texts keep their case, as in tokenizer_config.json"),
        ("bert-options", "texts are lower-cased, as in tokenizer_config.json"),
        ("roberta", "byte-level BPE made of vocab.json and merges.txt, as RobertaTokenizer"),
    ] {
        let tokenizer = TextTokenizer::open(&fixtures().join(name), 64).unwrap();
        assert!(tokenizer.note().unwrap().contains(said), "{:?}", tokenizer.note());
    }
    let cased = copy_of("bert-cased");
    fs::remove_file(cased.path().join("tokenizer_config.json")).unwrap();
    let tokenizer = TextTokenizer::open(cased.path(), 64).unwrap();
    assert!(tokenizer.note().unwrap().contains("set \"do_lower_case\": false"), "{:?}", tokenizer.note());
}

#[test]
fn lines_may_end_as_on_windows_and_begin_with_a_byte_order_mark() {
    let folder = copy_of("bert-uncased");
    let path = folder.path().join("vocab.txt");
    let windows = format!("\u{feff}{}", fs::read_to_string(&path).unwrap().replace('\n', "\r\n"));
    fs::write(&path, windows).unwrap();
    let ids = |folder: &Path| {
        let example = Example { text: "a good film".into(), pair: None, label: Label::Class(0) };
        TextTokenizer::open(folder, 64).unwrap().encode("texts", &[example], None, &|_| {}).unwrap()[0].ids.clone()
    };
    assert_eq!(ids(folder.path()), ids(&fixtures().join("bert-uncased")));
}

#[test]
fn vocabularies_that_cannot_be_used_are_refused_with_what_to_do() {
    let folder = copy_of("bert-uncased");
    let vocabulary = fs::read_to_string(folder.path().join("vocab.txt")).unwrap();
    fs::write(folder.path().join("vocab.txt"), vocabulary.replace("[CLS]", "<cls>")).unwrap();
    let message = refusal(folder.path());
    assert!(message.contains("vocab.txt: no token \"[CLS]\"; name the cls_token"), "{message}");
    fs::write(folder.path().join("vocab.txt"), [0xff, 0xfe, b'\n']).unwrap();
    assert!(refusal(folder.path()).ends_with("vocab.txt: not UTF-8"));

    let folder = copy_of("gpt2");
    let merges = fs::read_to_string(folder.path().join("merges.txt")).unwrap();
    fs::write(folder.path().join("merges.txt"), merges.replacen("Ġ t\n", "Ġt\n", 1)).unwrap();
    let message = refusal(folder.path());
    assert!(message.contains("merges.txt:") && message.contains("expected two tokens"), "{message}");
    fs::remove_file(folder.path().join("merges.txt")).unwrap();
    assert!(refusal(folder.path()).contains("no merges.txt of which a GPT2Tokenizer could be made"));

    // A token behind the vocabulary whose id leaves a gap.
    let folder = copy_of("bert-options");
    fs::write(folder.path().join("added_tokens.json"), r#"{"<extra>": 9000}"#).unwrap();
    assert!(refusal(folder.path()).contains("added token \"<extra>\" has the id 9000"));

    let folder = copy_of("bert-uncased");
    fs::write(folder.path().join("config.json"), r#"{"model_type": "camembert"}"#).unwrap();
    let message = refusal(folder.path());
    assert!(message.contains("a tokenizer of model_type camembert is not made of vocabulary files"), "{message}");
}
