//! A rule as the user writes it, such as `loss > 5` or `gradient_mass < 20: pause`.

use std::fmt;
use std::str::FromStr;

use super::metric::{Metric, Unit};
use crate::suggest::did_you_mean;

/// A metric, a comparison and a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub metric: Metric,
    pub comparison: Comparison,
    /// In percent or bytes where the metric is.
    pub threshold: f64,
    /// Whether the run pauses.
    pub pause: bool,
    /// The rule as the user wrote it.
    written: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// No `<`, `<=`, `>` or `>=`.
    NoComparison,
    /// There is no metric of this name.
    Metric(String),
    Threshold {
        found: String,
        metric: String,
        expected: &'static str,
    },
    /// What follows the colon is no action.
    Action(String),
}

impl Comparison {
    /// The longer signs first.
    const SIGNS: [(&str, Comparison); 4] = [
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];

    fn sign(self) -> &'static str {
        Comparison::SIGNS.iter().find(|(_, known)| *known == self).map_or("", |(sign, _)| sign)
    }
}

impl Rule {
    /// Whether a value meets the rule.
    pub(super) fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
        }
    }

    /// `loss 5.31 > 5`.
    pub(super) fn describe(&self, value: f64) -> String {
        let Rule { metric, comparison, threshold, .. } = self;
        format!("{} {} {} {}", metric.name(), metric.text(value), comparison.sign(), metric.text(*threshold))
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let (condition, action) = text.split_once(':').map_or((text, None), |(left, right)| (left, Some(right.trim())));
        let pause = match action {
            None => false,
            Some("pause") => true,
            Some(action) => return Err(RuleError::Action(action.to_owned())),
        };
        let signs = Comparison::SIGNS.iter();
        let found = signs.filter_map(|(sign, comparison)| Some((condition.find(sign)?, sign, *comparison)));
        // Of two at the same place the longer one, which comes first.
        let (at, sign, comparison) = found.min_by_key(|(at, ..)| *at).ok_or(RuleError::NoComparison)?;
        let name = condition[..at].trim();
        let metric = Metric::named(name).ok_or_else(|| RuleError::Metric(name.to_owned()))?;
        let threshold = threshold(condition[at + sign.len()..].trim(), &metric)?;
        Ok(Rule { metric, comparison, threshold, pause, written: text.to_owned() })
    }
}

/// Parses `5`, `20 %` of a percentage, `64G` or `1.5 GiB` of bytes.
fn threshold(text: &str, metric: &Metric) -> Result<f64, RuleError> {
    let (expected, number, factor) = match metric.unit() {
        Unit::Number => ("a number", text, 1.0),
        Unit::Percent => ("a percentage, such as 20", text.strip_suffix('%').unwrap_or(text), 1.0),
        Unit::Bytes => {
            let (number, factor) = size(text);
            ("a size, such as 64G or 500M", number, factor)
        }
    };
    let parsed = number.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    parsed.map(|number| number * factor).ok_or_else(|| RuleError::Threshold {
        found: text.to_owned(),
        metric: metric.name().to_owned(),
        expected,
    })
}

/// The number of a size, and what its unit multiplies by. Units are powers of 1024, as on the screens.
fn size(text: &str) -> (&str, f64) {
    let text = text.strip_suffix("iB").or_else(|| text.strip_suffix('B')).unwrap_or(text);
    let unit = [('K', 1), ('M', 2), ('G', 3), ('T', 4)].into_iter().find(|(letter, _)| text.ends_with(*letter));
    unit.map_or((text, 1.0), |(letter, power)| (text.trim_end_matches(letter), 1024f64.powi(power)))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::NoComparison => {
                f.write_str("expected a metric, <, <=, > or >=, and a number, such as \"loss > 5\"")
            }
            RuleError::Metric(name) => {
                let all = Metric::names();
                let suggestion = did_you_mean(name, all.iter().copied());
                let end = if suggestion.is_empty() { "." } else { suggestion.as_str() };
                write!(f, "there is no metric \"{name}\"{end} Metrics are {}", all.join(", "))
            }
            RuleError::Threshold { found, metric, expected } => {
                write!(f, "{metric} is compared with \"{found}\", expected {expected}")
            }
            RuleError::Action(action) => {
                write!(f, "unknown action \"{action}\"; only \": pause\" can follow a rule")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_say_what_was_found_and_what_is_expected() {
        for (text, message) in [
            ("loss", "expected a metric, <, <=, > or >=, and a number, such as \"loss > 5\""),
            ("los > 5", "there is no metric \"los\"; did you mean \"loss\"? Metrics are loss, grad_norm, "),
            ("> 5", "there is no metric \"\". Metrics are loss, "),
            ("loss > five", "loss is compared with \"five\", expected a number"),
            ("loss > inf", "loss is compared with \"inf\", expected a number"),
            ("loss == 5", "expected a metric, <, <=, > or >=, and a number"),
            ("disk_free < 5Q", "disk_free is compared with \"5Q\", expected a size, such as 64G or 500M"),
            ("gradient_mass < x%", "gradient_mass is compared with \"x%\", expected a percentage, such as 20"),
            ("loss > 5: stop", "unknown action \"stop\"; only \": pause\" can follow a rule"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn rules_are_parsed_with_their_units() {
        let threshold = |text: &str| text.parse::<Rule>().unwrap().threshold;
        assert_eq!([threshold("loss>5"), threshold(" loss  >=  5e-1 : pause")], [5.0, 0.5]);
        assert_eq!([threshold("disk_free < 2G"), threshold("disk_free < 2 GiB")], [2147483648.0; 2]);
        assert_eq!([threshold("memory > 512MB"), threshold("memory > 100")], [536870912.0, 100.0]);
        assert_eq!(threshold("gradient_mass < 20%"), 20.0);
        assert!("accuracy_mismatched < 0.5".parse::<Rule>().is_ok() && "f1_macro > 0".parse::<Rule>().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_a_rule_or_an_error(text in "(loss|memory|cpu|f1|x)? ?[<>=:]{0,2} ?[-0-9.e%GiB]{0,6}(: ?pause)?|.{0,20}") {
            if let Ok(rule) = text.parse::<Rule>() {
                prop_assert!(rule.threshold.is_finite() && !rule.metric.name().is_empty());
                prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
            }
        }
    }
}
