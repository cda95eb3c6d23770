//! Each record's signal standardised by its references, and each reference by the others.

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::tile::{moments, Lanes, Moments, References, LANES};
use crate::kernels::{wide, Pulse};

/// Below this share of the sum of squares, removing one reference cancels too many digits.
const CANCELLED: f64 = 1e-2;

/// Returns `(t, e)`: T per signal, a row per record, and per record and reference the reference's own
/// T against the record's other references, which no signal changes. NaN with fewer than two others, or when those are equal.
///
/// T is `(x - mean) / (sd * sqrt(1 + 1 / K))` for the K references that mean and sd are over.
pub fn leave_one_out_t<T: Copy + Into<f64> + Sync>(
    signal: ArrayView2<'_, f64>,
    references: References<'_, T>,
    pulse: Pulse,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (records, targets) = signal.dim();
    references.check_records("signal", records)?;
    let width = references.models();
    let mut own = vec![f64::NAN; records * targets];
    let mut each = vec![f64::NAN; records * width];
    references.for_each_tile(
        [(&mut own, targets), (&mut each, width)],
        2 + targets / width.max(1),
        pulse,
        |tile, first, [own, each]| {
            let of_all = moments(tile);
            let mut e = vec![[f64::NAN; LANES]; width];
            let fewest = tile_each(tile, &of_all, &mut e);
            let lanes = LANES.min(records - first);
            for lane in 0..lanes {
                let (mean, squares) = (of_all.mean[lane], of_all.squares[lane]);
                let ts = own[lane * targets..(lane + 1) * targets].iter_mut();
                for (t, x) in ts.zip(signal.row(first + lane)) {
                    *t = standardised(x - mean, squares, of_all.count[lane]);
                }
                let row = &mut each[lane * width..(lane + 1) * width];
                for (number, value) in row.iter_mut().zip(&e) {
                    *number = value[lane];
                }
                if fewest[lane] < squares * CANCELLED {
                    let farthest = farthest(tile, lane, mean);
                    row[farthest] = without(tile, farthest, lane);
                }
            }
        },
    )?;
    Ok((own, each))
}

wide! {
    /// Fills `each` with every reference's T against the others of its lane, and returns the least
    /// sum of squares that removing one of them leaves.
    fn tile_each(tile: &[Lanes], of_all: &Moments, each: &mut [Lanes]) -> Lanes {
        let (mut others, mut grown) = ([0.0; LANES], [0.0; LANES]);
        for l in 0..LANES {
            others[l] = of_all.count[l] - 1.0;
            grown[l] = of_all.count[l] / others[l];
        }
        let mut fewest = [f64::INFINITY; LANES];
        for (x, e) in tile.iter().zip(each) {
            for l in 0..LANES {
                // Deviation and squares without x, from those with it.
                let deviation = x[l] - of_all.mean[l];
                let squares = of_all.squares[l] - deviation * deviation * grown[l];
                fewest[l] = if squares < fewest[l] { squares } else { fewest[l] };
                e[l] = standardised(deviation * grown[l], squares, others[l]);
            }
        }
        fewest
    }
}

/// T from a deviation and the sum of squares of `count` references; NaN where it is undefined.
#[inline(always)]
fn standardised(deviation: f64, squares: f64, count: f64) -> f64 {
    let variance = squares / (count - 1.0) * (1.0 + 1.0 / count);
    let t = deviation / variance.sqrt();
    if (count > 1.0) & (variance > 0.0) {
        t
    } else {
        f64::NAN
    }
}

/// The reference of a lane that lies farthest from the mean. Only its removal can cancel digits:
/// two references cannot both hold nearly all of the sum of squares.
#[cold]
fn farthest(tile: &[Lanes], lane: usize, mean: f64) -> usize {
    let distance = |j: &usize| (tile[*j][lane] - mean).abs();
    let valid = (0..tile.len()).filter(|j| !tile[*j][lane].is_nan());
    valid
        .max_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(0)
}

/// T of one reference against the others of its lane, computed afresh.
fn without(tile: &[Lanes], model: usize, lane: usize) -> f64 {
    let others: Vec<Lanes> = (0..tile.len())
        .filter(|&j| j != model)
        .map(|j| [tile[j][lane]; LANES])
        .collect();
    let rest = moments(&others);
    standardised(
        tile[model][lane] - rest.mean[0],
        rest.squares[0],
        rest.count[0],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use ndarray::{array, Array2};
    use proptest::prelude::*;

    fn definition(x: f64, references: &[f64]) -> f64 {
        let k = references.len() as f64;
        if references.len() < 2 || references.iter().all(|r| *r == references[0]) {
            return f64::NAN;
        }
        let mean = references.iter().sum::<f64>() / k;
        let squares: f64 = references.iter().map(|r| (r - mean).powi(2)).sum();
        if squares == 0.0 {
            return f64::NAN; // the squares of tiny deviations underflow
        }
        (x - mean) / ((squares / (k - 1.0)).sqrt() * (1.0 + 1.0 / k).sqrt())
    }

    proptest! {
        #[test]
        fn agrees_with_its_definition((signal, table) in records()) {
            let references = References::new(table.view(), None).unwrap();
            let own = Array2::from_shape_fn((signal.len(), 2), |(i, j)| signal[i] + j as f64);
            let (t, e) = leave_one_out_t(own.view(), references, &|| Ok(())).unwrap();
            let e = Array2::from_shape_vec(table.dim(), e).unwrap();
            for i in 0..table.nrows() {
                let row = table.row(i);
                for j in 0..2 {
                    let expected = definition(own[[i, j]], &valid(row));
                    prop_assert!(close(t[2 * i + j], expected, 1.0));
                }
                for j in 0..row.len() {
                    let mut others = row.to_owned();
                    others[j] = f64::NAN;
                    let expected = definition(row[j], &valid(others.view()));
                    prop_assert!(close(e[[i, j]], expected, 1.0), "{} {expected}", e[[i, j]]);
                }
            }
        }
    }

    #[test]
    fn an_outlier_among_equals_has_no_t() {
        let table = array![[0.1, 0.1, 0.1, 1e8, 0.1]];
        let references = References::new(table.view(), None).unwrap();
        let (_, e) = leave_one_out_t(array![[0.0]].view(), references, &|| Ok(())).unwrap();
        assert!(e[3].is_nan());
        assert!(e.iter().enumerate().all(|(j, x)| j == 3 || x.is_finite()));
    }
}
