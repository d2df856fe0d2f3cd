//! Figures, tables and findings of what was measured.

use super::magnitudes::Ranking;
use super::results::{Mean, Pass};
use super::targets::Targets;
use crate::analysis::report::{Report, Table};
use crate::figure::{Axis, Band, Curve, Figure, Histogram, Plot, Scale};
use crate::quantity::{grouped, measured, number, percent};

/// What a report says about how it was made.
pub struct Settings {
    pub subject: String,
    /// Share of each tensor's components that the preset selects.
    pub rate: f64,
    /// Examples of a batch.
    pub batch: usize,
    pub all: bool,
}

/// Shares of the components for the table, in percent.
const SHARES: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 50.0];

/// The report of these passes: the pre-trained network first, then its twin, then those of a training.
pub fn report(settings: &Settings, targets: &Targets, passes: &[Pass]) -> Report {
    let passes: Vec<&Pass> = passes.iter().filter(|pass| !pass.overall.is_empty()).collect();
    let compared = &passes[..passes.len().min(2)];
    let mut figures = vec![
        norm_curves(
            compared,
            "norm_l2",
            "The largest components' share of the gradient's L2 norm",
            "L2",
            |ranking, x| ranking.top(x).l2,
        ),
        norm_curves(
            compared,
            "norm_l1",
            "The largest components' share of the gradient's L1 norm",
            "L1",
            |ranking, x| ranking.top(x).l1,
        ),
        magnitudes(compared),
    ];
    let mut tables = vec![shares_table(compared)];
    if let Some(first) = passes.first() {
        figures.push(module_curves(targets, first));
        figures.extend(layer_curves(targets, compared));
        tables.push(groups_table("modules", "By module", "module", &targets.modules, compared, Pass::module));
        let layers: Vec<String> = (0..targets.layers.len()).map(|layer| targets.layer_name(layer)).collect();
        tables.push(groups_table("layers", "By layer", "layer", &layers, compared, Pass::layer));
    }
    figures.extend(batch_overlap(compared));
    if passes.len() > 2 {
        let trained: Vec<&Pass> = passes.iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, pass)| *pass).collect();
        figures.push(training_overlap(&trained));
        tables.push(training_table(&trained));
    }
    Report {
        kind: "gradients".into(),
        subject: settings.subject.clone(),
        findings: findings(settings, compared, &passes),
        notes: notes(settings, passes.first()),
        tables,
        figures,
    }
}

/// `1 % of the components hold 63 % of the gradient's L2 norm (random initialisation: 12 %).`
fn findings(settings: &Settings, compared: &[&Pass], passes: &[&Pass]) -> Vec<String> {
    let Some(first) = compared.first() else { return Vec::new() };
    let twin = compared.get(1);
    // `… (random initialisation: 12 %).`
    let both = |before: &str, of: &dyn Fn(&Pass) -> String, after: &str| {
        let twin = twin.map(|twin| format!(" ({}: {})", twin.name, of(twin))).unwrap_or_default();
        format!("{before} {}{after}{twin}.", of(first))
    };
    let mean = |pass: &Pass, of: fn(&Ranking) -> f64| pass.overall(of).mean;
    let share =
        |before: &str, of: fn(&Ranking) -> f64, after: &str| both(before, &|pass| percent(mean(pass, of)), after);
    let rate = percent(100.0 * settings.rate);
    let mut findings = vec![
        share("1 % of the components hold", |ranking| ranking.top(1.0).l2, " of the gradient's L2 norm"),
        share("1 % of the components hold", |ranking| ranking.top(1.0).l1, " of its L1 norm"),
        share("90 % of the L2 norm lie in", |ranking| ranking.needed(90.0), " of the components"),
        both(
            &format!("The {rate} largest components of each tensor, as the preset selects, hold"),
            &|pass| percent(Mean::of(pass.covered.iter().copied()).mean),
            " of the L2 norm",
        ),
        both("The Gini coefficient of |g| is", &|pass| format!("{:.2}", mean(pass, Ranking::gini)), ""),
        share("The participation ratio is", Ranking::participation, " of the components"),
    ];
    if !first.with_first.is_empty() {
        findings.push(both(
            &format!(
                "A batch shares with the first batch, of its {rate} largest components (at random it would be {rate}),"
            ),
            &|pass| percent(Mean::of(pass.with_first.iter().map(|overlap| overlap.share)).mean),
            "",
        ));
    }
    if let Some((last, overlap)) = passes.iter().skip(2).rev().find_map(|pass| Some((pass, pass.with_start?))) {
        findings.push(format!(
            "After {}, {} of the {rate} largest components of a batch are those of the same batch before training.",
            last.name,
            percent(overlap.share)
        ));
    }
    findings
}

