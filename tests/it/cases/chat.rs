//! Conversations and instructions as people have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use finesift::Usage;
use finesift::data::instruct::{InstructionFormat, InstructionSource, PromptEncoder, load};
use finesift::data::{HeldOut, ReadOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::byte_tokenizer;
use crate::place;

use InstructionFormat::{Alpaca, Messages, PromptCompletion, ShareGpt};

/// A model's folder with a chat template, and rows for it.
struct ChatCase {
    folder: TempDir,
    columns: BTreeMap<String, String>,
    max_bad_rows: f64,
    max_length: usize,
}

/// What comes out of a file of rows.
struct Outcome {
    /// Texts with the tokens of their loss masks in brackets, those of the training set first.
    texts: Vec<String>,
    understood: String,
    /// Without the path of the file.
    warnings: Vec<String>,
}

impl ChatCase {
    /// With the template of a kind in kinds.json.
    fn new(kind: &str) -> ChatCase {
        let case = ChatCase {
            folder: tempfile::tempdir().unwrap(),
            columns: BTreeMap::new(),
            max_bad_rows: 0.1,
            max_length: 10_000,
        };
        let kinds: Vec<Value> = serde_json::from_slice(&fs::read(fixture("chat/kinds.json")).unwrap()).unwrap();
        let kind = kinds.iter().find(|one| one["name"] == kind).unwrap();
        let strings = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let mut config = kind["tokens"].clone();
        config["chat_template"] = strings(&kind["template"]).join("\n").into();
        let special = strings(&kind["special"]);
        let special: Vec<&str> = special.iter().map(String::as_str).collect();
        byte_tokenizer::write(case.folder.path(), &special, &config, false);
        case
    }

    fn open(&self, format: InstructionFormat, rows: &[Value]) -> anyhow::Result<Outcome> {
        let file = self.folder.path().join("rows.jsonl");
        fs::write(&file, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
        self.open_file(format, &file)
    }

    fn open_file(&self, format: InstructionFormat, file: &Path) -> anyhow::Result<Outcome> {
        let encoder = PromptEncoder::open(self.folder.path(), format, self.max_length)?;
        let held_out = HeldOut::Fraction(0.4);
        let source =
            InstructionSource { format, columns: self.columns.clone(), train: vec![file.to_owned()], held_out };
        let dataset = load(&source, ReadOptions { seed: 1, max_bad_rows: self.max_bad_rows }, &|_| {})?;
        let encoded = dataset.encode(&encoder, &|_| {})?;
        let texts = encoded.train.iter().chain(&encoded.eval);
        let name = format!("{}: ", file.display());
        Ok(Outcome {
            texts: texts.map(|sequence| byte_tokenizer::marked(self.folder.path(), sequence)).collect(),
            understood: encoded.understood,
            warnings: encoded.warnings.iter().map(|warning| warning.replace(&name, "")).collect(),
        })
    }

    fn error(&self, format: InstructionFormat, rows: &[Value]) -> String {
        let error = self.open(format, rows).err().unwrap();
        assert!(error.is::<Usage>(), "{error}");
        error.to_string()
    }
}

/// So many good rows before the others, so that those are less than a tenth.
fn among(number: usize, good: impl Fn(usize) -> Value, others: &[Value]) -> Vec<Value> {
    (0..number).map(good).chain(others.iter().cloned()).collect()
}

fn alpaca(number: usize) -> Value {
    json!({"instruction": format!("Count to {number}."), "input": "", "output": format!("1 to {number}")})
}

fn chat(turns: &[(&str, &str)]) -> Value {
    json!({"messages": turns.iter().map(|(role, content)| json!({"role": role, "content": content})).collect::<Vec<_>>()})
}

fn sum(number: usize) -> Value {
    chat(&[("user", &format!("{number}+1?")), ("assistant", &format!("{}", number + 1))])
}

fn fixture(name: &str) -> PathBuf {
    place::fixture(name)
}

#[test]
fn empty_answers_are_left_out_and_numbers_are_texts() {
    let case = ChatCase::new("chatml");
    let empty = [json!({"instruction": "x", "output": ""}), json!({"instruction": "x", "input": null, "output": null})];
    let outcome = case.open(Alpaca, &among(20, alpaca, &empty)).unwrap();
    assert_eq!(outcome.texts.len(), 20);
    assert_eq!(outcome.warnings, ["2 rows skipped: the answer is empty (lines 21, 22)"]);
    assert_eq!(outcome.understood, "instructions: keys instruction, input, output; loss on completions");
    let scalars = [json!({"instruction": 2, "output": 4}), json!({"instruction": "True?", "output": true})];
    let outcome = case.open(Alpaca, &[scalars.clone(), scalars].concat()).unwrap();
    assert!(outcome.texts.iter().any(|text| text.contains("### Instruction:\n2\n") && text.ends_with("⟦4<|im_end|>⟧")));
    assert!(outcome.texts.iter().any(|text| text.ends_with("⟦true<|im_end|>⟧")), "{:?}", outcome.texts);
    // Whitespace and Alpaca's mark of no input are none.
    for input in [" \n", "<noinput>", "<NoInput>"] {
        let row = json!({"instruction": "a", "input": input, "output": "b"});
        let outcome = case.open(Alpaca, &[row.clone(), row]).unwrap();
        assert!(!outcome.texts[0].contains("### Input"), "{:?}", outcome.texts);
    }
}

#[test]
fn keys_have_the_names_that_people_give_them() {
    let case = ChatCase::new("chatml");
    for (format, row, understood) in [
        (
            PromptCompletion,
            json!({"prompt": "a", "response": "b"}),
            "prompts and completions: keys prompt, completion = response",
        ),
        (
            PromptCompletion,
            json!({"question": "a", "answer": "b", "id": 3}),
            "keys prompt = question, completion = answer; ignored keys: id",
        ),
        (
            Alpaca,
            json!({"question": "a", "context": "c", "response": "b"}),
            "keys instruction = question, input = context, output = response",
        ),
        (
            Messages,
            json!({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}),
            "keys messages = conversations, role = from, content = value, roles gpt → assistant (2), human → user (2)",
        ),
        (
            ShareGpt,
            json!({"conversations": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
            "keys conversations, from = role, value = content, roles assistant (2), user (2)",
        ),
        (
            ShareGpt,
            json!({"dialog": [{"from": "user", "value": "a"}, {"from": "bot", "value": "b"}]}),
            "key conversations = dialog, roles bot → assistant (2), user (2)",
        ),
    ] {
        let outcome = case.open(format, &[row.clone(), row]).unwrap();
        assert!(outcome.understood.contains(understood), "{}", outcome.understood);
        assert!(outcome.texts[0].contains("⟦b<|im_end|>⟧"), "{:?}", outcome.texts);
    }
}

#[test]
fn columns_can_be_named() {
    let mut case = ChatCase::new("chatml");
    let named =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, name)| ((*key).to_owned(), (*name).to_owned())).collect();
    case.columns = named(&[("instruction", "frage"), ("output", "antwort")]);
    let row = json!({"frage": "a", "antwort": "b", "instruction": "not this", "output": "nor that"});
    let outcome = case.open(Alpaca, &[row.clone(), row]).unwrap();
    assert!(outcome.texts[0].contains("### Instruction:\na\n") && outcome.texts[0].ends_with("⟦b<|im_end|>⟧"));
    assert!(
        outcome.understood.contains("keys instruction = frage, output = antwort; ignored keys: instruction, output")
    );
    // Also within messages, and an optional one that is in no row is not passed over in silence.
    case.columns = named(&[("role", "speaker"), ("content", "said")]);
    let row = json!({"messages": [{"speaker": "user", "said": "a"}, {"speaker": "assistant", "said": "b"}]});
    assert!(case.open(Messages, &[row.clone(), row]).unwrap().texts[0].contains("⟦b<|im_end|>⟧"));
    case.columns = named(&[("input", "kontext")]);
    let error = case.error(Alpaca, &[alpaca(1), alpaca(2)]);
    assert!(error.starts_with("data.columns: input is \"kontext\", but no row of "), "{error}");
}

#[test]
fn csv_files_are_instruction_data_too() {
    let mut case = ChatCase::new("chatml");
    let file = case.folder.path().join("rows.csv");
    let write = |text: &str| fs::write(&file, text).unwrap();
    write("instruction,input,output\nCount to 1,,1 to 1\n\"Count, to 2\",\"a\nb\",1 to 2\nCount to 3,,\n");
    case.max_bad_rows = 0.5;
    let outcome = case.open_file(Alpaca, &file).unwrap();
    assert!(outcome.texts.iter().any(|text| text.contains("### Instruction:\nCount, to 2\n\n### Input:\na\nb\n")));
    assert_eq!(outcome.warnings, ["1 row skipped: the answer is empty (line 5)"]);
    // Conversations are JSON text there.
    let turns = json!([{"from": "human", "value": "Hi, you"}, {"from": "gpt", "value": "Yo"}]).to_string();
    let cell = format!("\"{}\"", turns.replace('"', "\"\""));
    write(&format!("id,conversations\n1,{cell}\n2,{cell}\n3,hello\n4,\n"));
    let outcome = case.open_file(ShareGpt, &file).unwrap();
    assert!(outcome.texts[0].contains("⟦Yo<|im_end|>⟧"), "{:?}", outcome.texts);
    assert_eq!(
        outcome.warnings,
        [
            "1 row skipped: \"conversations\" is a text that is no JSON list, expected a list (line 4)",
            "1 row skipped: no messages (line 5)",
        ]
    );
    case.columns = [("prompt", "frage"), ("completion", "antwort")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    write("nr;frage;antwort\n1;2+2?;4\n2;3+3?;6\n");
    let outcome = case.open_file(PromptCompletion, &file).unwrap();
    assert_eq!(outcome.texts.len(), 2);
    let understood =
        "prompts and completions: keys prompt = frage, completion = antwort; ignored keys: nr; loss on completions";
    assert_eq!(outcome.understood, understood);
}

#[test]
fn prompts_and_completions_may_be_messages() {
    let case = ChatCase::new("chatml");
    let row = json!({
        "prompt": [{"role": "user", "content": "0?"}, {"role": "assistant", "content": "Pardon?"}, {"role": "user", "content": "0"}],
        "completion": [{"role": "assistant", "content": "0!"}],
    });
    let outcome = case.open(PromptCompletion, &[row.clone(), row]).unwrap();
    assert!(outcome.texts[0].contains("assistant\nPardon?<|im_end|>\n"), "{:?}", outcome.texts);
    assert!(outcome.texts[0].ends_with("⟦0!<|im_end|>⟧\n"), "{:?}", outcome.texts);
    // Without a chat template there is nothing to render them with.
    fs::write(case.folder.path().join("tokenizer_config.json"), r#"{"eos_token": "<|im_end|>"}"#).unwrap();
    let row = json!({"prompt": [{"role": "user", "content": "a"}], "completion": "b"});
    let error = case.error(PromptCompletion, &[row.clone(), row]);
    assert!(error.contains("no chat template"), "{error}");
}

#[test]
fn rows_without_an_answer_are_counted_and_many_are_refused() {
    let mut case = ChatCase::new("chatml");
    let odd = [
        chat(&[("user", "a"), ("user", "b"), ("assistant", "c")]),
        chat(&[("user", "a"), ("assistant", "b"), ("user", "c")]),
        chat(&[("system", "s")]),
        chat(&[]),
        json!({"messages": null}),
    ];
    let error = case.error(Messages, &among(12, sum, &odd));
    assert!(
        error.ends_with(
            "3 of 17 training rows cannot be used, more than data.max_bad_rows = 0.1 allows: no assistant \
             message: 1 row (line 15); no messages: 2 rows (lines 16, 17). Correct the rows, or set a larger data.max_bad_rows to train without them"
        ),
        "{error}"
    );
    case.max_bad_rows = 0.2;
    let outcome = case.open(Messages, &among(12, sum, &odd)).unwrap();
    assert_eq!(outcome.texts.len(), 14);
    assert_eq!(
        outcome.warnings,
        ["1 row skipped: no assistant message (line 15)", "2 rows skipped: no messages (lines 16, 17)"]
    );
}

#[test]
fn roles_are_read_in_any_case_and_the_assistant_may_begin() {
    let turns = |user: &str, assistant: &str| json!({"conversations": [{"from": user, "value": "Add."}, {"from": assistant, "value": "2"}]});
    let first = json!({"conversations": [{"from": "gpt", "value": "Hi"}, {"from": "human", "value": "?"}, {"from": "gpt", "value": "2"}]});
    for (user, assistant) in
        [("human", "bot"), ("Human", "GPT"), ("user", "model"), (" USER ", "ChatGPT"), ("prompter", "ai")]
    {
        let outcome =
            ChatCase::new("chatml").open(ShareGpt, &[turns(user, assistant), turns(user, assistant)]).unwrap();
        assert!(
            outcome.texts[0].contains("user\nAdd.") && outcome.texts[0].contains("⟦2<|im_end|>⟧"),
            "{:?}",
            outcome.texts
        );
        assert!(outcome.understood.contains(&format!("{assistant} → assistant (2)")), "{}", outcome.understood);
    }
    let rows = among(10, |_| turns("human", "gpt"), std::slice::from_ref(&first));
    // A template that accepts it trains on it, another one leaves it out.
    let outcome = ChatCase::new("chatml").open(ShareGpt, &rows).unwrap();
    assert!(outcome.texts.iter().any(|text| text.contains("⟦Hi<|im_end|>⟧")), "{:?}", outcome.texts);
    let outcome = ChatCase::new("gemma").open(ShareGpt, &rows).unwrap();
    assert_eq!(outcome.texts.len(), 10);
    let reason = "1 row skipped: the chat template rejects the messages: Conversation roles must alternate user/assistant/user/assistant/... (line 11)";
    assert_eq!(outcome.warnings, [reason]);
}

#[test]
fn other_roles_are_those_of_the_template() {
    let with = |role: &str| chat(&[(role, "Be brief."), ("user", "Hi"), ("assistant", "Yo")]);
    let case = ChatCase::new("phi");
    let outcome = case.open(Messages, &[with("developer"), with("Developer")]).unwrap();
    assert!(outcome.texts[0].starts_with("<|system|>\nBe brief.<|end|>"), "{:?}", outcome.texts);
    let outcome = case.open(Messages, &among(10, sum, &[with("alien")])).unwrap();
    assert_eq!(outcome.warnings, ["1 row skipped: unknown role \"alien\" (line 11)"]);
    let template = "{% for m in messages %}{{ '\n' if m.role == 'alien' }}{{ m.role }}:{{ m.content }}{% endfor %}";
    let config = json!({"eos_token": "<|end|>", "chat_template": template});
    fs::write(case.folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let outcome = case.open(Messages, &[with("alien"), with("alien")]).unwrap();
    assert!(outcome.texts[0].starts_with("\nalien:Be brief."), "{:?}", outcome.texts);
}

#[test]
fn reasoning_is_in_the_loss_as_the_template_writes_it() {
    let plain = chat(&[("user", "0+1?"), ("assistant", "1"), ("user", "Again?"), ("assistant", "2")]);
    let thinking = chat(&[
        ("user", "0+1?"),
        ("assistant", "<think>\nadd one\n</think>\n\n1"),
        ("user", "Again?"),
        ("assistant", "<think>\nadd two\n</think>\n\n2"),
    ]);
    for (kind, row, masks) in [
        ("qwen3", &plain, ["⟦1<|im_end|>⟧", "⟦<think>\n\n</think>\n\n2<|im_end|>⟧"]),
        ("qwen3", &thinking, ["⟦1<|im_end|>⟧", "⟦<think>\nadd two\n</think>\n\n2<|im_end|>⟧"]),
        ("r1", &plain, ["⟦1<｜end▁of▁sentence｜>⟧", "⟦2<｜end▁of▁sentence｜>⟧"]),
        ("r1", &thinking, ["⟦\n\n1<｜end▁of▁sentence｜>⟧", "⟦\n\n2<｜end▁of▁sentence｜>⟧"]),
    ] {
        let outcome = ChatCase::new(kind).open(Messages, &[row.clone(), row.clone()]).unwrap();
        let text = &outcome.texts[0];
        assert!(masks.iter().all(|mask| text.contains(mask)) && text.matches('⟦').count() == 2, "{kind}: {text}");
    }
}

#[test]
fn tool_calls_are_in_the_loss() {
    let call = json!({"type": "function", "function": {"name": "rain", "arguments": {"town": "Ulm"}}});
    let written = "<tool_call>\n{\"name\": \"rain\", \"arguments\": {\"town\": \"Ulm\"}}\n</tool_call><|im_end|>⟧";
    let case = ChatCase::new("qwen2.5");
    // Arguments as JSON text, OpenAI's former key, a call without a type, and one that is the text of a turn.
    let mut text = call.clone();
    text["function"]["arguments"] = "{\"town\": \"Ulm\"}".into();
    let function = call["function"].clone();
    let row = |answer: Value| json!({"messages": [{"role": "user", "content": "Rain?"}, answer]});
    for (answer, expected) in [
        (json!({"role": "assistant", "content": null, "tool_calls": [call]}), format!("⟦{written}")),
        (json!({"role": "assistant", "tool_calls": [text]}), format!("⟦{written}")),
        (
            json!({"role": "assistant", "content": "Let me look.", "tool_calls": [call]}),
            format!("⟦Let me look.\n{written}"),
        ),
        (json!({"role": "assistant", "content": null, "function_call": function}), format!("⟦{written}")),
        (json!({"role": "assistant", "tool_calls": [function]}), format!("⟦{written}")),
        (json!({"from": "function_call", "value": function.to_string()}), format!("⟦{written}")),
        (json!({"from": "function_call", "value": [function]}), format!("⟦{written}")),
        (json!({"role": "assistant", "content": "No.", "tool_calls": null}), "⟦No.<|im_end|>⟧".into()),
        (json!({"role": "assistant", "content": "No.", "tool_calls": []}), "⟦No.<|im_end|>⟧".into()),
    ] {
        let format = if answer.get("from").is_some() { ShareGpt } else { Messages };
        let outcome = case.open(format, &[row(answer.clone()), row(answer.clone())]).unwrap();
        assert!(outcome.texts[0].contains(&expected), "{answer}: {}", outcome.texts[0]);
    }
    // A template that writes none would have an empty answer.
    let rows = [row(json!({"role": "assistant", "content": "Look:", "tool_calls": [call]}))];
    let error = ChatCase::new("chatml").error(Messages, &[rows.clone(), rows].concat());
    assert!(
        error.contains("every row was skipped, the chat template does not write tool calls: 2 rows (lines 1, 2)"),
        "{error}"
    );
}

#[test]
fn results_of_tools_may_be_json() {
    let case = ChatCase::new("qwen2.5");
    for (content, written) in [
        (json!({"rain": false, "mm": 0.5}), "{\"rain\": false, \"mm\": 0.5}"),
        (json!([{"mm": 1}, 2]), "[{\"mm\": 1}, 2]"),
        (json!("dry"), "dry"),
        (json!([{"type": "text", "text": "dry"}]), "dry"),
        (json!(7), "7"),
    ] {
        let row = json!({"messages": [
            {"role": "user", "content": "Rain?"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "rain", "arguments": {}}}]},
            {"role": "tool", "content": content},
            {"role": "assistant", "content": "No."},
        ]});
        let outcome = case.open(Messages, &[row.clone(), row]).unwrap();
        let expected = format!("<tool_response>\n{written}\n</tool_response>");
        assert!(outcome.texts[0].contains(&expected), "{}", outcome.texts[0]);
    }
}

#[test]
fn what_a_template_does_not_write_is_a_warning() {
    let row = |system: &str| chat(&[("system", system), ("user", "Hi"), ("assistant", "Yo")]);
    let template = "{% for m in messages if m.role != 'system' %}{{ m.content | tojson }}{% endfor %}";
    let case = ChatCase::new("chatml");
    let outcome = case.open(Messages, &[row("Be brief."), row("Be brief.")]).unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new());
    let config = json!({"eos_token": "<|im_end|>", "chat_template": template});
    fs::write(case.folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let outcome = case.open(Messages, &[row("Be brief."), row("Be brief.")]).unwrap();
    let warning = "train: 1 conversation has a system prompt, which the chat template does not write";
    assert_eq!(outcome.warnings[0], warning);
    let call = json!({"function": {"name": "f", "arguments": {}}});
    let answer = json!({"role": "assistant", "content": "<think>\n</think>\nLet me look.", "tool_calls": [call]});
    let calls = json!({"messages": [{"role": "user", "content": "Rain?"}, answer]});
    let outcome = ChatCase::new("llama-3.1").open(Messages, &[calls.clone(), calls]).unwrap();
    let warning = "train: 1 conversation has content beside tool calls, which the chat template does not write";
    assert_eq!(outcome.warnings[0], warning);
    // Signs that are escaped do not hide it.
    let escaped = config.to_string().replace(" if m.role != 'system'", "");
    fs::write(case.folder.path().join("tokenizer_config.json"), escaped).unwrap();
    let outcome = case.open(Messages, &[row("Say \"briefly\"!\n"), row("\n")]).unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new());
}

#[test]
fn tools_are_passed_to_the_template() {
    let tool =
        json!({"name": "rain", "description": "Whether it rains.", "parameters": {"type": "object", "properties": {}}});
    let with = |tools: Value| {
        let mut row = sum(1);
        row["tools"] = tools;
        row
    };
    let written = "<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"rain\"";
    let case = ChatCase::new("qwen2.5");
    for tools in [json!([tool]), json!([tool]).to_string().into(), json!([{"type": "function", "function": tool}])] {
        let outcome = case.open(Messages, &[with(tools.clone()), with(tools)]).unwrap();
        assert!(outcome.texts[0].contains(written), "{}", outcome.texts[0]);
    }
    for none in [Value::Null, json!([]), json!(""), json!("[]")] {
        let outcome = case.open(Messages, &[with(none.clone()), with(none)]).unwrap();
        assert!(!outcome.texts[0].contains("<tools>"), "{}", outcome.texts[0]);
    }
    let outcome = ChatCase::new("chatml").open(Messages, &[with(json!([tool])), with(json!([tool]))]).unwrap();
    let warning = "train: 1 conversation has tools, which the chat template does not write";
    assert_eq!(outcome.warnings[0], warning);
}

#[test]
fn nulls_of_a_parquet_file_are_absent_keys() {
    for kind in ["llama-3.1", "qwen2.5", "qwen3"] {
        let case = ChatCase::new(kind);
        let lines = case.open_file(Messages, &fixture("cases/chat/tool_calls.jsonl")).unwrap();
        let parquet = case.open_file(Messages, &fixture("cases/chat/tool_calls.parquet")).unwrap();
        assert_eq!((lines.texts.len(), &lines.warnings), (3, &parquet.warnings));
        assert_eq!(parquet.texts, lines.texts);
    }
}

#[test]
fn messages_are_excluded_from_the_loss_by_the_flags_that_people_use() {
    let case = ChatCase::new("chatml");
    for (flag, off, on) in [
        ("weight", json!(0), json!(1)),
        ("weight", json!(0.0), json!(0.5)),
        ("train", json!(false), json!(true)),
        ("loss", json!(false), json!(true)),
        ("training", json!("false"), json!("true")),
    ] {
        let row = json!({"messages": [
            {"role": "user", "content": "a"}, {"role": "assistant", "content": "b", flag: off},
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", flag: on},
        ]});
        let outcome = case.open(Messages, &[row.clone(), row]).unwrap();
        assert!(outcome.texts[0].contains("assistant\nb<|im_end|>") && outcome.texts[0].contains("⟦d<|im_end|>⟧"));
    }
}

#[test]
fn long_prompts_are_left_out_and_truncation_is_counted() {
    let mut case = ChatCase::new("chatml");
    case.max_length = 100;
    let long = "x".repeat(90);
    let rows = among(
        20,
        sum,
        &[
            chat(&[("user", &long), ("assistant", "b")]),
            chat(&[("user", &long[..50]), ("assistant", &long[..60])]),
            chat(&[("user", &long[..70]), ("assistant", "b"), ("user", "c"), ("assistant", "d")]),
            chat(&[("user", &long[..60]), ("assistant", "b"), ("tool", &long[..20]), ("assistant", "d")]),
            chat(&[("user", "a"), ("assistant", "b"), ("tool", &long), ("assistant", "d")]),
            chat(&[("user", "a"), ("assistant", "b"), ("user", &long), ("assistant", "d")]),
        ],
    );
    let outcome = case.open(Messages, &rows).unwrap();
    assert_eq!(outcome.texts.len(), 25);
    let left_out = "1 row skipped: the prompt alone has 100 tokens or more, the limit of data.max_length (line 21)";
    assert_eq!(outcome.warnings[0], left_out);
    assert!(outcome.texts.iter().all(|text| text.contains("<|im_end|>⟧")), "{:?}", outcome.texts);
    let counted = outcome.warnings[1..].join("; ");
    for lost in ["lost the beginning of the prompt", "lost the oldest turns", "lost the last answers"] {
        assert!(counted.contains(lost), "{counted}");
    }
}

#[test]
fn templates_are_found_where_models_have_them() {
    let case = ChatCase::new("chatml");
    let path = |name: &str| case.folder.path().join(name);
    let write = |name: &str, template: &str| {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), format!("{template}{{% for m in messages %}}{{{{ m.content }}}};{{% endfor %}}"))
            .unwrap();
    };
    let config = |template: Value| {
        let config = json!({"eos_token": "<|im_end|>", "chat_template": template});
        fs::write(path("tokenizer_config.json"), config.to_string()).unwrap();
    };
    let begins = |rows: &[Value]| case.open(Messages, rows).unwrap().texts[0].chars().next().unwrap();
    let mut with_tools = sum(1);
    with_tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let (plain, tools) = ([sum(1), sum(2)], [with_tools.clone(), with_tools]);
    let body = "{% for m in messages %}{{ m.content }};{% endfor %}";
    fs::remove_file(path("tokenizer_config.json")).unwrap();
    fs::write(path("special_tokens_map.json"), r#"{"eos_token": "<|im_end|>"}"#).unwrap();
    fs::write(path("chat_template.json"), json!({"chat_template": format!("J{body}")}).to_string()).unwrap();
    assert_eq!((begins(&plain), begins(&tools)), ('J', 'J'));
    config(
        json!([{"name": "default", "template": format!("D{body}")}, {"name": "tool_use", "template": format!("T{body}")}]),
    );
    assert_eq!((begins(&plain), begins(&tools)), ('D', 'T'));
    write("additional_chat_templates/tool_use.jinja", "A");
    assert_eq!((begins(&plain), begins(&tools)), ('D', 'A'));
    write("chat_template.jinja", "F");
    assert_eq!((begins(&plain), begins(&tools)), ('F', 'A'));
}

