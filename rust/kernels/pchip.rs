//! The empirical distribution of each record's references, smoothed by a monotone cubic (PCHIP:
//! Fritsch and Butland's slopes, as SciPy has them), read at the record's signals.
//!
//! Numbers are ascending here, the more like a member the lower, as losses are. A knot is a
//! distinct number with the count of references up to and including it. Everything is in lengths
//! of the interval at hand, which neither overflows nor underflows, and in counts.

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::math::softplus_block;
use crate::kernels::rows::for_each_chunk;
use crate::kernels::sorting::{count_at_most, sort_lanes, sum, BLOCK};
use crate::kernels::tile::{Lanes, LANES};
use crate::kernels::{wide, Pulse};

/// Up to this many signals per record, each looks for its own four knots instead of sorting.
const FEW: usize = 8;
/// Up to this many knots, comparing with all of them is quicker than a search.
const SCAN: usize = 512;

/// Returns one p-value per signal, row by row: 0 beyond all references, NaN for NaN, 1 without
/// references. Signals are higher for members; with `of_loss` they are rescaled logits, and the
/// distribution that of their losses, ln(1 + e^-signal).
pub fn pchip_p_values<S, R>(
    signal: ArrayView2<'_, S>,
    references: ArrayView2<'_, R>,
    of_loss: bool,
    pulse: Pulse,
) -> Result<Vec<f64>>
where
    S: Copy + Into<f64> + Sync,
    R: Copy + Into<f64> + Sync,
{
    let (width, models) = (signal.ncols(), references.ncols());
    for_each_chunk(
        (signal, references),
        (models + width) * 32 + models * width,
        pulse,
        Knots::default,
        |knots, chunk, _, rows| {
            ascending(chunk.signals.all_mut());
            ascending(chunk.references.all_mut());
            if width > FEW && of_loss {
                losses(chunk.signals.all_mut());
            }
            let last = rows.len() / width;
            for first in (0..last).step_by(LANES) {
                let group = first..last.min(first + LANES);
                let mut sorted = false;
                for record in group.clone() {
                    let p = &mut rows[record * width..(record + 1) * width];
                    let own = chunk.signals.row_mut(record);
                    if width <= FEW {
                        if all_near(own, chunk.references.row(record), of_loss, p) {
                            continue;
                        }
                        if of_loss {
                            losses(own);
                        }
                    }
                    if !sorted {
                        let rows = group.clone().map(|i| &chunk.references.row(i)[..models]);
                        knots.sort(rows, of_loss);
                        sorted = true;
                    }
                    knots.take(record - first);
                    knots.p_values(&own[..width], p);
                }
            }
        },
    )
}

wide! {
    /// Turns signals round; infinite ones become the largest finite ones.
    fn ascending(signals: &mut [f64]) {
        for x in signals {
            // Comparisons with NaN are false, which keeps it.
            let y = if -*x > f64::MAX { f64::MAX } else { -*x };
            *x = if y < f64::MIN { f64::MIN } else { y };
        }
    }
}

wide! {
    /// Turns rescaled logits, the signs turned round, into losses; the number of them is a multiple
    /// of a vector's.
    fn losses(values: &mut [f64]) {
        let (blocks, rest) = values.as_chunks_mut::<BLOCK>();
        for block in blocks {
            losses_of(block);
        }
        for block in rest.as_chunks_mut::<LANES>().0 {
            losses_of(block);
        }
    }
}

#[inline(always)]
fn losses_of<const N: usize>(values: &mut [f64; N]) {
    let losses = softplus_block(*values);
    for l in 0..N {
        values[l] = if values[l].is_nan() {
            f64::NAN
        } else {
            losses[l]
        };
    }
}

/// The slope at a knot between two intervals, times the length of the one before and of the one
/// after: a harmonic mean of the slopes of both. `rise`: what the count gains on them.
#[inline(always)]
fn slope(length: [f64; 2], rise: [f64; 2]) -> [f64; 2] {
    let both = length[0] + length[1];
    let (a, b) = (length[0] / both, length[1] / both);
    let weighted = (1.0 + b) * a * rise[1] + (1.0 + a) * b * rise[0];
    let scale = 3.0 * rise[0] * rise[1] / weighted;
    [a * scale, b * scale]
}

/// The slope at the first knot, times the length of its interval; at the last, seen backwards.
#[inline(always)]
fn end_slope(length: [f64; 2], rise: [f64; 2]) -> f64 {
    let a = length[0] / (length[0] + length[1]);
    let slope = (1.0 + a) * rise[0] - a * (length[0] / length[1]) * rise[1];
    if slope > 0.0 {
        slope
    } else {
        0.0
    }
}

/// The cubic that rises from 0 to `rise` for t from 0 to 1, with these slopes at its ends.
#[inline(always)]
fn cubic(t: f64, slopes: [f64; 2], rise: f64) -> f64 {
    let square = 3.0 * rise - 2.0 * slopes[0] - slopes[1];
    let cube = slopes[0] + slopes[1] - 2.0 * rise;
    let y = t * (slopes[0] + t * (square + t * cube));
    // Its own rounding must not leave the interval.
    if y < rise {
        if y > 0.0 {
            y
        } else {
            0.0
        }
    } else {
        rise
    }
}

