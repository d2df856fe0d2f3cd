//! A run keeps the paths of its preset absolute.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;
use toml::Value;

use super::document::Document;
use super::paths::expand;
use super::read::read;
use super::types::Preset;
use crate::Usage;

impl Preset {
    /// The preset with paths that mean the same from every folder: relative ones become absolute, seen from `folder`. A
    /// `model.id` is a path if it names something there; `cache:` stays as it is. `cache` is as in [`Preset::parse`].
    ///
    /// # Errors
    /// [`Usage`]: paths that are no valid preset, which cannot happen to one that was parsed.
    pub fn anchored(&self, folder: &Path, cache: &Path) -> Result<Preset, Usage> {
        let mut document = Document::parse(&self.name, &self.toml)?;
        let in_hub = document.has("data.hub");
        let keys = ["model.id", "data.path", "data.eval_path"];
        for key in keys.into_iter().filter(|key| !(in_hub && *key == "data.path")) {
            let Some(value) = document.value(key) else { continue };
            let absolute = |path: &str| match key {
                "model.id" if !folder.join(expand(path, cache)).exists() => path.to_owned(),
                _ => absolute(path, folder, cache),
            };
            let anchored = match value {
                Value::String(path) => Value::String(absolute(path)),
                Value::Array(paths) => {
                    let one = |path: &Value| path.as_str().map_or_else(|| path.clone(), |path| absolute(path).into());
                    Value::Array(paths.iter().map(one).collect())
                }
                other => other.clone(),
            };
            document.put(key, Some(anchored));
        }
        read(&self.name, &document, cache)
    }
}

fn absolute(path: &str, folder: &Path, cache: &Path) -> String {
    if path.starts_with("cache:") {
        return path.to_owned();
    }
    // `.` says nothing, while what `..` means depends on links.
    let parts = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    let path = expand(path, cache);
    // Of a pattern, the folder is no part.
    let escaped = path.contains(['*', '?', '[']) && !folder.join(&path).exists();
    let folder = if escaped { Pattern::escape(&folder.to_string_lossy()).into() } else { folder.to_owned() };
    parts(&folder.join(path)).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn preset(model: &str, data: &str) -> Preset {
        let text = format!("[model]\nid = \"{model}\"\n[data]\n{data}\n[train]\nlearning_rate = 1e-3\n");
        Preset::parse("mine", "mine.toml", &text, &[], Path::new("/cache")).unwrap()
    }

    fn anchored(folder: &Path, model: &str, data: &str) -> (String, String) {
        let preset = preset(model, data).anchored(folder, Path::new("/cache")).unwrap();
        let toml: toml::Table = preset.toml.parse().unwrap();
        (toml["model"]["id"].as_str().unwrap().to_owned(), toml["data"]["path"].to_string())
    }

    #[test]
    fn paths_of_a_run_are_absolute_and_ids_of_the_hub_stay() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path();
        fs::create_dir_all(folder.join("models/bert2")).unwrap();
        let inside = |name: &str| folder.join(name).display().to_string();
        let quoted = |name: &str| format!("\"{}\"", inside(name));
        for (model, kept) in [
            ("models/bert2", inside("models/bert2")),
            ("./models/bert2", inside("models/bert2")),
            ("org/name", "org/name".to_owned()),
            ("org/name@v1", "org/name@v1".to_owned()),
            ("cache:demo/minilm", "cache:demo/minilm".to_owned()),
        ] {
            assert_eq!(anchored(folder, model, "path = \"a.csv\""), (kept, quoted("a.csv")), "{model}");
        }
        assert_eq!(anchored(folder, "m", "path = \"/x/a.csv\"").1, "\"/x/a.csv\"");
        assert_eq!(anchored(folder, "m", "path = \"../a.csv\"").1, format!("\"{}/../a.csv\"", folder.display()));
        let list = format!("[{}, \"/x/b.csv\"]", quoted("a.csv"));
        assert_eq!(anchored(folder, "m", "path = [\"./a.csv\", \"/x/b.csv\"]").1, list);
        // A pattern stays one, whatever the folder is called.
        let odd = folder.join("a[1]");
        fs::create_dir(&odd).unwrap();
        assert_eq!(anchored(&odd, "m", "path = \"*.csv\"").1, quoted("a[[]1[]]/*.csv"));
        assert_eq!(anchored(&odd, "m", "path = \"x.csv\"").1, quoted("a[1]/x.csv"));
        // In a dataset of the hub it is no path.
        let hub = "format = \"text\"\nhub = \"org/name\"\npath = \"data/train\"";
        assert_eq!(anchored(folder, "m", hub).1, "\"data/train\"");
    }

    #[test]
    fn an_anchored_preset_is_otherwise_the_same() {
        let before = preset("org/name", "path = \"/x/a.csv\"\neval_path = \"/x/b.csv\"\nlabels = [\"a\", \"b\"]");
        assert_eq!(before.anchored(Path::new("/elsewhere"), Path::new("/cache")).unwrap(), before);
    }
}
