//! Units of axes: the text of a value, round distances between ticks, and labels for them.

use super::number::{DAY, clock, decimal_unit, duration, number, percent};
use super::{bytes, grouped};

/// The unit of an axis or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Number,
    /// Optimizer steps: whole numbers only.
    Steps,
    Percent,
    Bytes,
    Seconds,
}

impl Unit {
    /// A single value with its unit.
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Number => number(value),
            Unit::Steps if value >= 0.0 => grouped(value.round() as u64),
            Unit::Steps => number(value),
            Unit::Percent => percent(value),
            Unit::Bytes => bytes(value),
            Unit::Seconds => duration(value),
        }
    }

    /// The smallest round distance between ticks that is at least `rough`, on an axis whose largest value is this.
    pub fn step(self, rough: f64, largest: f64) -> f64 {
        match self {
            Unit::Number | Unit::Percent => round_step(rough),
            Unit::Steps => round_step(rough.max(1.0)),
            Unit::Bytes => {
                let unit = binary_unit(largest).1;
                round_step(rough.max(1.0) / unit) * unit
            }
            Unit::Seconds => {
                const STEPS: [f64; 14] =
                    [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];
                // From a day on, times are shown without seconds.
                let rough = if largest > DAY as f64 * 0.9 { rough.max(60.0) } else { rough };
                let step = STEPS.into_iter().find(|step| *step >= rough * 0.999);
                let quarter_day = (DAY / 4) as f64;
                step.unwrap_or_else(|| round_step(rough / quarter_day) * quarter_day)
            }
        }
    }

    /// The least length of an axis as a share of its largest value: below it lies noise, and labels would be long.
    pub fn least_span(self) -> f64 {
        match self {
            Unit::Bytes => 0.02,
            _ => 1e-3,
        }
    }

    /// A label for each tick of an axis, all in one unit. Ticks are multiples of `step`; the first and the last may lie
    /// between.
    pub fn labels(self, ticks: &[f64], step: f64) -> Vec<String> {
        let largest = ticks.iter().fold(0.0, |largest: f64, tick| largest.max(tick.abs()));
        let scaled = |unit: f64, suffix: &str| {
            let decimals = decimals(step / unit);
            ticks.iter().map(|tick| format!("{:.decimals$}{suffix}", tick / unit)).collect::<Vec<_>>()
        };
        let powers = |suffix: &str| {
            let exponent = (step * 1.001).log10().floor() as i32;
            let mantissa = |tick: f64| tick / 10f64.powi(exponent / 2) / 10f64.powi(exponent - exponent / 2);
            let label = |tick: &f64| nonzero(*tick, || format!("{:.0}e{exponent}{suffix}", mantissa(*tick)));
            ticks.iter().map(label).collect()
        };
        match self {
            Unit::Percent if largest < 1e-3 => powers(" %"),
            Unit::Percent => scaled(1.0, " %"),
            Unit::Bytes => {
                let (name, unit) = binary_unit(largest);
                scaled(unit, &format!(" {name}"))
            }
            Unit::Seconds => ticks.iter().map(|tick| clock(*tick, largest)).collect(),
            // Powers of ten where decimals would not fit into a label.
            Unit::Number | Unit::Steps if !(1e-2..1e12).contains(&largest) || step < 1e-4 => powers(""),
            Unit::Number | Unit::Steps => match decimal_unit(largest) {
                // Many decimals are longer than the number itself.
                (_, unit) if decimals(step / unit) > 2 => scaled(1.0, ""),
                ("", _) => scaled(1.0, ""),
                (prefix, unit) => {
                    let whole = |tick: &f64| (tick / step).fract() == 0.0;
                    // An end between two multiples has one digit more.
                    let (decimals, finer) = (decimals(step / unit), decimals(step / unit / 10.0));
                    let label = |tick: &f64| {
                        let decimals = if whole(tick) { decimals } else { finer };
                        nonzero(*tick, || format!("{:.decimals$}{prefix}", tick / unit))
                    };
                    ticks.iter().map(label).collect()
                }
            },
        }
    }

    /// A label for each tick of a logarithmic axis: plain numbers where all of them are short, else with a prefix for thousands or as powers
    /// of ten.
    pub fn log_labels(self, ticks: &[f64]) -> Vec<String> {
        let suffix = if self == Unit::Percent { " %" } else { "" };
        let short = ticks.iter().all(|tick| (0.99e-3..1e5).contains(tick)) && ticks.iter().any(|tick| *tick > 0.99e-2);
        // Large counts have a prefix, as everywhere.
        let large = ticks.iter().all(|tick| *tick >= 0.99 && *tick < 0.99e12) && suffix.is_empty();
        let label = |tick: &f64| match short {
            _ if large && !short => number(tick.round()),
            true => format!("{:.*}{suffix}", decimals(*tick), tick),
            false => format!("{tick:.0e}{suffix}"),
        };
        ticks.iter().map(label).collect()
    }
}

