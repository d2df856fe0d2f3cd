//! Data for language models: chat templates, loss masks, truncation, packing.

use std::fs;
use std::path::Path;

use finesift::Usage;
use finesift::data::instruct::{
    self, ChatTemplate, Conversation, InstructionDataset, InstructionExample, InstructionFormat, InstructionRow,
    InstructionSource, Message, PromptEncoder, TemplateError, load, pack,
};
use finesift::data::{BatchLabels, HeldOut, ReadOptions, Sequence, collate_sequences};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::byte_tokenizer::{BOS, EOS, marked, write};
use crate::place;

#[test]
fn chat_templates_render_as_in_transformers() {
    for fixture in templates() {
        let template = ChatTemplate::new(fixture["source"].as_str().unwrap(), tokens(&fixture)).unwrap();
        for conversation in fixture["conversations"].as_array().unwrap() {
            let messages = chat(messages(&conversation["messages"]));
            let name = &fixture["name"];
            assert_eq!(template.render(&messages, false).unwrap(), conversation["text"].as_str().unwrap(), "{name}");
            assert_eq!(template.render(&messages, true).unwrap(), conversation["prompt"].as_str().unwrap(), "{name}");
        }
    }
}

#[test]
fn tojson_matches_python() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let call = r#"{"name": "f", "arguments": {"b": [true, null, 1.5], "a": {}}}"#;
    let message = format!(r#"{{"role": "assistant", "content": "ü", "tool_calls": [{call}], "id": 3}}"#);
    fs::write(&file, format!(r#"{{"messages": [{message}]}}"#)).unwrap();
    let read = instruct::read(&file, InstructionFormat::Messages, &|_| {}).unwrap();
    let InstructionExample::Conversation(conversation) = &read.0[0].example else { panic!("{read:?}") };
    let lines = "{\n  \"role\": \"assistant\",\n  \"content\": \"ü\",\n  \"tool_calls\": [\n    {\n      \"name\": \"f\",\n      \
        \"arguments\": {\n        \"b\": [\n          true,\n          null,\n          1.5\n        ],\n        \"a\": {}\n      }\n    }\n  \
        ],\n  \"id\": 3\n}";
    let sorted = r#"{"content": "ü", "id": 3, "role": "assistant", "tool_calls": [{"arguments": {"a": {}, "b": [true, null, 1.5]}, "name": "f"}]}"#;
    for (options, expected) in [
        ("", message.clone()),
        ("indent=2", lines.to_owned()),
        ("ensure_ascii=true", message.replace('ü', "\\u00fc")),
        ("separators=(',', ':')", message.replace(' ', "")),
        ("sort_keys=true", sorted.to_owned()),
    ] {
        let template = ChatTemplate::new(&format!("{{{{ messages[0] | tojson({options}) }}}}"), Default::default());
        assert_eq!(template.unwrap().render(conversation, false).unwrap(), expected, "{options}");
    }
    let template = ChatTemplate::new("{{ messages[0] | tojson(width=2) }}", Default::default()).unwrap();
    let error = template.render(conversation, false).unwrap_err();
    assert!(error.to_string().contains("width"), "{error}");
}

#[test]
fn tokenizer_json_decides_whether_bos_is_prepended() {
    for (in_file, in_config) in [(true, json!(false)), (true, Value::Null), (false, json!(true)), (false, Value::Null)]
    {
        let config =
            json!({"bos_token": BOS, "eos_token": EOS, "add_bos_token": in_config, "added_tokens_decoder": {}});
        let folder = model_folder(&[BOS, EOS], &config, in_file);
        // Ignored beside `added_tokens_decoder`.
        fs::write(folder.path().join("special_tokens_map.json"), r#"{"eos_token": "a", "bos_token": "b"}"#).unwrap();
        let encoder = PromptEncoder::open(folder.path(), InstructionFormat::Text, 100).unwrap();
        let ids = encoder.prompt_ids(&[Message::plain("user", "hi".into())]).unwrap();
        let text = [i64::from(b'h'), i64::from(b'i')];
        assert_eq!(ids, if in_file { [&[256][..], &text].concat() } else { text.to_vec() });
        assert_eq!(encoder.stop_ids(), [257]);
    }
}

#[test]
fn the_loss_mask_of_a_conversation_has_the_assistants_turns_and_their_ends() {
    let tail = |end: &str, last: &str| format!("Ünïcödé 🦀\nand lines{end}|{last}No.{end}");
    for (name, expected) in [
        ("smollm2", tail("<|im_end|>", "")),
        ("qwen2.5", tail("<|im_end|>", "")),
        ("llama3", tail("<|eot_id|>", "")),
        ("mistral", tail("</s>", "")),
        // What the template puts between the generation prompt and the content counts in the loss.
        ("thinking", tail("<|im_end|>", "<think>\n\n</think>\n\n")),
        // The line break after EOS is in the generation block.
        ("marked", tail("</s>\n", "")),
    ] {
        let fixture = templates().into_iter().find(|fixture| fixture["name"] == name).unwrap();
        let folder = folder_of(&fixture);
        let conversation = &fixture["conversations"][2];
        let (sequence, text) = one(
            &folder,
            InstructionFormat::Messages,
            InstructionExample::Conversation(chat(messages(&conversation["messages"]))),
        );
        assert_eq!(text, conversation["text"].as_str().unwrap(), "{name}");
        assert_eq!(loss_text(&folder, &sequence), expected, "{name}");
    }
}

#[test]
fn every_format_is_read_with_its_completions_in_the_loss_mask() {
    let input = "Below is an instruction that describes a task, paired with an input that provides further context. Write \
                 a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:";
    let none = "Below is an instruction that describes a task. Write a response that appropriately completes the \
                request.\n\n### Instruction:\nSay hi.\n\n### Response:";
    let chat = "<|user|>Hi<|assistant|>Hey</s><|user|>Bye<|assistant|>So long</s>";
    let turns = json!([["human", "Hi"], ["gpt", "Hey"], ["human", "Bye"], ["gpt", "So long"]]);
    let turns = |key: &str, value: &str, roles: fn(&str) -> &str| -> Value {
        let turn = |turn: &Value| json!({key: roles(turn[0].as_str().unwrap()), value: turn[1]});
        turns.as_array().unwrap().iter().map(turn).collect()
    };
    let openai = turns("role", "content", |role| if role == "gpt" { "assistant" } else { "user" });
    let mut unweighted = openai.clone();
    unweighted[1]["weight"] = 0.into();
    let mut parts = openai.clone();
    parts[3]["content"] = json!([{"type": "text", "text": "So "}, {"type": "text", "text": "long"}]);
    use InstructionFormat::{Alpaca, Messages, PromptCompletion, ShareGpt, Text};
    for (format, row, text, expected) in [
        (Alpaca, json!({"instruction": "Add.", "input": "1 2", "output": "3"}), format!("{BOS}{input}3{EOS}"), "3</s>"),
        (
            Alpaca,
            json!({"instruction": "Say hi.", "input": "", "output": "Hi"}),
            format!("{BOS}{none}Hi{EOS}"),
            "Hi</s>",
        ),
        (Alpaca, json!({"instruction": "Say hi.", "output": "Ünï\n"}), format!("{BOS}{none}Ünï\n{EOS}"), "Ünï\n</s>"),
        (Messages, json!({"messages": openai}), chat.into(), "Hey</s>|So long</s>"),
        (Messages, json!({"messages": unweighted}), chat.into(), "So long</s>"),
        (Messages, json!({"messages": parts}), chat.into(), "Hey</s>|So long</s>"),
        (ShareGpt, json!({"conversations": turns("from", "value", |role| role)}), chat.into(), "Hey</s>|So long</s>"),
        (
            ShareGpt,
            json!({"system": "Be.", "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hey"}]}),
            "<|system|>Be.<|user|>Hi<|assistant|>Hey</s>".into(),
            "Hey</s>",
        ),
        (PromptCompletion, json!({"prompt": "1+1=", "completion": "2"}), format!("{BOS}1+1=2{EOS}"), "2</s>"),
        // BOS occurs once, even if the prompt has it.
        (PromptCompletion, json!({"prompt": "<s>a", "completion": " b"}), format!("{BOS}a b{EOS}"), " b</s>"),
        (PromptCompletion, json!({"prompt": "", "completion": "b"}), format!("{BOS}b{EOS}"), "b</s>"),
        (Text, json!({"text": "plain"}), format!("{BOS}plain{EOS}"), "plain</s>"),
    ] {
        let folder = folder();
        let file = folder.path().join("rows.jsonl");
        fs::write(&file, format!("{row}\n{row}\n")).unwrap();
        let read = read(&file, format).unwrap();
        let (sequence, got) = one(&folder, format, read.train[0].example.clone());
        assert_eq!(got, text, "{row}");
        assert_eq!(loss_text(&folder, &sequence), expected, "{row}");
        // An array in a .json file is the same as lines.
        let list = folder.path().join("rows.json");
        fs::write(&list, format!("\u{feff} [{row},\n{row}]")).unwrap();
        let from_list = self::read(&list, format).unwrap();
        assert_eq!(from_list.train[0].example, read.train[0].example);
        assert_eq!(from_list.eval[0].example, read.eval[0].example);
    }
}

/// The fixture is made by hand: rows, and their texts with the tokens of the loss mask in brackets.
#[test]
fn twenty_examples_of_each_format_have_the_loss_masks_of_the_fixture() {
    let path = place::fixture("chat/loss_mask.json");
    let fixture: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let templates = templates();
    let expanded = |text: &str| {
        let prompt = |name: &str| fixture[name].as_str().unwrap();
        text.replace("$none", prompt("$none")).replace("$input", prompt("$input"))
    };
    for (name, format) in InstructionFormat::NAMES {
        let cases = fixture[name].as_array().unwrap();
        assert_eq!(cases.len(), 20, "{name}");
        for case in cases {
            let template = case["template"].as_str();
            let folder = template.map_or_else(folder, |template| {
                folder_of(templates.iter().find(|fixture| fixture["name"] == template).unwrap())
            });
            let file = folder.path().join("rows.jsonl");
            fs::write(&file, case["row"].to_string()).unwrap();
            let (examples, _) = instruct::read(&file, format, &|_| {}).unwrap();
            let max_length = case["max"].as_u64().unwrap_or(10_000) as usize;
            let encoded =
                PromptEncoder::open(folder.path(), format, max_length).unwrap().encode("train", &examples, &|_| {});
            let got: Vec<String> = encoded.unwrap().sequences.iter().map(|one| marked(folder.path(), one)).collect();
            let expected: Vec<String> = match &case["text"] {
                Value::String(text) => vec![expanded(text)],
                Value::Array(parts) => parts.iter().map(|part| expanded(part.as_str().unwrap())).collect(),
                _ => Vec::new(),
            };
            assert_eq!(got, expected, "{name}: {case}");
        }
    }
}

#[test]
fn lists_of_messages_are_read_from_parquet() {
    let file = place::fixture("chat/messages.parquet");
    let read = read(&file, InstructionFormat::Messages).unwrap();
    let conversation = |question: &str, answer: &str| {
        InstructionExample::Conversation(chat(vec![
            Message::plain("user", question.into()),
            Message::plain("assistant", answer.into()),
        ]))
    };
    let both: Vec<_> = [read.train, read.eval].concat().into_iter().map(|row| row.example).collect();
    assert!(both.contains(&conversation("Hi", "Hello!")) && both.contains(&conversation("2+2?", "4")), "{both:?}");
    let error = self::read(&file, InstructionFormat::Alpaca).err().unwrap();
    assert!(
        error.to_string().contains("every row was skipped, no key \"instruction\"; the keys are messages, n"),
        "{error}"
    );
}

#[test]
fn malformed_rows_are_left_out_with_their_reason() {
    use InstructionFormat::{Alpaca, Messages, PromptCompletion, ShareGpt, Text};
    let messages = |rows: Value| json!({"messages": rows});
    let answer = |fields: Value| {
        let mut answer = json!({"role": "assistant"});
        answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        messages(json!([{"role": "user", "content": "a"}, answer]))
    };
    for (format, row, reason) in [
        (Alpaca, json!({"instruction": "a"}), "no key \"output\"; the keys are "),
        (Alpaca, json!({"instruction": "a", "x": 1}), "no key \"output\"; the keys are x"),
        (Alpaca, json!({"instruction": {"a": 1}, "output": "b"}), "\"instruction\" is an object, expected a text"),
        (Alpaca, json!({"instruction": "a", "output": null}), "the answer is empty"),
        (PromptCompletion, json!({"prompt": "a", "response": " \n"}), "the answer is empty"),
        (Messages, messages(json!(3)), "\"messages\" is a number, expected a list"),
        (Messages, messages(json!("hello")), "\"messages\" is a text that is no JSON list, expected a list"),
        (Messages, messages(Value::Null), "no messages"),
        (Messages, messages(json!([])), "no messages"),
        (Messages, messages(json!(["a"])), "\"message\" is no object, expected an object"),
        (Messages, messages(json!([{"content": "a"}])), "no key \"role\"; the keys are content"),
        (Messages, messages(json!([{"role": "user", "content": "a"}])), "no assistant message"),
        (Messages, answer(json!({"content": ""})), "the answer is empty"),
        (Messages, answer(json!({"content": "b", "weight": 0})), "every assistant message is excluded from the loss"),
        (
            Messages,
            answer(json!({"content": [{"type": "image_url"}]})),
            "a message has a part of type \"image_url\"; only text parts are supported",
        ),
        (Messages, answer(json!({"tool_calls": [{"function": {}}]})), "malformed tool calls: a call has no name"),
        (Messages, answer(json!({"tool_calls": ["f"]})), "malformed tool calls: a call is not an object"),
        (Messages, answer(json!({"tool_calls": {"name": "f"}})), "\"tool_calls\" is an object, expected a list"),
        (
            ShareGpt,
            json!({"conversations": [{"from": "function_call", "value": "f(x)"}]}),
            "malformed tool calls: the text is not a JSON object with name and arguments",
        ),
        (Text, json!({"txt": "a"}), "no key \"text\"; the keys are txt"),
        (Text, json!({"text": ""}), "the answer is empty"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.jsonl");
        fs::write(&file, format!("{row}\n")).unwrap();
        let (rows, warnings) = instruct::read(&file, format, &|_| {}).unwrap();
        assert!(rows.is_empty(), "{row}");
        assert_eq!(warnings, [format!("{}: 1 row skipped: {reason} (line 1)", file.display())]);
        let error = read(&file, format).err().unwrap();
        assert!(error.is::<Usage>() && error.to_string().contains(reason), "{row}: {error}");
    }
}

#[test]
fn broken_files_and_folders_are_errors() {
    let folder = folder();
    for (format, text, message) in [
        (
            InstructionFormat::Alpaca,
            "[{\"instruction\": \"a\", \"output\": \"b\"}, 7]",
            "rows.json:1:39: expected a JSON object, found integer `7`",
        ),
        (
            InstructionFormat::Alpaca,
            "[{\"instruction\": \"a\"",
            "rows.json:1:21: the file ends within an object; is it complete?",
        ),
        (InstructionFormat::Alpaca, "", "rows.json: no training examples"),
    ] {
        let file = folder.path().join("rows.json");
        fs::write(&file, text).unwrap();
        let error = read(&file, format).err().unwrap();
        assert!(error.is::<Usage>() && error.to_string().contains(message), "{text}: {error}");
    }
    fs::write(folder.path().join("tokenizer_config.json"), "{\"eos_token\": \"</s>\"}").unwrap();
    let error = PromptEncoder::open(folder.path(), InstructionFormat::Messages, 100).err().unwrap();
    assert!(error.is::<Usage>() && error.to_string().contains("no chat template"), "{error}");
    let named = r#"{"eos_token": "</s>", "chat_template": [{"name": "tool_use", "template": ""}, {"name": "rag", "template": ""}]}"#;
    fs::write(folder.path().join("tokenizer_config.json"), named).unwrap();
    let error = PromptEncoder::open(folder.path(), InstructionFormat::Messages, 100).err().unwrap();
    assert!(
        error.is::<Usage>() && error.to_string().contains("none of the chat templates tool_use, rag is named default"),
        "{error}"
    );
    fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    let error = PromptEncoder::open(folder.path(), InstructionFormat::Alpaca, 100).err().unwrap();
    assert!(error.is::<Usage>() && error.to_string().contains("unknown EOS token"), "{error}");
    fs::write(folder.path().join("special_tokens_map.json"), r#"{"eos_token": {"content": "</s>"}}"#).unwrap();
    let encoder = PromptEncoder::open(folder.path(), InstructionFormat::Alpaca, 100).unwrap();
    assert_eq!(encoder.stop_ids(), [257]);
}

#[test]
fn rows_without_a_completion_are_skipped_and_counted() {
    let folder = folder();
    let file = folder.path().join("rows.jsonl");
    let row = |output: &str| json!({"instruction": "a", "output": output}).to_string();
    fs::write(&file, [row("b"), row(""), row(" \n"), row("c")].join("\n")).unwrap();
    let read = read(&file, InstructionFormat::Alpaca).unwrap();
    assert_eq!(read.train.len() + read.eval.len(), 2);
    assert!(
        read.warnings()[0].ends_with("rows.jsonl: 2 rows skipped: the answer is empty (lines 2, 3)"),
        "{:?}",
        read.warnings()
    );
}

#[test]
fn truncation_keeps_the_completion() {
    let folder = folder();
    let prompted = |prompt: &str, completion: &str| InstructionExample::PromptCompletion {
        prompt: prompt.into(),
        completion: completion.into(),
    };
    let truncated = |max_length: usize, example: InstructionExample| {
        let format = if matches!(example, InstructionExample::Conversation(_)) {
            InstructionFormat::Messages
        } else {
            InstructionFormat::Alpaca
        };
        let encoder = PromptEncoder::open(folder.path(), format, max_length).unwrap();
        let encoded = encoder.encode("train", &[row(example)], &|_| {}).unwrap();
        assert_eq!((encoded.truncated.values().sum::<usize>(), encoded.sequences.len()), (1, 1));
        let sequence = encoded.sequences[0].clone();
        assert!(sequence.ids.len() <= max_length && !sequence.loss_mask[0]);
        (text(&folder, &sequence.ids), loss_text(&folder, &sequence))
    };
    // A prompt loses its beginning, but not BOS.
    assert_eq!(truncated(12, prompted("0123456789", "abcd")), ("<s>456789abcd</s>".into(), "abcd</s>".into()));
    assert_eq!(truncated(6, prompted("0123", "abcd")), ("3abcd</s>".into(), "abcd</s>".into()));
    // A completion that is too long on its own loses its end, EOS included.
    assert_eq!(truncated(8, prompted("012345", "abcdefghijk")), ("<s>5abcdef".into(), "abcdef".into()));
    // A conversation loses its oldest turns.
    let chat = |turns: &[(&str, &str)]| {
        let messages = turns.iter().map(|(role, content)| Message::plain(role, (*content).to_owned()));
        InstructionExample::Conversation(chat(messages.collect()))
    };
    let turns = [("system", "S"), ("user", "12345678"), ("assistant", "a"), ("user", "9"), ("assistant", "b")];
    assert_eq!(truncated(10, chat(&turns)), ("<|system|>S<|user|>9<|assistant|>b</s>".into(), "b</s>".into()));
}

#[test]
fn a_long_text_is_split_into_windows_with_every_token_in_the_loss_once() {
    let folder = folder();
    let encoder = PromptEncoder::open(folder.path(), InstructionFormat::Text, 5).unwrap();
    let encoded = encoder.encode("train", &[row(InstructionExample::Text("abcdefghij".into()))], &|_| {}).unwrap();
    let texts: Vec<String> = encoded.sequences.iter().map(|sequence| text(&folder, &sequence.ids)).collect();
    assert_eq!(texts, ["<s>abcd", "defgh", "hij</s>"]);
    let loss_texts: Vec<String> = encoded.sequences.iter().map(|sequence| loss_text(&folder, sequence)).collect();
    assert_eq!(loss_texts, ["abcd", "efgh", "ij</s>"]);
}

#[test]
fn labels_do_not_depend_on_the_padding_id() {
    let sequence = |ids: &[u32], from: usize| Sequence {
        ids: ids.to_vec(),
        loss_mask: (0..ids.len()).map(|index| index >= from).collect(),
        starts: vec![0],
    };
    // 2 is EOS and the padding id.
    let sequences = [sequence(&[1, 7, 2, 8, 2], 3), sequence(&[1, 2, 2], 1)];
    let batch = collate_sequences(&sequences, &[0, 1], 2);
    assert_eq!(batch.input_ids, [1, 7, 2, 8, 2, 1, 2, 2, 2, 2]);
    assert_eq!(batch.sequence_ids, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(batch.labels, BatchLabels::Tokens { positions: vec![2, 3, 5, 6], labels: vec![8, 2, 2, 2] });
    // In a packed row no token predicts the first token of the second example.
    let packed = pack(sequences.to_vec(), 10);
    let batch = collate_sequences(&packed, &[0], 0);
    assert_eq!(batch.sequence_ids, [1, 1, 1, 1, 1, 2, 2, 2]);
    assert_eq!(batch.position_ids.unwrap(), [0, 1, 2, 3, 4, 0, 1, 2]);
    assert_eq!(batch.labels, BatchLabels::Tokens { positions: vec![2, 3, 5, 6], labels: vec![8, 2, 2, 2] });
}

#[test]
fn a_template_that_takes_too_many_steps_is_an_error() {
    let source = "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}";
    let template = ChatTemplate::new(source, serde_json::Map::new()).unwrap();
    let error = template.render(&Conversation::default(), false).unwrap_err();
    assert!(matches!(error, TemplateError::Failed(_)), "{error}");
    let alternate = &templates()[3];
    let template = ChatTemplate::new(alternate["source"].as_str().unwrap(), tokens(alternate)).unwrap();
    let error = template.render(&chat(vec![Message::plain("assistant", "a".into())]), false).unwrap_err();
    assert!(error.to_string().contains("Conversation roles must alternate"), "{error}");
}

fn chat(messages: Vec<Message>) -> Conversation {
    Conversation { messages, tools: None }
}

fn row(example: InstructionExample) -> InstructionRow {
    InstructionRow { example, file: Path::new("rows.jsonl").into(), line: 1 }
}

fn templates() -> Vec<Value> {
    let path = place::fixture("chat/templates.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn tokens(fixture: &Value) -> serde_json::Map<String, Value> {
    fixture["tokens"].as_object().unwrap().clone()
}

fn messages(list: &Value) -> Vec<Message> {
    let message = |message: &Value| {
        let mut extra = message.as_object().unwrap().clone();
        let mut text = |key: &str| extra.remove(key).unwrap().as_str().unwrap().to_owned();
        let (role, content) = (text("role"), text("content"));
        Message { extra, ..Message::plain(&role, content) }
    };
    list.as_array().unwrap().iter().map(message).collect()
}

fn read(file: &Path, format: InstructionFormat) -> anyhow::Result<InstructionDataset> {
    let source = InstructionSource {
        format,
        columns: Default::default(),
        train: vec![file.to_owned()],
        held_out: HeldOut::Fraction(0.5),
    };
    load(&source, ReadOptions { seed: 1, max_bad_rows: 1.0 }, &|_| {})
}

/// The only sequence of an example, and its text.
fn one(folder: &TempDir, format: InstructionFormat, example: InstructionExample) -> (Sequence, String) {
    let encoder = PromptEncoder::open(folder.path(), format, 10_000).unwrap();
    let mut encoded = encoder.encode("train", &[row(example)], &|_| {}).unwrap();
    assert_eq!((encoded.sequences.len(), encoded.truncated.len(), encoded.left_out), (1, 0, vec![]));
    let sequence = encoded.sequences.remove(0);
    let text = text(folder, &sequence.ids);
    (sequence, text)
}

/// The text of the loss mask, its parts joined by `|`.
fn loss_text(folder: &TempDir, sequence: &Sequence) -> String {
    let tokens: Vec<(u32, bool)> = sequence.ids.iter().copied().zip(sequence.loss_mask.iter().copied()).collect();
    let parts = tokens.chunk_by(|a, b| a.1 == b.1).filter(|part| part[0].1);
    parts.map(|part| text(folder, &part.iter().map(|token| token.0).collect::<Vec<_>>())).collect::<Vec<_>>().join("|")
}

fn text(folder: &TempDir, ids: &[u32]) -> String {
    let tokenizer = tokenizers::Tokenizer::from_file(folder.path().join("tokenizer.json")).unwrap();
    tokenizer.decode(ids, false).unwrap()
}

/// A tokenizer that prepends BOS, with a chat template without BOS.
fn folder() -> TempDir {
    let template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}\
                    {% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
    let special = [BOS, EOS, "<|system|>", "<|user|>", "<|assistant|>"];
    let config = json!({"bos_token": {"content": BOS}, "eos_token": EOS, "chat_template": template});
    model_folder(&special, &config, true)
}

fn folder_of(fixture: &Value) -> TempDir {
    let mut config = fixture["tokens"].clone();
    config["chat_template"] = fixture["source"].clone();
    let special: Vec<&str> =
        fixture["special"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    model_folder(&special, &config, false)
}

fn model_folder(special: &[&str], config: &Value, adds_bos: bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), special, config, adds_bos);
    folder
}
