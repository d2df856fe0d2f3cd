//! What prompts and `/` commands do.

use std::path::PathBuf;

use super::command::{COMMANDS, Command, Typed, parse};
use super::effect::ChatEffect;
use super::exchange::{AnswerState, Exchange};
use super::model::Model;
use super::transcript::Entry;
use super::{Chat, Input};
use crate::chat::example::ChatExample;
use crate::chat::{CompletionEnd, Weights};
use crate::ui::format::grouped;
use crate::ui::intent::Intent;
use crate::ui::keymap::AppAction;

/// The file of saved examples, in the run folder, or in the working folder where there is no run.
const EXAMPLES: &str = "examples.jsonl";

impl Chat {
    /// Sends what is typed, or performs it. What cannot be done stays in the input, with the reason.
    pub(super) fn submit(&mut self) -> Option<Intent> {
        let text = self.input.text();
        if text.trim().is_empty() {
            return None;
        }
        if let Model::Closed { path, .. } = &self.model
            && !text.starts_with('/')
        {
            // What is typed stays, to be sent once the model is loaded.
            return Some(Intent::Chat(path.clone()));
        }
        let outcome = match parse(&text) {
            Ok(Typed::Prompt(prompt)) => self.send(prompt),
            Ok(Typed::Command(command, argument)) => self.command(command, argument),
            Err(why) => Err(why),
        };
        match outcome {
            Ok(intent) => {
                self.history.push(text.trim().to_owned());
                self.input = Input::multiline("");
                intent
            }
            Err(why) => {
                self.complaint = Some(why);
                None
            }
        }
    }

    fn send(&mut self, prompt: &str) -> Result<Option<Intent>, String> {
        self.check_idle()?;
        let exchange = Exchange::new(prompt.to_owned(), self.system.clone(), self.next_seed());
        let entry = self.transcript.push(Entry::Exchange(exchange));
        let typed = self.input.text().trim().to_owned();
        Ok(self.request(entry, Weights::FineTuned, Some(typed)))
    }

    fn command(&mut self, command: Command, argument: &str) -> Result<Option<Intent>, String> {
        match command {
            Command::System => self.set_system(argument)?,
            Command::Temperature => match argument.parse::<f64>() {
                Ok(temperature) if temperature.is_finite() && temperature >= 0.0 => {
                    self.settings.temperature = temperature;
                    self.note(match temperature {
                        0.0 => "temperature 0: greedy, the most likely token each time".into(),
                        temperature => format!("temperature {temperature}"),
                    });
                }
                _ => {
                    let now = self.settings.temperature;
                    return Err(format!("/temperature takes a number of 0 or more, such as 0.7; it is {now} now"));
                }
            },
            Command::Tokens => match argument.parse::<usize>() {
                Ok(tokens @ 1..) if self.check_tokens(tokens) => {
                    self.settings.max_new_tokens = tokens;
                    self.note(format!("an answer has at most {}", counted(tokens)));
                }
                _ => return Err(self.tokens_expected()),
            },
            Command::Base => return self.toggle_base(),
            Command::Regenerate => {
                self.check_idle()?;
                let Some((entry, _)) = self.last() else { return Err("there is no answer to regenerate".into()) };
                let (seed, system) = (self.next_seed(), self.system.clone());
                if let Some(exchange) = self.transcript.exchange_mut(entry) {
                    (exchange.seed, exchange.system, exchange.base) = (seed, system, None);
                }
                self.transcript.follow();
                return Ok(self.request(entry, Weights::FineTuned, None));
            }
            Command::Save => return self.save(argument).map(|effect| Some(Intent::InChat(effect))),
            Command::Clear => {
                self.transcript.clear();
                self.context = 0;
                return Ok(self.stop(true));
            }
            Command::Help => self.note(help()),
            Command::Quit => return Ok(Some(Intent::App(AppAction::Quit))),
        }
        Ok(None)
    }

    /// Whether so many new tokens leave room for a prompt.
    fn check_tokens(&self, tokens: usize) -> bool {
        self.model.loaded().is_none_or(|loaded| tokens < loaded.max_length)
    }

    fn tokens_expected(&self) -> String {
        let most = self.model.loaded().map(|loaded| grouped(loaded.max_length.saturating_sub(1) as u64));
        let range = most.map_or("of 1 or more".into(), |most| format!("from 1 to {most}"));
        format!("/tokens takes a whole number {range}; it is {} now", self.settings.max_new_tokens)
    }

    /// Leaves room for a prompt in a model with few positions.
    pub(super) fn fit_tokens(&mut self) {
        let Some(most) = self.model.loaded().map(|loaded| loaded.max_length) else { return };
        if !self.check_tokens(self.settings.max_new_tokens) {
            self.settings.max_new_tokens = (most / 2).max(1);
            let (tokens, most) = (counted(self.settings.max_new_tokens), grouped(most as u64));
            self.note(format!("an answer has at most {tokens}: the model has {most} positions"));
        }
    }

