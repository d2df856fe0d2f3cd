//! The whole program in a pseudo-terminal: a run is watched, paused, saved and stopped by key and by signal.

use std::path::Path;
use std::sync::Arc;

use finesift::config::Config;
use finesift::estimate::Estimate;
use finesift::export::{ExportControl, ExportRequest};
use finesift::preset::Preset;
use finesift::protocol::Event;
use finesift::runs::RunFolder;
use finesift::session::Session;
use finesift::ui::backend::{Backend, Launched};
use finesift::ui::{self, Options};

use crate::place;
use crate::pty::Pty;
use crate::tiny::{self, Tiny};

/// Writes the user's settings.
fn settings(tiny: &Tiny, text: &str) {
    let folder = tiny.path("config/finesift");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
}

/// A preset whose run would train for hours.
fn endless(tiny: &Tiny) -> String {
    let path = tiny.path("endless.toml");
    std::fs::write(&path, tiny.preset("epochs = 1000000\neval_every = 1000000")).unwrap();
    path.display().to_string()
}

fn watch(tiny: &Tiny, columns: u16, rows: u16) -> Pty {
    let preset = endless(tiny);
    let mut pty = Pty::start(columns, rows, &tiny.path(""), &["train", &preset, "--run", "mine", "--device", "cpu"]);
    pty.wait_for(&["training", "step ", "Loss"]);
    pty
}

#[test]
fn a_run_is_watched_paused_and_saved_by_key() {
    let tiny = Tiny::new(0.0);
    let mut pty = watch(&tiny, 120, 40);
    pty.press("p");
    pty.wait_for(&["paused", "resume"]);
    pty.press("c");
    pty.wait_for(&["saved checkpoint at step", "● paused"]);
    pty.press("e");
    // A key pressed before the run reports that it is paused again would pause it, not resume it.
    pty.wait_for(&["evaluation at step", "● paused"]);
    pty.press("p");
    pty.wait_for(&["● training"]);
    pty.press("?");
    pty.wait_for(&["save a checkpoint now"]);
    pty.press("\x1b");
    pty.wait_until("the help to go", |screen| !screen.contents().contains("save a checkpoint now"));
    pty.press("\r");
    pty.wait_for(&["cursor", "esc back"]);
    pty.press("\x1b");
    pty.wait_for(&["Gradient mass"]);
    pty.press("w");
    pty.wait_for(&["wrote loss-step-"]);
    for (tab, shown) in [
        ("2", "bert.encoder.layer.0.attention.self.query."),
        ("3", "24 highest-loss"),
        ("4", "Disk free"),
        ("6", "texts.csv"),
    ] {
        pty.press(tab);
        pty.wait_for(&[shown]);
    }
    pty.press("1q");
    pty.wait_for(&["stop and save"]);
    pty.press("s");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("stopped after"), "{text}");
    pty.assert_restored();
    let kept = std::fs::read_dir(tiny.path("runs/mine/checkpoints")).unwrap().count();
    assert!((1..=2).contains(&kept), "{kept} checkpoints");
    let charts = std::fs::read_dir(tiny.path("runs/mine/charts")).unwrap().map(|file| file.unwrap().path());
    let mut kinds: Vec<_> = charts.map(|path| path.extension().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(kinds, ["csv", "svg"]);
}

#[test]
fn a_signal_stops_the_run_with_a_checkpoint_and_restores_the_terminal() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let tiny = Tiny::new(0.0);
        settings(&tiny, "on_hangup = \"checkpoint\"");
        let mut pty = watch(&tiny, 80, 24);
        pty.signal(signal);
        let (status, text) = pty.wait_exit();
        assert_eq!(status, code, "{signal}: {text}");
        pty.assert_restored();
        assert!(tiny.path("runs/mine/checkpoints").is_dir(), "{signal}: no checkpoint");
    }
}

