//! A run's numbers as a table: one line per step with everything that was measured at it.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;

use crate::protocol::Step;
use crate::runs::Rows;

/// Writes rows as CSV. A cell is empty where nothing was measured; a loss that is not finite is `NaN`.
///
/// # Errors
/// The writer fails.
pub fn csv(rows: &Rows, out: impl Write) -> Result<()> {
    let evals = rows.iter().filter_map(|(_, row)| row.eval.as_ref());
    let scores: BTreeSet<&String> = evals.flat_map(|eval| eval.scores.keys()).collect();
    let mut table = csv::Writer::from_writer(out);
    let columns =
        ["step", "epoch", "elapsed", "loss", "learning_rate", "grad_norm", "tokens_per_second", "mass", "eval_loss"];
    let scored = scores.iter().map(|name| format!("eval_{name}"));
    table.write_record(columns.into_iter().map(str::to_owned).chain(scored))?;
    for (number, row) in rows.iter() {
        let of_step = |value: fn(&Step) -> f64| row.step.as_ref().map(value);
        let eval = row.eval.as_ref();
        let numbers = [
            of_step(|step| step.epoch).or(eval.map(|eval| eval.epoch)),
            of_step(|step| step.elapsed),
            of_step(|step| step.loss),
            of_step(|step| step.learning_rate),
            of_step(|step| step.grad_norm),
            of_step(|step| step.tokens_per_second),
            row.mass,
            eval.map(|eval| eval.loss),
        ];
        let scores = scores.iter().map(|name| eval.and_then(|eval| eval.scores.get(*name).copied()));
        let cells = numbers.into_iter().chain(scores).map(|cell| cell.map_or(String::new(), |cell| cell.to_string()));
        table.write_record(std::iter::once(number.to_string()).chain(cells))?;
    }
    table.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::{Eval, Event, Mass};
    use crate::runs::History;

    #[test]
    fn a_line_holds_everything_measured_at_a_step() {
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
        let eval = Event::Eval(Eval { step: 2, epoch: 1.0, loss: 0.25, scores, best: true, patience: None });
        let events =
            [step(1, f64::NAN), Event::Mass(Mass { step: 1, overall: 40.0, targets: vec![] }), step(2, 0.5), eval];
        let (mut history, mut out) = (History::every_step(), Vec::new());
        events.into_iter().for_each(|event| history.apply(event));
        csv(&history.rows, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "step,epoch,elapsed,loss,learning_rate,grad_norm,tokens_per_second,mass,eval_loss,eval_accuracy\n\
             1,0.5,1.5,NaN,0.001,2,100,40,,\n2,0.5,1.5,0.5,0.001,2,100,,0.25,0.75\n"
        );
    }
}
