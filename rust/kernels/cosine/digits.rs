//! Small whole numbers, whose products and their sums are exact: ties are told from near misses by
//! comparing whole numbers, many pairs at a time.

use super::rows::Real;
use super::tiles::{Isa, Operands, Pairs, LANES, ROWS};
use crate::kernels::wide;

/// Squared norms up to which every scalar product is exact in float32 too.
const LARGEST: f64 = 16_777_216.0;
/// Norms of references for which a tile of queries remembers what a product must be above.
const SLOTS: usize = 64;

/// Writes a tile's rows as whole numbers, each padded to fours; false where one is none.
pub fn whole<T: Real>(
    isa: Isa,
    rows: &[T],
    width: usize,
    squares: &[f64],
    out: &mut Vec<i8>,
) -> bool {
    out.clear();
    if squares.iter().any(|square| *square > LARGEST) {
        return false;
    }
    let most = isa.levels();
    for row in rows.chunks_exact(width) {
        for &x in row {
            let x: f64 = x.into();
            let number = x as i8;
            if f64::from(number) != x || !(-most..=most).contains(&number) {
                return false;
            }
            out.push(number);
        }
        out.resize(out.len().next_multiple_of(4), 0);
    }
    true
}

/// References' whole numbers, four by four, and what the queries' shift adds to each, negated.
#[derive(Clone, Debug, Default)]
pub struct Digits {
    /// `[group][reference][4]`.
    pub numbers: Vec<i8>,
    pub bias: [i32; ROWS],
}

impl Digits {
    /// From rows of `width` numbers, a multiple of four.
    pub fn of_references(isa: Isa, rows: &[i8], width: usize) -> Self {
        let mut numbers = vec![0; ROWS * width];
        let mut bias = [0; ROWS];
        for (i, row) in rows.chunks_exact(width).enumerate() {
            for (group, four) in numbers.chunks_exact_mut(4 * ROWS).zip(row.chunks_exact(4)) {
                group[4 * i..4 * i + 4].copy_from_slice(four);
            }
            bias[i] = -isa.offset() * row.iter().map(|x| i32::from(*x)).sum::<i32>();
        }
        Self { numbers, bias }
    }
}

/// Writes queries' whole numbers, `[group][query][4]`, shifted above zero.
pub fn shift(isa: Isa, rows: &[i8], width: usize, out: &mut [u8]) {
    for (lane, row) in rows.chunks_exact(width).enumerate() {
        for (group, four) in out.chunks_exact_mut(4 * LANES).zip(row.chunks_exact(4)) {
            for (to, from) in group[4 * lane..].iter_mut().zip(four) {
                *to = (i32::from(*from) + isa.offset()) as u8;
            }
        }
    }
}

/// The scalar products of all pairs, exact.
pub fn products(isa: Isa, queries: &[u8], references: &Digits, out: &mut Pairs) {
    let operands = Operands {
        queries,
        references: &references.numbers,
        bias: &references.bias,
        query_steps: &[1.0; LANES],
        reference_steps: &[1.0; ROWS],
        query_lead: &[],
        reference_lead: &[],
    };
    isa.estimate(operands, out);
}

/// What the products of a tile of queries must be above, by the other row's squared norm.
#[derive(Clone)]
pub struct Cuts([(f64, [f32; LANES]); SLOTS]);

impl Default for Cuts {
    fn default() -> Self {
        Self([(f64::NAN, [0.0; LANES]); SLOTS])
    }
}

impl Cuts {
    /// Counts, per query, the products above the threshold: with no other rounding than pairs that
    /// are decided one by one have.
    pub fn count(
        &mut self,
        products: &Pairs,
        threshold: f64,
        queries: &[f64; LANES],
        references: &[f64],
        counts: &mut [u32; LANES],
    ) {
        for (&square, products) in references.iter().zip(products.as_chunks().0) {
            let (known, cut) = &mut self.0[square as usize % SLOTS];
            if *known != square {
                (*known, *cut) = (square, least(threshold, queries, square));
            }
            add(products, cut, counts);
        }
    }
}

wide! {
    /// The largest whole numbers that are not above the threshold.
    fn least(threshold: f64, queries: &[f64; LANES], reference: f64) -> [f32; LANES] {
        let mut cut = [0.0; LANES];
        for lane in 0..LANES {
            cut[lane] = (threshold * (queries[lane] * reference).sqrt()).floor() as f32;
        }
        cut
    }
}

wide! {
    fn add(products: &[f32; LANES], cut: &[f32; LANES], counts: &mut [u32; LANES]) {
        for lane in 0..LANES {
            counts[lane] += u32::from(products[lane] > cut[lane]);
        }
    }
}
