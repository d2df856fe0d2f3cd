//! Ranks whose tensors NCCL adds up. Where there is no GPU, a library stands in for it and for CUDA's driver (`stand_in.cpp`), and the
//! ranks are threads of one process, which each case has for itself. On a GPU it is NCCL itself, with one rank.

use std::env;
use std::fs::read_to_string;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use finesift::distributed::{DistributedError, Gathers, Launcher, Placement, Ranks, Rendezvous, Work, World};
use finesift::model::{Head, LoadOptions, ModelConfig, Network, OffDevice};
use finesift::protocol::Event;
use finesift::runs::{checkpoint, read_events};
use finesift::train::{Learner, LearnerOptions, SelectionOptions, StepResult, select_components};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use crate::run::{self, finish, turn};
use crate::tiny::Tiny;
use crate::{place, sift};

/// Says to a process of a case which one it is.
const CASE: &str = "FINESIFT_NCCL_CASE";

/// What a process of a case prints when it is done.
const DONE: &str = "the case is done";

/// Longer than any case takes.
const PATIENT: Duration = Duration::from_secs(120);

const HASTY: Duration = Duration::from_secs(3);

const BERT: &str = r#"{"model_type": "bert", "vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 64, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}"#;

/// The stand-in, compiled once, under the names of both libraries.
static STAND_IN: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nccl/stand_in.cpp");
    let library = folder.path().join("libcuda.so");
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let compiled = Command::new(compiler)
        .args(["-std=c++17", "-O1", "-shared", "-fPIC", "-pthread", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    // One file: its streams and its sums belong together.
    symlink(&library, folder.path().join("libnccl.so.2")).unwrap();
    folder
});

/// Runs a case in a process of its own, with a fault of the stand-in.
fn on_stand_in(case: &str, fault: &str) {
    if place::skipped_on_gpu("libraries that stand in for CUDA's") {
        return;
    }
    let mut paths = vec![STAND_IN.path().to_owned()];
    paths.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
    let said = tempfile::NamedTempFile::new().unwrap();
    let output = said.reopen().unwrap();
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", "nccl::process_of_a_case", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", env::join_paths(paths).unwrap())
        .env(CASE, case)
        .env("STAND_IN", fault)
        // Ranks are threads here, and each would have threads of its own.
        .env("OMP_NUM_THREADS", "1")
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break Some(status);
        }
        if begin.elapsed() > PATIENT {
            process.kill().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let said = read_to_string(said.path()).unwrap();
    assert!(status.is_some_and(|status| status.success()) && said.contains(DONE), "{case}: {status:?}\n{said}");
}

#[test]
#[ignore = "the process of a case, which the other tests start"]
fn process_of_a_case() {
    // What libtorch initialises at first use is then not initialised by all ranks at once.
    let alone = on_ranks(1, PATIENT, |world| {
        let ones = Tensor::ones([9, 9], (Kind::Float, Device::Cpu));
        world.all_reduce(&ones.mm(&ones))
    });
    assert_eq!(alone, [Ok(())]);
    match env::var(CASE).unwrap_or_default().as_str() {
        "exchange" => exchange(),
        "learner" => learner_of_two_ranks(),
        "wrong" => falls_back("its sums of 1000 numbers of type Float are wrong"),
        "refuses" => falls_back("rank 1: NCCL: invalid usage"),
        "hangs" => hangs(),
        "blocks" => blocks(),
        "run" => run_of_two_ranks(),
        "hangs later" => run_with_a_rank_that_hangs(),
        "leaves" => leaves(),
        unknown => panic!("no case {unknown:?}"),
    }
    println!("{DONE}");
}

#[test]
fn tensors_are_summed_and_gathered() {
    on_stand_in("exchange", "");
}

#[test]
fn training_is_the_same_to_the_bit() {
    on_stand_in("learner", "");
}

#[test]
fn sums_that_are_wrong_are_left_to_gloo() {
    on_stand_in("wrong", "wrong");
}

#[test]
fn ranks_that_one_of_them_refuses_to_join_are_left_to_gloo() {
    on_stand_in("refuses", "refuses");
}

#[test]
fn a_rank_that_hangs_is_not_waited_for_beyond_the_time_out() {
    on_stand_in("hangs", "");
}

#[test]
fn a_call_that_blocks_is_not_waited_for_beyond_the_time_out() {
    on_stand_in("blocks", "blocks");
}

#[test]
fn a_run_is_the_same_to_the_bit() {
    on_stand_in("run", "");
}

#[test]
fn a_run_with_a_rank_that_hangs_saves_nothing_of_what_follows() {
    on_stand_in("hangs later", "hangs");
}

