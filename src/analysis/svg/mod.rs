//! A figure as an SVG picture.

mod curves;
mod heat_map;
mod histograms;

use super::colours;
use super::figure::{Figure, Plot};
use crate::svg::{Frame, LegendEntry, without_plot};

/// The SVG text of a figure.
pub(super) fn draw(figure: &Figure) -> String {
    let Some((x, y)) = figure.axes(8, 8) else { return without_plot(&figure.title, "nothing to draw") };
    let names: Vec<&str> = match &figure.plot {
        Plot::Curves(curves) => curves.iter().map(|curve| curve.name.as_str()).collect(),
        Plot::Histograms(histograms) => histograms.iter().map(|histogram| histogram.name.as_str()).collect(),
        Plot::HeatMap(_) => Vec::new(),
    };
    let legend: Vec<LegendEntry> =
        names.iter().enumerate().map(|(number, name)| LegendEntry { name, stroke: colours::stroke(number) }).collect();
    let frame = Frame {
        title: &figure.title,
        x: &x,
        y: &y,
        labels: [&figure.x.label, &figure.y.label],
        legend: &legend,
        beside: if matches!(figure.plot, Plot::HeatMap(_)) { heat_map::COLOUR_BAR } else { 0.0 },
    };
    match &figure.plot {
        Plot::Curves(curves) => frame.picture(&curves::draw(figure, curves, &frame), ""),
        Plot::Histograms(histograms) => frame.picture(&histograms::draw(figure, histograms, &frame), ""),
        Plot::HeatMap(map) => frame.picture(&heat_map::draw(figure, map, &frame), &heat_map::colour_bar(map, &frame)),
    }
}

impl Frame<'_> {
    /// The pixel of a value on the x axis.
    fn x_of(&self, value: f64) -> f64 {
        self.across(self.x.scale.position(value))
    }

    /// The pixel of a value on the y axis.
    fn y_of(&self, value: f64) -> f64 {
        self.down(self.y.scale.position(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Axis, Curve, HeatMap, Histogram, Scale, samples};
    use proptest::prelude::*;

    #[test]
    fn figures_have_their_labels_legends_and_shapes() {
        let [curves, histograms, map] = samples::report().figures.try_into().unwrap();
        let svg = draw(&curves);
        for text in
            ["a&lt;b &amp; c", ">components (%)<", ">share of the norm (%)<", ">pre-trained<", ">0.001<", ">100<"]
        {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        // A gap starts a new subpath, and cuts the band as well.
        let stroke = format!("fill=\"none\" {}", colours::stroke(1));
        let path = svg.lines().find(|line| line.contains(&stroke)).unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        let band = svg.lines().find(|line| line.contains("fill-opacity")).unwrap();
        assert_eq!(band.matches('Z').count(), 2, "{band}");
        let svg = draw(&histograms);
        assert_eq!(svg.matches("fill-opacity").count(), 2, "{svg}");
        let svg = draw(&map);
        assert!(svg.contains(">loss (nats)<") && svg.contains(">trained<") && svg.contains("#fde725"), "{svg}");
        assert!(!svg.contains("NaN"));
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -10.0..10.0_f64,
            any::<f64>(),
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(0.0),
            Just(1e300),
            Just(5e-324)
        ]
    }

    fn plot() -> impl Strategy<Value = Plot> {
        let curve = proptest::collection::vec((value(), value()), 0..6);
        let curves = proptest::collection::vec(curve, 0..3).prop_map(|curves| {
            let curve = |points| Curve { name: "c".into(), points, band: None };
            Plot::Curves(curves.into_iter().map(curve).collect())
        });
        let bins = || proptest::collection::vec(value(), 1..6);
        let histograms = (bins(), bins()).prop_map(|(edges, mut counts)| {
            counts.resize(edges.len() - 1, 1.0);
            Plot::Histograms(vec![Histogram { name: "h".into(), edges, counts }])
        });
        let map = (proptest::collection::vec(value(), 0..4), proptest::collection::vec(value(), 0..4), value())
            .prop_map(|(xs, ys, value)| {
                let values = vec![value; xs.len() * ys.len()];
                Plot::HeatMap(HeatMap { xs, ys, values, label: "v".into(), marks: vec![(value, 0.0, "m".into())] })
            });
        prop_oneof![curves, histograms, map]
    }

    proptest! {
        #[test]
        fn any_figure_can_be_drawn_and_no_place_is_nan(plot in plot(), logs in any::<(bool, bool)>()) {
            let axis = |log| Axis { label: "a".into(), scale: if log { Scale::Log } else { Scale::Linear } };
            let figure = Figure { name: "f".into(), title: "t".into(), x: axis(logs.0), y: axis(logs.1), plot };
            let svg = draw(&figure);
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        }
    }
}
