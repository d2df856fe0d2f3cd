//! Counts the operations of a step on this thread.

use std::cell::RefCell;

use anyhow::Result;
use tracing::span;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

use super::{CountedStep, StepPart};
use crate::bench::profile::{Group, Section};
use crate::device::shim::{self, OperatorEvent};

thread_local! {
    static COUNTING: RefCell<Option<Counter>> = const { RefCell::new(None) };
}

/// Runs a step and counts its operations. Those of the backward pass on a GPU are not seen, since they run on another thread.
///
/// # Errors
/// libtorch's operators cannot be observed.
pub fn count<T>(step: impl FnOnce() -> T) -> Result<(T, CountedStep)> {
    let _operators = shim::observe_operators(on_operator)?;
    let _spans = tracing::subscriber::set_default(registry().with(Spans));
    COUNTING.set(Some(Counter::default()));
    let value = step();
    let counted = COUNTING.take().map(|counter| counter.counts).unwrap_or_default();
    Ok((value, counted))
}

/// What has begun and not ended, and what was counted.
#[derive(Default)]
struct Counter {
    parts: Vec<StepPart>,
    operators: Vec<Operator>,
    counts: CountedStep,
}

struct Operator {
    name: String,
    is_operation: bool,
    /// Whether it has called one that is an operation.
    calls: bool,
}

impl Counter {
    fn operator_started(&mut self, name: &str) {
        let is_operation = is_operation(name);
        if is_operation {
            self.operators.iter_mut().for_each(|outer| outer.calls = true);
        }
        self.operators.push(Operator { name: name.to_owned(), is_operation, calls: false });
    }

    fn operator_ended(&mut self) {
        if let Some(Operator { name, is_operation: true, calls: false }) = self.operators.pop() {
            self.count(&name);
        }
    }

    fn span_entered(&mut self, name: &str) {
        match StepPart::ALL.into_iter().find(|part| part.name() == name) {
            Some(part) => self.parts.push(part),
            None if is_kernel(name) => self.count(name),
            None => {}
        }
    }

    fn span_exited(&mut self, name: &str) {
        if StepPart::ALL.iter().any(|part| part.name() == name) {
            self.parts.pop();
        }
    }

    fn count(&mut self, name: &str) {
        let part = self.parts.last().copied().unwrap_or(StepPart::Method);
        *self.counts.entry(part).or_default().entry(name.to_owned()).or_default() += 1;
    }
}

/// Spans of our own kernels.
fn is_kernel(span: &str) -> bool {
    span.starts_with("kernel ") || span.starts_with("launch ")
}

/// Whether an operator computes or copies something, unless it leaves that to others.
fn is_operation(name: &str) -> bool {
    /// They allocate, or call others if there is anything to do.
    const NEVER: [&str; 12] = [
        "empty",
        "empty_like",
        "empty_strided",
        "new_empty",
        "new_empty_strided",
        "resize",
        "to",
        "contiguous",
        "lift_fresh",
        "result_type",
        "resolve_conj",
        "resolve_neg",
    ];
    let Some(operator) = name.strip_prefix("aten::") else { return false };
    Group::of(Section::Operator(name)) != Group::Other && !NEVER.contains(&operator.trim_end_matches('_'))
}

fn on_operator(event: OperatorEvent<'_>) {
    with_counter(|counter| match event {
        OperatorEvent::Started(name) => counter.operator_started(name),
        OperatorEvent::Ended => counter.operator_ended(),
    });
}

/// Passes `tracing` spans to the counter.
struct Spans;

impl<S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>> Layer<S> for Spans {
    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(metadata) = context.metadata(id) {
            with_counter(|counter| counter.span_entered(metadata.name()));
        }
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(metadata) = context.metadata(id) {
            with_counter(|counter| counter.span_exited(metadata.name()));
        }
    }
}

fn with_counter(act: impl FnOnce(&mut Counter)) {
    COUNTING.with_borrow_mut(|counting| {
        if let Some(counter) = counting {
            act(counter);
        }
    });
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn operations_are_counted_in_the_part_that_launches_them() {
        let x = Tensor::ones([4, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (_, counted) = count(|| {
            let forward = tracing::trace_span!("forward").entered();
            let y = x.linear(&x, None::<&Tensor>).transpose(0, 1).to_kind(Kind::Float).contiguous().gelu("none");
            drop(forward);
            let backward = tracing::trace_span!("backward").entered();
            y.sum(Kind::Float).backward();
            drop(backward);
            let _span = tracing::trace_span!("adamw").entered();
            tracing::trace_span!("launch update").in_scope(|| ());
            x.narrow(0, 0, 1).exp()
        })
        .unwrap();
        let names = |part: StepPart| -> Vec<(&str, u64)> {
            counted[&part].iter().map(|(name, number)| (name.as_str(), *number)).collect()
        };
        // A copy for the contiguous tensor; `to` has nothing to do.
        assert_eq!(names(StepPart::Forward), [("aten::copy_", 1), ("aten::gelu", 1), ("aten::mm", 1)]);
        let backward: u64 = names(StepPart::Backward).iter().map(|(_, number)| number).sum();
        assert!((5..=9).contains(&backward), "{counted:?}");
        assert!(counted[&StepPart::Backward]["aten::mm"] == 2, "{counted:?}");
        assert_eq!(names(StepPart::Method), [("aten::exp", 1), ("launch update", 1)]);
        // Nothing is counted outside of a step.
        let _ = x.exp();
        assert!(count(|| ()).unwrap().1.is_empty());
    }
}
