//! The event loop of the workbench: inputs, the live run's events, answers of effects, and a tick for frames.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossterm::event::Event as TerminalEvent;
use tokio::time::{MissedTickBehavior, interval};

use super::graphics::PixelSize;
use super::input::UserInput;
use super::message::{Effect, Msg};
use super::screen::Screen;
use super::terminal::Terminal;
use super::{Workbench, draw, effects};
use crate::protocol::Event;
use crate::signals::{Signal, Signals};

/// Time between two frames of data. Inputs are drawn at once.
const FRAME: Duration = Duration::from_millis(33);

/// While a run trains, the screen rests this many times as long as the last frame of data took to draw: a frame takes a
/// core from the trainer's threads, and all of them wait for the one that lost it.
const REST: u32 = 400;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Events of the live run that are applied between two looks at the keyboard.
const EVENTS_AT_ONCE: usize = 512;

/// Time between two listings of the runs, while they are on the screen.
const LIST_EVERY: Duration = Duration::from_secs(3);

/// Why the event loop ended.
pub(super) enum Ending {
    Left,
    Signalled(Signal),
}

impl Workbench {
    /// Shows the application until the user leaves or a signal comes.
    pub(super) async fn watch(&mut self, terminal: &mut Terminal, signals: &mut Signals) -> Result<Ending> {
        let mut tick = interval(FRAME);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut list = interval(LIST_EVERY);
        list.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether there is something to draw.
        let mut stale = true;
        loop {
            let waits = self.waits_for_its_turn();
            let (live, hand_off, chat) = (self.live.as_mut(), self.hand_off.as_mut(), self.chat.as_mut());
            let analysis = self.analysis.as_mut();
            let flow = tokio::select! {
                biased;
                signal = signals.next() => return Ok(Ending::Signalled(signal)),
                input = terminal.next_input() => {
                    let flow = self.on_input(terminal, input?).await?;
                    if flow.is_continue() {
                        self.show(terminal)?;
                        stale = false;
                    }
                    flow
                }
                Some(answer) = self.answers.1.recv() => {
                    stale = true;
                    self.update(terminal, answer).await?
                }
                // Before the events: a run can send them faster than they are applied.
                _ = tick.tick(), if stale || self.app.waiting() => {
                    let (toasts, playing) = (self.app.toasts.count(), self.app.playing());
                    let flow = self.update(terminal, Msg::Tick(self.started.elapsed())).await?;
                    if stale || playing || toasts != self.app.toasts.count() {
                        let start = Instant::now();
                        self.show(terminal)?;
                        stale = false;
                        if self.app.monitors.at_work() {
                            tick.reset_after((REST * start.elapsed()).clamp(FRAME, LONGEST_REST));
                        }
                    }
                    flow
                }
                event = async { live.expect("guarded").link.next().await }, if live.is_some() => {
                    stale = true;
                    match event {
                        Some(event) => self.on_events(event),
                        None => {
                            let answers = self.end_live();
                            self.update_all(terminal, answers).await?
                        }
                    }
                }
                reply = async { chat.expect("guarded").next().await }, if chat.is_some() => {
                    stale = true;
                    self.on_chat(reply);
                    ControlFlow::Continue(())
                }
                update = async { analysis.expect("guarded").next().await }, if analysis.is_some() => {
                    stale = true;
                    let answers = self.on_analysis(update);
                    self.update_all(terminal, answers).await?
                }
                outcome = async { hand_off.expect("guarded").wait().await }, if hand_off.is_some() => {
                    stale = true;
                    let answer = self.end_hand_off(outcome);
                    self.update(terminal, answer).await?
                }
                _ = list.tick(), if self.app.screen == Screen::Runs || waits => {
                    if waits && self.perform_all(terminal, Effect::StartNext).await?.is_break() {
                        return Ok(Ending::Left);
                    }
                    self.perform_all(terminal, Effect::ListRuns).await?
                }
            };
            if flow.is_break() {
                return Ok(Ending::Left);
            }
        }
    }

    /// Draws the screen, and writes what else has changed.
    fn show(&mut self, terminal: &mut Terminal) -> Result<()> {
        terminal.draw(|frame| draw(frame, &self.app), self.app.look.pixels.as_ref())?;
        let run = self.app.monitors.live.as_ref().map(|live| &live.run);
        let status = std::mem::take(&mut self.notification) + &self.status.update(run);
        if status.is_empty() { Ok(()) } else { terminal.write(&status) }
    }

    async fn on_input(&mut self, terminal: &mut Terminal, input: TerminalEvent) -> Result<ControlFlow<()>> {
        if let TerminalEvent::Resize(width, height) = input {
            terminal.forget()?;
            if let (Some(pixels), Some(cell)) = (&mut self.app.look.pixels, PixelSize::of_cell()) {
                pixels.set_cell(cell);
            }
            return self.update(terminal, Msg::Resize(width, height)).await;
        }
        match UserInput::of(input) {
            Some(input) => self.update(terminal, Msg::Input(input)).await,
            None => Ok(ControlFlow::Continue(())),
        }
    }

    /// Updates the state, and performs what it asks for. Breaks if the workbench is left.
    async fn update(&mut self, terminal: &mut Terminal, msg: Msg) -> Result<ControlFlow<()>> {
        match self.app.update(msg) {
            Some(effect) => self.perform_all(terminal, effect).await,
            None => Ok(ControlFlow::Continue(())),
        }
    }

    async fn update_all(&mut self, terminal: &mut Terminal, answers: Vec<Msg>) -> Result<ControlFlow<()>> {
        for answer in answers {
            if self.update(terminal, answer).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Performs an effect, and those that its answers lead to.
    async fn perform_all(&mut self, terminal: &mut Terminal, effect: Effect) -> Result<ControlFlow<()>> {
        let mut effects = VecDeque::from([effect]);
        while let Some(effect) = effects.pop_front() {
            match self.perform(terminal, effect).await? {
                ControlFlow::Continue(answers) => {
                    effects.extend(answers.into_iter().filter_map(|answer| self.app.update(answer)));
                }
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Applies an event of the live run, and those that wait behind it.
    fn on_events(&mut self, event: Event) -> ControlFlow<()> {
        let mut next = Some(event);
        for _ in 0..EVENTS_AT_ONCE {
            let Some(event) = next else { break };
            self.on_event(event)?;
            next = self.live.as_mut().and_then(|live| live.link.try_next());
        }
        match next {
            Some(event) => self.on_event(event),
            None => ControlFlow::Continue(()),
        }
    }

    /// Applies an event of the live run. It can lead to an alert, or to leaving the workbench.
    pub(super) fn on_event(&mut self, event: Event) -> ControlFlow<()> {
        self.note(&event);
        if matches!(event, Event::Resumed(_))
            && let Some(live) = &self.live
        {
            // The run may continue with another preset.
            self.app.update(Msg::Files(effects::files(&live.folder)));
        }
        self.app.alerts.muted = self.live.as_ref().is_some_and(|live| live.link.is_behind());
        let last = event.is_last().then(|| event.clone());
        let effect = self.app.update(Msg::Event(event));
        if let Some(last) = last {
            self.notification += &self.status.ended(&last, self.app.monitors.live.as_ref().map(|live| &live.run));
        }
        match effect {
            Some(Effect::Leave) => return ControlFlow::Break(()),
            Some(Effect::Alert { text, pause }) => self.alert(&text, pause),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Keeps what the program reports when it ends, and removes a run that has started from the queue.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Finished(finished) => self.outcome.finished = Some(finished.clone()),
            Event::Started(_) => self.leave_queue(),
            _ => {}
        }
    }
}