#[test]
fn a_closed_terminal_stops_the_run_with_a_checkpoint_if_the_settings_say_so() {
    let tiny = Tiny::new(0.0);
    settings(&tiny, "on_hangup = \"checkpoint\"");
    assert_eq!(watch(&tiny, 80, 24).close(), 129);
    let events = finesift::runs::read_events(&tiny.path("runs/mine/events.jsonl")).unwrap();
    let checkpoint = events.iter().any(|event| matches!(event, Event::Checkpointed { .. }));
    assert!(checkpoint, "{:?}", events.last());
    assert!(matches!(events.last(), Some(Event::Finished(_))), "{:?}", events.last());
}

/// Resident MiB of the workbench after a run of large batches, and the peak before.
#[cfg(target_os = "linux")]
fn resident_after_a_run(settings: &str) -> (u64, u64) {
    let tiny = Tiny::new(0.0);
    let text = (0..60).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
    let rows: String = (0..512).map(|row| format!("{text},{}\n", ["no", "yes"][row % 2])).collect();
    std::fs::write(tiny.path("texts.csv"), format!("text,label\n{rows}")).unwrap();
    let preset =
        tiny.preset("epochs = 2").replace("max_length = 16", "max_length = 64").replace("batch = 8", "batch = 384");
    let path = tiny.path("large.toml");
    std::fs::write(&path, preset).unwrap();
    let arguments = ["train", path.to_str().unwrap(), "--run", "mine", "--device", "cpu"];
    let mut pty = Pty::start_with(120, 40, &tiny.path(""), &arguments, &[("MALLOC_CONF", settings)]);
    pty.wait_for(&["completed"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", pty.process_id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    };
    (field("VmRSS:"), field("VmHWM:"))
}

#[test]
#[cfg(target_os = "linux")]
fn memory_of_a_run_goes_back_to_the_system_when_it_ends() {
    // With one arena: jemalloc gives back that of a thread without others when the thread ends.
    let (resident, peak) = resident_after_a_run("narenas:1");
    // What the user sets holds: freed memory stays.
    let (kept, kept_peak) = resident_after_a_run("narenas:1,dirty_decay_ms:-1");
    assert!(kept_peak - kept < 50, "{kept} of {kept_peak} MiB");
    assert!(peak - resident > 100 && kept - resident > 100, "{resident} of {peak} MiB, {kept} if all is kept");
}

#[test]
fn every_size_of_the_terminal_is_drawn() {
    let tiny = Tiny::new(0.0);
    let mut pty = watch(&tiny, 200, 60);
    for _ in 0..100 {
        pty.resize(1, 1);
        pty.resize(200, 60);
    }
    pty.wait_for(&["Gradient norm", "space pause"]);
    pty.resize(40, 10);
    pty.wait_for(&["▶ training  mine", "space pause  q quit"]);
    pty.resize(80, 24);
    pty.wait_for(&["Loss", "space pause"]);
    pty.press("qd");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
}

#[test]
fn a_usage_error_is_printed_and_leaves_no_run_folder() {
    let tiny = Tiny::new(0.0);
    let path = tiny.path("wrong.toml");
    std::fs::write(&path, tiny.preset("epochs = 1").replace("[\"classifier\"]", "[\"clasifier\"]")).unwrap();
    let mut pty = Pty::start(120, 30, &tiny.path(""), &["train", &path.display().to_string(), "--run", "mine"]);
    pty.wait_for(&["clasifier"]);
    pty.press("q");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("did you mean one of classifier"), "{text}");
    pty.assert_restored();
    assert!(!tiny.path("runs/mine").exists());
}

#[test]
fn a_preset_is_found_changed_and_launched_at_home() {
    let tiny = Tiny::new(0.0);
    let presets = tiny.path("config/finesift/presets");
    std::fs::create_dir_all(&presets).unwrap();
    let text = tiny.preset("# Found by trying.\nepochs = 1000000   # for hours\neval_every = 1000000");
    std::fs::write(presets.join("words.toml"), &text).unwrap();
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
    // The user's own is first and selected. The demo's model is not in this cache.
    pty.wait_for(&["Presets", "▌ words", "yours", "built-in"]);
    pty.press("j");
    pty.wait_for(&["▌ demo", "`finesift download demo`"]);
    pty.press("/words");
    pty.wait_for(&["1 of 17", "a tiny run", "9,000,000", "[CLS]", "activations"]);
    pty.press("\r");
    // To the settings, and to the number of epochs.
    let keys: Vec<&str> = finesift::preset::KEYS.iter().map(|key| key.name).collect();
    let above = keys.len() - 1 - keys.iter().position(|key| *key == "train.epochs").unwrap();
    pty.press("e\x1b[F");
    pty.wait_for(&[&format!("{}:", keys[keys.len() - 1])]);
    pty.press(&"k".repeat(above));
    pty.wait_for(&["train.epochs:"]);
    pty.press("e\x15");
    pty.press("0");
    pty.wait_for(&["train.epochs is 0, expected"]);
    pty.press("\x7f2000000\r");
    pty.wait_for(&["1 changed", "was 1000000", "18,000,000"]);
    pty.press("s");
    pty.wait_for(&["Save as", "overwrites the preset"]);
    pty.press("\x15again\r");
    pty.wait_for(&["saved as", "2 of yours", "again"]);
    let saved = std::fs::read_to_string(presets.join("again.toml")).unwrap();
    assert_eq!(saved, text.replace("= 1000000   #", "= 2000000   #"));
    pty.press("r");
    pty.wait_for(&["● training", "step ", "Loss"]);
    pty.press("p");
    pty.wait_for(&["● paused"]);
    pty.press("c");
    pty.wait_for(&["saved checkpoint at step", "● paused"]);
    pty.press("p");
    pty.wait_for(&["● training"]);
    pty.press("t");
    pty.wait_for(&["enter keeps", "colour-blind"]);
    pty.press("j\r");
    pty.wait_for(&["set theme"]);
    pty.press("\r");
    pty.wait_for(&["esc back"]);
    pty.press("\x1b");
    pty.wait_for(&["Gradient mass"]);
    pty.press("q");
    pty.wait_for(&["stop and save"]);
    pty.press("s");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    pty.assert_restored();

    // Started again, the program lists the run, replays it and resumes it.
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
    pty.wait_for(&["Presets"]);
    pty.press("R");
    pty.wait_for(&["■ stopped", "again-"]);
    pty.press("\r");
    pty.wait_for(&["● stopped", "Gradient mass"]);
    pty.press("\x1b");
    pty.wait_for(&["■ stopped"]);
    pty.press("r");
    pty.wait_for(&["● training", "Gradient mass"]);
    pty.press("q");
    pty.wait_for(&["stop and save"]);
    pty.press("d");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
    let run = std::fs::read_dir(tiny.path("runs")).unwrap().next().unwrap().unwrap();
    assert!(run.file_name().to_string_lossy().starts_with("again-"));
    assert!(std::fs::read_to_string(run.path().join("preset.toml")).unwrap().contains("epochs = 2000000"));
}

#[test]
fn quitting_with_unsaved_presets_asks_first() {
    let tiny = Tiny::new(0.0);
    let presets = tiny.path("config/finesift/presets");
    std::fs::create_dir_all(&presets).unwrap();
    let text = tiny.preset("# Found by trying.\nepochs = 3   # enough");
    std::fs::write(presets.join("words.toml"), &text).unwrap();
    // Changes the first setting, the description.
    let change = |pty: &mut Pty| {
        pty.wait_for(&["Presets", "1 of yours"]);
        pty.press("/words\r");
        pty.wait_for(&["a tiny run"]);
        pty.press("e\x1b[He");
        pty.wait_for(&["(leave empty for"]);
        pty.press("\x15again\r");
        pty.wait_for(&["1 changed"]);
    };
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
    change(&mut pty);
    // Both keys that quit ask, and esc stays.
    for quit in ["q", "\x03"] {
        pty.press(quit);
        pty.wait_for(&["1 preset has unsaved changes.", "will be overwritten"]);
        pty.press("\x1b");
        pty.wait_until("the question to go", |screen| !screen.contents().contains("unsaved"));
    }
    assert!(pty.text().contains("1 changed"));
    pty.press("q");
    pty.wait_for(&["save all and quit"]);
    pty.press("s");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
    let saved = std::fs::read_to_string(presets.join("words.toml")).unwrap();
    assert_eq!(saved, text.replace("\"a tiny run\"", "\"again\""));
    // Quit without saving, or by a signal, which does not ask.
    for leave in ["n", ""] {
        std::fs::write(presets.join("words.toml"), &text).unwrap();
        let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
        change(&mut pty);
        pty.press("q");
        pty.wait_for(&["quit without saving"]);
        match leave {
            "" => pty.signal("TERM"),
            key => pty.press(key),
        }
        let expected = if leave.is_empty() { 143 } else { 0 };
        assert_eq!(pty.wait_exit().0, expected);
        pty.assert_restored();
        assert_eq!(std::fs::read_to_string(presets.join("words.toml")).unwrap(), text);
    }
    // A preset that cannot be written keeps the workbench open.
    std::fs::remove_dir_all(&presets).unwrap();
    std::fs::write(&presets, "in the way").unwrap();
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
    pty.wait_for(&["Presets", "▌ demo"]);
    pty.press("e\x1b[He");
    pty.wait_for(&["(leave empty for"]);
    pty.press("\x15again\r");
    pty.wait_for(&["1 changed"]);
    pty.press("q");
    pty.wait_for(&["will be saved as my-demo"]);
    pty.press("s");
    pty.wait_for(&["cannot write", "1 changed"]);
    pty.press("qn");
    assert_eq!(pty.wait_exit().0, 0);
}

#[test]
fn a_failed_launch_is_mended_from_its_card() {
    let tiny = Tiny::new(0.0);
    let presets = tiny.path("config/finesift/presets");
    std::fs::create_dir_all(&presets).unwrap();
    let wrong = tiny.preset("epochs = 1000000\neval_every = 1000000").replace("[\"classifier\"]", "[\"clasifier\"]");
    std::fs::write(presets.join("words.toml"), wrong).unwrap();
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
    pty.wait_for(&["Presets", "▌ words"]);
    pty.press("\r");
    pty.wait_for(&["Failed words-", "Change sift.dense of the preset", "edit sift.dense of words at Home", "● failed"]);
    // Its mistake was found before a step, so there is nothing to resume.
    assert!(!pty.text().contains("resume"), "{}", pty.text());
    pty.press("e");
    pty.wait_for(&["Presets", "sift.dense:"]);
    pty.press("\r");
    pty.press("\x15[\"classifier\"]\r");
    pty.wait_for(&["1 changed"]);
    pty.press("r");
    pty.wait_for(&["● training", "step "]);
    // Elsewhere, the run stays in view.
    pty.press("R");
    pty.wait_for(&["▶ words-", "left"]);
    pty.press("M");
    pty.wait_for(&["● training"]);
    // The card of the run that is stopped leads to its export.
    pty.press("s");
    pty.wait_for(&["Stopped words-", "resume from the latest checkpoint", "● stopped"]);
    pty.press("h");
    pty.wait_for(&["Export words-", "● HTML report", "report.html"]);
    pty.press("\r");
    pty.wait_for(&["exported to runs/words-"]);
    pty.press("qn");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
}

#[test]
fn a_run_is_exported_and_a_checkpoint_is_pinned_from_the_list() {
    let tiny = Tiny::new(0.0);
    let preset = tiny.path("short.toml");
    std::fs::write(&preset, tiny.preset("epochs = 2")).unwrap();
    let mut command = std::process::Command::new(place::program());
    command.args(["train", "short.toml", "--run", "mine", "--device", "cpu", "--headless"]);
    assert!(command.current_dir(tiny.path("")).output().unwrap().status.success());
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["--device", "cpu"]);
    pty.wait_for(&["Presets"]);
    pty.press("R");
    pty.wait_for(&["✔ completed", "mine", "checkpoints"]);
    pty.press("e");
    pty.wait_for(&["Export mine", "runs/mine/exports/step-"]);
    pty.press("\r");
    pty.wait_for(&["exported to runs/mine/exports/step-"]);
    // A path of the user's own. An existing file is reported, and stays.
    pty.press("e\t\t\x15delta.safetensors");
    pty.press("\x1b[Z\x1b[Z\x1b[B");
    pty.wait_for(&["● sparse delta", " delta.safetensors"]);
    pty.press("\r");
    pty.wait_for(&["exported to delta.safetensors"]);
    pty.press("e\t\t\x15delta.safetensors\r");
    pty.wait_for(&["delta.safetensors: exists already"]);
    // Some biases are trainable.
    pty.press("e\x1b[B\x1b[B\t\t\x15adapter\r");
    pty.wait_for(&["components of 8 biases", "y export without biases"]);
    assert!(!tiny.path("adapter").exists());
    pty.press("y");
    pty.wait_for(&["exported to adapter"]);
    pty.press("p");
    pty.wait_for(&["p pin/unpin"]);
    pty.press("p");
    // The toast says so, and the list of checkpoints shows it.
    pty.wait_until("the pin", |screen| {
        let shown = screen.contents();
        shown.contains("pinned the checkpoint at step") && shown.matches("pinned").count() > 1
    });
    pty.press("\x1b");
    pty.wait_until("the checkpoints to go", |screen| !screen.contents().contains("p pin/unpin"));
    pty.press("q");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
    let merged = std::fs::read_dir(tiny.path("runs/mine/exports")).unwrap().next().unwrap().unwrap().path();
    assert!(merged.join("merged/model.safetensors").is_file());
    assert!(tiny.path("adapter/adapter_model.safetensors").is_file());
    let checkpoints = finesift::runs::checkpoint::list(&tiny.path("runs/mine/checkpoints")).unwrap();
    assert!(checkpoints[0].pinned);
}

