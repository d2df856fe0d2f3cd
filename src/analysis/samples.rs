//! A report with every kind of figure, for tests.

use super::{Axis, Band, Curve, Figure, HeatMap, Histogram, Plot, Report, Scale, Table};

/// Curves with a band and a gap over logarithmic axes, two histograms, a heat map with a mark, and a table.
pub(crate) fn report() -> Report {
    let axis = |label: &str, scale| Axis { label: label.into(), scale };
    let figure = |name: &str, x: Axis, y: Axis, plot| Figure {
        name: name.into(),
        title: format!("The {name} of \"a<b & c\""),
        x,
        y,
        plot,
    };
    let curve = |name: &str, by: f64| {
        let points: Vec<(f64, f64)> =
            (0..=20).map(|n| (1e-3 * 10f64.powf(f64::from(n) / 4.0), by * f64::from(n + 1))).collect();
        Curve { name: name.into(), points, band: None }
    };
    let mut random = curve("random initialisation", 2.0);
    random.points[5].1 = f64::NAN;
    let ys: Vec<f64> = random.points.iter().map(|(_, y)| *y).collect();
    random.band = Some(Band { low: ys.iter().map(|y| y * 0.8).collect(), high: ys.iter().map(|y| y * 1.2).collect() });
    let curves = vec![curve("pre-trained", 4.0), random];
    let histogram = |name: &str, by: f64| Histogram {
        name: name.into(),
        edges: (-8..=0).map(f64::from).collect(),
        counts: [0.0, 1.0, 3.0, 8.0, 12.0, 9.0, 2.0, 0.0].map(|count| count * by).to_vec(),
    };
    let grid: Vec<f64> = (-5..=5).map(|n| f64::from(n) / 5.0).collect();
    let values = grid.iter().flat_map(|y| grid.iter().map(move |x| x * x + 2.0 * y * y));
    let mut map = HeatMap {
        xs: grid.clone(),
        ys: grid.clone(),
        values: values.collect(),
        label: "loss (nats)".into(),
        marks: vec![(0.0, 0.0, "pre-trained".into()), (0.6, 0.4, "trained".into())],
    };
    map.values[3] = f64::NAN;
    Report {
        kind: "gradients".into(),
        subject: "MiniLM on sentences".into(),
        findings: vec![
            "1 % of the components hold 63 % of the gradient's L2 norm (random initialisation: 12 %).".into(),
        ],
        notes: vec!["Sums are in double precision.".into()],
        tables: vec![Table {
            name: "modules".into(),
            title: "By module".into(),
            columns: vec!["module".into(), "L2 (%)".into()],
            rows: vec![vec!["query|key, \"x\"".into(), "63.2".into()], vec!["value".into(), "9.1".into()]],
        }],
        figures: vec![
            figure(
                "norm",
                axis("components (%)", Scale::Log),
                axis("share of the norm (%)", Scale::Linear),
                Plot::Curves(curves),
            ),
            figure(
                "magnitudes",
                axis("log10 |g|", Scale::Linear),
                axis("components (%)", Scale::Linear),
                Plot::Histograms(vec![histogram("pre-trained", 1.0), histogram("random initialisation", 0.7)]),
            ),
            figure("slice", axis("direction 1", Scale::Linear), axis("direction 2", Scale::Linear), Plot::HeatMap(map)),
        ],
    }
}
