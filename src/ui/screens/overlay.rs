//! What lies above the screen: the help, the question at quitting, and how a run ended.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

use crate::ui::app::{ANSWERS, App, Overlay};
use crate::ui::keymap::BINDINGS;
use crate::ui::run::End;
use crate::ui::widgets::panel::{Title, panel};

/// Draws what there is.
pub fn draw(frame: &mut Frame, body: Rect, app: &App) {
    match (app.overlay, &app.run.end) {
        (Some(Overlay::Help), _) => help(frame, app),
        (Some(Overlay::Quit(marked)), _) => question(frame, body, app, marked),
        (None, Some(End::Failed(error, checkpoint))) => failure(frame, body, app, error, checkpoint.as_deref()),
        (None, _) => {}
    }
}

fn help(frame: &mut Frame, app: &App) {
    let theme = &app.look.theme;
    let line = |binding: &'static crate::ui::keymap::Binding| {
        let keys: Vec<String> = binding.keys.iter().map(|key| key.name()).collect();
        Line::from(vec![
            Span::styled(format!(" {:<12}", keys.join(" ")), theme.bold(theme.accent)),
            Span::styled(binding.help, theme.style(theme.text)),
        ])
    };
    let lines: Vec<Line> = BINDINGS.iter().map(line).collect();
    popup(frame, frame.area(), app, "Keys", lines, 66);
}

fn question(frame: &mut Frame, body: Rect, app: &App, marked: usize) {
    let theme = &app.look.theme;
    let mut lines =
        vec![Line::styled(" The run goes on. What shall become of it?", theme.style(theme.text)), Line::default()];
    for (number, (key, words, _)) in ANSWERS.iter().enumerate() {
        let style = if number == marked { theme.bold(theme.accent) } else { theme.style(theme.dim) };
        let pointer = if number == marked { ">" } else { " " };
        lines.push(Line::styled(format!(" {pointer} {key}  {words}"), style));
    }
    popup(frame, body, app, "Quit", lines, 64);
}

fn failure(frame: &mut Frame, body: Rect, app: &App, error: &str, checkpoint: Option<&str>) {
    let theme = &app.look.theme;
    let error = error
        .lines()
        .map(|line| Line::styled(format!(" {}", crate::ui::format::plain(line)), theme.style(theme.error)));
    let mut lines: Vec<Line> = error.collect();
    lines.push(Line::default());
    lines.push(Line::styled(
        match checkpoint {
            Some(path) => format!(" The latest checkpoint is {}", crate::ui::format::plain(path)),
            None => " No checkpoint had been written.".to_owned(),
        },
        theme.style(theme.text),
    ));
    popup(frame, body, app, "Failed", lines, 90);
}

/// A frame in the middle, as high as its text.
fn popup(frame: &mut Frame, within: Rect, app: &App, name: &str, lines: Vec<Line>, width: u16) {
    let text = Text::from(lines);
    let width = width.min(within.width);
    // Long lines take several rows.
    let room = usize::from(width.saturating_sub(2)).max(1);
    let rows: usize = text.lines.iter().map(|line| line.width().div_ceil(room).max(1)).sum();
    let [area] = Layout::vertical([Constraint::Length(rows as u16 + 2)]).flex(Flex::Center).areas(within);
    let [area] = Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center).areas(area);
    frame.render_widget(Clear, area);
    let inner = panel(frame, area, &app.look, true, Title::named(name));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), inner);
}
