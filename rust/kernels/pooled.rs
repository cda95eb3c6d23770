//! How many of all references' own statistics reach each target's.

use ndarray::{ArrayView2, Axis};

use crate::threads;

/// Returns, for each of `t`, the number of `pool` values at or above it (NaN for NaN), and the
/// number of pool values that are not NaN.
///
/// The targets are sorted and not the pool: every pool value falls between two targets, which a
/// binary search finds, so the pool, the larger by far, is read once and never copied.
pub fn pooled_counts<T>(t: &[f64], pool: ArrayView2<'_, T>) -> (Vec<f64>, u64)
where
    T: Copy + Into<f64> + Sync,
{
    let mut sorted: Vec<f64> = t.iter().copied().filter(|x| !x.is_nan()).collect();
    threads::sort(&mut sorted);

    // reached[i]: pool values that reach the i lowest targets and no more, per part of the pool.
    let rows = pool.nrows().div_ceil(threads::count()).max(1);
    let parts = pool.axis_chunks_iter(Axis(0), rows);
    let mut reached = vec![vec![0u64; sorted.len() + 1]; parts.len()];
    threads::for_each(
        parts.zip(&mut reached).collect(),
        pool.len(),
        || (),
        |(), (part, reached)| {
            for &x in part {
                let x: f64 = x.into();
                if !x.is_nan() {
                    reached[sorted.partition_point(|s| *s <= x)] += 1;
                }
            }
        },
    );

    // at_least[i]: pool values at or above the i-th lowest target.
    let mut at_least = vec![0u64; sorted.len() + 1];
    let mut total = 0;
    for i in (0..at_least.len()).rev() {
        at_least[i] = total;
        total += reached.iter().map(|part| part[i]).sum::<u64>();
    }
    let count = |x: &f64| match x.is_nan() {
        true => f64::NAN,
        false => at_least[sorted.partition_point(|s| s < x)] as f64,
    };
    (t.iter().map(count).collect(), total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agree_with_a_scan_of_all_pairs((t, pool) in records()) {
            let (counts, total) = pooled_counts(&t, pool.view());
            let values: Vec<f64> = pool.rows().into_iter().flat_map(valid).collect();
            prop_assert_eq!(total, values.len() as u64);
            for (x, count) in t.iter().zip(counts) {
                let expected = values.iter().filter(|v| *v >= x).count() as f64;
                let expected = if x.is_nan() { f64::NAN } else { expected };
                prop_assert!(close(count, expected, 0.0));
            }
        }
    }
}
