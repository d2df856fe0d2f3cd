use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::super::file::SweepFile;
use super::super::plan::{ExpandedSweep, PlanRow, SweepPlan};
use super::super::report::{Format, report};
use super::super::status::{RunResult, RunStatus, Trainable};
use super::super::table::SweepTable;
use super::super::x_axis::{RowLines, XAxis};
use crate::figure::{Plot, Scale};

fn plan(text: &str) -> SweepPlan {
    let file = SweepFile::parse(Path::new("sweep.toml"), text).unwrap();
    ExpandedSweep::of(&file, &[], Path::new("/cache")).unwrap().plan
}

/// Budgets of two selections beside rows of their own.
const BUDGETS: &str = "about = \"a<b & c\"\npreset = \"demo\"\nseeds = [1, 2, 3]\n[grid]\nsift.select = [\"gradient\", \
                       \"random\"]\nsift.rate = [0.001, 0.008, 0.04]\n[[row]]\nname = \"LoRA r 2\"\nmethod = \"lora\"\nlora.r = 2\n\
                       [[row]]\nname = \"LoRA r 8\"\nmethod = \"lora\"\n[[row]]\nname = \"head\"\nmethod = \"head\"\n";

/// The same budget at several learning rates.
const RATES: &str = "preset = \"demo\"\nseeds = [1, 2]\n[[grid]]\nsift.select = [\"gradient\", \"random\"]\nsift.rate = [0.001, \
                     0.008]\ntrain.learning_rate = [1e-3, 3e-3, 1e-2]\n[[row]]\nname = \"head\"\nmethod = \"head\"\n\
                     train.learning_rate = 3e-2\n";

/// Nothing but the kind of row varies.
const KINDS: &str = "preset = \"demo\"\nseeds = [1, 2]\n[[grid]]\nsift.select = [\"gradient\", \"random\"]\n[[row]]\nname = \
                     \"head\"\nmethod = \"head\"\n";

/// Every run is done but those of the titles, with scores and counts that differ.
fn statuses(plan: &SweepPlan, not_done: &[&str]) -> Vec<RunStatus> {
    let done = |number: usize, title: &str| {
        let score = 0.6 + (number * 37 % 101) as f64 / 300.0;
        let sparse = title.bytes().map(u64::from).sum::<u64>() * 10;
        RunStatus::Done(RunResult {
            run: String::new(),
            metric: "accuracy".into(),
            score,
            best_step: 1,
            seconds: 2.0,
            trainable: Some(Trainable { sparse: sparse / 100 * 100, dense: 770 }),
        })
    };
    let status = |(number, title): (usize, &String)| match not_done.contains(&title.as_str()) {
        true => RunStatus::Pending,
        false => done(number, title),
    };
    plan.runs.iter().map(|run| &run.title).enumerate().map(status).collect()
}

fn names(plan: &SweepPlan) -> (XAxis, Vec<String>) {
    let lines = RowLines::of(&plan.rows);
    let names = (0..lines.lines.len()).map(|line| lines.name(&plan.rows, line)).collect();
    (lines.axis, names)
}

#[test]
fn the_axis_is_what_varies_within_most_rows() {
    let (axis, lines) = names(&plan(BUDGETS));
    assert_eq!(axis, XAxis::Trainable);
    assert_eq!(lines, ["gradient", "random", "LoRA r", "head"]);
    let (axis, lines) = names(&plan(RATES));
    assert_eq!(axis, XAxis::Key("train.learning_rate".into()));
    assert_eq!(lines, ["gradient rate=0.001", "gradient rate=0.008", "random rate=0.001", "random rate=0.008", "head"]);
    let (axis, lines) = names(&plan(KINDS));
    assert_eq!(axis, XAxis::Rows);
    assert_eq!(lines, ["gradient", "random", "head"]);
}

#[test]
fn a_key_that_some_rows_do_not_set_is_no_axis() {
    let text = "preset = \"demo\"\n[[grid]]\nsift.batches = [8, 32]\n[[row]]\nname = \"head\"\nmethod = \"head\"\n";
    assert_eq!(names(&plan(text)).0, XAxis::Rows);
    assert_eq!(names(&plan(&text[..text.find("[[row]]").unwrap()])).0, XAxis::Key("sift.batches".into()));
}

