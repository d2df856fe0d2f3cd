//! The model that the chat has in memory: it is loaded, asked and released here.

use std::path::Path;

use super::Workbench;
use super::chat::effect::ChatEffect;
use super::chat::{ChatStart, prompt_file};
use super::message::Msg;
use super::screen::Screen;
use crate::chat::{ChatReply, example};

/// Replies that are applied between two looks at the keyboard.
const REPLIES_AT_ONCE: usize = 64;

impl Workbench {
    /// Begins with a chat instead of Home.
    pub(super) fn start_chat(&mut self, start: ChatStart) {
        let model = start.model.clone();
        self.app.chat.open(start);
        self.app.screen = Screen::Chat;
        for answer in self.open_chat(&model) {
            self.app.update(answer);
        }
    }

    /// Loads a model to chat with, in place of the one before.
    pub(super) fn open_chat(&mut self, model: &Path) -> Vec<Msg> {
        // Two models need not fit into memory.
        self.chat = None;
        let prompts = prompt_file::path(self.backend.cache());
        self.aside(move || vec![Msg::ChatPrompts(prompt_file::read(&prompts))]);
        match self.backend.chat(model) {
            Ok(link) => {
                self.chat = Some(link);
                Vec::new()
            }
            Err(error) => vec![Msg::Chat(ChatReply::Closed(format!("{error:#}")))],
        }
    }

    /// Performs what the chat asks for.
    pub(super) fn in_chat(&mut self, effect: ChatEffect) -> Vec<Msg> {
        match effect {
            ChatEffect::Generate { request, prompt } => {
                if let Some(prompt) = prompt {
                    let file = prompt_file::path(self.backend.cache());
                    self.aside(move || {
                        let kept = prompt_file::append(&file, &prompt);
                        kept.err()
                            .map(|error| Msg::Refused(format!("{}: {error}", file.display())))
                            .into_iter()
                            .collect()
                    });
                }
                let number = request.number;
                if !self.chat.as_ref().is_some_and(|link| link.send(request)) {
                    let error = "the model is not in memory".into();
                    return vec![Msg::Chat(ChatReply::Failed { number, error })];
                }
            }
            ChatEffect::Stop(number) => {
                if let Some(link) = &self.chat {
                    link.stop(number);
                }
            }
            ChatEffect::SaveExample { file, line } => self.aside(move || {
                let saved = example::append(&file, &line);
                vec![Msg::ChatSaved(match saved {
                    Ok(()) => Ok(format!("saved as an example in {}", file.display())),
                    Err(error) => Err(format!("{}: {error}", file.display())),
                })]
            }),
        }
        Vec::new()
    }

    /// Applies a reply, and those that wait behind it.
    pub(super) fn on_chat(&mut self, reply: Option<ChatReply>) {
        let Some(mut reply) = reply else {
            self.chat = None;
            return self.app.chat.close("the model's thread has ended");
        };
        for _ in 0..REPLIES_AT_ONCE {
            if let Some(effect) = self.app.chat.on_reply(reply) {
                self.in_chat(effect);
            }
            match self.chat.as_mut().and_then(|link| link.try_next()) {
                Some(next) => reply = next,
                None => return,
            }
        }
    }
}
