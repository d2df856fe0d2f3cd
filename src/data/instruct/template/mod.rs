//! Chat templates: Jinja, rendered as transformers' `apply_chat_template` does.
//!
//! ```text
//! files               where a model's folder keeps its templates
//! source percent      what minijinja does not accept, in other words
//! environment python dumps
//!                     functions, filters and methods as in transformers and Python
//! ```

mod dumps;
mod environment;
mod files;
mod percent;
mod python;
mod source;

pub(super) use dumps::python_json;

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use anyhow::{Result, bail};
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind};
use serde_json::{Map, Value as Json};

use super::special::SpecialTokens;
use super::{Conversation, Message};
use crate::Usage;
use environment::{Raised, environment};
use files::{TemplateFile, TemplateFiles};
use source::{GENERATION, TemplateSource};

/// Limit on a template, in bytes. Templates with tools and thinking have some 10 KB.
const MAX_SOURCE: usize = 1 << 20;

/// What begins and ends a generation block while blocks are located: characters that Unicode keeps out of texts.
const MARKS: [char; 2] = ['\u{10fffe}', '\u{10ffff}'];

/// Why a conversation has no text or loss mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The template called `raise_exception`.
    Rejected(String),
    /// An operation of the template failed on this conversation, or it took too many steps.
    Failed(String),
    /// The template uses a filter or test that does not exist, whatever the conversation.
    Unsupported(String),
    /// What the template writes of an assistant message cannot be found.
    AnswerNotFound,
    /// The template writes nothing of an assistant message's tool calls.
    ToolCallsNotWritten,
    /// Some assistant messages are excluded from the loss, and the generation blocks are not one for each message.
    GenerationBlocks { blocks: usize, messages: usize },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Rejected(reason) => write!(f, "the chat template rejects the messages: {reason}"),
            TemplateError::Failed(reason) => write!(f, "the chat template fails: {reason}"),
            TemplateError::Unsupported(reason) => write!(f, "chat template: {reason}"),
            TemplateError::AnswerNotFound => {
                write!(f, "an assistant message cannot be found in what the chat template writes")
            }
            TemplateError::ToolCallsNotWritten => write!(f, "the chat template does not write tool calls"),
            TemplateError::GenerationBlocks { blocks, messages } => write!(
                f,
                "the chat template writes {blocks} generation blocks for {messages} assistant messages, so it is \
                 unknown which of them are excluded from the loss"
            ),
        }
    }
}

impl Error for TemplateError {}

/// The chat template of a model.
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Special tokens by name, such as `bos_token`.
    tokens: Map<String, Json>,
    default: TemplateFlavour,
    /// For conversations with tools.
    tool_use: Option<TemplateFlavour>,
}

/// One of a model's templates.
struct TemplateFlavour {
    name: &'static str,
    source: String,
    has_generation: bool,
}

impl ChatTemplate {
    /// Reads the templates of a model's folder; `None` if it has none.
    pub(super) fn open(folder: &Path, special: &SpecialTokens) -> Result<Option<ChatTemplate>> {
        let Some(files) = TemplateFiles::find(folder, special.chat_template.as_ref())? else { return Ok(None) };
        let failed = |file: &TemplateFile| {
            let path = file.path.display().to_string();
            move |error: anyhow::Error| Usage(format!("{path}: chat template: {error}"))
        };
        let mut template =
            ChatTemplate::new(&files.default.source, special.tokens.clone()).map_err(failed(&files.default))?;
        if let Some(file) = &files.tool_use {
            let flavour = TemplateFlavour::add(&mut template.environment, "tool_use", &file.source);
            template.tool_use = Some(flavour.map_err(failed(file))?);
        }
        Ok(Some(template))
    }

    /// Compiles a template. `tokens` are special tokens by name, such as `bos_token`.
    ///
    /// # Errors
    /// A syntax error, or a source that is too long.
    pub fn new(source: &str, tokens: Map<String, Json>) -> Result<ChatTemplate> {
        let mut environment = environment()?;
        let default = TemplateFlavour::add(&mut environment, "default", source)?;
        Ok(ChatTemplate { environment, tokens, default, tool_use: None })
    }