#[test]
fn a_language_model_is_prompted_while_it_trains() {
    let folder = tiny::chat();
    let tiny = Tiny::at(folder.path().to_owned());
    let preset = format!(
        "[model]\nid = {:?}\n[data]\nformat = \"prompt_completion\"\npath = {:?}\neval_fraction = 0.25\nmax_length = 64\n\
         [sift]\nrate = 0.05\nmodules = [\"q_proj\"]\n[sample]\ntokens = 8\n\
         [train]\nepochs = 1000000\neval_every = 1000000\nbatch = 8\nlearning_rate = 1e-3\n",
        tiny.path("model"),
        tiny.path("rows.jsonl")
    );
    std::fs::write(tiny.path("chat.toml"), preset).unwrap();
    let mut pty = Pty::start(120, 40, &tiny.path(""), &["train", "chat.toml", "--run", "mine", "--device", "cpu"]);
    pty.wait_for(&["● training", "step "]);
    pty.press("g");
    pty.wait_for(&["enter send"]);
    pty.press("quick? pause\r");
    pty.wait_for(&["Completion", "quick? pause", "● training"]);
    // A paused run completes a prompt and stays paused.
    pty.press("p");
    pty.wait_for(&["● paused"]);
    pty.press("g\x1b[A!\r");
    pty.wait_until("the completion", |screen| {
        let shown = screen.contents();
        shown.contains("quick? pause!") && shown.contains("● paused") && !shown.contains("enter send")
    });
    pty.press("qd");
    assert_eq!(pty.wait_exit().0, 0);
    pty.assert_restored();
    let events = finesift::runs::read_events(&tiny.path("runs/mine/events.jsonl")).unwrap();
    let prompts = events.iter().filter_map(|event| match event {
        Event::Sample { prompt, .. } => Some(prompt.as_str()),
        _ => None,
    });
    assert_eq!(prompts.collect::<Vec<_>>(), ["quick? pause", "quick? pause!"]);
}

