//! Chat: a conversation with a language model, its answers as they come, beside those of its base model.
//!
//! ```text
//! model        the model: being loaded, loaded, closed
//! exchange     a prompt and its answers
//! transcript   the conversation, and what part of it is seen
//! command      the `/` commands
//! keys         what keys do
//! perform      what commands and prompts do
//! place        what keys do now, for the footer
//! lines layout draw
//!              how it looks
//! effect prompt_file
//!              what is asked of the application, and the file of earlier prompts
//! ```

mod command;
mod draw;
pub mod effect;
mod exchange;
mod keys;
mod layout;
mod lines;
mod model;
mod perform;
mod place;
pub mod prompt_file;
mod transcript;

use std::path::{Path, PathBuf};

use super::screen::Screen;
use super::widgets::input::Input;
use super::widgets::input_history::InputHistory;
use crate::chat::{ChatReply, ChatRequest, Settings, Weights};
use crate::data::instruct::Message;
use effect::ChatEffect;
use exchange::{Answer, AnswerState, Exchange};
use model::Model;
use transcript::{Entry, Transcript};

/// What a chat begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatStart {
    /// A run folder, a model folder or a hub id.
    pub model: PathBuf,
    pub system: Option<String>,
    pub settings: Settings,
    /// Whether the base model answers too.
    pub base: bool,
}

/// The chat screen.
pub struct Chat {
    model: Model,
    transcript: Transcript,
    input: Input,
    history: InputHistory,
    system: Option<String>,
    settings: Settings,
    /// Whether the base model answers too.
    base: bool,
    generating: Option<Generating>,
    /// The number of the next request.
    next: u64,
    /// Prompts and regenerated answers so far, for their seeds.
    answers: u64,
    /// Tokens of the latest prompt and its answer.
    context: usize,
    /// Why the last key did nothing.
    complaint: Option<String>,
    /// The screen to go back to.
    back: Screen,
}

/// A completion that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Generating {
    number: u64,
    weights: Weights,
    /// The entry of its exchange; `None` if that was cleared meanwhile.
    entry: Option<usize>,
    prompt_tokens: usize,
    stopping: bool,
}

impl Default for Chat {
    fn default() -> Chat {
        Chat {
            model: Model::None,
            transcript: Transcript::default(),
            input: Input::multiline(""),
            history: InputHistory::default(),
            system: None,
            settings: Settings::default(),
            base: false,
            generating: None,
            next: 0,
            answers: 0,
            context: 0,
            complaint: None,
            back: Screen::Runs,
        }
    }
}

impl Chat {
    /// Begins a new conversation, whose model is being loaded from now on. What is typed stays; if the same model is loaded
    /// again, so does the conversation.
    pub fn open(&mut self, start: ChatStart) {
        let ChatStart { model, system, settings, base } = start;
        if self.model.path() == Some(&model) {
            self.model = Model::loading(model);
            return;
        }
        let (input, history) =
            (std::mem::replace(&mut self.input, Input::multiline("")), std::mem::take(&mut self.history));
        let (next, back) = (self.next, self.back);
        *self = Chat {
            model: Model::loading(model),
            input,
            history,
            system,
            settings,
            base,
            next,
            back,
            ..Chat::default()
        };
    }

    /// A start with another model and the settings of now.
    pub fn start_with(&self, model: PathBuf) -> ChatStart {
        ChatStart { model, system: None, settings: self.settings.clone(), base: self.base }
    }

    /// Whether this model is loaded or being loaded.
    pub fn has(&self, model: &Path) -> bool {
        self.model.is_open() && self.model.path() == Some(model)
    }

    /// Whether keys are text: there is a model to prompt.
    pub fn typing(&self) -> bool {
        self.model.path().is_some()
    }

    /// The screen that esc goes back to.
    pub fn back(&self) -> Screen {
        self.back
    }

    /// Notes the screen that the chat is opened from.
    pub fn opened_from(&mut self, screen: Screen) {
        if screen != Screen::Chat {
            self.back = screen;
        }
    }

    /// Notes why the model is no longer in memory.
    pub fn close(&mut self, why: &str) {
        if self.model.is_open() {
            self.end_pending(why);
            self.model.close(why.to_owned());
        }
    }

    /// Shows why the last key did nothing.
    pub fn refuse(&mut self, why: &str) {
        self.complaint = Some(why.to_owned());
    }

    /// Shows the outcome of saving an example.
    pub fn on_saved(&mut self, outcome: Result<String, String>) {
        self.transcript.push(match outcome {
            Ok(what) => Entry::Note(what),
            Err(error) => Entry::Error(error),
        });
    }

