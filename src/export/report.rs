//! A run on one self-contained page of HTML: its facts, its charts as SVG, its preset. No script, no network.

use std::fmt::Write;

use crate::protocol::Started;
use crate::runs::{History, RunEnd};
use crate::series::{Bucket, Series};

/// Size of a chart and its margins, in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;

/// The page of a run with this history and this preset.
pub fn report(history: &History, preset: &str) -> String {
    let title = if history.started.is_some() { history.name() } else { "a run" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{0}</title>\n<style>{STYLE}</style>\n<h1>{0}</h1>\n",
        escaped(title)
    );
    page += &facts(history);
    page += "<div class=\"charts\">\n";
    let loss = &history.loss;
    page += &chart("loss", &[("raw", &loss.raw), ("smoothed", &loss.strong), ("eval", &history.eval_loss)]);
    let scores: Vec<(&str, &Series)> = history.scores.iter().map(|(name, series)| (name.as_str(), series)).collect();
    page += &chart("eval scores", &scores);
    page += &chart("gradient mass covered, %", &[("all targets", &history.mass)]);
    page += &chart("gradient norm", &[("before clipping", &history.grad_norm.raw)]);
    page += &chart("learning rate", &[("learning rate", &history.learning_rate)]);
    page += "</div>\n";
    let _ = writeln!(page, "<h2>Preset</h2>\n<pre>{}</pre>\n</html>", escaped(preset.trim()));
    page
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;\
    color:#1d2733;background:#fff}h1{font-size:1.5em}h2{font-size:1.1em}table{border-collapse:collapse}\
    td{padding:.15em 1.5em .15em 0;vertical-align:top}td:first-child{color:#5b6875}\
    .charts{display:flex;flex-wrap:wrap;gap:1.5em;margin:1.5em 0}figure{margin:0}figcaption{font-weight:600}\
    svg{display:block}text{font:11px system-ui,sans-serif;fill:#5b6875}pre{background:#f4f6f8;padding:1em;overflow:auto}\
    .key{font-weight:400;margin-left:1em;font-size:.85em}\
    @media(prefers-color-scheme:dark){body{color:#d7dee6;background:#12181f}pre{background:#1b232c}}";

/// A palette for colour-blind readers (Okabe and Ito).
const COLOURS: [&str; 4] = ["#56b4e9", "#d55e00", "#009e73", "#cc79a7"];

fn facts(history: &History) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(started) = &history.started {
        let Started { about, model, parameters, dtype, data, examples, eval_examples, .. } = started;
        rows.push(("about", about.clone()));
        rows.push(("model", format!("{model}, {parameters} parameters, {dtype}")));
        rows.push(("data", format!("{data}: {examples} training examples, {eval_examples} held-out examples")));
        rows.push((
            "trainable",
            started.method_words().unwrap_or_else(|| {
                format!("{} % of each target, selected by {}", 100.0 * started.rate, started.selection())
            }),
        ));
        rows.push(("device", started.devices(None)));
        rows.push(("finesift", started.version.clone()));
    }
    let state = match &history.end {
        Some(RunEnd::Finished(finished)) => finished.reason.name(),
        Some(RunEnd::Failed { .. }) => "failed",
        None => "not finished",
    };
    if let Some(step) = &history.step {
        let steps = history.steps.max(step.step);
        rows.push(("steps", format!("{} of {steps}, {state}, {:.1} s training time", step.step, step.elapsed)));
    }
    if let Some(best) = history.best() {
        let scores: Vec<String> = best.scores.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        rows.push(("best eval", format!("step {}: {}, loss {:.4}", best.step, scores.join(", "), best.loss)));
    }
    let rows = rows.iter().map(|(name, value)| format!("<tr><td>{name}</td><td>{}</td></tr>\n", escaped(value)));
    format!("<table>\n{}</table>\n", rows.collect::<String>())
}

/// A chart of curves over steps; empty without points.
fn chart(title: &str, curves: &[(&str, &Series)]) -> String {
    let buckets = || curves.iter().flat_map(|(_, series)| series.buckets());
    let (Some(first), Some(last)) = (
        buckets().map(|bucket| bucket.first.step).min_by(f64::total_cmp),
        buckets().map(|bucket| bucket.last.step).max_by(f64::total_cmp),
    ) else {
        return String::new();
    };
    let low = buckets().map(|bucket| bucket.min).fold(f64::INFINITY, f64::min);
    let high = buckets().map(|bucket| bucket.max).fold(f64::NEG_INFINITY, f64::max);
    // A constant is a line in the middle.
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let x = |step: f64| LEFT + (step - first) / (last - first).max(1.0) * (WIDTH - LEFT);
    let y = |value: f64| TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut svg = String::new();
    for tick in 0..=4 {
        let value = low + (high - low) * f64::from(tick) / 4.0;
        let (at, left) = (y(value), LEFT - 6.0);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#8884\"/>\
             <text x=\"{left}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            at + 4.0,
            short(value)
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{0}\">step {first}</text><text x=\"{WIDTH}\" y=\"{0}\" text-anchor=\"end\">{last}</text>",
        HEIGHT - 6.0
    );
    let mut key = String::new();
    for ((name, series), colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        if series.buckets().is_empty() {
            continue;
        }
        let path = path(series.buckets(), &x, &y);
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-linecap=\"round\"/>"
        );
        let _ = write!(key, "<span class=\"key\" style=\"color:{colour}\">{}</span>", escaped(name));
    }
    format!(
        "<figure><figcaption>{}{key}</figcaption>\
         <svg width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{0}\">{svg}</svg></figure>\n",
        escaped(title)
    )
}

/// A line through the minimum and maximum of each bucket, interrupted at gaps.
fn path(buckets: &[Bucket], x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (number, bucket) in buckets.iter().enumerate() {
        let draw = if number == 0 || bucket.gap { 'M' } else { 'L' };
        let (from, to) = (x(bucket.first.step), x(bucket.last.step));
        let _ = write!(path, "{draw}{from:.1} {:.1}L{to:.1} {:.1}", y(bucket.min), y(bucket.max));
        if bucket.min < bucket.max {
            let _ = write!(path, "L{to:.1} {:.1}", y(bucket.end));
        }
    }
    path
}

/// A number with enough digits for an axis.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').into(),
        _ => format!("{value:.1e}"),
    }
}

/// Text from files must not become markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::{Eval, Event, Step};

    fn page(events: impl IntoIterator<Item = Event>, preset: &str) -> String {
        let mut history = History::default();
        events.into_iter().for_each(|event| history.apply(event));
        report(&history, preset)
    }

    fn step(step: u64, loss: f64) -> Event {
        let (epoch, learning_rate, grad_norm, tokens_per_second) = (0.0, 1e-3, 1.0, 1.0);
        Event::Step(Step { step, epoch, loss, learning_rate, grad_norm, tokens_per_second, elapsed: 2.5, eta: None })
    }

    #[test]
    fn a_page_has_a_chart_for_each_measurement_and_escapes_text() {
        let scores = BTreeMap::from([("<script>".to_owned(), 0.5)]);
        let eval = Event::Eval(Eval { step: 3, epoch: 1.0, loss: 0.5, scores, best: true, patience: None });
        let page = page([step(1, 2.0), step(2, f64::NAN), step(3, 1.0), eval], "a = \"</pre>\"");
        assert_eq!(page.matches("<svg ").count(), 4, "no chart of what was never measured");
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt; 0.5000, loss 0.5000"));
        assert!(
            page.contains("a = &quot;&lt;/pre&gt;&quot;") && page.contains("3 of 3, not finished, 2.5 s training time")
        );
        // A loss of NaN interrupts its curve.
        let losses = page.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(losses.matches('M').count(), 2, "{losses}");
        assert!(!page.contains("NaN") && !page.contains("http"));
    }

    #[test]
    fn a_run_without_events_has_a_page() {
        assert!(page([], "").contains("<h1>a run</h1>"));
    }
}
