//! How many of all references' own statistics reach each target's.

use ndarray::{ArrayView2, Axis};

use crate::threads;

/// Returns, for each of `t`, the number of `pool` values at or above it (NaN for NaN), and the
/// number of pool values that are not NaN.
///
/// The targets are sorted and not the pool: every pool value falls between two targets, so the
/// pool, the larger by far, is read once and never copied.
pub fn pooled_counts<T>(t: &[f64], pool: ArrayView2<'_, T>) -> (Vec<f64>, u64)
where
    T: Copy + Into<f64> + Sync,
{
    let targets = Sorted::new(t.iter().copied().filter(|x| !x.is_nan()).collect());

    // reached[i]: pool values that reach the i lowest targets and no more, per part of the pool.
    let rows = pool.nrows().div_ceil(threads::count()).max(1);
    let parts = pool.axis_chunks_iter(Axis(0), rows);
    let mut reached = vec![vec![0u64; targets.values.len() + 1]; parts.len()];
    threads::for_each(
        parts.zip(&mut reached).collect(),
        pool.len(),
        || (),
        |(), (part, reached)| {
            for &x in part {
                let x: f64 = x.into();
                if !x.is_nan() {
                    reached[targets.search(x, |v| v <= x)] += 1;
                }
            }
        },
    );

    // at_least[i]: pool values at or above the i-th lowest target.
    let mut at_least = vec![0u64; targets.values.len() + 1];
    let mut total = 0;
    for i in (0..at_least.len()).rev() {
        at_least[i] = total;
        total += reached.iter().map(|part| part[i]).sum::<u64>();
    }
    let count = |x: &f64| match x.is_nan() {
        true => f64::NAN,
        false => at_least[targets.search(*x, |v| v < *x)] as f64,
    };
    (t.iter().map(count).collect(), total)
}

/// Sorted numbers under a grid of equal steps, which leaves a search a few numbers to look at.
struct Sorted {
    values: Vec<f64>,
    low: f64,
    steps_per_unit: f64,
    /// starts[s]: where the values of step s begin; one more for the end.
    starts: Vec<usize>,
}

impl Sorted {
    fn new(mut values: Vec<f64>) -> Self {
        threads::sort(&mut values);
        let steps = 8 * values.len() + 1;
        // Outliers would widen the grid: it covers all but the ends, and the ends share a step.
        let end = values.len() / 64;
        let low = values.get(end).copied().unwrap_or(0.0);
        let range = values.iter().rev().nth(end).map_or(0.0, |high| high - low);
        let per_unit = steps as f64 / range;
        let mut sorted = Self {
            values,
            low,
            steps_per_unit: if per_unit.is_finite() { per_unit } else { 0.0 },
            starts: vec![0; steps + 1],
        };
        for i in 0..sorted.values.len() {
            let step = sorted.step(sorted.values[i]);
            sorted.starts[step + 1] = i + 1;
        }
        let mut last = 0;
        for start in &mut sorted.starts {
            last = last.max(*start);
            *start = last;
        }
        sorted
    }

    /// Never decreases in x, rounding included, so that a lower step holds lower numbers only.
    #[inline]
    fn step(&self, x: f64) -> usize {
        (((x - self.low) * self.steps_per_unit) as usize).min(self.starts.len() - 2)
    }

    /// The number of values `before` x, a condition that holds up to x or to just below it.
    #[inline]
    fn search(&self, x: f64, before: impl Fn(f64) -> bool) -> usize {
        let step = self.step(x);
        let (from, to) = (self.starts[step], self.starts[step + 1]);
        from + self.values[from..to].partition_point(|v| before(*v))
    }
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
