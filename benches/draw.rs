//! Frame time of the Monitor after a long run, in characters and in pixels, and of a comparison of long runs, and the memory of such a run.
//!
//! Targets: a frame at 200 x 60 after 1,000,000 steps under 2 ms, one of 8 such runs too, one with new pixels in all charts within
//! the 33 ms of a frame, and the state of 10,000,000 steps
//! (`max alloc` of `ten_million_steps`) under 64 MiB.

use std::path::Path;
use std::sync::Arc;

use divan::{AllocProfiler, Bencher};
use finesift::protocol::{
    Eval, Event, ExamplePrediction, Examples, Gpu, Mass, Selected, SelectedTarget, Step, System, TargetMass,
};
use finesift::ui::comparison::{self, ComparedRun, ComparisonView, Extent, RunCurves, Settings};
use finesift::ui::graphics::{Pictures, PixelSize, Placements, Protocol};
use finesift::ui::keymap::Action;
use finesift::ui::monitor::{Monitor, Tab};
use finesift::ui::theme::{Depth, Look, Theme};
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// The largest screen with a layout of its own, without the lines around the Monitor.
const AREA: Rect = Rect { x: 0, y: 0, width: 200, height: 58 };

/// Targets of Llama 7B: 32 layers of 7 modules.
const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

fn main() {
    divan::main();
}

#[divan::bench(args = [Tab::Overview, Tab::Layers, Tab::Samples, Tab::System, Tab::Log])]
fn a_frame_of_a_million_steps(bencher: Bencher, tab: Tab) {
    let mut monitor = run_of(1_000_000, TARGETS.len(), 0);
    monitor.view.tab = tab;
    let look = look();
    frames(bencher, |frame| monitor.draw(frame, frame.area(), &look));
}

/// The overview with new images in all charts: shapes, pixels, and their encoding, as after each step.
#[divan::bench(args = [Protocol::Kitty, Protocol::Iterm2, Protocol::Sixel], consts = [120, 200])]
fn a_frame_of_pixels<const WIDTH: u16>(bencher: Bencher, protocol: Protocol) {
    let (monitor, look) = (run_of(1_000_000, TARGETS.len(), 0), look());
    let pictures = Pictures::new(protocol, PixelSize { width: 10, height: 20 }, None);
    let look = Look { pixels: Some(pictures), ..look };
    let height = if WIDTH == 120 { 38 } else { 58 };
    let mut terminal = Terminal::new(TestBackend::new(WIDTH, height)).expect("a terminal in memory");
    bencher.bench_local(|| {
        let mut written = 0;
        let drawn = terminal.draw(|frame| {
            monitor.draw(frame, frame.area(), &look);
            let pictures = look.pixels.as_ref().expect("set above");
            let images = Placements::default().arrange(pictures, frame.buffer_mut());
            written = images.expect("encoding in memory does not fail").len();
        });
        (drawn.map(|frame| frame.count).expect("drawing into memory does not fail"), written)
    });
}

/// 32 layers of 14 modules, at an earlier step.
#[divan::bench]
fn a_frame_of_448_targets(bencher: Bencher) {
    let mut monitor = run_of(1_000_000, 14, 0);
    monitor.view.tab = Tab::Layers;
    monitor.act(Action::PanLeft, AREA);
    let look = look();
    frames(bencher, |frame| monitor.draw(frame, frame.area(), &look));
}

#[divan::bench]
fn a_full_screen_chart_of_a_million_steps(bencher: Bencher) {
    let mut monitor = run_of(1_000_000, TARGETS.len(), 0);
    for action in [Action::Enter, Action::Left, Action::ZoomIn] {
        monitor.act(action, AREA);
    }
    let look = look();
    frames(bencher, |frame| monitor.draw(frame, frame.area(), &look));
}

