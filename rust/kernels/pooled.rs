//! How many of all references' own statistics reach each target's.

use ndarray::{ArrayView2, Axis};

use crate::threads;

/// One value of a pool whose rows are all of one length.
const ONE: f64 = (1u64 << 32) as f64;

/// Returns, for each of `t`, the number of `pool` values that reach it (NaN for NaN), and of all of
/// them. Every row weighs the same, however many of its values are NaN.
///
/// The targets are sorted and not the pool: every pool value falls between two targets, so the
/// pool, the larger by far, is read once and never copied.
pub fn pooled_counts<T>(t: &[f64], pool: ArrayView2<'_, T>) -> (Vec<f64>, f64)
where
    T: Copy + Into<f64> + Sync,
{
    let t: Vec<f64> = t.iter().map(|x| reached_from(*x)).collect();
    let targets = Sorted::new(t.iter().copied().filter(|x| !x.is_nan()).collect());
    let sizes: Vec<usize> = pool
        .rows()
        .into_iter()
        .map(|row| row.iter().filter(|x| !(**x).into().is_nan()).count())
        .collect();
    let rows = sizes.iter().filter(|size| **size > 0).count();
    let size = sizes.iter().sum::<usize>() as f64 / rows as f64;

    // reached[i]: pool values that reach the i lowest targets and no more, per part of the pool.
    let rows = pool.nrows().div_ceil(threads::count()).max(1);
    let parts = pool.axis_chunks_iter(Axis(0), rows);
    let mut reached = vec![vec![0u64; targets.values.len() + 1]; parts.len()];
    threads::for_each(
        parts.zip(sizes.chunks(rows)).zip(&mut reached).collect(),
        pool.len(),
        || (),
        |(), ((part, sizes), reached)| {
            for (row, own) in part.rows().into_iter().zip(sizes) {
                // Whole numbers: their sum is the same in any order.
                let weight = (ONE * (size / *own as f64)).round() as u64;
                for &x in row {
                    let x: f64 = x.into();
                    if !x.is_nan() {
                        reached[targets.search(x, |v| v <= x)] += weight;
                    }
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
        false => at_least[targets.search(*x, |v| v < *x)] as f64 / ONE,
    };
    (t.iter().map(count).collect(), total as f64 / ONE)
}

/// The least value that is not below x, rounding apart.
fn reached_from(x: f64) -> f64 {
    if x.is_infinite() {
        x
    } else {
        x - 1e-9 * x.abs() - 1e-12
    }
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
            let rows: Vec<Vec<f64>> = pool.rows().into_iter().map(valid).collect();
            let size = rows.iter().map(Vec::len).sum::<usize>() as f64;
            let size = size / rows.iter().filter(|row| !row.is_empty()).count() as f64;
            let weight = |row: &Vec<f64>, reach: f64| {
                let reached = row.iter().filter(|v| **v >= reach).count() as f64;
                if reached > 0.0 { reached * size / row.len() as f64 } else { 0.0 }
            };
            let sum = |reach: f64| rows.iter().map(|row| weight(row, reach)).sum::<f64>();
            prop_assert!(close(total, sum(f64::NEG_INFINITY), 1e2));
            for (x, count) in t.iter().zip(counts) {
                let expected = if x.is_nan() { f64::NAN } else { sum(reached_from(*x)) };
                prop_assert!(close(count, expected, 1e2));
            }
        }
    }

    #[test]
    fn values_reach_what_differs_by_rounding() {
        let pool = ndarray::array![[0.1 + 0.2, 1.0, f64::INFINITY]];
        let t = [0.3, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY, 1.0 + 1e-6];
        assert_eq!(
            pooled_counts(&t, pool.view()),
            (vec![3.0, 3.0, 1.0, 3.0, 1.0], 3.0)
        );
    }
}
