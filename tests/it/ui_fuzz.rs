//! Random keys, clicks, texts, sizes and events: the screens neither panic nor reach a state without meaning.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossterm::event::{
    Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use finesift::analysis::{AnalysisUpdate, Plot, Report};
use finesift::chat::{ChatReply, Completion, CompletionEnd, Loaded, Rate};
use finesift::export::{ChangedBiases, ExportFormat, ExportRequest};
use finesift::protocol::{Event, Progress, RankSample, Ranks};
use finesift::runs::{History, Lister, RunEntry};
use finesift::sweep::{RunProgress, RunStatus, SweepPlan, Update};
use finesift::ui::app::App;
use finesift::ui::chat::effect::ChatEffect;
use finesift::ui::comparison::{ComparisonUpdate, RunCurves};
use finesift::ui::draw;
use finesift::ui::graphics::{Pictures, PixelSize, Placements, Protocol};
use finesift::ui::input::UserInput;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::Files;
use finesift::ui::screen::Screen;
use finesift::ui::start_request::{ActiveRuns, StartRequest};
use finesift::ui::sweep::SweepScreen;
use finesift::ui::theme::Depth;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ratatui::backend::TestBackend;
use ratatui::{Frame, Terminal};

use crate::analysis_screen;
use crate::queue_screen::entries;
use crate::runs_screen::{SampleRuns, demo_events, look, presets};
use crate::sweep_screen;

const PROTOCOLS: [Protocol; 3] = [Protocol::Kitty, Protocol::Iterm2, Protocol::Sixel];

const MESSAGES: usize = 100_000;

/// Messages between two frames. A frame takes some hundred times as long as a message.
const PER_FRAME: usize = 40;

/// Sizes of a terminal, odd ones among them.
const SIZES: [(u16, u16); 12] = [
    (0, 0),
    (1, 1),
    (0, 9),
    (500, 0),
    (59, 16),
    (60, 15),
    (60, 16),
    (80, 24),
    (100, 18),
    (120, 40),
    (61, 200),
    (300, 17),
];

struct Chaos {
    random: ChaCha8Rng,
    events: Vec<Event>,
    runs: Vec<RunEntry>,
    size: (u16, u16),
}

impl Chaos {
    fn message(&mut self) -> Msg {
        match self.random.random_range(0..100) {
            0..45 => Msg::Input(UserInput::Key(self.key())),
            45..65 => {
                let input = UserInput::of(TerminalEvent::Mouse(self.mouse()));
                input.map_or(Msg::Tick(Duration::ZERO), Msg::Input)
            }
            65..68 => Msg::Input(UserInput::Paste(self.text())),
            68..70 => {
                self.size = *SIZES.choose(&mut self.random).unwrap();
                Msg::Resize(self.size.0, self.size.1)
            }
            70..72 => Msg::Tick(Duration::from_millis(self.random.random_range(0..100_000))),
            72..88 => Msg::Event(self.event()),
            88 if self.random.random_bool(0.25) => Msg::Attached,
            88 if self.random.random_bool(0.7) => self.queue_message(),
            88 => Msg::Launched,
            89 => Msg::Refused(self.text()),
            90..95 => {
                let events = (0..self.random.random_range(0..4)).map(|_| self.event()).collect();
                Msg::Replayed(self.random.random_range(0..9), events)
            }
            95..99 => {
                let runs = self.runs.iter().filter(|_| self.random.random_bool(0.7)).cloned().collect();
                Msg::Listed(self.random.random_bool(0.8).then_some(runs), SystemTime::now())
            }
            _ => match self.random.random_range(0..8) {
                0..3 => Msg::Exported(Ok(())),
                3..6 => Msg::Done(self.text()),
                6 => Msg::ChatPrompts((0..3).map(|_| self.text()).collect()),
                _ => Msg::ChatSaved(if self.random.random() { Ok(self.text()) } else { Err(self.text()) }),
            },
        }
    }

    fn queue_message(&mut self) -> Msg {
        let request = StartRequest::Resume { run: self.text().into(), set: Vec::new() };
        match self.random.random_range(0..8) {
            0..4 => Msg::Queued(entries().into_iter().filter(|_| self.random.random_bool(0.7)).collect()),
            4 => Msg::Busy(request, ActiveRuns::Here),
            5 => Msg::Busy(request, ActiveRuns::Elsewhere(vec![self.text()])),
            6 => Msg::Followed(self.text(), Files::default()),
            _ if self.random.random_bool(0.5) => Msg::Ended,
            _ => Msg::HandedOff(self.text(), if self.random.random_bool(0.5) { Ok(()) } else { Err(self.text()) }),
        }
    }

