//! The Ranks panel of the System tab at each size: healthy ranks, a straggler, one that does not respond, many ranks.

use crossterm::event::{KeyCode, MouseEventKind};
use finesift::protocol::{Event, Gpu, Phase, RankSample, Ranks, Resumed, Started, System};
use finesift::ui::app::App;
use finesift::ui::monitor::{Monitor, Tab};
use finesift::ui::theme::{Depth, Look};

use crate::ui_monitor::{click, events, find, look, mouse, press, replay, replayed_with, screen, text, type_keys};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Ranks of a made-up run.
#[derive(Clone, Copy)]
struct Cluster {
    ranks: usize,
    hosts: usize,
    gpus: bool,
    /// A rank that computes 1.6 times as long as the others, and one that does not respond.
    straggler: Option<usize>,
    silent: Option<usize>,
}

const TWO: Cluster = Cluster { ranks: 2, hosts: 1, gpus: false, straggler: None, silent: None };
const FOUR: Cluster = Cluster { ranks: 4, hosts: 2, gpus: true, straggler: Some(2), silent: Some(3) };
const MANY: Cluster = Cluster { ranks: 64, hosts: 8, gpus: true, straggler: Some(37), silent: Some(50) };

impl Cluster {
    /// The sample of a second. Each has some steps.
    fn sample(&self, second: u64) -> Event {
        let per_host = self.ranks / self.hosts;
        // Healthy ranks differ by some percent.
        let compute = |rank: usize| {
            let share = 1.0 + 0.04 * ((rank as f64 * 2.3 + second as f64).sin());
            0.212 * share * if Some(rank) == self.straggler { 1.6 } else { 1.0 }
        };
        let step = (0..self.ranks).map(compute).fold(0.0, f64::max) + 0.009;
        let rank = |rank: usize| RankSample {
            host: format!("node-{:02}.cluster.example.org", rank / per_host + 1),
            device: if self.gpus { format!("cuda:{}", rank % per_host) } else { "cpu".into() },
            step: 90 + second * 3,
            tokens_per_second: 2210.0 / step * (1.0 + 0.03 * (rank as f64).cos()),
            step_seconds: step,
            wait_seconds: step - compute(rank),
            bytes_per_step: 1.13e6,
            memory: (31 << 30) + (rank as u64 * 7 % 11) * (90 << 20),
            gpu_utilization: self.gpus.then(|| (100.0 * compute(rank) / step).round()),
            age: if Some(rank) == self.silent { 12.4 } else { 0.3 },
        };
        Event::Ranks(Ranks { at: second as f64, ranks: (0..self.ranks).map(rank).collect() })
    }

    /// The demo's run with these ranks, in its middle.
    fn events(&self) -> Vec<Event> {
        let change = |event: Event| match event {
            Event::Started(started) => {
                let device = if self.gpus { "cuda:0" } else { "cpu" }.into();
                let device_note = if self.gpus { "the first GPU" } else { "CPU, as requested" }.into();
                Event::Started(Started { ranks: self.ranks as u64, device, device_note, ..started })
            }
            Event::System(system) if self.gpus => {
                let gpu = Gpu {
                    name: "NVIDIA H100 80GB HBM3".into(),
                    memory_used: 31 << 30,
                    memory_total: 80 << 30,
                    process_memory: Some(30 << 30),
                    utilization: 71.0 + (system.at / 3.0).sin(),
                    temperature: 54.0,
                    power: 460.0,
                    power_limit: Some(700.0),
                };
                Event::System(System { gpu: Some(gpu), ..system })
            }
            event => event,
        };
        let mut events: Vec<Event> = Vec::new();
        let mut second = 0;
        for event in crate::ui_monitor::events() {
            if matches!(&event, Event::Step(step) if step.step > 100) {
                break;
            }
            let sampled = matches!(event, Event::System(_));
            events.push(change(event));
            if sampled {
                second += 1;
                events.push(self.sample(second));
            }
        }
        events
    }

    fn app(&self, look: Look, width: u16, height: u16) -> App {
        let mut app = replayed_with(look, width, height);
        app.monitors.replay = Some(Monitor::replay());
        self.events().into_iter().for_each(|event| replay(&mut app, event));
        type_keys(&mut app, "4");
        app
    }
}

fn app(cluster: Cluster, width: u16, height: u16) -> App {
    cluster.app(look(Depth::True, false), width, height)
}

fn text_of(app: &App, (width, height): (u16, u16)) -> String {
    text(&screen(app, width, height))
}

#[test]
fn ranks_at_each_size() {
    for (width, height) in SIZES {
        for cluster in [TWO, FOUR, MANY] {
            let app = app(cluster, width, height);
            let shown = text_of(&app, (width, height));
            insta::assert_snapshot!(format!("ranks_{}_{width}x{height}", cluster.ranks), shown);
        }
    }
    let ascii = FOUR.app(look(Depth::None, true), 80, 24);
    let shown = text_of(&ascii, (80, 24));
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!("ranks_ascii_80x24", shown);
}

#[test]
fn problems_of_ranks_are_listed_and_lead_to_the_panel() {
    for (width, height) in SIZES {
        let mut app = app(FOUR, width, height);
        type_keys(&mut app, "1!");
        insta::assert_snapshot!(format!("ranks_listed_{width}x{height}"), text_of(&app, (width, height)));
        press(&mut app, KeyCode::Enter);
        let view = &app.monitor().unwrap().view;
        assert_eq!((view.tab, view.full), (Tab::System, true));
        let shown = text_of(&app, (width, height));
        assert!(shown.contains("not responding") && shown.contains("straggler 1.6x"), "{shown}");
        insta::assert_snapshot!(format!("ranks_full_{width}x{height}"), shown);
    }
}

