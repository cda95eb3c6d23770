//! p-values from the place of each record's signals among its references.

use ndarray::ArrayView2;

use crate::error::{Error, Result};
use crate::kernels::rows::for_each_chunk;
use crate::kernels::sorting::{count_above, count_at_least};
use crate::kernels::tile::LANES;
use crate::kernels::Pulse;

/// Returns `(1 + #{reference >= signal}) / (K + 1)` per signal, for a record's K references; with
/// `places`, numbers in [0, 1), `(#{reference > signal} + place (1 + #{equal})) / (K + 1)`.
///
/// All pairs are compared: at a hundred references that takes less time than sorting them.
pub fn rank_p_values<S, R>(
    signal: ArrayView2<'_, S>,
    references: ArrayView2<'_, R>,
    places: Option<ArrayView2<'_, f64>>,
    pulse: Pulse,
) -> Result<Vec<f64>>
where
    S: Copy + Into<f64> + Sync,
    R: Copy + Into<f64> + Sync,
{
    let (width, models) = (signal.ncols(), references.ncols());
    if let Some(places) = places.filter(|places| places.dim() != signal.dim()) {
        return Err(Error::Shape {
            name: "places",
            found: places.dim(),
            expected: signal.dim(),
        });
    }
    for_each_chunk(
        (signal, references),
        models * width,
        pulse,
        || [const { Vec::new() }; 2],
        |[reached, passed], chunk, first, rows| {
            for (record, p) in rows.chunks_exact_mut(width).enumerate() {
                let (own, others) = (chunk.signals.row(record), chunk.references.row(record));
                // A few alone, more with the NaN that fill their last lanes.
                let own = if width < LANES / 2 {
                    &own[..width]
                } else {
                    own
                };
                let others = &others[..models];
                let mut total = [0.0];
                count_at_least(others, &[f64::NEG_INFINITY], &mut total);
                reached.resize(own.len(), 0.0);
                count_at_least(others, own, reached);
                if let Some(places) = places {
                    passed.resize(own.len(), 0.0);
                    count_above(others, own, passed);
                    let places = places.row(first + record);
                    for ((reached, passed), place) in reached.iter_mut().zip(&*passed).zip(places) {
                        let equal = *reached - passed;
                        // Less the 1 that is added below.
                        *reached = passed + place * (1.0 + equal) - 1.0;
                    }
                }
                for ((p, signal), reached) in p.iter_mut().zip(own).zip(&*reached) {
                    let rank = (1.0 + reached) / (1.0 + total[0]);
                    *p = if signal.is_nan() { f64::NAN } else { rank };
                }
            }
        },
    )
}

/// The p-value of one signal's rank among its record's references; NaN for NaN.
pub fn rank(signal: f64, references: impl Iterator<Item = f64>) -> f64 {
    let (mut reached, mut total) = (1.0, 1.0);
    for x in references.filter(|x| !x.is_nan()) {
        total += 1.0;
        reached += if x >= signal { 1.0 } else { 0.0 };
    }
    if signal.is_nan() {
        f64::NAN
    } else {
        reached / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agree_with_their_definition((signal, table) in records(), place in 0.0..1.0f64) {
            let n = signal.len();
            let own = ndarray::Array2::from_shape_fn((n, 37), |(i, j)| signal[i] + (j / 2) as f64);
            let places = own.mapv(|_| place);
            let view = table.view();
            let plain = rank_p_values(own.view(), view, None, &|| Ok(())).unwrap();
            let drawn = rank_p_values(own.view(), view, Some(places.view()), &|| Ok(())).unwrap();
            for (i, own) in own.iter().enumerate() {
                let x = valid(table.row(i / 37));
                let above = x.iter().filter(|x| *x > own).count() as f64;
                let equal = x.iter().filter(|x| *x == own).count() as f64;
                let k = x.len() as f64;
                let (rank, low) = ((1.0 + above + equal) / (k + 1.0), (above + place * (1.0 + equal)) / (k + 1.0));
                if own.is_nan() {
                    prop_assert!(plain[i].is_nan() && drawn[i].is_nan());
                } else {
                    prop_assert_eq!(plain[i], rank);
                    prop_assert!(close(drawn[i], low, 1.0));
                }
            }
        }
    }

    #[test]
    fn shapes_must_agree_and_a_pulse_may_stop() {
        let table = ndarray::Array2::<f64>::zeros((3, 4));
        let (short, places) = (table.slice(ndarray::s![..2, ..]), table.view());
        let refused = rank_p_values(short, table.view(), None, &|| Ok(()));
        assert!(matches!(refused, Err(Error::Length { found: 2, .. })));
        let refused = rank_p_values(short, short, Some(places), &|| Ok(()));
        assert!(matches!(refused, Err(Error::Shape { .. })));
        let stopped = rank_p_values(places, places, None, &|| Err(Error::Interrupted));
        assert_eq!(stopped, Err(Error::Interrupted));
    }
}
