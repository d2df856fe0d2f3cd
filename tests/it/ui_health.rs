//! The badges of the Monitor and the list of what they mean, at each size, and the way from them to the charts.

use crossterm::event::KeyCode;
use finesift::alerts::Alerts;
use finesift::protocol::{Command, Event, Level, Mass, Phase, Started, Step, TargetMass};
use finesift::ui::app::App;
use finesift::ui::message::{Effect, Msg};
use finesift::ui::monitor::{Monitor, Tab};
use finesift::ui::theme::Depth;

use crate::ui_monitor::{click, events, find, look, press, replay, replayed_with, screen, text, type_keys};

/// With the smallest screen, where a count stands for the badges.
const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

/// The demo's events, as if it had spiked near its end, had been clipped all the time, and had lost gradient mass.
fn ailing() -> Vec<Event> {
    let change = |event: Event| match event {
        Event::Started(started) => Event::Started(Started { clip: Some(1.0), ..started }),
        Event::Step(step) => {
            let spike = if (150..158).contains(&step.step) { 4.0 } else { 0.0 };
            Event::Step(Step { loss: step.loss + spike, grad_norm: 2.0 + step.grad_norm, ..step })
        }
        Event::Mass(mass) => {
            // The second target of the model loses most.
            let share = 1.0 - 0.7 * (mass.step as f64 / 170.0);
            let second = mass.targets.get(1).map(|target| target.name.clone());
            let of = |target: TargetMass| {
                let base = if Some(&target.name) == second.as_ref() { 90.0 } else { 30.0 };
                TargetMass { mass: base * share, ..target }
            };
            let targets = mass.targets.into_iter().map(of).collect();
            Event::Mass(Mass { overall: 70.0 * share, targets, ..mass })
        }
        event => event,
    };
    events().into_iter().map(change).collect()
}

fn app(width: u16, height: u16) -> App {
    replayed(look(Depth::True, false), width, height)
}

fn replayed(look: finesift::ui::theme::Look, width: u16, height: u16) -> App {
    let mut app = replayed_with(look, width, height);
    app.monitors.replay = Some(Monitor::replay());
    for event in ailing() {
        replay(&mut app, event);
    }
    app
}

#[test]
fn badges_and_their_list_at_each_size() {
    for (width, height) in SIZES {
        let mut app = app(width, height);
        insta::assert_snapshot!(format!("badges_{width}x{height}"), text(&screen(&app, width, height)));
        type_keys(&mut app, "!j");
        insta::assert_snapshot!(format!("listed_{width}x{height}"), text(&screen(&app, width, height)));
        press(&mut app, KeyCode::Esc);
        assert!(app.monitor().is_some(), "esc closes the list, not the replay");
        assert!(!text(&screen(&app, width, height)).contains("esc close"));
    }
    let mut ascii = replayed(look(Depth::None, true), 80, 24);
    type_keys(&mut ascii, "!");
    let shown = text(&screen(&ascii, 80, 24));
    assert!(shown.is_ascii() && shown.contains("! loss spike at 15"), "{shown}");
}

#[test]
fn a_verdict_leads_to_the_chart_that_shows_it() {
    let mut app = app(120, 40);
    type_keys(&mut app, "!");
    press(&mut app, KeyCode::Enter);
    let view = &app.monitor().unwrap().view;
    assert_eq!((view.tab, view.full), (Tab::Overview, true));
    let step = view.cursor.unwrap();
    assert!((150.0..158.0).contains(&step), "the cursor is at {step}");
    // The badge of the gradient mass leads to the target that lost most.
    press(&mut app, KeyCode::Esc);
    let (x, y) = find(&screen(&app, 120, 40), "gradient mass 6");
    click(&mut app, x, y);
    let shown = text(&screen(&app, 120, 40));
    assert!(shown.contains("enter see it by layer"), "{shown}");
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.monitor().unwrap().view.tab, Tab::Layers);
    let name = ailing().into_iter().find_map(|event| match event {
        Event::Mass(mass) => Some(mass.targets[1].name.clone()),
        _ => None,
    });
    // There its name has one line.
    app.update(Msg::Resize(200, 60));
    let shown = text(&screen(&app, 200, 60));
    assert!(shown.contains(&name.unwrap()), "{shown}");
}