#[test]
fn lines_whose_rows_begin_alike_have_names_of_their_own() {
    let text = "preset = \"demo\"\n[[row]]\nname = \"a 1\"\nsift.rate = 0.1\n[[row]]\nname = \"a 2\"\nsift.rate = 0.2\n[[row]]\n\
                name = \"a 3\"\nsift.rate = 0.1\nsift.select = \"random\"\n[[row]]\nname = \"a 4\"\nsift.rate = 0.2\n\
                sift.select = \"random\"\n";
    assert_eq!(names(&plan(text)).1, ["a 1 …", "a 3 …"]);
    let text = text.replace("\"a 2\"", "\"b 2\"").replace("\"a 4\"", "\"a, 3\"");
    assert_eq!(names(&plan(&text)).1, ["a 1 …", "3"], "words at the end, or the first row");
}

#[test]
fn a_row_without_a_score_is_not_drawn_and_one_with_some_seeds_is_hollow() {
    let plan = plan(BUDGETS);
    let none = ["gradient rate=0.001, seed 1", "gradient rate=0.001, seed 2", "gradient rate=0.001, seed 3"];
    let some = [none.as_slice(), &["head, seed 2"]].concat();
    let table = SweepTable::of(&plan, &statuses(&plan, &some));
    let figure = table.figure(&plan);
    let Plot::Points(points) = &figure.plot else { panic!("{figure:?}") };
    assert_eq!(points.series.iter().map(|series| series.points.len()).collect::<Vec<_>>(), [2, 3, 2, 1]);
    assert!(!points.series[3].points[0].mark.complete && points.series[0].points[0].mark.complete);
    assert!(points.note.contains("hollow"), "{}", points.note);
    assert_eq!(figure.x.scale, Scale::Log);
    let before = SweepTable::of(&plan, &vec![RunStatus::Pending; plan.runs.len()]);
    assert!(before.figure(&plan).svg().contains("nothing to draw"));
}

/// The texts that a browser shows over the marks of a picture.
fn titles(svg: &str) -> Vec<String> {
    let titles = svg.split("<title>").skip(1).filter_map(|part| part.split("</title>").next());
    titles.map(|title| title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).collect()
}

/// The numbers between two texts.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(number, _)| number)
}

#[test]
fn a_picture_has_the_numbers_of_the_table() {
    for text in [BUDGETS, RATES, KINDS] {
        let plan = plan(text);
        let statuses = statuses(&plan, &[plan.runs[1].title.as_str()]);
        let table = SweepTable::of(&plan, &statuses);
        let svg = report(&table, &plan, &statuses, Format::Svg);
        let titles = titles(&svg);
        for row in &table.rows {
            let title = titles.iter().find(|title| title.starts_with(&format!("{}: ", row.name))).unwrap();
            let (mean, deviation) = (between(title, "accuracy ", " "), between(title, "± ", " ("));
            assert_eq!((mean.parse().ok(), deviation.parse().ok()), (row.mean, row.deviation), "{title}");
            let n = format!("(n = {} of {})", row.scores().count(), plan.seeds.len());
            let count = row.trainable.map(|all| crate::quantity::grouped(all.sparse + all.dense)).unwrap();
            assert!(title.contains(&n) && title.contains(&format!("{count} trainable")), "{title}");
        }
        // Each mark has a whisker, and lies in its middle.
        let marks: Vec<&str> =
            svg.lines().filter(|line| line.starts_with("<g><title>") && line.contains("(n = ")).collect();
        assert_eq!(marks.len(), table.rows.len());
        let upright = !matches!(table.figure(&plan).plot, Plot::Rows(_));
        for mark in marks.iter().filter(|mark| mark.contains("<circle") && mark.contains(" ± ")) {
            let centre: f64 = between(mark, if upright { "cy=\"" } else { "cx=\"" }, "\"").parse().unwrap();
            let whisker = between(mark, "d=\"M", "M");
            let (low, high) = match upright {
                true => whisker.split_once(' ').unwrap().1.split_once('V').unwrap(),
                false => (whisker.split_once(' ').unwrap().0, whisker.split_once('H').unwrap().1),
            };
            let middle = (low.parse::<f64>().unwrap() + high.parse::<f64>().unwrap()) / 2.0;
            assert!((middle - centre).abs() < 0.11, "{mark}");
        }
    }
}

