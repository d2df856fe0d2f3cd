//! Which rank this process is: what launchers say in the environment.

use anyhow::{Result, bail};

use super::hosts::first_host;
use crate::Usage;

/// The port of `torch.distributed` where none is given.
const PORT: u16 = 29500;

/// A rank of a run, and where the ranks meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub rank: usize,
    /// Number of ranks.
    pub size: usize,
    /// Number of the rank on its machine.
    pub local_rank: usize,
    /// Whether there may be ranks on other machines: the launcher says so, or it does not say that there are none.
    pub several_hosts: bool,
    /// The first rank's host.
    pub host: String,
    pub port: u16,
    pub launcher: Launcher,
    /// Whether the launcher serves the store, and not the first rank: torchrun does.
    pub served: bool,
    /// Beginning of the run's keys in the store. torchrun starts ranks again that have failed, with the store as it was.
    pub attempt: String,
}

/// Who started the ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launcher {
    /// finesift itself.
    Own,
    /// torchrun, or whoever sets the same variables.
    Torchrun,
    Slurm,
    OpenMpi,
}

/// Variables that say the same.
struct Names {
    launcher: Launcher,
    rank: &'static str,
    size: &'static str,
    local_rank: &'static str,
    /// Ranks on this machine, as a number or as SLURM's list of the numbers on each: `2(x3),1`.
    local_size: &'static str,
}

/// Those of `torch.distributed` come first: torchrun may itself be started by SLURM or MPI, once on each machine.
const LAUNCHERS: [Names; 3] = [
    Names {
        launcher: Launcher::Torchrun,
        rank: "RANK",
        size: "WORLD_SIZE",
        local_rank: "LOCAL_RANK",
        local_size: "LOCAL_WORLD_SIZE",
    },
    // srun sets the size of its step. SLURM_NTASKS is that of the whole job, and set where nothing was started in parallel.
    Names {
        launcher: Launcher::Slurm,
        rank: "SLURM_PROCID",
        size: "SLURM_STEP_NUM_TASKS",
        local_rank: "SLURM_LOCALID",
        local_size: "SLURM_STEP_TASKS_PER_NODE",
    },
    Names {
        launcher: Launcher::OpenMpi,
        rank: "OMPI_COMM_WORLD_RANK",
        size: "OMPI_COMM_WORLD_SIZE",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
];

/// What finesift sets for the ranks it starts, beside the variables of torchrun.
pub const OWN: &str = "FINESIFT_RANK_OF";

impl Placement {
    /// The rank that the environment names; `None` for a process on its own.
    ///
    /// # Errors
    /// [`Usage`]: variables that contradict each other, or that are missing.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Placement>> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let Some(names) = LAUNCHERS.iter().find(|names| variable(names.size).is_some()) else {
            // Without a size, a rank alone is a mistake; SLURM has one outside of steps, too.
            return match variable("RANK") {
                Some(rank) => bail!(Usage(format!("RANK is {rank}, but WORLD_SIZE is not set; launchers set both"))),
                None => Ok(None),
            };
        };
        let number = |name: &str| -> Result<Option<usize>> {
            let Some(text) = variable(name) else { return Ok(None) };
            match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => bail!(Usage(format!("{name} is \"{text}\", expected a whole number"))),
            }
        };
        let size = number(names.size)?.unwrap_or(1);
        if size == 0 {
            bail!(Usage(format!("{} is 0, expected the number of ranks", names.size)));
        }
        let Some(rank) = number(names.rank)? else {
            if size == 1 {
                return Ok(None);
            }
            bail!(Usage(format!("{} is {size}, but {} is not set; launchers set both", names.size, names.rank)));
        };
        if rank >= size {
            bail!(Usage(format!("{} is {rank}, but {} is {size}: ranks count from 0", names.rank, names.size)));
        }
        if size == 1 {
            return Ok(None);
        }
        let local_rank = number(names.local_rank)?.unwrap_or(rank);
        if local_rank > rank {
            bail!(Usage(format!("{} is {local_rank}, but {} is {rank}", names.local_rank, names.rank)));
        }
        let port = match number("MASTER_PORT")? {
            Some(port) => u16::try_from(port).ok().filter(|port| *port > 0),
            None => Some(names.launcher.port(number("SLURM_JOB_ID").ok().flatten())),
        };
        let Some(port) = port else {
            bail!(Usage("MASTER_PORT is no port: expected a number from 1 to 65535".to_owned()));
        };
        let host = match (variable("MASTER_ADDR"), names.launcher) {
            (Some(host), _) => host.trim().to_owned(),
            (None, Launcher::Slurm) => slurm_host(&variable)?,
            (None, Launcher::OpenMpi) if number("OMPI_COMM_WORLD_LOCAL_SIZE")? == Some(size) => "127.0.0.1".to_owned(),
            (None, _) => bail!(Usage(format!(
                "{} is {size}, but MASTER_ADDR is not set: it names the host of rank 0",
                names.size
            ))),
        };
        let several_hosts = match variable(names.local_size) {
            Some(local) => local.trim() != size.to_string(),
            None => host != "localhost",
        };
        let own = names.launcher == Launcher::Torchrun && variable(OWN).is_some();
        let launcher = if own { Launcher::Own } else { names.launcher };
        let torchrun = launcher == Launcher::Torchrun;
        let served = torchrun && variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|used| used == "True");
        let attempt = variable("TORCHELASTIC_RESTART_COUNT").filter(|_| torchrun).unwrap_or_default();
        Ok(Some(Placement { rank, size, local_rank, several_hosts, host, port, launcher, served, attempt }))
    }

    /// The variables by which a process that finesift starts, on this machine as all of them, is this rank.
    pub fn variables(&self) -> [(&'static str, String); 7] {
        [
            ("RANK", self.rank.to_string()),
            ("WORLD_SIZE", self.size.to_string()),
            ("LOCAL_WORLD_SIZE", self.size.to_string()),
            ("LOCAL_RANK", self.local_rank.to_string()),
            ("MASTER_ADDR", self.host.clone()),
            ("MASTER_PORT", self.port.to_string()),
            (OWN, std::process::id().to_string()),
        ]
    }
}

