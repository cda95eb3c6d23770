//! How many of all references' own statistics reach each target's.

use ndarray::{ArrayView2, Axis};

use crate::error::Result;
use crate::kernels::Pulse;
use crate::threads;

/// One value of a pool whose rows are all of one length.
const ONE: f64 = (1u64 << 32) as f64;
/// Targets of a bucket: with what is found of them they fit a core's own cache.
const BUCKET: usize = 1 << 13;
/// Targets that decide where buckets begin, for each bucket.
const SAMPLES: usize = 32;
/// Values of the pool that are dealt out at once, which bounds the memory.
const SLAB: usize = 1 << 21;

/// Returns, for each of `t`, the number of `pool` values that reach it (NaN for NaN), and of all of
/// them. Every row weighs the same, however many of its values are NaN.
///
/// The targets are sorted and not the pool: every pool value falls between two targets, so the
/// pool, often the larger by far, is read once. Where the targets are many too, both are dealt out
/// to buckets first: searches in all of them would wait for memory at every step.
pub fn pooled_counts<T>(t: &[f64], pool: ArrayView2<'_, T>, pulse: Pulse) -> Result<(Vec<f64>, f64)>
where
    T: Copy + Into<f64> + Sync,
{
    let mut sizes = vec![0usize; pool.nrows()];
    let rows = (SLAB / 16 / pool.ncols().max(1)).max(1);
    let parts = pool.axis_chunks_iter(Axis(0), rows);
    threads::for_each_or_stop(
        parts.zip(sizes.chunks_mut(rows)).collect(),
        pool.len(),
        pulse,
        || (),
        |(), (part, sizes)| {
            for (row, size) in part.rows().into_iter().zip(sizes) {
                *size = row.iter().filter(|x| !(**x).into().is_nan()).count();
            }
        },
    )?;
    let some = sizes.iter().filter(|size| **size > 0).count();
    let size = sizes.iter().sum::<usize>() as f64 / some as f64;
    // Whole numbers: their sum is the same in any order.
    let weigh = |own: &usize| (ONE * (size / *own as f64)).round() as u64;
    let weights: Vec<u64> = sizes.iter().map(weigh).collect();

    let (bounds, buckets) = deal_targets(t);
    // At i, pool values that reach the i lowest targets of a bucket and no more.
    let counters = |bucket: &Sorted| vec![0u64; bucket.values.len() + 1];
    let mut reached: Vec<Vec<u64>> = buckets.iter().map(counters).collect();
    let slab = (SLAB / pool.ncols().max(1)).max(1);
    let part = slab.min(pool.nrows()).div_ceil(threads::count()).max(1);
    let slabs = pool.axis_chunks_iter(Axis(0), slab);
    for (slab, weights) in slabs.zip(weights.chunks(slab)) {
        pulse()?;
        let parts = slab.axis_chunks_iter(Axis(0), part);
        let mut dealt: Vec<Vec<Dealt>> = vec![vec![]; parts.len()];
        threads::for_each(
            parts.zip(weights.chunks(part)).zip(&mut dealt).collect(),
            slab.len(),
            || (),
            |(), ((part, weights), dealt)| {
                *dealt = match &buckets[..] {
                    [all] => {
                        let mut reached = counters(all);
                        each(part, weights, |x, weight| reached[all.search(x)] += weight);
                        vec![Dealt::Reached(reached)]
                    }
                    _ => {
                        let share = part.len() / buckets.len();
                        let values = || Vec::with_capacity(share + share / 4);
                        let mut dealt: Vec<_> = buckets.iter().map(|_| values()).collect();
                        each(part, weights, |x, weight| {
                            dealt[bounds.search(x)].push((x, weight));
                        });
                        dealt.into_iter().map(Dealt::Values).collect()
                    }
                };
            },
        );
        threads::for_each(
            buckets.iter().zip(&mut reached).enumerate().collect(),
            slab.len(),
            || (),
            |(), (at, (bucket, reached))| {
                for part in &dealt {
                    part[at].collect(bucket, reached);
                }
            },
        );
    }

    // From the highest target down: what reaches a target reaches all lower ones.
    let mut out = vec![f64::NAN; t.len()];
    let mut total = 0u64;
    for (bucket, reached) in buckets.iter().zip(reached).rev() {
        for (&(_, place), more) in bucket.values.iter().zip(&reached[1..]).rev() {
            total += more;
            out[place] = total as f64 / ONE;
        }
        total += reached[0];
    }
    Ok((out, total as f64 / ONE))
}

/// Sorts the targets into buckets, each above the last, and tells where those after the first begin.
fn deal_targets(t: &[f64]) -> (Sorted, Vec<Sorted>) {
    let targets = || (t.iter().map(|x| reached_from(*x)).zip(0..)).filter(|(x, _)| !x.is_nan());
    let count = targets().count();
    let buckets = if count < 2 * BUCKET {
        1
    } else {
        count / BUCKET
    };
    let apart = (count / (buckets * SAMPLES)).max(1);
    let samples = Sorted::new(targets().step_by(apart).collect()).values;
    let every = samples.len().div_ceil(buckets).max(1);
    let bounds = Sorted::new(samples.into_iter().step_by(every).skip(1).collect());
    let mut dealt = vec![vec![]; bounds.values.len() + 1];
    for (x, place) in targets() {
        dealt[bounds.search(x)].push((x, place));
    }
    let mut sorted = vec![Sorted::default(); dealt.len()];
    threads::for_each(
        dealt.into_iter().zip(&mut sorted).collect(),
        count,
        || (),
        |(), (targets, sorted)| *sorted = Sorted::new(targets),
    );
    (bounds, sorted)
}

/// Visits the values that are there, each with the weight of its row.
#[inline(always)]
fn each<T>(part: ArrayView2<'_, T>, weights: &[u64], mut visit: impl FnMut(f64, u64))
where
    T: Copy + Into<f64>,
{
    for (row, weight) in part.rows().into_iter().zip(weights) {
        for &x in row {
            let x: f64 = x.into();
            if !x.is_nan() {
                visit(x, *weight);
            }
        }
    }
}

/// What a part of the pool adds to a bucket: values yet to be looked up, or what they reached.
#[derive(Clone)]
enum Dealt {
    Values(Vec<(f64, u64)>),
    Reached(Vec<u64>),
}

impl Dealt {
    fn collect(&self, bucket: &Sorted, all: &mut [u64]) {
        match self {
            Self::Values(values) => {
                for &(x, weight) in values {
                    all[bucket.search(x)] += weight;
                }
            }
            Self::Reached(reached) => {
                for (sum, own) in all.iter_mut().zip(reached) {
                    *sum += own;
                }
            }
        }
    }
}

/// The least value that is not below x, rounding apart.
fn reached_from(x: f64) -> f64 {
    if x.is_infinite() {
        x
    } else {
        x - 1e-9 * x.abs() - 1e-12
    }
}

/// Sorted numbers, each with its place among those given, under a grid of equal steps, which leaves
/// a search a few numbers to look at.
#[derive(Clone, Default)]
struct Sorted {
    values: Vec<(f64, usize)>,
    low: f64,
    steps_per_unit: f64,
    /// starts[s]: where the values of step s begin; one more for the end.
    starts: Vec<u32>,
}

impl Sorted {
    fn new(given: Vec<(f64, usize)>) -> Self {
        let steps = 8 * given.len() + 1;
        // Outliers would widen the grid: it covers all but the ends, and the ends share a step.
        let end = given.len() / 64;
        let mut numbers: Vec<f64> = given.iter().map(|(x, _)| *x).collect();
        let mut nth = |i: usize| *numbers.select_nth_unstable_by(i, f64::total_cmp).1;
        let (low, range) = match given.len() {
            0 => (0.0, 0.0),
            count => (nth(end), nth(count - 1 - end) - nth(end)),
        };
        let per_unit = steps as f64 / range;
        let mut sorted = Self {
            values: vec![(0.0, 0); given.len()],
            low,
            steps_per_unit: if per_unit.is_finite() { per_unit } else { 0.0 },
            starts: vec![0; steps + 1],
        };
        // Counted, then put where the counts say; what shares a step is sorted afterwards.
        for (x, _) in &given {
            let step = sorted.step(*x);
            sorted.starts[step + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut sorted.starts {
            sum += *start;
            *start = sum;
        }
        let mut next = sorted.starts.clone();
        for (x, place) in given {
            let slot = &mut next[sorted.step(x)];
            sorted.values[*slot as usize] = (x, place);
            *slot += 1;
        }
        for ends in sorted.starts.windows(2) {
            if ends[1] - ends[0] > 1 {
                sorted.values[ends[0] as usize..ends[1] as usize]
                    .sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            }
        }
        sorted
    }

    /// Never decreases in x, rounding included, so that a lower step holds lower numbers only.
    #[inline]
    fn step(&self, x: f64) -> usize {
        (((x - self.low) * self.steps_per_unit) as usize).min(self.starts.len() - 2)
    }

    /// The number of values up to x.
    #[inline]
    fn search(&self, x: f64) -> usize {
        let step = self.step(x);
        let ends = [self.starts[step], self.starts[step + 1]].map(|at| at as usize);
        ends[0] + self.values[ends[0]..ends[1]].partition_point(|(v, _)| *v <= x)
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
            let (counts, total) = pooled_counts(&t, pool.view(), &|| Ok(())).unwrap();
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
            pooled_counts(&t, pool.view(), &|| Ok(())),
            Ok((vec![3.0, 3.0, 1.0, 3.0, 1.0], 3.0))
        );
    }

    #[test]
    fn many_targets_are_dealt_to_buckets() {
        let spread = |i: usize, j: usize| ((i * 7_919 + j * 104_729) % 99_991) as f64 / 1e4 - 5.0;
        let shapes: [fn(f64) -> f64; 5] = [
            |x| x,
            f64::round,
            |x| x.powi(7) * 1e300,
            |x| x * 1e-320,
            |x| if x > 4.0 { f64::INFINITY } else { -0.0 },
        ];
        for shape in shapes {
            let count = 6 * BUCKET;
            let target = |i| {
                if i % 5 == 0 {
                    f64::NAN
                } else {
                    shape(spread(i, 1))
                }
            };
            let t: Vec<f64> = (0..count).map(target).collect();
            // Rows of four and of two numbers, which weigh the same: 3/4 and 3/2 each.
            let pool = ndarray::Array2::from_shape_fn((count / 4, 4), |(i, j)| match (i % 2, j) {
                (1, 2..) => f64::NAN,
                _ => shape(spread(i, j + 2)),
            });
            let (counts, total) = pooled_counts(&t, pool.view(), &|| Ok(())).unwrap();
            let mut reach: Vec<(f64, u64)> = pool
                .indexed_iter()
                .filter(|(_, x)| !x.is_nan())
                .map(|((i, _), x)| (*x, [3, 6][i % 2]))
                .collect();
            reach.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap());
            let mut quarters = vec![0];
            quarters.extend(reach.iter().rev().scan(0, |sum, (_, weight)| {
                *sum += weight;
                Some(*sum)
            }));
            assert_eq!(total, quarters[reach.len()] as f64 / 4.0);
            for (x, count) in t.iter().zip(counts) {
                let below = reach.partition_point(|(v, _)| *v < reached_from(*x));
                let expected = quarters[reach.len() - below] as f64 / 4.0;
                assert!(count == expected || (x.is_nan() && count.is_nan()));
            }
        }
    }
}
