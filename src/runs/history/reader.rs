//! Reading a history from a growing `events.jsonl`: each time only what was appended, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::{ControlFlow, Range};
use std::path::Path;

use memchr::{memchr, memmem};

use super::History;
use crate::protocol::{Eval, Event};

/// How much of a file is read for a summary.
struct Limits {
    /// Files of up to this many bytes are read whole.
    whole: u64,
    /// Bytes read at the start and at the end of a larger file.
    end: u64,
    /// Number of samples between them.
    samples: u64,
    /// Bytes of a sample.
    sample: u64,
}

const LIMITS: Limits = Limits { whole: 8 << 20, end: 1 << 20, samples: 64, sample: 32 << 10 };

/// Longer lines are skipped for a summary: none of its events is so long.
const LONGEST: usize = 64 << 10;

/// The events of a summary. Every line begins with its tag.
const SUMMARY_TAGS: [&str; 7] = ["started", "resumed", "phase", "step", "eval", "finished", "failed"];

/// A history and how far its file was read.
pub struct HistoryReader {
    history: History,
    read: u64,
    /// The last line read. If another one stands in its place, the run went back to an earlier step.
    last: Line,
}

#[derive(Default)]
struct Line {
    start: u64,
    bytes: Vec<u8>,
}

impl HistoryReader {
    /// A reader that adds to an empty history.
    pub fn new(history: History) -> HistoryReader {
        HistoryReader { history, read: 0, last: Line::default() }
    }