/// The axis of a picture, from its ticks: a mark's place in pixels is that of its value.
#[test]
fn marks_lie_where_the_axis_says() {
    let plan = plan(KINDS);
    let statuses = statuses(&plan, &[]);
    let table = SweepTable::of(&plan, &statuses);
    let svg = table.figure(&plan).svg();
    let tick = |line: &str| -> Option<(f64, f64)> {
        let value = between(line, "text-anchor=\"middle\">", "<").parse().ok()?;
        Some((between(line, "<text x=\"", "\"").parse().ok()?, value))
    };
    let ticks: Vec<(f64, f64)> = svg.lines().filter_map(tick).collect();
    let [(x0, v0), .., (x1, v1)] = ticks[..] else { panic!("{svg}") };
    for row in &table.rows {
        let line = svg.lines().find(|line| line.starts_with(&format!("<g><title>{}: ", row.name))).unwrap();
        let x: f64 = between(line, "cx=\"", "\"").parse().unwrap();
        let value = v0 + (x - x0) / (x1 - x0) * (v1 - v0);
        assert!((value - row.mean.unwrap()).abs() < 2e-4, "{value} {row:?}");
    }
}

#[test]
fn pictures_of_sweeps() {
    let plan = plan(BUDGETS);
    let statuses = statuses(&plan, &["head, seed 2"]);
    insta::assert_snapshot!("results_svg", report(&SweepTable::of(&plan, &statuses), &plan, &statuses, Format::Svg));
}

/// Rows of few keys with few values, so that many differ in one key only.
fn rows() -> impl Strategy<Value = Vec<PlanRow>> {
    let value = |values: &'static [&'static str]| prop::option::weighted(0.85, prop::sample::select(values));
    let row =
        (value(&["gradient", "random"]), value(&["0.1", "0.2"]), value(&["1e-3", "0.01", "x"]), value(&["1", "2"]));
    prop::collection::vec(row, 1..14).prop_map(|rows| {
        let row = |(number, (select, rate, learning, batches)): (usize, (_, _, _, _))| {
            let keys = ["sift.select", "sift.rate", "train.learning_rate", "sift.batches"];
            let values: [Option<&str>; 4] = [select, rate, learning, batches];
            let settings = keys.into_iter().zip(values).filter_map(|(key, value)| Some((key.into(), value?.into())));
            PlanRow { name: format!("row {number}"), settings: settings.collect(), variants: Vec::new() }
        };
        rows.into_iter().enumerate().map(row).collect()
    })
}

/// Rows with a partner that differs from them in this key at most.
fn partners(rows: &[PlanRow], key: &str) -> usize {
    let others = |row: &PlanRow| -> BTreeSet<(String, String)> {
        row.settings.iter().filter(|(own, _)| own != key).cloned().collect()
    };
    let has_partner =
        |at: &usize| (0..rows.len()).any(|other| other != *at && others(&rows[other]) == others(&rows[*at]));
    (0..rows.len()).filter(has_partner).count()
}

proptest! {
    /// Every row is on one line, rows of a line differ in the axis only, and no other axis joins more rows.
    #[test]
    fn no_other_axis_joins_more_rows(rows in rows()) {
        let RowLines { axis, lines } = RowLines::of(&rows);
        let mut all: Vec<usize> = lines.iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows.len()).collect::<Vec<_>>());
        let number = |row: &PlanRow, key: &str| {
            row.settings.iter().any(|(own, value)| own == key && value.parse::<f64>().is_ok())
        };
        let keys = ["train.learning_rate", "sift.batches"].into_iter().filter(|key| rows.iter().all(|row| number(row, key)));
        let most = keys.map(|key| partners(&rows, key)).chain([partners(&rows, "sift.rate")]).max().unwrap_or(0);
        let joined: usize = lines.iter().filter(|line| line.len() > 1).map(Vec::len).sum();
        prop_assert_eq!(joined, most);
        let key = match &axis {
            XAxis::Key(key) => {
                prop_assert!(rows.iter().all(|row| number(row, key)));
                key.as_str()
            }
            XAxis::Trainable => "sift.rate",
            XAxis::Rows => {
                prop_assert_eq!(most, 0);
                ""
            }
        };
        for line in &lines {
            let settings = |row: usize| rows[row].settings.iter().filter(|(own, _)| own != key).collect::<BTreeSet<_>>();
            prop_assert!(line.iter().all(|row| settings(*row) == settings(line[0])));
        }
    }
}
