//! Log-density of the target's signal under a Gaussian kernel estimate from the references.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::kernels::math::exp_nonpositive;
use crate::kernels::tile::{Lanes, References, LANES};
use crate::kernels::{wide, Pulse};

/// Returns one log-density per record and bandwidth, row by row; NaN without references.
pub fn kernel_log_density<T: Copy + Into<f64> + Sync>(
    signal: &[f64],
    references: References<'_, T>,
    bandwidths: &[f64],
    pulse: Pulse,
) -> Result<Vec<f64>> {
    references.check_records("signal", signal.len())?;
    // Subnormal bandwidths have no finite inverse.
    if let Some(&value) = bandwidths.iter().find(|h| !(h.is_normal() && **h > 0.0)) {
        return Err(Error::NotPositive {
            name: "bandwidths",
            value,
        });
    }
    let width = bandwidths.len();
    let mut out = vec![f64::NAN; signal.len() * width];
    references.for_each_tile(
        [(&mut out, width)],
        2 * width,
        pulse,
        |tile, first, [rows]| {
            let lanes = rows.len().checked_div(width).unwrap_or(0);
            let mut own = [f64::NAN; LANES];
            own[..lanes].copy_from_slice(&signal[first..first + lanes]);
            for (column, &bandwidth) in bandwidths.iter().enumerate() {
                let density = tile_log_density(tile, &own, bandwidth);
                for (row, value) in rows.chunks_exact_mut(width).zip(density) {
                    row[column] = value;
                }
            }
        },
    )?;
    Ok(out)
}

/// Distance in bandwidths; infinite numbers of one sign are equal.
#[inline(always)]
fn distance(signal: f64, reference: f64, inverse: f64) -> f64 {
    let apart = (signal - reference).abs() * inverse;
    if signal == reference {
        0.0
    } else {
        apart
    }
}

wide! {
    fn tile_log_density(tile: &[Lanes], signal: &Lanes, bandwidth: f64) -> Lanes {
        let inverse = 1.0 / bandwidth;
        let (mut count, mut nearest): (Lanes, Lanes) = ([0.0; LANES], [f64::INFINITY; LANES]);
        for x in tile {
            for l in 0..LANES {
                let u = distance(signal[l], x[l], inverse);
                count[l] += if u.is_nan() { 0.0 } else { 1.0 };
                nearest[l] = if u < nearest[l] { u } else { nearest[l] };
            }
        }
        // Relative to the nearest reference, whose term is 1: the sum cannot underflow.
        let mut sum: Lanes = [0.0; LANES];
        for x in tile {
            for l in 0..LANES {
                let u = distance(signal[l], x[l], inverse);
                let exponent = (u - nearest[l]) * (u + nearest[l]) * -0.5;
                sum[l] += exp_nonpositive(exponent);
            }
        }
        let mut density = [f64::NAN; LANES];
        for l in 0..LANES {
            let tail = nearest[l] * nearest[l] * -0.5;
            if count[l] > 0.0 {
                density[l] = if tail == f64::NEG_INFINITY {
                    tail
                } else {
                    tail + sum[l].ln() - count[l].ln() - bandwidth.ln() - 0.5 * (2.0 * PI).ln()
                };
            }
        }
        density
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_sum_of_logarithms((signal, table) in records(), h in 1e-3..1e3f64) {
            let references = References::new(table.view(), None).unwrap();
            let out = kernel_log_density(&signal, references, &[h, 1.0], &|| Ok(())).unwrap();
            for (i, &got) in out.iter().step_by(2).enumerate() {
                let x = valid(table.row(i));
                let terms = x.iter().map(|x| -0.5 * ((signal[i] - x) / h).powi(2));
                let most = terms.clone().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = terms.map(|t| (t - most).exp()).sum();
                let expected = most + (sum / (x.len() as f64 * h * (2.0 * PI).sqrt())).ln();
                if x.is_empty() || signal[i].is_nan() {
                    prop_assert!(got.is_nan());
                } else {
                    prop_assert!(close(got, expected, 1.0));
                }
            }
        }
    }

    #[test]
    fn long_work_ends_when_it_is_told_to() {
        let table = Array2::<f64>::zeros((400, 100));
        let references = References::new(table.view(), None).unwrap();
        let stop = || Err(Error::Interrupted);
        let density = |widths| kernel_log_density(&[0.0; 400], references, widths, &stop);
        assert!(density(&[1.0]).is_ok());
        assert_eq!(density(&[1.0; 200]), Err(Error::Interrupted));
    }

    #[test]
    fn bandwidths_must_be_positive() {
        let table = Array2::<f64>::zeros((1, 2));
        let references = References::new(table.view(), None).unwrap();
        for h in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-310] {
            let refused = kernel_log_density(&[0.0], references, &[1.0, h], &|| Ok(()));
            assert!(matches!(refused, Err(Error::NotPositive { .. })));
        }
    }
}
