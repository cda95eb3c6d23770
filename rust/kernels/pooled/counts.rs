//! How much of a pool reaches each of many numbers.

use crate::error::Result;
use crate::kernels::pooled::deal::Deal;
use crate::kernels::pooled::thresholds::{Found, Thresholds};
use crate::kernels::tile::{Lanes, LANES};
use crate::kernels::Pulse;
use crate::threads;

/// One value of a pool whose rows are all of one length.
const ONE: f64 = (1u64 << 32) as f64;
/// Numbers that are few enough to be looked up where they are, in a core's own cache.
const FEW: usize = 1 << 16;
/// Numbers of a bucket, where there are more.
const BUCKET: usize = 1 << 13;
/// Values of the pool that are dealt out at once, at least, which bounds the memory.
const DEALT: usize = 1 << 21;
/// Values of the pool between two pulses.
const SLAB: usize = 1 << 25;
/// Numbers that a thread takes at once, at most.
const PART: usize = 1 << 20;

/// Rows of values, one per record.
pub trait Pool: Sync {
    fn width(&self) -> usize;

    /// How many values each row has.
    fn sizes(&self) -> Vec<usize>;

    /// Fills a tile with the values of the records from `first` on, NaN where there is none.
    fn read(&self, first: usize, tile: &mut [Lanes]);
}

