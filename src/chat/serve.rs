//! The thread that loads a model and answers requests until the front end is gone.

use anyhow::Result;
use tch::Device;

use super::link::ChatPort;
use super::model::{ChatModel, LoadedChatModel};
use super::request::{ChatReply, ChatRequest};
use crate::hub::Hub;

/// Loads a model and answers requests.
///
/// # Errors
/// As [`ChatModel::load`]. A request that cannot be answered is a reply.
pub fn serve(port: &ChatPort, model: &ChatModel, hub: &Hub, device: Device) -> Result<()> {
    let memory = model.memory(hub, &|progress| port.progress(progress))?;
    port.reply(ChatReply::Memory { weights: memory.weights, kv_cache: memory.kv_cache });
    let mut loaded = model.load(None, hub, device, &|progress| port.progress(progress))?;
    port.reply(ChatReply::Loaded(model.describe(&loaded)));
    while let Some(request) = port.next_request() {
        let number = request.number;
        if let Err(error) = answer(port, &mut loaded, request) {
            port.reply(ChatReply::Failed { number, error: format!("{error:#}") });
        }
    }
    Ok(())
}

fn answer(port: &ChatPort, loaded: &mut LoadedChatModel, request: ChatRequest) -> Result<()> {
    let ChatRequest { number, weights, messages, settings } = request;
    let prompt = loaded.encode(&messages, settings.max_new_tokens)?;
    port.reply(ChatReply::Encoded { number, prompt_tokens: prompt.ids.len(), dropped: prompt.dropped });
    let completion = loaded.complete(&prompt.ids, weights, &settings, &mut |text, rate| {
        port.reply(ChatReply::Text { number, text: text.to_owned(), rate }) && port.is_wanted(number)
    })?;
    port.reply(ChatReply::Done { number, completion });
    Ok(())
}
