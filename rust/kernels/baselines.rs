//! What the references of each record are standardised by, each by the others.

use std::mem::size_of;

use ndarray::ArrayView2;

use crate::error::Result;
use crate::kernels::tile::{moments, Lanes, References, LANES};
use crate::kernels::{wide, Pulse};
use crate::threads;

/// Observations that the common variance counts for beside a record's own.
const PSEUDO_OBSERVATIONS: f64 = 4.0;
/// References of a record below which it has no statistic.
const FEWEST: f64 = 3.0;
/// What removing a reference leaves of the sum of squares, below which it is rounding.
const CANCELLED: f64 = 1e-12;
/// Numbers that are kept of a record.
const KEPT: usize = 4;
/// Signals that a thread takes at once, about.
const SIGNALS: usize = 1 << 12;

/// S is `(x - mean) / sqrt(v (1 + 1 / m))` with `v = (squares + 4 variance) / (m - 1 + 4)` for m
/// references: 0 where x is their mean up to rounding, infinite where v is 0 and it is not, NaN
/// for a record with fewer than three. Infinite references stand for the limit of ever larger ones.
pub struct Baselines<'a, T> {
    pub references: References<'a, T>,
    /// Of each record: a finite reference, from which differences are taken, as what is equal then
    /// stays so whatever its size; the number of references, mean and squares of the differences.
    kept: Vec<[f64; KEPT]>,
    /// The common variance: what was given, or the mean of the records' own.
    pub variance: f64,
}

impl<'a, T: Copy + Into<f64> + Sync> Baselines<'a, T> {
    pub fn new(references: References<'a, T>, variance: Option<f64>, pulse: Pulse) -> Result<Self> {
        let mut kept = vec![[f64::NAN; KEPT]; references.records()];
        let rows = (kept.as_flattened_mut(), KEPT);
        references.for_each_tile([rows], 2, pulse, |tile, _, [rows]| {
            let shift = last_finite(tile);
            subtract(tile, &shift);
            let found = moments(tile);
            for (lane, kept) in rows.as_chunks_mut().0.iter_mut().enumerate() {
                *kept = [&shift, &found.count, &found.mean, &found.squares].map(|x| x[lane]);
            }
        })?;
        let variance = variance.unwrap_or_else(|| mean_variance(&kept));
        Ok(Self {
            references,
            kept,
            variance,
        })
    }

