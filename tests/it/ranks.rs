//! Runs of several ranks, as processes: the same numbers as of one process, and what happens when one of them goes.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use finesift::protocol::{Event, Finished, Reason};
use finesift::runs::checkpoint::{self, Manifest};
use finesift::runs::read_events;
use rustix::process::{Pid, Signal, kill_process};
use tch::Tensor;

use crate::place;
use crate::tiny::{self, Tiny};

/// Of losses and gradient norms of any number of ranks. What ranks add up is rounded in another order.
const TOLERANCE: f64 = 1e-5;

pub(crate) fn program(tiny: &Tiny, arguments: &[&str]) -> Command {
    with_timeout(tiny, arguments, "60")
}

pub(crate) fn with_timeout(tiny: &Tiny, arguments: &[&str], seconds: &str) -> Command {
    of_program(place::program(), tiny, arguments, seconds)
}

fn of_program(program: &Path, tiny: &Tiny, arguments: &[&str], seconds: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(tiny.path(""))
        .args(arguments)
        .args(["--runs", "runs", "--device", "cpu", "--headless", "--json", "--rank-timeout", seconds])
        .env("XDG_CACHE_HOME", tiny.path("cache"))
        // Small work is slower on several threads.
        .env("OMP_NUM_THREADS", "1")
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null());
    command
}

