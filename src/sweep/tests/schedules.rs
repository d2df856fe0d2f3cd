use std::path::Path;

use proptest::prelude::*;

use super::super::file::SweepFile;
use super::super::plan::{ExpandedSweep, SweepPlan};
use super::super::report::{Format, report};
use super::super::schedule::Choice;
use super::super::status::{RunResult, RunStatus};
use super::super::table::{ScoreCell, SweepTable};

fn plan(text: &str) -> SweepPlan {
    let file = SweepFile::parse(Path::new("sweep.toml"), text).unwrap();
    ExpandedSweep::of(&file, &[], Path::new("/cache")).unwrap().plan
}

const TUNED: &str = "preset = \"demo\"\nseeds = [1, 2, 3]\n[tune]\nvalues = [0.1, 0.2]\n[[row]]\nname = \"a\"\n\
                     [[row]]\nname = \"b\"\ntrain.learning_rate = 0.3\n";

fn done(score: f64) -> RunStatus {
    with_metric("accuracy", score)
}

fn with_metric(metric: &str, score: f64) -> RunStatus {
    let (run, metric) = (String::new(), metric.to_owned());
    RunStatus::Done(RunResult { run, metric, score, best_step: 1, seconds: 2.0, trainable: None })
}

fn failed() -> RunStatus {
    RunStatus::Failed { error: "the loss is NaN".into() }
}

/// Does every run that is due until none is; `result` gives its status by title.
fn complete(plan: &SweepPlan, result: impl Fn(&str) -> RunStatus) -> (Vec<RunStatus>, Vec<String>) {
    let mut statuses = vec![RunStatus::Pending; plan.runs.len()];
    let mut order = Vec::new();
    loop {
        let counted = plan.counted(&statuses);
        let Some(run) = counted.into_iter().find(|run| statuses[*run] == RunStatus::Pending) else { break };
        statuses[run] = result(&plan.runs[run].title);
        order.push(plan.runs[run].title.clone());
    }
    (statuses, order)
}

#[test]
fn tuning_comes_first_and_its_runs_are_shared() {
    let plan = plan(TUNED);
    let (statuses, order) = complete(&plan, |title| done(if title.contains("0.2") { 0.9 } else { 0.8 }));
    let a = ["a, learning_rate=0.1, seed 1", "a, learning_rate=0.2, seed 1"];
    let rest = ["b, seed 1", "a, learning_rate=0.2, seed 2", "b, seed 2", "a, learning_rate=0.2, seed 3", "b, seed 3"];
    assert_eq!(order, [a.as_slice(), rest.as_slice()].concat());
    assert_eq!(plan.choice(&plan.rows[0], &statuses), Choice::Variant(1));
    let table = SweepTable::of(&plan, &statuses);
    assert_eq!((table.rows[0].value.as_deref(), table.rows[0].mean, table.best), (Some("0.2"), Some(0.9), Some(0)));
    assert_eq!((table.rows[1].value.as_deref(), table.rows[1].tuned), (Some("0.3"), false));
}

#[test]
fn runs_that_are_not_known_yet_are_counted() {
    let plan = plan(TUNED);
    let mut statuses = vec![RunStatus::Pending; plan.runs.len()];
    // Two to tune, three of the other row; two more seeds of the chosen value.
    assert_eq!((plan.counted(&statuses).len(), plan.unknown(&statuses)), (5, 2));
    statuses[plan.rows[0].variants[0].runs[&1]] = done(0.5);
    assert_eq!(plan.choice(&plan.rows[0], &statuses), Choice::Open);
    assert_eq!(SweepTable::of(&plan, &statuses).rows[0].tuning, Some((1, 2)));
    statuses[plan.rows[0].variants[1].runs[&1]] = failed();
    assert_eq!(plan.choice(&plan.rows[0], &statuses), Choice::Variant(0), "a value whose run failed is not chosen");
    assert_eq!((plan.counted(&statuses).len(), plan.unknown(&statuses)), (7, 0));
    statuses[plan.rows[0].variants[0].runs[&1]] = failed();
    assert_eq!(plan.choice(&plan.rows[0], &statuses), Choice::Failed);
    assert_eq!((plan.counted(&statuses).len(), plan.unknown(&statuses)), (5, 0));
    assert!(SweepTable::of(&plan, &statuses).rows[0].cells.iter().all(|(_, cell)| *cell == ScoreCell::Failed));
}

#[test]
fn of_a_loss_the_lowest_is_best_and_of_equal_values_the_first() {
    let plan = plan(TUNED);
    for (metric, scores, chosen) in [("loss", [0.4, 0.5], 0), ("loss", [0.5, 0.4], 1), ("accuracy", [0.4, 0.4], 0)] {
        let mut statuses = vec![RunStatus::Pending; plan.runs.len()];
        for (variant, score) in scores.into_iter().enumerate() {
            statuses[plan.rows[0].variants[variant].runs[&1]] = with_metric(metric, score);
        }
        assert_eq!(plan.choice(&plan.rows[0], &statuses), Choice::Variant(chosen), "{metric} {scores:?}");
    }
}

#[test]
fn reports_have_the_scores_and_say_how_to_read_them() {
    let plan = plan(TUNED);
    let (statuses, _) = complete(&plan, |title| match title {
        "b, seed 3" => failed(),
        title if title.starts_with('b') => done(0.5),
        title => done(if title.ends_with('1') { 0.75 } else { 0.5 }),
    });
    let table = SweepTable::of(&plan, &statuses);
    insta::assert_snapshot!("results_md", report(&table, &plan, &statuses, Format::Markdown));
    insta::assert_snapshot!("results_csv", report(&table, &plan, &statuses, Format::Csv));
    insta::assert_snapshot!("results_json", report(&table, &plan, &statuses, Format::Json));
}

proptest! {
    /// In whatever order runs end, the same runs are done and the table is the same.
    #[test]
    fn the_table_does_not_depend_on_the_order(scores in prop::collection::vec(0.0..1.0f64, 12), order in prop::collection::vec(0usize..64, 40)) {
        let plan = plan(TUNED);
        let result = |run: usize| if scores[run] < 0.1 { failed() } else { done((scores[run] * 8.0).round() / 8.0) };
        let mut all: Vec<Vec<RunStatus>> = Vec::new();
        for random in [false, true] {
            let mut statuses = vec![RunStatus::Pending; plan.runs.len()];
            for turn in 0.. {
                let due: Vec<usize> = plan.counted(&statuses).into_iter().filter(|run| statuses[*run] == RunStatus::Pending).collect();
                let Some(first) = due.first() else { break };
                let run = if random { due[order[turn % order.len()] % due.len()] } else { *first };
                statuses[run] = result(run);
            }
            all.push(statuses);
        }
        prop_assert_eq!(&all[0], &all[1]);
        prop_assert_eq!(plan.unknown(&all[0]), 0);
    }
}
