//! Runs of several ranks: which rank this process is, and the processes of the others.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::Usage;
use crate::device::DeviceChoice;
use crate::distributed::{Launcher, Placement, Rendezvous};

/// How long the other ranks have to end once the first has.
const PARTING: Duration = Duration::from_secs(2);

/// The numbers of threads of libtorch and of our own kernels.
const THREADS: [&str; 2] = ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"];

/// The processes of a run.
#[derive(Args)]
pub(super) struct RanksArgs {
    /// Train with this many processes on this machine, each with its part of every batch
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// The same with a GPU for each
    #[arg(long, value_name = "N", conflicts_with = "ranks")]
    gpus: Option<usize>,
    /// Seconds that a rank waits for the others before it gives up
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    rank_timeout: u64,
}

/// This process's part in a run.
pub(super) enum Part {
    /// All of it.
    Alone,
    /// The first of several ranks.
    First(FirstRank),
    /// Another one.
    Other(OtherRank),
}

/// The rank that has the run's folder and screen.
pub(super) struct FirstRank {
    placement: Placement,
    listener: Option<TcpListener>,
    timeout: Duration,
    /// Ranks that this process starts.
    to_start: usize,
    gpus: bool,
}

/// A rank that computes and shows nothing.
pub(super) struct OtherRank {
    placement: Placement,
    timeout: Duration,
    gpus: bool,
}

impl RanksArgs {
    /// This process's part, by the options and the environment.
    ///
    /// # Errors
    /// [`Usage`]: a launcher's variables that contradict each other or the options.
    pub(super) fn part(&self) -> Result<Part> {
        let placement = Placement::of_environment(|name| std::env::var(name).ok())?;
        let (gpus, timeout) = (self.gpus.is_some(), Duration::from_secs(self.rank_timeout.max(1)));
        match (placement, self.ranks.or(self.gpus)) {
            (Some(Placement { launcher, size, .. }), Some(number)) if launcher != Launcher::Own => {
                let option = if gpus { "--gpus" } else { "--ranks" };
                bail!(Usage(format!(
                    "{option} {number}: {} says that there are {size} ranks already; leave out {option}, or the launcher",
                    launcher.name()
                )))
            }
            (Some(placement), _) if placement.rank > 0 => Ok(Part::Other(OtherRank { placement, timeout, gpus })),
            (Some(placement), _) => {
                Ok(Part::First(FirstRank { placement, listener: None, timeout, to_start: 0, gpus }))
            }
            (None, None | Some(1)) => Ok(Part::Alone),
            (None, Some(0)) => bail!(Usage("0 ranks: expected 1 or more".to_owned())),
            (None, Some(size)) => {
                let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen for the other ranks")?;
                let port = listener.local_addr().context("cannot listen for the other ranks")?.port();
                let host = "127.0.0.1".to_owned();
                let placement = Placement {
                    rank: 0,
                    size,
                    local_rank: 0,
                    several_hosts: false,
                    host,
                    port,
                    launcher: Launcher::Own,
                    served: false,
                    attempt: String::new(),
                };
                let listener = Some(listener);
                Ok(Part::First(FirstRank { placement, listener, timeout, to_start: size - 1, gpus }))
            }
        }
    }
}

impl Part {
    /// The device of this rank.
    ///
    /// # Errors
    /// Those of [`device`].
    pub(super) fn device(&self, choice: DeviceChoice) -> Result<DeviceChoice> {
        match self {
            Part::Alone => Ok(choice),
            Part::First(FirstRank { placement, gpus, .. }) | Part::Other(OtherRank { placement, gpus, .. }) => {
                device(choice, placement, *gpus)
            }
        }
    }
}

impl FirstRank {
    /// Threads of each rank, where several share this machine's processors. This process takes as many.
    fn threads(&self) -> Option<usize> {
        if self.to_start == 0 || THREADS.iter().any(|name| std::env::var_os(name).is_some()) {
            return None;
        }
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = (processors / self.placement.size).max(1);
        tch::set_num_threads(i32::try_from(threads).unwrap_or(1));
        // Without effect once its threads have started.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        Some(threads)
    }

