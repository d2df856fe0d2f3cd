//! Axes: a scale with ticks at round values, of which the first and the last have a label.

mod scale;

use crate::quantity::Unit;
pub(crate) use scale::Scale;

/// Values beyond it would overflow in the differences between them.
const LARGEST: f64 = 1e300;

/// An axis. A y axis begins and ends at a tick; an x axis begins and ends where its data do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub scale: Scale,
    /// Ascending; the first and the last always have one.
    pub ticks: Vec<Tick>,
    /// Positions between the decades of a logarithmic axis, which have no label.
    pub minor: Vec<f64>,
}

/// A labelled position on a scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub at: f64,
    pub label: String,
}

impl Axis {
    /// A y axis for values of a range, with at most so many ticks, and at least two. Values of 0 and less have no place on a
    /// logarithmic axis.
    pub fn y((low, high): (f64, f64), log: bool, unit: Unit, most: usize) -> Axis {
        let most = most.max(2);
        if log { Axis::decades(low, high, unit, most) } else { Axis::round(low, high, unit, most) }
    }

    /// From a multiple of a round step to another, without a negative tick for values that are not negative.
    fn round(low: f64, high: f64, unit: Unit, most: usize) -> Axis {
        let (low, high) = widened(low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST), unit);
        let largest = low.abs().max(high.abs());
        if most == 2 && low < 0.0 && high > 0.0 {
            // Zero would be a third tick, however long the step.
            let step = unit.step(largest, largest);
            let values = [-step, step];
            let ticks = labelled(&values, unit.labels(&values, step));
            return Axis { scale: Scale::new(-step, step, false), ticks, minor: Vec::new() };
        }
        let mut rough = (high - low) / (most - 1) as f64;
        loop {
            let step = unit.step(rough, largest);
            // A value that is a multiple but for rounding needs no further step.
            let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
            let count = last - first + 1.0;
            if count <= most as f64 {
                let values: Vec<f64> =
                    (0..count.max(2.0) as i64).map(|number| (first + number as f64) * step).collect();
                let (from, to) = (values[0], values[values.len() - 1]);
                let ticks = labelled(&values, unit.labels(&values, step));
                return Axis { scale: Scale::new(from, to, false), ticks, minor: Vec::new() };
            }
            rough = step * 1.01;
        }
    }

    /// From a power of ten to another; within two decades from 1, 2 or 5 times a power of ten.
    fn decades(low: f64, high: f64, unit: Unit, most: usize) -> Axis {
        let low = low.clamp(1.0 / LARGEST, LARGEST);
        let high = high.clamp(low, LARGEST);
        let within = |from: i32, to: i32, factors: &[f64]| -> Vec<f64> {
            (from..=to).flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power))).collect()
        };
        let (floor, ceil) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let mut values = if high / low < 100.0 {
            let fine = within(floor, ceil, &[1.0, 2.0, 5.0]);
            let first = fine.iter().rposition(|value| *value <= low * (1.0 + 1e-9)).unwrap_or(0);
            let last = fine.iter().position(|value| *value >= high * (1.0 - 1e-9)).unwrap_or(fine.len() - 1);
            fine[first..=last.max(first + 1).min(fine.len() - 1)].to_vec()
        } else {
            within(floor, ceil, &[1.0])
        };
        let scale = Scale::new(values[0].log10(), values[values.len() - 1].log10(), true);
        values = thinned(values, most);
        let ticks = values.iter().zip(unit.log_labels(&values)).map(|(value, label)| Tick { at: value.log10(), label });
        let ticks: Vec<Tick> = ticks.collect();
        let decades = within(floor, ceil, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let free =
            |at: &f64| (0.0..=1.0).contains(&scale.share(*at)) && ticks.iter().all(|tick| (tick.at - at).abs() > 1e-9);
        let minor = decades.into_iter().map(f64::log10).filter(free).collect();
        Axis { scale, ticks, minor }
    }

    /// An x axis over a range, with at most so many ticks at round values. The ends have a tick as well.
    pub fn x((from, to): (f64, f64), unit: Unit, most: usize) -> Axis {
        let (from, to) = (from.clamp(-LARGEST, LARGEST), to.clamp(-LARGEST, LARGEST));
        let to = if to - from >= 1.0 { to } else { from + 1.0 };
        let most = most.max(2);
        // The ends of an axis of steps are whole steps.
        let (first, last) = if unit == Unit::Steps { (from.ceil(), to.floor()) } else { (from, to) };
        let largest = first.abs().max(last.abs());
        let step = unit.step((last - first) / (most - 1) as f64, largest);
        let near = step * 0.6;
        let inner = ((first / step).floor() as i64..=(last / step).ceil() as i64).map(|number| number as f64 * step);
        let mut values = vec![first];
        values.extend(inner.filter(|value| value - first > near && last - value > near));
        if last > first {
            values.push(last);
        }
        let ticks = labelled(&values, unit.labels(&values, step));
        Axis { scale: Scale::new(from, to, false), ticks, minor: Vec::new() }
    }

    /// A y axis with a row for each name, the first at the top. The row of a number is at its negative.
    pub fn rows(names: impl IntoIterator<Item = String>) -> Axis {
        let tick = |(row, label): (usize, String)| Tick { at: -(row as f64), label };
        let mut ticks: Vec<Tick> = names.into_iter().enumerate().map(tick).collect();
        ticks.reverse();
        let last = ticks.len().saturating_sub(1) as f64;
        Axis { scale: Scale::new(-last - 0.5, 0.5, false), ticks, minor: Vec::new() }
    }

    /// An axis that begins and ends where its data do, with at most so many ticks, all at round values between. Values of 0 and
    /// less have no place on a logarithmic axis.
    pub fn data((low, high): (f64, f64), log: bool, unit: Unit, most: usize) -> Axis {
        let most = most.max(2);
        if log { Axis::data_decades(low, high, unit, most) } else { Axis::data_round(low, high, unit, most) }
    }

    fn data_round(low: f64, high: f64, unit: Unit, most: usize) -> Axis {
        let (low, high) = widened(low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST), unit);
        let largest = low.abs().max(high.abs());
        let mut rough = (high - low) / most as f64;
        loop {
            let step = unit.step(rough, largest);
            let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
            if last - first < most as f64 {
                let count = (last - first + 1.0).max(0.0) as i64;
                let values: Vec<f64> = (0..count).map(|number| (first + number as f64) * step).collect();
                let ticks = labelled(&values, unit.labels(&values, step));
                return Axis { scale: Scale::new(low, high, false), ticks, minor: Vec::new() };
            }
            rough = step * 1.01;
        }
    }

    fn data_decades(low: f64, high: f64, unit: Unit, most: usize) -> Axis {
        let low = low.clamp(1.0 / LARGEST, LARGEST);
        let high = high.clamp(low * 1.01, LARGEST * 1.01);
        let (floor, ceil) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let inside = |factors: &[f64]| -> Vec<f64> {
            let all = (floor..=ceil).flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
            all.filter(|value| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(value)).collect()
        };
        let decades = inside(&[1.0]);
        let fine = inside(&[1.0, 2.0, 5.0]);
        let values = match decades.len() {
            0..=2 if fine.len() <= most => fine,
            0..=2 => decades,
            // Exponents that are multiples of one number, so that two axes with the same range have the same ticks.
            count => {
                let every = count.div_ceil(most) as i32;
                decades.into_iter().filter(|value| value.log10().round() as i32 % every == 0).collect()
            }
        };
        let ticks = values.iter().zip(unit.log_labels(&values)).map(|(value, label)| Tick { at: value.log10(), label });
        let ticks: Vec<Tick> = ticks.collect();
        let free = |at: &f64| ticks.iter().all(|tick| (tick.at - at).abs() > 1e-9);
        let minor = inside(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let minor = minor.into_iter().map(f64::log10).filter(free).collect();
        Axis { scale: Scale::new(low.log10(), high.log10(), true), ticks, minor }
    }
}

