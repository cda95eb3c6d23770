//! The record in the middle of each cluster.

use ndarray::{ArrayView1, ArrayView2};

use super::vectors::{dot, normalise, NAME};
use crate::error::{refuse, Error, Result};
use crate::kernels::Pulse;

/// Mean similarities that lie no farther apart are equal: rounding must not choose.
const EQUAL: f64 = 1e-12;
/// Numbers read between two looks at the pulse.
const SLAB: usize = 1 << 26;

/// Returns, for each cluster, the row with the least mean cosine distance to the others, the first
/// among equals. `labels`, one per row, number the clusters from 0 on.
pub fn cluster_medoids<T>(
    rows: ArrayView2<'_, T>,
    labels: ArrayView1<'_, i64>,
    pulse: Pulse,
) -> Result<Vec<i64>>
where
    T: Copy + Into<f64>,
{
    let n = rows.nrows();
    if labels.len() != n {
        return Err(Error::Length {
            name: "labels",
            found: labels.len(),
            expected: n,
        });
    }
    let outside = |label: &&i64| **label < 0 || **label >= n as i64;
    if let Some(&label) = labels.iter().find(outside) {
        return Err(Error::Label(label));
    }
    let clusters = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let depth = rows.ncols();
    let mut unit = vec![0.0; depth];
    let slab = (SLAB / depth.max(1)).max(1);
    let mut sums = vec![0.0; clusters * depth];
    let mut sizes = vec![0.0; clusters];
    for (row, (vector, &label)) in rows.outer_iter().zip(labels).enumerate() {
        if row % slab == 0 {
            pulse()?;
        }
        if let Err(fault) = normalise(vector, &mut unit) {
            refuse(NAME, &[(row, fault)])?;
        }
        let label = label as usize;
        sizes[label] += 1.0;
        for (sum, x) in sums[label * depth..].iter_mut().zip(&unit) {
            *sum += x;
        }
    }
    if let Some(label) = sizes.iter().position(|&size| size == 0.0) {
        return Err(Error::Label(label as i64));
    }
    // The product with the sum includes the row's own, which is 1 for all: the order is the same.
    let mut best = vec![f64::NEG_INFINITY; clusters];
    let mut medoids = vec![0; clusters];
    for (row, (vector, &label)) in rows.outer_iter().zip(labels).enumerate() {
        if row % slab == 0 {
            pulse()?;
        }
        // No row is left without a direction.
        let _ = normalise(vector, &mut unit);
        let label = label as usize;
        let similarity = dot(&unit, &sums[label * depth..][..depth]) / sizes[label];
        if similarity > best[label] + EQUAL {
            best[label] = similarity;
            medoids[label] = row as i64;
        }
    }
    Ok(medoids)
}
