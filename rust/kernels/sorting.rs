//! Sorting and counting without branches, many numbers at a time.

use crate::kernels::tile::{Lanes, LANES};
use crate::kernels::wide;

/// Numbers counted at once: enough for the additions of one to hide behind those of the others.
pub const BLOCK: usize = 4 * LANES;

wide! {
    /// Sorts every lane in ascending order; NaN must be absent.
    ///
    /// Batcher's merge exchange (Knuth, The Art of Computer Programming, 5.2.2, algorithm M):
    /// which places are compared does not depend on the numbers, so one comparison serves a lane
    /// each.
    pub fn sort_lanes(tile: &mut [Lanes]) {
        let n = tile.len();
        let top = n.next_power_of_two() / 2;
        let mut p = top;
        while p > 0 {
            let (mut q, mut offset, mut distance) = (top, 0, p);
            loop {
                for start in (offset..n.saturating_sub(distance)).step_by(2 * p) {
                    // Runs of p places, which do not overlap: distance >= p.
                    let (low, high) = tile.split_at_mut(start + distance);
                    for (a, b) in low[start..].iter_mut().zip(high).take(p) {
                        let (x, y) = (*a, *b);
                        for l in 0..LANES {
                            a[l] = if y[l] < x[l] { y[l] } else { x[l] };
                        }
                        for l in 0..LANES {
                            b[l] = if y[l] < x[l] { x[l] } else { y[l] };
                        }
                    }
                }
                if q == p {
                    break;
                }
                (distance, offset, q) = (q - p, p, q / 2);
            }
            p /= 2;
        }
    }
}

/// Writes for each of `own` the number of `values` for which `reached(value, own)` holds.
#[inline(always)]
fn count(values: &[f64], own: &[f64], counts: &mut [f64], reached: impl Fn(f64, f64) -> bool) {
    let (blocks, rest) = own.as_chunks::<BLOCK>();
    let (of_blocks, of_rest) = counts.as_chunks_mut::<BLOCK>();
    for (own, counts) in blocks.iter().zip(of_blocks) {
        let mut sums = [0.0; BLOCK];
        for &x in values {
            for l in 0..BLOCK {
                sums[l] += if reached(x, own[l]) { 1.0 } else { 0.0 };
            }
        }
        *counts = sums;
    }
    // The other way round for the few that are left: one of them, many values.
    let (blocks, last) = values.as_chunks::<BLOCK>();
    for (&own, count) in rest.iter().zip(of_rest) {
        let mut sums = [0.0; BLOCK];
        for x in blocks {
            for l in 0..BLOCK {
                sums[l] += if reached(x[l], own) { 1.0 } else { 0.0 };
            }
        }
        let tail = last.iter().filter(|x| reached(**x, own)).count();
        *count = sum(sums) + tail as f64;
    }
}

/// The sum of a block, by halves.
#[inline(always)]
pub fn sum(mut block: [f64; BLOCK]) -> f64 {
    let mut half = BLOCK / 2;
    while half > 0 {
        for l in 0..half {
            block[l] += block[l + half];
        }
        half /= 2;
    }
    block[0]
}

wide! {
    /// Counts the values at or above each of `own`; NaN is neither.
    pub fn count_at_least(values: &[f64], own: &[f64], counts: &mut [f64]) {
        count(values, own, counts, |x, own| x >= own);
    }
}

wide! {
    /// Counts the values above each of `own`.
    pub fn count_above(values: &[f64], own: &[f64], counts: &mut [f64]) {
        count(values, own, counts, |x, own| x > own);
    }
}

wide! {
    /// Counts the values at or below each of `own`.
    pub fn count_at_most(values: &[f64], own: &[f64], counts: &mut [f64]) {
        count(values, own, counts, |x, own| x <= own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(most: usize) -> impl Strategy<Value = Vec<f64>> {
        let number = prop_oneof![-2.0..2.0f64, (-2..3i32).prop_map(f64::from)];
        prop::collection::vec(number, 0..most)
    }

    proptest! {
        #[test]
        fn lanes_are_sorted_apart(values in numbers(300)) {
            let lane = |x: f64, l: usize| if l < 4 { x } else { -x * l as f64 };
            let mut tile: Vec<Lanes> =
                values.iter().map(|x| std::array::from_fn(|l| lane(*x, l))).collect();
            sort_lanes(&mut tile);
            for l in 0..LANES {
                let mut expected: Vec<f64> = values.iter().map(|x| lane(*x, l)).collect();
                expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
                prop_assert_eq!(tile.iter().map(|x| x[l]).collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn counts_agree_with_a_scan(mut values in numbers(90), own in numbers(90)) {
            values.push(f64::NAN);
            let mut counts = vec![f64::NAN; own.len()];
            let expected = |reached: fn(&f64, &f64) -> bool| -> Vec<f64> {
                own.iter().map(|o| values.iter().filter(|x| reached(x, o)).count() as f64).collect()
            };
            count_at_least(&values, &own, &mut counts);
            prop_assert_eq!(&counts, &expected(|x, o| x >= o));
            count_above(&values, &own, &mut counts);
            prop_assert_eq!(&counts, &expected(|x, o| x > o));
            count_at_most(&values, &own, &mut counts);
            prop_assert_eq!(&counts, &expected(|x, o| x <= o));
        }
    }
}
