//! The parts of the screen, and the progress of the sweep in the first of them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::{Parts, parts};
use super::{SweepScreen, WorkState, detail, table};
use crate::sweep::RunStatus;
use crate::ui::format::{duration, plain, truncated, width};
use crate::ui::theme::Look;
use crate::ui::widgets::figure;
use crate::ui::widgets::panel::{Title, panel};

impl SweepScreen {
    pub fn draw(&self, frame: &mut Frame, body: Rect, look: &Look) {
        let Parts { progress, table, runs, chart } = parts(self, body);
        draw_progress(self, frame, progress, look);
        table::draw(self, frame, table, look);
        detail::draw(self, frame, runs, look);
        draw_chart(self, frame, chart, look);
    }
}

/// The first of the runs that are trained, and how many there are besides.
fn running(screen: &SweepScreen) -> String {
    let Some((first, others)) = screen.progress.running.split_first() else { return "working".to_owned() };
    let title = plain(&screen.plan.runs[*first].title);
    let step = match screen.progress.statuses.get(*first) {
        Some(RunStatus::Active(far)) if far.steps > 0 => format!(" {}/{}", far.step, far.steps),
        _ => String::new(),
    };
    let others = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    format!("{title}{step}{others}")
}

fn draw_chart(screen: &SweepScreen, frame: &mut Frame, area: Rect, look: &Look) {
    if !area.is_empty() {
        let room = usize::from(area.width).saturating_sub(6);
        let title = truncated(&plain(&screen.figure.title), room, look.ascii);
        let inner = panel(frame, area, look, screen.full, Title::named(&title));
        figure::draw(frame, inner, look, &screen.figure, None);
    }
}

fn draw_progress(screen: &SweepScreen, frame: &mut Frame, area: Rect, look: &Look) {
    let theme = &look.theme;
    let progress = &screen.progress;
    let ended = progress.done + progress.failed;
    let mut title = Title::named("Sweep");
    title.values.push(Span::styled(plain(&screen.name), theme.bold(theme.text)));
    title.values.push(Span::styled(format!("{ended}/{} runs", progress.total), theme.bold(theme.accent)));
    if progress.failed > 0 {
        title.values.push(Span::styled(format!("{} failed", progress.failed), theme.bold(theme.error)));
    }
    if let Some(left) = progress.left.filter(|_| ended < progress.total && screen.at_work()) {
        title.note = format!("~{} left", duration(left.as_secs_f64()));
    }
    let inner = panel(frame, area, look, false, title);
    if inner.is_empty() {
        return;
    }
    let (sign, text, hue) = match screen.state {
        WorkState::Ended if progress.failed > 0 => ("●", "ended with failures".to_owned(), theme.error),
        WorkState::Ended => ("●", "ended".to_owned(), theme.good),
        WorkState::Working if !screen.waiting.is_empty() => {
            ("○", format!("waiting for active runs: {}", plain(&screen.waiting.join(", "))), theme.paused)
        }
        WorkState::Working if screen.held => {
            let running = progress.running.len();
            ("○", format!("held: no more runs start, {running} running"), theme.paused)
        }
        WorkState::Working => ("●", running(screen), theme.good),
    };
    let sign = if look.ascii { "*" } else { sign };
    let room = usize::from(inner.width);
    let text = truncated(&format!(" {sign} {text}"), room * 2 / 3, look.ascii) + " ";
    let bar = room.saturating_sub(width(&text) + 1);
    let share = ended as f64 / progress.total.max(1) as f64;
    let full = (bar as f64 * share).round() as usize;
    let (done, left) = if look.ascii { ("=", "-") } else { ("━", "━") };
    let line = Line::from(vec![
        Span::styled(text, theme.style(hue)),
        Span::styled(done.repeat(full.min(bar)), theme.style(theme.bar)),
        Span::styled(left.repeat(bar.saturating_sub(full)), theme.style(theme.track)),
    ]);
    frame.render_widget(line, Rect { height: 1, ..inner });
}
