//! Alert rules of the user: when a metric of a run crosses a threshold. Plain data from events; who notifies is up to the
//! front end.

mod metric;
mod rule;

use crate::protocol::Event;
pub use metric::Metric;
pub use rule::{Comparison, Rule, RuleError};

/// The rules, and which of them hold.
#[derive(Default)]
pub struct Alerts {
    rules: Vec<WatchedRule>,
    /// The latest step.
    step: u64,
    /// While this is set nothing is alerted: the events are old ones.
    pub muted: bool,
}

struct WatchedRule {
    rule: Rule,
    /// Whether the latest reading met the rule.
    met: bool,
}

/// The rules that an event has made true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// `loss 5.31 > 5 at step 120`.
    pub text: String,
    /// Whether one of them is to pause the run.
    pub pause: bool,
}

impl Alerts {
    pub fn new(rules: Vec<Rule>) -> Alerts {
        let rules = rules.into_iter().map(|rule| WatchedRule { rule, met: false }).collect();
        Alerts { rules, ..Alerts::default() }
    }

    /// Starts again with another run.
    pub fn reset(&mut self) {
        self.rules.iter_mut().for_each(|watched| watched.met = false);
        self.step = 0;
    }

    /// The rules that this event has made true. One that stays true is not repeated.
    pub fn on_event(&mut self, event: &Event) -> Option<Alert> {
        if let Event::Step(step) = event {
            self.step = step.step;
        }
        if self.muted {
            return None;
        }
        let (mut texts, mut pause) = (Vec::new(), false);
        for WatchedRule { rule, met } in &mut self.rules {
            // A value that is not finite crosses nothing; the run ends with an error by itself.
            let Some(value) = rule.metric.of(event).filter(|value| value.is_finite()) else { continue };
            let before = std::mem::replace(met, rule.holds(value));
            if *met && !before {
                texts.push(rule.describe(value));
                pause |= rule.pause;
            }
        }
        (!texts.is_empty()).then(|| Alert { text: format!("{} at step {}", texts.join(", "), self.step), pause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Eval, Gpu, Mass, RankSample, Ranks, Step, System};

    fn alerts(rules: &[&str]) -> Alerts {
        Alerts::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    fn step(number: u64, loss: f64) -> Event {
        Event::Step(Step {
            step: number,
            epoch: 0.0,
            loss,
            learning_rate: 3e-4,
            grad_norm: 2.0,
            tokens_per_second: 900.0,
            elapsed: 0.0,
            eta: None,
        })
    }

    #[test]
    fn a_rule_fires_once_at_each_crossing() {
        let mut alerts = alerts(&["loss > 5"]);
        let fired: Vec<u64> = [4.0, 5.0, 5.5, 6.0, f64::NAN, 7.0, 4.9, 5.1, 5.2]
            .into_iter()
            .zip(1..)
            .filter_map(|(loss, number)| alerts.on_event(&step(number, loss)).map(|_| number))
            .collect();
        assert_eq!(fired, [3, 8]);
        alerts.reset();
        let alert = alerts.on_event(&step(1, 6.25)).unwrap();
        assert_eq!((alert.text.as_str(), alert.pause), ("loss 6.25 > 5 at step 1", false));
    }

    #[test]
    fn every_metric_is_read_from_its_event() {
        let mass = Event::Mass(Mass { step: 7, overall: 18.25, targets: Vec::new() });
        let scores = [("accuracy".into(), 0.4)].into();
        let eval = Event::Eval(Eval { step: 7, epoch: 0.0, loss: 2.5, scores, best: false, patience: None });
        let gpu = Gpu { utilization: 12.0, memory_used: 70 << 30, temperature: 91.0, power: 700.0, ..Gpu::default() };
        let system = System { disk_free: Some(3 << 29), cpu: 99.0, gpu: Some(gpu), ..System::default() };
        let rank = RankSample { step_seconds: 0.4, wait_seconds: 0.3, ..RankSample::default() };
        let idle = RankSample { age: 12.0, ..RankSample::default() };
        let ranks = Ranks { at: 1.0, ranks: vec![RankSample::default(), rank, idle] };
        for (rule, event, text) in [
            ("grad_norm >= 2", step(7, 1.0), "grad_norm 2 >= 2"),
            ("tokens_per_second < 1000", step(7, 1.0), "tokens_per_second 900 < 1000"),
            ("learning_rate <= 0.001", step(7, 1.0), "learning_rate 3e-4 <= 0.001"),
            ("gradient_mass < 20 %", mass, "gradient_mass 18.25 % < 20 %"),
            ("eval_loss > 2", eval.clone(), "eval_loss 2.5 > 2"),
            ("accuracy < 0.5", eval, "accuracy 0.4 < 0.5"),
            ("disk_free < 2G", Event::System(system.clone()), "disk_free 1.5 GiB < 2.0 GiB"),
            ("memory > 64 GiB", Event::System(system.clone()), "memory 70.0 GiB > 64.0 GiB"),
            ("gpu_utilization < 50", Event::System(system.clone()), "gpu_utilization 12 % < 50 %"),
            ("gpu_temperature > 90", Event::System(system.clone()), "gpu_temperature 91 > 90"),
            ("gpu_power > 600", Event::System(system.clone()), "gpu_power 700 > 600"),
            ("cpu > 90", Event::System(system), "cpu 99 % > 90 %"),
            ("rank_wait > 50", Event::Ranks(ranks.clone()), "rank_wait 75 % > 50 %"),
            ("rank_age >= 10", Event::Ranks(ranks), "rank_age 12 >= 10"),
        ] {
            let mut alerts = alerts(&[rule]);
            let number = if matches!(event, Event::Step(_)) { 7 } else { 0 };
            let found = alerts.on_event(&event).map(|alert| alert.text);
            assert_eq!(found, Some(format!("{text} at step {number}")), "{rule}");
            assert_eq!(alerts.on_event(&event), None, "{rule}: once");
        }
    }

    #[test]
    fn rules_that_are_met_together_are_one_alert() {
        let mut alerts = alerts(&["loss > 1", "grad_norm > 1: pause", "loss < 1"]);
        let alert = alerts.on_event(&step(3, 4.0)).unwrap();
        assert_eq!((alert.text.as_str(), alert.pause), ("loss 4 > 1, grad_norm 2 > 1 at step 3", true));
    }

    #[test]
    fn what_happened_before_is_not_alerted_but_what_still_holds_is() {
        let mut alerts = alerts(&["loss > 5"]);
        alerts.muted = true;
        assert_eq!(alerts.on_event(&step(1, 9.0)), None);
        alerts.muted = false;
        assert!(alerts.on_event(&step(2, 9.0)).is_some());
    }
}