/// Trains a preset with so many ranks. Returns its events.
pub(crate) fn train(tiny: &Tiny, preset: &str, run: &str, ranks: usize) -> Vec<Event> {
    let name = format!("{run}.toml");
    fs::write(tiny.path(&name), preset).unwrap();
    let output = program(tiny, &["train", &name, "--run", run, "--ranks", &ranks.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    events(tiny, run)
}

pub(crate) fn events(tiny: &Tiny, run: &str) -> Vec<Event> {
    read_events(&tiny.path("runs").join(run).join("events.jsonl")).unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Step, loss and gradient norm.
fn steps(events: &[Event]) -> Vec<(u64, f64, f64)> {
    let step = |event: &Event| match event {
        Event::Step(step) => Some((step.step, step.loss, step.grad_norm)),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

pub(crate) fn assert_close(case: &str, found: &[Event], expected: &[Event]) {
    let (found_steps, expected_steps) = (steps(found), steps(expected));
    assert_eq!(found_steps.len(), expected_steps.len(), "{case}");
    for (found, expected) in found_steps.iter().zip(&expected_steps) {
        let off = |found: f64, expected: f64| ((found - expected) / expected).abs();
        let (loss, norm) = (off(found.1, expected.1), off(found.2, expected.2));
        assert!(found.0 == expected.0 && loss < TOLERANCE && norm < 10.0 * TOLERANCE, "{case}: {found:?} {expected:?}");
    }
    let scores = |events: &[Event]| -> Vec<_> {
        let of = |event: &Event| match event {
            Event::Eval(eval) => Some((eval.step, eval.scores.get("accuracy").copied(), eval.best)),
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    assert_eq!(scores(found), scores(expected), "{case}");
}

/// What the latest checkpoint selects.
fn selected(tiny: &Tiny, run: &str) -> (Manifest, Vec<i64>) {
    let listed = checkpoint::list(&tiny.path("runs").join(run).join("checkpoints")).unwrap();
    let stored = checkpoint::StoredCheckpoint::open(&listed[0].path).unwrap();
    let tensors = Tensor::read_safetensors(listed[0].path.join("state.safetensors")).unwrap();
    let (_, indices) = tensors.into_iter().find(|(name, _)| name == "indices").unwrap();
    (stored.manifest, Vec::try_from(indices.to_kind(tch::Kind::Int64)).unwrap())
}

#[test]
fn numbers_do_not_depend_on_the_number_of_ranks() {
    // Dropout, accumulation, gradient checkpointing, structures, selecting again, and rows that the ranks cannot share evenly.
    for (case, dropout, train_keys, sift_keys, ranks) in [
        ("dropout", 0.1, "epochs = 2\naccumulate = 2", "", &[2, 3][..]),
        ("again", 0.1, "epochs = 1", "reselect_every = 4", &[2]),
        ("columns", 0.1, "epochs = 1\ngradient_checkpointing = true", "structure = \"columns\"\nbatches = 2", &[2]),
        ("few rows", 0.0, "epochs = 1\nglobal_batch = 6", "budget = \"global\"", &[4]),
        ("full", 0.1, "epochs = 1\nweight_decay = 0.1", "", &[2]),
    ] {
        let tiny = Tiny::new(dropout);
        let preset = tiny.preset(train_keys).replace("probe_every = 4", &format!("probe_every = 4\n{sift_keys}"));
        // Of key biases the gradient is rounding alone: softmax does not see them.
        let preset = preset.replace("rate = 0.05", "rate = 0.05\nbiases = false");
        let preset =
            if train_keys.contains("global_batch") { preset.replace("batch = 8\n", "batch = 3\n") } else { preset };
        let preset = if case == "full" { format!("method = \"full\"\n{preset}") } else { preset };
        let whole = train(&tiny, &preset, "whole", 1);
        assert!(steps(&whole).len() >= 9, "{case}");
        let sharded = preset.replace("[train]\n", "[train]\nshard = true\n");
        assert_ne!(sharded, preset);
        let runs = ranks.iter().map(|ranks| (*ranks, format!("ranks-{ranks}"), &preset));
        for (ranks, run, preset) in runs.chain([(2, "sharded".to_owned(), &sharded)]) {
            assert_close(case, &train(&tiny, preset, &run, ranks), &whole);
            let ((found, indices), (expected, of_one)) = (selected(&tiny, &run), selected(&tiny, "whole"));
            // A later selection is by weights that are rounded in another order.
            if !sift_keys.contains("reselect") {
                assert_eq!(found.slots, expected.slots, "{case}");
                assert!(indices == of_one, "{case}: other components are selected");
            }
        }
    }
}

#[test]
fn ranks_choose_a_batch_together() {
    let tiny = Tiny::new(0.1);
    let said = tiny.preset("epochs = 1").replace("batch = 8\n", "batch = 16\nglobal_batch = 16\n");
    let auto = said.replace("batch = 16\nglobal", "batch = \"auto\"\nglobal");
    assert_ne!(auto, said);
    let (chosen, expected) = (train(&tiny, &auto, "auto", 2), train(&tiny, &said, "said", 2));
    assert_eq!(steps(&chosen), steps(&expected));
    let line = |event: &Event| matches!(event, Event::Log { message, .. } if message.starts_with("train.batch = \"auto\": 16 x 1, "));
    assert!(chosen.iter().any(line));
    let kept = |run: &str| fs::read_to_string(tiny.path("runs").join(run).join("preset.toml")).unwrap();
    assert_eq!(kept("auto"), kept("said"));
}

#[test]
fn a_language_model_is_trained_with_packed_rows() {
    let chat = tiny::chat();
    let path = |name: &str| chat.path().join(name).display().to_string();
    let tiny = Tiny::at(chat.path().to_owned());
    for packing in ["true", "false"] {
        let preset = format!(
            "[model]\nid = {:?}\n[data]\nformat = \"prompt_completion\"\npath = {:?}\npacking = {packing}\nmax_length = 48\n\
             eval_fraction = 0.25\n[sift]\nrate = 0.2\nmodules = [\"q_proj\", \"down_proj\"]\nprobe_every = 3\n[train]\n\
             epochs = 3\nbatch = 4\naccumulate = 2\nlearning_rate = 3e-3\n[sample]\nprompts = [\"3? \"]\ntokens = 3\n",
            path("model"),
            path("rows.jsonl")
        );
        let whole = train(&tiny, &preset, &format!("whole-{packing}"), 1);
        assert_close(packing, &train(&tiny, &preset, &format!("two-{packing}"), 2), &whole);
        // Completions are those of all ranks together.
        let sharded =
            train(&tiny, &preset.replace("[train]\n", "[train]\nshard = true\n"), &format!("sharded-{packing}"), 3);
        assert_close(packing, &sharded, &whole);
        assert_eq!(completions(&sharded), completions(&whole));
    }
}

fn completions(events: &[Event]) -> Vec<(u64, String)> {
    let of = |event: &Event| match event {
        Event::Sample { step, text, .. } => Some((*step, text.clone())),
        _ => None,
    };
    let completions: Vec<_> = events.iter().filter_map(of).collect();
    assert!(!completions.is_empty());
    completions
}

#[test]
fn a_checkpoint_of_weights_sharded_over_ranks_is_that_of_any_run() {
    let tiny = Tiny::new(0.1);
    // Components leave the selection and come back, and the second part begins in the middle of a selection.
    let preset = tiny.preset("schedule = \"constant\"\nwarmup = 0\nepochs = 1");
    let preset = preset.replace("probe_every = 4", "probe_every = 4\nreselect_every = 3\nbiases = false");
    let whole = train(&tiny, &preset.replace("epochs = 1", "epochs = 3"), "whole", 1);
    train(&tiny, &preset.replace("[train]\n", "[train]\nshard = true\n"), "run", 3);
    for (ranks, shard, epochs) in
        [("1", "train.shard=false", "train.epochs=2"), ("2", "train.shard=true", "train.epochs=3")]
    {
        let output =
            program(&tiny, &["resume", "run", "--ranks", ranks, "--set", epochs, "--set", shard]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_close("resumed", &events(&tiny, "run"), &whole);
    let ((found, indices), (expected, of_one)) = (selected(&tiny, "run"), selected(&tiny, "whole"));
    assert_eq!(found.slots.len(), expected.slots.len());
    assert_eq!((found.updates, indices.len()), (expected.updates, of_one.len()));
    assert!(found.slots.iter().any(|slot| slot.retired > 0), "no component has left the selection");
}

#[test]
#[cfg(target_os = "linux")]
fn a_rank_that_has_a_part_of_the_weights_and_dies_ends_the_run() {
    let tiny = Tiny::new(0.0);
    let preset = tiny.preset("shard = true\nepochs = 100000").replace("[keep]\n", "[keep]\nevery_steps = 2\n");
    let (child, mut told) = started(&tiny, "run", &preset);
    until_step(&mut told, 6);
    kill_process(other_rank(&child), Signal::KILL).unwrap();
    std::io::copy(&mut told, &mut std::io::sink()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let events = events(&tiny, "run");
    let Some(Event::Failed { checkpoint: Some(checkpoint), error }) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert!(error.contains("another rank is gone"), "{error}");
    assert!(tiny.path("").join(checkpoint).is_dir(), "{}", checkpoint.display());
    let arguments = ["resume", "run", "--ranks", "2", "--set", "train.max_steps=40"];
    let output = program(&tiny, &arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn each_rank_is_sampled_and_a_plan_knows_them() {
    let tiny = Tiny::new(0.0);
    let (mut child, mut told) = started(&tiny, "run", &tiny.preset("shard = true\nepochs = 100000"));
    let mut line = String::new();
    let sample = loop {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "the run ended without a sample of both ranks");
        if let Ok(Event::Ranks(sample)) = serde_json::from_str(&line)
            && sample.ranks.iter().all(|rank| rank.step > 0)
        {
            break sample;
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sample.ranks.len(), 2);
    for rank in &sample.ranks {
        assert!(rank.tokens_per_second > 0.0 && rank.memory > 1 << 20 && rank.device == "cpu", "{rank:?}");
        assert!(rank.wait_seconds < rank.step_seconds && rank.bytes_per_step > 0.0 && rank.age < 60.0, "{rank:?}");
    }
    let plan = |more: &[&str]| {
        let output = Command::new(place::program())
            .current_dir(tiny.path(""))
            .args(["plan", "long.toml", "--device", "cpu", "--runs", "runs"])
            .args(more)
            .env("XDG_CACHE_HOME", tiny.path("cache"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output))
    };
    let (_, text) = plan(&["--ranks", "4"]);
    assert!(text.contains("each of 4 ranks") && text.contains("shard"), "{text}");
    let (_, json) = plan(&["--ranks", "4", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let weights = |plan: &serde_json::Value| plan["parts"]["weights"].as_u64().unwrap();
    let plans = json["plans"].as_array().unwrap();
    let (whole, sharded) = (&plans[0], plans.iter().find(|plan| plan["shard"] == true).unwrap());
    assert!(json["ranks"] == 4 && weights(sharded) != weights(whole), "{json}");
    assert_eq!(plan(&["--gpus", "8"]).0, Some(2));
    assert_eq!(plan(&["--ranks", "0"]).0, Some(2));
}

/// Starts a run of two ranks that goes on until it is told otherwise, and reads its events.
fn started(tiny: &Tiny, run: &str, preset: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    fs::write(tiny.path("long.toml"), preset).unwrap();
    let mut command = program(tiny, &["train", "long.toml", "--run", run, "--ranks", "2"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    (child, told)
}

pub(crate) fn until_step(told: &mut impl BufRead, step: u64) {
    let mut line = String::new();
    while told.read_line(&mut line).unwrap() > 0 {
        if matches!(serde_json::from_str(&line), Ok(Event::Step(taken)) if taken.step >= step) {
            return;
        }
        line.clear();
    }
    panic!("the run ended before step {step}");
}

/// The process of the rank that this one has started.
fn other_rank(first: &Child) -> Pid {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", first.id())).unwrap();
    Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap()).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_rank_that_dies_ends_the_run_and_it_resumes_with_any_number() {
    let tiny = Tiny::new(0.1);
    let preset = |epochs: &str| tiny.preset(&format!("schedule = \"constant\"\nwarmup = 0\nepochs = {epochs}"));
    let whole = train(&tiny, &preset("4"), "whole", 1);
    for (run, first_dies) in [("other", false), ("first", true)] {
        let (mut child, mut told) = started(&tiny, run, &preset("100000"));
        until_step(&mut told, 12);
        let other = other_rank(&child);
        if first_dies {
            child.kill().unwrap();
            drop(told);
        } else {
            kill_process(other, Signal::KILL).unwrap();
            let output = child.wait_with_output().unwrap();
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("another rank is gone: rank 1 has ended with signal: 9"), "{said}");
            let events = events(&tiny, run);
            let Some(Event::Failed { checkpoint: Some(checkpoint), .. }) = events.last() else { panic!("{events:?}") };
            assert!(tiny.path("").join(checkpoint).is_dir(), "{}", checkpoint.display());
        }
        // The rank that was left has gone, too.
        until_gone(other);
        for (ranks, epochs) in [("1", "train.epochs=3"), ("2", "train.epochs=4")] {
            let arguments = ["resume", run, "--ranks", ranks, "--set", epochs];
            let output = program(&tiny, &arguments).output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        }
        // Events of steps after the checkpoint were moved away, so that each step is there once.
        let found: Vec<Event> = events(&tiny, run);
        let (found, expected) = (steps(&found), steps(&whole));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(((found.1 - expected.1) / expected.1).abs() < TOLERANCE, "{found:?} {expected:?}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_rank_that_hangs_ends_the_run_within_the_time_out() {
    let tiny = Tiny::new(0.0);
    for (run, first_hangs) in [("other", false), ("first", true)] {
        fs::write(tiny.path("long.toml"), tiny.preset("epochs = 100000")).unwrap();
        let arguments = ["train", "long.toml", "--run", run, "--ranks", "2"];
        let mut command = with_timeout(&tiny, &arguments, "4");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        until_step(&mut told, 3);
        let (first, other) = (Pid::from_child(&child), other_rank(&child));
        let (hangs, waits) = if first_hangs { (first, other) } else { (other, first) };
        kill_process(hangs, Signal::STOP).unwrap();
        until_gone(waits);
        // The first rank ends those that it has started.
        if first_hangs {
            kill_process(hangs, Signal::KILL).unwrap();
        }
        until_gone(hangs);
        drop(told);
        let output = child.wait_with_output().unwrap();
        let said = match first_hangs {
            true => fs::read_to_string(tiny.path(&format!("runs/{run}/ranks/rank-1.log"))).unwrap(),
            false => said(&output),
        };
        assert!(said.contains("another rank is gone or does not answer"), "{said}");
    }
}

/// Waits for a process to end.
#[cfg(target_os = "linux")]
fn until_gone(process: Pid) {
    let stat = format!("/proc/{}/stat", process.as_raw_nonzero());
    let begin = std::time::Instant::now();
    while !fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")) {
        assert!(begin.elapsed().as_secs() < 60, "the other rank is still there");
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_to_the_first_rank_ends_all_with_a_checkpoint() {
    let tiny = Tiny::new(0.0);
    let (child, mut told) = started(&tiny, "run", &tiny.preset("epochs = 100000"));
    until_step(&mut told, 3);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    std::io::copy(&mut told, &mut std::io::sink()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    let events = events(&tiny, "run");
    let Some(Event::Finished(Finished { reason: Reason::Stopped, step, .. })) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert_eq!(selected(&tiny, "run").0.step, *step);
}

/// Two ranks as a launcher starts them.
fn launched(tiny: &Tiny, variables: impl Fn(usize) -> Vec<(&'static str, String)>, more: [&[&str]; 2]) -> [Output; 2] {
    both(tiny, [place::program(), place::program()], variables, more)
}

/// Two ranks, each of a program.
fn both(
    tiny: &Tiny,
    programs: [&Path; 2],
    variables: impl Fn(usize) -> Vec<(&'static str, String)>,
    more: [&[&str]; 2],
) -> [Output; 2] {
    let children = [0, 1].map(|rank| {
        let arguments = [&["train", "tiny.toml", "--run", "run"], more[rank]].concat();
        let mut command = of_program(programs[rank], tiny, &arguments, "60");
        command.envs(variables(rank)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    children.map(|child| child.wait_with_output().unwrap())
}

fn free_port() -> String {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string()
}

fn torchrun(rank: usize, port: &str) -> Vec<(&'static str, String)> {
    let host = "127.0.0.1".to_owned();
    let [rank, size] = [rank, 2].map(|number| number.to_string());
    let names = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"];
    names.into_iter().zip([rank.clone(), size, rank, host, port.to_owned()]).collect()
}

#[test]
fn launchers_start_ranks_by_their_variables() {
    let tiny = Tiny::new(0.1);
    let preset = tiny.preset("epochs = 1");
    let whole = train(&tiny, &preset, "whole", 1);
    fs::write(tiny.path("tiny.toml"), &preset).unwrap();
    let slurm = |rank: usize, port: &str| -> Vec<(&'static str, String)> {
        let names = ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_NODELIST", "MASTER_PORT"];
        let values = [rank.to_string(), "2".into(), rank.to_string(), "localhost".into(), port.to_owned()];
        names.into_iter().zip(values).collect()
    };
    for variables in [torchrun as fn(usize, &str) -> _, slurm] {
        let port = free_port();
        let outputs = launched(&tiny, |rank| variables(rank, &port), [&[], &[]]);
        assert!(outputs.iter().all(|output| output.status.success()), "{}", outputs.each_ref().map(said).join("\n"));
        // The second rank shows nothing.
        assert!(outputs[1].stdout.is_empty());
        assert_close("launched", &events(&tiny, "run"), &whole);
        fs::remove_dir_all(tiny.path("runs/run")).unwrap();
    }
}

#[test]
fn another_build_of_the_program_is_refused() {
    let tiny = Tiny::new(0.0);
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 1")).unwrap();
    // Bytes behind a program change nothing that it does.
    let other = tiny.path("other");
    fs::copy(place::program(), &other).unwrap();
    OpenOptions::new().append(true).open(&other).unwrap().write_all(b"other").unwrap();
    let port = free_port();
    let outputs = both(&tiny, [place::program(), &other], |rank| torchrun(rank, &port), [&[], &[]]);
    let said = outputs.each_ref().map(said);
    assert!(outputs.iter().all(|output| output.status.code() == Some(1)), "{said:?}");
    assert!(
        said.iter().any(|said| said.matches("is of finesift ").count() == 1 && said.contains(", and rank ")),
        "{said:?}"
    );
}

#[test]
fn ranks_that_do_not_train_the_same_are_told_apart_before_the_first_step() {
    let tiny = Tiny::new(0.1);
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 1")).unwrap();
    let port = free_port();
    let outputs = launched(&tiny, |rank| torchrun(rank, &port), [&[], &["--set", "train.seed=7"]]);
    for output in &outputs {
        let said = said(output);
        assert!(said.contains("rank 1 has another preset than rank 0: train.seed was the default and is 7"), "{said}");
        assert!(!output.status.success());
    }
    for (arguments, variables, message) in [
        (&["--ranks", "2"][..], torchrun(0, "1234"), "RANK and WORLD_SIZE says that there are 2 ranks already"),
        (&[], torchrun(5, "1234"), "RANK is 5, but WORLD_SIZE is 2: ranks count from 0"),
        (&["--ranks", "0"], Vec::new(), "0 ranks: expected 1 or more"),
    ] {
        let arguments = [&["train", "tiny.toml", "--run", "run-2"], arguments].concat();
        let output = program(&tiny, &arguments).envs(variables).output().unwrap();
        assert!(output.status.code() == Some(2) && said(&output).contains(message), "{}", said(&output));
    }
}