impl Launcher {
    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Launcher::Own => "finesift",
            Launcher::Torchrun => "RANK and WORLD_SIZE",
            Launcher::Slurm => "SLURM",
            Launcher::OpenMpi => "Open MPI",
        }
    }

    /// The port where none is given. Jobs of SLURM that share a machine have one each.
    fn port(self, job: Option<usize>) -> u16 {
        match (self, job) {
            (Launcher::Slurm, Some(job)) => 20_000 + (job % 20_000) as u16,
            _ => PORT,
        }
    }
}

fn slurm_host(variable: &impl Fn(&str) -> Option<String>) -> Result<String> {
    let lists = ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"];
    let Some((name, list)) = lists.iter().find_map(|name| Some((name, variable(name)?))) else {
        bail!(Usage("SLURM names no nodes (SLURM_STEP_NODELIST); set MASTER_ADDR to the host of rank 0".to_owned()));
    };
    match first_host(&list) {
        Some(host) => Ok(host),
        None => bail!(Usage(format!(
            "{name} is \"{list}\", expected a list of nodes; set MASTER_ADDR to the host of rank 0"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &str) -> Result<Option<Placement>> {
        let pairs: Vec<(&str, &str)> = variables.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        Placement::of_environment(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const TORCHRUN: &str = "RANK=5 WORLD_SIZE=8 LOCAL_RANK=1 MASTER_ADDR=gpu1 MASTER_PORT=1234";
    const SLURM: &str =
        "SLURM_PROCID=3 SLURM_STEP_NUM_TASKS=4 SLURM_LOCALID=1 SLURM_STEP_NODELIST=n[07-08] SLURM_JOB_ID=61234";
    const MPI: &str =
        "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2";

    #[test]
    fn a_rank_is_what_its_launcher_says() {
        let placement = |rank, size, local_rank, host: &str, port, launcher| {
            // They are those that do not say how many ranks there are on this machine.
            let several_hosts = launcher != Launcher::OpenMpi;
            let (host, served, attempt) = (host.into(), false, String::new());
            Some(Placement { rank, size, local_rank, several_hosts, host, port, launcher, served, attempt })
        };
        for (variables, expected) in [
            ("", None),
            ("WORLD_SIZE=1 RANK=0", None),
            ("WORLD_SIZE=1", None),
            // Not in a step of srun: within a batch script, or at a prompt on a node.
            ("SLURM_PROCID=0 SLURM_NTASKS=4 SLURM_JOB_ID=7", None),
            (TORCHRUN, placement(5, 8, 1, "gpu1", 1234, Launcher::Torchrun)),
            ("RANK=1 WORLD_SIZE=2 MASTER_ADDR=::1", placement(1, 2, 1, "::1", 29500, Launcher::Torchrun)),
            (SLURM, placement(3, 4, 1, "n07", 21_234, Launcher::Slurm)),
            (MPI, placement(1, 2, 1, "127.0.0.1", 29500, Launcher::OpenMpi)),
            // torchrun on each node of a step of SLURM.
            (&format!("{SLURM} {TORCHRUN}"), placement(5, 8, 1, "gpu1", 1234, Launcher::Torchrun)),
            (&format!("{SLURM} MASTER_ADDR=h MASTER_PORT=9"), placement(3, 4, 1, "h", 9, Launcher::Slurm)),
            (&format!("{TORCHRUN} {OWN}=77"), placement(5, 8, 1, "gpu1", 1234, Launcher::Own)),
        ] {
            assert_eq!(of(variables).unwrap(), expected, "{variables}");
        }
    }

    #[test]
    fn a_launcher_says_whether_there_are_other_machines() {
        for (variables, several) in [
            (TORCHRUN.to_owned(), true),
            (TORCHRUN.replace("gpu1", "localhost"), false),
            (format!("{TORCHRUN} LOCAL_WORLD_SIZE=8"), false),
            (format!("{TORCHRUN} LOCAL_WORLD_SIZE=4"), true),
            (format!("{SLURM} SLURM_STEP_TASKS_PER_NODE=4"), false),
            (format!("{SLURM} SLURM_STEP_TASKS_PER_NODE=2(x2)"), true),
            (MPI.to_owned(), false),
            (format!("{} MASTER_ADDR=h", MPI.replace("LOCAL_SIZE=2", "LOCAL_SIZE=1")), true),
        ] {
            assert_eq!(of(&variables).unwrap().unwrap().several_hosts, several, "{variables}");
        }
    }

    #[test]
    fn torchrun_serves_the_store_itself() {
        let elastic = format!("{TORCHRUN} TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RESTART_COUNT=2");
        let placement = of(&elastic).unwrap().unwrap();
        assert_eq!((placement.served, placement.attempt.as_str()), (true, "2"));
        assert!(!of(&elastic.replace("True", "False")).unwrap().unwrap().served);
        // Ranks that finesift starts within such a rank have a store of their own.
        let own = of(&format!("{elastic} {OWN}=7")).unwrap().unwrap();
        assert!(!own.served && own.attempt.is_empty());
    }

    #[test]
    fn the_variables_of_a_rank_name_it() {
        let placement = of(TORCHRUN).unwrap().unwrap();
        let variables = placement.variables().map(|(name, value)| format!("{name}={value}")).join(" ");
        let own = Placement { launcher: Launcher::Own, several_hosts: false, ..placement };
        assert_eq!(of(&variables).unwrap(), Some(own));
    }

    #[test]
    fn variables_that_contradict_each_other_are_told_in_a_line() {
        for (variables, message) in [
            ("RANK=0", "RANK is 0, but WORLD_SIZE is not set; launchers set both"),
            ("WORLD_SIZE=4", "WORLD_SIZE is 4, but RANK is not set; launchers set both"),
            ("RANK=4 WORLD_SIZE=4", "RANK is 4, but WORLD_SIZE is 4: ranks count from 0"),
            ("RANK=1 WORLD_SIZE=0", "WORLD_SIZE is 0, expected the number of ranks"),
            ("RANK=one WORLD_SIZE=4", "RANK is \"one\", expected a whole number"),
            ("RANK=1 WORLD_SIZE=-4", "WORLD_SIZE is \"-4\", expected a whole number"),
            ("RANK=1 WORLD_SIZE=4", "WORLD_SIZE is 4, but MASTER_ADDR is not set: it names the host of rank 0"),
            ("RANK=1 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=99999", "MASTER_PORT is no port: expected a number from 1"),
            ("RANK=1 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=0", "MASTER_PORT is no port"),
            ("RANK=1 WORLD_SIZE=4 LOCAL_RANK=2 MASTER_ADDR=a", "LOCAL_RANK is 2, but RANK is 1"),
            ("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2", "SLURM names no nodes"),
            (
                "SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=n[",
                "SLURM_STEP_NODELIST is \"n[\", expected a list",
            ),
            (
                "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_LOCAL_SIZE=2",
                "OMPI_COMM_WORLD_SIZE is 4, but MASTER",
            ),
        ] {
            let error = of(variables).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().starts_with(message), "{variables}: {error}");
        }
    }
}