fn notes(settings: &Settings, first: Option<&&Pass>) -> Vec<String> {
    let components = first.and_then(|pass| pass.overall.first()).map_or(0.0, Ranking::components);
    let which = if settings.all { "all parameters of the model" } else { "the preset's targets (sift.modules)" };
    let batches = first.map_or(0, |pass| pass.overall.len());
    let mut notes = vec![
        format!("Components: the {} of {which}. They are ranked together, except where a tensor is named.", grouped(components as u64)),
        format!("Numbers are means over {batches} batches of {} examples of the training data; bands are the least and the greatest.", settings.batch),
        "Gradients are of the mean loss of one batch, without dropout.".into(),
        "Share of the L2 norm: 100 · ‖g of the largest components‖₂ / ‖g‖₂; of the L1 norm: 100 · Σ|g| of them / Σ|g|.".into(),
        "Shares come from a histogram of |g| with exact sums, whose bins are 3 % wide: they are off by less than 1/32 of what one bin holds.".into(),
        "Participation ratio: (Σg²)² / Σg⁴ as a share of the components, the effective share that holds the squared norm.".into(),
        "Random initialisation: the same architecture with normal weights of the config's initializer_range, biases of 0 and norms of 1.".into(),
    ];
    if let Some(first) = first {
        let (_, _, below) = first.magnitudes.ranking().by_decade(BIN, DECADES);
        if below > 0.0 {
            notes.push(format!(
                "The histogram leaves out the smallest {} of the components, zeros among them.",
                percent(below)
            ));
        }
    }
    notes
}

fn axis(label: &str, scale: Scale) -> Axis {
    Axis { label: label.to_owned(), scale }
}

/// Shares of the components from 0.001 % to 100 %, ten to a decade.
fn grid() -> impl Iterator<Item = f64> {
    (0..=50).map(|number| 10f64.powf(f64::from(number) / 10.0 - 3.0))
}

/// A curve over shares of the components. What would be less than one component is left out.
fn curve(name: &str, components: f64, mean: impl Fn(f64) -> Mean) -> Curve {
    let places: Vec<f64> = grid().filter(|x| x * components >= 100.0 * (1.0 - 1e-9)).collect();
    let means: Vec<Mean> = places.iter().map(|x| mean(*x)).collect();
    Curve {
        name: name.to_owned(),
        points: places.into_iter().zip(means.iter().map(|mean| mean.mean)).collect(),
        band: Some(Band {
            low: means.iter().map(|mean| mean.low).collect(),
            high: means.iter().map(|mean| mean.high).collect(),
        }),
    }
}

fn components(pass: &Pass) -> f64 {
    pass.overall.first().map_or(0.0, Ranking::components)
}

fn norm_curves(passes: &[&Pass], name: &str, title: &str, norm: &str, share: fn(&Ranking, f64) -> f64) -> Figure {
    let of = |pass: &&Pass| curve(&pass.name, components(pass), |x| pass.overall(|ranking| share(ranking, x)));
    Figure {
        name: name.into(),
        title: title.into(),
        x: axis("largest components (%)", Scale::Log),
        y: axis(&format!("share of the {norm} norm (%)"), Scale::Linear),
        plot: Plot::Curves(passes.iter().map(of).collect()),
    }
}

