//! Samples of all ranks once a second, off the training thread: each rank puts its own into the store, where the first reads all of them.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use tch::Device;

use crate::device;
use crate::distributed::{Steps, World};
use crate::protocol::{Event, RankSample, Ranks};
use crate::runs::responds;
use crate::session::Emitter;
use crate::system::{GpuMonitor, resident};

const EVERY: Duration = Duration::from_secs(1);

/// Ranks whose samples are emitted each time; more are emitted less often, so that the file of events does not grow with their number.
const EACH_TIME: usize = 64;

/// Ranks that do not respond are named up to this number.
const NAMED: usize = 4;

/// Steps that take longer than a sample keep their numbers for so many of them.
const PATIENCE: u32 = 3;

/// A thread that samples until it is dropped.
pub struct RankMonitor {
    /// Dropping it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RankMonitor {
    /// Starts sampling; not in a world of one. The first rank emits [`Event::Ranks`], whose [`Ranks::at`] counts from here.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(world: &Arc<World>, device: Device, emitter: Emitter) -> Result<Option<RankMonitor>> {
        if world.is_alone() {
            return Ok(None);
        }
        let (stop, stopped) = mpsc::channel();
        let world = Arc::clone(world);
        let thread = thread::Builder::new().name("ranks".into()).spawn(move || {
            let start = Instant::now();
            let mut own = OwnSamples::new(device);
            let mut arrived = (0..world.size()).map(|_| Arrived::default()).collect::<Vec<_>>();
            // The first reads less often where there are many.
            let every = if world.is_first() { EVERY * world.size().div_ceil(EACH_TIME) as u32 } else { EVERY };
            // The others have their hosts known from the beginning.
            let mut next = if world.is_first() { start + every } else { start };
            while stopped.recv_timeout(next.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout)
            {
                let sample = own.sample(world.steps(), start.elapsed());
                let at = start.elapsed().as_secs_f64();
                if world.is_first() {
                    let others = |rank| world.sample_of(rank);
                    let ranks = arrived.iter_mut().enumerate().map(|(rank, arrived)| match rank {
                        0 => sample.clone(),
                        _ => arrived.update(others(rank), Instant::now()),
                    });
                    let ranks: Vec<RankSample> = ranks.collect();
                    world.note_silent(silent(&ranks));
                    emitter.emit(Event::Ranks(Ranks { at, ranks }));
                } else if let Ok(text) = serde_json::to_string(&(at, &sample)) {
                    // The first rank sees that none arrives.
                    let _ = world.put_sample(text.as_bytes());
                }
                next = (next + every).max(Instant::now());
            }
        })?;
        Ok(Some(RankMonitor { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for RankMonitor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped, too.
            let _ = thread.join();
        }
    }
}

/// The samples of this rank.
struct OwnSamples {
    host: String,
    device: String,
    gpu: Option<GpuMonitor>,
    /// At the latest sample with a step, and when that was.
    before: (Steps, Duration),
    latest: RankSample,
}

impl OwnSamples {
    fn new(device: Device) -> OwnSamples {
        OwnSamples {
            host: crate::system::host_name(),
            device: device::name(device),
            gpu: device::gpu(device).and_then(|gpu| GpuMonitor::open(&gpu)),
            before: (Steps::default(), Duration::ZERO),
            latest: RankSample::default(),
        }
    }

    fn sample(&mut self, steps: Steps, now: Duration) -> RankSample {
        let gpu = self.gpu.as_ref().and_then(GpuMonitor::read);
        let since = steps.since(&self.before.0);
        let count = since.count as f64;
        if since.count > 0 {
            let time = since.time.as_secs_f64();
            self.latest = RankSample {
                tokens_per_second: since.tokens as f64 / time.max(1e-9),
                step_seconds: time / count,
                wait_seconds: since.exchanged.waited.as_secs_f64() / count,
                bytes_per_step: since.exchanged.bytes as f64 / count,
                ..RankSample::default()
            };
            self.before = (steps, now);
        } else if now.saturating_sub(self.before.1) > PATIENCE * EVERY.max(seconds(self.latest.step_seconds)) {
            self.latest = RankSample::default();
        }
        RankSample {
            host: self.host.clone(),
            device: self.device.clone(),
            step: steps.last,
            memory: gpu.as_ref().and_then(|gpu| gpu.process_memory).or_else(resident::resident).unwrap_or(0),
            gpu_utilization: gpu.map(|gpu| gpu.utilization),
            ..self.latest.clone()
        }
    }
}

/// The ranks that do not respond, as words; empty if all do.
fn silent(ranks: &[RankSample]) -> String {
    let silent: Vec<String> = ranks
        .iter()
        .enumerate()
        .filter(|(_, sample)| !responds(sample))
        .map(|(rank, RankSample { host, age, .. })| match host.as_str() {
            "" => format!("rank {rank} for {age:.0} s"),
            host => format!("rank {rank} on {host} for {age:.0} s"),
        })
        .collect();
    let more = silent.len().saturating_sub(NAMED);
    let named = silent[..silent.len() - more].join(", ");
    match (silent.is_empty(), more) {
        (true, _) => String::new(),
        (_, 0) => format!("no sample of {named}"),
        (_, more) => format!("no sample of {named} and {more} more"),
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// What has arrived of another rank.
#[derive(Default)]
struct Arrived {
    text: Vec<u8>,
    since: Option<Instant>,
    sample: RankSample,
}

impl Arrived {
    /// Its latest sample, of which `text` was in the store.
    fn update(&mut self, text: Option<Vec<u8>>, now: Instant) -> RankSample {
        self.since.get_or_insert(now);
        if let Some(text) = text.filter(|text| *text != self.text)
            && let Ok((_, sample)) = serde_json::from_slice::<(f64, RankSample)>(&text)
        {
            (self.text, self.sample, self.since) = (text, sample, Some(now));
        }
        let age = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        RankSample { age: age.as_secs_f64(), ..self.sample.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_that_do_not_respond_are_named() {
        let ranks = |ages: &[(&str, f64)]| -> Vec<RankSample> {
            ages.iter()
                .map(|(host, age)| RankSample { host: (*host).into(), age: *age, ..RankSample::default() })
                .collect()
        };
        assert_eq!(silent(&ranks(&[("a", 0.0), ("b", 2.0)])), "");
        assert_eq!(
            silent(&ranks(&[("a", 0.0), ("b", 8.4), ("", 9.0)])),
            "no sample of rank 1 on b for 8 s, rank 2 for 9 s"
        );
        let lost = silent(&ranks(&[("a", 60.0); 7]));
        assert!(lost.ends_with("rank 3 on a for 60 s and 3 more"), "{lost}");
    }
}
