//! What a run came to, from its `events.jsonl`: in bounded memory however long it is, and from there on as it grows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use memchr::{memchr, memmem};
use serde::Deserialize;

use super::curve::Curve;
use crate::protocol::{Eval, Finished, Reason, Started, Step};

/// How much of a file is read.
struct Limits {
    /// Up to this many bytes are read in full.
    whole: u64,
    /// Of more, so much at the start and at the end,
    end: u64,
    /// and so many pieces of
    samples: u64,
    /// this size between.
    sample: u64,
}

const LIMITS: Limits = Limits { whole: 8 << 20, end: 1 << 20, samples: 64, sample: 32 << 10 };

/// A longer line is none of those that count here.
const LONGEST: usize = 64 << 10;

/// Those that count. Every line begins with its tag.
const COUNT: [&str; 7] = ["started", "resumed", "phase", "step", "eval", "finished", "failed"];

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Name of the preset.
    pub preset: String,
    /// Hub id or folder of the model.
    pub model: String,
    /// The preset's one line about itself.
    pub about: String,
    /// Task or file trained on.
    pub data: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Optimizer steps taken.
    pub step: u64,
    /// Optimizer steps of the whole run; 0 before it has told.
    pub steps: u64,
    /// Seconds of work.
    pub elapsed: f64,
    /// The loss.
    pub loss: Curve,
    /// The loss of the last step.
    pub last_loss: Option<f64>,
    /// How it ended, if it did.
    pub end: Option<End>,
    /// The score that decides which evaluation is best.
    deciding: String,
    /// Evaluations that were the best when they were made, in order.
    best: Vec<Eval>,
    /// Bytes of the file that are taken up.
    read: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// As it should.
    Finished(Reason),
    /// With an error.
    Failed(String),
}

/// The best evaluation of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Best<'a> {
    /// Which score.
    pub name: &'a str,
    /// Its value.
    pub score: f64,
    /// Optimizer steps taken before.
    pub step: u64,
}

/// A line that counts.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Fact {
    Started(Box<Started>),
    Resumed { step: u64 },
    Phase,
    Step(Step),
    Eval(Eval),
    Finished(Finished),
    Failed { error: String },
}

impl Summary {
    /// Reads what the file has grown by. A file that is shorter than it was is read anew.
    ///
    /// # Errors
    /// A file that cannot be read; lines that cannot are skipped.
    pub fn read_on(&mut self, path: &Path) -> io::Result<()> {
        self.read_within(path, &LIMITS)
    }

    /// The evaluation that was the best of all.
    pub fn best(&self) -> Option<Best<'_>> {
        let eval = self.best.last()?;
        let deciding = eval.scores.get_key_value(&self.deciding).or_else(|| eval.scores.iter().next())?;
        Some(Best { name: deciding.0, score: *deciding.1, step: eval.step })
    }

    fn read_within(&mut self, path: &Path, limits: &Limits) -> io::Result<()> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < self.read {
            *self = Summary::default();
        }
        let start = self.read;
        if length - start <= limits.whole {
            self.read = each_line(&mut file, start..length, |line| self.take(line))?;
            return Ok(());
        }
        let (head, tail) = (start + limits.end, length - limits.end);
        each_line(&mut file, start..head, |line| self.take(line))?;
        let apart = (tail - head) / (limits.samples + 1);
        for number in 1..=limits.samples {
            let at = head + number * apart;
            each_line(&mut file, piece(at, at + limits.sample), |line| self.take(line))?;
        }
        let known = self.best.len();
        self.read = each_line(&mut file, piece(tail, length), |line| self.take(line))?;
        // One in the last part is the best of all. Otherwise it lies somewhere that was not looked at.
        if self.best.len() <= known
            && let Some(best) = last_best(&mut file, start..tail, limits.end)?
        {
            self.best.retain(|eval| eval.step < best.step);
            self.best.push(best);
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) {
        match fact(line) {
            None => {}
            Some(Fact::Started(started)) => {
                self.preset = started.preset;
                self.model = started.model;
                self.about = started.about;
                self.data = started.data;
                self.device = started.device;
                self.steps = started.steps;
                self.deciding = started.best;
                self.end = None;
            }
            Some(Fact::Resumed { step }) => {
                self.step = step;
                self.loss.cut(step);
                self.best.retain(|eval| eval.step <= step);
                self.end = None;
            }
            Some(Fact::Phase) => self.end = None,
            Some(Fact::Step(step)) => {
                self.step = step.step;
                self.elapsed = step.elapsed;
                self.last_loss = step.loss.is_finite().then_some(step.loss);
                self.loss.push(step.step, step.loss);
            }
            Some(Fact::Eval(eval)) if eval.best => {
                self.best.retain(|earlier| earlier.step < eval.step);
                self.best.push(eval);
            }
            Some(Fact::Eval(_)) => {}
            Some(Fact::Finished(finished)) => {
                self.step = finished.step;
                self.elapsed = finished.elapsed;
                if let Some(best) = finished.best {
                    self.best = vec![best];
                }
                self.end = Some(End::Finished(finished.reason));
            }
            Some(Fact::Failed { error }) => self.end = Some(End::Failed(error)),
        }
    }
}