    /// How many references of each record have a statistic.
    pub fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        let counts = self.kept.iter().map(|[_, count, ..]| *count);
        counts.map(|count| if count < FEWEST { 0 } else { count as usize })
    }

    /// Puts S in place of references, the tile of the records from `first` on.
    pub fn standardise(&self, tile: &mut [Lanes], first: usize) {
        let lot = self.lot(first);
        let before = lot.has_extremes().then(|| tile.to_vec());
        each_by_others(&lot, tile);
        let Some(before) = before else { return };
        for lane in (0..LANES).filter(|lane| lot.extreme[*lane]) {
            let values = lot.differences(&before, lane);
            for (j, s) in tile.iter_mut().enumerate() {
                let others = values
                    .iter()
                    .enumerate()
                    .filter(|(i, x)| *i != j && !x.is_nan());
                let others: Vec<f64> = others.map(|(_, x)| *x).collect();
                s[lane] = extreme(values[j], &others, lot.common);
            }
        }
    }

    /// Returns S of signals by all references of their record but the last, row by row.
    pub fn own<S: Copy + Into<f64> + Sync>(
        &self,
        signal: ArrayView2<'_, S>,
        pulse: Pulse,
    ) -> Result<Vec<f64>> {
        let (records, width) = signal.dim();
        let mut own = vec![0.0; records * width];
        if width == 0 {
            return Ok(own);
        }
        let part = (SIGNALS / width).max(1).next_multiple_of(LANES);
        threads::for_each_or_stop(
            (0..)
                .step_by(part)
                .zip(own.chunks_mut(part * width))
                .collect(),
            records * width,
            pulse,
            || (),
            |(), (first, rows)| {
                let firsts = (first..).step_by(LANES);
                for (first, rows) in firsts.zip(rows.chunks_mut(LANES * width)) {
                    for (lane, row) in rows.chunks_exact_mut(width).enumerate() {
                        for (s, &x) in row.iter_mut().zip(signal.row(first + lane)) {
                            *s = x.into();
                        }
                    }
                    self.own_of_tile(rows, width, first);
                }
            },
        )?;
        Ok(own)
    }

    fn own_of_tile(&self, rows: &mut [f64], width: usize, first: usize) {
        let lot = self.lot(first);
        let before = lot.has_extremes().then(|| rows.to_vec());
        own_by_all_but_last(&lot, rows, width);
        let Some(before) = before else { return };
        let mut tile = vec![[f64::NAN; LANES]; self.references.models()];
        self.references.read(first, &mut tile);
        let rows = rows.chunks_exact_mut(width).zip(before.chunks_exact(width));
        for (lane, (row, before)) in rows.enumerate().filter(|(lane, _)| lot.extreme[*lane]) {
            let mut values = lot.differences(&tile, lane);
            values.retain(|x| !x.is_nan());
            values.pop();
            for (s, x) in row.iter_mut().zip(before) {
                *s = extreme(x - lot.shift[lane], &values, lot.common);
            }
        }
    }

    /// What the records from `first` on have, side by side.
    fn lot(&self, first: usize) -> Lot {
        let mut lot = Lot {
            common: PSEUDO_OBSERVATIONS * self.variance,
            share: 8.0
                * match size_of::<T>() {
                    4 => f64::from(f32::EPSILON),
                    _ => f64::EPSILON,
                },
            ..Lot::default()
        };
        for (lane, &[shift, count, mean, squares]) in
            self.kept[first..].iter().take(LANES).enumerate()
        {
            (lot.shift[lane], lot.count[lane]) = (shift, count);
            (lot.mean[lane], lot.squares[lane]) = (mean, squares);
        }
        lot.complete();
        lot
    }
}

/// The mean variance of the records that have a finite one; 0 without any.
fn mean_variance(kept: &[[f64; KEPT]]) -> f64 {
    // In order, so that the number of threads changes no bit.
    let enough = kept.iter().filter(|[_, count, ..]| *count >= FEWEST);
    let variances = enough.map(|[_, count, _, squares]| squares / (count - 1.0));
    let variances: Vec<f64> = variances.filter(|x| x.is_finite()).collect();
    let count = variances.len().max(1) as f64;
    variances.iter().map(|x| x / count).sum()
}

wide! {
    fn last_finite(tile: &[Lanes]) -> Lanes {
        let mut last = [0.0; LANES];
        for x in tile {
            for l in 0..LANES {
                last[l] = if x[l].is_finite() { x[l] } else { last[l] };
            }
        }
        last
    }
}

wide! {
    fn subtract(tile: &mut [Lanes], shift: &Lanes) {
        for x in tile {
            for l in 0..LANES {
                x[l] -= shift[l];
            }
        }
    }
}

/// What is kept of a tile's records, and what follows from it for each of their references.
#[derive(Default)]
struct Lot {
    shift: Lanes,
    count: Lanes,
    /// NaN, and so all that follows, where a record has too few references.
    mean: Lanes,
    squares: Lanes,
    common: f64,
    /// Numbers that differ by this share of their size are equal.
    share: f64,
    /// How far numbers of the size of `shift` may be apart and equal.
    distance: Lanes,
    /// What is left of `squares` is rounding.
    rounding: Lanes,
    /// 1 / (count - 1), and count times that.
    of_rest: Lanes,
    to_rest: Lanes,
    /// From squares of the rest, the common variance among them, to the variance of x - mean.
    spread: Lanes,
    /// Squares overflow, or a reference is infinite: S is computed afresh.
    extreme: [bool; LANES],
}

