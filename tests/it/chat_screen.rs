//! The chat screen with a made-up model: what is drawn at every size, and what keys and commands do.

use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use finesift::chat::{ChatReply, ChatRequest, Completion, CompletionEnd, Loaded, Rate, Settings, Weights};
use finesift::protocol::Progress;
use finesift::ui::app::App;
use finesift::ui::chat::effect::ChatEffect;
use finesift::ui::draw;
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::screen::Screen;
use finesift::ui::theme::Depth;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::runs_screen::{look, presets};

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

const ANSWER: &str = "\nA verb is a word that names an action, an occurrence or a state of being:\n\n- action: run, 書く, write\n- \
                      occurrence: happen\n- state: be\n\n    for verb in verbs:\n        print(verb)\n\nIn many languages it is \
                      inflected for tense, aspect, mood and person.";

/// The application with a chat of a run.
struct Talk {
    app: App,
    size: (u16, u16),
}

impl Talk {
    /// A chat whose model is being loaded.
    fn opening(size: (u16, u16), ascii: bool) -> Talk {
        let mut app = App::at_home(look("dark", Depth::True, ascii), presets(), size.0, size.1);
        app.chat.open(app.chat.start_with("runs/demo-chat-20270101".into()));
        app.screen = Screen::Chat;
        Talk { app, size }
    }

    fn open(size: (u16, u16)) -> Talk {
        let mut talk = Talk::opening(size, false);
        talk.reply(loaded());
        talk
    }

    fn reply(&mut self, reply: ChatReply) -> Option<Effect> {
        self.app.update(Msg::Chat(reply))
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Option<Effect> {
        self.app.update(Msg::Input(UserInput::Key(KeyEvent::new(code, modifiers))))
    }

    fn key(&mut self, code: KeyCode) -> Option<Effect> {
        self.press(code, KeyModifiers::NONE)
    }

    fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            assert_eq!(self.key(KeyCode::Char(c)), None, "{c:?} is text");
        }
    }

    /// Types a line and presses enter.
    fn enter(&mut self, text: &str) -> Option<Effect> {
        self.type_in(text);
        self.key(KeyCode::Enter)
    }

    /// Sends a prompt. Returns its request.
    fn ask(&mut self, text: &str) -> ChatRequest {
        request(self.enter(text))
    }

    /// Answers a request with words, one token each. Returns what is asked next.
    fn answer(&mut self, request: &ChatRequest, text: &str, end: CompletionEnd) -> Option<Effect> {
        let number = request.number;
        self.reply(ChatReply::Encoded { number, prompt_tokens: 14, dropped: 0 });
        self.stream(number, text);
        let rate = Rate { tokens: 63, seconds: 2.0 };
        self.reply(ChatReply::Done { number, completion: Completion { text: text.into(), rate, end } })
    }

    fn stream(&mut self, number: u64, text: &str) {
        for (tokens, word) in text.split_inclusive(' ').enumerate() {
            let rate = Rate { tokens: tokens + 1, seconds: tokens as f64 / 31.0 };
            self.reply(ChatReply::Text { number, text: word.into(), rate });
        }
    }

    fn screen(&self) -> String {
        let (width, height) = self.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &self.app)).unwrap();
        let buffer = terminal.backend().buffer();
        let mut text = String::new();
        for y in 0..height {
            let mut x = 0;
            while x < width {
                let symbol = buffer[(x, y)].symbol();
                text += symbol;
                x += (unicode_width::UnicodeWidthStr::width(symbol) as u16).max(1);
            }
            text = text.trim_end().to_owned() + "\n";
        }
        text
    }
}

fn request(effect: Option<Effect>) -> ChatRequest {
    match effect {
        Some(Effect::Chat(ChatEffect::Generate { request, .. })) => request,
        effect => panic!("no request: {effect:?}"),
    }
}

fn loaded() -> ChatReply {
    ChatReply::Loaded(Loaded {
        model: "HuggingFaceTB/SmolLM2-135M-Instruct".into(),
        run: Some("runs/demo-chat-20270101".into()),
        step: Some(1250),
        max_length: 8192,
        conversations: true,
        warnings: Vec::new(),
    })
}

fn shots(name: &str, make: impl Fn((u16, u16)) -> Talk) {
    for size in SIZES {
        let talk = make(size);
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(format!("chat_{name}_{}x{}", size.0, size.1), talk.screen());
        });
    }
}

