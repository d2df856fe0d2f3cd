//! Scatter: writes values to indices of a vector.

/// Values per task.
const TASK: usize = 4 << 10;

/// Writes each value to its index in `out`. Indices ascend, so that threads write to parts of their own without a lock.
///
/// # Panics
/// If indices do not ascend, or one is not in `out`.
pub fn scatter(indices: &[i32], values: &[f32], out: &mut [f32]) {
    assert_eq!(indices.len(), values.len());
    scatter_from(0, indices, values, out);
}

/// `out` begins at the index `first`.
fn scatter_from(first: usize, indices: &[i32], values: &[f32], out: &mut [f32]) {
    if indices.len() > TASK {
        let middle = indices.len() / 2;
        let (index, (before, after)) = (indices[middle] as usize, indices.split_at(middle));
        let (values_before, values_after) = values.split_at(middle);
        let (out_before, out_after) = out.split_at_mut(index - first);
        rayon::join(
            || scatter_from(first, before, values_before, out_before),
            || scatter_from(index, after, values_after, out_after),
        );
        return;
    }
    for (&index, &value) in indices.iter().zip(values) {
        out[index as usize - first] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_arrives_at_its_index() {
        for count in [0, 1, 5, TASK, 10 * TASK + 3] {
            let indices: Vec<i32> = (0..count as i32).map(|number| 3 * number + number % 3).collect();
            let values: Vec<f32> = (0..count).map(|number| number as f32 + 0.5).collect();
            let mut out = vec![-1.0; 3 * count + 7];
            let mut expected = out.clone();
            indices.iter().zip(&values).for_each(|(&index, &value)| expected[index as usize] = value);
            scatter(&indices, &values, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    #[should_panic]
    fn an_index_beyond_the_end_is_refused() {
        scatter(&[0, 4], &[1.0, 2.0], &mut [0.0; 4]);
    }
}
