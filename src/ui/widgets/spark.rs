//! Sparklines: a curve in one line of text.

/// Characters by height. None fills its cell, so that sparklines in adjacent rows stay apart.
const BLOCKS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];
const ASCII: [char; 7] = ['_', '_', '.', '-', '-', '"', '"'];

/// One character per value, scaled from minimum to maximum.
pub fn spark(values: &[f64], ascii: bool) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let heights = if ascii { ASCII } else { BLOCKS };
    let height = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        heights[((share * 7.0) as usize).min(6)]
    };
    values.iter().map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_and_maximum_have_the_extreme_characters() {
        assert_eq!(spark(&[8.0, 4.0, 0.0, 1.0], false), "▇▄▁▁");
        assert_eq!(spark(&[3.0, 3.0], false), "▁▁");
        assert_eq!(spark(&[f64::MIN, f64::MAX], true).chars().count(), 2);
        assert_eq!(spark(&[], false), "");
    }
}
