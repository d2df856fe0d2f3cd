//! Loss masks of conversations under chat templates of ten kinds, each mask checked by eye.

use std::fs;
use std::sync::LazyLock;

use finesift::data::instruct::{self, InstructionFormat, PromptEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::byte_tokenizer;
use crate::place;

/// The fixture is made by hand: templates as models of ten families have them, and the text of each conversation with the
/// tokens of the loss mask in brackets, or the reason why it has none.
#[test]
fn masks_of_ten_kinds_of_templates_are_those_of_the_fixture() {
    let path = place::fixture("chat/kinds.json");
    let kinds: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(kinds.len(), 10);
    for kind in kinds {
        let model = ChatModel::new(&kind);
        for conversation in kind["conversations"].as_array().unwrap() {
            let expected = lines(&conversation["text"]);
            assert_eq!(model.masked(&conversation["row"]), expected, "{}: {}", kind["name"], conversation["what"]);
        }
    }
}

fn lines(list: &Value) -> String {
    list.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// A model's folder with a chat template.
struct ChatModel {
    folder: TempDir,
    encoder: PromptEncoder,
}

impl ChatModel {
    fn new(kind: &Value) -> ChatModel {
        let folder = tempfile::tempdir().unwrap();
        let mut config = kind["tokens"].clone();
        config["chat_template"] = lines(&kind["template"]).into();
        let special: Vec<&str> =
            kind["special"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
        byte_tokenizer::write(folder.path(), &special, &config, false);
        let encoder = PromptEncoder::open(folder.path(), InstructionFormat::Messages, 10_000).unwrap();
        ChatModel { folder, encoder }
    }

    /// The text of a row's tokens, with those that count in the loss in brackets; the reason why it is left out, if it is.
    fn masked(&self, row: &Value) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.jsonl");
        fs::write(&file, row.to_string()).unwrap();
        let (rows, warnings) = instruct::read(&file, InstructionFormat::Messages, &|_| {}).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let encoded = self.encoder.encode("train", &rows, &|_| {}).unwrap();
        match encoded.left_out.first() {
            Some((_, fault)) => fault.to_string(),
            None => byte_tokenizer::marked(self.folder.path(), &encoded.sequences[0]),
        }
    }
}

/// Templates in which brackets hold what is written of a message, up to the end of an answer.
const BRACKETED: [&str; 9] = [
    // The plain one.
    "{% for m in messages %}{{ '<|s|>' + m.role + '\n' }}⟨{{ m.content }}<|e|>⟩{{ '\n' }}{% endfor %}\
     {% if add_generation_prompt %}{{ '<|s|>assistant\n' }}{% endif %}",
    // Contents are trimmed, and the conversation ends with a token of its own.
    "{% for m in messages %}<|s|>{{ m.role }}<|h|>⟨{{ m.content | trim }}<|e|>⟩{% endfor %}\
     {% if add_generation_prompt %}<|s|>assistant<|h|>{% else %}{{ eos_token }}{% endif %}",
    // The system prompt is written with the last message of the user, and there is no generation prompt.
    "{% set users = messages | selectattr('role', 'equalto', 'user') | list %}{% for m in messages if m.role != 'system' %}\
     {% if m.role == 'user' %}<|s|>{% if messages[0].role == 'system' and m == users[-1] %}{{ messages[0].content }} {% endif %}\
     {{ m.content }}<|h|>{% else %}⟨{{ m.content }}<|e|>⟩{% endif %}{% endfor %}",
    // Reasoning is dropped, and the generation prompt begins it.
    "{% for m in messages %}<|s|>{{ m.role }}{{ '\n' }}⟨{{ m.content.split('</think>')[-1] }}<|e|>⟩{% endfor %}\
     {% if add_generation_prompt %}<|s|>assistant{{ '\n<think>\n' }}{% endif %}",
    // Reasoning stays in the last turn, where there is always some.
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}\
     {% endfor %}{% for m in messages %}{% set c = m.content.split('</think>')[-1].lstrip('\n') %}\
     {% set r = m.content.split('</think>')[0].split('<think>')[-1].strip('\n') if '</think>' in m.content else '' %}\
     {{ '<|s|>' + m.role + '\n' }}⟨{% if loop.index0 > ns.last %}{{ '<think>\n' + r + '\n</think>\n\n' }}{% endif %}{{ c }}<|e|>⟩\
     {% endfor %}{% if add_generation_prompt %}{{ '<|s|>assistant\n' }}{% endif %}",
    // Contents are escaped.
    "{% for m in messages %}<|s|>{{ m.role }}: ⟨{{ m.content | tojson(ensure_ascii=true) }}<|e|>⟩{% endfor %}\
     {% if add_generation_prompt %}<|s|>assistant: {% endif %}",
    // The generation prompt has more than what begins an answer in a conversation.
    "{% for m in messages %}<|s|>{{ m.role }} ⟨{{ m.content | e }}<|e|>⟩{% endfor %}\
     {% if add_generation_prompt %}<|s|>assistant <thought> {% endif %}",
    // With tool calls, and reasoning that is written in the last turn alone.
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}\
     {% endfor %}{% for m in messages %}{% set c = m.content or '' %}{% set r = c.split('</think>')[0].split('<think>')[-1] if \
     '</think>' in c else '' %}<|s|>{{ m.role }}<|h|>⟨{% if loop.index0 > ns.last %}{{ '<think>' + r + '</think>' }}{% endif %}\
     {{ c.split('</think>')[-1] | trim }}{% for c in m.tool_calls or [] %}{{ '\n<call>\n' }}{{ c.function.name }}: \
     {{ c.function.arguments | tojson }}{{ '\n</call>' }}{% endfor %}<|e|>⟩{{ '\n' }}{% endfor %}\
     {% if add_generation_prompt %}<|s|>assistant<|h|>{% endif %}",
    // With tool calls that end with a token of their own, a system prompt in the last turn, and no generation prompt.
    "{% set users = messages | selectattr('role', 'equalto', 'user') | list %}{% for m in messages if m.role != 'system' %}\
     {% if m.role == 'user' %}<|s|>{% if messages[0].role == 'system' and m == users[-1] %}{{ messages[0].content }} {% endif %}\
     {{ m.content }}<|h|>{% elif m.role == 'tool' %}<|s|>tool {{ m.content }}<|h|>{% else %}⟨{{ ' ' + (m.content or '') }}\
     {% for c in m.tool_calls or [] %}[{{ c.function | tojson }}]{% endfor %}{{ '<|c|>' if m.tool_calls else '<|e|>' }}⟩{% endif %}\
     {% endfor %}",
];