/// Puts `(1 + #{value >= t}) / (1 + #values)` in place of each of `t`, rounding apart; NaN stays.
/// Every row weighs the same, however many values it has.
///
/// The pool is neither kept nor sorted: each value is looked up among the numbers that it is held
/// against. Many numbers are dealt out to buckets first, and values to the same.
pub fn put_p_values(t: &mut [f64], pool: &impl Pool, pulse: Pulse) -> Result<()> {
    let count = t.len();
    let values = Weighted::new(pool);
    threads::for_each_or_stop(
        t.chunks_mut(PART).collect(),
        count,
        pulse,
        || (),
        |(), part| part.iter_mut().for_each(|t| *t = reached_from(*t)),
    )?;
    match count {
        ..=FEW => among_few(t, &values, pulse),
        _ => among_many(t, &values, pulse),
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

/// A pool, and what a value of each record counts for.
struct Weighted<'a, P> {
    pool: &'a P,
    /// Whole numbers, whose sum is the same in any order.
    weights: Vec<u64>,
    total: u64,
}

impl<'a, P: Pool> Weighted<'a, P> {
    fn new(pool: &'a P) -> Self {
        let sizes = pool.sizes();
        let some = sizes.iter().filter(|size| **size > 0).count();
        let size = sizes.iter().sum::<usize>() as f64 / some as f64;
        let weigh = |own: &usize| match own {
            0 => ONE as u64,
            own => (ONE * (size / *own as f64)).round() as u64,
        };
        let weights: Vec<u64> = sizes.iter().map(weigh).collect();
        let total = sizes.iter().zip(&weights);
        let total = total.map(|(size, weight)| *size as u64 * weight).sum();
        Self {
            pool,
            weights,
            total,
        }
    }

    fn len(&self) -> usize {
        self.weights.len() * self.pool.width()
    }

    /// The p-values of thresholds that so much reaches.
    fn p_values(&self, reached: Vec<u64>) -> Vec<f64> {
        let count = |reached: u64| 1.0 + reached as f64 / ONE;
        let total = count(self.total);
        reached
            .into_iter()
            .map(|reached| count(reached) / total)
            .collect()
    }

    /// Calls `body` on the values of some records, a tile at a time, with each lane's weight.
    #[inline(always)]
    fn visit(
        &self,
        records: std::ops::Range<usize>,
        tile: &mut Vec<Lanes>,
        mut body: impl FnMut(&[Lanes], &[u64; LANES]),
    ) {
        tile.resize(self.pool.width(), [f64::NAN; LANES]);
        for first in records.step_by(LANES) {
            self.pool.read(first, tile);
            let mut weights = [0; LANES];
            for (own, weight) in weights.iter_mut().zip(&self.weights[first..]) {
                *own = *weight;
            }
            body(tile, &weights);
        }
    }

    /// Calls `body` on parts of records, each with what it fills, some at a time.
    fn for_each_part<S: Send>(
        &self,
        slab: usize,
        filled: &mut [S],
        pulse: Pulse,
        body: impl Fn(&mut Vec<Lanes>, std::ops::Range<usize>, &mut S) + Sync,
        mut after: impl FnMut(&mut [S]) -> Result<()>,
    ) -> Result<()> {
        let (records, width) = (self.weights.len(), self.pool.width().max(1));
        let slab = (slab / width).max(1).next_multiple_of(LANES);
        for start in (0..records).step_by(slab) {
            pulse()?;
            let end = records.min(start + slab);
            let part = (end - start).div_ceil(filled.len()).next_multiple_of(LANES);
            threads::for_each(
                (start..end).step_by(part).zip(filled.iter_mut()).collect(),
                (end - start) * width,
                Vec::new,
                |tile, (first, filled)| body(tile, first..end.min(first + part), filled),
            );
            after(filled)?;
        }
        Ok(())
    }
}

fn among_few<P: Pool>(t: &mut [f64], values: &Weighted<'_, P>, pulse: Pulse) -> Result<()> {
    let numbers: Vec<f64> = t.iter().copied().filter(|x| !x.is_nan()).collect();
    let thresholds = Thresholds::new(&[&numbers], 4);
    // As many as there is work for beside adding up what they find.
    let parts = values.len() / (numbers.len() + (1 << 14));
    let mut found = vec![Found::new(&thresholds); parts.clamp(1, 4 * threads::count())];
    values.for_each_part(
        SLAB,
        &mut found,
        pulse,
        |tile, records, found| {
            values.visit(records, tile, |tile, weights| {
                found.add(&thresholds, tile, weights)
            });
        },
        |_| Ok(()),
    )?;
    let (found, others) = found.split_at_mut(1);
    others.iter().for_each(|other| found[0].merge(other));
    let p = values.p_values(found[0].clone().at_least(0));
    let count = t.len();
    threads::for_each(
        t.chunks_mut(1 << 12).collect(),
        count,
        || (),
        |(), t| {
            for t in t.iter_mut().filter(|t| !t.is_nan()) {
                *t = p[thresholds.reached(*t) - 1];
            }
        },
    );
    Ok(())
}

/// Numbers and what was found between them.
struct Bucket {
    thresholds: Thresholds,
    found: Found,
}

/// Values of a bucket, and what each counts for; nothing where that is one of each.
#[derive(Default)]
struct Dealt {
    numbers: Vec<Vec<f64>>,
    weights: Vec<Vec<u64>>,
}

fn among_many<P: Pool>(t: &mut [f64], values: &Weighted<'_, P>, pulse: Pulse) -> Result<()> {
    let count = t.len();
    let deal = Deal::new(t, BUCKET);
    let of_t = t.len().div_ceil(threads::count()).clamp(1, PART);
    // Lists of a part's numbers, by bucket, as they follow each other in `t`.
    let mut lists = vec![vec![]; t.len().div_ceil(of_t)];
    threads::for_each_or_stop(
        t.chunks(of_t).zip(&mut lists).collect(),
        t.len(),
        pulse,
        || (),
        |(), (t, lists)| {
            *lists = deal.lists(t.len());
            for x in t.iter().filter(|x| !x.is_nan()) {
                lists[deal.bucket(*x)].push(*x);
            }
        },
    )?;
    let mut buckets: Vec<Option<Bucket>> = (0..deal.buckets).map(|_| None).collect();
    threads::for_each_or_stop(
        buckets.iter_mut().enumerate().collect(),
        t.len(),
        pulse,
        || (),
        |(), (at, bucket)| {
            let parts: Vec<&[f64]> = lists.iter().map(|lists| lists[at].as_slice()).collect();
            let thresholds = Thresholds::new(&parts, 2);
            let found = Found::new(&thresholds);
            *bucket = Some(Bucket { thresholds, found });
        },
    )?;
    let mut buckets: Vec<Bucket> = buckets.into_iter().flatten().collect();

    let alike = values.weights.iter().all(|weight| *weight == ONE as u64);
    let slab = DEALT.max(t.len());
    let parts = (slab / PART).max(threads::count());
    let mut dealt: Vec<Dealt> = (0..parts).map(|_| Dealt::default()).collect();
    values.for_each_part(
        slab,
        &mut dealt,
        pulse,
        |tile, records, dealt| {
            let count = records.len() * values.pool.width();
            dealt.numbers = deal.lists(count);
            dealt.weights = deal.lists(if alike { 0 } else { count });
            values.visit(records, tile, |tile, weights| {
                for (x, weight) in tile.iter().flat_map(|x| x.iter().zip(weights)) {
                    if !x.is_nan() {
                        let bucket = deal.bucket(*x);
                        dealt.numbers[bucket].push(*x);
                        if !alike {
                            dealt.weights[bucket].push(*weight);
                        }
                    }
                }
            });
        },
        |dealt| {
            threads::for_each_or_stop(
                buckets.iter_mut().enumerate().collect(),
                slab,
                pulse,
                || (),
                |(), (at, bucket)| {
                    let Bucket { thresholds, found } = bucket;
                    for part in dealt.iter().filter(|part| !part.numbers.is_empty()) {
                        let numbers = &part.numbers[at];
                        if !alike {
                            for (x, weight) in numbers.iter().zip(&part.weights[at]) {
                                found.add_one(thresholds, *x, *weight);
                            }
                            continue;
                        }
                        let (tile, rest) = numbers.as_chunks();
                        found.add(thresholds, tile, &[ONE as u64; LANES]);
                        for x in rest {
                            found.add_one(thresholds, *x, ONE as u64);
                        }
                    }
                },
            )?;
            dealt.iter_mut().for_each(|part| *part = Dealt::default());
            Ok(())
        },
    )?;
    drop(dealt);

    // What lies in higher buckets.
    let mut above = vec![0; buckets.len()];
    for at in (1..buckets.len()).rev() {
        above[at - 1] = above[at] + buckets[at].found.total();
    }
    // By bucket, its lists of all parts.
    let mut by_bucket: Vec<Vec<&mut Vec<f64>>> = (0..buckets.len()).map(|_| vec![]).collect();
    for lists in &mut lists {
        for (own, list) in by_bucket.iter_mut().zip(lists) {
            own.push(list);
        }
    }
    threads::for_each_or_stop(
        buckets.into_iter().zip(above).zip(by_bucket).collect(),
        t.len(),
        pulse,
        || (),
        |(), ((bucket, above), lists)| {
            let p = values.p_values(bucket.found.at_least(above));
            for x in lists.into_iter().flatten() {
                *x = p[bucket.thresholds.reached(*x) - 1];
            }
        },
    )?;
    threads::for_each_or_stop(
        t.chunks_mut(of_t).zip(lists).collect(),
        count,
        pulse,
        || (),
        |(), (t, lists)| {
            let mut found: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
            for t in t.iter_mut().filter(|t| !t.is_nan()) {
                let p = found[deal.bucket(*t)].next();
                *t = p.expect("each number was dealt out");
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2};
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use crate::kernels::tile::References;

    impl Pool for ArrayView2<'_, f64> {
        fn width(&self) -> usize {
            self.ncols()
        }

        fn sizes(&self) -> Vec<usize> {
            self.rows()
                .into_iter()
                .map(|row| valid(row).len())
                .collect()
        }

        fn read(&self, first: usize, tile: &mut [Lanes]) {
            References::new(*self, None).unwrap().read(first, tile);
        }
    }

    /// The p-values in the way for few numbers, and in the one for many.
    fn both_ways(t: &[f64], pool: ArrayView2<'_, f64>) -> [Vec<f64>; 2] {
        let values = Weighted::new(&pool);
        [true, false].map(|few| {
            let mut p: Vec<f64> = t.iter().map(|x| reached_from(*x)).collect();
            match few {
                true => among_few(&mut p, &values, &|| Ok(())).unwrap(),
                false => among_many(&mut p, &values, &|| Ok(())).unwrap(),
            }
            p
        })
    }

    fn bits(p: &[f64]) -> Vec<u64> {
        p.iter().map(|x| x.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn agree_with_a_scan_of_all_pairs((t, pool) in records()) {
            let [few, many] = both_ways(&t, pool.view());
            prop_assert_eq!(bits(&few), bits(&many));
            let rows: Vec<Vec<f64>> = pool.rows().into_iter().map(valid).collect();
            let size = rows.iter().map(Vec::len).sum::<usize>() as f64;
            let size = size / rows.iter().filter(|row| !row.is_empty()).count() as f64;
            let weight = |row: &Vec<f64>, reach: f64| {
                let reached = row.iter().filter(|v| **v >= reach).count() as f64;
                if reached > 0.0 { reached * size / row.len() as f64 } else { 0.0 }
            };
            let sum = |reach: f64| 1.0 + rows.iter().map(|row| weight(row, reach)).sum::<f64>();
            for (x, p) in t.iter().zip(few) {
                let all = sum(f64::NEG_INFINITY);
                let expected = if x.is_nan() { f64::NAN } else { sum(reached_from(*x)) / all };
                prop_assert!(close(p, expected, 1.0));
            }
        }
    }

    #[test]
    fn values_reach_what_differs_by_rounding() {
        let pool = ndarray::array![[0.1 + 0.2, 1.0, f64::INFINITY]];
        let t = [0.3, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY, 1.0 + 1e-6];
        for p in both_ways(&t, pool.view()) {
            assert_eq!(p, [1.0, 1.0, 0.5, 1.0, 0.5]);
        }
    }

    #[test]
    fn many_numbers_are_dealt_to_buckets() {
        let spread = |i: usize, j: usize| ((i * 7_919 + j * 104_729) % 99_991) as f64 / 1e4 - 5.0;
        let shapes: [fn(f64) -> f64; 5] = [
            |x| x,
            f64::round,
            |x| x.powi(7) * 1e300,
            |x| x * 1e-320,
            |x| if x > 4.0 { f64::INFINITY } else { -0.0 },
        ];
        for (shape, uneven) in shapes.into_iter().zip([true, false, true, false, true]) {
            let count = 3 * BUCKET;
            let t = (0..count).map(|i| {
                if i % 5 == 0 {
                    f64::NAN
                } else {
                    shape(spread(i, 1))
                }
            });
            let t: Vec<f64> = t.collect();
            // Rows of four and, of some pools, of two numbers, which weigh the same.
            let pool = Array2::from_shape_fn((count / 4, 4), |(i, j)| match (i % 2, j) {
                (1, 2..) if uneven => f64::NAN,
                _ => shape(spread(i, j + 2)),
            });
            let weights = if uneven { [3, 6] } else { [4, 4] };
            let cells = pool.indexed_iter().filter(|(_, x)| !x.is_nan());
            let mut reach: Vec<(f64, u64)> =
                cells.map(|((i, _), x)| (*x, weights[i % 2])).collect();
            reach.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap());
            let quarters: Vec<u64> = reach
                .iter()
                .scan(4, |sum, (_, weight)| {
                    *sum += weight;
                    Some(*sum)
                })
                .collect();
            let all = *quarters.last().unwrap() as f64;
            let [few, many] = both_ways(&t, pool.view());
            assert_eq!(bits(&few), bits(&many));
            for (x, p) in t.iter().zip(few) {
                let above = reach.partition_point(|(v, _)| *v >= reached_from(*x));
                let expected = if above == 0 {
                    4.0
                } else {
                    quarters[above - 1] as f64
                } / all;
                assert!(close(p, expected, 1.0) || x.is_nan() && p.is_nan());
            }
        }
    }
}
