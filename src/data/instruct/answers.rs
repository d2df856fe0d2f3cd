//! Finds what a chat template without generation blocks writes of the assistant's messages.
//!
//! A message is what follows the generation prompt when the conversation is rendered up to it. Some templates render a
//! message otherwise once others follow: they drop earlier reasoning, or move a system prompt to the last turn. There the
//! message is where the text changes when its content is replaced.

use std::cmp::Reverse;
use std::ops::Range;

use serde_json::Value;

use super::example::TOOL_CALLS;
use super::messages::function_of;
use super::roles::ASSISTANT;
use super::template::{ChatTemplate, TemplateError};
use super::{Conversation, Message};

/// Contents to replace others by. Whatever a content begins and ends with, it differs from one of the two.
const PROBES: [&str; 2] = ["Qprobe7z", "Jprobe3x"];

/// Finds messages in a rendered conversation.
pub(super) struct AnswerFinder<'a> {
    template: &'a ChatTemplate,
    conversation: &'a Conversation,
    pub text: String,
    special: &'a [String],
    /// How the template ends an answer, once it is known.
    ending: Option<Ending>,
    /// Whether all messages were found by prefixes.
    pub by_prefixes: bool,
}

/// What a template writes after the last answer's content.
#[derive(Clone)]
struct Ending {
    all: String,
    /// What of it belongs to the answer: all up to the special token that ends it, or without one all but whitespace.
    closing: String,
    has_token: bool,
}