#[divan::bench(args = [Extent::Below, Extent::Grid, Extent::Single])]
fn a_frame_of_eight_runs_of_a_million_steps(bencher: Bencher, extent: Extent) {
    let runs: Vec<ComparedRun> = (0..8)
        .map(|number| {
            let curves = RunCurves::of(&run_of(1_000_000, TARGETS.len(), number).run);
            ComparedRun::new(Path::new(&format!("runs/{number}")), number as usize, number == 0, Some(Arc::new(curves)))
        })
        .collect();
    let mut view = ComparisonView::default();
    if extent != Extent::Below {
        view.open(None);
    }
    if extent == Extent::Single {
        view.act(Action::Enter, &runs);
    }
    view.set_cursor(500_000.0);
    let (settings, look) = (Settings::default(), look());
    let scene =
        comparison::Scene { runs: &runs, view: &view, settings: &settings, marked: 8, selected: None, look: &look };
    frames(bencher, |frame| comparison::draw(frame, frame.area(), scene));
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn ten_million_steps(bencher: Bencher) {
    bencher.bench_local(|| run_of(10_000_000, TARGETS.len(), 0));
}

fn look() -> Look {
    Look {
        theme: Theme::load("dark", Depth::True).expect("a built-in theme"),
        name: "dark".into(),
        depth: Depth::True,
        ascii: false,
        pixels: None,
    }
}

fn frames(bencher: Bencher, draw: impl Fn(&mut Frame)) {
    let mut terminal = Terminal::new(TestBackend::new(AREA.width, AREA.height)).expect("a terminal in memory");
    bencher.bench_local(|| {
        terminal.draw(|frame| draw(frame)).map(|frame| frame.count).expect("drawing into memory does not fail")
    });
}

/// A run of `steps` steps and 32 layers of so many modules, with noise in every curve that depends on the seed.
fn run_of(steps: u64, modules: usize, seed: u64) -> Monitor {
    let mut monitor = Monitor::launched();
    let kinds = || ["weight", "bias"].into_iter().flat_map(|kind| TARGETS.map(|module| format!("{module}.{kind}")));
    let names: Vec<String> = (0..32)
        .flat_map(|layer| kinds().take(modules).map(move |name| format!("model.layers.{layer}.{name}")))
        .collect();
    let target = |name: &String| SelectedTarget { name: name.clone(), shape: vec![4096, 4096], selected: 134_218 };
    let targets = names.iter().map(target).collect();
    monitor.on_event(Event::Selected(Selected { total: 30_064_832, of: 3_758_096_384, dense: 0, targets }));
    let mut state = 1 + seed;
    for step in 1..=steps {
        // Knuth's multiplier: any noise will do.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let noise = (state >> 40) as f64 / (1 << 24) as f64;
        monitor.on_event(Event::Step(Step {
            step,
            epoch: step as f64 / 1e5,
            loss: 2.0 / (1.0 + step as f64 / 1e5) + noise,
            learning_rate: 1e-4 * (1.0 - step as f64 / steps as f64),
            grad_norm: 1.0 + noise,
            tokens_per_second: 5000.0 + 100.0 * noise,
            elapsed: step as f64 / 10.0,
            eta: None,
        }));
        if step % 10 == 0 {
            let gpu = Gpu { memory_used: 30 << 30, utilization: 90.0 + noise, power: 600.0 * noise, ..Gpu::default() };
            let at = step as f64 / 10.0;
            monitor.on_event(Event::System(System {
                at,
                process_cpu: 100.0 * noise,
                gpu: Some(gpu),
                ..System::default()
            }));
        }
        if step % 1000 == 0 {
            let measured = |name: &String| TargetMass { name: name.clone(), mass: 40.0 * noise, update: Some(noise) };
            let targets = names.iter().map(measured).collect();
            monitor.on_event(Event::Mass(Mass { step, overall: 40.0 * noise, targets }));
            let scores = [("accuracy".to_owned(), noise), ("f1".to_owned(), noise)].into();
            monitor.on_event(Event::Eval(Eval { step, epoch: 0.0, loss: noise, scores, best: false, patience: None }));
            let judged = |_| ExamplePrediction {
                text: "A text of some length. ".repeat(8),
                loss: noise,
                ..ExamplePrediction::default()
            };
            let examples = (0..50).map(judged).collect();
            monitor.on_event(Event::Examples(Examples { step, of: 50, wrong: Some(3), confusion: None, examples }));
        }
    }
    monitor
}
