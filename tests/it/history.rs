//! A recorded run that was resumed twice, once from an earlier step: one time axis in every chart and export.
//!
//! The recording has the events of three processes, as a viewer sees them: one stopped at step 63, one resumed from there
//! and killed at step 103, one resumed from step 100.

use std::fs;

use finesift::export::{CancelToken, ExportControl, ExportFormat, ExportRequest};
use finesift::protocol::Event;
use finesift::runs::{History, HistoryReader, read_events};
use finesift::series::Series;
use tempfile::TempDir;

use crate::place;

/// Steps at which the run was resumed, and its last step.
const RESUMED: [u64; 2] = [63, 100];
const LAST: u64 = 119;

/// Steps after which the run was evaluated.
const EVALS: [f64; 5] = [20.0, 40.0, 60.0, 80.0, 100.0];

/// The recording as viewers see it: what the second resume dropped comes before it.
fn viewed() -> Vec<Event> {
    read_events(&place::fixture("runs/resumed-twice.jsonl")).unwrap()
}

/// The recording as the run's file has it: a resume cuts what came after the checkpoint.
fn filed() -> Vec<Event> {
    let mut file: Vec<Event> = Vec::new();
    for event in viewed() {
        if let Event::Resumed(resumed) = &event {
            let saved = |event: &Event| matches!(event, Event::Checkpointed { step, .. } if *step == resumed.step);
            file.truncate(file.iter().rposition(saved).unwrap());
            file.retain(|event| !matches!(event, Event::Step(step) if step.step > resumed.step));
        }
        file.push(event);
    }
    file
}

/// A run's folder with these events.
fn run_of(events: &[Event]) -> TempDir {
    let run = tempfile::tempdir().unwrap();
    let lines: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    fs::write(run.path().join("events.jsonl"), lines).unwrap();
    fs::write(run.path().join("preset.toml"), "about = \"x\"\n").unwrap();
    run
}

fn history(events: Vec<Event>) -> History {
    let mut history = History::default();
    events.into_iter().for_each(|event| history.apply(event));
    history
}

fn charts(history: &History) -> Vec<(&str, &Series)> {
    let (machine, loss) = (&history.machine, &history.loss);
    let mut charts = vec![
        ("loss", &loss.raw),
        ("loss, light", &loss.light),
        ("loss, strong", &loss.strong),
        ("gradient norm", &history.grad_norm.raw),
        ("throughput", &history.throughput.raw),
        ("learning rate", &history.learning_rate),
        ("eval loss", &history.eval_loss),
        ("gradient mass", &history.mass),
        ("memory", &history.memory),
        ("checkpoints", &history.checkpointed),
        ("process cpu", &machine.process_cpu),
        ("cpu", &machine.cpu),
        ("rss", &machine.rss),
        ("used", &machine.used),
        ("disk", &machine.disk_free),
    ];
    charts.extend(history.scores.iter().map(|(name, series)| (name.as_str(), series)));
    charts.extend(history.targets.all.iter().flat_map(|target| [("mass", &target.mass), ("update", &target.update)]));
    charts
}

fn steps(series: &Series) -> Vec<f64> {
    series.buckets().iter().map(|bucket| bucket.last.step).collect()
}

#[test]
fn every_chart_of_a_run_resumed_twice_has_one_monotone_axis_without_rewound_steps() {
    let (viewed, filed) = (history(viewed()), history(filed()));
    let every: Vec<f64> = (1..=LAST).map(|step| step as f64).collect();
    for history in [&viewed, &filed] {
        for (name, series) in charts(history) {
            let buckets = series.buckets();
            assert!(!buckets.is_empty(), "{name}");
            for pair in buckets.windows(2) {
                assert!(pair[0].last.time <= pair[1].first.time, "{name}: {pair:?}");
                assert!(pair[0].last.step <= pair[1].first.step, "{name}: {pair:?}");
            }
        }
        assert_eq!(steps(&history.loss.raw), every);
        assert_eq!(steps(&history.eval_loss), EVALS);
        assert_eq!((history.taken, history.best().unwrap().step), (LAST, 100));
        // The machine's samples go on where those before the resume ended: no sample hides behind another.
        let times: Vec<f64> = history.memory.buckets().iter().map(|bucket| bucket.last.time).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        let training = history.elapsed();
        assert!((training..training + 30.0).contains(times.last().unwrap()), "{training} s, {times:?}");
    }
    let loss = |history: &History| history.loss.strong.buckets().to_vec();
    for (a, b) in loss(&viewed).iter().zip(&loss(&filed)) {
        assert!(a.last == b.last && (a.end - b.end).abs() < 1e-9, "{a:?} {b:?}");
    }
    let resumes = viewed.log.iter().filter(|line| line.text.starts_with("resumed from step"));
    let resumes: Vec<&str> = resumes.map(|line| line.text.as_str()).collect();
    assert_eq!(resumes, RESUMED.map(|step| format!("resumed from step {step}")));
    assert!(viewed.log.iter().is_sorted_by(|a, b| a.at <= b.at));
}