fn fact(line: &[u8]) -> Option<Fact> {
    let tag = line.strip_prefix(br#"{"event":""#)?;
    let tag = tag.split(|byte| *byte == b'"').next()?;
    if COUNT.iter().any(|known| known.as_bytes() == tag) { serde_json::from_slice(line).ok() } else { None }
}

/// A range that begins anywhere: from the byte before, so that a line which begins at its start is not taken for a part.
fn piece(start: u64, end: u64) -> Range<u64> {
    start.saturating_sub(1)..end
}

/// Calls for each whole line within a range; where the range does not begin with one, not for the line cut there. Returns
/// where the last whole line ends.
fn each_line(file: &mut File, bytes: Range<u64>, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    file.seek(SeekFrom::Start(bytes.start))?;
    let mut reader = BufReader::with_capacity(1 << 16, file.take(bytes.end.saturating_sub(bytes.start)));
    let (mut at, mut end) = (bytes.start, bytes.start);
    let (mut line, mut too_long) = (Vec::new(), false);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(end);
        }
        let newline = memchr(b'\n', buffer);
        let taken = newline.map_or(buffer.len(), |newline| newline + 1);
        if line.len() + taken > LONGEST {
            too_long = true;
            line.clear();
        } else if !too_long {
            line.extend_from_slice(&buffer[..taken]);
        }
        reader.consume(taken);
        at += taken as u64;
        if newline.is_some() {
            if !too_long {
                each(&line);
            }
            line.clear();
            too_long = false;
            end = at;
        }
    }
}

/// The last evaluation that was the best, looked for from the end of a range, so much at a time.
fn last_best(file: &mut File, within: Range<u64>, at_once: u64) -> io::Result<Option<Eval>> {
    // What a run took back by going on from an earlier step does not count.
    let mut limit = u64::MAX;
    let (mut end, mut bytes) = (within.end, Vec::new());
    while end > within.start {
        let start = end.saturating_sub(at_once).max(within.start);
        // A line that ends behind the range belongs to it.
        let range = piece(start, end + LONGEST as u64);
        file.seek(SeekFrom::Start(range.start))?;
        bytes.clear();
        file.take(range.end - range.start).read_to_end(&mut bytes)?;
        for fact in evals_and_returns(&bytes).into_iter().rev() {
            match fact {
                Fact::Eval(eval) if eval.best && eval.step <= limit => return Ok(Some(eval)),
                Fact::Resumed { step } => limit = limit.min(step),
                _ => {}
            }
        }
        end = start;
    }
    Ok(None)
}

