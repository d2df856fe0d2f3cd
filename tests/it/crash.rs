//! A run that is killed repeatedly, half of the times while a checkpoint is written, has the numbers of an undisturbed run.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use finesift::protocol::Event;
use finesift::runs::checkpoint::{self, STATE, StoredCheckpoint};
use finesift::runs::{Disk, RealDisk, RunLock, read_events};
use finesift::train::{CheckpointSelector, ResumeOptions};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::matmul::multiplies_in_bf16;
use crate::place;
use crate::resume::numbers;
use crate::run::{resume_on, spawn_on};
use crate::tiny::Tiny;

/// Environment variables of the child process: folder, run and method.
const FOLDER: &str = "FINESIFT_CRASH_FOLDER";
const RUN: &str = "FINESIFT_CRASH_RUN";
const METHOD: &str = "FINESIFT_CRASH_METHOD";

/// What is trained, and changes to the rate of a preset. Each structure of a selection resumes from indices of its own.
const METHODS: [(&str, &str); 10] = [
    ("sift", "rate = 0.002\nreselect_every = 6"),
    ("sift", "rate = 0.002"),
    ("sift", "rate = 0.05\nstructure = \"columns\"\nreselect_every = 6"),
    ("sift", "rate = 0.05\nstructure = \"rows\""),
    ("sift", "rate = 0.05\nstructure = \"rows_columns\""),
    ("sift", "rate = 0.05\nstructure = \"blocks\""),
    ("full", "rate = 0.05"),
    ("head", "rate = 0.05"),
    ("lora", "rate = 0.05"),
    ("sift", BF16),
];

/// Changes that also multiply in bf16, in fp32 on a GPU or a processor that cannot.
const BF16: &str = "rate = 0.01";

/// Kills of all methods together; the nightly test asks for more.
const KILLS: usize = 30;

#[test]
fn a_run_killed_at_any_moment_has_the_same_numbers() {
    let kills = env::var("FINESIFT_CRASHES").map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = env::var("FINESIFT_CRASH_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let (mut killed, mut while_writing) = (0, 0);
    for method in 0..METHODS.len() {
        let writing = kill_often(method, kills.div_ceil(METHODS.len()), &mut random, seed);
        while_writing += writing.iter().filter(|&&writing| writing).count();
        killed += writing.len();
    }
    eprintln!("{killed} kills, {while_writing} of them while a checkpoint was written");
    assert!(while_writing * 3 >= killed, "{while_writing} of {killed}");
}

/// Kills runs of a method so many times. Returns of each kill whether a checkpoint was being written.
fn kill_often(method: usize, kills: usize, random: &mut StdRng, seed: u64) -> Vec<bool> {
    let tiny = Tiny::new(0.1);
    let events = |run: &str| tiny.path("runs").join(run).join("events.jsonl");
    assert!(kill_when(&tiny, method, "whole", None).is_none());
    let whole = numbers(&read_events(&events("whole")).unwrap());
    assert_eq!(whole.iter().filter(|event| matches!(event, Event::Step(_))).count(), 27);
    let (mut while_writing, mut round) = (Vec::new(), 0);
    while while_writing.len() < kills {
        round += 1;
        let run = format!("round-{round}");
        let case = format!("seed {seed}, {:?}, {run}", METHODS[method]);
        // Each round completes its run, so that damage by any kill would show.
        let mut left = 4;
        loop {
            let on_disk = while_writing.len() % 2 == 0;
            let moment = (left > 0).then(|| Moment {
                // After a number of lines, and a little later.
                line: random.random_range(1..if on_disk { 40 } else { 60 }),
                kind: if on_disk { "disk" } else { "event" },
                later: Duration::from_micros(random.random_range(0..3000)),
            });
            let Some(last) = kill_when(&tiny, method, &run, moment) else { break };
            left -= 1;
            while_writing.push(last);
            // Every folder with a checkpoint's name is valid.
            let folder = tiny.path("runs").join(&run);
            for kept in checkpoint::list(&folder.join("checkpoints")).unwrap() {
                let stored = StoredCheckpoint::open(&kept.path).unwrap_or_else(|error| panic!("{case}: {error}"));
                stored.read(STATE).unwrap_or_else(|error| panic!("{case}: {error}"));
            }
            assert_eq!(RunLock::holder(&folder), None, "{case}: the lock ends with its process");
        }
        let told = read_events(&events(&run)).unwrap();
        assert!(matches!(told.last(), Some(Event::Finished(_))), "{case}");
        assert!(numbers(&told) == whole, "{case}: other numbers");
        fs::remove_dir_all(tiny.path("runs").join(&run)).unwrap();
    }
    while_writing
}

/// When to kill: after a number of lines of a kind, and a delay.
struct Moment {
    kind: &'static str,
    line: usize,
    later: Duration,
}

/// Starts or resumes a run in a child process, and kills it. `None` if it ended before; otherwise whether a checkpoint was
/// being written.
fn kill_when(tiny: &Tiny, method: usize, run: &str, moment: Option<Moment>) -> Option<bool> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, tiny.path(""))
        .env(RUN, run)
        .env(METHOD, method.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut seen, mut writing) = (0, false);
    for line in lines.map_while(Result::ok) {
        match line.as_str() {
            "disk begins" => writing = true,
            "disk ends" => writing = false,
            _ => {}
        }
        let Some(moment) = &moment else { continue };
        seen += usize::from(line.starts_with(moment.kind));
        if seen == moment.line {
            return kill(child, moment.later).then_some(writing);
        }
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "{run}: {status}");
    None
}

/// Kills a process after a delay. Returns whether it was alive.
fn kill(mut child: Child, later: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < later {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

#[test]
#[ignore = "the process that the test above kills"]
fn child() {
    let (Ok(folder), Ok(run), Ok(method)) = (env::var(FOLDER), env::var(RUN), env::var(METHOD)) else { return };
    let (method, rate) = METHODS[method.parse::<usize>().unwrap()];
    let tiny = Tiny::at(PathBuf::from(folder));
    let disk = Arc::new(Slow);
    let preset = tiny.preset("epochs = 3\neval_every = 5").replace("[keep]", "[keep]\nevery_steps = 2");
    let preset = format!("method = {method:?}\n{}", preset.replace("rate = 0.05", rate));
    let preset = match rate == BF16 && !place::device().is_cuda() && multiplies_in_bf16() {
        true => preset.replace("[train]", "[train]\nmatmul = \"bf16\""),
        false => preset,
    };
    let mut session = if tiny.path("runs").join(&run).join("preset.toml").exists() {
        resume_on(disk, &tiny, &run, ResumeOptions { from: CheckpointSelector::Newest, force: false, set: Vec::new() })
            .unwrap()
    } else {
        spawn_on(disk, &tiny, &preset, &run).unwrap()
    };
    while session.blocking_next().is_some() {
        say("event");
    }
    session.join().unwrap();
}

/// A slow disk that prints a line for each call.
struct Slow;

impl Disk for Slow {
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        say("disk begins");
        RealDisk.create_dir(folder)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        // A checkpoint of all parameters takes no longer than one of a few.
        for bytes in bytes.chunks(256.max(bytes.len() / 64)) {
            say("disk");
            std::thread::sleep(Duration::from_millis(1));
            file.write_all(bytes)?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        say("disk");
        std::thread::sleep(Duration::from_millis(1));
        RealDisk.rename(from, to)
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        RealDisk.remove(folder)?;
        say("disk ends");
        Ok(())
    }
}

/// Prints a line. The reader may be gone: then it is about to kill this process.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