    /// The prompts of earlier chats, the latest last.
    pub fn set_history(&mut self, prompts: Vec<String>) {
        self.history = InputHistory::of(prompts);
    }

    /// Applies a reply of the model's thread. Returns what is to be done next.
    pub fn on_reply(&mut self, reply: ChatReply) -> Option<ChatEffect> {
        match reply {
            ChatReply::Memory { weights, kv_cache } => self.model.set_memory(weights, kv_cache),
            ChatReply::Loading(progress) => self.model.set_progress(progress),
            ChatReply::Loaded(loaded) => {
                for warning in &loaded.warnings {
                    self.transcript.push(Entry::Note(warning.clone()));
                }
                self.model.set_loaded(loaded);
                self.fit_tokens();
            }
            ChatReply::Closed(error) => {
                self.end_pending(&error);
                self.model.close(error);
            }
            ChatReply::Encoded { number, prompt_tokens, dropped } => {
                let generating = self.generating.as_mut().filter(|generating| generating.number == number)?;
                generating.prompt_tokens = prompt_tokens;
                let fine_tuned = generating.weights == Weights::FineTuned && generating.entry.is_some();
                self.context = prompt_tokens;
                if dropped > 0 && fine_tuned {
                    let note = format!("the first {dropped} messages no longer fit into the context and were left out");
                    self.transcript.push(Entry::Note(note));
                }
            }
            ChatReply::Text { number, text, rate } => {
                let generating = self.generating.filter(|generating| generating.number == number)?;
                self.context = generating.prompt_tokens + rate.tokens;
                self.answer_of(generating)?.push(&text, rate);
            }
            ChatReply::Done { number, completion } => {
                let generating = self.generating.take_if(|generating| generating.number == number)?;
                self.context = generating.prompt_tokens + completion.rate.tokens;
                self.answer_of(generating)?.end(completion);
                return self.base_after(generating);
            }
            ChatReply::Failed { number, error } => {
                let generating = self.generating.take_if(|generating| generating.number == number)?;
                self.answer_of(generating)?.state = AnswerState::Failed(error);
            }
        }
        None
    }

    /// The answer that is being generated, unless it was cleared.
    fn answer_of(&mut self, generating: Generating) -> Option<&mut Answer> {
        Some(self.transcript.exchange_mut(generating.entry?)?.answer_of(generating.weights))
    }

    /// Asks the base model for the answer that the fine-tuned one has just given.
    fn base_after(&mut self, done: Generating) -> Option<ChatEffect> {
        let wanted = self.base && done.weights == Weights::FineTuned && !done.stopping;
        let request = self.generate(done.entry.filter(|_| wanted)?, Weights::Base)?;
        Some(ChatEffect::Generate { request, prompt: None })
    }

    /// A request for the answer of an exchange.
    fn generate(&mut self, entry: usize, weights: Weights) -> Option<ChatRequest> {
        let (messages, seed) = self.messages(entry)?;
        *self.transcript.exchange_mut(entry)?.answer_of(weights) = Answer::default();
        let number = self.next;
        self.next += 1;
        self.generating = Some(Generating { number, weights, entry: Some(entry), prompt_tokens: 0, stopping: false });
        Some(ChatRequest { number, weights, messages, settings: Settings { seed, ..self.settings.clone() } })
    }

    /// The conversation up to the prompt of an exchange, and the seed of its answers.
    fn messages(&self, entry: usize) -> Option<(Vec<Message>, u64)> {
        let message = |role: &str, text: &str| Message::plain(role, text.to_owned());
        let (_, last) = self.transcript.exchanges().find(|(index, _)| *index == entry)?;
        let before = self.transcript.exchanges().filter(|(index, exchange)| *index < entry && exchange.counts());
        let turns = before
            .flat_map(|(_, exchange)| [message("user", &exchange.prompt), message("assistant", &exchange.answer.text)]);
        let system = last.system.iter().map(|system| message("system", system));
        Some((system.chain(turns).chain([message("user", &last.prompt)]).collect(), last.seed))
    }

    /// Notes that an answer will not come.
    fn end_pending(&mut self, why: &str) {
        if let Some(generating) = self.generating.take()
            && let Some(answer) = self.answer_of(generating)
        {
            answer.state = AnswerState::Failed(why.to_owned());
        }
    }

    /// The last exchange and its index.
    fn last(&self) -> Option<(usize, &Exchange)> {
        self.transcript.exchanges().next_back()
    }
}
