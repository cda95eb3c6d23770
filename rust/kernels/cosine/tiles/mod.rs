//! What is done to a tile: 12 references, read one number at a time, by 32 queries side by side.
//!
//! Each instruction set has its own way. Sums of whole numbers are exact in all of them; float32
//! sums differ in their last bits, which the caller's margins cover.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;

#[cfg(target_arch = "x86_64")]
use crate::kernels::machine::has;

/// References of a tile.
pub const ROWS: usize = 12;
/// Queries of a tile.
pub const LANES: usize = 32;

/// One float32 per pair: `[reference][query]`.
pub type Pairs = [f32; ROWS * LANES];
/// One bit per pair: `[reference]`, bit by query.
pub type Masks = [u32; ROWS];

/// A tile's whole numbers and leading coordinates on the two sides.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    /// `[group of four][query][4]`, each number shifted by `Isa::offset` above zero.
    pub queries: &'a [u8],
    /// `[group of four][reference][4]`.
    pub references: &'a [i8],
    /// What the shift adds to each reference's sums, negated.
    pub bias: &'a [i32; ROWS],
    /// What 1 means among each row's whole numbers.
    pub query_steps: &'a [f32; LANES],
    pub reference_steps: &'a [f32; ROWS],
    /// `[coordinate][query]`.
    pub query_lead: &'a [f32],
    /// `[coordinate][reference]`.
    pub reference_lead: &'a [f32],
}

/// How far an estimate may be from its cosine: `slop`, and the products of the two rows' lengths.
#[derive(Clone, Copy)]
pub struct Margins<'a> {
    pub slop: f32,
    pub queries: &'a [[f32; LANES]; 3],
    pub references: &'a [[f32; 3]; ROWS],
}

impl Margins<'_> {
    /// Those of cosines that are no estimates.
    pub const fn none(slop: f32) -> Self {
        Self {
            slop,
            queries: &[[0.0; LANES]; 3],
            references: &[[0.0; 3]; ROWS],
        }
    }
}

impl Operands<'_> {
    /// The number of groups and of leading coordinates, held against every operand's length.
    fn sizes(&self) -> (usize, usize) {
        let groups = self.queries.len() / (4 * LANES);
        let lead = self.query_lead.len() / LANES;
        assert!(self.references.len() >= groups * 4 * ROWS);
        assert!(self.reference_lead.len() >= lead * ROWS);
        (groups, lead)
    }
}

/// The instruction set in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Isa {
    /// Those that this machine has, the best one first.
    pub fn available() -> Vec<Self> {
        let each = [
            #[cfg(target_arch = "x86_64")]
            has!("avx512f", "avx512bw", "avx512vnni").then_some(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            has!("avx2", "fma").then_some(Self::Avx2),
            Some(Self::Plain),
        ];
        each.into_iter().flatten().collect()
    }

    /// The largest whole number that a coordinate becomes.
    pub fn levels(self) -> i8 {
        match self {
            // AVX2 sums four products in 16 bits.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 63,
            _ => 127,
        }
    }

    /// What makes the queries' numbers positive.
    pub fn offset(self) -> i32 {
        i32::from(self.levels()) + 1
    }

    /// Estimates the cosine of every pair.
    pub fn estimate(self, operands: Operands<'_>, out: &mut Pairs) {
        let (groups, lead) = operands.sizes();
        match self {
            // SAFETY: `available` found the features; `sizes` has checked the lengths.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::estimate(operands, groups, lead, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::estimate(operands, groups, lead, out) },
            Self::Plain => plain::estimate(operands, groups, lead, out),
        }
    }

    /// Multiplies 12 rows of `width` numbers by a panel, `[number][lane]`.
    pub fn multiply(self, rows: &[f32], width: usize, panel: &[f32], out: &mut Pairs) {
        assert!(rows.len() >= ROWS * width && panel.len() >= LANES * width);
        match self {
            // SAFETY: `available` found the features; the lengths were just checked.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::multiply(rows, width, panel, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::multiply(rows, width, panel, out) },
            Self::Plain => plain::multiply(rows, width, panel, out),
        }
    }

    /// Four scalar products in float32, of rows as long as the first.
    pub fn dots(self, left: [&[f32]; 4], right: [&[f32]; 4]) -> [f32; 4] {
        let width = left[0].len();
        let (left, right) = (
            left.map(|row| &row[..width]),
            right.map(|row| &row[..width]),
        );
        match self {
            // SAFETY: `available` found the features; all rows are `width` long.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::dots(left, right, width) },
            _ => plain::dots(left, right),
        }
    }

    /// Counts, per query, the estimates above the threshold by their margin or more; returns the
    /// pairs that are nearer to it.
    pub fn judge(
        self,
        pairs: &Pairs,
        threshold: f32,
        margins: Margins<'_>,
        filled: usize,
        counts: &mut [u32; LANES],
    ) -> Masks {
        let mut masks = [0; ROWS];
        let filled = filled.min(ROWS);
        match self {
            // SAFETY: `available` found the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe {
                avx512::judge(pairs, threshold, margins, &mut masks[..filled], counts)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe {
                avx2::judge(pairs, threshold, margins, &mut masks[..filled], counts)
            },
            Self::Plain => plain::judge(pairs, threshold, margins, &mut masks[..filled], counts),
        }
        masks
    }
}

