//! Where a model's folder keeps its chat templates.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::Usage;

/// The sources of a model's chat templates.
pub(super) struct TemplateFiles {
    pub default: TemplateFile,
    /// For conversations with tools, where the model has a template of its own for them.
    pub tool_use: Option<TemplateFile>,
}

/// The source of a template, and the file it is in.
pub(super) struct TemplateFile {
    pub path: PathBuf,
    pub source: String,
}

impl TemplateFiles {
    /// The template named `default` is chat_template.jinja, else `chat_template` of tokenizer_config.json (`config`), else
    /// that of chat_template.json; the one named `tool_use` is in additional_chat_templates or in a list of templates of
    /// tokenizer_config.json. `None` if the model has none.
    pub fn find(folder: &Path, config: Option<&Value>) -> Result<Option<TemplateFiles>> {
        let config_path = folder.join("tokenizer_config.json");
        let named = |name: &str| {
            let source = match config? {
                Value::String(source) if name == "default" => source.clone(),
                Value::Array(list) => list.iter().find(|entry| entry["name"] == name)?["template"].as_str()?.to_owned(),
                _ => return None,
            };
            Some(TemplateFile { path: config_path.clone(), source })
        };
        let tool_use = match jinja(folder.join("additional_chat_templates/tool_use.jinja"))? {
            Some(file) => Some(file),
            None => named("tool_use"),
        };
        let default = match jinja(folder.join("chat_template.jinja"))? {
            Some(file) => Some(file),
            None => match named("default") {
                Some(file) => Some(file),
                None => json(folder.join("chat_template.json"))?,
            },
        };
        match (default, config) {
            (Some(default), _) => Ok(Some(TemplateFiles { default, tool_use })),
            (None, Some(Value::Array(list))) => {
                let names: Vec<&str> = list.iter().filter_map(|template| template["name"].as_str()).collect();
                bail!(Usage(format!(
                    "{}: none of the chat templates {} is named default",
                    config_path.display(),
                    names.join(", ")
                )))
            }
            _ => Ok(None),
        }
    }
}

/// A template in a file of its own.
fn jinja(path: PathBuf) -> Result<Option<TemplateFile>> {
    if !path.is_file() {
        return Ok(None);
    }
    let source = fs::read_to_string(&path).with_context(|| format!("{}: cannot read", path.display()))?;
    Ok(Some(TemplateFile { path, source }))
}

/// The template in chat_template.json, where processors of older versions of transformers kept it.
fn json(path: PathBuf) -> Result<Option<TemplateFile>> {
    let Some(TemplateFile { path, source }) = jinja(path)? else { return Ok(None) };
    let json: Value = serde_json::from_str(&source).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    Ok(json["chat_template"].as_str().map(|source| TemplateFile { path, source: source.to_owned() }))
}