fn module_curves(targets: &Targets, pass: &Pass) -> Figure {
    let of = |(number, name): (usize, &String)| {
        let components = pass.modules.first().map_or(0.0, |modules| modules[number].components());
        Curve { band: None, ..curve(name, components, |x| pass.module(number, |ranking| ranking.top(x).l2)) }
    };
    Figure {
        name: "modules_l2".into(),
        title: format!("By module: the largest components' share of its L2 norm ({})", pass.name),
        x: axis("largest components of the module (%)", Scale::Log),
        y: axis("share of the L2 norm (%)", Scale::Linear),
        plot: Plot::Curves(targets.modules.iter().enumerate().map(of).collect()),
    }
}

/// By layer: what the largest percent holds. `None` for a model without layers.
fn layer_curves(targets: &Targets, passes: &[&Pass]) -> Option<Figure> {
    let numbered: Vec<(usize, u64)> =
        targets.layers.iter().enumerate().filter_map(|(at, layer)| Some((at, (*layer)?))).collect();
    if numbered.len() < 2 {
        return None;
    }
    let of = |pass: &&Pass| {
        let means: Vec<Mean> = numbered.iter().map(|(at, _)| pass.layer(*at, |ranking| ranking.top(1.0).l2)).collect();
        Curve {
            name: pass.name.clone(),
            points: numbered.iter().zip(&means).map(|((_, layer), mean)| (*layer as f64, mean.mean)).collect(),
            band: Some(Band {
                low: means.iter().map(|mean| mean.low).collect(),
                high: means.iter().map(|mean| mean.high).collect(),
            }),
        }
    };
    Some(Figure {
        name: "layers_l2".into(),
        title: "By layer: the share of its L2 norm that 1 % of its components hold".into(),
        x: axis("layer", Scale::Linear),
        y: axis("share of the L2 norm (%)", Scale::Linear),
        plot: Plot::Curves(passes.iter().map(of).collect()),
    })
}

/// Width of a bin of the histogram, and decades that it covers.
const BIN: f64 = 0.1;
const DECADES: f64 = 12.0;

fn magnitudes(passes: &[&Pass]) -> Figure {
    let of = |pass: &&Pass| {
        let (edges, counts, _) = pass.magnitudes.ranking().by_decade(BIN, DECADES);
        Histogram { name: pass.name.clone(), edges, counts }
    };
    Figure {
        name: "magnitudes".into(),
        title: "Magnitudes of the gradient's components".into(),
        x: axis("log10 |g|", Scale::Linear),
        y: axis("components (%)", Scale::Linear),
        plot: Plot::Histograms(passes.iter().map(of).collect()),
    }
}

/// From batch to batch; `None` with a single batch.
fn batch_overlap(passes: &[&Pass]) -> Option<Figure> {
    let of = |pass: &&Pass| {
        let points = pass.with_first.iter().enumerate().map(|(number, overlap)| ((number + 2) as f64, overlap.share));
        Curve { name: pass.name.clone(), points: points.collect(), band: None }
    };
    let curves: Vec<Curve> = passes.iter().map(of).filter(|curve| !curve.points.is_empty()).collect();
    (!curves.is_empty()).then(|| Figure {
        name: "overlap".into(),
        title: "Largest components of a batch that are among those of the first batch".into(),
        x: axis("batch", Scale::Linear),
        y: axis("shared components (%)", Scale::Linear),
        plot: Plot::Curves(curves),
    })
}

/// The step that a pass of a training was measured at.
fn step_of(pass: &Pass) -> f64 {
    pass.name.strip_prefix("step ").and_then(|step| step.parse().ok()).unwrap_or(0.0)
}

