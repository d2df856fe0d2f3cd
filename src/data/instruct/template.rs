//! A conversation as the tokenizer's own chat template writes it: Jinja, rendered as transformers does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};

use super::special::Special;
use super::{Message, dumps};
use crate::Usage;

/// The longest template, in bytes. Those with tools and thinking have some 10 KB.
const LONGEST: usize = 1 << 20;

/// Steps of a rendering; a conversation takes some hundred for each message.
const STEPS: u64 = 10_000_000;

/// A chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token` and the like.
    tokens: Map<String, Json>,
}

impl ChatTemplate {
    /// The template of a model's folder: chat_template.jinja, or else that of tokenizer_config.json, of several the
    /// one named `default`. `None` where there is none.
    pub(super) fn open(folder: &Path, special: &Special) -> Result<Option<ChatTemplate>> {
        let file = folder.join("chat_template.jinja");
        let source = match &special.chat_template {
            _ if file.is_file() => {
                fs::read_to_string(&file).with_context(|| format!("{}: cannot read", file.display()))?
            }
            Some(Json::String(source)) => source.clone(),
            Some(Json::Array(named)) => {
                let default = named.iter().find(|template| template["name"] == "default");
                match default.and_then(|template| template["template"].as_str()) {
                    Some(source) => source.to_owned(),
                    None => {
                        let names: Vec<&str> = named.iter().filter_map(|template| template["name"].as_str()).collect();
                        bail!(Usage(format!(
                            "{}: of the chat templates {} none is named default",
                            folder.join("tokenizer_config.json").display(),
                            names.join(", ")
                        )))
                    }
                }
            }
            _ => return Ok(None),
        };
        let place = if file.is_file() { file } else { folder.join("tokenizer_config.json") };
        let template = ChatTemplate::new(&source, special.tokens.clone())
            .map_err(|error| Usage(format!("{}: chat template: {error}", place.display())))?;
        Ok(Some(template))
    }

    /// A template by its source. `tokens` are `bos_token` and the like.
    ///
    /// # Errors
    /// What is wrong with the source.
    pub fn new(source: &str, tokens: Map<String, Json>) -> Result<ChatTemplate> {
        if source.len() > LONGEST {
            bail!("longer than {} MiB", LONGEST >> 20);
        }
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(STEPS));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_filter("tojson", |value: Value, options: Kwargs| -> Result<String, minijinja::Error> {
            let json = serde_json::to_value(&value);
            let json = json.map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))?;
            Ok(dumps::of(&json, &dumps::Style::of(&options)?))
        });
        environment.add_function("strftime_now", |format: String| -> Result<String, minijinja::Error> {
            jiff::fmt::strtime::format(&format, &jiff::Zoned::now())
                .map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
        });
        environment.add_template_owned("chat", without_generation_marks(source))?;
        Ok(ChatTemplate { environment, tokens })
    }

    /// The messages as text; with `answer` up to where the assistant is to begin.
    ///
    /// # Errors
    /// What the template says of messages it does not like, such as two of one role in a row.
    pub fn render(&self, messages: &[Message], answer: bool) -> Result<String, String> {
        let messages: Vec<Json> = messages
            .iter()
            .map(|message| {
                let mut fields = Map::new();
                fields.insert("role".into(), message.role.clone().into());
                fields.insert("content".into(), message.content.clone().into());
                fields.extend(message.rest.clone());
                Json::Object(fields)
            })
            .collect();
        let told = |error: minijinja::Error| {
            format!("the chat template refuses: {}", error.detail().map_or(error.to_string(), str::to_owned))
        };
        let template = self.environment.get_template("chat").map_err(told)?;
        let mut facts = self.tokens.clone();
        facts.insert("messages".into(), messages.into());
        facts.insert("add_generation_prompt".into(), answer.into());
        // What transformers passes where a caller gives neither.
        facts.insert("tools".into(), Json::Null);
        facts.insert("documents".into(), Json::Null);
        template.render(Serde(facts)).map_err(told)
    }
}

/// `{% generation %}` marks what the assistant says for transformers' masks; it writes nothing.
fn without_generation_marks(source: &str) -> String {
    let mut text = source.to_owned();
    for (mark, instead) in [("generation", "if true"), ("endgeneration", "endif")] {
        for (open, close) in [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}")] {
            for space in ["", " "] {
                text =
                    text.replace(&format!("{open}{space}{mark}{space}{close}"), &format!("{open} {instead} {close}"));
            }
        }
    }
    text
}
