//! The first batch as the model will see it: each token in the colour of its role. Above it, the rows that are left out.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};

use super::scene::Scene;
use super::spans::{clipped, visible, wrap};
use crate::estimate::{DataPreview, TokenRole, TokenSpan};
use crate::preset::Preset;
use crate::ui::format::{fitted, plain};
use crate::ui::widgets::panel::{Title, panel};

/// Draws the examples after those that are scrolled past.
pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, preset: Option<&Preset>, focused: bool) {
    let theme = &scene.look.theme;
    let known = preset.map(|preset| scene.estimates.known(preset)).unwrap_or_default();
    let data = known.estimate.and_then(|estimate| estimate.data.as_ref());
    let rows = data.map(|data| data.preview.as_slice()).unwrap_or_default();
    let shown: Vec<TokenRole> =
        ROLES.into_iter().filter(|role| rows.iter().flatten().any(|piece| piece.role == *role)).collect();
    let mut title = Title::named("First batch");
    let mut room = usize::from(area.width).saturating_sub(title.name.len() + 4);
    let short = shown.iter().map(|role| name(*role).len() + 1).sum::<usize>() > room;
    for role in shown {
        let name = if short && role == TokenRole::Loss { "loss" } else { name(role) };
        let Some(rest) = room.checked_sub(name.len() + 1) else { break };
        room = rest;
        title.values.push(Span::styled(name, style(scene, role)));
    }
    let inner = panel(frame, area, scene.look, focused, title);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let mut remarks: Vec<Line> = data.map(|data| remarks(data, usize::from(inner.width), scene)).unwrap_or_default();
    // The first examples stay in view; scrolling shows the other remarks.
    let room = usize::from(inner.height / 2).max(1);
    if scene.scrolled == 0 && remarks.len() > room {
        let more = remarks.split_off(room - 1).len();
        remarks.push(Line::styled(format!("{more} more remarks"), theme.style(theme.warning)));
    }
    let examples = rows.iter().map(|row| example(row, scene));
    let mut lines: Vec<Line> = remarks.into_iter().chain(examples).skip(usize::from(scene.scrolled)).collect();
    if rows.is_empty() && known.estimate.is_some() {
        let why = "the first examples are shown here once model and data are downloaded";
        lines.push(Line::styled(why, theme.style(theme.dim)));
    }
    let room = usize::from(inner.width);
    let rows: Vec<Line> = lines.iter().flat_map(|line| wrap(line, room)).collect();
    frame.render_widget(Text::from(clipped(rows, usize::from(inner.height), room, scene.look.ascii)), inner);
}

/// How the data were understood, and what is left out of them, a line each.
fn remarks(data: &DataPreview, width: usize, scene: &Scene) -> Vec<Line<'static>> {
    let theme = &scene.look.theme;
    let line = |text: &str, style| Line::styled(fitted(text, width, scene.look.ascii), style);
    let notes = data.notes.iter().map(|note| line(&plain(note), theme.style(theme.dim)));
    let warnings = data.warnings.iter();
    notes.chain(warnings.map(|text| line(&without_folder(&plain(text)), theme.style(theme.warning)))).collect()
}

/// A warning about a file with the file's name alone.
fn without_folder(warning: &str) -> String {
    match warning.split_once(": ") {
        Some((path, rest)) => format!("{}: {rest}", path.rsplit('/').next().unwrap_or(path)),
        None => warning.to_owned(),
    }
}

/// The roles in the order of the title.
const ROLES: [TokenRole; 5] =
    [TokenRole::Label, TokenRole::Special, TokenRole::Context, TokenRole::Loss, TokenRole::Padding];

/// The name of a role.
fn name(role: TokenRole) -> &'static str {
    match role {
        TokenRole::Label => "label",
        TokenRole::Special => "special",
        TokenRole::Context => "context",
        TokenRole::Loss => "loss tokens",
        TokenRole::Padding => "padding",
    }
}

/// A row: the label, then the tokens. Padding is counted instead of repeated.
fn example(row: &[TokenSpan], scene: &Scene) -> Line<'static> {
    let mut line = Line::default();
    for label in row.iter().filter(|piece| piece.role == TokenRole::Label) {
        line.push_span(Span::styled(
            format!("{}:", visible(&label.text, scene.look.ascii)),
            style(scene, TokenRole::Label),
        ));
    }
    let times = if scene.look.ascii { "x" } else { "×" };
    let tokens: Vec<&TokenSpan> = row.iter().filter(|piece| piece.role != TokenRole::Label).collect();
    for run in tokens.chunk_by(|a, b| a.role == TokenRole::Padding && a == b) {
        let Some(piece) = run.first() else { continue };
        let text = visible(&piece.text, scene.look.ascii);
        let text = match run.len() {
            1 => text,
            number => format!(" {}{times}{number}", text.trim()),
        };
        line.push_span(Span::styled(text, style(scene, piece.role)));
    }
    line
}

/// The style of a role.
fn style(scene: &Scene, role: TokenRole) -> Style {
    let theme = &scene.look.theme;
    match role {
        TokenRole::Context => theme.style(theme.token_read),
        // Underlined for terminals without colours.
        TokenRole::Loss => theme.style(theme.token_trained).add_modifier(Modifier::UNDERLINED),
        TokenRole::Special => theme.style(theme.token_special),
        TokenRole::Padding => theme.style(theme.token_padding),
        TokenRole::Label => theme.bold(theme.token_label),
    }
}