impl Lot {
    fn complete(&mut self) {
        for l in 0..LANES {
            let (count, rest) = (self.count[l], self.count[l] - 1.0);
            let enough = count >= FEWEST;
            self.extreme[l] = enough && !self.squares[l].is_finite();
            self.mean[l] = if enough { self.mean[l] } else { f64::NAN };
            self.distance[l] = self.share * self.shift[l].abs();
            self.rounding[l] = CANCELLED * self.squares[l];
            self.of_rest[l] = 1.0 / rest;
            self.to_rest[l] = count / rest;
            self.spread[l] = (1.0 + 1.0 / rest) / (rest - 1.0 + PSEUDO_OBSERVATIONS);
        }
    }

    fn has_extremes(&self) -> bool {
        self.extreme.contains(&true)
    }

    fn differences(&self, tile: &[Lanes], lane: usize) -> Vec<f64> {
        tile.iter().map(|x| x[lane] - self.shift[lane]).collect()
    }

    /// Mean and spread of a lane's references but one, which is given less `shift`.
    #[inline(always)]
    fn without(&self, removed: f64, lane: usize) -> [f64; 2] {
        let deviation = removed - self.mean[lane];
        let left = self.squares[lane] - deviation * deviation * self.to_rest[lane];
        let squares = if left > self.rounding[lane] {
            left
        } else {
            0.0
        };
        let variance = (squares + self.common) * self.spread[lane];
        [
            self.mean[lane] - deviation * self.of_rest[lane],
            variance.sqrt(),
        ]
    }

    /// S of x less `shift`; 0 within a distance from the mean, and within a share of it.
    #[inline(always)]
    fn s(&self, x: f64, [mean, spread]: [f64; 2], lane: usize) -> f64 {
        let deviation = x - mean;
        let s = deviation / spread;
        let size = deviation.abs();
        if (size <= self.distance[lane]) | (size <= self.share * mean.abs()) {
            0.0
        } else {
            s
        }
    }
}

wide! {
    fn each_by_others(lot: &Lot, tile: &mut [Lanes]) {
        for x in tile {
            for (l, x) in x.iter_mut().enumerate() {
                let own = *x - lot.shift[l];
                *x = lot.s(own, lot.without(own, l), l);
            }
        }
    }
}

wide! {
    fn own_by_all_but_last(lot: &Lot, rows: &mut [f64], width: usize) {
        // The last is the one from which differences are taken.
        let rest: [[f64; 2]; LANES] = std::array::from_fn(|l| lot.without(0.0, l));
        for (l, row) in rows.chunks_exact_mut(width).enumerate() {
            let (shift, rest) = (lot.shift[l], rest[l]);
            for x in row {
                *x = lot.s(*x - shift, rest, l);
            }
        }
    }
}

/// S where squares overflow or a reference is infinite, computed afresh.
#[cold]
fn extreme(x: f64, others: &[f64], common: f64) -> f64 {
    let largest = others.iter().fold(0.0, |size: f64, y| size.max(y.abs()));
    // Others whose squares are numbers need no scale, which might itself overflow.
    let size = if largest < 1e100 { 1.0 } else { largest };
    // Beside infinite references finite ones are equal, and the common variance is nothing.
    let scaled = |y: f64| match size.is_finite() {
        true => y / size,
        false if y.is_infinite() => y.signum(),
        false => y * 0.0,
    };
    let tile: Vec<Lanes> = others.iter().map(|y| [scaled(*y); LANES]).collect();
    let found = moments(&tile);
    let count = found.count[0];
    let common = if size.is_finite() {
        common / size / size
    } else {
        0.0
    };
    let variance = (found.squares[0] + common) / (count - 1.0 + PSEUDO_OBSERVATIONS);
    let deviation = scaled(x) - found.mean[0];
    if deviation.abs() <= 8.0 * f64::EPSILON * found.mean[0].abs() || deviation == 0.0 {
        0.0
    } else {
        deviation / (variance * (1.0 + 1.0 / count)).sqrt()
    }
}