/// The first template that writes tool calls.
const WITH_CALLS: usize = 7;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The spans of generation blocks are known, and have to be found without the blocks too.
    #[test]
    fn masks_without_generation_blocks_are_those_with_them(
        number in 0..BRACKETED.len(),
        system in prop::option::of(content()),
        turns in prop::collection::vec((content(), prop::option::of(calls()), thought(), content()), 1..4),
        unanswered in prop::option::of(content()),
    ) {
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let mut messages: Vec<Value> = system.iter().map(|system| message("system", system)).collect();
        for (prompt, calls, thought, answer) in &turns {
            messages.push(message("user", prompt));
            if let Some(calls) = calls.as_ref().filter(|_| number >= WITH_CALLS) {
                messages.push(calls.clone());
                messages.push(message("tool", answer));
            }
            messages.push(message("assistant", &format!("{thought}{answer}")));
        }
        messages.extend(unanswered.iter().map(|prompt| message("user", prompt)));
        let row = json!({"messages": messages});
        let (plain, marked) = &MODELS[number];
        prop_assert_eq!(plain.masked(&row), marked.masked(&row));
    }
}

/// Models with each of the templates, without and with generation blocks.
static MODELS: LazyLock<Vec<(ChatModel, ChatModel)>> = LazyLock::new(|| {
    let model = |template: String| {
        let special = ["<|s|>", "<|h|>", "<|e|>", "<|c|>", "</s>"];
        ChatModel::new(&json!({"template": [template], "special": special, "tokens": {"eos_token": "</s>"}}))
    };
    let models = |template: &&str| {
        let (before, rest) = template.split_once('⟨').unwrap();
        let (answer, after) = rest.split_once('⟩').unwrap();
        let marked = format!(
            "{before}{{% if m.role == 'assistant' %}}{{% generation %}}{answer}{{% endgeneration %}}{{% else %}}{answer}\
             {{% endif %}}{after}"
        );
        (model(format!("{before}{answer}{after}")), model(marked))
    };
    BRACKETED.iter().map(models).collect()
});

fn content() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "Qprobe7z",
        "Jprobe3x",
        "assistant",
        "user\n",
        "<|e",
        "<th",
        "\n",
        " ",
        "Hi.",
        "über",
        "\"q\"",
        "&<b>",
        "\u{1f980}",
        "Q",
        "z",
    ]);
    let words = prop::collection::vec(word, 1..5).prop_map(|words| words.concat());
    words.prop_filter("only whitespace", |text| !text.trim().is_empty())
}

/// An assistant's message with one or two tool calls, with or without content.
fn calls() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["rain", "a", "add"]);
    let call = (name, prop::option::of(content())).prop_map(|(name, town)| {
        let arguments = town.map_or(json!({}), |town| json!({"town": town, "n": 1}));
        json!({"type": "function", "function": {"name": name, "arguments": arguments}})
    });
    let content = prop::option::of((thought(), content()).prop_map(|(thought, content)| thought + &content));
    (content, prop::collection::vec(call, 1..3))
        .prop_map(|(content, calls)| json!({"role": "assistant", "content": content, "tool_calls": calls}))
}

fn thought() -> impl Strategy<Value = String> {
    let thought = content().prop_map(|thought| format!("<think>\n{thought}\n</think>\n\n"));
    prop::option::of(thought).prop_map(Option::unwrap_or_default)
}
