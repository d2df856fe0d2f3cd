//! The run pill: the live run at the right of the first line, in as few parts as there is room for.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::format::{duration, progress, truncated, width};
use super::monitor::RunStatus;
use super::theme::Look;

/// Cells of a name below which it is left out.
const SHORTEST_NAME: usize = 6;

/// What the pill shows.
pub struct Pill<'a> {
    pub status: &'a RunStatus,
    /// Whether the run's trainer is in another process.
    pub attached: bool,
    /// Other runs that are active in other processes.
    pub others: usize,
}

/// The parts of a pill, in the order in which they are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Others,
    Attached,
    Steps,
    Left,
    Name,
    Progress,
    Sign,
}

impl Pill<'_> {
    /// The pill in at most `room` cells; empty without room for its sign.
    pub fn line(&self, room: usize, look: &Look) -> Line<'static> {
        let mut parts = self.parts();
        while total(&parts) > room {
            let Some(least) = parts.iter().map(|(part, _)| *part).min() else { break };
            // A name is cut before it is given up.
            let excess = total(&parts) - room;
            match parts.iter_mut().find(|(part, text)| {
                (*part, least) == (Part::Name, Part::Name) && width(text) >= excess + SHORTEST_NAME
            }) {
                Some((_, name)) => *name = truncated(name, width(name) - excess, look.ascii),
                None => parts.retain(|(part, _)| *part != least),
            }
        }
        let spans = parts.into_iter().enumerate().flat_map(|(number, (part, text))| {
            let gap = if number == 0 { "" } else { " " };
            [Span::raw(gap), Span::styled(text, self.style(part, look))]
        });
        spans.collect()
    }

    /// All parts, as they are read.
    fn parts(&self) -> Vec<(Part, String)> {
        let RunStatus { sign, word, name, share, steps, over, left, .. } = self.status;
        let done = match share {
            Some(share) if !over => progress(*share),
            // At the end, the state says more.
            _ => word.clone(),
        };
        let parts = [
            Some((Part::Sign, (*sign).to_owned())),
            (!name.is_empty()).then(|| (Part::Name, name.clone())),
            self.attached.then(|| (Part::Attached, "(attached)".to_owned())),
            steps.map(|(taken, of)| (Part::Steps, format!("{taken}/{of}"))),
            Some((Part::Progress, done)),
            left.map(|left| (Part::Left, format!("{} left", duration(left)))),
            (self.others > 0).then(|| (Part::Others, format!("+{}", self.others))),
        ];
        parts.into_iter().flatten().collect()
    }

    fn style(&self, part: Part, look: &Look) -> Style {
        let theme = &look.theme;
        match part {
            Part::Sign => theme.bold(self.status.hue),
            Part::Name => theme.style(theme.text),
            Part::Progress => theme.bold(theme.text),
            Part::Others | Part::Attached | Part::Steps | Part::Left => theme.style(theme.dim),
        }
    }
}

/// Cells of the parts with a space between them.
fn total(parts: &[(Part, String)]) -> usize {
    parts.iter().map(|(_, text)| width(text)).sum::<usize>() + parts.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ui::theme::{Depth, Theme};

    fn look(ascii: bool) -> Look {
        Look {
            theme: Theme::load("dark", Depth::True).unwrap(),
            name: "dark".into(),
            depth: Depth::True,
            ascii,
            pixels: None,
        }
    }

    fn status(name: &str) -> RunStatus {
        let hue = look(false).theme.good;
        let (share, steps, left) = (Some(84.0 / 170.0), Some((84, 170)), Some(40.0));
        RunStatus { sign: "▶", word: "training".into(), hue, name: name.into(), share, steps, over: false, left }
    }

    fn text(status: &RunStatus, others: usize, room: usize) -> String {
        let pill = Pill { status, attached: others > 1, others };
        pill.line(room, &look(false)).to_string()
    }

    #[test]
    fn parts_are_given_up_as_the_room_shrinks() {
        let demo = status("demo-20270101-090000");
        let shown = [80, 46, 40, 32, 25, 20, 14, 9, 6, 5, 1, 0].map(|room| text(&demo, 1, room));
        let expected = [
            "▶ demo-20270101-090000 84/170 49 % 40 s left +1",
            "▶ demo-20270101-090000 84/170 49 % 40 s left",
            "▶ demo-20270101-090000 49 % 40 s left",
            "▶ demo-20270101-090000 49 %",
            "▶ demo-20270101-09… 49 %",
            "▶ demo-2027010… 49 %",
            "▶ demo-… 49 %",
            "▶ 49 %",
            "▶ 49 %",
            "▶",
            "▶",
            "",
        ];
        assert_eq!(shown[..3], expected[..3]);
        assert_eq!(shown[7..], expected[7..]);
        assert!(shown[4].ends_with("… 49 %") && width(&shown[4]) == 25, "{shown:?}");
        assert_eq!(text(&status("demo"), 2, 80), "▶ demo (attached) 84/170 49 % 40 s left +2");
        let over = RunStatus { word: "completed".into(), share: Some(0.5), over: true, left: None, ..status("demo") };
        assert_eq!(text(&over, 0, 80), "▶ demo 84/170 completed");
    }

    proptest! {
        #[test]
        fn a_pill_never_exceeds_its_room(name in "[a-z学é👩‍🔬 -]{0,30}", steps in any::<(u64, u64)>(), room in 0usize..100, others in 0usize..3, ascii: bool) {
            let status = RunStatus { steps: Some(steps), ..status(&name) };
            let pill = Pill { status: &status, attached: others == 1, others };
            prop_assert!(pill.line(room, &look(ascii)).width() <= room);
        }
    }
}