fn labelled(values: &[f64], labels: Vec<String>) -> Vec<Tick> {
    values.iter().zip(labels).map(|(&at, label)| Tick { at, label }).collect()
}

/// A range that is wide enough for its labels to differ: noise in the last digits of a value is no curve.
fn widened(low: f64, high: f64, unit: Unit) -> (f64, f64) {
    let largest = low.abs().max(high.abs());
    let least = if largest == 0.0 { 1.0 } else { (largest * unit.least_span()).max(f64::MIN_POSITIVE * 1e6) };
    if high - low >= least {
        return (low, high);
    }
    let middle = low / 2.0 + high / 2.0;
    let (from, to) = (middle - least / 2.0, middle + least / 2.0);
    if low >= 0.0 && from < 0.0 { (0.0, least) } else { (from, to) }
}

/// At most so many values, among them the first and the last, and the others as regular as that allows.
fn thinned(values: Vec<f64>, most: usize) -> Vec<f64> {
    let last = values.len() - 1;
    let every = last.div_ceil(most - 1).max(1);
    let kept =
        |index: &usize| *index == last || index.is_multiple_of(every) && (last - index >= every.div_ceil(2).max(1));
    (0..=last).filter(kept).map(|index| values[index]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn a_y_axis_begins_and_ends_at_a_round_value() {
        let y = |low, high, unit, most| labels(&Axis::y((low, high), false, unit, most)).join(" ");
        assert_eq!(y(0.31, 0.69, Unit::Number, 4), "0.2 0.4 0.6 0.8");
        assert_eq!(y(0.0, 8.0, Unit::Number, 3), "0 5 10");
        assert_eq!(y(0.0, 9.3e-4, Unit::Number, 5), "0 5e-4 10e-4");
        assert_eq!(y(12.0, 12.0, Unit::Percent, 3), "11.99 % 12.00 % 12.01 %");
        const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
        assert_eq!(y(74.92 * GIB, 75.01 * GIB, Unit::Bytes, 3), "74 GiB 75 GiB 76 GiB");
        assert_eq!(y(1.13 * GIB, 1.21 * GIB, Unit::Bytes, 4), "1.10 GiB 1.15 GiB 1.20 GiB 1.25 GiB");
        assert_eq!(y(0.0, 0.0, Unit::Bytes, 2), "0 B 1 B");
        assert_eq!(y(-0.04, 0.87, Unit::Number, 2), "-1 1");
    }

    #[test]
    fn a_logarithmic_axis_has_decades_in_one_notation_and_minor_ticks() {
        let y = |low, high, most| Axis::y((low, high), true, Unit::Number, most);
        assert_eq!(labels(&y(5e-4, 0.8, 8)), ["1e-4", "1e-3", "1e-2", "1e-1", "1e0"]);
        assert_eq!(labels(&y(0.02, 300.0, 9)), ["0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(labels(&y(0.11, 0.7, 8)), ["0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(&y(0.31, 0.42, 8)), ["0.2", "0.5"]);
        assert_eq!(labels(&y(1e-9, 1.0, 4)), ["1e-9", "1e-6", "1e-3", "1e0"]);
        assert_eq!(y(0.02, 300.0, 9).minor.len(), 5 * 8);
    }

    #[test]
    fn an_x_axis_labels_its_ends_and_drops_ticks_beside_them() {
        let x = |from, to, most| labels(&Axis::x((from, to), Unit::Steps, most)).join(" ");
        assert_eq!(x(0.0, 170.0, 5), "0 50 100 170");
        assert_eq!(x(0.0, 1.0, 9), "0 1");
        assert_eq!(x(0.0, 12_345.0, 4), "0 5k 12.3k");
        assert_eq!(x(37.2, 81.9, 4), "38 60 81");
        assert_eq!(labels(&Axis::x((0.0, 83.4), Unit::Seconds, 4)), ["0:00", "0:30", "1:00", "1:23"]);
    }

    #[test]
    fn an_axis_of_data_has_round_ticks_and_ends_with_the_data() {
        let data = |low, high, log, most| Axis::data((low, high), log, Unit::Number, most);
        assert_eq!(labels(&data(-1.0, 1.0, false, 5)), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(&data(-12.3, -0.2, false, 7)), ["-12", "-10", "-8", "-6", "-4", "-2"]);
        assert_eq!(labels(&data(1e-3, 100.0, true, 8)), ["0.001", "0.01", "0.1", "1", "10", "100"]);
        assert_eq!(labels(&data(1e-3, 100.0, true, 3)), ["0.01", "1", "100"]);
        assert_eq!(labels(&data(0.3, 7.0, true, 8)), ["0.5", "1", "2", "5"]);
        let axis = data(3e-4, 0.7, false, 4);
        assert!(axis.scale.share(3e-4).abs() < 1e-12 && (axis.scale.share(0.7) - 1.0).abs() < 1e-12);
    }

    fn unit() -> impl Strategy<Value = Unit> {
        prop_oneof![Just(Unit::Number), Just(Unit::Steps), Just(Unit::Percent), Just(Unit::Bytes), Just(Unit::Seconds)]
    }

    /// Numbers of any size; sizes and times are not negative.
    fn values(unit: Unit) -> impl Strategy<Value = (f64, f64)> {
        let value = prop_oneof![
            4 => (-1.0..1.0_f64, -12..15_i32).prop_map(|(value, power)| value * 10f64.powi(power)),
            1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
            1 => Just(0.0),
        ];
        (value.clone(), value, any::<bool>()).prop_map(move |(a, b, same)| {
            let positive = !matches!(unit, Unit::Number);
            let [a, b] =
                [a, if same { a } else { b }].map(|value| if positive { value.abs().min(1e15) } else { value });
            (a.min(b), a.max(b))
        })
    }

    /// What follows the digits of a label; days and hours are part of a time.
    fn suffix(label: &str) -> &str {
        label.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | ':' | 'd' | ' '))
    }

    fn check(axis: &Axis, most: usize) -> Result<(), TestCaseError> {
        let labels = labels(axis);
        prop_assert!(axis.ticks.len() <= most.max(2), "{:?}", labels);
        prop_assert!(axis.ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{:?}", axis.ticks);
        let mut distinct = labels.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), labels.len(), "{:?}", labels);
        let mut suffixes: Vec<&str> = labels.iter().filter(|label| **label != "0").map(|label| suffix(label)).collect();
        suffixes.dedup();
        prop_assert!(suffixes.len() <= 1 || axis.scale.position(10.0) == 1.0, "{:?}", labels);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn ticks_of_a_y_axis_ascend_differ_share_a_unit_and_fit(
            (unit, range) in unit().prop_flat_map(|unit| (Just(unit), values(unit))), most in 0..12_usize,
        ) {
            let axis = Axis::y(range, false, unit, most);
            check(&axis, most)?;
            let (low, high) = (range.0.clamp(-LARGEST, LARGEST), range.1.clamp(-LARGEST, LARGEST));
            prop_assert!(axis.scale.share(low) >= -1e-6 && axis.scale.share(high) <= 1.0 + 1e-6);
            prop_assert!(low < 0.0 || axis.ticks[0].at >= 0.0);
            let ends = [&axis.ticks[0], &axis.ticks[axis.ticks.len() - 1]].map(|tick| axis.scale.share(tick.at));
            prop_assert_eq!(ends, [0.0, 1.0]);
        }

        #[test]
        fn ticks_of_a_logarithmic_axis_ascend_differ_and_fit(
            (unit, range) in unit().prop_flat_map(|unit| (Just(unit), values(unit))), most in 0..12_usize,
        ) {
            let range = (range.0.abs().min(range.1.abs()).max(1e-30), range.1.abs().max(range.0.abs()).max(1e-30));
            let axis = Axis::y(range, true, unit, most);
            check(&axis, most)?;
            prop_assert!(axis.minor.iter().all(|at| (0.0..=1.0).contains(&axis.scale.share(*at))));
        }

        #[test]
        fn ticks_of_an_axis_of_data_ascend_differ_and_lie_between_its_ends(
            range in values(Unit::Number), log in any::<bool>(), most in 0..12_usize,
        ) {
            let range = if log { (range.0.abs().min(range.1.abs()), range.0.abs().max(range.1.abs())) } else { range };
            let axis = Axis::data(range, log, Unit::Number, most);
            check(&axis, most)?;
            let inside = |at: f64| (-1e-6..=1.0 + 1e-6).contains(&axis.scale.share(at));
            prop_assert!(axis.ticks.iter().map(|tick| tick.at).chain(axis.minor.iter().copied()).all(inside));
        }

        #[test]
        fn ticks_of_an_x_axis_ascend_differ_and_fit(
            from in prop_oneof![Just(0.0), 0.0..1e7_f64], length in 0.0..1e9_f64, most in 0..20_usize,
            unit in prop_oneof![Just(Unit::Steps), Just(Unit::Seconds)],
        ) {
            check(&Axis::x((from, from + length), unit, most), most)?;
        }
    }
}