#[test]
fn while_a_rewound_run_has_not_trained_on_it_stands_at_the_step_resumed_from() {
    let mut events = viewed();
    let second = events.iter().rposition(|event| matches!(event, Event::Resumed(_))).unwrap();
    events.truncate(second + 1);
    let history = history(events);
    let step = history.step.as_ref().unwrap();
    assert_eq!((history.taken, step.step, steps(&history.loss.raw).len()), (100, 100, 100));
    assert_eq!(Some(step.loss), history.loss.raw.last());
    assert!((step.elapsed - 213.3).abs() < 0.1, "{}", step.elapsed);
    assert!(history.end.is_none());
}

#[test]
fn a_file_read_as_it_grows_gives_the_same_history() {
    let run = run_of(&[]);
    let path = run.path().join("events.jsonl");
    let lines: String = filed().iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    let (mut grown, mut summary) = (HistoryReader::new(History::default()), HistoryReader::new(History::summary()));
    for end in (0..lines.len()).step_by(7919).chain([lines.len()]) {
        fs::write(&path, &lines[..end]).unwrap();
        grown.read_on(&path).unwrap();
        summary.skim_on(&path).unwrap();
    }
    let whole = history(filed());
    let (grown, summary) = (grown.history(), summary.history());
    assert_eq!(grown.loss.raw.buckets(), whole.loss.raw.buckets());
    assert_eq!(grown.memory.buckets(), whole.memory.buckets());
    assert_eq!(summary.mean_loss, whole.mean_loss);
    assert_eq!((summary.taken, summary.elapsed(), summary.best()), (LAST, whole.elapsed(), whole.best()));
}

#[test]
fn every_export_of_a_run_resumed_twice_has_one_monotone_axis_without_rewound_steps() {
    for events in [viewed(), filed()] {
        let run = run_of(&events);
        let export = |format, name: &str| {
            let out = run.path().join(name);
            let request =
                ExportRequest { run: run.path().into(), format, from: None, out: out.clone(), without_biases: false };
            request.write(ExportControl { on_progress: &|_| {}, cancel: &CancelToken::default() }).unwrap();
            out
        };
        assert_csv(&fs::read_to_string(export(ExportFormat::Csv, "metrics.csv")).unwrap());
        let board = fs::read_dir(export(ExportFormat::Tensorboard, "board")).unwrap().next().unwrap().unwrap();
        assert_tensorboard(&fs::read(board.path()).unwrap());
        assert_html(&fs::read_to_string(export(ExportFormat::Html, "report.html")).unwrap());
    }
}

fn assert_csv(text: &str) {
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    // The gradient mass is measured once before the first step.
    let steps: Vec<u64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(steps, (0..=LAST).collect::<Vec<_>>());
    let elapsed: Vec<f64> = rows[1..].iter().map(|row| row[2].parse().unwrap()).collect();
    assert!(elapsed.is_sorted(), "{elapsed:?}");
    let evaluated = rows.iter().filter(|row| !row[8].is_empty()).map(|row| row[0].parse().unwrap());
    assert_eq!(evaluated.collect::<Vec<f64>>(), EVALS);
}

/// Reads the wall time and the step of each record.
fn assert_tensorboard(mut bytes: &[u8]) {
    let mut records: Vec<(f64, u64)> = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let data = &bytes[12..12 + length];
        bytes = &bytes[16 + length..];
        let time = f64::from_le_bytes(data[1..9].try_into().unwrap());
        // The first record has a version instead of a step.
        if data[9] == 0x10 {
            let step =
                data[10..].iter().take(2).enumerate().fold((0, true), |(step, more), (place, byte)| match more {
                    true => (step | u64::from(byte & 0x7f) << (7 * place), byte & 0x80 != 0),
                    false => (step, false),
                });
            records.push((time, step.0));
        }
    }
    assert!(records.is_sorted_by(|a, b| a.0 <= b.0), "{records:?}");
    assert_eq!(records.iter().map(|record| record.1).collect::<Vec<_>>(), (0..=LAST).collect::<Vec<_>>());
}

/// Reads the x coordinates of each curve.
fn assert_html(page: &str) {
    let mut curves = 0;
    for path in page.split("<path d=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let points = path.split(['M', 'L']).filter(|point| !point.is_empty());
        let x: Vec<f64> = points.map(|point| point.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(x.is_sorted(), "{x:?}");
        curves += 1;
    }
    assert_eq!(curves, 8);
    assert!(page.contains(&format!("{LAST} of 170, stopped")));
}