#[test]
fn a_template_that_is_broken_for_every_row_is_one_error() {
    let case = ChatCase::new("chatml");
    let path = case.folder.path().join("chat_template.jinja");
    for (template, message) in [
        ("{% for m in messages %}{{ m.content }}", "chat_template.jinja: chat template: syntax error: "),
        ("{% for m in messages %}{{ m.content | upcase }}{% endfor %}", "chat template: filter upcase is unknown"),
        ("{{ messages is listlike }}", "chat template: test listlike is unknown"),
    ] {
        fs::write(&path, template).unwrap();
        let error = case.error(Messages, &among(10, sum, &[]));
        assert!(error.contains(message) && !error.contains("rows"), "{error}");
    }
    // What fails on the messages is counted by row.
    fs::write(&path, "{{ messages[0].content.nothing.more }}").unwrap();
    let error = case.error(Messages, &among(10, sum, &[]));
    assert!(error.contains("every row was skipped, the chat template fails: "), "{error}");
}

/// What a run, `plan` and Home say of rows that are left out.
#[cfg(feature = "torch")]
#[test]
fn a_run_says_how_rows_were_read_and_which_are_left_out() {
    let folder = crate::tiny::chat();
    let rows = among(40, sum, &[json!({"messages": []}), chat(&[("user", "a"), ("assistant", "")])]);
    let file = folder.path().join("chats.jsonl");
    fs::write(&file, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let preset = folder.path().join("chats.toml");
    let (model, runs) = (folder.path().join("model"), folder.path().join("runs"));
    let text = format!(
        "[model]\nid = {model:?}\n[data]\nformat = \"messages\"\npath = {file:?}\n[sift]\nrate = 0.05\nmodules = [\"q_proj\"]\n\
         [train]\nepochs = 1\nbatch = 8\nlearning_rate = 1e-3\nmax_steps = 2\n[keep]\nevery_minutes = 0\n"
    );
    fs::write(&preset, text).unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(place::program())
            .args(arguments)
            .args([preset.as_os_str(), "--device".as_ref(), "cpu".as_ref(), "--runs".as_ref(), runs.as_os_str()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let events = run(&["train", "--json"]);
    let logged: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has =
        |level: &str, message: &str| logged.iter().any(|event| event["level"] == level && event["message"] == message);
    let understood = "conversations: key messages, roles assistant (41), user (41); loss on assistant messages and their tool \
                      calls, mask from prefixes";
    let left_out = [
        format!("{}: 1 row skipped: no messages (line 41)", file.display()),
        format!("{}: 1 row skipped: the answer is empty (line 42)", file.display()),
    ];
    assert!(has("info", understood), "{events}");
    assert!(left_out.iter().all(|message| has("warning", message)), "{events}");
    let plan = run(&["plan"]);
    assert!(left_out.iter().all(|message| plan.contains(message)), "{plan}");
}