/// All knots of a record.
#[derive(Default)]
struct Knots {
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
    fn sort<'a>(&mut self, rows: impl Iterator<Item = &'a [f64]>, of_loss: bool) {
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
    fn take(&mut self, lane: usize) {
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
    fn p_values(&mut self, own: &[f64], p: &mut [f64]) {
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

/// What lies around a number: two knots at or below it, three above, infinite where there is none.
struct Around {
    total: f64,
    below: [f64; 2],
    above: [f64; 3],
    /// References at or below the number, at the nearest knot below it and at two above.
    reached: f64,
    at_below: f64,
    at_above: [f64; 2],
}

/// Fills `p`, or returns false.
fn all_near(own: &[f64], others: &[f64], of_loss: bool, p: &mut [f64]) -> bool {
    p.iter_mut().zip(own).all(|(p, x)| {
        let near = near(*x, others, of_loss);
        *p = near.unwrap_or(f64::NAN);
        near.is_some()
    })
}

/// The p-value of one number from its own four knots, in a few passes over unsorted references;
/// None where losses are equal though signals are not, which moves the knots.
fn near(x: f64, others: &[f64], of_loss: bool) -> Option<f64> {
    if x.is_nan() {
        return Some(f64::NAN);
    }
    let around = look_around(x, others);
    let Around { below, above, .. } = around;
    if around.reached == around.total {
        return Some(1.0);
    } else if around.reached == 0.0 {
        return Some(0.0);
    }
    let mut at = [
        below[1], below[0], x, above[0], above[1], above[2], 0.0, 0.0,
    ];
    if of_loss {
        losses(&mut at);
    }
    let [b1, b0, x, a0, a1, a2, ..] = at;
    let (first, last) = (below[1] == f64::NEG_INFINITY, above[1] == f64::INFINITY);
    let apart = (first || b1 < b0) && x < a0 && (last || a0 < a1);
    if !(apart && (above[2] == f64::INFINITY || a1 < a2)) {
        return None;
    }
    if first && last {
        return Some(around.reached / around.total);
    }
    let (length, [rise, next]) = (a0 - b0, around.at_above);
    let left = match first {
        true => end_slope([length, a1 - a0], [rise, next]),
        false => slope([b0 - b1, length], [around.at_below, rise])[1],
    };
    let right = match last {
        true => end_slope([length, b0 - b1], [rise, around.at_below]),
        false => slope([length, a1 - a0], [rise, next])[0],
    };
    let t = (x - b0) / length;
    Some((around.reached + cubic(t, [left, right], rise)) / around.total)
}

wide! {
    fn look_around(x: f64, others: &[f64]) -> Around {
        let (mut total, mut reached) = ([0.0; BLOCK], [0.0; BLOCK]);
        let (mut below, mut above) = ([f64::NEG_INFINITY; BLOCK], [f64::INFINITY; BLOCK]);
        for_each_block(others, |block| {
            for l in 0..BLOCK {
                let y = block[l];
                total[l] += if y.is_nan() { 0.0 } else { 1.0 };
                reached[l] += if y <= x { 1.0 } else { 0.0 };
                below[l] = if (y <= x) & (y > below[l]) { y } else { below[l] };
                above[l] = if (y > x) & (y < above[l]) { y } else { above[l] };
            }
        });
        let nearest = (greatest(below), least(above));
        let (mut at_below, mut at_above) = ([0.0; BLOCK], [0.0; BLOCK]);
        let (mut below, mut above) = ([f64::NEG_INFINITY; BLOCK], [f64::INFINITY; BLOCK]);
        for_each_block(others, |block| {
            for l in 0..BLOCK {
                let y = block[l];
                at_below[l] += if y == nearest.0 { 1.0 } else { 0.0 };
                at_above[l] += if y == nearest.1 { 1.0 } else { 0.0 };
                below[l] = if (y < nearest.0) & (y > below[l]) { y } else { below[l] };
                above[l] = if (y > nearest.1) & (y < above[l]) { y } else { above[l] };
            }
        });
        let second = least(above);
        let (mut at_second, mut beyond) = ([0.0; BLOCK], [f64::INFINITY; BLOCK]);
        for_each_block(others, |block| {
            for l in 0..BLOCK {
                let y = block[l];
                at_second[l] += if y == second { 1.0 } else { 0.0 };
                beyond[l] = if (y > second) & (y < beyond[l]) { y } else { beyond[l] };
            }
        });
        Around {
            total: sum(total),
            below: [nearest.0, greatest(below)],
            above: [nearest.1, second, least(beyond)],
            reached: sum(reached),
            at_below: sum(at_below),
            at_above: [sum(at_above), sum(at_second)],
        }
    }
}

/// Calls `body` with all values, block by block, the last one filled up with NaN.
#[inline(always)]
fn for_each_block(values: &[f64], mut body: impl FnMut(&[f64; BLOCK])) {
    let (blocks, rest) = values.as_chunks::<BLOCK>();
    for block in blocks {
        body(block);
    }
    if !rest.is_empty() {
        let mut block = [f64::NAN; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        body(&block);
    }
}

#[inline(always)]
fn least(block: [f64; BLOCK]) -> f64 {
    block
        .into_iter()
        .fold(f64::INFINITY, |a, b| if b < a { b } else { a })
}

#[inline(always)]
fn greatest(block: [f64; BLOCK]) -> f64 {
    block
        .into_iter()
        .fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a })
}