#[test]
fn the_users_presets_work_on_the_command_line() {
    let tiny = Tiny::new(0.0);
    let presets = tiny.path("config/finesift/presets");
    std::fs::create_dir_all(&presets).unwrap();
    let text = tiny.preset("epochs = 1   # is enough");
    std::fs::write(presets.join("words.toml"), &text).unwrap();
    std::fs::write(presets.join("broken.toml"), text.replace("rate = 0.05", "rate = 5")).unwrap();
    let finesift = |arguments: &[&str]| {
        let mut command = std::process::Command::new(place::program());
        command.args(arguments).current_dir(tiny.path("")).env_remove("FINESIFT_RUNS");
        command.env("XDG_CONFIG_HOME", tiny.path("config")).env("XDG_CACHE_HOME", tiny.path("cache"));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (status, list, _) = finesift(&["presets"]);
    assert_eq!(status, Some(0));
    assert!(
        list.starts_with("demo ")
            && list.lines().any(|line| line.split("  ").next() == Some("words") && line.ends_with("  a tiny run")),
        "{list}"
    );
    assert!(list.contains("broken.toml:10: sift.rate is 5, expected a number above 0"), "{list}");
    assert_eq!(finesift(&["presets", "show", "words"]), (Some(0), text, String::new()));
    let (status, summary, error) =
        finesift(&["train", "words", "--set", "train.max_steps=2", "--device", "cpu", "--headless", "--run", "mine"]);
    assert_eq!(status, Some(0), "{error}");
    assert!(summary.contains("completed after 2 steps"), "{summary}");
    let (status, _, error) = finesift(&["train", "word"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("no preset \"word\"; did you mean \"words\"?"), "{error}");
}

/// The next test starts this one in a terminal: the workbench, with a trainer that panics.
#[test]
#[ignore = "the next test starts it"]
fn workbench_with_a_trainer_that_panics() {
    let folder = std::env::current_dir().unwrap();
    let config = Config::load(&folder).unwrap();
    let session = Session::spawn(None, |port| {
        port.emit(Event::info("loaded the model"));
        panic!("a bug in the trainer")
    });
    let folder = RunFolder::create(&folder, Some("mine"), "tiny", "").unwrap();
    let launched = Launched { link: session.unwrap().into(), folder: folder.path().to_owned(), fresh: true };
    let options = Options::of(&config, false).unwrap();
    let error = ui::open(Arc::new(NoTrainer), Some(launched), options).unwrap_err();
    assert!(error.to_string().contains("a bug in the trainer"), "{error}");
}

#[test]
fn a_panic_of_the_trainer_is_shown_without_spoiling_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap().display().to_string();
    let name = "workbench::workbench_with_a_trainer_that_panics";
    let mut pty =
        Pty::start_program(&test, 120, 40, folder.path(), &["--exact", name, "--ignored", "--nocapture"], &[]);
    pty.wait_for(&["Failed", "a bug in the trainer", "● failed"]);
    pty.press("?");
    pty.wait_for(&["save a checkpoint now"]);
    pty.press("\x1b");
    pty.wait_until("the help to go", |screen| !screen.contents().contains("save a checkpoint now"));
    pty.press("5");
    pty.wait_for(&["loaded the model"]);
    pty.press("q");
    let (status, text) = pty.wait_exit();
    assert_eq!(status, 0, "{text}");
    pty.assert_restored();
}

struct NoTrainer;

impl Backend for NoTrainer {
    fn launch(&self, _: Preset, _: Option<&str>) -> anyhow::Result<Launched> {
        anyhow::bail!("not in this test")
    }

    fn resume(&self, _: &Path, _: &[String]) -> anyhow::Result<Launched> {
        anyhow::bail!("not in this test")
    }

    fn attach(&self, _: &Path) -> anyhow::Result<Launched> {
        anyhow::bail!("not in this test")
    }

    fn detach(&self, _: &Path) -> anyhow::Result<()> {
        anyhow::bail!("not in this test")
    }

    fn chat(&self, _: &Path) -> anyhow::Result<finesift::chat::ChatLink> {
        anyhow::bail!("not in this test")
    }

    fn runs(&self) -> &Path {
        Path::new("runs")
    }

    fn cache(&self) -> &Path {
        Path::new("cache")
    }

    fn estimate(&self, _: &Preset) -> anyhow::Result<Estimate> {
        anyhow::bail!("not in this test")
    }

    fn export(&self, _: &ExportRequest, _: ExportControl) -> anyhow::Result<()> {
        anyhow::bail!("not in this test")
    }
}