#[test]
fn a_chat_without_a_model_says_how_to_open_one() {
    shots("none", |size| {
        let mut app = App::at_home(look("dark", Depth::True, false), presets(), size.0, size.1);
        app.update(Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::F(5), KeyModifiers::NONE))));
        Talk { app, size }
    });
    // Without a model, letters are keys.
    let mut app = App::at_home(look("dark", Depth::True, false), presets(), 80, 24);
    for (key, screen) in [('C', Screen::Chat), ('R', Screen::Runs), ('C', Screen::Chat), ('H', Screen::Home)] {
        app.update(Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))));
        assert_eq!(app.screen, screen);
    }
}

#[test]
fn loading_names_its_memory_and_progress() {
    shots("loading", |size| {
        let mut talk = Talk::opening(size, false);
        talk.reply(ChatReply::Memory { weights: 538_000_000, kv_cache: 188_743_680 });
        talk.reply(ChatReply::Loading(Progress {
            task: "loading model.safetensors".into(),
            done: 43,
            total: 100,
            unit: "bytes".into(),
        }));
        // What is typed meanwhile stays.
        talk.type_in("What is a verb?");
        assert_eq!(talk.key(KeyCode::Enter), None);
        assert!(talk.screen().contains("still being loaded"));
        talk.type_in("!");
        talk
    });
}

#[test]
fn an_empty_chat_is_drawn() {
    shots("empty", Talk::open);
}

#[test]
fn an_answer_streams_while_the_next_prompt_is_typed() {
    shots("streaming", |size| {
        let mut talk = Talk::open(size);
        let request =
            talk.ask("What is a verb? Explain it to someone who has never heard of grammar, in a few short lines.");
        talk.reply(ChatReply::Encoded { number: request.number, prompt_tokens: 14, dropped: 0 });
        talk.stream(request.number, &ANSWER[..90]);
        talk.type_in("And a noum");
        talk.key(KeyCode::Backspace);
        talk.stream(request.number, &ANSWER[90..150]);
        talk.type_in("n?");
        talk.key(KeyCode::Left);
        talk
    });
}

#[test]
fn both_answers_are_shown_side_by_side_where_there_is_room() {
    shots("compared", |size| {
        let mut talk = Talk::open(size);
        assert_eq!(talk.enter("/base"), None);
        let tuned = talk.ask("What is a verb?");
        assert_eq!(tuned.weights, Weights::FineTuned);
        let base = request(talk.answer(&tuned, ANSWER, CompletionEnd::StopToken));
        assert_eq!((base.weights, &base.messages, &base.settings), (Weights::Base, &tuned.messages, &tuned.settings));
        let text = "Verb verb verb. What is a verb? A verb is a verb is a verb is a verb is a verb is a verb is";
        assert_eq!(talk.answer(&base, text, CompletionEnd::MaxNewTokens), None);
        talk
    });
}

#[test]
fn a_long_conversation_is_scrolled_back() {
    shots("scrolled", |size| {
        let mut talk = Talk::open(size);
        for number in 0..20 {
            let request = talk.ask(&format!("Question {number}?"));
            talk.answer(&request, ANSWER, CompletionEnd::StopToken);
        }
        (0..3).for_each(|_| drop(talk.key(KeyCode::PageUp)));
        talk
    });
}

#[test]
fn commands_are_completed() {
    shots("commands", |size| {
        let mut talk = Talk::open(size);
        talk.type_in("/");
        talk
    });
    let mut talk = Talk::open((80, 24));
    talk.type_in("/sy");
    talk.key(KeyCode::Tab);
    assert_eq!(talk.enter("Be brief."), None);
    let request = talk.ask("Hello");
    let messages: Vec<_> = request.messages.iter().map(|message| (&*message.role, message.text())).collect();
    assert_eq!(messages, [("system", "Be brief."), ("user", "Hello")]);
}

#[test]
fn settings_are_checked_before_they_are_used() {
    let mut talk = Talk::open((80, 24));
    for (typed, why) in [
        ("/temperature warm", "/temperature takes a number of 0 or more, such as 0.7; it is 0.7 now"),
        ("/temperature -1", "it is 0.7 now"),
        ("/temperature inf", "it is 0.7 now"),
        ("/tokens 0", "/tokens takes a whole number from 1 to 8,191; it is 256 now"),
        ("/tokens 8192", "it is 256 now"),
        ("/regenerate", "there is no answer to regenerate"),
        ("/base on", "/base takes no argument"),
        ("/systen x", "did you mean \"/system\"?"),
    ] {
        assert_eq!(talk.enter(typed), None);
        assert!(talk.screen().contains(why), "{typed}: {}", talk.screen());
        assert!(talk.screen().contains(&format!("│ {typed} ")), "{typed} can be mended");
        talk.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert!(!talk.screen().contains(why));
    }
    talk.enter("/temperature 0");
    talk.enter("/tokens 8");
    let settings = talk.ask("Hello").settings;
    assert_eq!((settings.temperature, settings.max_new_tokens), (0.0, 8));
}

