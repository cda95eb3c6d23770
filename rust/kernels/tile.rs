//! References in tiles: a few records side by side, so that one instruction serves them all.

use ndarray::{s, ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::kernels::{wide, Pulse};
use crate::threads;

/// Records in a tile: one AVX-512 register of float64.
pub const LANES: usize = 8;
/// Tiles that a thread takes at once, at most, and steps after which it has had enough.
const TILES: usize = 32;
const STEPS: usize = 1 << 22;
/// References of a record that are copied at once.
const COLUMNS: usize = 64;

/// One number for each record of a tile.
pub type Lanes = [f64; LANES];

/// A reference signal of each record (rows) under each reference model (columns).
#[derive(Clone, Copy)]
pub struct References<'a, T> {
    all: ArrayView2<'a, T>,
    skip: (usize, usize),
}

impl<'a, T: Copy + Into<f64> + Sync> References<'a, T> {
    /// `skip`: columns to treat as absent.
    pub fn new(all: ArrayView2<'a, T>, skip: Option<(usize, usize)>) -> Result<Self> {
        let columns = all.ncols();
        let (start, stop) = skip.unwrap_or((columns, columns));
        if start > stop || stop > columns {
            return Err(Error::Skip {
                start,
                stop,
                columns,
            });
        }
        Ok(Self {
            all,
            skip: (start, stop),
        })
    }

    pub fn records(&self) -> usize {
        self.all.nrows()
    }

    /// The number of columns that are not skipped.
    pub fn models(&self) -> usize {
        self.all.ncols() - (self.skip.1 - self.skip.0)
    }

    pub fn check_records(&self, name: &'static str, found: usize) -> Result<()> {
        let expected = self.records();
        if found == expected {
            Ok(())
        } else {
            Err(Error::Length {
                name,
                found,
                expected,
            })
        }
    }

    /// Calls `body(tile, first record, rows)` for every tile, on all threads: a tile holds one
    /// `Lanes` per model, and `rows` is the tile's part of `out`, `width` numbers per record.
    /// `steps`: of a few nanoseconds each, per reference signal.
    pub fn for_each_tile<const N: usize>(
        &self,
        out: [(&mut [f64], usize); N],
        steps: usize,
        pulse: Pulse,
        body: impl Fn(&mut [Lanes], usize, [&mut [f64]; N]) + Sync,
    ) -> Result<()> {
        let work = self.all.ncols().saturating_mul(steps).max(1);
        let chunk = LANES * (STEPS / LANES / work).clamp(1, TILES);
        let mut chunks =
            out.map(|(numbers, width)| (numbers.chunks_mut((chunk * width).max(1)), width));
        let items: Vec<_> = (0..self.records())
            .step_by(chunk)
            .map(|first| {
                let rows = chunks
                    .each_mut()
                    .map(|(c, width)| (c.next().unwrap_or_default(), *width));
                (first, rows)
            })
            .collect();
        threads::for_each_or_stop(
            items,
            self.records().saturating_mul(work),
            pulse,
            || vec![[f64::NAN; LANES]; self.models()],
            |tile, (first, mut rows)| {
                for start in (first..self.records().min(first + chunk)).step_by(LANES) {
                    let lanes = LANES.min(self.records() - start);
                    self.read(start, tile);
                    let part = rows.each_mut().map(|(numbers, width)| {
                        let from = (start - first) * *width;
                        &mut numbers[from..from + lanes * *width]
                    });
                    body(tile, start, part);
                }
            },
        )
    }

    /// Copies the records from `start` on into a tile; lanes beyond the last are NaN.
    pub fn read(&self, start: usize, tile: &mut [Lanes]) {
        let lanes = LANES.min(self.records() - start);
        if lanes < LANES {
            tile.fill([f64::NAN; LANES]);
        }
        let records = self.all.slice(s![start..start + lanes, ..]);
        let (left, right) = tile.split_at_mut(self.skip.0);
        copy(records.slice(s![.., ..self.skip.0]), left);
        copy(records.slice(s![.., self.skip.1..]), right);
    }
}

fn copy<T: Copy + Into<f64>>(records: ArrayView2<'_, T>, tile: &mut [Lanes]) {
    // Along memory: a stride of many records would miss the cache at every number.
    let [down, across] = [Axis(0), Axis(1)].map(|axis| records.stride_of(axis).abs());
    if down < across {
        for (slot, column) in tile.iter_mut().zip(records.columns()) {
            for (number, &value) in slot.iter_mut().zip(column) {
                *number = value.into();
            }
        }
        return;
    }
    // A few numbers of each record, whose places in the tile are in the cache for the next.
    let parts = records.axis_chunks_iter(Axis(1), COLUMNS);
    for (part, tile) in parts.zip(tile.chunks_mut(COLUMNS)) {
        for (lane, row) in part.rows().into_iter().enumerate() {
            match row.to_slice() {
                Some(row) => copy_row(row.iter(), tile, lane),
                None => copy_row(row.iter(), tile, lane),
            }
        }
    }
}

#[inline(always)]
fn copy_row<'a, T: Copy + Into<f64> + 'a>(
    row: impl Iterator<Item = &'a T>,
    tile: &mut [Lanes],
    lane: usize,
) {
    for (slot, &value) in tile.iter_mut().zip(row) {
        slot[lane] = value.into();
    }
}

/// What `moments` finds in each lane.
pub struct Moments {
    pub count: Lanes,
    /// NaN where there is no reference.
    pub mean: Lanes,
    /// Sum of squared deviations from the mean; exactly 0 when all references are equal.
    pub squares: Lanes,
}

wide! {
    /// Count, mean and sum of squares, in two passes, exact for constant records.
    pub fn moments(tile: &[Lanes]) -> Moments {
        // Sums of differences from one of the values keep equal values exactly equal.
        let mut shift = [0.0; LANES];
        for x in tile {
            for l in 0..LANES {
                shift[l] = if x[l].is_nan() { shift[l] } else { x[l] };
            }
        }
        let (mut count, mut sum, mut shifted) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for x in tile {
            for l in 0..LANES {
                let valid = !x[l].is_nan();
                count[l] += if valid { 1.0 } else { 0.0 };
                sum[l] += if valid { x[l] } else { 0.0 };
                shifted[l] += if valid { x[l] - shift[l] } else { 0.0 };
            }
        }
        let mut mean = [0.0; LANES];
        for l in 0..LANES {
            let from_shift = shift[l] + shifted[l] / count[l];
            // Infinite references: as a plain sum has it.
            mean[l] = if shifted[l].is_finite() { from_shift } else { sum[l] / count[l] };
        }
        let (mut squares, mut rest) = ([0.0; LANES], [0.0; LANES]);
        for x in tile {
            for l in 0..LANES {
                let deviation = if x[l].is_nan() { 0.0 } else { x[l] - mean[l] };
                squares[l] += deviation * deviation;
                rest[l] += deviation;
            }
        }
        for l in 0..LANES {
            // The mean's own rounding, taken out again.
            let corrected = squares[l] - rest[l] * rest[l] / count[l];
            squares[l] = if corrected < 0.0 { 0.0 } else { corrected };
        }
        Moments { count, mean, squares }
    }
}
