//! Each signal standardised by all but one of its references, and each reference by all others.

use std::mem::size_of;

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::tile::{moments, Lanes, Moments, References, LANES};
use crate::kernels::{wide, Pulse};

/// Observations that the common variance counts for beside a record's own.
const PSEUDO_OBSERVATIONS: f64 = 4.0;
/// References of a record below which it has no statistic.
const FEWEST: f64 = 3.0;
/// What removing a reference leaves of the sum of squares, below which it is rounding.
const CANCELLED: f64 = 1e-12;

/// What `shrunken_t` finds.
pub struct Shrunken {
    /// S of each signal, a row per record.
    pub own: Vec<f64>,
    /// S of each reference, a row per record.
    pub each: Vec<f64>,
    /// The common variance: what was given, or the mean of the records' own.
    pub variance: f64,
}

/// Returns S of each signal against its record's references but the last, and of each reference
/// against the others, so that both stand against equally many. NaN with fewer than three.
///
/// S is `(x - mean) / sqrt(v (1 + 1 / m))` with `v = (squares + 4 variance) / (m - 1 + 4)` for m
/// references: 0 where x is their mean up to rounding, infinite where v is 0 and it is not.
/// Infinite references stand for the limit of ever larger ones.
pub fn shrunken_t<T: Copy + Into<f64> + Sync>(
    signal: ArrayView2<'_, f64>,
    references: References<'_, T>,
    variance: Option<f64>,
    pulse: Pulse,
) -> Result<Shrunken> {
    let (records, targets) = signal.dim();
    references.check_records("signal", records)?;
    let width = references.models();
    let variance = match variance {
        Some(variance) => variance,
        None => common_variance(references, pulse)?,
    };
    let common = PSEUDO_OBSERVATIONS * variance;
    // Numbers that differ by this share of their size are equal.
    let rounding = 8.0
        * match size_of::<T>() {
            4 => f64::from(f32::EPSILON),
            _ => f64::EPSILON,
        };
    let mut own = vec![f64::NAN; records * targets];
    let mut each = vec![f64::NAN; records * width];
    references.for_each_tile(
        [(&mut own, targets), (&mut each, width)],
        4 + 2 * targets / width.max(1),
        pulse,
        |tile, first, [own, each]| {
            // Differences from one of the values: what is equal stays so whatever the size.
            let shift = last_finite(tile);
            let tile: Vec<Lanes> = tile.iter().map(|x| minus(x, &shift)).collect();
            let of_all = moments(&tile);
            let equal = shift.map(|x| rounding * x.abs());
            let mut e = vec![[f64::NAN; LANES]; width];
            tile_each(&tile, &of_all, common, &equal, rounding, &mut e);
            for lane in 0..LANES.min(records - first) {
                let x = |i: usize| signal[[first + lane, i]] - shift[lane];
                let s = &mut own[lane * targets..(lane + 1) * targets];
                let row = &mut each[lane * width..(lane + 1) * width];
                let values = || tile.iter().map(|x| x[lane]);
                if of_all.count[lane] < FEWEST {
                    continue;
                }
                if !of_all.squares[lane].is_finite() {
                    let valid: Vec<f64> = values().filter(|x| !x.is_nan()).collect();
                    let baseline = &valid[..valid.len() - 1];
                    for (i, s) in s.iter_mut().enumerate() {
                        *s = extreme(x(i), baseline, common);
                    }
                    for (j, s) in row.iter_mut().enumerate() {
                        let others = values().enumerate().filter(|(i, x)| *i != j && !x.is_nan());
                        let others: Vec<f64> = others.map(|(_, x)| x).collect();
                        *s = extreme(tile[j][lane], &others, common);
                    }
                    continue;
                }
                let last = values().rfind(|x| !x.is_nan()).unwrap_or(f64::NAN);
                let rest = Rest::new(&of_all, lane, last);
                for (i, s) in s.iter_mut().enumerate() {
                    *s = rest.standardised(x(i), common, [equal[lane], rounding]);
                }
                for (s, e) in row.iter_mut().zip(&e) {
                    *s = e[lane];
                }
            }
        },
    )?;
    Ok(Shrunken {
        own,
        each,
        variance,
    })
}

