//! A figure as an SVG picture.

mod curves;
mod heat_map;
mod histograms;
mod mark;
mod points;
mod rows;

use super::colours;
use super::plot::{Figure, Plot};
use crate::svg::{Frame, LegendEntry, without_plot};

impl Figure {
    /// The SVG text of the figure.
    pub(crate) fn svg(&self) -> String {
        let Some((x, y)) = self.axes(8, 8) else { return without_plot(&self.title, "nothing to draw") };
        let names: Vec<&str> = match &self.plot {
            Plot::Curves(curves) => curves.iter().map(|curve| curve.name.as_str()).collect(),
            Plot::Histograms(histograms) => histograms.iter().map(|histogram| histogram.name.as_str()).collect(),
            Plot::HeatMap(_) | Plot::Points(_) | Plot::Rows(_) => Vec::new(),
        };
        let entry = |(number, name)| LegendEntry { name, stroke: colours::stroke(number) };
        let legend: Vec<LegendEntry> = names.into_iter().enumerate().map(entry).collect();
        let labels = [self.x.label.as_str(), &self.y.label];
        let frame = Frame { labels, legend: &legend, ..Frame::plain(&self.title, &x, &y) };
        match &self.plot {
            Plot::Curves(curves) => frame.picture(&curves::draw(self, curves, &frame), ""),
            Plot::Histograms(histograms) => frame.picture(&histograms::draw(self, histograms, &frame), ""),
            Plot::HeatMap(map) => {
                let frame = Frame { beside: heat_map::COLOUR_BAR, ..frame };
                frame.picture(&heat_map::draw(self, map, &frame), &heat_map::colour_bar(map, &frame))
            }
            Plot::Points(all) => points::picture(self, all, frame),
            Plot::Rows(all) => rows::picture(self, all, frame),
        }
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
    use crate::analysis::samples;
    use crate::figure::{
        Axis, Curve, HeatMap, Histogram, MarkedPoint, PointRow, PointRows, PointSeries, Points, Scale, Whisker,
    };
    use proptest::prelude::*;

    #[test]
    fn figures_have_their_labels_legends_and_shapes() {
        let [curves, histograms, map] = samples::report().figures.try_into().unwrap();
        let svg = curves.svg();
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
        let svg = histograms.svg();
        assert_eq!(svg.matches("fill-opacity").count(), 2, "{svg}");
        let svg = map.svg();
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
        let mark = || {
            (value(), value(), value()).prop_map(|(value, low, high)| {
                let ends = if low <= high { (low, high) } else { (value, value) };
                Whisker { value, low: ends.0, high: ends.1, complete: low > 0.0, title: "m".into() }
            })
        };
        let series = proptest::collection::vec((value(), mark()), 0..6).prop_map(|mut points| {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let points = points.into_iter().map(|(x, mark)| MarkedPoint { x, mark }).collect();
            PointSeries { name: "s".into(), points }
        });
        let points = proptest::collection::vec(series, 0..4)
            .prop_map(|series| Plot::Points(Points { series, note: "n".into() }));
        let rows = proptest::collection::vec(proptest::option::of(mark()), 0..6).prop_map(|marks| {
            let row = |mark| PointRow { name: "r".into(), numbers: String::new(), mark };
            Plot::Rows(PointRows { rows: marks.into_iter().map(row).collect(), note: "n".into() })
        });
        prop_oneof![curves, histograms, map, points, rows]
    }

    proptest! {
        #[test]
        fn any_figure_can_be_drawn_and_no_place_is_nan(plot in plot(), logs in any::<(bool, bool)>()) {
            let axis = |log| Axis { label: "a".into(), scale: if log { Scale::Log } else { Scale::Linear } };
            let figure = Figure { name: "f".into(), title: "t".into(), x: axis(logs.0), y: axis(logs.1), plot };
            let svg = figure.svg();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
        }
    }
}