#[test]
fn errors_are_shown_where_they_occur() {
    shots("errors", |size| {
        let mut talk = Talk::open(size);
        let request = talk.ask("A prompt that is far too long");
        let error = "the prompt has 9,000 tokens, which with 256 new tokens exceeds the model's 8,192 positions";
        talk.reply(ChatReply::Failed { number: request.number, error: error.into() });
        assert_eq!(talk.enter("/temprature 1"), None);
        talk
    });
    shots("closed", |size| {
        let mut talk = Talk::opening(size, false);
        talk.reply(ChatReply::Closed("runs/demo-chat-20270101: the run has no checkpoint".into()));
        talk
    });
}

#[test]
fn ascii_has_no_other_characters() {
    let mut talk = Talk::opening((120, 40), true);
    talk.reply(loaded());
    talk.enter("/base");
    let tuned = talk.ask("What is a verb?");
    let base = request(talk.answer(&tuned, "A word.", CompletionEnd::StopToken));
    talk.reply(ChatReply::Encoded { number: base.number, prompt_tokens: 14, dropped: 2 });
    talk.stream(base.number, "Verb verb verb");
    (0..9).for_each(|_| drop(talk.enter("/temperature 0.5")));
    talk.type_in("/");
    let screen = talk.screen();
    assert!(screen.is_ascii(), "{screen}");
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("chat_ascii", screen);
    });
}

#[test]
fn the_first_esc_stops_an_answer_and_the_next_one_leaves() {
    for code in [KeyCode::Esc, KeyCode::Char('c')] {
        let modifiers = if code == KeyCode::Esc { KeyModifiers::NONE } else { KeyModifiers::CONTROL };
        let mut talk = Talk::open((80, 24));
        let request = talk.ask("Hello");
        talk.stream(request.number, "One two");
        assert_eq!(talk.press(code, modifiers), Some(Effect::Chat(ChatEffect::Stop(request.number))));
        assert!(talk.screen().contains("stopping"), "not stopped before the model confirms it");
        talk.answer(&request, "One two", CompletionEnd::Stopped);
        assert!(talk.screen().contains("; stopped"));
        let effect = talk.press(code, modifiers);
        match code {
            KeyCode::Esc => assert_eq!(talk.app.screen, Screen::Runs),
            _ => assert_eq!(effect, Some(Effect::Leave)),
        }
        // What was answered is part of the conversation.
        if code == KeyCode::Esc {
            talk.app.screen = Screen::Chat;
            let request = talk.ask("Go on");
            assert_eq!(
                request.messages.iter().map(|message| message.text()).collect::<Vec<_>>(),
                ["Hello", "One two", "Go on"]
            );
        }
    }
}

#[test]
fn an_answer_of_another_request_is_not_mixed_in() {
    let mut talk = Talk::open((80, 24));
    let first = talk.ask("First");
    talk.stream(first.number, "A cleared answer");
    assert_eq!(talk.enter("/clear"), Some(Effect::Chat(ChatEffect::Stop(first.number))));
    talk.stream(first.number, " that still comes");
    assert!(!talk.screen().contains("still comes"));
    assert_eq!(talk.enter("Second"), None, "the first one is not confirmed to have ended");
    talk.answer(&first, "A cleared answer", CompletionEnd::Stopped);
    let second = request(talk.key(KeyCode::Enter));
    assert!(second.number > first.number);
    talk.stream(first.number, "stale");
    talk.answer(&second, "Fresh", CompletionEnd::StopToken);
    let screen = talk.screen();
    assert!(screen.contains("Fresh") && !screen.contains("stale") && !screen.contains("cleared"), "{screen}");
    // Regenerating asks for the same prompt with another seed.
    let again = request(talk.enter("/regenerate"));
    assert_eq!(again.messages, second.messages);
    assert_ne!(again.settings.seed, second.settings.seed);
}