    /// Renders a conversation to text. `add_generation_prompt` appends what begins the assistant's turn.
    ///
    /// # Errors
    /// The template rejects the messages, for example two of the same role in a row, fails on them, or takes too many
    /// steps.
    pub fn render(&self, conversation: &Conversation, add_generation_prompt: bool) -> Result<String, TemplateError> {
        self.render_with(&conversation.messages, conversation, add_generation_prompt, ["", ""])
    }

    /// Renders other messages with the tools of a conversation.
    pub(super) fn render_messages(
        &self,
        messages: &[Message],
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        self.render_with(messages, conversation, add_generation_prompt, ["", ""])
    }

    /// Whether the template for this conversation has `{% generation %}` blocks.
    pub(super) fn has_generation(&self, conversation: &Conversation) -> bool {
        self.flavour(conversation).has_generation
    }

    /// Whether the template for this conversation names a word, such as a role or `tools`.
    pub(super) fn mentions(&self, conversation: &Conversation, word: &str) -> bool {
        self.flavour(conversation).source.contains(word)
    }

    /// Renders a conversation, with the byte ranges of its generation blocks.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub(super) fn render_generation(
        &self,
        conversation: &Conversation,
    ) -> Result<(String, Vec<Range<usize>>), TemplateError> {
        let mut buffers = [[0; 4]; 2];
        let [first, last] = &mut buffers;
        let marks = [&*MARKS[0].encode_utf8(first), &*MARKS[1].encode_utf8(last)];
        let marked = self.render_with(&conversation.messages, conversation, false, marks)?;
        let (mut text, mut blocks) = (String::with_capacity(marked.len()), Vec::new());
        let mut start = None;
        for character in marked.chars() {
            match character {
                begins if begins == MARKS[0] => start = Some(text.len()),
                ends if ends == MARKS[1] => blocks.extend(start.take().map(|start| start..text.len())),
                character => text.push(character),
            }
        }
        Ok((text, blocks))
    }

    /// The template that transformers chooses.
    fn flavour(&self, conversation: &Conversation) -> &TemplateFlavour {
        self.tool_use.as_ref().filter(|_| conversation.tools.is_some()).unwrap_or(&self.default)
    }

    fn render_with(
        &self,
        messages: &[Message],
        conversation: &Conversation,
        add_generation_prompt: bool,
        marks: [&str; 2],
    ) -> Result<String, TemplateError> {
        let template =
            self.environment.get_template(self.flavour(conversation).name).map_err(|error| failure(&error))?;
        let mut context = self.tokens.clone();
        context.insert("messages".into(), messages.iter().map(Message::to_json).collect());
        context.insert("add_generation_prompt".into(), add_generation_prompt.into());
        // transformers passes null for both by default.
        context.insert("tools".into(), conversation.tools.clone().unwrap_or_default());
        context.insert("documents".into(), Json::Null);
        context.extend(GENERATION.iter().zip(marks).map(|(name, mark)| ((*name).to_owned(), mark.into())));
        template.render(Serde(context)).map_err(|error| failure(&error))
    }
}

impl TemplateFlavour {
    fn add(environment: &mut Environment<'static>, name: &'static str, source: &str) -> Result<TemplateFlavour> {
        if source.len() > MAX_SOURCE {
            bail!("longer than {} MiB", MAX_SOURCE >> 20);
        }
        let translated = TemplateSource::new(source);
        environment.add_template_owned(name, translated.text)?;
        Ok(TemplateFlavour { name, source: source.to_owned(), has_generation: translated.has_generation })
    }
}

impl Message {
    /// As templates see it.
    fn to_json(&self) -> Json {
        let mut fields = Map::new();
        fields.insert("role".into(), self.role.clone().into());
        if let Some(content) = &self.content {
            fields.insert("content".into(), content.clone().into());
        }
        fields.extend(self.extra.clone());
        Json::Object(fields)
    }
}

fn failure(error: &minijinja::Error) -> TemplateError {
    let detail = || error.detail().map_or_else(|| error.to_string(), str::to_owned);
    match error.kind() {
        _ if error.source().is_some_and(|source| source.is::<Raised>()) => TemplateError::Rejected(detail()),
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => TemplateError::Unsupported(detail()),
        _ => TemplateError::Failed(detail()),
    }
}
