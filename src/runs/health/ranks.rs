//! A rank that the others wait for: one that does not respond, or a straggler.

use super::window::figure;
use super::{Check, Verdict, is_training};
use crate::protocol::{Level, RankSample};
use crate::runs::{History, responds};

/// Seconds without a sample after which it is an error: the network, or the rank itself, will hardly recover.
const LOST: f64 = 30.0;

/// Ranks that are named; of more there is a count.
const NAMED: usize = 6;

/// Cells of a host's name.
const HOST: usize = 40;

pub(super) fn not_responding(run: &History) -> Option<Verdict> {
    let silent = run.ranks.samples.iter().enumerate().filter(|(_, sample)| !responds(sample));
    let silent: Vec<(usize, &RankSample)> = silent.collect();
    let (rank, longest) = *silent.iter().max_by(|a, b| a.1.age.total_cmp(&b.1.age))?;
    if run.end.is_some() {
        return None;
    }
    let badge = match silent.len() {
        1 => format!("rank {rank} not responding"),
        several => format!("{several} ranks not responding"),
    };
    let others: Vec<usize> = silent.iter().map(|(rank, _)| *rank).filter(|other| *other != rank).collect();
    Some(Verdict {
        check: Check::RankNotResponding,
        level: if longest.age > LOST { Level::Error } else { Level::Warning },
        badge,
        seen: format!(
            "no sample of rank {rank} on {} for {:.0} s{}",
            host(longest),
            longest.age.min(1e9),
            also(&others)
        ),
        advice: "look at its machine, its network and what it printed (ranks/ in the run's folder); if the run ends, resume it \
            from its latest checkpoint, with any number of ranks",
        step: None,
        target: None,
    })
}

pub(super) fn straggler(run: &History) -> Option<Verdict> {
    let stragglers = &run.ranks.stragglers;
    let worst = stragglers.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio()))?;
    let sample = run.ranks.samples.get(worst.rank).filter(|_| is_training(run))?;
    let ratio = crate::quantity::times(worst.ratio().min(999.0));
    let badge = match stragglers.len() {
        1 => format!("straggler: rank {}, {ratio}x", worst.rank),
        several => format!("{several} stragglers, up to {ratio}x"),
    };
    let others: Vec<usize> =
        stragglers.iter().map(|straggler| straggler.rank).filter(|other| *other != worst.rank).collect();
    Some(Verdict {
        check: Check::Straggler,
        level: Level::Warning,
        badge,
        seen: format!(
            "rank {} on {} ({}) computes {} s per step, the median of the others is {} s ({ratio}x); they wait {:.0} % of \
            each step{}",
            worst.rank,
            host(sample),
            ascii(&sample.device),
            figure(worst.seconds),
            figure(worst.others),
            100.0 * worst.others_wait,
            also(&others)
        ),
        advice: "look on its machine for other processes on the GPU or CPU, thermal throttling, power limits and swapping; \
            if it is a slower device, train without it",
        step: run.step.as_ref().map(|step| step.step as f64),
        target: None,
    })
}

/// `; also rank 2, 5`.
fn also(ranks: &[usize]) -> String {
    if ranks.is_empty() {
        return String::new();
    }
    let named: Vec<String> = ranks.iter().take(NAMED).map(usize::to_string).collect();
    let more = if ranks.len() > NAMED { format!(" and {} more", ranks.len() - NAMED) } else { String::new() };
    format!("; also rank {}{more}", named.join(", "))
}

/// The host of a rank in ASCII.
fn host(sample: &RankSample) -> String {
    let host = ascii(&sample.host);
    if host.is_empty() { "an unknown host".into() } else { host }
}

fn ascii(text: &str) -> String {
    text.chars().take(HOST).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
