//! Writing numbers to places of a vector.

/// Numbers that a task writes.
const TASK: usize = 4 << 10;

/// Writes each value to its place in `out`. Places ascend, so that threads share them out without a lock.
///
/// # Panics
/// If places do not ascend, or one is not in `out`.
pub fn scatter(places: &[i32], values: &[f32], out: &mut [f32]) {
    assert_eq!(places.len(), values.len());
    scatter_from(0, places, values, out);
}

/// `out` begins at the place `first`.
fn scatter_from(first: usize, places: &[i32], values: &[f32], out: &mut [f32]) {
    if places.len() > TASK {
        let middle = places.len() / 2;
        let (place, (before, after)) = (places[middle] as usize, places.split_at(middle));
        let (values_before, values_after) = values.split_at(middle);
        let (out_before, out_after) = out.split_at_mut(place - first);
        rayon::join(
            || scatter_from(first, before, values_before, out_before),
            || scatter_from(place, after, values_after, out_after),
        );
        return;
    }
    for (&place, &value) in places.iter().zip(values) {
        out[place as usize - first] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_arrives_at_its_place() {
        for count in [0, 1, 5, TASK, 10 * TASK + 3] {
            let places: Vec<i32> = (0..count as i32).map(|number| 3 * number + number % 3).collect();
            let values: Vec<f32> = (0..count).map(|number| number as f32 + 0.5).collect();
            let mut out = vec![-1.0; 3 * count + 7];
            let mut expected = out.clone();
            places.iter().zip(&values).for_each(|(&place, &value)| expected[place as usize] = value);
            scatter(&places, &values, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    #[should_panic]
    fn a_place_beyond_the_end_is_refused() {
        scatter(&[0, 4], &[1.0, 2.0], &mut [0.0; 4]);
    }
}