/// Asks for numbers that are read soon.
pub fn soon<T>(numbers: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in numbers.chunks((64 / size_of::<T>()).max(1)) {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: nothing is read, wherever the pointer leads.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    let _ = numbers;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn instruction_sets_agree(
            groups in 0..9usize,
            lead in 0..4usize,
            seed in prop::collection::vec(-63..=63i8, 2048),
            filled in 0..=ROWS,
        ) {
            let single = |at: usize| f32::from(seed[at % seed.len()]) / 64.0;
            let references: Vec<i8> = (0..groups * 4 * ROWS).map(|i| seed[i]).collect();
            let query_lead: Vec<f32> = (0..lead * LANES).map(|i| single(i + 7)).collect();
            let reference_lead: Vec<f32> = (0..lead * ROWS).map(|i| single(i + 91)).collect();
            let mut expected = None;
            for isa in Isa::available() {
                let queries: Vec<u8> = (0..groups * 4 * LANES)
                    .map(|i| (i32::from(seed[2047 - i]) + isa.offset()) as u8)
                    .collect();
                // Powers of two: all these sums stay exact in float32.
                let steps = std::array::from_fn(|i| if i % 2 == 0 { 0.5 } else { 1.0 });
                let mut bias = [0; ROWS];
                for group in references.chunks_exact(4 * ROWS) {
                    for (i, numbers) in group.chunks_exact(4).enumerate() {
                        let sum: i32 = numbers.iter().map(|&x| i32::from(x)).sum();
                        bias[i] -= isa.offset() * sum;
                    }
                }
                let operands = Operands {
                    queries: &queries,
                    references: &references,
                    bias: &bias,
                    query_steps: &[0.5; LANES],
                    reference_steps: &steps,
                    query_lead: &query_lead,
                    reference_lead: &reference_lead,
                };
                let mut pairs = [0.0; ROWS * LANES];
                isa.estimate(operands, &mut pairs);
                let mut counts = [1; LANES];
                // Between 1 and 4 by reference and query.
                let lengths = [[0.5; LANES], [1.0; LANES], [1.5; LANES]];
                let references = std::array::from_fn(|i| [[0.0; 3], [2.0, 0.5, 1.0]][i % 2]);
                let margins = Margins { slop: 1.0, queries: &lengths, references: &references };
                let masks = isa.judge(&pairs, 1.0, margins, filled, &mut counts);
                let found = (pairs, masks, counts);
                let expected = expected.get_or_insert(found);
                prop_assert!(*expected == found, "{isa:?}");
                for (lane, count) in counts.into_iter().enumerate() {
                    let column = || {
                        let above = pairs.iter().skip(lane).step_by(LANES).map(|x| x - 1.0);
                        above.zip([1.0, 4.0].into_iter().cycle()).take(filled)
                    };
                    let sure = column().filter(|(above, margin)| above >= margin).count();
                    prop_assert_eq!(count as usize, 1 + sure);
                    let open = column().filter(|(above, margin)| above.abs() < *margin).count();
                    let marked = masks.iter().filter(|mask| *mask >> lane & 1 == 1).count();
                    prop_assert_eq!(marked, open);
                }
            }
        }

        #[test]
        fn scalar_products_agree_with_sums(width in 0..70usize, seed in prop::collection::vec(-1.0..1.0f32, 560)) {
            let row = |i: usize| &seed[i * width..(i + 1) * width];
            let (left, right) = ([0, 1, 2, 3].map(row), [4, 5, 6, 7].map(row));
            for isa in Isa::available() {
                let found = isa.dots(left, right);
                for i in 0..4 {
                    let sum: f32 = left[i].iter().zip(right[i]).map(|(a, b)| a * b).sum();
                    prop_assert!((sum - found[i]).abs() < 1e-4);
                }
            }
        }

        #[test]
        fn products_agree_with_sums(width in 0..40usize, seed in prop::collection::vec(-1.0..1.0f32, 997)) {
            let rows: Vec<f32> = (0..ROWS * width).map(|i| seed[i % 997]).collect();
            let panel: Vec<f32> = (0..LANES * width).map(|i| seed[(3 * i + 5) % 997]).collect();
            for isa in Isa::available() {
                let mut out = [f32::NAN; ROWS * LANES];
                isa.multiply(&rows, width, &panel, &mut out);
                for i in 0..ROWS {
                    for lane in 0..LANES {
                        let sum: f32 = (0..width).map(|k| rows[i * width + k] * panel[k * LANES + lane]).sum();
                        prop_assert!((sum - out[i * LANES + lane]).abs() < 1e-4);
                    }
                }
            }
        }
    }
}
