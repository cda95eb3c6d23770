//! RMIA: the share of a population that a record's likelihood ratio beats.

use crate::error::{Error, Result};
use crate::kernels::Pulse;
use crate::threads;

/// Records that a thread takes at once.
const CHUNK: usize = 1024;

/// Returns the share of population values z with `log_ratio - z >= log(gamma)`, NaN for NaN.
///
/// One sort and one binary search per record: `O((n + z) log z)` time, `O(n + z)` memory. The
/// rounded difference never grows with z, so the search finds what a scan of all pairs would.
pub fn rmia_scores(
    log_ratios: &[f64],
    log_population: &[f64],
    gamma: f64,
    pulse: Pulse,
) -> Result<Vec<f64>> {
    if !(gamma.is_finite() && gamma > 0.0) {
        return Err(Error::NotPositive {
            name: "gamma",
            value: gamma,
        });
    }
    if log_population.is_empty() {
        return Err(Error::Empty("log_population"));
    }
    if log_population.iter().any(|z| z.is_nan()) {
        return Err(Error::HoldsNan("log_population"));
    }
    let mut population = log_population.to_vec();
    threads::sort(&mut population);
    let (margin, size) = (gamma.ln(), population.len() as f64);
    let mut out = vec![f64::NAN; log_ratios.len()];
    threads::for_each_or_stop(
        log_ratios
            .chunks(CHUNK)
            .zip(out.chunks_mut(CHUNK))
            .collect(),
        log_ratios.len() * population.len().ilog2() as usize,
        pulse,
        || (),
        |(), (ratios, scores)| {
            for (ratio, score) in ratios.iter().zip(scores) {
                if !ratio.is_nan() {
                    let beaten = population.partition_point(|z| ratio - z >= margin);
                    *score = beaten as f64 / size;
                }
            }
        },
    )?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ratio() -> impl Strategy<Value = f64> {
        let infinite = prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY)];
        prop_oneof![8 => -3.0..3.0f64, 4 => (-2..3i32).prop_map(f64::from), 1 => infinite]
    }

    proptest! {
        #[test]
        fn agrees_with_a_scan_of_all_pairs(
            ratios in prop::collection::vec(ratio(), 0..30),
            population in prop::collection::vec(ratio(), 1..30),
            gamma in prop_oneof![Just(1.0), Just(2.0), 0.1..10.0f64],
        ) {
            let scores = rmia_scores(&ratios, &population, gamma, &|| Ok(())).unwrap();
            for (ratio, score) in ratios.iter().zip(scores) {
                let beaten = population.iter().filter(|z| ratio - *z >= gamma.ln()).count();
                prop_assert_eq!(score, beaten as f64 / population.len() as f64);
            }
        }
    }

    #[test]
    fn wrong_arguments_are_errors() {
        assert_eq!(
            rmia_scores(&[0.0], &[], 1.0, &|| Ok(())),
            Err(Error::Empty("log_population"))
        );
        assert_eq!(
            rmia_scores(&[0.0], &[0.0, f64::NAN], 1.0, &|| Ok(())),
            Err(Error::HoldsNan("log_population"))
        );
        for gamma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                rmia_scores(&[0.0], &[0.0], gamma, &|| Ok(())),
                Err(Error::NotPositive { .. })
            ));
        }
        assert!(rmia_scores(&[f64::NAN], &[0.0], 1.0, &|| Ok(())).unwrap()[0].is_nan());
    }
}
