//! Runs of ranks on two hosts, which are network namespaces with a cable between them: by names and addresses, and what happens when the
//! network goes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use finesift::protocol::Event;

use crate::ranks::{assert_close, events, program, said, train, until_step, with_timeout};
use crate::tiny::Tiny;

/// The first rank's host has these addresses, and the second one's end in 2.
const ADDRESSES: [&str; 2] = ["10.77.0.1", "fd77::1"];

/// Enters the namespace of a user who may make networks. root has no need of one.
const AS_ROOT: [&str; 2] = ["--user", "--map-root-user"];

/// Runs a command where hosts have the names of the given file and no others: a DNS server would not answer. A folder may be
/// hidden.
const ALONE: &str = r#"
set -e
mount --bind "$0" /etc/hosts
mount --bind /dev/null /etc/resolv.conf
[ -z "$HIDDEN" ] || mount -t tmpfs none "$HIDDEN"
exec "$@""#;

/// Two hosts, as long as the value lives.
struct Hosts {
    /// A process on each, which waits for the end of its input.
    holders: Vec<Child>,
    /// What each takes for the hosts' names.
    names: [PathBuf; 2],
}

impl Hosts {
    /// `None`, and a line that says so, where this machine gives its tests no networks.
    fn new(tiny: &Tiny) -> Option<Hosts> {
        let hosts = Hosts::made(tiny);
        if hosts.is_none() {
            println!("skipped: no network namespaces for tests on this machine");
        }
        hosts
    }

    fn made(tiny: &Tiny) -> Option<Hosts> {
        let names = [tiny.path("hosts-0"), tiny.path("hosts-1")];
        // As Debian writes it: a host's own name is its loopback interface.
        fs::write(&names[0], "127.0.0.1 localhost\n127.0.1.1 node-1\n").unwrap();
        fs::write(&names[1], "127.0.0.1 localhost\n10.77.0.1 node-1\n").unwrap();
        let mut hosts = Hosts { holders: Vec::new(), names };
        for first in [true, false] {
            let mut command = if first { Command::new("unshare") } else { hosts.inside(0) };
            if first && !rustix::process::geteuid().is_root() {
                command.args(AS_ROOT);
            }
            if !first {
                command.arg("unshare");
            }
            command.args(["--net", "sh", "-c", "echo there; exec cat"]);
            let holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
            hosts.holders.push(holder);
            let mut line = String::new();
            BufReader::new(hosts.holders.last_mut()?.stdout.as_mut()?).read_line(&mut line).ok()?;
            if line != "there\n" {
                return None;
            }
        }
        let second = hosts.holders[1].id();
        hosts.shell(0, &format!("ip link add cable type veth peer name cable netns {second}"))?;
        for (host, end) in [(0, 1), (1, 2)] {
            hosts.shell(
                host,
                &format!(
                    "ip link set lo up && ip link set cable up && ip addr add 10.77.0.{end}/24 dev cable && \
                     ip addr add fd77::{end}/64 dev cable nodad && ip route add default via 10.77.0.254"
                ),
            )?;
            let mut nothing = Command::new("true");
            let placed = hosts.rank(host, ADDRESSES[0], nothing.current_dir(tiny.path(""))).output().ok()?;
            placed.status.success().then_some(())?;
        }
        Some(hosts)
    }