impl<'a> AnswerFinder<'a> {
    /// `text` is the whole conversation, rendered; `special` are the texts of the special tokens.
    pub fn new(
        template: &'a ChatTemplate,
        conversation: &'a Conversation,
        text: String,
        special: &'a [String],
    ) -> AnswerFinder<'a> {
        AnswerFinder { template, conversation, text, special, ending: None, by_prefixes: true }
    }

    /// Whether the template ends an answer with a special token.
    pub fn has_end_token(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.has_token)
    }

    /// What the template writes of a message; `None` if that is nothing.
    pub fn find(&mut self, index: usize) -> Result<Option<Range<usize>>, TemplateError> {
        let messages = &self.conversation.messages;
        // A template may refuse a part of a conversation, and write no generation prompt where there are no messages.
        let prompt = self.render(&messages[..index], true).ok();
        let prompt =
            prompt.filter(|prompt| index > 0 || self.render(&[], false).is_ok_and(|history| history != *prompt));
        let upto = self.render(&messages[..=index], false).ok();
        if self.ending.is_none() {
            self.ending = self.ending_after(&messages[..index]);
        }
        if let (Some(prompt), Some(upto)) = (&prompt, &upto)
            && upto.starts_with(prompt.as_str())
            && self.text.starts_with(upto.as_str())
        {
            return Ok(Some(prompt.len()..self.answer_end(upto)));
        }
        self.by_prefixes = false;
        let Some(mut changed) = self.changed(index)? else { return Ok(None) };
        let mut part = upto.and_then(|upto| Part::of(self, upto, index));
        let calls = messages[index].has_tool_calls();
        if calls {
            // Reasoning before the calls may be dropped, but the calls are written alike. Later messages may repeat the name of
            // a tool, so that only the part tells where they end.
            let part = part.as_mut().ok_or(TemplateError::AnswerNotFound)?;
            let in_part = self.changed_by(&part.text, &messages[..=index], index, with_tool_calls_of)?;
            let in_text = self.changed_by(&self.text, messages, index, with_tool_calls_of)?;
            let (Some(in_part), Some(in_text)) = (in_part, in_text) else { return Err(TemplateError::AnswerNotFound) };
            if !self.text[in_text.start..].starts_with(&part.text[in_part.clone()]) {
                return Err(TemplateError::AnswerNotFound);
            }
            changed.end = in_text.start + in_part.len();
            part.changed.end = in_part.end;
        }
        let start = self.answer_start(index, prompt.as_deref(), &changed, part.as_ref())?;
        let end = self.closed(&changed, part.as_ref(), calls)?;
        Ok(Some(start..end))
    }

    /// Where an answer begins whose changed part is `changed`.
    fn answer_start(
        &self,
        index: usize,
        prompt: Option<&str>,
        changed: &Range<usize>,
        part: Option<&Part>,
    ) -> Result<usize, TemplateError> {
        let messages = &self.conversation.messages;
        if let Some(prompt) = prompt {
            if self.text.starts_with(prompt) && prompt.len() <= changed.start {
                return Ok(prompt.len());
            }
            // The messages before this one are written otherwise, or the generation prompt has more than the header of an
            // answer, such as `<think>`.
            let history = self.render(&messages[..index], false).ok();
            let header = history.and_then(|history| prompt.strip_prefix(history.as_str())).unwrap_or_default();
            let found = self
                .beginnings(header)
                .find_map(|header| self.text[..changed.start].rfind(header).map(|at| at + header.len()));
            if let Some(start) = found
                && self.follows_previous(index, start)
            {
                return Ok(start);
            }
            // Without a header: what is between the messages before it and its content, if that is the same.
            let between = part.filter(|part| part.text.starts_with(prompt));
            let between = between.and_then(|part| part.text.get(prompt.len()..part.changed.start));
            if let Some(between) = between.filter(|between| self.text[..changed.start].ends_with(between)) {
                return Ok(changed.start - between.len());
            }
        }
        match messages[index].has_tool_calls() {
            true => Err(TemplateError::AnswerNotFound),
            false => Ok(changed.start),
        }
    }

    /// What a header may be without what follows it: up to the end of a word or of a special token, the longest first.
    fn beginnings<'h>(&'h self, header: &'h str) -> impl Iterator<Item = &'h str> {
        let ends_word = |at: usize| header[..at].ends_with(char::is_whitespace);
        let ends_token = move |at: usize| self.special.iter().any(|token| header[..at].ends_with(token.as_str()));
        let ends = (1..=header.len()).rev().filter(|&at| header.is_char_boundary(at));
        ends.filter(move |&at| at == header.len() || ends_word(at) || ends_token(at)).map(|at| &header[..at])
    }

    /// Whether a place is after all that the template writes of the messages before this one.
    fn follows_previous(&self, index: usize, place: usize) -> bool {
        let changed = (0..index).rev().find_map(|previous| self.changed(previous).ok().flatten());
        changed.is_none_or(|changed| changed.end <= place)
    }

    /// Where an answer ends whose changed part is `changed`: after the rest of its tool calls and the token that ends it.
    fn closed(&self, changed: &Range<usize>, part: Option<&Part>, calls: bool) -> Result<usize, TemplateError> {
        let rest = &self.text[changed.end..];
        let closing = match part {
            Some(Part { text, changed }) => text[changed.end..self.answer_end(text).max(changed.end)].to_owned(),
            None => self.ending.as_ref().map_or(String::new(), |ending| ending.closing.clone()),
        };
        match rest.starts_with(&closing) {
            true => Ok(changed.end + closing.len()),
            false if calls => Err(TemplateError::AnswerNotFound),
            false => Ok(changed.end),
        }
    }

    /// Where the last message of `upto`, a conversation rendered up to it, ends.
    fn answer_end(&self, upto: &str) -> usize {
        match &self.ending {
            Some(Ending { all, closing, .. }) if upto.ends_with(all.as_str()) => upto.len() - all.len() + closing.len(),
            // A tool call may end with another token.
            _ => {
                let trimmed = upto.trim_end();
                if self.special.iter().any(|token| trimmed.ends_with(token.as_str())) {
                    trimmed.len()
                } else {
                    upto.len()
                }
            }
        }
    }

    /// How the template ends an answer to these messages.
    fn ending_after(&self, messages: &[Message]) -> Option<Ending> {
        let answer = Message::plain(ASSISTANT, PROBES[0].to_owned());
        let text = self.render(&[messages, &[answer]].concat(), false).ok()?;
        let all = text[text.rfind(PROBES[0])? + PROBES[0].len()..].to_owned();
        let tokens = self.special.iter().filter_map(|token| Some((all.find(token.as_str())?, token.len())));
        let first = tokens.min_by_key(|&(at, length)| (at, Reverse(length)));
        let closing = first.map_or(all.trim_end(), |(at, length)| &all[..at + length]).to_owned();
        Some(Ending { all, closing, has_token: first.is_some() })
    }

    /// The part of the whole text that changes with the content of a message.
    fn changed(&self, index: usize) -> Result<Option<Range<usize>>, TemplateError> {
        self.changed_by(&self.text, &self.conversation.messages, index, with_content_of)
    }

    /// The part of `text`, which is these messages rendered, that changes where `replace` puts a probe into one of them.
    fn changed_by(
        &self,
        text: &str,
        messages: &[Message],
        index: usize,
        replace: fn(Message, &str) -> Message,
    ) -> Result<Option<Range<usize>>, TemplateError> {
        let (mut before, mut after, mut differs) = (text.len(), text.len(), false);
        for probe in PROBES {
            let mut messages = messages.to_vec();
            messages[index] = replace(messages[index].clone(), probe);
            let other = self.render(&messages, false)?;
            differs |= other != text;
            let (prefix, suffix) = (common_prefix(text, &other), common_suffix(text, &other));
            let region = other.get(prefix..other.len() - suffix.min(other.len() - prefix)).unwrap_or_default();
            // Written in two places, the content is not separate from what is between them.
            if !messages[index].has_tool_calls() && region.matches(&probe[1..probe.len() - 1]).count() > 1 {
                return Err(TemplateError::AnswerNotFound);
            }
            (before, after) = (before.min(prefix), after.min(suffix));
        }
        Ok(differs.then(|| before..(text.len() - after).max(before)))
    }

    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        self.template.render_messages(messages, self.conversation, add_generation_prompt)
    }
}

