//! Numbers dealt out to buckets, each of which lies above the last.

/// Which bucket a number goes to.
pub struct Deal {
    pub buckets: usize,
    /// By the leading bits of a number.
    of_cell: Vec<u16>,
}

impl Deal {
    /// Leading bits: 256 cells between a number and its double.
    const BITS: u32 = 20;
    /// Numbers that decide where buckets begin, for each bucket.
    const SAMPLES: usize = 32;
    /// Buckets at most.
    const MOST: usize = 1 << 12;

    /// Makes buckets that hold about `share` of these numbers each; NaN is absent.
    pub fn new(numbers: &[f64], share: usize) -> Self {
        let wanted = (numbers.len() / share).clamp(1, Self::MOST) * Self::SAMPLES;
        // From all over the numbers.
        let sample = numbers.iter().step_by((numbers.len() / wanted).max(1));
        let sample = sample.filter(|x| !x.is_nan());
        let mut cells: Vec<usize> = sample.map(|x| cell(*x)).collect();
        cells.sort_unstable();
        let mut bounds: Vec<usize> = cells.into_iter().step_by(Self::SAMPLES).skip(1).collect();
        bounds.dedup();
        let mut of_cell = vec![];
        for (bucket, bound) in (0..).zip(&bounds) {
            of_cell.resize(*bound, bucket);
        }
        of_cell.resize(1 << Self::BITS, bounds.len() as u16);
        Self {
            buckets: bounds.len() + 1,
            of_cell,
        }
    }

    #[inline(always)]
    pub fn bucket(&self, x: f64) -> usize {
        self.of_cell[cell(x)].into()
    }

    /// An empty list per bucket, with room for its share of `count` numbers, and some more.
    pub fn lists<T>(&self, count: usize) -> Vec<Vec<T>> {
        let share = count / self.buckets;
        (0..self.buckets)
            .map(|_| Vec::with_capacity(share + share / 4))
            .collect()
    }
}

/// A whole number that grows with x, the same for both zeros.
#[inline(always)]
fn cell(x: f64) -> usize {
    let bits = (x + 0.0).to_bits() as i64;
    // Negative numbers the other way round, and below the others.
    ((bits ^ (bits >> 63 | i64::MIN)) as u64 >> (64 - Deal::BITS)) as usize
}