/// The mean variance of the records that have a finite one; 0 without any.
fn common_variance<T: Copy + Into<f64> + Sync>(
    references: References<'_, T>,
    pulse: Pulse,
) -> Result<f64> {
    let mut variances = vec![f64::NAN; references.records()];
    references.for_each_tile([(&mut variances, 1)], 1, pulse, |tile, _, [variances]| {
        let shift = last_finite(tile);
        let tile: Vec<Lanes> = tile.iter().map(|x| minus(x, &shift)).collect();
        let found = moments(&tile);
        for (lane, variance) in variances.iter_mut().enumerate() {
            if found.count[lane] >= FEWEST {
                *variance = found.squares[lane] / (found.count[lane] - 1.0);
            }
        }
    })?;
    // In order, so that the number of threads changes no bit.
    variances.retain(|x| x.is_finite());
    let count = variances.len().max(1) as f64;
    Ok(variances.iter().map(|x| x / count).sum())
}

wide! {
    fn last_finite(tile: &[Lanes]) -> Lanes {
        let mut last = [0.0; LANES];
        for x in tile {
            for l in 0..LANES {
                last[l] = if x[l].is_finite() { x[l] } else { last[l] };
            }
        }
        last
    }
}

#[inline(always)]
fn minus(x: &Lanes, shift: &Lanes) -> Lanes {
    let mut difference = *x;
    for l in 0..LANES {
        difference[l] -= shift[l];
    }
    difference
}

wide! {
    /// Fills `each` with every reference's S against the others of its lane.
    fn tile_each(
        tile: &[Lanes], of_all: &Moments, common: f64, equal: &Lanes, rounding: f64, each: &mut [Lanes],
    ) {
        for (x, e) in tile.iter().zip(each) {
            for l in 0..LANES {
                let rest = Rest::new(of_all, l, x[l]);
                e[l] = rest.standardised(x[l], common, [equal[l], rounding]);
            }
        }
    }
}

/// Moments of a record's references but one.
struct Rest {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Rest {
    #[inline(always)]
    fn new(of_all: &Moments, lane: usize, removed: f64) -> Self {
        let count = of_all.count[lane] - 1.0;
        let deviation = removed - of_all.mean[lane];
        let all = of_all.squares[lane];
        let squares = all - deviation * deviation * (of_all.count[lane] / count);
        Self {
            count,
            mean: of_all.mean[lane] - deviation / count,
            squares: if squares > CANCELLED * all {
                squares
            } else {
                0.0
            },
        }
    }