/// A conversation rendered up to a message.
struct Part {
    text: String,
    /// What changes with the message's content.
    changed: Range<usize>,
}

impl Part {
    fn of(finder: &AnswerFinder, text: String, index: usize) -> Option<Part> {
        let messages = &finder.conversation.messages[..=index];
        let changed = finder.changed_by(&text, messages, index, with_content_of).ok()??;
        Some(Part { text, changed })
    }
}

/// A message with its content and its tool calls replaced.
fn with_content_of(mut message: Message, probe: &str) -> Message {
    if let Some(content) = message.content.as_mut().filter(|content| !content.trim().is_empty()) {
        *content = probe.to_owned();
    }
    with_tool_calls_of(message, probe)
}

/// A message with other names and arguments of its tool calls.
fn with_tool_calls_of(mut message: Message, probe: &str) -> Message {
    for call in message.extra.get_mut(TOOL_CALLS).and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(function) = function_of(call) {
            function.insert("name".into(), probe.into());
            match function.get_mut("arguments") {
                Some(Value::Object(arguments)) => arguments.values_mut().for_each(|value| *value = probe.into()),
                Some(other) => *other = probe.into(),
                None => {}
            }
        }
    }
    message
}

/// Bytes that both texts begin with, in whole characters.
fn common_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// Bytes that both texts end with, in whole characters.
fn common_suffix(a: &str, b: &str) -> usize {
    a.chars().rev().zip(b.chars().rev()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// Checks that tool calls change the text. A template without support for them writes an empty answer instead.
pub(super) fn check_tool_calls(
    template: &ChatTemplate,
    conversation: &Conversation,
    text: &str,
) -> Result<(), TemplateError> {
    if !conversation.messages.iter().any(|message| message.in_loss && message.has_tool_calls()) {
        return Ok(());
    }
    let replaced = |message: &Message| match message.in_loss {
        true => with_tool_calls_of(message.clone(), PROBES[0]),
        false => message.clone(),
    };
    let messages: Vec<Message> = conversation.messages.iter().map(replaced).collect();
    match template.render_messages(&messages, conversation, false) {
        Ok(other) if other == text => Err(TemplateError::ToolCallsNotWritten),
        _ => Ok(()),
    }
}
