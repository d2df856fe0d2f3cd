//! A chart as files: its points as CSV and a picture as SVG.

use std::fmt::Write;
use std::path::PathBuf;

use super::content::ChartContent;
use super::panel::Panel;
use super::panels;
use super::scene::Scene;
use crate::ui::widgets::chart::Curve;
use crate::ui::widgets::svg;

/// Paths and texts of both files, in the run's folder `charts`; `None` without a folder or for a panel without a chart.
pub(super) fn files(scene: Scene, panel: Panel) -> Option<Vec<(PathBuf, String)>> {
    if !panel.is_chart() {
        return None;
    }
    let folder = scene.files?.folder.join("charts");
    let content = ChartContent::new(scene, panel);
    let subject = match panel {
        Panel::TargetMass(number) | Panel::TargetUpdate(number) => {
            format!("-{}", scene.run.targets.all.get(number)?.name)
        }
        _ => String::new(),
    };
    let step = scene.run.step.as_ref().map_or(0, |step| step.step);
    let name = file_name(&format!("{}{subject}-step-{step}", content.name));
    let csv = csv(&content.curves);
    let title = scene.run.started.as_ref().map(|started| format!("{}: {}{subject}", started.run, content.name));
    let mut chart = panels::chart(scene, panel, content);
    chart.window = scene.view.window.filter(|_| scene.view.full);
    let svg = svg::draw(&chart, &title.unwrap_or_default());
    Some(vec![(folder.join(format!("{name}.csv")), csv), (folder.join(format!("{name}.svg")), svg)])
}

/// A text as a file name that is valid on every file system.
fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(plain).take(120).collect();
    name.trim_matches(['.', '-']).to_owned()
}

/// One line per bucket: a point, or the range and last value of neighbouring points of a long curve.
fn csv(curves: &[Curve]) -> String {
    let mut text = String::from("curve,first_step,last_step,first_seconds,last_seconds,min,max,last\n");
    for curve in curves {
        let name = format!("\"{}\"", curve.name.replace('"', "\"\""));
        for bucket in curve.series.buckets() {
            let (first, last) = (bucket.first, bucket.last);
            let places = format!("{},{},{},{}", first.step, last.step, first.time, last.time);
            let _ = writeln!(text, "{name},{places},{},{},{}", bucket.min, bucket.max, bucket.end);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{At, Series};
    use ratatui::style::Style;

    #[test]
    fn values_are_written_with_all_digits() {
        let mut series = Series::default();
        series.push(At { step: 1.0, time: 0.5 }, 0.1 + 0.2);
        series.push(At { step: 2.0, time: 1.5 }, -3.0);
        let curve = Curve::line("a \"b\", c", &series, Style::new());
        let lines = csv(&[curve]);
        let lines: Vec<&str> = lines.lines().skip(1).collect();
        assert_eq!(
            lines[0],
            "\"a \"\"b\"\", c\",1,1,0.5,0.5,0.30000000000000004,0.30000000000000004,0.30000000000000004"
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_file_name_has_no_path_separators() {
        assert_eq!(file_name("Gradient mass-../..\\x y-step-3"), "gradient-mass-..-..-x-y-step-3");
        assert_eq!(file_name(".."), "");
    }
}
