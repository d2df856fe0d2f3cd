//! Chat templates: Jinja, rendered as transformers' `apply_chat_template` does.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};

use super::Message;
use super::dumps::{DumpOptions, dumps};
use super::special::SpecialTokens;
use crate::Usage;

/// Limit on a template, in bytes. Templates with tools and thinking have some 10 KB.
const MAX_SOURCE: usize = 1 << 20;

/// Limit on the instructions of one rendering. A message takes some hundred.
const MAX_STEPS: u64 = 10_000_000;

/// Why a conversation has no text or loss mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The template raised an exception, or took too many steps.
    Rejected(String),
    /// This message (counted from 1) is not in the rendered conversation as the generation prompt and the content, so that
    /// its tokens cannot be found.
    TurnNotFound { message: usize },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Rejected(reason) => write!(f, "the chat template rejects the messages: {reason}"),
            TemplateError::TurnNotFound { message } => write!(
                f,
                "message {message}: the chat template does not render it as it is, so its tokens cannot be found for the loss mask"
            ),
        }
    }
}

impl std::error::Error for TemplateError {}

/// The chat template of a model.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Special tokens by name, such as `bos_token`.
    tokens: Map<String, Json>,
}

impl ChatTemplate {
    /// Reads chat_template.jinja of a model's folder, or else `chat_template` of tokenizer_config.json; of several templates
    /// there the one named `default`. `None` if the model has none.
    pub(super) fn open(folder: &Path, special: &SpecialTokens) -> Result<Option<ChatTemplate>> {
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
                            "{}: none of the chat templates {} is named default",
                            folder.join("tokenizer_config.json").display(),
                            names.join(", ")
                        )))
                    }
                }
            }
            _ => return Ok(None),
        };
        let path = if file.is_file() { file } else { folder.join("tokenizer_config.json") };
        let template = ChatTemplate::new(&source, special.tokens.clone())
            .map_err(|error| Usage(format!("{}: chat template: {error}", path.display())))?;
        Ok(Some(template))
    }

    /// Compiles a template. `tokens` are special tokens by name, such as `bos_token`.
    ///
    /// # Errors
    /// A syntax error, or a source that is too long.
    pub fn new(source: &str, tokens: Map<String, Json>) -> Result<ChatTemplate> {
        if source.len() > MAX_SOURCE {
            bail!("longer than {} MiB", MAX_SOURCE >> 20);
        }
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_filter("tojson", |value: Value, options: Kwargs| -> Result<String, minijinja::Error> {
            let json = serde_json::to_value(&value);
            let json = json.map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))?;
            Ok(dumps(&json, &DumpOptions::from_kwargs(&options)?))
        });
        environment.add_function("strftime_now", |format: String| -> Result<String, minijinja::Error> {
            jiff::fmt::strtime::format(&format, &jiff::Zoned::now())
                .map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
        });
        environment.add_template_owned("chat", without_generation_blocks(source))?;
        Ok(ChatTemplate { environment, tokens })
    }

    /// Renders messages to text. `add_generation_prompt` appends what begins the assistant's turn.
    ///
    /// # Errors
    /// The template rejects the messages, for example two of the same role in a row, or takes too many steps.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let messages: Vec<Json> = messages
            .iter()
            .map(|message| {
                let mut fields = Map::new();
                fields.insert("role".into(), message.role.clone().into());
                fields.insert("content".into(), message.content.clone().into());
                fields.extend(message.extra.clone());
                Json::Object(fields)
            })
            .collect();
        let rejected = |error: minijinja::Error| {
            TemplateError::Rejected(error.detail().map_or_else(|| error.to_string(), str::to_owned))
        };
        let template = self.environment.get_template("chat").map_err(rejected)?;
        let mut context = self.tokens.clone();
        context.insert("messages".into(), messages.into());
        context.insert("add_generation_prompt".into(), add_generation_prompt.into());
        // transformers passes null for both by default.
        context.insert("tools".into(), Json::Null);
        context.insert("documents".into(), Json::Null);
        template.render(Serde(context)).map_err(rejected)
    }
}

/// Replaces `{% generation %}` blocks, which mark the assistant's turns for transformers and render to nothing, and which
/// minijinja does not know.
fn without_generation_blocks(source: &str) -> String {
    let mut text = source.to_owned();
    for (tag, instead) in [("generation", "if true"), ("endgeneration", "endif")] {
        for (open, close) in [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}")] {
            for space in ["", " "] {
                text = text.replace(&format!("{open}{space}{tag}{space}{close}"), &format!("{open} {instead} {close}"));
            }
        }
    }
    text
}
