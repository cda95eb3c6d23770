//! Sorting and counting without branches, many numbers at a time.

#[cfg(target_arch = "x86_64")]
use crate::kernels::machine::has;
use crate::kernels::tile::{Lanes, LANES};
use crate::kernels::wide;

/// Numbers read at once: enough for the additions of one to hide behind those of the others.
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
    let (mut lanes, rest) = own.as_chunks::<LANES>();
    let (mut of_lanes, of_rest) = counts.as_chunks_mut::<LANES>();
    while !lanes.is_empty() {
        let taken = match lanes.len() {
            left @ ..4 => left,
            6 => 3,
            left if left % 4 == 0 || left == 7 => 4,
            _ => 5,
        };
        match taken {
            1 => count_lanes::<1>(values, lanes, of_lanes, &reached),
            2 => count_lanes::<2>(values, lanes, of_lanes, &reached),
            3 => count_lanes::<3>(values, lanes, of_lanes, &reached),
            4 => count_lanes::<4>(values, lanes, of_lanes, &reached),
            _ => count_lanes::<5>(values, lanes, of_lanes, &reached),
        }
        (lanes, of_lanes) = (&lanes[taken..], &mut of_lanes[taken..]);
    }
    count_rest(values, rest, of_rest, reached);
}

/// Some lanes at a time: the additions of one hide behind those of the others.
#[inline(always)]
fn count_lanes<const N: usize>(
    values: &[f64],
    own: &[Lanes],
    counts: &mut [Lanes],
    reached: &impl Fn(f64, f64) -> bool,
) {
    let own = &own[..N];
    let mut sums = [[0.0; LANES]; N];
    for &x in values {
        for (sums, own) in sums.iter_mut().zip(own) {
            for l in 0..LANES {
                sums[l] += if reached(x, own[l]) { 1.0 } else { 0.0 };
            }
        }
    }
    counts[..N].copy_from_slice(&sums);
}

/// The other way round for a few: one of them, many values.
#[inline(always)]
fn count_rest(values: &[f64], own: &[f64], counts: &mut [f64], reached: impl Fn(f64, f64) -> bool) {
    let (blocks, last) = values.as_chunks::<BLOCK>();
    for (&own, count) in own.iter().zip(counts) {
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

/// A function that counts; comparisons of AVX-512 by their name, others as they are written.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $named:ident, $operator:tt) => {
        $(#[$doc])*
        pub fn $name(values: &[f64], own: &[f64], counts: &mut [f64]) {
            wide! {
                fn narrow(values: &[f64], own: &[f64], counts: &mut [f64]) {
                    count(values, own, counts, |x, own| x $operator own);
                }
            }

            assert!(counts.len() >= own.len());
            #[cfg(target_arch = "x86_64")]
            if own.len() >= LANES && has!("avx512f") {
                let done = own.len() / LANES * LANES;
                // SAFETY: the feature was just detected.
                unsafe { avx512::count::<{ avx512::$named }>(values, &own[..done], counts) };
                return narrow(values, &own[done..], &mut counts[done..]);
            }
            narrow(values, own, counts);
        }
    };
}

counter! {
    /// Counts the values at or above each of `own`; NaN is neither.
    count_at_least, AT_LEAST, >=
}

counter! {
    /// Counts the values above each of `own`.
    count_above, ABOVE, >
}

counter! {
    /// Counts the values at or below each of `own`.
    count_at_most, AT_MOST, <=
}

/// Comparing and adding in two instructions, where a compiler writes three.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use crate::kernels::tile::{Lanes, LANES};

    pub const AT_LEAST: i32 = _CMP_GE_OQ;
    pub const ABOVE: i32 = _CMP_GT_OQ;
    pub const AT_MOST: i32 = _CMP_LE_OQ;

    /// Writes for each of whole lanes how many values compare so with it.
    ///
    /// # Safety
    ///
    /// The processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn count<const HOW: i32>(values: &[f64], own: &[f64], counts: &mut [f64]) {
        let mut own = own.as_chunks().0;
        let mut counts = counts.as_chunks_mut().0;
        while !own.is_empty() {
            let taken = match own.len() {
                left @ ..8 => left,
                left @ ..14 => left.div_ceil(2),
                _ => 7,
            };
            match taken {
                1 => some::<HOW, 1>(values, own, counts),
                2 => some::<HOW, 2>(values, own, counts),
                3 => some::<HOW, 3>(values, own, counts),
                4 => some::<HOW, 4>(values, own, counts),
                5 => some::<HOW, 5>(values, own, counts),
                6 => some::<HOW, 6>(values, own, counts),
                _ => some::<HOW, 7>(values, own, counts),
            }
            (own, counts) = (&own[taken..], &mut counts[taken..]);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn some<const HOW: i32, const N: usize>(values: &[f64], own: &[Lanes], counts: &mut [Lanes]) {
        let one = _mm512_set1_pd(1.0);
        let (mut each, mut sums) = ([_mm512_setzero_pd(); N], [_mm512_setzero_pd(); N]);
        for (each, own) in each.iter_mut().zip(&own[..N]) {
            const { assert!(LANES == 8) };
            // SAFETY: a register is as wide as `Lanes`.
            *each = unsafe { _mm512_loadu_pd(own.as_ptr()) };
        }
        for &x in values {
            let x = _mm512_set1_pd(x);
            for (sum, own) in sums.iter_mut().zip(each) {
                let reached = _mm512_cmp_pd_mask::<HOW>(x, own);
                *sum = _mm512_mask_add_pd(*sum, reached, *sum, one);
            }
        }
        for (sum, counts) in sums.into_iter().zip(&mut counts[..N]) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_pd(counts.as_mut_ptr(), sum) };
        }
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
