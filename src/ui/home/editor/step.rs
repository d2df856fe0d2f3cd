//! What the keys left and right make of a setting: the next number, the other truth value, the next choice.

use crate::preset::{AUTO, KeyKind, NumberStep};

/// The value of this type after `value` in a direction; `None` where there is none, or where values have no order.
pub fn step(kind: KeyKind, value: Option<&str>, up: bool) -> Option<String> {
    match kind {
        KeyKind::Boolean => Some(if value == Some("true") { "false" } else { "true" }.to_owned()),
        // Below the least number.
        KeyKind::IntegerOrAuto { from, .. } if !up && value == Some(&from.to_string()) => Some(AUTO.to_owned()),
        KeyKind::IntegerOrAuto { .. } if !up && value == Some(AUTO) => None,
        KeyKind::Integer { from, to } | KeyKind::IntegerOrAuto { from, to } => {
            let next = match value.map(str::parse::<u64>) {
                Some(Ok(number)) if up => number.checked_add(1)?,
                Some(Ok(number)) => number.checked_sub(1)?,
                _ => from,
            };
            (from..=to).contains(&next).then(|| next.to_string())
        }
        KeyKind::Number { step, .. } => {
            let number = value?.parse::<f64>().ok().filter(|number| number.is_finite())?;
            let next = match step {
                NumberStep::By(step) => by(number, step, up),
                NumberStep::OneTwoFive { least } => one_two_five(number, least, up)?,
            };
            next.parse().is_ok_and(|number| kind.contains(number)).then_some(next)
        }
        KeyKind::Choice(choices) => {
            let now = choices.iter().position(|choice| Some(choice.name) == value);
            let next = match (now, up) {
                (None, _) => 0,
                (Some(now), true) => now + 1,
                (Some(now), false) => now.checked_sub(1)?,
            };
            choices.get(next).map(|choice| choice.name.to_owned())
        }
        KeyKind::Text | KeyKind::Paths | KeyKind::Texts | KeyKind::Names | KeyKind::Modules | KeyKind::Table => None,
    }
}

/// The next multiple of `step`.
fn by(number: f64, step: f64, up: bool) -> String {
    // What is all but a multiple counts as one: 0.1 + 0.2 is not 0.3.
    let place = number / step;
    let whole = if up { (place + 1e-6).floor() + 1.0 } else { (place - 1e-6).ceil() - 1.0 };
    let decimals = if step.fract() == 0.0 { 0 } else { (-step.log10().floor()) as usize };
    let text = format!("{:.decimals$}", whole * step);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The next of …, 0.5, 1, 2, 5, 10, …; below 10^`least` there is 0.
fn one_two_five(number: f64, least: i32, up: bool) -> Option<String> {
    /// Far beyond anything sensible.
    const MOST: i32 = 12;
    let mut series = (least..=MOST).flat_map(|exponent| [1, 2, 5].map(|digit| text(digit, exponent)));
    let value = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    if up {
        series.find(|next| value(next) > number * (1.0 + 1e-9))
    } else {
        let below = series.take_while(|next| value(next) < number * (1.0 - 1e-9)).last();
        below.or_else(|| (number > 0.0).then(|| "0".to_owned()))
    }
}

/// `digit` · 10^`exponent` as it is written in presets: `0.02`, `5e-5`, `200`.
fn text(digit: u8, exponent: i32) -> String {
    match exponent {
        ..-2 => format!("{digit}e{exponent}"),
        -2..0 => format!("0.{}{digit}", "0".repeat((-exponent - 1) as usize)),
        _ => format!("{digit}{}", "0".repeat(exponent as usize)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::preset::{KEYS, PresetKey};

    fn of(key: &str, value: &str, up: bool) -> Option<String> {
        step(PresetKey::of(key).unwrap().kind, Some(value), up)
    }

    #[test]
    fn rates_step_by_one_two_five_and_integers_by_one() {
        let up = |key, value| of(key, value, true).unwrap();
        let down = |key, value| of(key, value, false).unwrap();
        assert_eq!([up("train.learning_rate", "7e-5"), down("train.learning_rate", "7e-5")], ["1e-4", "5e-5"]);
        assert_eq!([up("train.learning_rate", "0.001"), down("train.learning_rate", "1e-3")], ["2e-3", "5e-4"]);
        assert_eq!([up("train.warmup", "0.06"), down("train.warmup", "0.06")], ["0.1", "0.05"]);
        assert_eq!([up("train.weight_decay", "0"), down("train.weight_decay", "1e-4")], ["1e-4", "0"]);
        assert_eq!([up("train.epochs", "3"), down("train.epochs", "3")], ["4", "2"]);
        assert_eq!([up("train.batch", "auto"), down("train.batch", "1"), down("train.batch", "2")], ["1", "auto", "1"]);
        assert_eq!([up("sample.temperature", "0.2"), down("sample.temperature", "0.3")], ["0.3", "0.2"]);
        assert_eq!([up("sample.top_p", "0.93"), down("sample.top_p", "1")], ["0.95", "0.95"]);
        assert_eq!([up("data.regression", "false"), down("data.regression", "false")], ["true", "true"]);
        assert_eq!([up("sift.select", "gradient"), down("sift.select", "random")], ["gradient_times_weight", "lift"]);
    }

    #[test]
    fn bounds_are_respected() {
        for (key, value, up) in [
            ("train.epochs", "1", false),
            ("train.patience", "0", false),
            ("train.batch", "auto", false),
            ("sift.rate", "1", true),
            ("train.warmup", "0.5", true),
            ("data.eval_fraction", "0.05", false),
            ("sample.top_p", "1", true),
            ("sift.rate", "1e-6", false),
            ("train.learning_rate", "0", false),
            ("sift.select", "random", true),
            ("sift.modules", "[]", true),
        ] {
            assert_eq!(of(key, value, up), None, "{key} = {value}");
        }
    }

    proptest! {
        #[test]
        fn steps_change_in_their_direction_and_stay_valid(key in 0..KEYS.len(), value in prop_oneof![0.0..2.0f64, 1e-9..1e-2f64, 0.0..1e6f64], up: bool) {
            let kind = KEYS[key].kind;
            let value = if matches!(kind, KeyKind::Integer { .. }) { (value as u64).to_string() } else { format!("{value:e}") };
            if let (Some(next), KeyKind::Integer { .. } | KeyKind::Number { .. }) = (step(kind, Some(&value), up), kind) {
                let (before, after): (f64, f64) = (value.parse().unwrap(), next.parse().unwrap());
                prop_assert!(if up { after > before } else { after < before }, "{} to {}", value, next);
                prop_assert!(kind.contains(after), "{}", next);
                // Back and forth again ends at the same number.
                let back = step(kind, Some(&next), !up).and_then(|back| step(kind, Some(&back), up));
                prop_assert!(back.is_none() || back.as_ref() == Some(&next), "{} {:?}", next, back);
            }
        }

        #[test]
        fn nothing_typed_panics(key in 0..KEYS.len(), text in "\\PC{0,12}|-?[0-9]{0,25}(e[0-9]{1,4})?|nan|inf", up: bool) {
            let _ = step(KEYS[key].kind, Some(&text), up);
        }
    }
}