    /// A reply about a request, or about one that was never made.
    fn reply(&mut self, number: u64) -> ChatReply {
        let number = if self.random.random_bool(0.9) { number } else { self.random.random() };
        let rate = Rate { tokens: self.random.random_range(0..5), seconds: self.random.random_range(0.0..2.0) };
        match self.random.random_range(0..10) {
            0 => ChatReply::Encoded { number, prompt_tokens: self.random.random_range(0..9000), dropped: 2 },
            1..6 => ChatReply::Text { number, text: self.text(), rate },
            6..9 => {
                let ends = [CompletionEnd::StopToken, CompletionEnd::MaxNewTokens, CompletionEnd::Stopped];
                let end = *ends.choose(&mut self.random).unwrap();
                ChatReply::Done { number, completion: Completion { text: self.text(), rate, end } }
            }
            _ => ChatReply::Failed { number, error: self.text() },
        }
    }

    /// Something happens to a sweep, or it ends.
    fn change_sweep(&mut self, screen: &mut SweepScreen, plan: &SweepPlan) {
        let mut progress = sweep_screen::progress(plan);
        for status in &mut progress.statuses {
            let far = RunProgress { step: self.random.random(), steps: self.random.random_range(0..3), score: None };
            match self.random.random_range(0..6) {
                0 => *status = RunStatus::Pending,
                1 => *status = RunStatus::Active(far),
                2 => *status = RunStatus::Failed { error: self.text() },
                _ => {}
            }
        }
        (progress.done, progress.total) = (self.random.random_range(0..9), self.random.random_range(0..9));
        match self.random.random_range(0..20) {
            0 => drop(screen.on_end()),
            1 => drop(screen.on_update(Update::Waiting(vec![self.text()]))),
            2 => drop(screen.on_update(Update::Ended { run: self.random.random_range(0..plan.runs.len()) })),
            _ => drop(screen.on_update(Update::Progress(progress))),
        }
    }

    /// What an analysis sends, with another part of its report each time.
    fn analysis(&mut self, report: &Report) -> AnalysisUpdate {
        let (done, total) = (self.random.random_range(0..9), self.random.random_range(0..9));
        match self.random.random_range(0..20) {
            0..8 => AnalysisUpdate::Progress(Progress { task: self.text(), done, total, unit: self.text() }),
            8..17 => AnalysisUpdate::Partial(self.part_of(report)),
            17 => AnalysisUpdate::Done(self.part_of(report)),
            18 => AnalysisUpdate::Cancelled,
            _ => AnalysisUpdate::Failed(anyhow::Error::msg(self.text())),
        }
    }

    fn part_of(&mut self, report: &Report) -> Box<Report> {
        let mut report = report.clone();
        report.figures.retain(|_| self.random.random_bool(0.8));
        report.tables.retain(|_| self.random.random_bool(0.8));
        report.findings.push(self.text());
        for table in &mut report.tables {
            table.rows.truncate(self.random.random_range(0..9));
            table.rows.iter_mut().for_each(|row| row[0] = self.text());
        }
        for figure in &mut report.figures {
            figure.title = self.text();
            if let Plot::Curves(curves) = &mut figure.plot {
                let odd = [f64::NAN, f64::INFINITY, 0.0, -1.0, 1e308];
                curves.iter_mut().for_each(|curve| {
                    curve.points.iter_mut().for_each(|(_, y)| {
                        if self.random.random_bool(0.1) {
                            *y = *odd.choose(&mut self.random).unwrap();
                        }
                    })
                });
            }
        }
        report.check().unwrap();
        Box::new(report)
    }

    fn loaded(&mut self) -> ChatReply {
        let run = self.random.random_bool(0.8).then(|| "runs/mine".into());
        let (step, conversations) = (self.random.random_bool(0.8).then_some(80), self.random.random());
        ChatReply::Loaded(Loaded { model: self.text(), run, step, max_length: 64, conversations, ..Loaded::default() })
    }

