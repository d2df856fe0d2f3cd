//! Hostile files: each is rejected with its name, quickly and in little memory.

use std::fs;
use std::path::Path;

use finesift::Usage;
use finesift::data::TextTokenizer;
use finesift::preset::Preset;

#[test]
fn a_deeply_nested_tokenizer_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for text in [nested.clone(), format!("{{\"model\": {nested}}}"), open.repeat(100_000)] {
            fs::write(folder.path().join("tokenizer.json"), text).unwrap();
            let error = TextTokenizer::open(folder.path(), 16).err().unwrap();
            assert!(error.is::<Usage>() && error.to_string().contains("tokenizer.json: malformed"), "{error}");
        }
    }
}

#[test]
fn oversized_and_deeply_nested_presets_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.toml");
    let load = |text: &str| {
        fs::write(&path, text).unwrap();
        Preset::load(path.to_str().unwrap(), &[], Path::new("/cache")).unwrap_err()
    };
    let error = load(&"a = 1\n".repeat(50 << 20 >> 2));
    assert!(
        error.is::<Usage>()
            && error.to_string().ends_with("large.toml: larger than 4 MiB, which is too large for a preset"),
        "{error}"
    );
    for text in [
        format!("about = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("about = {}1{}", "{a=".repeat(100_000), "}".repeat(100_000)),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
    ] {
        let error = load(&text);
        assert!(error.is::<Usage>() && error.to_string().contains("large.toml:1: "), "{error}");
    }
}
