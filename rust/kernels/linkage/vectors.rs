//! Rows as vectors of length 1, and their products.

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::error::{refuse, Fault, Result};
use crate::kernels::wide;
use crate::threads;

/// What messages call the table.
pub const NAME: &str = "vectors";
/// Sums side by side: a fixed number, so that a product has the same bits on every machine.
const LANES: usize = 32;

wide! {
    /// The dot product, the same to the bit whichever vector comes first.
    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0; LANES];
        let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
        for (a, b) in a.zip(b) {
            for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += x * y;
            }
        }
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                sums[i] += sums[i + width];
            }
        }
        sums[0] + rest
    }
}

/// All rows in float64, each divided by its length.
pub fn unit_rows<T>(rows: ArrayView2<'_, T>) -> Result<Vec<f64>>
where
    T: Copy + Into<f64> + Sync,
{
    let width = rows.ncols();
    let mut units = vec![0.0; rows.len()];
    let mut faults = vec![(width == 0).then_some(Fault::Zero); rows.nrows()];
    let parts = rows
        .axis_iter(Axis(0))
        .zip(units.chunks_exact_mut(width.max(1)))
        .zip(&mut faults);
    threads::for_each(
        parts.collect(),
        rows.len(),
        || (),
        |(), ((row, unit), fault)| *fault = normalise(row, unit).err(),
    );
    let faults = faults.into_iter().enumerate();
    let faults: Vec<_> = faults
        .filter_map(|(row, fault)| Some((row, fault?)))
        .collect();
    refuse(NAME, &faults)?;
    Ok(units)
}

/// Writes the row divided by its length.
pub fn normalise<T>(row: ArrayView1<'_, T>, unit: &mut [f64]) -> std::result::Result<(), Fault>
where
    T: Copy + Into<f64>,
{
    let mut largest = 0.0_f64;
    let mut finite = true;
    for (out, &x) in unit.iter_mut().zip(row) {
        *out = x.into();
        finite &= out.is_finite();
        largest = largest.max(out.abs());
    }
    if !finite {
        return Err(Fault::NotFinite);
    }
    if largest == 0.0 {
        return Err(Fault::Zero);
    }
    // By the largest first: squares of tiny and huge numbers leave the range of float64. A power
    // of two would be exact, but the quotient's rounding is no worse than the square root's.
    for x in unit.iter_mut() {
        *x /= largest;
    }
    let length = dot(unit, unit).sqrt();
    for x in unit.iter_mut() {
        *x /= length;
    }
    Ok(())
}