    fn key(&mut self) -> KeyEvent {
        // The keys of the chat that are no text.
        if self.random.random_bool(0.02) {
            let keys = [
                (KeyCode::Char('c'), KeyModifiers::CONTROL),
                (KeyCode::Char('d'), KeyModifiers::CONTROL),
                (KeyCode::Enter, KeyModifiers::ALT),
                (KeyCode::F(1), KeyModifiers::NONE),
                (KeyCode::F(5), KeyModifiers::NONE),
                (KeyCode::Up, KeyModifiers::SHIFT),
            ];
            let (code, modifiers) = *keys.choose(&mut self.random).unwrap();
            return KeyEvent::new(code, modifiers);
        }
        const CODES: [KeyCode; 18] = [
            KeyCode::Enter,
            // Twice, since what lies above a screen takes all keys until it is closed.
            KeyCode::Esc,
            KeyCode::Esc,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::F(3),
            KeyCode::Null,
            // Every question before leaving is to be asked.
            KeyCode::Char('q'),
        ];
        let code = match self.random.random_range(0..10) {
            0..3 => *CODES.choose(&mut self.random).unwrap(),
            // Screens, and the questions before leaving, which other keys seldom reach.
            3 => KeyCode::Char(*['R', 'H', 'M', 'q', 'n'].choose(&mut self.random).unwrap()),
            4..9 => KeyCode::Char(char::from(self.random.random_range(b' '..=b'~'))),
            _ => KeyCode::Char(self.random.random()),
        };
        let modifiers = if self.random.random_bool(0.05) { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        KeyEvent::new(code, modifiers)
    }

    fn mouse(&mut self) -> MouseEvent {
        let kinds = [
            MouseEventKind::Down(MouseButton::Left),
            MouseEventKind::Down(MouseButton::Right),
            MouseEventKind::Up(MouseButton::Left),
            MouseEventKind::Drag(MouseButton::Left),
            MouseEventKind::Moved,
            MouseEventKind::ScrollUp,
            MouseEventKind::ScrollDown,
        ];
        let kind = *kinds.choose(&mut self.random).unwrap();
        let (column, row) = match self.random.random_bool(0.95) {
            true => (self.random.random_range(0..=self.size.0), self.random.random_range(0..=self.size.1)),
            false => (self.random.random(), self.random.random()),
        };
        MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }
    }

    /// Wide, combining and control characters among others.
    fn text(&mut self) -> String {
        let pieces = ["a", "標", "e\u{301}", "\u{1b}[2J", "\n", "👩‍👩‍👧", "\u{202e}", " ", "\0", "/", "-"];
        (0..self.random.random_range(0..12)).map(|_| *pieces.choose(&mut self.random).unwrap()).collect()
    }

    /// The curves of a run of some random events.
    fn curves(&mut self) -> Arc<RunCurves> {
        let mut run = History::default();
        (0..self.random.random_range(0..60)).for_each(|_| run.apply(self.event()));
        Arc::new(RunCurves::of(&run))
    }

    /// Samples of a few ranks or of many, or of none, with numbers and texts that no run would send.
    fn ranks(&mut self) -> Event {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e308, f64::MIN_POSITIVE, 1e-7];
        let count = *[0, 1, 2, 2, 3, 3, 3, 3, 90, 1200].choose(&mut self.random).unwrap();
        let step = self.random.random_range(0..200);
        let number = |chaos: &mut ChaCha8Rng, most: f64| match chaos.random_bool(0.04) {
            true => *odd.choose(chaos).unwrap(),
            false => chaos.random_range(0.0..most),
        };
        let ranks = (0..count).map(|rank| RankSample {
            host: if self.random.random_bool(0.9) { format!("node{}", rank % 3) } else { self.text() },
            device: if self.random.random_bool(0.9) { format!("cuda:{rank}") } else { self.text() },
            step: if self.random.random_bool(0.9) { step } else { self.random.random() },
            tokens_per_second: number(&mut self.random, 1e5),
            step_seconds: number(&mut self.random, 0.3) + 0.3,
            wait_seconds: number(&mut self.random, if rank == 1 { 0.02 } else { 0.5 }),
            bytes_per_step: number(&mut self.random, 1e9),
            memory: self.random.random(),
            gpu_utilization: self.random.random_bool(0.8).then(|| number(&mut self.random, 100.0)),
            age: number(&mut self.random, 5.2),
        });
        let ranks = ranks.collect();
        Event::Ranks(Ranks { at: number(&mut self.random, 100.0), ranks })
    }

    /// An event of a recorded run, sometimes with values that no run would send.
    fn event(&mut self) -> Event {
        if self.random.random_bool(0.1) {
            return self.ranks();
        }
        let mut event = self.events.choose(&mut self.random).unwrap().clone();
        if self.random.random_bool(0.1) {
            match &mut event {
                Event::Step(step) => {
                    let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e308, f64::MIN_POSITIVE];
                    step.loss = *odd.choose(&mut self.random).unwrap();
                    step.elapsed = *odd.choose(&mut self.random).unwrap();
                    step.step = self.random.random();
                }
                Event::Started(started) => {
                    (started.run, started.model, started.steps) = (self.text(), self.text(), 0);
                    started.ranks = *[0, 1, 4, u64::MAX].choose(&mut self.random).unwrap();
                }
                Event::Log { message, .. } => *message = self.text(),
                Event::Progress(progress) => (progress.done, progress.total) = (self.random.random(), 0),
                _ => event = Event::Failed { error: self.text(), checkpoint: None },
            }
        }
        event
    }
}

