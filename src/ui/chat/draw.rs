//! Draws the chat.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Chat;
use super::command::{Definition, matching};
use super::lines::Writer;
use super::model::Model;
use crate::ui::format::{grouped, plain, truncated};
use crate::ui::theme::{Hue, Look};
use crate::ui::widgets::panel::{Title, panel};

/// Columns of a command and its argument.
const CALL: usize = 16;

impl Chat {
    /// Draws the conversation, the state, and the input.
    pub fn draw(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let parts = self.parts(area);
        let theme = &look.theme;
        let inner = panel(frame, parts.transcript, look, false, self.title(look));
        if self.transcript.entries().is_empty() {
            draw_hint(frame, inner, look, &self.hint());
        } else {
            let writer = Writer::new(parts.lines().width, look, &self.model);
            let (lines, more) = self.transcript.visible(parts.rows(), |entry| writer.lines(entry));
            frame.render_widget(Paragraph::new(lines), parts.lines());
            if more && parts.transcript.height > 1 {
                let y = parts.transcript.bottom() - 1;
                let edge = Rect { y, height: 1, width: parts.transcript.width.saturating_sub(2), ..parts.transcript };
                let text = if look.ascii { " more below: pagedown " } else { " ↓ more below: pagedown " };
                frame.render_widget(
                    Line::styled(text, theme.style(theme.accent)).right_aligned(),
                    edge.intersection(area),
                );
            }
        }
        self.draw_state(frame, parts.state, look);
        draw_suggestions(frame, parts.suggestions, look, &self.suggestions());
        let note = match self.generating {
            Some(_) => "esc stops the answer".to_owned(),
            None => "alt-enter new line  / commands".into(),
        };
        panel(frame, parts.input, look, self.typing(), Title { note, ..Title::named("Prompt") });
        if self.typing() {
            self.input.draw_rows(frame, parts.field(), theme.style(theme.text));
        }
    }

