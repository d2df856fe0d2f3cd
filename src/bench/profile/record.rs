//! Records the operators and spans of a step on this thread.

use std::cell::RefCell;
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tracing::span;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

use super::group::Section;
use super::recorder::{Cost, Recorder, Tally};
use crate::bench::operations::StepPart;
use crate::device::shim::{self, OperatorEvent};
use crate::system::ResourceUsage;

/// Where the time of one step went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedStep {
    pub tallies: Vec<Tally>,
    /// Seconds of processor time of all threads.
    pub processor: f64,
}

thread_local! {
    /// The step that is being recorded, and when it began.
    static RECORDING: RefCell<Option<(Instant, Recorder)>> = const { RefCell::new(None) };
}

/// Runs a step and records where its time goes. What a GPU computes after an operator has returned is not seen.
///
/// # Errors
/// libtorch's operators cannot be observed.
pub fn record<T>(step: impl FnOnce() -> T) -> Result<(T, RecordedStep)> {
    let usage = ResourceUsage::now();
    let (value, tallies) = {
        let _operators = shim::observe_operators(on_operator)?;
        let _spans = tracing::subscriber::set_default(registry().with(Spans));
        let start = Instant::now();
        RECORDING.set(Some((start, Recorder::start(now(start)))));
        let value = step();
        let recorded = RECORDING.take();
        (value, recorded.map(|(start, recorder)| recorder.finish(now(start))).unwrap_or_default())
    };
    let processor = (ResourceUsage::now() - usage).processor().as_secs_f64();
    Ok((value, RecordedStep { tallies, processor }))
}

fn on_operator(event: OperatorEvent<'_>) {
    match event {
        OperatorEvent::Started(name) => enter(Section::Operator(name)),
        OperatorEvent::Ended => leave(),
    }
}

/// Passes `tracing` spans to the recorder.
struct Spans;

impl<S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>> Layer<S> for Spans {
    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(name) = section(id, &context) {
            enter(Section::Span(name));
        }
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        if section(id, &context).is_some() {
            leave();
        }
    }
}

/// The name of a span that is a section of its own. Forward and backward are not: what is in them is.
fn section<S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>>(
    id: &span::Id,
    context: &Context<'_, S>,
) -> Option<&'static str> {
    let name = context.metadata(id)?.name();
    StepPart::ALL.iter().all(|part| part.name() != name).then_some(name)
}

fn enter(section: Section<'_>) {
    RECORDING.with_borrow_mut(|recording| {
        if let Some((start, recorder)) = recording {
            recorder.enter(section, now(*start));
        }
    });
}

fn leave() {
    RECORDING.with_borrow_mut(|recording| {
        if let Some((start, recorder)) = recording {
            recorder.leave(now(*start));
        }
    });
}

fn now(start: Instant) -> Cost {
    let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let usage = ResourceUsage::now();
    let system_nanoseconds = u64::try_from(usage.system.as_nanos()).unwrap_or(u64::MAX);
    Cost { nanoseconds, page_faults: usage.minor_faults, system_nanoseconds }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::super::group::Group;
    use super::*;

    #[test]
    fn a_step_is_recorded_with_its_operators_and_spans() {
        let x = Tensor::ones([64, 64], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (_, recorded) = record(|| {
            x.mm(&x).gelu("none").sum(Kind::Float).backward();
            let _span = tracing::trace_span!("adamw").entered();
            x.exp()
        })
        .unwrap();
        let calls =
            |name: &str| recorded.tallies.iter().find(|tally| tally.name == name).map_or(0, |tally| tally.calls);
        // Forward, and two products backward.
        assert_eq!((calls("aten::mm"), calls("aten::gelu"), calls("aten::gelu_backward")), (3, 1, 1), "{recorded:?}");
        assert_eq!((calls("adamw"), calls("aten::exp"), calls("outside operators")), (1, 0, 1), "{recorded:?}");
        let groups: Vec<Group> = recorded.tallies.iter().map(|tally| tally.group).collect();
        assert!(Group::ALL.iter().all(|group| groups.contains(group)), "{recorded:?}");
        // Nothing is recorded outside of a step.
        let _ = x.exp();
        let (_, nothing) = record(|| ()).unwrap();
        assert_eq!(nothing.tallies.len(), 1, "{nothing:?}");
    }
}
