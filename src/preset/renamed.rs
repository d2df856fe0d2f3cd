//! Keys of earlier releases, and the keys that have taken their place. An error says what to write instead; stored
//! presets are read as before.

use toml::Value;

/// The key that has taken the place of this one, with the value that means the same; `None` if there is none.
pub fn renamed(key: &str, value: &Value) -> Option<(&'static str, Value)> {
    match (key, value) {
        ("train.tf32", Value::Boolean(allowed)) => {
            Some(("train.matmul", Value::from(if *allowed { "tf32" } else { "f32" })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::preset::{Matmul, Preset};

    #[test]
    fn an_error_names_the_new_key_and_a_stored_preset_means_what_it_meant() {
        let text = |train: &str| {
            format!("[model]\nid = \"m\"\n[data]\npath = \"x.csv\"\n[train]\nlearning_rate = 1.0\n{train}\n")
        };
        for (old, name, matmul) in [("true", "tf32", Matmul::Tf32), ("false", "f32", Matmul::F32)] {
            let old = text(&format!("tf32 = {old}"));
            let error = Preset::parse("x", "x.toml", &old, &[], Path::new("/")).unwrap_err().to_string();
            assert_eq!(error, format!("x.toml:7: this key is now train.matmul; write train.matmul = \"{name}\""));
            let stored = Preset::parse_stored("x", "x.toml", &old, &[], Path::new("/")).unwrap();
            assert_eq!(stored.train.matmul, matmul);
            // It is stored by its new name.
            let again = Preset::parse("x", "x.toml", &stored.toml, &[], Path::new("/")).unwrap();
            assert_eq!(again, stored);
        }
        let error = Preset::parse("x", "x.toml", &text(""), &["train.tf32=true".into()], Path::new("/")).unwrap_err();
        assert!(error.to_string().ends_with("write train.matmul = \"tf32\""), "{error}");
        for stored in ["tf32 = 1", "tf33 = true"] {
            assert!(Preset::parse_stored("x", "x.toml", &text(stored), &[], Path::new("/")).is_err(), "{stored}");
        }
    }
}
