//! The whole curve of a record, for many numbers to be read off.

use crate::kernels::pchip::cubic::{cubic, end_slope, slope};
use crate::kernels::pchip::losses;
use crate::kernels::sorting::{count_at_most, sort_lanes};
use crate::kernels::tile::{Lanes, LANES};
use crate::kernels::wide;

/// Up to this many knots, comparing with all of them is quicker than a search.
const SCAN: usize = 512;

/// All knots of a record.
#[derive(Default)]
pub struct Knots {
    /// The numbers of several records, sorted, and how many each has.
    tile: Vec<Lanes>,
    totals: [usize; LANES],
    total: f64,
    at: Vec<f64>,
    count: Vec<f64>,
    /// Slope at each knot, times the length of the interval before and after it.
    before: Vec<f64>,
    after: Vec<f64>,
    places: Vec<f64>,
}

impl Knots {
    /// Sorts the references of several records.
    pub fn sort<'a>(&mut self, rows: impl Iterator<Item = &'a [f64]>, of_loss: bool) {
        self.tile.clear();
        self.totals = [0; LANES];
        for (lane, row) in rows.enumerate() {
            self.tile.resize(row.len(), [f64::INFINITY; LANES]);
            for (slot, &x) in self.tile.iter_mut().zip(row) {
                slot[lane] = if x.is_nan() { f64::INFINITY } else { x };
                self.totals[lane] += usize::from(!x.is_nan());
            }
        }
        sort_lanes(&mut self.tile);
        if of_loss {
            losses(self.tile.as_flattened_mut());
        }
    }

    /// Makes the knots of one of the sorted records.
    pub fn take(&mut self, lane: usize) {
        let total = self.totals[lane];
        self.total = total as f64;
        for numbers in [&mut self.at, &mut self.count] {
            numbers.clear();
            numbers.resize(total, 0.0);
        }
        let (mut knots, mut last) = (0, f64::NEG_INFINITY);
        for (k, x) in self.tile[..total].iter().enumerate() {
            // Losses of different signals may be equal.
            let x = x[lane];
            knots += usize::from(x > last);
            last = if x > last { x } else { last };
            self.at[knots - 1] = last;
            self.count[knots - 1] = (k + 1) as f64;
        }
        self.at.truncate(knots);
        self.count.truncate(knots);
        for numbers in [&mut self.before, &mut self.after] {
            numbers.clear();
            numbers.resize(knots, 0.0);
        }
        if knots > 2 {
            self.slopes();
        }
    }

    fn slopes(&mut self) {
        let n = self.at.len();
        let (at, count) = (&self.at, &self.count);
        slopes_inside(
            at,
            count,
            &mut self.before[1..n - 1],
            &mut self.after[1..n - 1],
        );
        let length = |i: usize| at[i + 1] - at[i];
        let rise = |i: usize| count[i + 1] - count[i];
        self.after[0] = end_slope([length(0), length(1)], [rise(0), rise(1)]);
        let (i, j) = (n - 2, n - 3);
        self.before[n - 1] = end_slope([length(i), length(j)], [rise(i), rise(j)]);
    }

    /// Reads the distribution at each of `own`.
    pub fn p_values(&mut self, own: &[f64], p: &mut [f64]) {
        let knots = self.at.len();
        self.places.resize(own.len(), 0.0);
        if knots <= SCAN {
            count_at_most(&self.at, own, &mut self.places);
        } else {
            for (place, x) in self.places.iter_mut().zip(own) {
                *place = self.at.partition_point(|at| at <= x) as f64;
            }
        }
        for ((&x, p), &place) in own.iter().zip(p).zip(&self.places) {
            let place = place as usize;
            *p = if x.is_nan() {
                f64::NAN
            } else if place == knots {
                1.0
            } else if place == 0 {
                0.0
            } else {
                self.between(place, x) / self.total
            };
        }
    }

    /// The count at x, which lies in the interval that ends at knot `place`.
    #[inline(always)]
    fn between(&self, place: usize, x: f64) -> f64 {
        let base = self.count[place - 1];
        if self.at.len() < 3 {
            return base;
        }
        let (left, right) = (self.at[place - 1], self.at[place]);
        let slopes = [self.after[place - 1], self.before[place]];
        let t = (x - left) / (right - left);
        base + cubic(t, slopes, self.count[place] - base)
    }
}

wide! {
    fn slopes_inside(at: &[f64], count: &[f64], before: &mut [f64], after: &mut [f64]) {
        let n = before.len();
        let (at, count) = (
            [&at[..n], &at[1..n + 1], &at[2..n + 2]],
            [&count[..n], &count[1..n + 1], &count[2..n + 2]],
        );
        let after = &mut after[..n];
        for i in 0..n {
            let length = [at[1][i] - at[0][i], at[2][i] - at[1][i]];
            let rise = [count[1][i] - count[0][i], count[2][i] - count[1][i]];
            [before[i], after[i]] = slope(length, rise);
        }
    }
}