    /// A command on a host, which is still to be named.
    fn inside(&self, host: usize) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.holders[host].id().to_string()]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command
    }

    fn shell(&self, host: usize, script: &str) -> Option<()> {
        let status = self.inside(host).args(["sh", "-c", script]).stderr(Stdio::null()).status().ok()?;
        status.success().then_some(())
    }

    /// A command as a rank on its host, the first rank's of which has this name or address.
    fn rank(&self, rank: usize, first: &str, command: &Command) -> Command {
        let mut placed = self.inside(rank);
        placed
            .args(["unshare", "--mount", "sh", "-c", ALONE])
            .arg(&self.names[rank])
            .arg(command.get_program())
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .envs([("RANK", rank.to_string()), ("WORLD_SIZE", "2".to_owned()), ("LOCAL_RANK", "0".to_owned())])
            .envs([("MASTER_ADDR", first), ("MASTER_PORT", "29500")])
            .current_dir(command.get_current_dir().unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        placed
    }

    /// Runs a command as both ranks.
    fn both(&self, first: &str, command: &Command, second: impl Fn(&mut Command)) -> Vec<Output> {
        let children = [0, 1].map(|rank| {
            let mut placed = self.rank(rank, first, command);
            if rank == 1 {
                second(&mut placed);
            }
            placed.spawn().unwrap()
        });
        children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

#[test]
fn ranks_on_two_hosts_compute_what_one_process_does() {
    let tiny = Tiny::new(0.1);
    let Some(hosts) = Hosts::new(&tiny) else { return };
    let preset = tiny.preset("epochs = 1");
    let whole = train(&tiny, &preset, "whole", 1);
    fs::write(tiny.path("tiny.toml"), &preset).unwrap();
    for first in [ADDRESSES[0], ADDRESSES[1], "node-1"] {
        let outputs = hosts.both(first, &program(&tiny, &["train", "tiny.toml", "--run", "run"]), |_| ());
        assert!(
            outputs.iter().all(|output| output.status.success()),
            "{first}: {}",
            outputs.iter().map(said).collect::<String>()
        );
        assert_close(first, &events(&tiny, "run"), &whole);
        fs::remove_dir_all(tiny.path("runs/run")).unwrap();
    }
}

#[test]
fn a_network_that_goes_ends_the_run_on_all_hosts() {
    let tiny = Tiny::new(0.0);
    let Some(hosts) = Hosts::new(&tiny) else { return };
    fs::write(tiny.path("long.toml"), tiny.preset("epochs = 100000")).unwrap();
    let command = with_timeout(&tiny, &["train", "long.toml", "--run", "run"], "10");
    let [mut first, second] = [0, 1].map(|rank| hosts.rank(rank, ADDRESSES[0], &command).spawn().unwrap());
    let mut printed = BufReader::new(first.stdout.take().unwrap());
    until_step(&mut printed, 5);
    hosts.shell(0, "ip link set cable down").unwrap();
    let cut = Instant::now();
    std::io::copy(&mut printed, &mut std::io::sink()).unwrap();
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        let said = said(output);
        assert!(output.status.code() == Some(1) && said.contains("another rank is gone or does not answer"), "{said}");
    }
    let said = said(&outputs[0]);
    assert!(said.contains("; no sample of rank 1 on "), "{said}");
    // Nobody waits for connections that TCP itself keeps for a quarter of an hour.
    assert!(cut.elapsed() < Duration::from_secs(60), "{:?}", cut.elapsed());
    let events = events(&tiny, "run");
    let Some(Event::Failed { checkpoint: Some(checkpoint), .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert!(tiny.path("").join(checkpoint).is_dir(), "{}", checkpoint.display());
}

#[test]
fn a_host_that_has_not_the_run_cannot_resume_it() {
    let tiny = Tiny::new(0.0);
    let Some(hosts) = Hosts::new(&tiny) else { return };
    train(&tiny, &tiny.preset("epochs = 1"), "run", 1);
    let command = program(&tiny, &["resume", "run", "--set", "train.epochs=2"]);
    let outputs = hosts.both(ADDRESSES[0], &command, |second| {
        second.env("HIDDEN", tiny.path("runs"));
    });
    for (output, who) in outputs.iter().zip(["rank 1: ", ""]) {
        let said = said(output);
        let expected = format!("finesift: {who}{}: no such folder on this host", tiny.path("runs/run").display());
        assert!(output.status.code() == Some(1) && said.contains(&expected), "{said}");
    }
}

#[test]
fn ranks_that_cannot_connect_with_each_other_say_so() {
    let tiny = Tiny::new(0.0);
    let Some(hosts) = Hosts::new(&tiny) else { return };
    fs::write(tiny.path("tiny.toml"), tiny.preset("epochs = 1")).unwrap();
    let mut command = with_timeout(&tiny, &["train", "tiny.toml", "--run", "run"], "20");
    // An interface that no other host reaches.
    command.env("GLOO_SOCKET_IFNAME", "lo");
    let begin = Instant::now();
    let outputs = hosts.both(ADDRESSES[0], &command, |_| ());
    for output in &outputs {
        let said = said(output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot connect with all others: ") && said.contains("GLOO_SOCKET_IFNAME"), "{said}");
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}