#[test]
fn what_a_model_prints_is_harmless() {
    let mut talk = Talk::open((80, 24));
    let request = talk.ask("Hello");
    let text = "a\u{1b}[2J\u{7}\u{9b}31mb\r\nc\td\u{202e}e\0 日本語 e\u{301}";
    talk.answer(&request, text, CompletionEnd::StopToken);
    let screen = talk.screen();
    assert!(screen.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{screen:?}");
    assert!(screen.contains("a [2J  31mb") && screen.contains("c    de  日本語 e\u{301}"), "{screen}");
    // The model is given its own words, as it said them.
    assert_eq!(talk.ask("Go on").messages[1].text(), text);
}

#[test]
fn an_exchange_is_saved_once_it_is_whole() {
    let mut talk = Talk::open((80, 24));
    assert_eq!(talk.enter("/save"), None);
    assert!(talk.screen().contains("there is no answer to save"));
    talk.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    let mut request = talk.ask("Hello");
    for (end, why) in [(CompletionEnd::MaxNewTokens, "cut"), (CompletionEnd::Stopped, "not complete")] {
        talk.answer(&request, "Hi", end);
        request = refused_and_regenerated(&mut talk, why);
    }
    talk.answer(&request, "Hi there", CompletionEnd::StopToken);
    let saved = talk.enter("/save");
    let Some(Effect::Chat(ChatEffect::SaveExample { file, line })) = saved else { panic!("{saved:?}") };
    assert_eq!(file, Path::new("runs/demo-chat-20270101/examples.jsonl"));
    assert_eq!(line, r#"{"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi there"}]}"#);
    talk.app.update(Msg::ChatSaved(Ok("saved as an example in runs/x".into())));
    assert!(talk.screen().contains("saved as an example in runs/x"));
}

/// Fails to save, then regenerates the answer.
fn refused_and_regenerated(talk: &mut Talk, why: &str) -> ChatRequest {
    assert_eq!(talk.enter("/save"), None);
    assert!(talk.screen().contains(why), "{}", talk.screen());
    talk.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    request(talk.enter("/regenerate"))
}

#[test]
fn prompts_of_several_lines_are_edited_and_recalled() {
    let mut talk = Talk::open((80, 24));
    talk.app.update(Msg::ChatPrompts(vec!["older".into(), "old\nlines".into()]));
    talk.type_in("draft");
    talk.key(KeyCode::Up);
    assert!(talk.screen().contains("│ lines"), "{}", talk.screen());
    // Up moves within the text first.
    talk.key(KeyCode::Up);
    talk.key(KeyCode::Up);
    assert!(talk.screen().contains("│ older"));
    (0..3).for_each(|_| drop(talk.key(KeyCode::Down)));
    assert!(talk.screen().contains("│ draft"), "{}", talk.screen());
    talk.press(KeyCode::Enter, KeyModifiers::ALT);
    talk.app.update(Msg::Input(UserInput::Paste("pasted\r\ntext".into())));
    let effect = talk.key(KeyCode::Enter);
    let Some(Effect::Chat(ChatEffect::Generate { request, prompt })) = effect else { panic!("{effect:?}") };
    assert_eq!(request.messages[0].text(), "draft\npasted\ntext");
    assert_eq!(prompt.as_deref(), Some("draft\npasted\ntext"));
    assert_eq!(request.settings, Settings::default());
}

#[test]
fn a_run_that_trains_in_this_process_takes_the_memory() {
    let mut talk = Talk::open((80, 24));
    let request = talk.ask("Hello");
    talk.answer(&request, "Hi", CompletionEnd::StopToken);
    talk.app.update(Msg::Launched);
    talk.app.screen = Screen::Chat;
    assert!(talk.screen().contains("a run is training in this process"));
    assert_eq!(talk.enter("More"), None, "no second model beside the run's");
    assert!(talk.screen().contains("prompt it with g on the Monitor"));
    // When the run is over, the model is loaded again for the same conversation.
    let failed = finesift::protocol::Event::Failed { error: "x".into(), checkpoint: None };
    talk.app.update(Msg::Event(failed));
    assert_eq!(talk.key(KeyCode::Enter), Some(Effect::OpenChat("runs/demo-chat-20270101".into())));
    talk.reply(loaded());
    let Some(Effect::Chat(ChatEffect::Generate { request, .. })) = talk.key(KeyCode::Enter) else { panic!("not sent") };
    assert_eq!(request.messages.iter().map(|message| message.text()).collect::<Vec<_>>(), ["Hello", "Hi", "More"]);
}
