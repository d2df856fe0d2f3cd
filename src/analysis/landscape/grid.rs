//! The points along a line.

/// `count` evenly spaced numbers from `from` to `to`, both included, and those of `also` that are not among them: ascending.
///
/// `count` is at least 2 and `from` below `to`.
pub fn line(from: f64, to: f64, count: usize, also: &[f64]) -> Vec<f64> {
    let intervals = count.max(2) - 1;
    let spacing = (to - from) / intervals as f64;
    // Weighted ends, not multiples of the spacing: both ends are exact.
    let at = |number: usize| {
        let share = number as f64 / intervals as f64;
        from * (1.0 - share) + to * share
    };
    let mut points: Vec<f64> = (0..=intervals).map(at).collect();
    for &point in also {
        // A point that rounding alone moved away is the same one.
        match points.iter_mut().find(|near| (**near - point).abs() < 1e-9 * spacing) {
            Some(near) => *near = point,
            None => points.push(point),
        }
    }
    points.sort_by(f64::total_cmp);
    points
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_has_its_ends_and_the_points_asked_for(
            from in -3.0..-0.01_f64, to in 1.01..3.0_f64, count in 2_usize..60,
        ) {
            let points = line(from, to, count, &[0.0, 1.0]);
            prop_assert!(points.is_sorted() && points.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!((points[0], *points.last().unwrap()), (from, to));
            prop_assert!(points.contains(&0.0) && points.contains(&1.0));
            prop_assert!((count..=count + 2).contains(&points.len()));
        }
    }

    #[test]
    fn points_on_the_grid_are_not_repeated() {
        assert_eq!(line(-1.0, 1.0, 5, &[0.0]), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(line(-0.5, 2.0, 26, &[0.0, 1.0]).len(), 26);
        assert_eq!(line(-0.5, 2.0, 3, &[0.0, 1.0]), [-0.5, 0.0, 0.75, 1.0, 2.0]);
    }
}
