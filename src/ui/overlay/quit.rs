//! The questions before the screen is left: what becomes of presets that were changed, of an export under way, and of a run
//! that goes. They are asked in this order.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Overlay, popup};
use crate::protocol::Command;
use crate::ui::app::{App, Effect};
use crate::ui::format::{fitted, plain, wrapped};
use crate::ui::home::Unsaved;

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Presets that were changed and not saved.
    Presets,
    /// An export under way.
    Export,
    /// The same, when the screen is left as soon as it is done.
    Waiting,
    /// A run that ends with this process.
    Run,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Stay,
    /// As far as this question goes, the screen may be left.
    Leave,
    SavePresets,
    /// Leave when the export is done.
    Wait,
    CallOff,
    /// Whether what the run has reached is saved, and whether it goes on from there.
    StopRun {
        save: bool,
        staying_behind: bool,
    },
}

/// Columns of the question.
const WIDTH: u16 = 66;

/// Presets that are named; of more their number is told.
const NAMED: usize = 4;

impl Question {
    /// Whether there is something to be asked about.
    fn is_open(self, app: &App) -> bool {
        match self {
            Question::Presets => !app.home.unsaved().is_empty(),
            Question::Export | Question::Waiting => app.runs.exporting().is_some(),
            Question::Run => app.at_work() && !app.attached(),
        }
    }

    /// The answers, each with its key. The first is marked.
    fn answers(self, app: &App) -> Vec<(char, &'static str, Answer)> {
        const STAY: (char, &str, Answer) = ('k', "stay", Answer::Stay);
        const WITHOUT: (char, &str, Answer) = ('n', "quit without saving", Answer::Leave);
        const CALL_OFF: (char, &str, Answer) = ('c', "call it off and quit; nothing of it is left", Answer::CallOff);
        match self {
            Question::Presets if can_save(&app.home.unsaved()) => {
                vec![('s', "save all and quit", Answer::SavePresets), WITHOUT, STAY]
            }
            Question::Presets => vec![STAY, WITHOUT],
            Question::Export => vec![('w', "wait for it, then quit", Answer::Wait), CALL_OFF, STAY],
            Question::Waiting => vec![STAY, CALL_OFF],
            Question::Run => {
                let stop = |save, staying_behind| Answer::StopRun { save, staying_behind };
                vec![
                    ('s', "stop and save a checkpoint", stop(true, false)),
                    ('d', "stop and discard what came after the last checkpoint", stop(false, false)),
                    ('k', "keep running in the background", stop(true, true)),
                ]
            }
        }
    }

    /// What is asked, above the answers.
    fn asked<'a>(self, app: &App, room: usize) -> Vec<Line<'a>> {
        match self {
            Question::Presets => changed(app, &app.home.unsaved(), room),
            Question::Export => exporting(app, "An export is under way.", room),
            Question::Waiting => exporting(app, "As soon as this export is done the screen is left.", room),
            Question::Run => vec![said(app, "A run is going. What becomes of it?")],
        }
    }

    /// What is good to know, below them.
    fn hint(self, app: &App) -> &'static str {
        match self {
            Question::Presets if !can_save(&app.home.unsaved()) => {
                "esc stays; save at Home what cannot be saved from here"
            }
            Question::Presets | Question::Export | Question::Waiting => "esc stays",
            Question::Run => "esc stays; `finesift attach` shows a run in the background",
        }
    }
}

/// Asks this question or the first after it that there is something to be asked about; leaves where there is none.
pub fn ask(app: &mut App, question: Question) -> Option<Effect> {
    if question.is_open(app) {
        app.overlay = Some(Overlay::Quit(question, 0));
        return None;
    }
    go_on_after(app, question)
}

/// Asks what is left to be asked when this question has an answer; leaves where nothing is.
pub fn go_on_after(app: &mut App, question: Question) -> Option<Effect> {
    match question {
        Question::Presets => ask(app, Question::Export),
        Question::Export | Question::Waiting => ask(app, Question::Run),
        Question::Run => Some(Effect::Leave),
    }
}

/// Takes back a question about an export, which is none any more. Whether leaving waits for it.
pub fn export_ended(app: &mut App) -> bool {
    let Some(Overlay::Quit(question @ (Question::Export | Question::Waiting), _)) = app.overlay else { return false };
    app.overlay = None;
    question == Question::Waiting
}

