//! Each signal standardised by all but one of its references, and each reference by all others.

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::baselines::Baselines;
use crate::kernels::tile::References;
use crate::kernels::Pulse;

/// What `shrunken_t` finds.
pub struct Shrunken {
    /// S of each signal, a row per record.
    pub own: Vec<f64>,
    /// S of each reference, a row per record.
    pub each: Vec<f64>,
    /// The common variance: what was given, or the mean of the records' own.
    pub variance: f64,
}

/// Returns S, see `Baselines`, of each signal against its record's references but the last, and of
/// each reference against the others, so that both stand against equally many.
pub fn shrunken_t<T: Copy + Into<f64> + Sync>(
    signal: ArrayView2<'_, f64>,
    references: References<'_, T>,
    variance: Option<f64>,
    pulse: Pulse,
) -> Result<Shrunken> {
    let (records, width) = (signal.nrows(), references.models());
    references.check_records("signal", records)?;
    let baselines = Baselines::new(references, variance, pulse)?;
    let own = baselines.own(signal, pulse)?;
    let mut each = vec![0.0; records * width];
    references.for_each_tile([(&mut each, width)], 4, pulse, |tile, first, [each]| {
        baselines.standardise(tile, first);
        for (lane, row) in each.chunks_exact_mut(width.max(1)).enumerate() {
            for (s, e) in row.iter_mut().zip(&*tile) {
                *s = e[lane];
            }
        }
    })?;
    Ok(Shrunken {
        own,
        each,
        variance: baselines.variance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, records, valid};
    use ndarray::{array, Array2};
    use proptest::prelude::*;

    fn variance(row: &[f64]) -> f64 {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let squares: f64 = row.iter().map(|x| (x - mean).powi(2)).sum();
        squares / (row.len() - 1) as f64
    }

    fn definition(x: f64, others: &[f64], variance: f64) -> f64 {
        let m = others.len() as f64;
        let mean = others.iter().sum::<f64>() / m;
        let squares: f64 = others.iter().map(|y| (y - mean).powi(2)).sum();
        let v = (squares + 4.0 * variance) / (m - 1.0 + 4.0);
        if (x - mean).abs() <= 1e-14 * mean.abs() {
            return 0.0; // also where the variance is 0
        }
        (x - mean) / (v * (1.0 + 1.0 / m)).sqrt()
    }

    proptest! {
        #[test]
        fn agrees_with_its_definition((signal, table) in records()) {
            let own = Array2::from_shape_fn((signal.len(), 2), |(i, j)| signal[i] + j as f64);
            let references = References::new(table.view(), None).unwrap();
            let found = shrunken_t(own.view(), references, None, &|| Ok(())).unwrap();
            let variances: Vec<f64> = table.rows().into_iter().map(valid).filter(|row| row.len() > 2)
                .map(|row| variance(&row)).collect();
            let common = variances.iter().sum::<f64>() / variances.len().max(1) as f64;
            prop_assert!(close(found.variance, common, 0.0));
            let each = Array2::from_shape_vec(table.dim(), found.each).unwrap();
            for i in 0..table.nrows() {
                let row = table.row(i);
                let all = valid(row);
                // Digits that cancel beside a large reference.
                let scale = 1e-3 * all.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
                for j in 0..2 {
                    let x = own[[i, j]];
                    let expected = match all.len() {
                        0..=2 => f64::NAN,
                        k => definition(x, &all[..k - 1], common),
                    };
                    prop_assert!(close(found.own[2 * i + j], expected, scale));
                }
                for j in 0..row.len() {
                    let mut others = row.to_owned();
                    others[j] = f64::NAN;
                    let expected = match all.len() {
                        0..=2 => f64::NAN,
                        _ => definition(row[j], &valid(others.view()), common),
                    };
                    prop_assert!(close(each[[i, j]], expected, scale), "{} {expected}", each[[i, j]]);
                }
            }
        }
    }

    #[test]
    fn without_variance_equals_are_zero_and_others_infinite() {
        let table = array![[0.1, 0.1, 0.1, 0.1], [3.0, 3.0, 3.0, 3.0]];
        let references = References::new(table.view(), None).unwrap();
        let signal = array![[0.1, 0.2, 0.0], [3.0, f64::INFINITY, f64::NAN]];
        let found = shrunken_t(signal.view(), references, None, &|| Ok(())).unwrap();
        assert_eq!(found.variance, 0.0);
        assert_eq!(found.each, [0.0; 8]);
        assert_eq!(
            found.own[..5],
            [0.0, f64::INFINITY, f64::NEG_INFINITY, 0.0, f64::INFINITY]
        );
        assert!(found.own[5].is_nan());
    }

    #[test]
    fn infinite_references_are_the_limit_of_large_ones() {
        let rows = |big: f64| {
            array![
                [big, 1.0, 2.0, -big],
                [big, big, big, big],
                [big, 0.0, 1.0, 2.0]
            ]
        };
        let s = |big: f64| {
            let table = rows(big);
            let signal = array![[big, 0.0], [big, 0.0], [big, -big]];
            let references = References::new(table.view(), None).unwrap();
            shrunken_t(signal.view(), references, Some(1.0), &|| Ok(())).unwrap()
        };
        let (limit, large) = (s(f64::INFINITY), s(1e12));
        for (a, b) in limit
            .own
            .iter()
            .chain(&limit.each)
            .zip(large.own.iter().chain(&large.each))
        {
            let near = (a - b).abs() < 1e-6
                || (a.is_infinite() && b.abs() > 1e6 && a.signum() == b.signum());
            assert!(near, "{a} {b}");
        }
    }
}
