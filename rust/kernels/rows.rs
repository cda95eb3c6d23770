//! The signals and the references of records, a few rows at a time, side by side in memory.

use ndarray::{s, ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::kernels::tile::LANES;
use crate::kernels::Pulse;
use crate::threads;

/// Records that a thread takes at once, at most, and numbers that stay in a core's nearest cache.
const CHUNK: usize = 4 * LANES;
const NUMBERS: usize = 1 << 11;
/// Steps of work, none of them above a few nanoseconds, between two pulses.
const SLAB: usize = 1 << 26;

/// Numbers of one kind, a row per record, as float64. Rows end in NaN up to a whole number of
/// vectors: NaN means absent in all kernels, so that nothing needs to treat the end apart.
#[derive(Default)]
pub struct Rows {
    numbers: Vec<f64>,
    stride: usize,
}

impl Rows {
    fn read<T: Copy + Into<f64>>(&mut self, table: ArrayView2<'_, T>) {
        self.stride = table.ncols().next_multiple_of(LANES);
        self.numbers.resize(table.nrows() * self.stride, f64::NAN);
        let [down, across] = [Axis(0), Axis(1)].map(|axis| table.stride_of(axis).abs());
        // Along memory: a stride of many records would miss the cache at every number.
        if down < across {
            for (j, column) in table.columns().into_iter().enumerate() {
                for (i, &value) in column.iter().enumerate() {
                    self.numbers[i * self.stride + j] = value.into();
                }
            }
        } else {
            for (i, row) in table.rows().into_iter().enumerate() {
                let numbers = &mut self.numbers[i * self.stride..];
                // Known to lie side by side, numbers are copied many at a time.
                match row.to_slice() {
                    Some(row) => copy(row.iter(), numbers),
                    None => copy(row.iter(), numbers),
                }
            }
        }
        if self.stride > 0 {
            for row in self.numbers.chunks_exact_mut(self.stride) {
                row[table.ncols()..].fill(f64::NAN);
            }
        }
    }

    /// A record's row, with the NaN at its end.
    pub fn row(&self, record: usize) -> &[f64] {
        &self.numbers[record * self.stride..(record + 1) * self.stride]
    }

    pub fn row_mut(&mut self, record: usize) -> &mut [f64] {
        &mut self.numbers[record * self.stride..(record + 1) * self.stride]
    }

    pub fn all_mut(&mut self) -> &mut [f64] {
        &mut self.numbers
    }
}

#[inline(always)]
fn copy<'a, T: Copy + Into<f64> + 'a>(from: impl Iterator<Item = &'a T>, to: &mut [f64]) {
    for (number, &value) in to.iter_mut().zip(from) {
        *number = value.into();
    }
}

/// The rows of a few records.
#[derive(Default)]
pub struct Chunk {
    pub signals: Rows,
    pub references: Rows,
}

/// Calls `body(scratch, chunk, first record, rows of the result)` for every few records, on all
/// threads, and returns the result: one number per signal, row by row.
///
/// `work`: steps per record, about. `pulse` is called every so many of them.
pub fn for_each_chunk<S, R, W>(
    tables: (ArrayView2<'_, S>, ArrayView2<'_, R>),
    work: usize,
    pulse: Pulse,
    scratch: impl Fn() -> W + Sync,
    body: impl Fn(&mut W, &mut Chunk, usize, &mut [f64]) + Sync,
) -> Result<Vec<f64>>
where
    S: Copy + Into<f64> + Sync,
    R: Copy + Into<f64> + Sync,
{
    let (signal, references) = tables;
    let ((records, width), expected) = (signal.dim(), references.nrows());
    if records != expected {
        return Err(Error::Length {
            name: "signal",
            found: records,
            expected,
        });
    }
    // Zeros come from the system, which leaves the first touch of a page to the threads.
    let mut out = vec![0.0; records * width];
    if width == 0 {
        return Ok(out);
    }
    let [down, across] = [Axis(0), Axis(1)].map(|axis| references.stride_of(axis).abs());
    let chunk = match down < across {
        // Neighbours in memory, read together.
        true => CHUNK,
        false => (NUMBERS / references.ncols().max(1)).clamp(1, CHUNK),
    };
    let slab = (SLAB / work.max(1)).max(1).next_multiple_of(chunk);
    for (nth, rows) in out.chunks_mut(slab * width).enumerate() {
        pulse()?;
        let chunks = rows.chunks_mut(chunk * width);
        let firsts = (nth * slab..).step_by(chunk);
        threads::for_each(
            firsts.zip(chunks).collect(),
            slab.min(records).saturating_mul(work),
            || (Chunk::default(), scratch()),
            |(read, scratch), (first, rows)| {
                let last = first + rows.len() / width;
                read.signals.read(signal.slice(s![first..last, ..]));
                read.references.read(references.slice(s![first..last, ..]));
                body(scratch, read, first, rows);
            },
        );
    }
    Ok(out)
}
