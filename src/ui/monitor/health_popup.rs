//! The list of verdicts over the monitor: what was seen, what to do, and the way to the chart that shows it.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Monitor;
use super::grid::Grid;
use super::health::badge;
use super::list::{move_cursor, pointer};
use super::panel::Panel;
use super::scene::Scene;
use super::view::{Tab, View};
use crate::runs::History;
use crate::runs::health::{Check, Verdict};
use crate::ui::format::{plain, wrapped};
use crate::ui::input::UserInput;
use crate::ui::intent::Intent;
use crate::ui::keymap::{Action, Context, Keymap};
use crate::ui::widgets::panel::Title;
use crate::ui::widgets::popup::{middle, window};

/// The columns of the list.
const WIDTH: u16 = 96;

const NONE: &str =
    "No check has found anything: loss, evaluations, clipping, gradient mass, ranks, GPU, throughput and disk.";

impl Monitor {
    /// Handles an input while the verdicts are listed.
    pub(super) fn handle_on_health(&mut self, input: &UserInput, body: Rect, keymap: &Keymap) -> Option<Intent> {
        let cursor = self.health.listed?.min(self.health.verdicts.len().saturating_sub(1));
        let action = match input {
            UserInput::Key(key) => action(key, keymap),
            UserInput::ScrollUp(_) => Some(Action::Up),
            UserInput::ScrollDown(_) => Some(Action::Down),
            UserInput::Click(at) => match self.verdict_at(*at, cursor, body) {
                Some(clicked) if clicked == cursor => Some(Action::Enter),
                Some(clicked) => {
                    self.health.listed = Some(clicked);
                    None
                }
                None => Some(Action::Back),
            },
            UserInput::Paste(_) | UserInput::Drag(_) => None,
        };
        self.act_on_health(action?, cursor)
    }

    /// Performs an action while the verdicts are listed, with the cursor on one of them. Those of the application as a whole
    /// leave them open.
    pub(super) fn act_on_health(&mut self, action: Action, cursor: usize) -> Option<Intent> {
        let cursor = cursor.min(self.health.verdicts.len().saturating_sub(1));
        match action {
            Action::App(action) => return Some(Intent::App(action)),
            Action::Back | Action::Health => self.health.listed = None,
            Action::Enter => {
                self.health.listed = None;
                if let Some(verdict) = self.health.verdicts.get(cursor) {
                    show(&mut self.view, &self.run, verdict);
                }
            }
            action => self.health.listed = Some(move_cursor(cursor, action, 3, self.health.verdicts.len())),
        }
        None
    }

    fn verdict_at(&self, at: Position, cursor: usize, body: Rect) -> Option<usize> {
        let inner = area(body, &self.health.verdicts).inner(ratatui::layout::Margin::new(1, 1));
        let rows = rows(&self.health.verdicts, cursor, inner);
        let row = usize::from(at.y.checked_sub(inner.y)?);
        inner.contains(at).then(|| rows.get(row).copied()).flatten()
    }
}

fn action(key: &KeyEvent, keymap: &Keymap) -> Option<Action> {
    keymap.action(Context::Monitor, key)
}

/// Shows where a verdict was seen: the chart in full screen with the cursor at the step, or the target among the layers.
fn show(view: &mut View, run: &History, verdict: &Verdict) {
    let chart = match verdict.check {
        Check::Divergence | Check::LossSpike | Check::Plateau | Check::Overfitting => Panel::Loss,
        Check::Clipping => Panel::GradNorm,
        Check::GradientMass => Panel::Mass,
        Check::Throughput => Panel::Throughput,
        Check::RankNotResponding | Check::Straggler => Panel::Ranks,
        Check::GpuWaiting => Panel::Utilization,
        Check::DiskFilling => Panel::Disk,
    };
    if let Some((row, column)) = verdict.target.and_then(|target| Grid::of(&run.targets).cell_of(target)) {
        view.open_tab(Tab::Layers);
        (view.layers.row, view.layers.column) = (row, column);
        view.layers.metric = Default::default();
        return;
    }
    match chart {
        Panel::Utilization | Panel::Disk | Panel::Ranks => {
            view.open_tab(Tab::System);
            (view.machine, view.ranks) = (Some(chart), 0);
        }
        chart => {
            view.open_tab(Tab::Overview);
            view.focus = chart;
            let bucket = verdict.step.and_then(|step| chart.main(run)?.nearest(step, |at| at.step));
            view.cursor = bucket.map(|bucket| view.x_of()(bucket.last));
        }
    }
    view.full = true;
}

