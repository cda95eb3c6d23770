//! The empirical distribution of each record's references, smoothed by a monotone cubic (PCHIP:
//! Fritsch and Butland's slopes, as SciPy has them), read at the record's signals.
//!
//! Numbers are ascending here, the more like a member the lower, as losses are. A knot is a
//! distinct number with the count of references up to and including it. Everything is in lengths
//! of the interval at hand, which neither overflows nor underflows, and in counts.

mod cubic;
mod knots;
mod near;

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::math::softplus_block;
use crate::kernels::rows::for_each_chunk;
use crate::kernels::sorting::BLOCK;
use crate::kernels::tile::LANES;
use crate::kernels::{wide, Pulse};
use knots::Knots;
use near::all_near;

const FURTHEST: f64 = f64::MAX / 4.0;
/// References whose sorting takes the time in which one signal finds its own four knots.
const SORTED_MEANWHILE: usize = 80;

/// Returns one p-value per signal, row by row: 0 beyond all references, NaN for NaN, 1 without
/// references. Signals are higher for members; with `of_loss` they are rescaled logits, and the
/// distribution that of their losses, ln(1 + e^-signal).
pub fn pchip_p_values<S, R>(
    signal: ArrayView2<'_, S>,
    references: ArrayView2<'_, R>,
    of_loss: bool,
    pulse: Pulse,
) -> Result<Vec<f64>>
where
    S: Copy + Into<f64> + Sync,
    R: Copy + Into<f64> + Sync,
{
    let (width, models) = (signal.ncols(), references.ncols());
    let few = width <= 2 + models / SORTED_MEANWHILE;
    for_each_chunk(
        (signal, references),
        (models + width) * 32 + models * width,
        pulse,
        Knots::default,
        |knots, chunk, _, rows| {
            ascending(chunk.signals.all_mut());
            ascending(chunk.references.all_mut());
            if !few && of_loss {
                losses(chunk.signals.all_mut());
            }
            let last = rows.len() / width;
            for first in (0..last).step_by(LANES) {
                let group = first..last.min(first + LANES);
                let mut sorted = false;
                for record in group.clone() {
                    let p = &mut rows[record * width..(record + 1) * width];
                    let own = chunk.signals.row_mut(record);
                    if few {
                        if all_near(own, chunk.references.row(record), of_loss, p) {
                            continue;
                        }
                        if of_loss {
                            losses(own);
                        }
                    }
                    if !sorted {
                        let rows = group.clone().map(|i| &chunk.references.row(i)[..models]);
                        knots.sort(rows, of_loss);
                        sorted = true;
                    }
                    knots.take(record - first);
                    knots.p_values(&own[..width], p);
                }
            }
        },
    )
}

wide! {
    /// Turns signals round; infinite ones become the furthest whose differences are finite.
    fn ascending(signals: &mut [f64]) {
        for x in signals {
            // Comparisons with NaN are false, which keeps it.
            let y = if -*x > FURTHEST { FURTHEST } else { -*x };
            *x = if y < -FURTHEST { -FURTHEST } else { y };
        }
    }
}

wide! {
    /// Turns rescaled logits, the signs turned round, into losses; the number of them is a multiple
    /// of a vector's.
    fn losses(values: &mut [f64]) {
        let (blocks, rest) = values.as_chunks_mut::<BLOCK>();
        for block in blocks {
            losses_of(block);
        }
        for block in rest.as_chunks_mut::<LANES>().0 {
            losses_of(block);
        }
    }
}

