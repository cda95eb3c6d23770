//! Each record's signal standardised by its references, and each reference by the others.

use crate::error::Result;
use crate::kernels::tile::{moments, Lanes, References, LANES};
use crate::kernels::wide;

/// Below this share of the sum of squares, removing one reference cancels too many digits.
const CANCELLED: f64 = 1e-2;

/// Returns `(t, e)`: the target's T per record, and per record and reference the reference's own T
/// against the record's other references. NaN with fewer than two others, or when those are equal.
///
/// T is `(x - mean) / (sd * sqrt(1 + 1 / K))` for the K references that mean and sd are over.
pub fn leave_one_out_t<T: Copy + Into<f64> + Sync>(
    signal: &[f64],
    references: References<'_, T>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    references.check_records("signal", signal.len())?;
    let width = references.models();
    let mut target = vec![f64::NAN; signal.len()];
    let mut each = vec![f64::NAN; signal.len() * width];
    references.for_each_tile(
        [(&mut target, 1), (&mut each, width)],
        |tile, first, [target, each]| {
            let lanes = target.len();
            let mut own = [f64::NAN; LANES];
            own[..lanes].copy_from_slice(&signal[first..first + lanes]);
            target.copy_from_slice(&tile_t(tile, &own, each, lanes)[..lanes]);
        },
    );
    Ok((target, each))
}

wide! {
    fn tile_t(tile: &[Lanes], signal: &Lanes, each: &mut [f64], lanes: usize) -> Lanes {
        let of_all = moments(tile);
        let width = tile.len();
        for (j, x) in tile.iter().enumerate() {
            let mut e = [f64::NAN; LANES];
            let mut cancelled = [false; LANES];
            for l in 0..LANES {
                // Mean and squares without x, from those with it.
                let others = of_all.count[l] - 1.0;
                let deviation = (x[l] - of_all.mean[l]) * (of_all.count[l] / others);
                let squares = of_all.squares[l] - (x[l] - of_all.mean[l]) * deviation;
                cancelled[l] = squares < of_all.squares[l] * CANCELLED;
                e[l] = standardised(deviation, squares, others);
            }
            for l in 0..lanes {
                // At most one reference of a record, so this adds one pass in all.
                each[l * width + j] = if cancelled[l] { without(tile, j, l) } else { e[l] };
            }
        }
        let mut t = [f64::NAN; LANES];
        for l in 0..LANES {
            t[l] = standardised(signal[l] - of_all.mean[l], of_all.squares[l], of_all.count[l]);
        }
        t
    }
}

/// T from a deviation and the sum of squares of `count` references; NaN where it is undefined.
#[inline(always)]
fn standardised(deviation: f64, squares: f64, count: f64) -> f64 {
    let scale = (squares / (count - 1.0)).sqrt() * (1.0 + 1.0 / count).sqrt();
    if count > 1.0 && scale > 0.0 {
        deviation / scale
    } else {
        f64::NAN
    }
}

/// T of one reference against the others of its lane, computed afresh.
#[cold]
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