/// Draws the list over the body, with the verdict under the cursor in view.
pub(super) fn draw(frame: &mut Frame, body: Rect, scene: Scene, cursor: usize) {
    let verdicts = scene.verdicts;
    let cursor = cursor.min(verdicts.len().saturating_sub(1));
    let note = match verdicts.get(cursor) {
        Some(verdict) if verdict.target.is_some() => "enter see it by layer  esc close",
        Some(Verdict { check: Check::RankNotResponding | Check::Straggler, .. }) => "enter show the ranks  esc close",
        Some(_) => "enter show the chart  esc close",
        None => "esc close",
    };
    let title = Title { note: note.into(), ..Title::named("Health") };
    let inner = window(frame, area(body, verdicts), scene.look, title);
    if verdicts.is_empty() {
        let lines = wrapped(NONE, usize::from(inner.width)).into_iter().map(Line::raw);
        return frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inner);
    }
    let lines: Vec<Line> = verdicts
        .iter()
        .enumerate()
        .flat_map(|(index, verdict)| lines(scene, verdict, index == cursor, inner.width))
        .skip(skipped(verdicts, cursor, inner))
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

/// The area of the list: as high as its text.
fn area(body: Rect, verdicts: &[Verdict]) -> Rect {
    let width = WIDTH.min(body.width);
    let rows: usize = verdicts.iter().map(|verdict| height(verdict, width.saturating_sub(2))).sum();
    let height = u16::try_from(rows.max(1) + 2).unwrap_or(u16::MAX);
    middle(body, width, height.max(if verdicts.is_empty() { 4 } else { 3 }).min(body.height))
}

/// The badge, what was seen, and what to do.
fn texts(verdict: &Verdict, width: u16) -> [Vec<String>; 2] {
    let room = usize::from(width.saturating_sub(4));
    [wrapped(&plain(&verdict.seen), room), wrapped(verdict.advice, room)]
}

fn height(verdict: &Verdict, width: u16) -> usize {
    1 + texts(verdict, width).iter().map(Vec::len).sum::<usize>()
}

fn lines(scene: Scene, verdict: &Verdict, under_cursor: bool, width: u16) -> Vec<Line<'static>> {
    let theme = &scene.look.theme;
    let mark = Span::styled(format!("{} ", pointer(scene, under_cursor)), theme.bold(theme.accent));
    let mut head = badge(scene.look, verdict);
    head.spans.insert(0, mark);
    let [seen, advice] = texts(verdict, width);
    let seen = seen.into_iter().map(|line| Line::styled(format!("    {line}"), theme.style(theme.text)));
    let advice = advice.into_iter().map(|line| Line::styled(format!("    {line}"), theme.style(theme.dim)));
    std::iter::once(head).chain(seen).chain(advice).collect()
}

/// Lines above the window, such that the verdict under the cursor is in it.
fn skipped(verdicts: &[Verdict], cursor: usize, inner: Rect) -> usize {
    let end: usize = verdicts.iter().take(cursor + 1).map(|verdict| height(verdict, inner.width)).sum();
    let start = end - verdicts.get(cursor).map_or(0, |verdict| height(verdict, inner.width));
    end.saturating_sub(usize::from(inner.height)).min(start)
}

/// The index of the verdict on each row of the window.
fn rows(verdicts: &[Verdict], cursor: usize, inner: Rect) -> Vec<usize> {
    let rows = verdicts.iter().enumerate();
    let rows = rows.flat_map(|(index, verdict)| std::iter::repeat_n(index, height(verdict, inner.width)));
    rows.skip(skipped(verdicts, cursor, inner)).take(usize::from(inner.height)).collect()
}