    /// The commands that match what is typed.
    pub(super) fn suggestions(&self) -> Vec<&'static Definition> {
        matching(&self.input.text())
    }

    fn title(&self, look: &Look) -> Title<'static> {
        let theme = &look.theme;
        let mut title = Title::named("Chat");
        if self.typing() {
            title.values.push(Span::styled(self.model.name(), theme.bold(theme.text)));
        }
        if let Some(loaded) = self.model.loaded() {
            if let Some(step) = loaded.step {
                title.values.push(Span::styled(format!("checkpoint {}", grouped(step)), theme.style(theme.text)));
            }
            if loaded.run.is_some() {
                title.note = plain(&loaded.model);
            }
        }
        title
    }

    /// What an empty conversation shows.
    fn hint(&self) -> Vec<String> {
        let lines: &[&str] = match &self.model {
            Model::None => &["no model yet", "", "press a on a language-model run in Runs, or start finesift chat RUN"],
            Model::Loading { memory, .. } => {
                return [Some("loading the model".to_owned()), memory.clone()].into_iter().flatten().collect();
            }
            Model::Closed { why, .. } => return vec!["the model is not loaded".into(), String::new(), plain(why)],
            Model::Loaded { loaded, .. } if loaded.run.is_some() => &[
                "type a prompt and press enter",
                "",
                "/base shows the base model's answer beside; / lists all commands",
            ],
            Model::Loaded { .. } => &["type a prompt and press enter", "", "/ lists the commands"],
        };
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    /// Draws the state of the model and of the answer, or why the last key did nothing.
    fn draw_state(&self, frame: &mut Frame, area: Rect, look: &Look) {
        let theme = &look.theme;
        let mut line = Line::default();
        let mut room = usize::from(area.width).saturating_sub(1);
        for (number, (text, hue)) in self.state(look).into_iter().enumerate() {
            let text = format!("{}{text}", if number == 0 { " " } else { "  " });
            let text = truncated(&text, room, look.ascii);
            room -= crate::ui::format::width(&text);
            line.push_span(Span::styled(text, theme.style(hue)));
        }
        frame.render_widget(line, area);
    }

    fn state(&self, look: &Look) -> Vec<(String, Hue)> {
        let theme = &look.theme;
        let dot = if look.ascii { "*" } else { "●" };
        if let Some(complaint) = &self.complaint {
            return vec![(plain(complaint), theme.warning)];
        }
        let mut parts = match &self.model {
            Model::None => return Vec::new(),
            Model::Closed { why, .. } => return vec![(format!("{dot} {}", plain(why)), theme.error)],
            Model::Loading { progress, .. } => {
                let task = progress.as_ref().map_or("loading".into(), |progress| {
                    let percent = 100.0 * progress.done as f64 / progress.total as f64;
                    let share = (progress.total > 0).then(|| format!(" {percent:.0} %"));
                    plain(&progress.task) + &share.unwrap_or_default()
                });
                return vec![(format!("{dot} {task}"), theme.paused)];
            }
            Model::Loaded { .. } => vec![match self.generating {
                Some(generating) if generating.stopping => (format!("{dot} stopping"), theme.paused),
                Some(_) => (format!("{dot} generating"), theme.accent),
                None => (format!("{dot} ready"), theme.good),
            }],
        };
        let mut add = |text: String| parts.push((text, theme.dim));
        add(format!("temperature {}", self.settings.temperature));
        if let Some(loaded) = self.model.loaded() {
            let (used, most) = (grouped(self.context as u64), grouped(loaded.max_length as u64));
            add(format!("context {used}/{most}"));
        }
        let generating = self.generating.and_then(|generating| {
            let (_, exchange) = self.transcript.exchanges().find(|(index, _)| Some(*index) == generating.entry)?;
            Some(match generating.weights {
                crate::chat::Weights::FineTuned => exchange.answer.rate,
                crate::chat::Weights::Base => exchange.base.as_ref()?.rate,
            })
        });
        if let Some(speed) =
            generating.or(self.last().map(|(_, exchange)| exchange.answer.rate)).and_then(|rate| rate.per_second())
        {
            add(format!("{speed:.1} tokens/s"));
        }
        if self.system.is_some() {
            add("system prompt".into());
        }
        if self.base {
            add("base model too".into());
        }
        parts
    }
}

fn draw_hint(frame: &mut Frame, area: Rect, look: &Look, lines: &[String]) {
    let rows = lines.len() as u16;
    let y = area.y + area.height.saturating_sub(rows) / 2;
    let room = usize::from(area.width.saturating_sub(2));
    let style = look.theme.style(look.theme.dim);
    let lines = lines.iter().flat_map(|line| crate::ui::format::wrapped(line, room));
    let lines: Vec<Line> = lines.map(|line| Line::styled(line, style).centered()).collect();
    let middle = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    frame.render_widget(Paragraph::new(lines), middle.intersection(area));
}

/// Draws the commands that match what is typed; where not all have room, how many are left out.
fn draw_suggestions(frame: &mut Frame, area: Rect, look: &Look, definitions: &[&Definition]) {
    let theme = &look.theme;
    let room = usize::from(area.height);
    let shown = if definitions.len() > room { room.saturating_sub(1) } else { definitions.len() };
    let line = |definition: &&Definition| {
        let call = format!("{} {}", definition.name, definition.argument);
        let room = usize::from(area.width).saturating_sub(CALL + 3);
        Line::from(vec![
            Span::styled(format!("  {call:<CALL$}"), theme.bold(theme.accent)),
            Span::styled(truncated(definition.help, room, look.ascii), theme.style(theme.dim)),
        ])
    };
    let mut lines: Vec<Line> = definitions[..shown].iter().map(line).collect();
    if shown < definitions.len() {
        let more = format!("  and {} more: /help", definitions.len() - shown);
        lines.push(Line::styled(more, theme.style(theme.dim)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}
