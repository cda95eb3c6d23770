//! The record in the middle of each cluster.

use ndarray::ArrayView2;

use super::vectors::{dot, normalise};
use crate::error::{Error, Result};

/// Mean similarities that lie no farther apart are equal: rounding must not choose.
const EQUAL: f64 = 1e-12;

/// Returns, for each cluster, the record with the least mean cosine distance to the others, the
/// first among equals. `labels` are 0 to `clusters` - 1, one per row.
pub fn cluster_medoids<T>(
    rows: ArrayView2<'_, T>,
    labels: &[usize],
    clusters: usize,
) -> Result<Vec<i64>>
where
    T: Copy + Into<f64> + Sync,
{
    if labels.len() != rows.nrows() {
        return Err(Error::Length {
            name: "labels",
            found: labels.len(),
            expected: rows.nrows(),
        });
    }
    let depth = rows.ncols();
    let mut unit = vec![0.0; depth];
    let mut sums = vec![0.0; clusters * depth];
    let mut sizes = vec![0.0; clusters];
    for (row, (vector, &label)) in rows.outer_iter().zip(labels).enumerate() {
        if !normalise(vector, &mut unit) {
            return Err(Error::NoDirection(row));
        }
        sizes[label] += 1.0;
        for (sum, x) in sums[label * depth..].iter_mut().zip(&unit) {
            *sum += x;
        }
    }
    // The product with the sum holds the record's own, which is 1 for all.
    let mut best = vec![f64::NEG_INFINITY; clusters];
    let mut medoids = vec![-1; clusters];
    for (row, (vector, &label)) in rows.outer_iter().zip(labels).enumerate() {
        normalise(vector, &mut unit);
        let similarity = dot(&unit, &sums[label * depth..][..depth]) / sizes[label];
        if similarity > best[label] + EQUAL {
            best[label] = similarity;
            medoids[label] = row as i64;
        }
    }
    Ok(medoids)
}