#[test]
fn random_messages_never_panic_the_screens() {
    let samples = SampleRuns::new();
    let mut runs = Lister::new(&samples.path()).refresh(SystemTime::now()).unwrap().unwrap();
    runs.iter_mut().for_each(|run| run.summary.writes = true);
    // Of a run that accepts prompts.
    let mut events = demo_events();
    events.iter_mut().for_each(|event| {
        if let Event::Started(started) = event {
            started.writes = true;
        }
    });
    let mut chaos = Chaos { random: ChaCha8Rng::seed_from_u64(8), events, runs, size: (80, 24) };
    let mut app = App::at_home(look("dark", Depth::True, false), presets(), 80, 24);
    let sweep = sweep_screen::plan();
    let report = analysis_screen::report();
    let (mut placements, mut images) = (Placements::default(), 0);
    // The number of the latest request of the chat.
    let (mut asked, mut chats, mut requests) = (None, 0, 0);
    let (mut frames, mut left, mut cards) = (0, 0, 0);
    let (mut seen, mut compared, mut drawn) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut followed, mut typed) = (Vec::new(), VecDeque::new());
    let (run, out) = ("runs/mine".into(), "mine.csv".into());
    let order = ExportRequest { run, format: ExportFormat::Csv, from: None, out, without_biases: false };
    for number in 0..MESSAGES {
        // Random keys alone seldom start an export.
        if number % 1000 == 0 {
            app.runs.begin_export(&order);
        }
        // A run that is launched closes the chat, and seldom is one opened in time.
        if number % 100 == 0 && chaos.random.random_bool(0.2) {
            app.chat.open(app.chat.start_with(format!("runs/{number}").into()));
            app.update(Msg::Chat(chaos.loaded()));
            app.screen = Screen::Chat;
        }
        // The same for a sweep, of which one is opened at the start of the program only.
        if number % 100 == 50 && chaos.random.random_bool(0.2) {
            app.sweep = Some(SweepScreen::new(chaos.text(), "runs/mine".into(), sweep.clone()));
            app.screen = Screen::Sweep;
        }
        // Nor does anything here compute the analysis that Home asks for.
        if number % 100 == 75 && chaos.random.random_bool(0.2) {
            app.update(Msg::AnalysisStarted { title: chaos.text(), folder: "analyses/mine".into() });
        }
        if app.analysis.is_running() && number % 20 == 0 {
            app.update(Msg::Analysis(chaos.analysis(&report)));
        }
        if let Some(screen) = app.sweep.as_mut().filter(|_| number % 7 == 0) {
            chaos.change_sweep(screen, &sweep);
        }
        // Nor do they often mark two runs and compare them.
        if number % 500 == 0 {
            let key = |c| Msg::Input(UserInput::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
            typed.extend("R  c".chars().map(key));
        }
        let mut effect = app.update(typed.pop_front().unwrap_or_else(|| chaos.message()));
        if let Some(number) = asked {
            effect = effect.or(app.update(Msg::Chat(chaos.reply(number))));
        }
        match effect {
            Some(Effect::OpenChat(_)) => {
                chats += 1;
                let reply =
                    if chaos.random.random_bool(0.1) { ChatReply::Closed(chaos.text()) } else { chaos.loaded() };
                app.update(Msg::Chat(reply));
            }
            Some(Effect::Chat(ChatEffect::Generate { request, .. })) => {
                asked = Some(request.number);
                requests += 1;
            }
            Some(Effect::Follow(runs)) => {
                // Curves of some of them, in time or too late.
                for run in runs {
                    if chaos.random.random_bool(0.7) {
                        followed.push(run);
                    }
                }
                for run in followed.drain(..chaos.random.random_range(0..=followed.len())) {
                    app.update(Msg::Compared(ComparisonUpdate::Curves(run, chaos.curves())));
                }
            }
            Some(Effect::Replay(_, number)) => {
                app.update(Msg::Replayed(number, chaos.events[..20].to_vec()));
            }
            Some(Effect::Export(_)) => {
                let progress =
                    Progress { task: chaos.text(), done: 7, total: chaos.random.random(), unit: chaos.text() };
                app.update(Msg::Exporting(progress));
                let biases = ChangedBiases { count: 8, first: chaos.text() };
                let failed = chaos.random.random_bool(0.5);
                app.update(Msg::Exported(if failed { Err(biases.into()) } else { Ok(()) }));
            }
            Some(Effect::Leave) => {
                // The program starts again, in another look.
                left += 1;
                let theme = *["light", "nord", "high-contrast"].choose(&mut chaos.random).unwrap();
                let depth = *[Depth::True, Depth::Indexed, Depth::Ansi, Depth::None].choose(&mut chaos.random).unwrap();
                let mut look = look(theme, depth, chaos.random.random());
                if !look.ascii {
                    let cell = PixelSize { width: 3, height: 6 };
                    look.pixels = Some(Pictures::new(PROTOCOLS[left % PROTOCOLS.len()], cell, None));
                }
                placements = Placements::default();
                app = App::at_home(look, presets(), chaos.size.0, chaos.size.1);
            }
            _ => {}
        }
        assert!(app.screen != Screen::Monitor || app.monitor().is_some(), "message {number}: a monitor without a run");
        assert!(app.themes.names().contains(&&*app.look.name), "message {number}: no theme {}", app.look.name);
        let overlay = start_of(&app.overlay);
        let overlay = overlay.split(['{', ' ']).next().unwrap();
        let overlay = overlay.split(|c: char| c.is_ascii_digit()).next().unwrap();
        seen.insert(format!("{:?} {overlay}", app.screen));
        if number % PER_FRAME == 0 {
            // Sometimes the terminal has another size than the last message says.
            let (width, height) =
                if chaos.random.random_bool(0.1) { *SIZES.choose(&mut chaos.random).unwrap() } else { chaos.size };
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let draw = |frame: &mut Frame| {
                draw(frame, &app);
                if let Some(pictures) = &app.look.pixels {
                    images += usize::from(!placements.arrange(pictures, frame.buffer_mut()).unwrap().is_empty());
                }
            };
            terminal.draw(draw).unwrap();
            frames += 1;
            drawn.insert((format!("{:?}", app.screen), width, height));
            compared.insert((app.screen == Screen::Runs, app.runs.compares()));
            let text: String = terminal.backend().buffer().content.iter().map(|cell| cell.symbol()).collect();
            cards += usize::from(text.contains("enter choose  esc close"));
        }
    }
    // The messages have reached every screen with every overlay.
    assert!(frames == MESSAGES / PER_FRAME && left > 50, "{frames} frames, left {left} times");
    assert!(images > 50, "{images} frames with images");
    assert!(cards > 10, "{cards} cards of runs that ended");
    assert!(chats > 0 && requests > 20, "{chats} chats, {requests} requests");
    for screen in ["Home", "Monitor", "Runs", "Chat", "Sweep", "Analysis"] {
        for overlay in
            ["None", "Some(Help(", "Some(Quit(Presets,", "Some(Quit(Run,", "Some(Themes(Picker", "Some(Palette(Palette"]
        {
            assert!(seen.contains(&format!("{screen} {overlay}")), "never {screen} with {overlay}: {seen:?}");
        }
    }
    for screen in ["Sweep", "Analysis"] {
        let missed = SIZES.iter().find(|(width, height)| !drawn.contains(&(screen.to_owned(), *width, *height)));
        assert_eq!(missed, None, "{screen} was never drawn at this size");
    }
    for question in ["Some(Quit(Export,", "Some(Quit(Waiting,", "Some(Quit(Analysis,"] {
        assert!(seen.iter().any(|seen| seen.ends_with(question)), "never {question}: {seen:?}");
    }
    assert!(compared.contains(&(true, true)), "no comparison on the whole screen");
}

/// The first characters of a value's debug text: formatting all of it after every message would take too long.
fn start_of(value: &impl Debug) -> String {
    struct Start(String);
    impl Write for Start {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.push_str(text);
            if self.0.len() < 40 { Ok(()) } else { Err(std::fmt::Error) }
        }
    }
    let mut start = Start(String::new());
    let _ = write!(start, "{value:?}");
    start.0
}
