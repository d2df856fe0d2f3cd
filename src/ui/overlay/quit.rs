//! The questions before leaving: about unsaved presets, a running export, a run that is still training, and queued runs.
//! They are asked in this order.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::text::{Line, Span};

use super::answers::{self, Answer, Choice};
use super::{Outcome, Scene};
use crate::ui::format::{fitted, plain, width, wrapped, wrapped_at_most};
use crate::ui::home::Unsaved;
use crate::ui::monitor::Monitor;
use crate::ui::widgets::popup::{PopupHit, PopupLayout, popup};

/// A question before leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// About presets that were changed and not saved.
    Presets,
    /// About a running export.
    Export,
    /// The same, while leaving waits for the export.
    Waiting,
    /// About a running analysis.
    Analysis,
    /// About a run that is trained by this process.
    Run,
    /// About queued runs that this process would start.
    Queue,
}

/// An answer to a question before leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    Stay,
    /// Continue quitting.
    Leave,
    SavePresets,
    /// Leave when the export is done.
    Wait,
    CancelExport,
    /// Leave, which cancels the analysis.
    CancelAnalysis,
    /// Stop the run with a checkpoint.
    SaveAndStop,
    /// Stop the run without a checkpoint.
    DiscardAndStop,
    /// Continue the run in a process of its own.
    Detach,
}

/// Width of the question.
const WIDTH: u16 = 66;

/// Presets that are named; the others are counted.
const NAMED: usize = 4;

impl Question {
    /// The first question to ask.
    pub const FIRST: Question = Question::Presets;

    /// The question to ask after this one.
    pub fn next(self) -> Option<Question> {
        match self {
            Question::Presets => Some(Question::Export),
            Question::Export | Question::Waiting => Some(Question::Analysis),
            Question::Analysis => Some(Question::Run),
            Question::Run => Some(Question::Queue),
            Question::Queue => None,
        }
    }

    /// Whether there is something to ask about.
    pub fn applies(self, scene: &Scene) -> bool {
        match self {
            Question::Presets => !scene.place.home.unsaved().is_empty(),
            Question::Export | Question::Waiting => scene.place.runs.exporting().is_some(),
            Question::Analysis => scene.place.analysis.is_running(),
            Question::Run => trains(scene),
            // A run that trains was asked about already, with them.
            Question::Queue => {
                !trains(scene) && scene.place.runs.queue().works() && scene.place.runs.queue().waiting() > 0
            }
        }
    }

    /// The answers with their keys and words. The first is selected.
    fn answers(self, scene: &Scene) -> Vec<Answer<Completion>> {
        let stay = Answer::new('k', "stay", Completion::Stay);
        let without = Answer::new('n', "quit without saving", Completion::Leave);
        let cancel = Answer::new('c', "cancel it and quit; nothing is written", Completion::CancelExport);
        match self {
            Question::Presets if can_save(&scene.place.home.unsaved()) => {
                vec![Answer::new('s', "save all and quit", Completion::SavePresets), without, stay]
            }
            Question::Presets => vec![stay, without],
            Question::Export => vec![Answer::new('w', "wait for it, then quit", Completion::Wait), cancel, stay],
            Question::Waiting => vec![stay, cancel],
            Question::Analysis => {
                vec![stay, Answer::new('c', "cancel it and quit; nothing is written", Completion::CancelAnalysis)]
            }
            Question::Run => vec![
                Answer::new('s', "stop and save a checkpoint", Completion::SaveAndStop),
                Answer::new('d', "stop and discard the steps since the last checkpoint", Completion::DiscardAndStop),
                Answer::new('k', "keep training in the background", Completion::Detach),
            ],
            Question::Queue => vec![Answer::new('q', "quit; they stay queued", Completion::Leave), stay],
        }
    }

    /// The lines above the answers.
    fn lines<'a>(self, scene: &Scene, room: usize) -> Vec<Line<'a>> {
        match self {
            Question::Presets => unsaved_presets(scene, &scene.place.home.unsaved(), room),
            Question::Export => exporting(scene, "An export is still running.", room),
            Question::Waiting => exporting(scene, "Quitting when this export is done.", room),
            Question::Analysis => {
                let title = fitted(&plain(scene.place.analysis.title()), room.saturating_sub(25), scene.look.ascii);
                vec![text(scene, &format!("\"{}\" is still running.", title.trim_end()))]
            }
            Question::Run => {
                let training = scene.place.live.map(still_training).unwrap_or_default();
                let queued = match scene.place.runs.queue().waiting() {
                    0 => None,
                    1 => Some("1 run is queued: k trains it too, else it stays queued.".to_owned()),
                    number => Some(format!("{number} runs are queued: k trains them too, else they stay queued.")),
                };
                let sentences = std::iter::once(training).chain(queued);
                let lines = sentences.flat_map(|sentence| wrapped(&sentence, room.saturating_sub(2)));
                lines.map(|line| text(scene, &line)).collect()
            }
            Question::Queue => match scene.place.runs.queue().waiting() {
                1 => vec![text(scene, "1 run is queued.")],
                number => vec![text(scene, &format!("{number} runs are queued."))],
            },
        }
    }

    /// The question in few words: a line for each answer.
    pub(super) fn in_short(self, scene: &Scene) -> Vec<String> {
        let answers = self.answers(scene).into_iter().map(|answer| format!("{}  {}", answer.key, answer.words));
        std::iter::once("quit? esc stays".to_owned()).chain(answers).collect()
    }