    /// S of x; 0 within a distance from the mean, and within a share of it.
    #[inline(always)]
    fn standardised(&self, x: f64, common: f64, [distance, share]: [f64; 2]) -> f64 {
        let degrees = self.count - 1.0 + PSEUDO_OBSERVATIONS;
        let variance = (self.squares + common) / degrees * (1.0 + 1.0 / self.count);
        let deviation = x - self.mean;
        let s = deviation / variance.sqrt();
        if (deviation.abs() <= distance) | (deviation.abs() <= share * self.mean.abs()) {
            0.0
        } else {
            s
        }
    }
}

/// S where squares overflow or a reference is infinite, computed afresh.
#[cold]
fn extreme(x: f64, others: &[f64], common: f64) -> f64 {
    let size = others.iter().fold(0.0, |size: f64, y| size.max(y.abs()));
    // Beside infinite references finite ones are equal, and the common variance is nothing.
    let scaled = |y: f64| match size.is_finite() {
        true => y / size,
        false if y.is_infinite() => y.signum(),
        false => y * 0.0,
    };
    let tile: Vec<Lanes> = others.iter().map(|y| [scaled(*y); LANES]).collect();
    let of_all = moments(&tile);
    let rest = Rest {
        count: of_all.count[0],
        mean: of_all.mean[0],
        squares: of_all.squares[0],
    };
    let common = if size.is_finite() {
        common / size / size
    } else {
        0.0
    };
    rest.standardised(scaled(x), common, [0.0, 8.0 * f64::EPSILON])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use ndarray::{array, Array2};
    use proptest::prelude::*;

    fn variance(row: &[f64]) -> f64 {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let squares: f64 = row.iter().map(|x| (x - mean).powi(2)).sum();
        squares / (row.len() - 1) as f64
    }

    fn definition(x: f64, others: &[f64], variance: f64) -> f64 {
        let m = others.len() as f64;
        let mean = others.iter().sum::<f64>() / m;
        let squares: f64 = others.iter().map(|y| (y - mean).powi(2)).sum();
        let v = (squares + 4.0 * variance) / (m - 1.0 + 4.0);
        if (x - mean).abs() <= 1e-14 * mean.abs() {
            return 0.0; // also where the variance is 0
        }
        (x - mean) / (v * (1.0 + 1.0 / m)).sqrt()
    }

    proptest! {
        #[test]
        fn agrees_with_its_definition((signal, table) in records()) {
            let own = Array2::from_shape_fn((signal.len(), 2), |(i, j)| signal[i] + j as f64);
            let references = References::new(table.view(), None).unwrap();
            let found = shrunken_t(own.view(), references, None, &|| Ok(())).unwrap();
            let variances: Vec<f64> = table.rows().into_iter().map(valid).filter(|row| row.len() > 2)
                .map(|row| variance(&row)).collect();
            let common = variances.iter().sum::<f64>() / variances.len().max(1) as f64;
            prop_assert!(close(found.variance, common, 0.0));
            let each = Array2::from_shape_vec(table.dim(), found.each).unwrap();
            for i in 0..table.nrows() {
                let row = table.row(i);
                let all = valid(row);
                // Digits that cancel beside a large reference.
                let scale = 1e-3 * all.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
                for j in 0..2 {
                    let x = own[[i, j]];
                    let expected = match all.len() {
                        0..=2 => f64::NAN,
                        k => definition(x, &all[..k - 1], common),
                    };
                    prop_assert!(close(found.own[2 * i + j], expected, scale));
                }
                for j in 0..row.len() {
                    let mut others = row.to_owned();
                    others[j] = f64::NAN;
                    let expected = match all.len() {
                        0..=2 => f64::NAN,
                        _ => definition(row[j], &valid(others.view()), common),
                    };
                    prop_assert!(close(each[[i, j]], expected, scale), "{} {expected}", each[[i, j]]);
                }
            }
        }
    }

    #[test]
    fn without_variance_equals_are_zero_and_others_infinite() {
        let table = array![[0.1, 0.1, 0.1, 0.1], [3.0, 3.0, 3.0, 3.0]];
        let references = References::new(table.view(), None).unwrap();
        let signal = array![[0.1, 0.2, 0.0], [3.0, f64::INFINITY, f64::NAN]];
        let found = shrunken_t(signal.view(), references, None, &|| Ok(())).unwrap();
        assert_eq!(found.variance, 0.0);
        assert_eq!(found.each, [0.0; 8]);
        assert_eq!(
            found.own[..5],
            [0.0, f64::INFINITY, f64::NEG_INFINITY, 0.0, f64::INFINITY]
        );
        assert!(found.own[5].is_nan());
    }

    #[test]
    fn infinite_references_are_the_limit_of_large_ones() {
        let rows = |big: f64| {
            array![
                [big, 1.0, 2.0, -big],
                [big, big, big, big],
                [big, 0.0, 1.0, 2.0]
            ]
        };
        let s = |big: f64| {
            let table = rows(big);
            let signal = array![[big, 0.0], [big, 0.0], [big, -big]];
            let references = References::new(table.view(), None).unwrap();
            shrunken_t(signal.view(), references, Some(1.0), &|| Ok(())).unwrap()
        };
        let (limit, large) = (s(f64::INFINITY), s(1e12));
        for (a, b) in limit
            .own
            .iter()
            .chain(&limit.each)
            .zip(large.own.iter().chain(&large.each))
        {
            let near = (a - b).abs() < 1e-6
                || (a.is_infinite() && b.abs() > 1e6 && a.signum() == b.signum());
            assert!(near, "{a} {b}");
        }
    }
}
