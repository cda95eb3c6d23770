//! What the references say about each record, and where the target's signal lies among them.

use crate::error::Result;
use crate::kernels::math::sigmoid;
use crate::kernels::tile::{moments, Lanes, References, LANES};
use crate::kernels::wide;

/// Count, mean, sd, least, greatest, number below and equal to the signal, mean probability.
pub const COLUMNS: usize = 8;

/// Returns `COLUMNS` numbers per record, row by row; NaN where there is nothing to say.
pub fn reference_statistics<T: Copy + Into<f64> + Sync>(
    signal: &[f64],
    references: References<'_, T>,
) -> Result<Vec<f64>> {
    references.check_records("signal", signal.len())?;
    let mut out = vec![f64::NAN; signal.len() * COLUMNS];
    references.for_each_tile([(&mut out, COLUMNS)], |tile, first, [rows]| {
        let lanes = rows.len() / COLUMNS;
        let mut own = [f64::NAN; LANES];
        own[..lanes].copy_from_slice(&signal[first..first + lanes]);
        let columns = tile_statistics(tile, &own);
        for (lane, row) in rows.chunks_exact_mut(COLUMNS).enumerate() {
            for (number, column) in row.iter_mut().zip(&columns) {
                *number = column[lane];
            }
        }
    });
    Ok(out)
}

wide! {
    fn tile_statistics(tile: &[Lanes], signal: &Lanes) -> [Lanes; COLUMNS] {
        let of_all = moments(tile);
        let (mut least, mut greatest) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        let (mut below, mut equal) = ([0.0; LANES], [0.0; LANES]);
        let mut probability = [0.0; LANES];
        for x in tile {
            for l in 0..LANES {
                // Comparisons with NaN are false, which skips it.
                least[l] = if x[l] < least[l] { x[l] } else { least[l] };
                greatest[l] = if x[l] > greatest[l] { x[l] } else { greatest[l] };
                below[l] += if x[l] < signal[l] { 1.0 } else { 0.0 };
                equal[l] += if x[l] == signal[l] { 1.0 } else { 0.0 };
                probability[l] += if x[l].is_nan() { 0.0 } else { sigmoid(x[l]) };
            }
        }
        let mut columns = [[f64::NAN; LANES]; COLUMNS];
        columns[0] = of_all.count;
        for l in 0..LANES {
            let count = of_all.count[l];
            if count > 0.0 {
                columns[1][l] = of_all.mean[l];
                columns[3][l] = least[l];
                columns[4][l] = greatest[l];
                columns[7][l] = probability[l] / count;
                if !signal[l].is_nan() {
                    columns[5][l] = below[l];
                    columns[6][l] = equal[l];
                }
            }
            if count > 1.0 {
                columns[2][l] = (of_all.squares[l] / (count - 1.0)).sqrt();
            }
        }
        columns
    }
}