#[test]
fn the_eye_finds_a_straggler_by_its_colour() {
    let app = app(FOUR, 120, 40);
    let buffer = screen(&app, 120, 40);
    let (theme, at) = (&app.look.theme, |text: &str| find(&buffer, text));
    let (x, y) = at("straggler 1.6x");
    assert_eq!(buffer[(x, y)].fg, theme.warning.0);
    assert_eq!(buffer[(x - 12, y)].fg, theme.warning.0, "its bar");
    let (x, y) = at("not responding 12");
    assert_eq!(buffer[(x, y)].fg, theme.error.0);
    assert_eq!(buffer[(3, y)].fg, theme.dim.0, "numbers that are old");
}

#[test]
fn ranks_with_a_problem_come_first_where_not_all_have_room_and_the_others_are_reached_by_scrolling() {
    let size = (80, 24);
    let mut app = app(MANY, size.0, size.1);
    let shown = text_of(&app, size);
    assert!(shown.contains("○ not responding") && shown.contains("◀ straggler") && shown.contains(" of 64"), "{shown}");
    assert!(!shown.contains("\n│   63 "), "{shown}");
    press(&mut app, KeyCode::End);
    let shown = text_of(&app, size);
    assert!(shown.contains("│   63 ") && !shown.contains("◀ straggler 1"), "{shown}");
    press(&mut app, KeyCode::Home);
    // The wheel scrolls the panel under the pointer.
    let (x, y) = find(&screen(&app, size.0, size.1), "◀ straggler 1");
    (0..2).for_each(|_| mouse(&mut app, MouseEventKind::ScrollDown, x, y));
    assert!(!text_of(&app, size).contains("◀ straggler 1"), "{}", text_of(&app, size));
    // In full screen arrows scroll too, and never beyond the end.
    press(&mut app, KeyCode::Enter);
    (0..200).for_each(|_| drop(press(&mut app, KeyCode::Down)));
    press(&mut app, KeyCode::Up);
    let shown = text_of(&app, size);
    assert!(shown.contains("│   62 ") && !shown.contains("│   63 "), "{shown}");
    press(&mut app, KeyCode::Esc);
    // The arrows move the focus to a chart.
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    assert!(text_of(&app, size).contains("╭ Compute slowest"), "{}", text_of(&app, size));
    // Full screen has also the charts without room.
    let full = (0..9).map(|_| {
        press(&mut app, KeyCode::Tab);
        text_of(&app, size)
    });
    let full: String = full.collect();
    assert!(["Wait longest", "GPU memory ", "Disk free ", "Ranks 64"].iter().all(|name| full.contains(name)), "{full}");
}

#[test]
fn a_run_of_one_rank_has_no_panel_and_a_resume_drops_it() {
    let size = (120, 40);
    let mut app = app(FOUR, size.0, size.1);
    assert!(text_of(&app, size).contains("4 x H100 bf16") || text_of(&app, size).contains("4 x H100 f32"));
    let resumed = |ranks| {
        Event::Resumed(Resumed {
            run: "demo".into(),
            step: 50,
            steps: 170,
            best: String::new(),
            patience: None,
            clip: None,
            checkpoint: "c".into(),
            elapsed: 9.0,
            device: "cpu".into(),
            device_note: "CPU: --device cpu".into(),
            ranks,
            version: "0".into(),
        })
    };
    replay(&mut app, resumed(2));
    let shown = text_of(&app, size);
    assert!(shown.contains("waiting for a sample of each rank") && !shown.contains("straggler"), "{shown}");
    assert!(shown.contains("2 x cpu"), "{shown}");
    replay(&mut app, TWO.sample(1));
    assert!(text_of(&app, size).contains(" Ranks 2 "), "{}", text_of(&app, size));
    replay(&mut app, resumed(1));
    let shown = text_of(&app, size);
    assert!(!shown.contains("Ranks") && !shown.contains(" x cpu"), "{shown}");
    press(&mut app, KeyCode::Enter);
    assert!(text_of(&app, size).contains("Memory"), "{}", text_of(&app, size));
}

#[test]
fn nothing_is_computed_in_a_pause() {
    let size = (120, 40);
    let mut app = app(Cluster { silent: None, ..FOUR }, size.0, size.1);
    assert!(text_of(&app, size).contains("straggler: rank 2, 1.6x"), "{}", text_of(&app, size));
    replay(&mut app, Event::Phase { phase: Phase::Paused });
    for second in 200..210 {
        let Event::Ranks(mut ranks) = FOUR.sample(second) else { unreachable!() };
        for rank in &mut ranks.ranks {
            (rank.step, rank.step_seconds, rank.wait_seconds, rank.age) = (390, 0.0, 0.0, 0.2);
        }
        replay(&mut app, Event::Ranks(ranks));
    }
    let shown = text_of(&app, size);
    assert!(!shown.contains("straggler: ") && !shown.contains("┄┄"), "{shown}");
    click(&mut app, 5, 8);
    assert_eq!(app.monitor().unwrap().view.tab, Tab::System);
}

#[test]
fn the_demo_has_no_ranks() {
    assert!(!events().iter().any(|event| matches!(event, Event::Ranks(_))));
}
