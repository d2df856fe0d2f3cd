//! Figures and tables as CSV, in long format: a row per point, as pandas and ggplot take it. NaN is an empty cell.

use anyhow::Result;
use csv::Writer;

use crate::analysis::report::Table;
use crate::figure::{Figure, Plot, PointRows, Points, Whisker};

/// A figure's values. The header has the labels of its axes.
pub(super) fn figure(figure: &Figure) -> Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    let (x, y) = (figure.x.label.as_str(), figure.y.label.as_str());
    match &figure.plot {
        Plot::Curves(curves) => {
            let bands = curves.iter().any(|curve| curve.band.is_some());
            let header = ["curve", x, y, "low", "high"];
            writer.write_record(&header[..if bands { 5 } else { 3 }])?;
            for curve in curves {
                for (index, (x, y)) in curve.points.iter().enumerate() {
                    let mut record = vec![curve.name.clone(), number(*x), number(*y)];
                    if bands {
                        let ends = curve.band.as_ref().map(|band| (band.low[index], band.high[index]));
                        let (low, high) = ends.unwrap_or((f64::NAN, f64::NAN));
                        record.extend([number(low), number(high)]);
                    }
                    writer.write_record(&record)?;
                }
            }
        }
        Plot::Histograms(histograms) => {
            let (from, to) = (format!("{x} from"), format!("{x} to"));
            writer.write_record(["histogram", &from, &to, y])?;
            for histogram in histograms {
                for (edges, count) in histogram.edges.windows(2).zip(&histogram.counts) {
                    writer.write_record([&histogram.name, &number(edges[0]), &number(edges[1]), &number(*count)])?;
                }
            }
        }
        Plot::HeatMap(map) => {
            writer.write_record([x, y, &map.label])?;
            let places = map.ys.iter().flat_map(|y| map.xs.iter().map(move |x| (x, y)));
            for ((x, y), value) in places.zip(&map.values) {
                writer.write_record([number(*x), number(*y), number(*value)])?;
            }
        }
        Plot::Points(Points { series, .. }) => {
            writer.write_record(["series", x, y, "low", "high"])?;
            for (name, point) in
                series.iter().flat_map(|series| series.points.iter().map(|point| (&series.name, point)))
            {
                let Whisker { value, low, high, .. } = point.mark;
                writer.write_record([name, &number(point.x), &number(value), &number(low), &number(high)])?;
            }
        }
        Plot::Rows(PointRows { rows, .. }) => {
            writer.write_record(["row", x, "low", "high"])?;
            for (name, mark) in rows.iter().filter_map(|row| Some((&row.name, row.mark.as_ref()?))) {
                writer.write_record([name, &number(mark.value), &number(mark.low), &number(mark.high)])?;
            }
        }
    }
    finish(writer)
}

pub(super) fn table(table: &Table) -> Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(&table.columns)?;
    for row in &table.rows {
        writer.write_record(row)?;
    }
    finish(writer)
}

fn finish(writer: Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8(bytes)?)
}

/// All digits of a number, with an exponent where it would be long without.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => String::new(),
        0.0 | 1e-5..1e15 | f64::INFINITY => value.to_string(),
        _ => format!("{value:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples;

    #[test]
    fn values_keep_their_digits_and_texts_are_quoted() {
        let values = [0.0, 0.1 + 0.2, 1e-5, 1.5e-300, 1e15, f64::NAN, f64::NEG_INFINITY];
        let texts = ["0", "0.30000000000000004", "0.00001", "1.5e-300", "1e15", "", "-inf"];
        assert_eq!(values.map(number), texts);
        let report = samples::report();
        let text = table(&report.tables[0]).unwrap();
        assert_eq!(text, "module,L2 (%)\n\"query|key, \"\"x\"\"\",63.2\nvalue,9.1\n");
        let curves = figure(&report.figures[0]).unwrap();
        assert!(curves.starts_with("curve,components (%),share of the norm (%),low,high\npre-trained,0.001,4,,\n"));
        assert!(curves.contains("\nrandom initialisation,0.01778279410038923,,,\n"), "{curves}");
        let histograms = figure(&report.figures[1]).unwrap();
        assert!(histograms.starts_with("histogram,log10 |g| from,log10 |g| to,components (%)\npre-trained,-8,-7,0\n"));
        let map = figure(&report.figures[2]).unwrap();
        assert!(map.starts_with("direction 1,direction 2,loss (nats)\n-1,-1,3\n-0.8,-1,2.64"), "{map}");
        assert_eq!(map.lines().count(), 1 + 11 * 11);
    }
}
