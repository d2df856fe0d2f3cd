//! The colours of figures.

/// Colours of curves that people with any colour vision tell apart, for a light background (Okabe and Ito, 2008).
pub(super) const CURVES: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// Steps of equal perceptual distance from dark to bright: Matplotlib's viridis (van der Walt and Smith, 2015; CC0).
pub(crate) const VIRIDIS: [[u8; 3]; 16] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x1a, 0x6c],
    [0x47, 0x2f, 0x7d],
    [0x41, 0x44, 0x87],
    [0x39, 0x56, 0x8c],
    [0x31, 0x68, 0x8e],
    [0x2a, 0x78, 0x8e],
    [0x23, 0x88, 0x8e],
    [0x1f, 0x98, 0x8b],
    [0x22, 0xa8, 0x84],
    [0x35, 0xb7, 0x79],
    [0x54, 0xc5, 0x68],
    [0x7a, 0xd1, 0x51],
    [0xa5, 0xdb, 0x36],
    [0xd2, 0xe2, 0x1b],
    [0xfd, 0xe7, 0x25],
];

/// The attributes of a curve's stroke. Curves beyond the number of colours are dashed.
pub(super) fn stroke(number: usize) -> String {
    let dashes = ["", " stroke-dasharray=\"7 4\"", " stroke-dasharray=\"2 3\""];
    format!("stroke=\"{}\"{}", curve(number), dashes[number / CURVES.len() % dashes.len()])
}

/// The colour of a curve.
pub(super) fn curve(number: usize) -> &'static str {
    CURVES[number % CURVES.len()]
}

/// A colour as SVG writes it.
pub(super) fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The range of the values that are finite.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64)> {
    values.iter().filter(|value| value.is_finite()).fold(None, |range, &value| {
        Some(range.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}

/// The step of a value within a range, from 0 to `steps - 1`; infinite values take an end, NaN has none.
pub(crate) fn step(value: f64, (low, high): (f64, f64), steps: usize) -> Option<usize> {
    if value.is_nan() {
        return None;
    }
    // Half of both: the difference of the ends may be infinite.
    let share = if high > low { (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { 0.5 };
    Some(((share * steps as f64).floor().clamp(0.0, steps as f64 - 1.0)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_rises_and_every_value_has_a_step() {
        let bright = VIRIDIS.map(|[r, g, b]| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b));
        assert!(bright.windows(2).all(|pair| pair[0] < pair[1]), "{bright:?}");
        let range = range(&[1.0, f64::NAN, 3.0, f64::INFINITY]).unwrap();
        assert_eq!(range, (1.0, 3.0));
        let steps = [1.0, 1.99, 2.0, 3.0, f64::INFINITY, f64::NAN].map(|value| step(value, range, 4));
        assert_eq!(steps, [Some(0), Some(1), Some(2), Some(3), Some(3), None]);
        assert_eq!(step(5.0, (5.0, 5.0), 4), Some(2));
        assert_eq!(step(f64::MAX, (f64::MIN, f64::MAX), 4), Some(3));
    }
}