/// The evaluations and the returns to an earlier step among lines, in order. They are few among many, so they are looked for
/// as texts.
fn evals_and_returns(bytes: &[u8]) -> Vec<Fact> {
    let mut places: Vec<usize> = [r#"{"event":"eval""#, r#"{"event":"resumed""#]
        .iter()
        .flat_map(|tag| memmem::find_iter(bytes, tag))
        .filter(|place| *place == 0 || bytes[place - 1] == b'\n')
        .collect();
    places.sort_unstable();
    let line = |place: usize| bytes[place..].split(|byte| *byte == b'\n').next();
    places.into_iter().filter_map(|place| fact(line(place)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::protocol::Event;

    const SMALL: Limits = Limits { whole: 2000, end: 600, samples: 4, sample: 600 };

    fn step(step: u64) -> String {
        let loss = 1.0 + 1.0 / step as f64;
        format!(
            r#"{{"event":"step","step":{step},"epoch":0.1,"loss":{loss},"learning_rate":0.1,"grad_norm":1.0,"tokens_per_second":1.0,"elapsed":{step}.5}}"#
        )
    }

    fn eval(step: u64, score: f64, best: bool) -> String {
        format!(r#"{{"event":"eval","step":{step},"loss":0.5,"scores":{{"f1":{score}}},"best":{best}}}"#)
    }

    fn read(lines: &[String], limits: &Limits) -> Summary {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let mut summary = Summary::default();
        summary.read_within(&path, limits).unwrap();
        summary
    }

    #[test]
    fn the_recorded_run_is_summed_up() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/demo.jsonl");
        let mut summary = Summary::default();
        summary.read_on(&path).unwrap();
        assert_eq!((summary.preset.as_str(), summary.model.as_str()), ("demo", "minilm"));
        assert_eq!((summary.step, summary.steps, summary.elapsed), (170, 170, 40.0));
        assert_eq!(summary.best(), Some(Best { name: "accuracy", score: 0.88, step: 140 }));
        assert_eq!(summary.end, Some(End::Finished(Reason::Completed)));
        let columns = summary.loss.columns(12);
        assert!(columns.len() == 12 && columns[0] > columns[11], "{columns:?}");
    }

    #[test]
    fn a_growing_file_is_read_on_and_a_half_line_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut file = File::create(&path).unwrap();
        let line = step(1);
        file.write_all(&line.as_bytes()[..20]).unwrap();
        let mut summary = Summary::default();
        summary.read_on(&path).unwrap();
        assert_eq!(summary.step, 0);
        file.write_all(&line.as_bytes()[20..]).unwrap();
        file.write_all(format!("\nrubbish\n{{\"event\":\"step\"}}\n\u{fffd}\n{}\n", step(2)).as_bytes()).unwrap();
        summary.read_on(&path).unwrap();
        assert_eq!((summary.step, summary.loss.points().count()), (2, 2));
        // Another file under the name.
        std::fs::write(&path, step(9) + "\n").unwrap();
        summary.read_on(&path).unwrap();
        assert_eq!((summary.step, summary.loss.points().count()), (9, 1));
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let long = format!(r#"{{"event":"failed","error":"{}"}}"#, "x".repeat(3 * LONGEST));
        let summary = read(&[step(1), long, step(2)], &LIMITS);
        assert_eq!((summary.step, summary.end), (2, None));
    }

    #[test]
    fn the_best_of_a_long_run_is_found_wherever_it_lies() {
        for at in [1, 2, 50, 99, 199] {
            let mut lines: Vec<String> = (1..200).map(step).collect();
            lines.insert(0, eval(0, 0.1, true));
            lines.insert(at, eval(at as u64, 0.9, true));
            lines.insert(at + 1, eval(at as u64 + 1, 0.2, false));
            let summary = read(&lines, &SMALL);
            assert_eq!(summary.best().map(|best| (best.score, best.step)), Some((0.9, at as u64)), "at {at}");
            assert_eq!(summary.step, 199);
            let steps: Vec<u64> = summary.loss.points().map(|(step, _)| step).collect();
            assert!(steps.windows(2).all(|pair| pair[0] < pair[1]) && steps.len() > 20, "{steps:?}");
        }
    }

    #[test]
    fn what_a_run_took_back_does_not_count() {
        let resumed = r#"{"event":"resumed","run":"r","step":10,"steps":200}"#.to_owned();
        let mut lines: Vec<String> = (1..60).map(step).collect();
        lines.insert(5, eval(5, 0.5, true));
        lines.insert(30, eval(29, 0.9, true));
        lines.push(serde_json::to_string(&Event::Failed { error: "disk".into(), checkpoint: None }).unwrap());
        lines.push(resumed);
        lines.extend((11..100).map(step));
        for limits in [&LIMITS, &SMALL] {
            let summary = read(&lines, limits);
            assert_eq!(summary.best().map(|best| best.step), Some(5));
            assert_eq!((summary.step, summary.end), (99, None));
        }
    }
}
