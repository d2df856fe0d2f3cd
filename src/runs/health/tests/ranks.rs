//! Ranks that wait, straggle or do not respond.

use super::*;
use crate::protocol::{RankSample, Ranks};

/// A run of so many steps with samples of its ranks, which compute for so many seconds of each step.
fn events(steps: u64, compute: &[f64]) -> Vec<Event> {
    let mut events = with(|c| c.steps = steps).events();
    events.extend((1..=steps).map(|step| Event::Ranks(ranks(step, compute))));
    events
}

fn ranks(step: u64, compute: &[f64]) -> Ranks {
    let slowest = compute.iter().copied().fold(0.0, f64::max);
    let rank = |(rank, compute): (usize, &f64)| RankSample {
        host: format!("node-{}", rank / 2),
        device: format!("cuda:{}", rank % 2),
        step,
        step_seconds: slowest,
        wait_seconds: slowest - compute,
        ..RankSample::default()
    };
    Ranks { at: step as f64, ranks: compute.iter().enumerate().map(rank).collect() }
}

#[test]
fn a_straggler_is_named_with_its_host_and_how_much_slower_it_is() {
    let run = history(events(300, &[0.25, 0.25, 0.4, 0.25]));
    let [verdict] = &assess(&run)[..] else { panic!("{:?}", assess(&run)) };
    assert_shows(verdict);
    assert_eq!((verdict.check, verdict.level), (Check::Straggler, Level::Warning));
    assert_eq!(verdict.badge, "straggler: rank 2, 1.6x");
    assert_eq!(
        verdict.seen,
        "rank 2 on node-1 (cuda:0) computes 0.400 s per step, the median of the others is 0.250 s (1.6x); they wait 38 % of \
        each step"
    );
    assert_eq!(badges(events(300, &[0.25, 0.5, 0.4, 0.25, 0.25])), ["2 stragglers, up to 2.0x"]);
    assert_eq!(badges(events(300, &[0.25, 0.26, 0.24])), [""; 0]);
    // In a pause the others wait for the user, and at the end for nobody.
    let paused = [Event::Phase { phase: Phase::Paused }];
    assert_eq!(badges(events(300, &[0.1, 0.2]).into_iter().chain(paused).collect()), [""; 0]);
}

#[test]
fn a_rank_that_does_not_respond_is_a_warning_and_then_an_error() {
    let silent = |age: f64, ranks_silent: &[usize]| {
        let mut sample = ranks(301, &[0.25; 12]);
        ranks_silent.iter().for_each(|rank| sample.ranks[*rank].age = age);
        let run = history(events(300, &[0.25; 12]).into_iter().chain([Event::Ranks(sample)]).collect());
        let verdicts = assess(&run);
        verdicts.iter().for_each(assert_shows);
        verdicts.into_iter().map(|verdict| (verdict.level, verdict.badge, verdict.seen)).next()
    };
    assert_eq!([silent(4.0, &[1]), silent(f64::NAN, &[1])], [None, None]);
    let seen = "no sample of rank 3 on node-1 for 12 s".to_owned();
    assert_eq!(silent(12.0, &[3]), Some((Level::Warning, "rank 3 not responding".into(), seen)));
    let (level, badge, seen) = silent(45.0, &[0, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    assert_eq!((level, badge.as_str()), (Level::Error, "9 ranks not responding"));
    assert_eq!(seen, "no sample of rank 8 on node-4 for 45 s; also rank 0, 1, 2, 3, 4, 5 and 2 more");
    assert!(silent(f64::INFINITY, &[3]).is_some());
}

#[test]
fn a_gpu_that_waits_for_a_straggler_does_not_wait_for_its_host() {
    let idle = with(|c| c.utilization = Some(|_, n| n.around(20.0, 0.3))).events();
    assert!(badges(idle.clone())[0].starts_with("GPU 2"));
    let slow = (1..=20).map(|step| Event::Ranks(ranks(step, &[0.1, 0.5])));
    assert_eq!(badges(idle.into_iter().chain(slow).collect()), ["straggler: rank 1, 5.0x"]);
}

#[test]
fn texts_of_hosts_are_ascii_and_short() {
    let mut sample = ranks(1, &[0.1, 0.2]);
    (sample.ranks[1].host, sample.ranks[1].age) = ("n\u{f6}de\n".repeat(40), 7.0);
    let run = history(vec![Event::Started(started(9)), Event::Ranks(sample)]);
    assess(&run).iter().for_each(assert_shows);
    assert_eq!(assess(&run).len(), 1);
}
