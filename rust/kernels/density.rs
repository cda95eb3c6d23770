//! Log-density of the target's signal under a Gaussian kernel estimate from the references.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::kernels::math::exp_nonpositive;
use crate::kernels::tile::{Lanes, References, LANES};
use crate::kernels::wide;

/// Returns one log-density per record and bandwidth, row by row; NaN without references.
pub fn kernel_log_density<T: Copy + Into<f64> + Sync>(
    signal: &[f64],
    references: References<'_, T>,
    bandwidths: &[f64],
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
    references.for_each_tile([(&mut out, width)], |tile, first, [rows]| {
        let lanes = rows.len().checked_div(width).unwrap_or(0);
        let mut own = [f64::NAN; LANES];
        own[..lanes].copy_from_slice(&signal[first..first + lanes]);
        for (column, &bandwidth) in bandwidths.iter().enumerate() {
            let density = tile_log_density(tile, &own, bandwidth);
            for (row, value) in rows.chunks_exact_mut(width).zip(density) {
                row[column] = value;
            }
        }
    });
    Ok(out)
}

/// Distance in bandwidths; infinite numbers of one sign are equal.
#[inline(always)]
fn distance(signal: f64, reference: f64, inverse: f64) -> f64 {
    if signal == reference {
        0.0
    } else {
        (signal - reference).abs() * inverse
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