fn training_overlap(passes: &[&Pass]) -> Figure {
    let overlap = passes.iter().filter_map(|pass| Some((step_of(pass), pass.with_start?.share)));
    let start = std::iter::once((0.0, 100.0));
    let norm = passes.iter().map(|pass| (step_of(pass), pass.overall(|ranking| ranking.top(1.0).l2).mean));
    let curve = |name: &str, points| Curve { name: name.into(), points, band: None };
    Figure {
        name: "training".into(),
        title: "The gradient while the preset trains".into(),
        x: axis("optimizer step", Scale::Linear),
        y: axis("%", Scale::Linear),
        plot: Plot::Curves(vec![
            curve("largest components shared with step 0", start.chain(overlap).collect()),
            curve("L2 norm held by 1 % of the components", norm.collect()),
        ]),
    }
}

/// A number of each pass as cells: percentages without their sign, which the column's name has.
fn cell(value: f64) -> String {
    match value {
        value if value.is_nan() => "-".into(),
        value => percent(value).trim_end_matches(" %").to_owned(),
    }
}

fn shares_table(passes: &[&Pass]) -> Table {
    let mut columns = vec!["components (%)".to_owned()];
    for pass in passes {
        columns.extend([format!("L2, {} (%)", pass.name), format!("L1, {} (%)", pass.name)]);
    }
    let row = |x: f64| {
        let mut row = vec![number(x)];
        for pass in passes {
            row.push(cell(pass.overall(|ranking| ranking.top(x).l2).mean));
            row.push(cell(pass.overall(|ranking| ranking.top(x).l1).mean));
        }
        row
    };
    let title = "Shares of the norms that the largest components hold";
    Table { name: "shares".into(), title: title.into(), columns, rows: SHARES.into_iter().map(row).collect() }
}

/// The mean of a number over the batches of a pass, for the group of this index.
type GroupMean = fn(&Pass, usize, fn(&Ranking) -> f64) -> Mean;

/// For each group its components, the share of the 1 % largest of the group, and the group's share of the gradient.
fn groups_table(name: &str, title: &str, group: &str, groups: &[String], passes: &[&Pass], of: GroupMean) -> Table {
    let mut columns = vec![group.to_owned(), "components".to_owned()];
    columns.extend(passes.iter().map(|pass| format!("top 1 % of L2, {} (%)", pass.name)));
    columns.extend(passes.iter().map(|pass| format!("Gini, {}", pass.name)));
    columns.extend(passes.iter().map(|pass| format!("L2 norm, {}", pass.name)));
    let row = |(number_of, name): (usize, &String)| {
        let components = passes.first().map_or(0.0, |pass| of(pass, number_of, Ranking::components).mean);
        let mut row = vec![name.clone(), grouped(components as u64)];
        row.extend(passes.iter().map(|pass| cell(of(pass, number_of, |ranking| ranking.top(1.0).l2).mean)));
        row.extend(passes.iter().map(|pass| format!("{:.2}", of(pass, number_of, Ranking::gini).mean)));
        row.extend(passes.iter().map(|pass| measured(of(pass, number_of, Ranking::norm).mean)));
        row
    };
    Table { name: name.into(), title: title.into(), columns, rows: groups.iter().enumerate().map(row).collect() }
}

fn training_table(passes: &[&Pass]) -> Table {
    let columns = ["step", "loss", "top 1 % of L2 (%)", "shared with step 0 (%)", "Jaccard with step 0 (%)"];
    let row = |pass: &&Pass| {
        let overlap = pass.with_start;
        vec![
            number(step_of(pass)),
            measured(Mean::of(pass.losses.iter().copied()).mean),
            cell(pass.overall(|ranking| ranking.top(1.0).l2).mean),
            cell(overlap.map_or(100.0, |overlap| overlap.share)),
            cell(overlap.map_or(100.0, |overlap| overlap.jaccard)),
        ]
    };
    Table {
        name: "training_steps".into(),
        title: "While the preset trains".into(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: passes.iter().map(row).collect(),
    }
}
