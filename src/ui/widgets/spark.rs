//! A curve in one line of text.

/// Heights, with and without block characters. None fills its cell, so that lines above one another stay apart.
const BLOCKS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];
const ASCII: [char; 7] = ['_', '_', '.', '-', '-', '"', '"'];

/// The values between their least and their greatest, a character each.
pub fn spark(values: &[f64], ascii: bool) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let heights = if ascii { ASCII } else { BLOCKS };
    let height = |value: &f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        heights[((share * 7.0) as usize).min(6)]
    };
    values.iter().map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_and_greatest_are_the_ends() {
        assert_eq!(spark(&[8.0, 4.0, 0.0, 1.0], false), "▇▄▁▁");
        assert_eq!(spark(&[3.0, 3.0], false), "▁▁");
        assert_eq!(spark(&[f64::MIN, f64::MAX], true).chars().count(), 2);
        assert_eq!(spark(&[], false), "");
    }
}