    /// The line below the answers.
    fn hint(self, scene: &Scene) -> &'static str {
        match self {
            Question::Presets if !can_save(&scene.place.home.unsaved()) => {
                "esc stays; fix or rename these presets at Home"
            }
            Question::Presets | Question::Export | Question::Waiting | Question::Analysis => "esc stays",
            Question::Run => "esc stays; `finesift attach` shows a run in the background",
            Question::Queue => "esc stays; `finesift queue run` trains them without screens",
        }
    }

    pub(super) fn handle_key(self, selected: &mut usize, key: &KeyEvent, scene: &Scene) -> Outcome {
        match answers::choose(&self.answers(scene), selected, key) {
            Choice::Open => Outcome::Stay,
            Choice::Dismissed => Outcome::Close,
            Choice::Chosen(answer) => Outcome::Completion(self, answer),
        }
    }

    /// A click on an answer gives it, one beside the question stays in the program.
    pub(super) fn click(self, at: Position, scene: &Scene) -> Outcome {
        let (lines, first) = page(scene, self, 0);
        match PopupLayout::new(scene.area, lines.iter().map(Line::to_string), WIDTH).hit(at) {
            PopupHit::Outside => Outcome::Close,
            PopupHit::Line(line, _) if line >= first => {
                let answer = self.answers(scene).into_iter().nth(line - first);
                answer.map_or(Outcome::Stay, |answer| Outcome::Completion(self, answer.means))
            }
            PopupHit::Line(..) | PopupHit::Frame => Outcome::Stay,
        }
    }
}

pub(super) fn draw(frame: &mut Frame, scene: &Scene, question: Question, selected: usize) {
    let (lines, _) = page(scene, question, selected);
    popup(frame, scene.area, scene.look, "Quit", lines, WIDTH);
}

/// The lines of a question, and the index of the first answer's.
fn page<'a>(scene: &Scene, question: Question, selected: usize) -> (Vec<Line<'a>>, usize) {
    let theme = &scene.look.theme;
    let room = usize::from(WIDTH.min(scene.area.width).saturating_sub(2));
    let mut lines = vec![Line::default()];
    lines.extend(question.lines(scene, room));
    lines.push(Line::default());
    let first = lines.len();
    lines.extend(answers::lines(scene, &question.answers(scene), selected, room));
    lines.push(Line::default());
    lines.push(Line::styled(format!(" {}", question.hint(scene)), theme.style(theme.dim)));
    (lines, first)
}

/// Whether all of them can be saved under their default names.
fn can_save(unsaved: &[Unsaved]) -> bool {
    unsaved.iter().all(|unsaved| unsaved.request.is_ok())
}

/// Whether this process trains a run.
fn trains(scene: &Scene) -> bool {
    scene.place.live.is_some_and(|live| live.at_work() && !live.attached)
}

/// `"demo" is still training (132/170).`
pub(super) fn still_training(live: &Monitor) -> String {
    let Some(started) = &live.run.started else { return "The run is still preparing to train.".into() };
    let state = if live.run.held { "paused" } else { "still training" };
    let steps = live.run.step.as_ref().map(|step| format!(" ({}/{})", step.step, started.steps));
    format!("\"{}\" is {state}{}.", plain(&started.run), steps.unwrap_or_default())
}

/// The unsaved presets, and how each would be saved.
fn unsaved_presets<'a>(scene: &Scene, unsaved: &[Unsaved], room: usize) -> Vec<Line<'a>> {
    let widest = unsaved.iter().map(|unsaved| width(&plain(&unsaved.preset))).max().unwrap_or(0);
    let name = widest.min(room / 3);
    let (theme, ascii) = (&scene.look.theme, scene.look.ascii);
    let mut lines = vec![text(
        scene,
        &match unsaved.len() {
            1 => "1 preset has unsaved changes.".to_owned(),
            number => format!("{number} presets have unsaved changes."),
        },
    )];
    let named = if unsaved.len() > NAMED { NAMED - 1 } else { NAMED };
    for Unsaved { preset, request } in unsaved.iter().take(named) {
        let (how, hue) = match request {
            Ok(request) if request.replace => ("will be overwritten".to_owned(), theme.dim),
            Ok(request) => (format!("will be saved as {}", request.name), theme.dim),
            Err(error) => (error.to_string(), theme.warning),
        };
        lines.push(Line::from(vec![
            Span::styled(format!("   {}  ", fitted(&plain(preset), name, ascii)), theme.bold(theme.changed)),
            Span::styled(fitted(&plain(&how), room.saturating_sub(name + 6), ascii), theme.style(hue)),
        ]));
    }
    if unsaved.len() > named {
        lines.push(Line::styled(format!("   and {} more", unsaved.len() - named), theme.style(theme.dim)));
    }
    lines
}

/// What is exported, where to, and the progress.
fn exporting<'a>(scene: &Scene, question: &str, room: usize) -> Vec<Line<'a>> {
    let theme = &scene.look.theme;
    let mut lines = vec![text(scene, question)];
    if let Some(export) = scene.place.runs.exporting() {
        let to = format!("to {}", export.order.out.display());
        let to = wrapped_at_most(&plain(&to), room.saturating_sub(4), 2, scene.look.ascii);
        let what = std::iter::once(format!("{} as {}", export.name(), export.format())).chain(to);
        lines.extend(what.map(|line| Line::styled(format!("   {line}"), theme.style(theme.dim))));
        let task = export.progress.as_ref().map(|progress| format!("{}: ", plain(&progress.task)));
        let far =
            fitted(&(task.unwrap_or_default() + &export.progress_text()), room.saturating_sub(4), scene.look.ascii);
        lines.push(Line::styled(format!("   {far}"), theme.bold(theme.accent)));
    }
    lines
}

pub(super) fn text<'a>(scene: &Scene, text: &str) -> Line<'a> {
    Line::styled(format!(" {text}"), scene.look.theme.style(scene.look.theme.text))
}