/// Takes up a key.
pub(super) fn answer(app: &mut App, question: Question, marked: usize, key: KeyEvent) -> Option<Effect> {
    let answers = question.answers(app);
    let held = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let (chosen, marked) = match key.code {
        KeyCode::Char(c) if !held => (answers.iter().position(|(key, ..)| *key == c), marked),
        KeyCode::Enter => (Some(marked), marked),
        KeyCode::Esc => return None,
        KeyCode::Up | KeyCode::BackTab => (None, (marked + answers.len() - 1) % answers.len()),
        KeyCode::Down | KeyCode::Tab => (None, (marked + 1) % answers.len()),
        _ => (None, marked),
    };
    let Some((.., answer)) = chosen.and_then(|chosen| answers.get(chosen)) else {
        app.overlay = Some(Overlay::Quit(question, marked));
        return None;
    };
    match *answer {
        Answer::Stay => None,
        Answer::Leave => go_on_after(app, question),
        Answer::SavePresets => {
            let savings = app.home.unsaved().into_iter().filter_map(|unsaved| unsaved.saving.ok());
            Some(Effect::SaveAll(savings.collect()))
        }
        Answer::Wait => {
            app.overlay = Some(Overlay::Quit(Question::Waiting, 0));
            None
        }
        // Whoever leaves calls it off in any case.
        Answer::CallOff => go_on_after(app, question).or(Some(Effect::CallOff)),
        Answer::StopRun { save, staying_behind } => {
            (app.leaving, app.staying_behind) = (true, staying_behind);
            let (word, command) = (if staying_behind { "leaving…" } else { "stopping…" }, Command::Stop { save });
            // It may have ended while the question stood.
            app.live.as_mut().and_then(|live| live.ask(word, command)).or(Some(Effect::Leave))
        }
    }
}

pub(super) fn draw(frame: &mut Frame, area: Rect, app: &App, question: Question, marked: usize) {
    let theme = &app.look.theme;
    let room = usize::from(WIDTH.min(area.width).saturating_sub(2));
    let mut lines = vec![Line::default()];
    lines.extend(question.asked(app, room));
    lines.push(Line::default());
    for (number, (key, words, _)) in question.answers(app).into_iter().enumerate() {
        let here = number == marked;
        let style = if here { theme.bold(theme.text) } else { theme.style(theme.dim) };
        let row = Line::from(vec![
            Span::styled(if here { " > " } else { "   " }, theme.bold(theme.accent)),
            Span::styled(format!("{key}  "), theme.bold(theme.accent)),
            Span::styled(fitted(words, room.saturating_sub(6), app.look.ascii), style),
        ]);
        lines.push(if here { row.style(theme.marked_line()) } else { row });
    }
    lines.push(Line::default());
    lines.push(Line::styled(format!(" {}", question.hint(app)), theme.style(theme.dim)));
    popup(frame, area, &app.look, "Quit", lines, WIDTH);
}

/// Whether all of them can be saved as they are.
fn can_save(unsaved: &[Unsaved]) -> bool {
    unsaved.iter().all(|unsaved| unsaved.saving.is_ok())
}

/// Which presets were changed, and what would become of each.
fn changed<'a>(app: &App, unsaved: &[Unsaved], room: usize) -> Vec<Line<'a>> {
    let widest = unsaved.iter().map(|unsaved| Span::raw(plain(&unsaved.preset)).width()).max().unwrap_or(0);
    let name = widest.min(room / 3);
    let (theme, ascii) = (&app.look.theme, app.look.ascii);
    let mut lines = vec![said(
        app,
        &match unsaved.len() {
            1 => "A preset is changed and not saved.".to_owned(),
            number => format!("{number} presets are changed and not saved."),
        },
    )];
    let named = if unsaved.len() > NAMED { NAMED - 1 } else { NAMED };
    for Unsaved { preset, saving } in unsaved.iter().take(named) {
        let (how, hue) = match saving {
            Ok(saving) if saving.replace => ("to be written in its place".to_owned(), theme.dim),
            Ok(saving) => (format!("to be saved as {}", saving.name), theme.dim),
            Err(complaint) => (complaint.clone(), theme.warning),
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

/// What is exported, and how far that is.
fn exporting<'a>(app: &App, question: &str, room: usize) -> Vec<Line<'a>> {
    let theme = &app.look.theme;
    let mut lines = vec![said(app, question)];
    if let Some(export) = app.runs.exporting() {
        let to = format!("to {}", export.order.out.display());
        let to = wrapped(&plain(&to), room.saturating_sub(4)).into_iter().take(2);
        let what = std::iter::once(format!("{} as {}", export.name(), export.format())).chain(to);
        lines.extend(what.map(|line| Line::styled(format!("   {line}"), theme.style(theme.dim))));
        let task = export.progress.as_ref().map(|progress| format!("{}: ", plain(&progress.task)));
        let far = fitted(&(task.unwrap_or_default() + &export.progress_text()), room.saturating_sub(4), app.look.ascii);
        lines.push(Line::styled(format!("   {far}"), theme.bold(theme.accent)));
    }
    lines
}

fn said<'a>(app: &App, text: &str) -> Line<'a> {
    Line::styled(format!(" {text}"), app.look.theme.style(app.look.theme.text))
}