#[inline(always)]
fn losses_of<const N: usize>(values: &mut [f64; N]) {
    let losses = softplus_block(*values);
    for l in 0..N {
        values[l] = if values[l].is_nan() {
            f64::NAN
        } else {
            losses[l]
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::kernels::testing::{close, records, valid};
    use ndarray::{array, Array2};
    use proptest::prelude::*;

    /// The textbook's way: slopes of each knot, one cubic in x.
    fn definition(x: f64, references: &[f64]) -> f64 {
        let mut sorted = references.to_vec();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let total = sorted.len() as f64;
        let mut knots: Vec<(f64, f64)> = Vec::new();
        for (i, &at) in sorted.iter().enumerate() {
            let share = (i + 1) as f64 / total;
            match knots.last_mut() {
                Some(last) if last.0 == at => last.1 = share,
                _ => knots.push((at, share)),
            }
        }
        let n = knots.partition_point(|k| k.0 <= x);
        if x.is_nan() {
            return f64::NAN;
        } else if n == knots.len() {
            return 1.0;
        } else if n == 0 {
            return 0.0;
        } else if knots.len() < 3 {
            return knots[n - 1].1;
        }
        let h = |i: usize| knots[i + 1].0 - knots[i].0;
        let m = |i: usize| (knots[i + 1].1 - knots[i].1) / h(i);
        let end = |i: usize, j: usize| {
            (((2.0 * h(i) + h(j)) * m(i) - h(i) * m(j)) / (h(i) + h(j))).max(0.0)
        };
        let last = knots.len() - 1;
        let d = |i: usize| {
            if i == 0 {
                return end(0, 1);
            } else if i == last {
                return end(last - 1, last - 2);
            }
            let (w0, w1) = (2.0 * h(i) + h(i - 1), h(i) + 2.0 * h(i - 1));
            (w0 + w1) / (w0 / m(i - 1) + w1 / m(i))
        };
        let (i, u) = (n - 1, x - knots[n - 1].0);
        let (d0, d1, m, h) = (d(i), d(i + 1), m(i), h(i));
        let (c, b) = ((3.0 * m - 2.0 * d0 - d1) / h, (d0 + d1 - 2.0 * m) / (h * h));
        knots[i].1 + u * (d0 + u * (c + u * b))
    }

    fn of(signal: &Array2<f64>, references: &Array2<f64>, of_loss: bool) -> Vec<f64> {
        pchip_p_values(signal.view(), references.view(), of_loss, &|| Ok(())).unwrap()
    }

    proptest! {
        #[test]
        fn agree_with_the_textbook((signal, table) in records()) {
            let own = Array2::from_shape_fn((signal.len(), 3), |(i, j)| signal[i] + j as f64);
            for (i, p) in of(&own, &table, false).into_iter().enumerate() {
                let x: Vec<f64> = valid(table.row(i / 3)).iter().map(|x| -x).collect();
                let expected = definition(-own[[i / 3, i % 3]], &x);
                // Where knots are next to one another, its slopes overflow.
                let overflows = expected.is_nan() && (0.0..=1.0).contains(&p);
                prop_assert!(close(p, expected, 1.0) || overflows, "{p} {expected}");
            }
        }

        #[test]
        fn one_signal_or_many_make_no_difference(
            (signal, table) in records(), of_loss: bool, scale in prop_oneof![Just(1.0), Just(200.0), Just(1e-16)]
        ) {
            let table = table.mapv(|x| x * scale);
            let one = Array2::from_shape_fn((signal.len(), 1), |(i, _)| signal[i] * scale);
            let many = Array2::from_shape_fn((signal.len(), 50), |(i, _)| signal[i] * scale);
            let many = of(&many, &table, of_loss);
            for (i, p) in of(&one, &table, of_loss).iter().enumerate() {
                prop_assert_eq!(p.to_bits(), many[50 * i + 49].to_bits());
            }
        }

        #[test]
        fn never_rise_with_the_signal((_, table) in records(), of_loss: bool) {
            let rising = Array2::from_shape_fn((table.nrows(), 90), |(_, j)| (j as f64 - 45.0) / 2.0);
            for p in of(&rising, &table, of_loss).chunks(90) {
                prop_assert!(p.windows(2).all(|p| p[1] <= p[0]));
                prop_assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
            }
        }
    }

    #[test]
    fn extremes() {
        let inf = f64::INFINITY;
        let table = array![[800.0, 900.0, 1000.0, 5.0, 4.0], [inf, 3.0, 2.0, 1.0, -inf]];
        let at = |x: f64, of_loss| of(&array![[x], [x]], &table, of_loss);
        // Three losses of 0.
        assert_eq!(at(850.0, true)[0], 0.6);
        assert_eq!(at(inf, true), [0.6, 0.2]);
        assert_eq!(at(-inf, true), [1.0, 1.0]);
        assert_eq!(at(3.0, false), [1.0, 0.4]);
        let huge = array![[f64::MAX, -f64::MAX, 1e307, 0.0, 5e-324, 1e-308]];
        for x in [1e307, 1e300, 1.0, 1e-310, 0.0, -1e307] {
            let p = of(&array![[x]], &huge, false)[0];
            assert!((1.0 / 6.0..1.0).contains(&p), "{x} {p}");
        }
    }

    #[test]
    fn a_pulse_may_stop() {
        let table = Array2::<f64>::zeros((3, 4));
        let stopped = pchip_p_values(table.view(), table.view(), true, &|| {
            Err(Error::Interrupted)
        });
        assert_eq!(stopped, Err(Error::Interrupted));
    }
}
