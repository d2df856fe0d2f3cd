//! A run's numbers as a table: a line for each step, and what was measured after it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Result;

use crate::protocol::{Eval, Event, Step};

/// What is known of a step.
#[derive(Default)]
struct Row {
    step: Option<Step>,
    mass: Option<f64>,
    eval: Option<Eval>,
}

/// Writes events as CSV. A cell is empty where nothing was measured; a loss that is no number is `NaN`.
///
/// # Errors
/// A writer that fails.
pub fn csv(events: &[Event], out: impl Write) -> Result<()> {
    let mut rows: BTreeMap<u64, Row> = BTreeMap::new();
    for event in events {
        match event {
            Event::Step(step) => rows.entry(step.step).or_default().step = Some(step.clone()),
            Event::Mass(mass) => rows.entry(mass.step).or_default().mass = Some(mass.overall),
            Event::Eval(eval) => rows.entry(eval.step).or_default().eval = Some(eval.clone()),
            _ => {}
        }
    }
    let scores: BTreeSet<&String> =
        rows.values().flat_map(|row| &row.eval).flat_map(|eval| eval.scores.keys()).collect();
    let mut table = csv::Writer::from_writer(out);
    let columns =
        ["step", "epoch", "elapsed", "loss", "learning_rate", "grad_norm", "tokens_per_second", "mass", "eval_loss"];
    let scored = scores.iter().map(|name| format!("eval_{name}"));
    table.write_record(columns.into_iter().map(str::to_owned).chain(scored))?;
    for (number, Row { step, mass, eval }) in &rows {
        let of_step = |value: fn(&Step) -> f64| step.as_ref().map(value);
        let numbers = [
            of_step(|step| step.epoch).or(eval.as_ref().map(|eval| eval.epoch)),
            of_step(|step| step.elapsed),
            of_step(|step| step.loss),
            of_step(|step| step.learning_rate),
            of_step(|step| step.grad_norm),
            of_step(|step| step.tokens_per_second),
            *mass,
            eval.as_ref().map(|eval| eval.loss),
        ];
        let scores = scores.iter().map(|name| eval.as_ref().and_then(|eval| eval.scores.get(*name).copied()));
        let cells = numbers.into_iter().chain(scores).map(|cell| cell.map_or(String::new(), |cell| cell.to_string()));
        table.write_record(std::iter::once(number.to_string()).chain(cells))?;
    }
    table.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Mass;

    #[test]
    fn a_line_holds_what_belongs_to_a_step() {
        let step = |step: u64, loss: f64| {
            Event::Step(Step {
                step,
                epoch: 0.5,
                loss,
                learning_rate: 1e-3,
                grad_norm: 2.0,
                tokens_per_second: 100.0,
                elapsed: 1.5,
                eta: None,
            })
        };
        let scores = BTreeMap::from([("accuracy".to_owned(), 0.75)]);
        let eval = Event::Eval(Eval { step: 2, epoch: 1.0, loss: 0.25, scores, best: true });
        let events =
            [step(1, f64::NAN), Event::Mass(Mass { step: 1, overall: 40.0, targets: vec![] }), step(2, 0.5), eval];
        let mut out = Vec::new();
        csv(&events, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "step,epoch,elapsed,loss,learning_rate,grad_norm,tokens_per_second,mass,eval_loss,eval_accuracy\n\
             1,0.5,1.5,NaN,0.001,2,100,40,,\n2,0.5,1.5,0.5,0.001,2,100,,0.25,0.75\n"
        );
    }
}
