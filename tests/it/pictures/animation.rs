//! Screens in a row as one animated SVG that plays without scripts, also inside an `<img>`.

use std::collections::BTreeMap;
use std::fmt::Write;

use finesift::ui::screenshot::svg::{self, MARGIN};
use finesift::ui::screenshot::{CellRun, ScreenColours, runs};
use vt100::Screen;

use super::screen::buffer;

/// Height of the bar above the screen.
const BAR: u32 = 28;

/// Screens with how long each is shown.
pub struct Animation {
    frames: Vec<Frame>,
    width: u32,
    height: u32,
    /// The frame that is shown where nothing moves.
    poster: usize,
}

struct Frame {
    runs: Vec<CellRun>,
    caption: String,
    seconds: f64,
}

impl Animation {
    /// An animation of screens of this size.
    pub fn new(screen: &Screen) -> Animation {
        let (width, height) = svg::size(&buffer(screen));
        Animation { frames: Vec::new(), width, height: height + BAR - MARGIN / 2, poster: 0 }
    }

    /// Appends a screen. The caption stands in the bar above it.
    pub fn show(&mut self, screen: &Screen, caption: &str, seconds: f64) {
        self.frames.push(Frame { runs: runs(&buffer(screen), ScreenColours::DARK), caption: caption.into(), seconds });
    }

    /// Makes the latest frame the one that is shown where nothing moves.
    pub fn pose(&mut self) {
        self.poster = self.frames.len() - 1;
    }

    /// The whole picture. Each run of cells is drawn once and is visible in the frames that have it; runs that come and go
    /// together share a group, and each group has keyframes of its own.
    pub fn svg(&self) -> String {
        let seconds: f64 = self.frames.iter().map(|frame| frame.seconds).sum();
        let mut styles = format!(
            ".k{{animation:{seconds:.2}s step-end infinite}}.h{{visibility:hidden}}\
             @media(prefers-reduced-motion:reduce){{.k{{animation:none!important}}}}"
        );
        let mut body = String::new();
        for (number, (frames, content)) in self.groups().into_iter().enumerate() {
            if frames.iter().all(|visible| *visible) {
                writeln!(body, "{content}").unwrap();
                continue;
            }
            write!(styles, "\n@keyframes k{number}{{{}}}", self.keyframes(&frames, seconds)).unwrap();
            let class = if frames[self.poster] { "k" } else { "k h" };
            writeln!(body, "<g class=\"{class}\" style=\"animation-name:k{number}\">\n{content}</g>").unwrap();
        }
        let mut svg = svg::open(self.width, self.height, ScreenColours::DARK, &styles);
        for (place, color) in ["#f7768e", "#e0af68", "#9ece6a"].iter().enumerate() {
            let x = MARGIN as usize + 6 + 18 * place;
            writeln!(svg, r#"<circle cx="{x}" cy="16" r="5" fill="{color}"/>"#).unwrap();
        }
        let down = BAR - MARGIN / 2;
        write!(svg, "<g transform=\"translate(0 {down})\">\n{body}</g>\n</svg>\n").unwrap();
        svg
    }

    /// What is drawn, by the frames in which it is visible.
    fn groups(&self) -> BTreeMap<Vec<bool>, String> {
        let mut frames_of: BTreeMap<&CellRun, Vec<bool>> = BTreeMap::new();
        let mut captions: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for (number, frame) in self.frames.iter().enumerate() {
            let none = || vec![false; self.frames.len()];
            for run in &frame.runs {
                frames_of.entry(run).or_insert_with(none)[number] = true;
            }
            captions.entry(&frame.caption).or_insert_with(none)[number] = true;
        }
        let mut groups: BTreeMap<Vec<bool>, String> = BTreeMap::new();
        for (run, frames) in frames_of {
            svg::draw(run, groups.entry(frames).or_default());
        }
        for (caption, frames) in captions {
            let (x, text) = (self.width / 2, svg::escaped(caption));
            let group = groups.entry(frames).or_default();
            writeln!(group, "<text x=\"{x}\" y=\"-2\" text-anchor=\"middle\" fill=\"#8a8f98\">{text}</text>").unwrap();
        }
        groups
    }

    /// When a group is visible, as the body of a `@keyframes` rule.
    fn keyframes(&self, frames: &[bool], seconds: f64) -> String {
        let (mut keyframes, mut start) = (String::new(), 0.0);
        let mut before = None;
        for (frame, visible) in self.frames.iter().zip(frames) {
            if before != Some(*visible) {
                let value = if *visible { "visible" } else { "hidden" };
                write!(keyframes, "{:.2}%{{visibility:{value}}}", 100.0 * start / seconds).unwrap();
            }
            before = Some(*visible);
            start += frame.seconds;
        }
        keyframes
    }
}

#[test]
fn cells_that_frames_share_are_drawn_once_and_others_are_visible_in_their_frames() {
    let screen = |text: &str| {
        let mut parser = vt100::Parser::new(2.try_into().unwrap(), 20.try_into().unwrap(), 0);
        parser.process(text.as_bytes());
        parser
    };
    let (first, second) = (screen("same\r\nbefore"), screen("same\r\nafter"));
    let mut animation = Animation::new(first.screen());
    animation.show(first.screen(), "a & b", 1.0);
    animation.show(second.screen(), "a & b", 3.0);
    animation.pose();
    let svg = animation.svg();
    for text in ["same", "before", "after", "a &amp; b"] {
        assert_eq!(svg.matches(&format!(">{text}<")).count(), 1, "{text}: {svg}");
    }
    assert!(svg.contains("animation:4.00s"), "{svg}");
    assert!(svg.contains("{0.00%{visibility:visible}25.00%{visibility:hidden}}"), "{svg}");
    assert!(svg.contains("{0.00%{visibility:hidden}25.00%{visibility:visible}}"), "{svg}");
    // Where nothing moves the second frame is shown.
    let hidden = svg.split("class=\"k h\"").nth(1).unwrap();
    assert!(hidden[..hidden.find("</g>").unwrap()].contains(">before<"), "{svg}");
}
