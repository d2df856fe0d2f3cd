//! The question when a run is started while another one trains: queue it, make room for it, or cancel.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::text::Line;

use super::answers::{self, Answer, Choice};
use super::quit::{still_training, text};
use super::{Outcome, Scene};
use crate::ui::format::{plain, wrapped};
use crate::ui::start_request::{ActiveRuns, StartRequest};
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// Width of the question.
const WIDTH: u16 = 66;

/// A run to start, and the runs that train already.
#[derive(Clone, Debug, PartialEq)]
pub struct BusyDialog {
    pub request: StartRequest,
    pub active: ActiveRuns,
    /// Index of the selected answer.
    pub selected: usize,
}

/// An answer to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyAnswer {
    /// Start it when no run is active any more.
    Queue,
    /// Continue the run of this process in the background, and start this one.
    HandOff,
    /// Start it beside the runs of other processes.
    Beside,
    Cancel,
}

impl BusyDialog {
    fn answers(&self, scene: &Scene) -> Vec<Answer<BusyAnswer>> {
        let queue = matches!(self.request, StartRequest::Launch(_))
            .then(|| Answer::new('q', "queue it: it starts when no run is active", BusyAnswer::Queue));
        let at_once = match self.active {
            ActiveRuns::Here => {
                let started = scene.place.live.and_then(|live| live.run.started.as_ref());
                let run = started.map_or("that run".into(), |started| format!("\"{}\"", plain(&started.run)));
                Answer::new('b', format!("send {run} to the background, and start now"), BusyAnswer::HandOff)
            }
            ActiveRuns::Elsewhere(_) => Answer::new('s', "start now, side by side", BusyAnswer::Beside),
        };
        queue.into_iter().chain([at_once, Answer::new('c', "cancel", BusyAnswer::Cancel)]).collect()
    }

    pub(super) fn handle_key(&mut self, key: &KeyEvent, scene: &Scene) -> Outcome {
        let mut selected = self.selected;
        let choice = answers::choose(&self.answers(scene), &mut selected, key);
        self.selected = selected;
        match choice {
            Choice::Open => Outcome::Stay,
            Choice::Dismissed => Outcome::Close,
            Choice::Chosen(answer) => self.answered(answer),
        }
    }

    /// A click on an answer gives it, one beside the question cancels.
    pub(super) fn click(&self, at: Position, scene: &Scene) -> Outcome {
        let (lines, first) = self.page(scene);
        match PopupLayout::new(scene.area, lines.iter().map(Line::to_string), WIDTH).hit(at) {
            PopupHit::Outside => Outcome::Close,
            PopupHit::Line(line, _) if line >= first => self
                .answers(scene)
                .into_iter()
                .nth(line - first)
                .map_or(Outcome::Stay, |answer| self.answered(answer.means)),
            PopupHit::Line(..) | PopupHit::Frame => Outcome::Stay,
        }
    }

    fn answered(&self, answer: BusyAnswer) -> Outcome {
        match answer {
            BusyAnswer::Cancel => Outcome::Close,
            answer => Outcome::Start(self.request.clone(), answer),
        }
    }

    pub(super) fn draw(&self, frame: &mut Frame, scene: &Scene) {
        let (lines, _) = self.page(scene);
        let title = format!("Start {}", plain(&self.request.name()));
        popup(frame, scene.area, scene.look, &title, lines, WIDTH);
    }

    /// The lines of the question, and the index of the first answer's.
    fn page<'a>(&self, scene: &Scene) -> (Vec<Line<'a>>, usize) {
        let room = usize::from(WIDTH.min(scene.area.width).saturating_sub(2));
        let active = match &self.active {
            ActiveRuns::Here => scene.place.live.map(still_training).unwrap_or_default(),
            ActiveRuns::Elsewhere(names) => match names.as_slice() {
                [name] => format!("\"{}\" is training in another process.", plain(name)),
                names => format!("{} runs are training in other processes.", names.len()),
            },
        };
        let mut lines = vec![Line::default()];
        for sentence in [active.as_str(), "Training both at once shares the device's memory and time."] {
            lines.extend(wrapped(sentence, room.saturating_sub(2)).iter().map(|line| text(scene, line)));
        }
        lines.push(Line::default());
        let first = lines.len();
        lines.extend(answers::lines(scene, &self.answers(scene), self.selected, room));
        lines.push(Line::default());
        lines.push(Line::styled(" esc cancels", scene.look.theme.style(scene.look.theme.dim)));
        (lines, first)
    }
}
