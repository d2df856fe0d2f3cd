//! Which run starts when another one is in its way: after an answer of the user, a hand-off to the background, or the end of the
//! live run.

use super::message::Effect;
use super::monitors::Monitors;
use super::overlay::BusyAnswer;
use super::queue_edit::QueueEdit;
use super::runs::QueuePanel;
use super::start_request::StartRequest;
use crate::protocol::Command;

/// The run that waits for the live one.
#[derive(Default)]
pub struct Starts {
    /// To start once the live run continues in the background.
    pending: Option<StartRequest>,
}

impl Starts {
    /// Queues or starts a run while another one trains.
    pub fn on_answer(
        &mut self,
        request: StartRequest,
        answer: BusyAnswer,
        monitors: &mut Monitors,
        queue: &mut QueuePanel,
    ) -> Option<Effect> {
        match (answer, request) {
            (BusyAnswer::Queue, StartRequest::Launch(preset)) => {
                queue.release();
                Some(Effect::Queue(QueueEdit::Add(preset)))
            }
            (BusyAnswer::HandOff, request) => {
                let live = monitors.live.as_mut();
                let stop = live.and_then(|live| live.request("detaching…", Command::Stop { save: true }));
                if stop.is_none() {
                    // It has ended meanwhile.
                    return Some(Effect::StartBeside(request));
                }
                self.pending = Some(request);
                Some(Effect::Detach)
            }
            (BusyAnswer::Beside, request) => Some(Effect::StartBeside(request)),
            (BusyAnswer::Queue | BusyAnswer::Cancel, _) => None,
        }
    }

    /// The device is free: starts the run that waits for it, or else the next of the queue.
    pub fn on_idle(&mut self, queue: &QueuePanel) -> Option<Effect> {
        match self.pending.take() {
            Some(request) => Some(Effect::StartBeside(request)),
            None => queue.works().then_some(Effect::StartNext),
        }
    }

    /// The live run could not continue in the background. Another run would make it harder to resume it.
    pub fn on_failed_hand_off(&mut self, queue: &mut QueuePanel) {
        self.pending = None;
        queue.hold();
    }
}