    /// Starts the ranks that are this process's to start, with its own arguments, and gives the place where all find each other. What they print is
    /// in the run's folder.
    ///
    /// # Errors
    /// A process that cannot be started.
    pub(super) fn start_others(self, run: &Path) -> Result<(Rendezvous, OtherRanks)> {
        let others = OtherRanks::default();
        let threads = self.threads();
        let logs = run.join("ranks");
        if self.to_start > 0 {
            fs::create_dir_all(&logs).with_context(|| format!("{}: cannot create the folder", logs.display()))?;
        }
        for rank in 1..=self.to_start {
            let log = logs.join(format!("rank-{rank}.log"));
            let failed = || format!("{}: cannot write", log.display());
            let output = File::create(&log).with_context(failed)?;
            let program = std::env::current_exe().context("cannot find this program's path")?;
            let placement = Placement { rank, local_rank: rank, ..self.placement.clone() };
            let child = Command::new(program)
                .args(std::env::args_os().skip(1))
                .envs(placement.variables())
                .envs(threads.iter().flat_map(|threads| THREADS.map(|name| (name, threads.to_string()))))
                .stdin(Stdio::null())
                .stdout(output.try_clone().with_context(failed)?)
                .stderr(output)
                // Ctrl-C is for the first rank, which ends all of them.
                .process_group(0)
                .spawn()
                .with_context(|| format!("cannot start rank {rank}"))?;
            others.add(Process { rank, child, log });
        }
        let watched = others.clone();
        let rendezvous = Rendezvous {
            placement: self.placement,
            listener: self.listener,
            timeout: self.timeout,
            ended: Some(Box::new(move || watched.ended())),
        };
        Ok((rendezvous, others))
    }
}

impl OtherRank {
    /// Where the ranks find each other. Signals that a launcher or a terminal sends to all of them are for the first, which ends the run for all.
    pub(super) fn rendezvous(self) -> Rendezvous {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: ignoring a signal has no handler that could do harm.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        Rendezvous { placement: self.placement, listener: None, timeout: self.timeout, ended: None }
    }
}

/// The GPU of a rank is that of its number on its machine, or the only one that its launcher lets it see.
///
/// # Errors
/// [`Usage`]: fewer GPUs than ranks, or one GPU for all.
fn device(choice: DeviceChoice, placement: &Placement, gpus: bool) -> Result<DeviceChoice> {
    let there_is = |number| DeviceChoice::Cuda(number).resolve().is_ok();
    let bound = placement.launcher != Launcher::Own && there_is(0) && !there_is(1);
    let own = if bound { 0 } else { placement.local_rank };
    match choice {
        DeviceChoice::Cpu if gpus => bail!(Usage("--gpus and --device cpu contradict each other".to_owned())),
        DeviceChoice::Cpu => Ok(DeviceChoice::Cpu),
        DeviceChoice::Cuda(number) if number > 0 || own > 0 && number != own => {
            bail!(Usage(format!(
                "--device cuda:{number}: {} ranks cannot share a GPU; leave it out, and each takes that of its number",
                placement.size
            )))
        }
        DeviceChoice::Auto if !gpus && !there_is(0) => Ok(DeviceChoice::Cpu),
        _ if there_is(own) => Ok(DeviceChoice::Cuda(own)),
        _ => bail!(Usage(format!(
            "rank {} needs GPU {} of its machine, which has fewer; start fewer ranks, or use --device cpu",
            placement.rank, placement.local_rank
        ))),
    }
}

/// The processes of the other ranks, those that this one has started.
#[derive(Clone, Default)]
pub(super) struct OtherRanks(Arc<Mutex<Vec<Process>>>);

struct Process {
    rank: usize,
    child: Child,
    /// What it prints.
    log: PathBuf,
}

impl OtherRanks {
    fn add(&self, process: Process) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(process);
    }

    /// Which rank has ended, and what it said last.
    fn ended(&self) -> Option<String> {
        let mut processes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        processes.iter_mut().find_map(|Process { rank, child, log }| {
            let status = child.try_wait().ok()??;
            let said = fs::read_to_string(&*log).unwrap_or_default();
            let said = said.lines().rev().find(|line| !line.trim().is_empty());
            Some(match said {
                Some(line) => format!("rank {rank} has ended: {}", line.trim_start_matches("finesift: ")),
                None => format!("rank {rank} has ended with {status}"),
            })
        })
    }

    /// Waits for all to end, and ends those that do not.
    pub(super) fn finish(&self) {
        let begin = Instant::now();
        let mut processes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Process { child, .. } in processes.iter_mut() {
            while matches!(child.try_wait(), Ok(None)) {
                if begin.elapsed() > PARTING {
                    let _ = child.kill();
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        processes.clear();
    }
}