#[test]
fn a_rank_that_leaves_ends_operations_that_would_wait_for_it() {
    on_stand_in("leaves", "");
}

fn place_of(rank: usize, size: usize, port: u16) -> Placement {
    let (host, attempt) = ("127.0.0.1".into(), String::new());
    Placement {
        rank,
        size,
        local_rank: rank,
        several_hosts: false,
        host,
        port,
        launcher: Launcher::Torchrun,
        served: false,
        attempt,
    }
}

/// Does this on so many ranks, each a thread.
fn on_ranks<T: Send + 'static>(
    ranks: usize,
    timeout: Duration,
    work: impl Fn(World) -> T + Clone + Send + 'static,
) -> Vec<T> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut listener = Some(listener);
    let threads: Vec<_> = (0..ranks)
        .map(|rank| {
            let (listener, work) = (if rank == 0 { listener.take() } else { None }, work.clone());
            thread::spawn(move || {
                let rendezvous = Rendezvous { placement: place_of(rank, ranks, port), listener, timeout, ended: None };
                work(rendezvous.join("a", &|| false).unwrap())
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn exchange() {
    const RANKS: usize = 3;
    let found = on_ranks(RANKS, PATIENT, |world| {
        assert_eq!(world.use_nccl(Device::Cpu).unwrap().unwrap(), "2.28.9");
        let rank = world.rank() as f64;
        let before = world.exchanged().bytes;
        // Several at a time, of several types, read in another order.
        let kinds = [Kind::Float, Kind::BFloat16, Kind::Int64];
        let numbers = kinds.map(|kind| Tensor::full([50_000], rank + 1.0, (kind, Device::Cpu)));
        let begin = world.begin_step();
        let works = numbers.each_ref().map(|numbers| world.start_all_reduce(numbers).unwrap());
        works.into_iter().rev().for_each(|work| work.wait().unwrap());
        world.end_step(begin, 7, 11);
        let sums = numbers.map(|numbers| (numbers.min().double_value(&[]), numbers.max().double_value(&[])));
        assert_eq!(world.exchanged().bytes - before, 50_000 * (4 + 2 + 8));
        world.outcome().unwrap();
        // What is dropped without being waited for ends before its memory goes to others.
        drop(world.start_all_reduce(&Tensor::ones([10], (Kind::Float, Device::Cpu))).unwrap());
        let begin = Instant::now();
        let steps = loop {
            let steps = world.steps();
            if steps.count > 0 || begin.elapsed() > PATIENT {
                break steps;
            }
            thread::yield_now();
        };
        assert_eq!((steps.count, steps.last, steps.tokens), (1, 7, 11));
        assert_eq!(steps.exchanged.bytes, 50_000 * (4 + 2 + 8));
        assert!(steps.time > Duration::ZERO && steps.exchanged.took > Duration::ZERO, "{steps:?}");
        assert!(steps.exchanged.waited <= steps.time, "{steps:?}");
        // Rows of a weight, a few of each rank's.
        let mut gathers = Gathers::among(Arc::new(world));
        let own = Tensor::full([2, 3], rank, (Kind::BFloat16, Device::Cpu));
        let whole = [(); 2].map(|()| Tensor::zeros([2 * RANKS as i64, 3], (Kind::BFloat16, Device::Cpu)));
        gathers.start(1, &[(whole[0].shallow_clone(), own.shallow_clone())]);
        gathers.start(0, &[(whole[1].shallow_clone(), own)]);
        gathers.wait_for(0);
        gathers.wait_for(1);
        gathers.outcome().unwrap();
        (sums, whole.map(|whole| Vec::<f64>::try_from(&whole.to_kind(Kind::Double).select(1, 2)).unwrap()))
    });
    for (sums, whole) in found {
        assert_eq!(sums, [(6.0, 6.0); 3]);
        assert_eq!(whole, [(); 2].map(|()| vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0]));
    }
}

/// Three steps with a selection, on ranks whose tensors NCCL adds up or Gloo, which for two ranks adds the same numbers.
fn learner_of_two_ranks() {
    for sharded in [false, true] {
        let trained = |nccl: bool| {
            on_ranks(2, PATIENT, move |world| {
                if nccl {
                    world.use_nccl(Device::Cpu).unwrap().unwrap();
                }
                trained(Arc::new(world), sharded)
            })
        };
        let (with, without) = (trained(true), trained(false));
        assert_eq!(with, without, "sharded: {sharded}");
        // Both ranks have the results of all.
        assert_eq!(with[0].0, with[1].0);
        assert!(with[0].0.iter().all(|(loss, _)| f64::from_bits(*loss) > 0.0));
    }
}

fn network(world: &Arc<World>, sharded: bool) -> Network {
    // libtorch has one random generator for all ranks.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _turn = GENERATOR.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), BERT).unwrap();
    let offload = sharded.then(|| OffDevice::Ranks(Arc::clone(world)));
    let device = place::device();
    let options = LoadOptions { head: Head::as_stored(3), dtype: Kind::Float, device, offload, seed: 7 };
    Network::random(ModelConfig::read(folder.path()).unwrap(), &options).unwrap()
}

/// Loss and gradient norm of each step, and the trained values, to the bit.
fn trained(world: Arc<World>, sharded: bool) -> (Vec<(u64, u64)>, Vec<f32>) {
    let network = network(&world, sharded);
    let rules = sift::rules(0.1, &["query", "dense"], &["classifier"]);
    let options = LearnerOptions { dropout: false, checkpointing: true, probe_every: 2, ..sift::settings() };
    let batch = |step| sift::batch(6, 3..15, step);
    let mut selecting = SelectionOptions::gradient(&rules, options.backward(0));
    selecting.world = &world;
    let selection = select_components(&network, &selecting, &[batch(0)]).unwrap();
    let mut learner = Learner::new(network, &selection.parameters, options).among(Arc::clone(&world));
    let results: Vec<StepResult> = (0..3).map(|step| learner.step(step, &[batch(step)], 1e-2).unwrap()).collect();
    world.outcome().unwrap();
    let numbers = results.iter().map(|result| (result.loss.to_bits(), result.grad_norm.to_bits())).collect();
    (numbers, Vec::try_from(learner.state().unwrap().state.master).unwrap())
}

/// NCCL is not used, all ranks know why, and Gloo adds up the same tensors.
fn falls_back(expected: &str) {
    let reasons = on_ranks(2, PATIENT, |world| {
        let why = world.use_nccl(Device::Cpu).unwrap().unwrap_err();
        let numbers = Tensor::from_slice(&[1.0f32, 2.0]);
        world.all_reduce(&numbers).unwrap();
        world.outcome().unwrap();
        (why, Vec::<f32>::try_from(&numbers).unwrap())
    });
    let first = reasons[0].0.clone();
    for (why, sums) in reasons {
        assert!(why.starts_with("rank ") && why == first, "{why}");
        // A rank that cannot join leaves the others waiting, which have a reason of their own.
        assert!(why.contains(expected) || why.contains("NCCL: invalid usage"), "{why}");
        assert_eq!(sums, [2.0, 4.0]);
    }
}

fn hangs() {
    let over = Arc::new(Barrier::new(2));
    let found = on_ranks(2, HASTY, move |world| {
        world.use_nccl(Device::Cpu).unwrap().unwrap();
        let mut errors = Vec::new();
        if world.rank() == 0 {
            let begin = Instant::now();
            let numbers = Tensor::ones([100], (Kind::Float, Device::Cpu));
            errors.push(world.all_reduce(&numbers).unwrap_err());
            assert!(begin.elapsed() >= HASTY && begin.elapsed() < PATIENT, "{:?}", begin.elapsed());
            errors.push(world.outcome().unwrap_err());
            errors.push(world.all_reduce(&numbers).unwrap_err());
        }
        over.wait();
        errors
    });
    let expected = "another rank is gone or does not answer: no sum of all ranks within 3 s";
    assert_eq!(found[0], vec![DistributedError::new(expected); 3]);
}

/// NCCL connects ranks when an operation first needs it, within the call.
fn blocks() {
    let errors = on_ranks(2, HASTY, |world| {
        world.use_nccl(Device::Cpu).unwrap().unwrap();
        let numbers = Tensor::ones([100], (Kind::Float, Device::Cpu));
        (0..100).find_map(|_| world.start_all_reduce(&numbers).and_then(Work::wait).err())
    });
    for error in errors {
        assert!(error.unwrap().to_string().starts_with("another rank is gone or does not answer: no sum of all ranks"));
    }
}

fn leaves() {
    let found = on_ranks(2, PATIENT, |world| {
        world.use_nccl(Device::Cpu).unwrap().unwrap();
        if world.rank() == 1 {
            world.abort("rank 1: the disk is on fire");
            return None;
        }
        let begin = Instant::now();
        let error = world.all_reduce(&Tensor::ones([100], (Kind::Float, Device::Cpu))).unwrap_err();
        assert!(begin.elapsed() < PATIENT / 2, "{:?}", begin.elapsed());
        Some(error)
    });
    assert_eq!(found[0], Some(DistributedError::new("rank 1: the disk is on fire")));
}

/// Step, loss and gradient norm, to the bit.
fn steps(events: &[Event]) -> Vec<(u64, u64, u64)> {
    let of = |event: &Event| match event {
        Event::Step(step) => Some((step.step, step.loss.to_bits(), step.grad_norm.to_bits())),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// The events of a run of two ranks, once it is over; or why it ended.
fn two_ranks(
    tiny: &Arc<Tiny>,
    preset: &str,
    name: &'static str,
    nccl: bool,
    timeout: Duration,
) -> Vec<Result<Vec<Event>, String>> {
    let (tiny, preset) = (Arc::clone(tiny), preset.to_owned());
    on_ranks(2, timeout, move |world| {
        if nccl {
            world.use_nccl(Device::Cpu).unwrap().unwrap();
        }
        let session = match world.is_first() {
            true => run::spawn_among(Ranks::Joined(world), &tiny, &preset, name),
            false => run::join(world, &tiny, &preset),
        };
        session.and_then(finish).map_err(|error| format!("{error:#}"))
    })
}

fn run_of_two_ranks() {
    let tiny = Arc::new(Tiny::new(0.0));
    for more in ["", "accumulate = 2", "shard = true"] {
        let preset = tiny.preset(&format!("max_steps = 6\n{more}"));
        let [found, expected] = [("with", true), ("without", false)].map(|(name, nccl)| {
            let events = two_ranks(&tiny, &preset, name, nccl, PATIENT).swap_remove(0).unwrap();
            std::fs::remove_dir_all(tiny.path("runs")).unwrap();
            let evals = events.iter().filter_map(|event| match event {
                Event::Eval(eval) => Some(eval.scores.clone()),
                _ => None,
            });
            (steps(&events), evals.collect::<Vec<_>>())
        });
        assert_eq!(found.0.len(), 6, "{preset}");
        assert!(!found.1.is_empty());
        assert_eq!(found, expected, "{preset}");
    }
}

/// What a step has computed after a rank had gone is in no checkpoint, whereas with Gloo the step before is saved.
fn run_with_a_rank_that_hangs() {
    let tiny = Arc::new(Tiny::new(0.0));
    let found = two_ranks(&tiny, &tiny.preset("max_steps = 500"), "hangs", true, HASTY);
    for error in found.into_iter().map(Result::unwrap_err) {
        let expected = "does not answer: no sum of all ranks within 3 s";
        assert!(error.contains(expected) || error.starts_with("rank "), "{error}");
    }
    let folder = tiny.path("runs/hangs");
    let taken = steps(&read_events(&folder.join("events.jsonl")).unwrap()).len() as u64;
    let saved = checkpoint::list(&folder.join("checkpoints")).unwrap();
    // The best evaluation is saved, and evaluations are every 9 steps.
    let evaluated = |step: u64| step.is_multiple_of(9);
    assert!(saved.iter().all(|checkpoint| evaluated(checkpoint.step)), "{saved:?}");
    assert!((10..500).contains(&taken) && !evaluated(taken), "{taken}");
}

/// On a GPU with NCCL, elsewhere with Gloo.
#[test]
fn one_rank_trains_as_a_process_on_its_own() {
    let _turn = turn();
    for sharded in [false, true] {
        let of_one = on_ranks(1, PATIENT, move |world| {
            if place::device().is_cuda() {
                world.use_nccl(place::device()).unwrap().unwrap();
            }
            trained(Arc::new(world), sharded)
        });
        assert_eq!(of_one, [trained(Arc::new(World::ALONE), sharded)], "sharded: {sharded}");
    }
}

#[test]
fn a_run_of_one_rank_is_that_of_a_process_on_its_own() {
    let _turn = turn();
    let tiny = Tiny::new(0.1);
    let preset = tiny.preset("epochs = 1");
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let placement = place_of(0, 1, listener.local_addr().unwrap().port());
    let rendezvous = Rendezvous { placement, listener: Some(listener), timeout: PATIENT, ended: None };
    let complete = |ranks, name| finish(run::spawn_among(ranks, &tiny, &preset, name).unwrap()).unwrap();
    let found = complete(Ranks::Rendezvous(rendezvous), "ranks");
    let expected = complete(Ranks::Alone, "alone");
    assert!(!steps(&expected).is_empty());
    assert_eq!(steps(&found), steps(&expected));
    let by = |event: &Event| match event {
        Event::Log { message, .. } => message.split_once("gradients are added up by ").map(|(_, by)| by.to_owned()),
        _ => None,
    };
    let by: Vec<String> = found.iter().filter_map(by).collect();
    let expected = if place::device().is_cuda() { "NCCL 2." } else { "Gloo" };
    assert!(by.len() == 1 && by[0].starts_with(expected), "{by:?}");
}
