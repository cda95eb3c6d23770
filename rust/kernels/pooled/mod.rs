//! How many of all records' references, each standardised by the others of its record, reach a
//! target's.

mod counts;
mod deal;
mod thresholds;

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::baselines::Baselines;
use crate::kernels::ranks::rank;
use crate::kernels::tile::{Lanes, References};
use crate::kernels::Pulse;
use crate::threads;
use counts::{put_p_values, Pool};

/// Signals whose ranks a thread looks for at once.
const PART: usize = 1 << 16;

/// Returns `(1 + #{e >= S}) / (1 + #e)` per signal, row by row: S as `Baselines` has it, against
/// all references of the record but the last, e that of each reference of all records against the
/// others of its own. Records weigh the same, however many references they have; those with fewer
/// than three are not in the pool, and have the p-value of their rank. NaN for NaN.
pub fn pooled_p_values<S, R>(
    signal: ArrayView2<'_, S>,
    references: ArrayView2<'_, R>,
    pulse: Pulse,
) -> Result<Vec<f64>>
where
    S: Copy + Into<f64> + Sync,
    R: Copy + Into<f64> + Sync,
{
    let (records, width) = signal.dim();
    let table = References::new(references, None)?;
    table.check_records("signal", records)?;
    if width == 0 {
        return Ok(vec![]);
    }
    let pool = Baselines::new(table, None, pulse)?;
    let mut p = pool.own(signal, pulse)?;
    put_p_values(&mut p, &pool, pulse)?;
    let part = (PART / width).max(1);
    threads::for_each_or_stop(
        (0..)
            .step_by(part)
            .zip(p.chunks_mut(part * width))
            .collect(),
        records * width,
        pulse,
        || (),
        |(), (first, rows)| {
            for (nth, row) in rows.chunks_exact_mut(width).enumerate() {
                let others = || references.row(first + nth).into_iter().map(|&x| x.into());
                let missing = row.iter_mut().zip(signal.row(first + nth));
                for (p, &x) in missing.filter(|(p, _)| p.is_nan()) {
                    *p = rank(x.into(), others());
                }
            }
        },
    )?;
    Ok(p)
}

impl<T: Copy + Into<f64> + Sync> Pool for Baselines<'_, T> {
    fn width(&self) -> usize {
        self.references.models()
    }

    fn sizes(&self) -> Vec<usize> {
        self.sizes().collect()
    }

    fn read(&self, first: usize, tile: &mut [Lanes]) {
        self.references.read(first, tile);
        self.standardise(tile, first);
    }
}