#[test]
fn a_click_on_a_verdict_selects_it_and_a_second_one_opens_it() {
    let mut app = app(120, 40);
    type_keys(&mut app, "!");
    let (x, y) = find(&screen(&app, 120, 40), "gradient norm above");
    click(&mut app, x, y);
    assert!(text(&screen(&app, 120, 40)).contains("enter show the chart"));
    click(&mut app, x, y);
    assert!(text(&screen(&app, 120, 40)).contains("Gradient norm"), "{}", text(&screen(&app, 120, 40)));
    // A click beside the list closes it.
    type_keys(&mut app, "1!");
    click(&mut app, 1, 10);
    assert!(!text(&screen(&app, 120, 40)).contains("esc close"));
}

#[test]
fn a_healthy_run_has_no_badges() {
    let mut healthy = crate::ui_monitor::replayed(120, 40);
    let shown = text(&screen(&healthy, 120, 40));
    assert!(!shown.contains("! details"), "{shown}");
    type_keys(&mut healthy, "!");
    assert!(text(&screen(&healthy, 120, 40)).contains("No check has found anything"));
}

#[test]
fn badges_of_a_live_run_appear_while_it_trains() {
    let mut app = app(120, 40);
    app.update(Msg::Launched);
    for event in ailing().into_iter().filter(|event| !event.is_last()) {
        app.update(Msg::Event(event));
    }
    let buffer = screen(&app, 120, 40);
    let (x, y) = find(&buffer, "loss spike at 15");
    assert_eq!(buffer[(x, y)].fg, app.look.theme.warning.0);
    app.update(Msg::Event(Event::Log { level: Level::Info, message: "x".into() }));
    assert!(text(&screen(&app, 120, 40)).contains("! details"));
}

/// A live run whose loss is that of the demo with a spike from step 150 on.
fn alerted(rule: &str) -> (App, Vec<Effect>) {
    let mut app = app(120, 40);
    app.alerts = Alerts::new(vec![rule.parse().unwrap()]);
    app.update(Msg::Launched);
    let events = ailing().into_iter().filter(|event| !event.is_last());
    let effects = events.filter_map(|event| app.update(Msg::Event(event))).collect();
    (app, effects)
}

#[test]
fn a_rule_of_the_user_notifies_once_and_names_the_run() {
    let (mut app, effects) = alerted("loss > 3");
    let [Effect::Alert { text, pause: false }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(text.starts_with("demo: loss 4.") && text.ends_with(" > 3 at step 150"), "{text}");
    let shown = text_of(&app);
    assert!(shown.contains(text.as_str()), "a toast names the run\n{shown}");
    type_keys(&mut app, "5v");
    assert!(text_of(&app).contains("alert: loss 4."), "{}", text_of(&app));
    // A replay alerts of nothing.
    app.monitors.replay = Some(Monitor::replay());
    for event in ailing() {
        assert_eq!(app.update(Msg::Replayed(0, vec![event])), None);
    }
}

#[test]
fn a_rule_pauses_the_run_if_it_says_so() {
    let (mut app, effects) = alerted("loss > 3: pause");
    assert!(matches!(effects.as_slice(), [Effect::Alert { pause: true, .. }]), "{effects:?}");
    // What the trainer has not confirmed is not shown as done.
    let shown = text_of(&app);
    assert!(shown.contains("; pausing") && !shown.contains("● paused"), "{shown}");
    app.update(Msg::Event(Event::Phase { phase: Phase::Paused }));
    assert!(text_of(&app).contains("● paused"), "{}", text_of(&app));
    assert_eq!(press(&mut app, KeyCode::Char(' ')), Some(Effect::Send(Command::Resume)));
    // A run that is paused already is not paused again.
    let spike = ailing().into_iter().find(|event| matches!(event, Event::Step(step) if step.step == 150)).unwrap();
    app.alerts.reset();
    assert!(matches!(app.update(Msg::Event(spike)), Some(Effect::Alert { pause: false, .. })));
}

#[test]
fn old_events_of_a_run_that_is_attached_to_alert_of_nothing() {
    let mut app = app(120, 40);
    app.alerts = Alerts::new(vec!["loss > 3: pause".parse().unwrap()]);
    app.update(Msg::Attached);
    app.alerts.muted = true;
    for event in ailing() {
        assert_eq!(app.update(Msg::Event(event)), None);
    }
}

fn text_of(app: &App) -> String {
    text(&screen(app, 120, 40))
}