/// The label of a tick; 0 has neither prefix nor exponent.
fn nonzero(tick: f64, label: impl FnOnce() -> String) -> String {
    if tick == 0.0 { "0".to_owned() } else { label() }
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(power * 10.0)
}

/// Decimals that a multiple of a round step needs.
fn decimals(step: f64) -> usize {
    (-(step * 1.001).log10().floor()).clamp(0.0, 12.0) as usize
}

/// The largest binary unit that is not above a size, and its bytes.
pub(super) fn binary_unit(size: f64) -> (&'static str, f64) {
    const NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (size.max(1.0).ln() / 1024f64.ln() + 1e-9).floor().min(4.0);
    (NAMES[power as usize], 1024f64.powf(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_in_their_unit() {
        const MIB: f64 = 1024.0 * 1024.0;
        let steps = |unit: Unit, rough: [f64; 4]| rough.map(|rough| unit.step(rough, rough * 4.0));
        assert_eq!(steps(Unit::Number, [0.03, 0.5, 7.0, 210.0]), [0.05, 0.5, 10.0, 500.0]);
        assert_eq!(steps(Unit::Steps, [0.03, 0.5, 7.0, 210.0]), [1.0, 1.0, 10.0, 500.0]);
        assert_eq!([90.0, 400.0].map(|rough| Unit::Bytes.step(rough * MIB, 900.0 * MIB) / MIB), [100.0, 500.0]);
        assert_eq!(Unit::Bytes.step(90.0 * MIB, 2048.0 * MIB) / MIB, 102.4);
        assert_eq!(steps(Unit::Seconds, [7.0, 100.0, 4000.0, 30_000.0]), [10.0, 120.0, 7200.0, 43_200.0]);
    }

    #[test]
    fn labels_of_an_axis_share_one_unit_and_differ() {
        const MIB: f64 = 1024.0 * 1024.0;
        let labels = |unit: Unit, ticks: &[f64], step| unit.labels(ticks, step).join(" ");
        assert_eq!(labels(Unit::Number, &[0.0, 0.5, 1.0], 0.5), "0.0 0.5 1.0");
        assert_eq!(labels(Unit::Number, &[0.0, 2e-4, 4e-4, 1e-3], 2e-4), "0 2e-4 4e-4 10e-4");
        assert_eq!(labels(Unit::Number, &[-0.5, 0.0, 10_000.0], 0.5), "-0.5 0.0 10000.0");
        assert_eq!(labels(Unit::Steps, &[0.0, 50.0, 100.0], 50.0), "0 50 100");
        assert_eq!(labels(Unit::Steps, &[0.0, 5000.0, 10_000.0], 5000.0), "0 5k 10k");
        assert_eq!(labels(Unit::Steps, &[0.0, 5000.0, 12_345.0], 5000.0), "0 5k 12.3k");
        assert_eq!(labels(Unit::Steps, &[100_000.0, 100_010.0], 10.0), "100.00k 100.01k");
        assert_eq!(labels(Unit::Steps, &[1_000_001.0, 1_000_002.0], 1.0), "1000001 1000002");
        assert_eq!(labels(Unit::Percent, &[0.0, 0.05], 0.05), "0.00 % 0.05 %");
        assert_eq!(labels(Unit::Bytes, &[0.0, 500.0 * MIB, 1000.0 * MIB], 500.0 * MIB), "0 MiB 500 MiB 1000 MiB");
        assert_eq!(labels(Unit::Bytes, &[0.0, 1024.0 * MIB], 1024.0 * MIB), "0 GiB 1 GiB");
        assert_eq!(labels(Unit::Seconds, &[0.0, 30.0, 60.0], 30.0), "0:00 0:30 1:00");
        assert_eq!(labels(Unit::Seconds, &[10.0, 20.0], 10.0), "10 s 20 s");
        assert_eq!(labels(Unit::Seconds, &[0.0, 43_200.0, 86_400.0], 43_200.0), "0d 00:00 0d 12:00 1d 00:00");
    }
}
