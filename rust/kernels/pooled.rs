//! How many of all references' own statistics reach each target's.

use ndarray::{ArrayView2, Axis};

use crate::error::Result;
use crate::kernels::{wide, Pulse};
use crate::threads;

/// One value of a pool whose rows are all of one length.
const ONE: f64 = (1u64 << 32) as f64;
/// Values of a bucket: with what is found of them they fit a core's own cache.
const BUCKET: usize = 1 << 13;
/// Values that decide where buckets begin, for each bucket.
const SAMPLES: usize = 32;
/// Values of the pool that are dealt out at once, at least, which bounds the memory.
const SLAB: usize = 1 << 21;
/// Numbers that a thread deals out at once, at most.
const PART: usize = 1 << 20;

/// Returns, for each of `t`, the number of `pool` values that reach it (NaN for NaN), and of all of
/// them. Every row weighs the same, however many of its values are NaN.
///
/// Nothing is sorted: targets and values are dealt out to the same buckets, whose values are then
/// dealt out to steps. A target is reached by all values of higher buckets and steps, and is
/// compared with the few of its own step.
pub fn pooled_counts<T>(t: &[f64], pool: ArrayView2<'_, T>, pulse: Pulse) -> Result<(Vec<f64>, f64)>
where
    T: Copy + Into<f64> + Sync,
{
    let weights = weights(pool, pulse)?;
    let alike = weights.iter().all(|weight| *weight == ONE as u64);
    // As many as there are targets: each slab is compared with all of them.
    let slab = (SLAB.max(t.len()) / pool.ncols().max(1)).max(1);
    let deal = Deal::new(pool, slab.saturating_mul(pool.ncols()));
    let of_t = t.len().div_ceil(threads::count()).clamp(1, PART);
    let mut dealt = vec![vec![]; t.len().div_ceil(of_t)];
    threads::for_each_or_stop(
        t.chunks(of_t).zip(&mut dealt).collect(),
        t.len(),
        pulse,
        || (),
        |(), (t, dealt)| *dealt = deal.targets(t),
    )?;
    // Targets and what reached them, by bucket and part, where they stand in their order.
    let mut buckets: Vec<Vec<Targets>> = vec![vec![]; deal.buckets];
    for (bucket, targets) in dealt.into_iter().flat_map(|part| (0..).zip(part)) {
        buckets[bucket].push(targets);
    }

    let mut total = 0;
    let part = slab.min(pool.nrows()).div_ceil(threads::count());
    let part = part.clamp(1, (PART / pool.ncols().max(1)).max(1));
    let slabs = pool.axis_chunks_iter(Axis(0), slab);
    for (slab, weights) in slabs.zip(weights.chunks(slab)) {
        pulse()?;
        let parts = slab.axis_chunks_iter(Axis(0), part);
        let mut dealt = vec![vec![]; parts.len()];
        threads::for_each_or_stop(
            parts.zip(weights.chunks(part)).zip(&mut dealt).collect(),
            slab.len(),
            pulse,
            || (),
            |(), ((part, weights), dealt)| *dealt = deal.values(part, weights, alike),
        )?;
        let totals = (0..deal.buckets).map(|at| dealt.iter().map(|part| part[at].total()).sum());
        // With all that lies in higher buckets.
        let mut from: Vec<u64> = totals.collect();
        for bucket in (1..deal.buckets).rev() {
            from[bucket - 1] += from[bucket];
        }
        total += from[0];
        threads::for_each_or_stop(
            buckets.iter_mut().zip(from).enumerate().collect(),
            slab.len() + t.len(),
            pulse,
            Steps::default,
            |steps, (at, (targets, from))| {
                let own: Vec<&Values> = dealt.iter().map(|part| &part[at]).collect();
                steps.fill(&own, from);
                for targets in targets {
                    look_up(steps, &targets.numbers, &mut targets.reached);
                }
            },
        )?;
    }

    let mut out = vec![f64::NAN; t.len()];
    threads::for_each_or_stop(
        t.chunks(of_t)
            .zip(out.chunks_mut(of_t))
            .enumerate()
            .collect(),
        t.len(),
        pulse,
        || (),
        |(), (at, (t, out))| {
            let mut found: Vec<_> = buckets
                .iter()
                .map(|bucket| bucket[at].reached.iter())
                .collect();
            for (out, x) in out.iter_mut().zip(t) {
                if !x.is_nan() {
                    let reached = found[deal.bucket(reached_from(*x))].next();
                    *out = *reached.expect("each target was dealt out") as f64 / ONE;
                }
            }
        },
    )?;
    Ok((out, total as f64 / ONE))
}

/// What a value of each row counts for: whole numbers, whose sum is the same in any order.
fn weights<T>(pool: ArrayView2<'_, T>, pulse: Pulse) -> Result<Vec<u64>>
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
    let weigh = |own: &usize| match own {
        0 => ONE as u64,
        own => (ONE * (size / *own as f64)).round() as u64,
    };
    Ok(sizes.iter().map(weigh).collect())
}

/// The least value that is not below x, rounding apart.
fn reached_from(x: f64) -> f64 {
    if x.is_infinite() {
        x
    } else {
        x - 1e-9 * x.abs() - 1e-12
    }
}

/// Targets of a bucket, and what has reached each of them.
#[derive(Clone, Default)]
struct Targets {
    numbers: Vec<f64>,
    reached: Vec<u64>,
}

/// Values of a bucket.
#[derive(Clone, Default)]
struct Values {
    numbers: Vec<f64>,
    /// What each counts for; none where that is one of each.
    weights: Vec<u64>,
}

impl Values {
    fn total(&self) -> u64 {
        if self.weights.is_empty() {
            self.numbers.len() as u64 * ONE as u64
        } else {
            self.weights.iter().sum()
        }
    }
}

/// Which bucket a number goes to; each bucket lies above the last.
struct Deal {
    buckets: usize,
    /// By the leading bits of a number.
    of_cell: Vec<u16>,
    shift: u32,
}

impl Deal {
    /// Leading bits: 256 cells between a number and its double.
    const BITS: u32 = 20;
    /// Buckets at most.
    const MOST: usize = 1 << 12;

    /// Makes buckets for `at_once` values of the pool, or all of them.
    fn new<T: Copy + Into<f64>>(pool: ArrayView2<'_, T>, at_once: usize) -> Self {
        let buckets = (pool.len().min(at_once) / BUCKET).clamp(1, Self::MOST);
        if buckets == 1 {
            return Self {
                buckets,
                of_cell: vec![0; 2],
                shift: 63,
            };
        }
        let shift = 64 - Self::BITS;
        let (wanted, rows) = (buckets * SAMPLES, pool.nrows());
        // From rows and columns all over the table.
        let value = |i: usize| pool[(i * rows / wanted, i % pool.ncols())].into();
        let sample = (0..wanted).map(value).filter(|x| !x.is_nan());
        let mut cells: Vec<usize> = sample.map(|x| (rank(x) >> shift) as usize).collect();
        cells.sort_unstable();
        let mut bounds: Vec<usize> = cells.into_iter().step_by(SAMPLES).skip(1).collect();
        bounds.dedup();
        let mut of_cell = vec![];
        for (bucket, bound) in (0..).zip(&bounds) {
            of_cell.resize(*bound, bucket);
        }
        of_cell.resize(1 << Self::BITS, bounds.len() as u16);
        Self {
            buckets: bounds.len() + 1,
            of_cell,
            shift,
        }
    }

    #[inline(always)]
    fn bucket(&self, x: f64) -> usize {
        self.of_cell[(rank(x) >> self.shift) as usize].into()
    }

    /// Room for a bucket's share of `count` numbers, and some more.
    fn room<T>(&self, count: usize) -> Vec<T> {
        let share = count / self.buckets;
        Vec::with_capacity(share + share / 4)
    }

    fn targets(&self, t: &[f64]) -> Vec<Targets> {
        let room = |_| Targets {
            numbers: self.room(t.len()),
            reached: vec![],
        };
        let mut dealt: Vec<Targets> = (0..self.buckets).map(room).collect();
        for x in t.iter().map(|x| reached_from(*x)).filter(|x| !x.is_nan()) {
            dealt[self.bucket(x)].numbers.push(x);
        }
        for targets in &mut dealt {
            targets.reached = vec![0; targets.numbers.len()];
        }
        dealt
    }

    fn values<T>(&self, part: ArrayView2<'_, T>, weights: &[u64], alike: bool) -> Vec<Values>
    where
        T: Copy + Into<f64>,
    {
        let room = |_| Values {
            numbers: self.room(part.len()),
            weights: vec![],
        };
        let mut dealt: Vec<Values> = (0..self.buckets).map(room).collect();
        for (row, &weight) in part.rows().into_iter().zip(weights) {
            for x in row.iter().map(|&x| x.into()).filter(|x| !x.is_nan()) {
                let bucket = &mut dealt[self.bucket(x)];
                bucket.numbers.push(x);
                if !alike {
                    bucket.weights.push(weight);
                }
            }
        }
        dealt
    }
}

/// A whole number that grows with x, the same for both zeros.
#[inline(always)]
fn rank(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits() as i64;
    // Negative numbers the other way round, and below the others.
    (bits ^ (bits >> 63 | i64::MIN)) as u64
}

/// The values of a bucket, dealt out to steps of equal width.
#[derive(Default)]
struct Steps {
    low: f64,
    per_unit: f64,
    /// starts[s]: where the values of step s begin; one more for the end.
    starts: Vec<u32>,
    /// from[s]: what the values of step s and of all above it count for.
    from: Vec<u64>,
    /// Followed by as many NaN as are looked at together. Those of a long step are in order.
    values: Vec<f64>,
    /// What each counts for; in a long step with those before it. None where all count for one.
    weights: Vec<u64>,
    next: Vec<u32>,
}

impl Steps {
    /// Values that are looked at together; steps hold half as many.
    const FEW: usize = 8;
    /// Values of a step from which it is searched, not looked through.
    const LONG: usize = 64;

    /// Takes the values of some parts. `from`: what they and all above them count for.
    fn fill(&mut self, parts: &[&Values], from: u64) {
        let count = parts.iter().map(|part| part.numbers.len()).sum::<usize>();
        let alike = parts.iter().all(|part| part.weights.is_empty());
        let numbers = || parts.iter().flat_map(|part| &part.numbers).copied();
        let mut sample: Vec<f64> = numbers().step_by(count / 256 + 1).collect();
        sample.sort_unstable_by(f64::total_cmp);
        // Outliers would widen the grid: it covers all but the ends, and the ends share a step.
        let end = sample.len() / 64;
        let ends = [sample.get(end), sample.iter().nth_back(end)];
        let [low, high] = ends.map(|x| x.copied().unwrap_or(0.0));
        let steps = 2 * count / Self::FEW + 1;
        let per_unit = steps as f64 / (high - low);
        self.low = low;
        self.per_unit = if per_unit.is_finite() { per_unit } else { 0.0 };
        // Counted, then put where the counts say.
        self.starts.clear();
        self.starts.resize(steps + 1, 0);
        for x in numbers() {
            let step = self.step(x);
            self.starts[step + 1] += 1;
        }
        for step in 0..steps {
            self.starts[step + 1] += self.starts[step];
        }
        self.next.clone_from(&self.starts);
        self.values.clear();
        self.values.resize(count + Self::FEW, f64::NAN);
        self.weights.clear();
        self.weights.resize(if alike { 0 } else { count }, 0);
        for part in parts {
            for (i, &x) in part.numbers.iter().enumerate() {
                let step = self.step(x);
                let place = self.next[step] as usize;
                self.next[step] += 1;
                self.values[place] = x;
                if let Some(weight) = self.weights.get_mut(place) {
                    *weight = part.weights[i];
                }
            }
        }
        self.from.clear();
        let mut left = from;
        for step in 0..steps {
            self.from.push(left);
            let own = self.starts[step] as usize..self.starts[step + 1] as usize;
            left -= match alike {
                true => own.len() as u64 * ONE as u64,
                false => self.weights[own.clone()].iter().sum(),
            };
            if own.len() > Self::LONG {
                self.sort(own);
            }
        }
    }

    fn sort(&mut self, step: std::ops::Range<usize>) {
        let values = &mut self.values[step.clone()];
        if self.weights.is_empty() {
            return values.sort_unstable_by(f64::total_cmp);
        }
        let weights = &mut self.weights[step];
        let mut pairs: Vec<_> = values
            .iter()
            .copied()
            .zip(weights.iter().copied())
            .collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut sum = 0;
        for ((value, weight), pair) in values.iter_mut().zip(weights).zip(pairs) {
            sum += pair.1;
            (*value, *weight) = (pair.0, sum);
        }
    }

    /// Never decreases in x, rounding included, so that a lower step holds lower numbers only.
    #[inline(always)]
    fn step(&self, x: f64) -> usize {
        (((x - self.low) * self.per_unit) as usize).min(self.starts.len() - 2)
    }

    /// What the values of x's step below it count for, by what some values count for that are
    /// looked at together, and by what those of a long step do.
    #[inline(always)]
    fn reach(
        &self,
        x: f64,
        few: impl Fn(usize, &[f64; Self::FEW]) -> u64,
        long: impl Fn(usize, usize) -> u64,
    ) -> u64 {
        let step = self.step(x);
        let [start, end] = [self.starts[step], self.starts[step + 1]].map(|at| at as usize);
        if end - start > Self::LONG {
            let below = self.values[start..end].partition_point(|v| *v < x);
            return self.from[step] - long(start, below);
        }
        let mut below = 0;
        let mut first = start;
        // Once without asking: what lies beyond the step is not below x.
        loop {
            let together = self.values[first..].first_chunk();
            below += few(first, together.expect("NaN follow the values"));
            first += Self::FEW;
            if first >= end {
                return self.from[step] - below;
            }
        }
    }
}

wide! {
    /// Adds to each target what reached it.
    fn look_up(steps: &Steps, targets: &[f64], reached: &mut [u64]) {
        if steps.weights.is_empty() {
            for (x, reached) in targets.iter().zip(reached) {
                let below = |few: &[f64; Steps::FEW]| few.iter().map(|v| u64::from(v < x)).sum::<u64>();
                *reached += steps.reach(
                    *x,
                    |_, few| ONE as u64 * below(few),
                    |_, below| ONE as u64 * below as u64,
                );
            }
            return;
        }
        for (x, reached) in targets.iter().zip(reached) {
            *reached += steps.reach(
                *x,
                |first, few| {
                    let weights = few.iter().zip(&steps.weights[first..]);
                    weights.map(|(v, weight)| if v < x { *weight } else { 0 }).sum()
                },
                |start, below| if below > 0 { steps.weights[start + below - 1] } else { 0 },
            );
        }
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
