//! Rows that begin where a line of the memory begins: no number of theirs is read across two.

use super::rows::Real;
use super::tiles::ROWS;

/// Numbers of a line.
const LINE: usize = 16;

#[derive(Default)]
pub struct Aligned {
    numbers: Vec<f32>,
    first: usize,
    /// Numbers of a row, noughts at its end included.
    stride: usize,
}

impl Aligned {
    /// Makes room for rows of `width` numbers, and lets them be written.
    pub fn fill(&mut self, rows: usize, width: usize) -> impl Iterator<Item = &mut [f32]> {
        self.stride = width.next_multiple_of(LINE);
        self.numbers.clear();
        self.numbers.resize(rows * self.stride + LINE, 0.0);
        let bytes = LINE * size_of::<f32>();
        self.first = self.numbers.as_ptr().align_offset(bytes).min(LINE);
        let rows = self.numbers[self.first..].chunks_exact_mut(self.stride);
        rows.map(move |row| &mut row[..width])
    }

    pub fn row(&self, at: usize) -> &[f32] {
        &self.numbers[self.first + at * self.stride..][..self.stride]
    }
}

/// References of a tile as float32, made when they are first wanted.
#[derive(Default)]
pub struct Singles {
    numbers: Vec<f32>,
    stale: bool,
    aligned: Aligned,
    unaligned: bool,
}

impl Singles {
    /// Forgets them: another tile follows.
    pub fn clear(&mut self) {
        (self.stale, self.unaligned) = (true, true);
    }

    /// As the references stand.
    pub fn of<'a, T: Real>(&'a mut self, rows: &'a [T]) -> &'a [f32] {
        T::singles(rows, &mut self.numbers, std::mem::take(&mut self.stale))
    }

    pub fn aligned<T: Real>(&mut self, rows: &[T], width: usize) -> &Aligned {
        if std::mem::take(&mut self.unaligned) {
            let aligned = self.aligned.fill(ROWS, width);
            for (to, from) in aligned.zip(rows.chunks_exact(width)) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from.single();
                }
            }
        }
        &self.aligned
    }
}
