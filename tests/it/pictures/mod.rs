//! The pictures of the README and the guide, taken of the real program in a pseudo-terminal. `make pictures` makes them again.

mod animation;
mod screen;

use std::fs;
use std::path::Path;
use std::process::Command;

use finesift::ui::screenshot::{ScreenColours, svg};
use vt100::Screen;

use crate::place;
use crate::pty::Pty;
use animation::Animation;

/// Columns and rows of every picture.
const SIZE: (u16, u16) = (120, 36);

/// Steps between two frames while the loss falls. Not every step is drawn on every machine.
const STRIDE: u32 = 3;

/// Needs the demo's model and sentences, and some minutes on a CPU. The program's words change more often than what it shows, so
/// the recording waits for numbers and names.
#[test]
#[ignore = "it writes docs/pictures; `make pictures` runs it"]
fn record_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let cache = finesift::preset::cache_folder();
    let cache = cache.parent().unwrap().display().to_string();
    // Runs to compare the recorded one with.
    for select in ["random", "magnitude"] {
        train(folder.path(), &cache, select);
    }
    let mut pty =
        Pty::start_with(SIZE.0, SIZE.1, folder.path(), &["--device", "cpu"], &[("XDG_CACHE_HOME", cache.as_str())]);
    // The estimate and the first batch are there.
    pty.wait_for(&["28,416", "[CLS]", "MiB"]);
    let mut demo = Animation::new(pty.whole_screen());
    demo.show(pty.whole_screen(), "pick a preset: what it trains, its memory, its first batch", 3.5);
    keep("home", pty.whole_screen());

    pty.press("r");
    let training = "train: loss, scores, gradient mass, memory, live";
    let mut shown = 0;
    while shown < 103 {
        shown = wait_for_step(&mut pty, shown + STRIDE);
        demo.show(pty.whole_screen(), training, 0.2);
    }
    keep("monitor", pty.whole_screen());
    demo.pose();
    pty.press("2");
    pty.wait_for(&["384 × 384"]);
    demo.show(pty.whole_screen(), "2: gradient mass of every layer", 3.0);
    keep("layers", pty.whole_screen());
    pty.press("3");
    pty.wait_for(&["✗"]);
    demo.show(pty.whole_screen(), "3: the examples with the highest loss", 3.0);
    keep("samples", pty.whole_screen());
    pty.press("1");
    pty.wait_until("the overview", |screen| !screen.contents().contains('✗'));
    while shown < 170 - STRIDE {
        shown = wait_for_step(&mut pty, shown + STRIDE);
        demo.show(pty.whole_screen(), training, 0.2);
    }
    pty.wait_for(&["● completed", "accuracy", "HTML report"]);
    demo.show(pty.whole_screen(), "done: the results, and what to do next", 3.0);
    keep("card", pty.whole_screen());

    pty.press("R");
    pty.wait_for(&["random", "magnitude", "170/170"]);
    pty.press("   ");
    pty.wait_for(&["3 marked", "baseline", "sift.select"]);
    demo.show(pty.whole_screen(), "R: all runs; the marked ones compared", 3.5);
    keep("runs", pty.whole_screen());
    pty.press("c");
    pty.wait_for(&["Eval loss", "Update size", "sift.select"]);
    demo.show(pty.whole_screen(), "c: every metric of the marked runs", 3.5);
    keep("compare", pty.whole_screen());
    pty.press(":");
    pty.wait_for(&["ScreenColours"]);
    demo.show(pty.whole_screen(), ":  everything that can be done, to search", 2.5);
    keep("palette", pty.whole_screen());
    pty.press("\x1b");
    pty.wait_until("the palette to go", |screen| !screen.contents().contains("ScreenColours"));
    pty.press("\x1b");
    pty.wait_for(&["sorted by"]);
    write("demo", &demo.svg());
    pty.press("q");
    assert_eq!(pty.wait_exit().0, 0);
}

/// A demo run without a screen, with another selection.
fn train(folder: &Path, cache: &str, select: &str) {
    let mut command = Command::new(place::program());
    command.args(["train", "demo", "--headless", "--device", "cpu"]);
    command.args(["--set", &format!("sift.select={select}"), "--run", &format!("demo-{select}")]);
    command.current_dir(folder).env_remove("FINESIFT_RUNS");
    command.env("XDG_CONFIG_HOME", folder.join("config")).env("XDG_CACHE_HOME", cache);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until the monitor shows this step or a later one, and returns which.
fn wait_for_step(pty: &mut Pty, step: u32) -> u32 {
    let shown = |screen: &Screen| {
        let contents = screen.contents();
        let before = contents.split_once("/170")?.0;
        let digits = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |place| place + 1);
        before[digits..].parse::<u32>().ok()
    };
    pty.wait_until(&format!("step {step}"), |screen| shown(screen).is_some_and(|now| now >= step));
    shown(pty.whole_screen()).unwrap()
}

fn keep(name: &str, screen: &Screen) {
    write(name, &svg::still(&screen::buffer(screen), ScreenColours::DARK));
}

fn write(name: &str, svg: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.svg")), svg).unwrap();
}
