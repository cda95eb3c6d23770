//! RMIA: the share of a population that a record's likelihood ratio beats.

use crate::error::{Error, Result};
use crate::threads;

/// Records that a thread takes at once.
const CHUNK: usize = 1024;

/// Returns the share of population values z with `log_ratio - z >= log(gamma)`, NaN for NaN.
///
/// One sort and one binary search per record: `O((n + z) log z)` time, `O(n + z)` memory. The
/// rounded difference never grows with z, so the search finds what a scan of all pairs would.
pub fn rmia_scores(log_ratios: &[f64], log_population: &[f64], gamma: f64) -> Result<Vec<f64>> {
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
    threads::for_each(
        log_ratios
            .chunks(CHUNK)
            .zip(out.chunks_mut(CHUNK))
            .collect(),
        log_ratios.len() * population.len().ilog2() as usize,
        || (),
        |(), (ratios, scores)| {
            for (ratio, score) in ratios.iter().zip(scores) {
                if !ratio.is_nan() {
                    let beaten = population.partition_point(|z| ratio - z >= margin);
                    *score = beaten as f64 / size;
                }
            }
        },
    );
    Ok(out)
}
