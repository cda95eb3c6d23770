//! What the references say about each record, and where the target's signal lies among them.

use crate::error::Result;
use crate::kernels::math::sigmoid;
use crate::kernels::tile::{moments, Lanes, References, LANES};
use crate::kernels::{wide, Pulse};

/// Count, mean, sd, least, greatest, number below and equal to the signal, mean probability.
pub const COLUMNS: usize = 8;

/// Returns `COLUMNS` numbers per record, row by row; NaN where there is nothing to say.
pub fn reference_statistics<T: Copy + Into<f64> + Sync>(
    signal: &[f64],
    references: References<'_, T>,
    pulse: Pulse,
) -> Result<Vec<f64>> {
    references.check_records("signal", signal.len())?;
    let mut out = vec![f64::NAN; signal.len() * COLUMNS];
    references.for_each_tile([(&mut out, COLUMNS)], 2, pulse, |tile, first, [rows]| {
        let lanes = rows.len() / COLUMNS;
        let mut own = [f64::NAN; LANES];
        own[..lanes].copy_from_slice(&signal[first..first + lanes]);
        let columns = tile_statistics(tile, &own);
        for (lane, row) in rows.chunks_exact_mut(COLUMNS).enumerate() {
            for (number, column) in row.iter_mut().zip(&columns) {
                *number = column[lane];
            }
        }
    })?;
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
            }
        }
        for x in tile {
            for l in 0..LANES {
                let p = sigmoid(x[l]);
                probability[l] += if x[l].is_nan() { 0.0 } else { p };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::kernels::testing::{close, records, valid};
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agree_with_their_definitions((signal, table) in records()) {
            let references = References::new(table.view(), None).unwrap();
            let out = reference_statistics(&signal, references, &|| Ok(())).unwrap();
            for (i, row) in out.chunks(COLUMNS).enumerate() {
                let x = valid(table.row(i));
                prop_assert_eq!(row[0], x.len() as f64);
                if x.is_empty() {
                    prop_assert!(row[1..].iter().all(|v| v.is_nan()));
                    continue;
                }
                let mean = x.iter().sum::<f64>() / row[0];
                let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
                let scale = x.iter().fold(0.0f64, |a, x| a.max(x.abs()));
                prop_assert!((row[1] - mean).abs() <= 1e-14 * scale);
                let sd = (squares / (row[0] - 1.0)).sqrt();
                prop_assert!((row[2] - sd).abs() <= 1e-14 * scale || (x.len() == 1 && row[2].is_nan()));
                prop_assert_eq!(row[3], x.iter().copied().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(row[4], x.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                if signal[i].is_nan() {
                    prop_assert!(row[5].is_nan() && row[6].is_nan());
                } else {
                    prop_assert_eq!(row[5], x.iter().filter(|x| **x < signal[i]).count() as f64);
                    prop_assert_eq!(row[6], x.iter().filter(|x| **x == signal[i]).count() as f64);
                }
                let probability = x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).sum::<f64>() / row[0];
                prop_assert!(close(row[7], probability, 0.0));
            }
        }

        #[test]
        fn equal_references_have_no_spread(x in -1e6..1e6f64, k in 2..40usize) {
            let table = Array2::from_elem((3, k), x);
            let references = References::new(table.view(), None).unwrap();
            let out = reference_statistics(&[x; 3], references, &|| Ok(())).unwrap();
            prop_assert_eq!((out[1], out[2]), (x, 0.0));
        }

        #[test]
        fn skipped_columns_are_absent((signal, mut table) in records(), a in 0..9usize, b in 0..9usize) {
            let (a, b) = (a.min(b).min(table.ncols()), a.max(b).min(table.ncols()));
            let bits = |v: Vec<f64>| v.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let skipped = References::new(table.view(), Some((a, b))).unwrap();
            let skipped = bits(reference_statistics(&signal, skipped, &|| Ok(())).unwrap());
            table.slice_mut(ndarray::s![.., a..b]).fill(f64::NAN);
            let masked = References::new(table.view(), None).unwrap();
            prop_assert_eq!(skipped, bits(reference_statistics(&signal, masked, &|| Ok(())).unwrap()));
        }
    }

    #[test]
    fn wrong_arguments_are_errors() {
        let table = Array2::<f64>::zeros((3, 4));
        let references = References::new(table.view(), None).unwrap();
        assert!(matches!(
            reference_statistics(&[0.0; 2], references, &|| Ok(())),
            Err(Error::Length {
                found: 2,
                expected: 3,
                ..
            })
        ));
        for skip in [(3, 2), (0, 5)] {
            let refused = References::new(table.view(), Some(skip));
            assert!(matches!(refused, Err(Error::Skip { columns: 4, .. })));
        }
    }
}