    fn set_system(&mut self, text: &str) -> Result<(), String> {
        if self.model.loaded().is_some_and(|loaded| !loaded.conversations) {
            return Err(
                "this model is prompted without a chat template, which leaves no place for a system prompt".into()
            );
        }
        self.system = (!text.is_empty()).then(|| text.to_owned());
        self.note(match &self.system {
            Some(_) => "system prompt set; it applies from the next prompt on".into(),
            None => "system prompt removed".into(),
        });
        Ok(())
    }

    fn toggle_base(&mut self) -> Result<Option<Intent>, String> {
        if self.model.loaded().is_some_and(|loaded| loaded.run.is_none()) {
            return Err("there is no base model to compare with: this model is not a fine-tuned run".into());
        }
        self.base = !self.base;
        if !self.base {
            self.note("the base model no longer answers".into());
            return Ok(None);
        }
        // The last prompt is answered right away, if nothing else is.
        let last = self.last().filter(|(_, exchange)| exchange.counts() && exchange.base.is_none());
        match last.map(|(entry, _)| entry).filter(|_| self.check_idle().is_ok()) {
            Some(entry) => {
                self.transcript.follow();
                Ok(self.request(entry, Weights::Base, None))
            }
            None => {
                self.note("the base model answers too".into());
                Ok(None)
            }
        }
    }

    fn save(&mut self, file: &str) -> Result<ChatEffect, String> {
        let Some((_, exchange)) = self.last() else { return Err("there is no answer to save".into()) };
        match exchange.answer.state {
            AnswerState::Ended(CompletionEnd::StopToken) => {}
            AnswerState::Ended(CompletionEnd::MaxNewTokens) => {
                return Err("the answer is cut at the maximum of new tokens; only a whole one is an example".into());
            }
            _ => return Err("the last answer is not complete; only a whole one is an example".into()),
        }
        let answer = exchange.answer.text.trim();
        if answer.is_empty() {
            return Err("the last answer is empty".into());
        }
        let (system, prompt) = (exchange.system.clone(), exchange.prompt.clone());
        let example = ChatExample { system, prompt, answer: answer.to_owned() };
        let loaded = self.model.loaded();
        let line = match loaded.is_none_or(|loaded| loaded.conversations) {
            true => example.to_messages(),
            false => example.to_alpaca(),
        };
        let run = loaded.and_then(|loaded| loaded.run.clone()).unwrap_or_default();
        let file = if file.is_empty() { run.join(EXAMPLES) } else { PathBuf::from(file) };
        Ok(ChatEffect::SaveExample { file, line })
    }

    /// Stops the answer that is being generated. With `forget`, it is no longer shown.
    pub(super) fn stop(&mut self, forget: bool) -> Option<Intent> {
        let generating = self.generating.as_mut()?;
        generating.stopping = true;
        if forget {
            generating.entry = None;
        }
        Some(Intent::InChat(ChatEffect::Stop(generating.number)))
    }

    fn request(&mut self, entry: usize, weights: Weights, prompt: Option<String>) -> Option<Intent> {
        let request = self.generate(entry, weights)?;
        Some(Intent::InChat(ChatEffect::Generate { request, prompt }))
    }

    fn check_idle(&self) -> Result<(), String> {
        match &self.model {
            Model::Loaded { .. } if self.generating.is_some() => {
                Err("an answer is still being generated; esc stops it".into())
            }
            Model::Loaded { .. } => Ok(()),
            Model::Loading { .. } => Err("the model is still being loaded".into()),
            Model::None | Model::Closed { .. } => Err("there is no model in memory".into()),
        }
    }

    fn next_seed(&mut self) -> u64 {
        let seed = self.settings.seed.wrapping_add(self.answers);
        self.answers += 1;
        seed
    }

    fn note(&mut self, text: String) {
        self.transcript.push(Entry::Note(text));
    }
}

/// `1 token`, `256 tokens`.
fn counted(tokens: usize) -> String {
    format!("{} {}", grouped(tokens as u64), if tokens == 1 { "token" } else { "tokens" })
}

fn help() -> String {
    let commands = COMMANDS.iter().map(|definition| {
        let call = format!("{} {}", definition.name, definition.argument);
        format!("{call:<16} {}", definition.help)
    });
    let keys = [
        "alt-enter or ctrl-j starts a new line; up and down recall earlier prompts",
        "esc or ctrl-c stops an answer; pageup and the wheel scroll back",
        "a prompt that begins with / is written //",
    ];
    commands.chain(keys.map(str::to_owned)).collect::<Vec<_>>().join("\n")
}