    /// What was read so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Reads every event that was appended. A file that was cut is read from its start. Lines that are no events are skipped.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_on(&mut self, path: &Path) -> io::Result<()> {
        self.read_until(path, || false).map(drop)
    }

    /// As [`HistoryReader::read_on`], but stops after the first event for which `enough` says so; the next call continues
    /// there. Returns whether the end of the file was reached.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_until(&mut self, path: &Path, mut enough: impl FnMut() -> bool) -> io::Result<bool> {
        let mut file = self.open(path)?;
        let bytes = self.read..u64::MAX;
        let read = self.each_line(&mut file, bytes, usize::MAX, |history, line| {
            if let Ok(event) = serde_json::from_slice(line) {
                history.apply(event);
            }
            if enough() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(read.is_continue())
    }

    /// As [`HistoryReader::read_on`], but only what a summary needs: of a large file its start, its end, samples between
    /// them, and its best evaluation.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn skim_on(&mut self, path: &Path) -> io::Result<()> {
        self.skim_within(path, &LIMITS)
    }

    fn skim_within(&mut self, path: &Path, limits: &Limits) -> io::Result<()> {
        let mut file = self.open(path)?;
        let length = file.metadata()?.len();
        let start = self.read;
        if length - start <= limits.whole {
            return self.each_line(&mut file, start..length, LONGEST, apply_summary).map(drop);
        }
        let (head, tail) = (start + limits.end, length - limits.end);
        let _ = self.each_line(&mut file, start..head, LONGEST, apply_summary)?;
        let apart = (tail - head) / (limits.samples + 1);
        for number in 1..=limits.samples {
            let at = head + number * apart;
            let _ = self.each_line(&mut file, piece(at, at + limits.sample), LONGEST, apply_summary)?;
        }
        let known = self.history.best.len();
        let _ = self.each_line(&mut file, piece(tail, length), LONGEST, apply_summary)?;
        // A best evaluation in the last part is the best of all. Otherwise it may lie in a part that was skipped.
        if self.history.best.len() <= known
            && let Some(best) = last_best(&mut file, start..tail, limits.end)?
        {
            self.history.add_best(best);
        }
        Ok(())
    }

    /// Opens the file, and forgets what was read if that is no longer in it.
    fn open(&mut self, path: &Path) -> io::Result<File> {
        let mut file = File::open(path)?;
        if self.read == 0 {
            // A pipe, which cannot seek, is read from its start.
            return Ok(file);
        }
        let mut there = Vec::new();
        file.seek(SeekFrom::Start(self.last.start))?;
        file.by_ref().take(self.last.bytes.len() as u64).read_to_end(&mut there)?;
        if there != self.last.bytes || file.metadata()?.len() < self.read {
            *self = HistoryReader::new(self.history.emptied());
            return File::open(path);
        }
        Ok(file)
    }

    /// Calls `each` for every whole line within a range until it breaks; a line that begins before the range is skipped.
    fn each_line(
        &mut self,
        file: &mut File,
        bytes: Range<u64>,
        longest: usize,
        mut each: impl FnMut(&mut History, &[u8]) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        if bytes.start > 0 {
            file.seek(SeekFrom::Start(bytes.start))?;
        }
        let mut reader = BufReader::with_capacity(1 << 16, file.take(bytes.end.saturating_sub(bytes.start)));
        let (mut at, mut line, mut too_long) = (bytes.start, Vec::new(), false);
        self.read = bytes.start;
        loop {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            let newline = memchr(b'\n', buffer);
            let taken = newline.map_or(buffer.len(), |newline| newline + 1);
            if line.len().saturating_add(taken) > longest {
                too_long = true;
                line.clear();
            } else if !too_long {
                line.extend_from_slice(&buffer[..taken]);
            }
            reader.consume(taken);
            at += taken as u64;
            if newline.is_some() {
                let mut flow = ControlFlow::Continue(());
                if !too_long {
                    flow = each(&mut self.history, &line);
                    self.last = Line { start: at - line.len() as u64, bytes: std::mem::take(&mut line) };
                }
                line.clear();
                too_long = false;
                self.read = at;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
    }
}

fn apply_summary(history: &mut History, line: &[u8]) -> ControlFlow<()> {
    if let Some(event) = summary_event(line) {
        history.apply(event);
    }
    ControlFlow::Continue(())
}

fn summary_event(line: &[u8]) -> Option<Event> {
    let tag = line.strip_prefix(br#"{"event":""#)?;
    let tag = tag.split(|byte| *byte == b'"').next()?;
    if SUMMARY_TAGS.iter().any(|known| known.as_bytes() == tag) { serde_json::from_slice(line).ok() } else { None }
}

/// A range that may begin within a line. It starts one byte early, so that a line that begins at `start` is not skipped.
fn piece(start: u64, end: u64) -> Range<u64> {
    start.saturating_sub(1)..end
}

/// The last evaluation that was the best, searched backwards from the end of a range, `at_once` bytes at a time.
fn last_best(file: &mut File, within: Range<u64>, at_once: u64) -> io::Result<Option<Eval>> {
    // An evaluation after the step that a later resume went back to does not count.
    let mut limit = u64::MAX;
    let (mut end, mut bytes) = (within.end, Vec::new());
    while end > within.start {
        let start = end.saturating_sub(at_once).max(within.start);
        // A line that ends after the range belongs to it.
        let range = piece(start, end + LONGEST as u64);
        file.seek(SeekFrom::Start(range.start))?;
        bytes.clear();
        file.take(range.end - range.start).read_to_end(&mut bytes)?;
        for event in evals_and_resumes(&bytes).into_iter().rev() {
            match event {
                Event::Eval(eval) if eval.best && eval.step <= limit => return Ok(Some(eval)),
                Event::Resumed(resumed) => limit = limit.min(resumed.step),
                _ => {}
            }
        }
        end = start;
    }
    Ok(None)
}

/// The evaluations and resumes among lines, in order. They are few among many, so they are searched as text.
fn evals_and_resumes(bytes: &[u8]) -> Vec<Event> {
    let mut positions: Vec<usize> = [r#"{"event":"eval""#, r#"{"event":"resumed""#]
        .iter()
        .flat_map(|tag| memmem::find_iter(bytes, tag))
        .filter(|position| *position == 0 || bytes[position - 1] == b'\n')
        .collect();
    positions.sort_unstable();
    let line = |position: usize| bytes[position..].split(|byte| *byte == b'\n').next();
    positions.into_iter().filter_map(|position| summary_event(line(position)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::protocol::{Reason, Resumed};
    use crate::runs::{BestScore, RunEnd, Summary};

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
        let mut reader = HistoryReader::new(History::summary());
        reader.skim_within(&path, limits).unwrap();
        Summary::of(reader.history())
    }

    #[test]
    fn a_recorded_run_is_summarised() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/demo.jsonl");
        let mut reader = HistoryReader::new(History::summary());
        let mut skim = || {
            reader.skim_on(&path).unwrap();
            Summary::of(reader.history())
        };
        let summary = skim();
        assert_eq!((summary.preset.as_str(), summary.model.as_str()), ("demo", "minilm"));
        assert_eq!((summary.step, summary.steps, summary.elapsed), (170, 170, 40.0));
        assert_eq!(summary.best(), Some(BestScore { name: "accuracy", score: 0.88, step: 140 }));
        assert!(matches!(&summary.end, Some(RunEnd::Finished(finished)) if finished.reason == Reason::Completed));
        let columns = summary.loss.columns(12);
        assert!(columns.len() == 12 && columns[0] > columns[11], "{columns:?}");
    }

    #[test]
    fn only_what_a_file_has_grown_by_is_read_and_a_half_line_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut file = File::create(&path).unwrap();
        let line = step(1);
        file.write_all(&line.as_bytes()[..20]).unwrap();
        let mut reader = HistoryReader::new(History::summary());
        let mut skim = || {
            reader.skim_on(&path).unwrap();
            Summary::of(reader.history())
        };
        let summary = skim();
        assert_eq!(summary.step, 0);
        file.write_all(&line.as_bytes()[20..]).unwrap();
        file.write_all(format!("\nrubbish\n{{\"event\":\"step\"}}\n\u{fffd}\n{}\n", step(2)).as_bytes()).unwrap();
        let summary = skim();
        assert_eq!((summary.step, summary.loss.points().count()), (2, 2));
        // Another file of the same name.
        std::fs::write(&path, step(9) + "\n").unwrap();
        let summary = skim();
        assert_eq!((summary.step, summary.loss.points().count()), (9, 1));
    }

    #[test]
    fn reading_stops_where_it_is_enough_and_continues_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, (1..=9).map(|number| step(number) + "\n").collect::<String>()).unwrap();
        let mut reader = HistoryReader::new(History::default());
        let mut taken = Vec::new();
        loop {
            let mut events = 0;
            let whole = reader.read_until(&path, || {
                events += 1;
                events == 4
            });
            taken.push(reader.history().taken);
            if whole.unwrap() {
                break;
            }
        }
        assert_eq!((taken, reader.history().loss.raw.points()), (vec![4, 8, 9], 9));
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let long = format!(r#"{{"event":"failed","error":"{}"}}"#, "x".repeat(3 * LONGEST));
        let summary = read(&[step(1), long, step(2)], &LIMITS);
        assert_eq!((summary.step, summary.end), (2, None));
    }

    #[test]
    fn the_best_evaluation_of_a_long_run_is_found_anywhere() {
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
    fn evaluations_after_the_step_resumed_from_do_not_count() {
        let resumed = serde_json::to_string(&Event::Resumed(Resumed {
            run: "r".into(),
            step: 10,
            steps: 200,
            best: String::new(),
            patience: None,
            clip: None,
            checkpoint: "step-10".into(),
            elapsed: 10.5,
            device: "cpu".into(),
            device_note: String::new(),
            ranks: 1,
            version: "0".into(),
        }))
        .unwrap();
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

    #[test]
    fn a_file_that_was_cut_and_has_grown_beyond_what_was_read_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let lines = |steps: std::ops::RangeInclusive<u64>| steps.map(|number| step(number) + "\n").collect::<String>();
        std::fs::write(&path, lines(1..=6)).unwrap();
        let mut reader = HistoryReader::new(History::default());
        reader.read_on(&path).unwrap();
        let info = serde_json::to_string(&Event::info("resumed elsewhere")).unwrap();
        std::fs::write(&path, lines(1..=3) + &info + "\n" + &lines(4..=9)).unwrap();
        reader.read_on(&path).unwrap();
        let history = reader.history();
        assert_eq!((history.loss.raw.points(), history.taken, history.log.len()), (9, 9, 1));
        reader.read_on(&path).unwrap();
        assert_eq!(reader.history().loss.raw.points(), 9);
    }
}
