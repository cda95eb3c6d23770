//! Rows as they were given, and what is computed of them in float64: norms and exact cosines.

use ndarray::ArrayView1;

use crate::error::Fault;
use crate::kernels::wide;

/// Squared norms between which no square of a number that matters leaves float32's range.
const SAFE: std::ops::RangeInclusive<f64> = 1e-8..=1e16;
/// Partial sums of a scalar product: one AVX-512 register of float64.
const LANES: usize = 8;

/// float32 or float64.
pub trait Real: Copy + Default + Into<f64> + Send + Sync + 'static {
    fn scaled(self, factor: f64) -> Self;

    fn single(self) -> f32;

    /// The scalar product with a float64 row: the same bits on every machine.
    fn dot(query: &[f64], row: &[Self]) -> f64;

    /// Four scalar products with the same bits, in less time than one after the other.
    fn dots(queries: [&[f64]; 4], rows: [&[Self]; 4]) -> [f64; 4];

    fn squared_norm(row: &[Self]) -> f64;

    /// The numbers as float32: themselves, or a copy in `buffer`, which `stale` says to make.
    fn singles<'a>(rows: &'a [Self], buffer: &'a mut Vec<f32>, stale: bool) -> &'a [f32];
}

macro_rules! dot {
    ($name:ident, $left:ty, $right:ty) => {
        wide! {
            fn $name(left: &[$left], right: &[$right]) -> f64 {
                let mut sums = [0.0; LANES];
                let (mut lefts, mut rights) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
                for (a, b) in lefts.by_ref().zip(rights.by_ref()) {
                    for l in 0..LANES {
                        sums[l] += f64::from(a[l]) * f64::from(b[l]);
                    }
                }
                for (l, (a, b)) in lefts.remainder().iter().zip(rights.remainder()).enumerate() {
                    sums[l] += f64::from(*a) * f64::from(*b);
                }
                total(sums)
            }
        }
    };
}

#[inline(always)]
fn total(sums: [f64; LANES]) -> f64 {
    let halves = [0, 1, 2, 3].map(|l| sums[l] + sums[l + 4]);
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}

/// One sum waits for the last; four do not wait for each other.
macro_rules! dots {
    ($name:ident, $right:ty) => {
        wide! {
            fn $name(left: [&[f64]; 4], right: [&[$right]; 4]) -> [f64; 4] {
                let (mut s0, mut s1) = ([0.0; LANES], [0.0; LANES]);
                let (mut s2, mut s3) = ([0.0; LANES], [0.0; LANES]);
                let even = left[0].len() / LANES * LANES;
                let [a0, a1, a2, a3] = left.map(|row| row[..even].as_chunks::<LANES>().0);
                let [b0, b1, b2, b3] = right.map(|row| row[..even].as_chunks::<LANES>().0);
                for k in 0..a0.len() {
                    for l in 0..LANES {
                        s0[l] += a0[k][l] * f64::from(b0[k][l]);
                    }
                    for l in 0..LANES {
                        s1[l] += a1[k][l] * f64::from(b1[k][l]);
                    }
                    for l in 0..LANES {
                        s2[l] += a2[k][l] * f64::from(b2[k][l]);
                    }
                    for l in 0..LANES {
                        s3[l] += a3[k][l] * f64::from(b3[k][l]);
                    }
                }
                let mut sums = [s0, s1, s2, s3];
                for (i, sum) in sums.iter_mut().enumerate() {
                    for (l, (a, b)) in left[i][even..].iter().zip(&right[i][even..]).enumerate() {
                        sum[l] += a * f64::from(*b);
                    }
                }
                sums.map(|sums| total(sums))
            }
        }
    };
}

dot!(dot_singles, f32, f32);
dot!(dot_mixed, f64, f32);
dot!(dot_doubles, f64, f64);
dots!(dots_mixed, f32);
dots!(dots_doubles, f64);

impl Real for f32 {
    fn single(self) -> f32 {
        self
    }

    fn scaled(self, factor: f64) -> Self {
        (f64::from(self) * factor) as Self
    }

    fn dot(query: &[f64], row: &[Self]) -> f64 {
        dot_mixed(query, row)
    }

    fn dots(queries: [&[f64]; 4], rows: [&[Self]; 4]) -> [f64; 4] {
        dots_mixed(queries, rows)
    }

    fn squared_norm(row: &[Self]) -> f64 {
        dot_singles(row, row)
    }

    fn singles<'a>(rows: &'a [Self], _: &'a mut Vec<f32>, _: bool) -> &'a [f32] {
        rows
    }
}

impl Real for f64 {
    fn single(self) -> f32 {
        self as f32
    }

    fn scaled(self, factor: f64) -> Self {
        self * factor
    }

    fn dot(query: &[f64], row: &[Self]) -> f64 {
        dot_doubles(query, row)
    }

    fn dots(queries: [&[f64]; 4], rows: [&[Self]; 4]) -> [f64; 4] {
        dots_doubles(queries, rows)
    }

    fn squared_norm(row: &[Self]) -> f64 {
        dot_doubles(row, row)
    }

    fn singles<'a>(rows: &'a [Self], buffer: &'a mut Vec<f32>, stale: bool) -> &'a [f32] {
        if stale {
            buffer.clear();
            buffer.extend(rows.iter().map(|&x| x as f32));
        }
        buffer
    }
}

/// Copies a row and returns its squared norm. A huge or tiny row is scaled by a power of two, which
/// changes no cosine.
pub fn copy<S: Real, T: Real>(
    row: ArrayView1<'_, S>,
    out: &mut [T],
    convert: impl Fn(S) -> T,
) -> Result<f64, Fault> {
    match row.as_slice() {
        Some(row) => {
            for (to, from) in out.iter_mut().zip(row) {
                *to = convert(*from);
            }
        }
        None => {
            for (to, from) in out.iter_mut().zip(row) {
                *to = convert(*from);
            }
        }
    }
    let norm = T::squared_norm(out);
    if SAFE.contains(&norm) {
        return Ok(norm);
    }
    let mut largest = 0.0f64;
    for &x in out.iter() {
        let x: f64 = x.into();
        if !x.is_finite() {
            return Err(Fault::NotFinite);
        }
        largest = largest.max(x.abs());
    }
    if largest == 0.0 {
        return Err(Fault::Zero);
    }
    // In two steps: the inverse of the smallest number is no float64.
    let exponent = -largest.log2().floor() as i32;
    for part in [exponent / 2, exponent - exponent / 2] {
        let factor = f64::from(part).exp2();
        out.iter_mut().for_each(|x| *x = x.scaled(factor));
    }
    Ok(T::squared_norm(out))
}

wide! {
    /// Multiplies a row by a number, in float32.
    pub fn unit(row: &[f64], factor: f64, out: &mut [f32]) {
        for (to, from) in out.iter_mut().zip(row) {
            *to = (from * factor) as f32;
        }
    }
}

wide! {
    /// A scalar product in float32: quick, to be trusted up to `slop`.
    pub fn quick_dot(left: &[f32], right: &[f32]) -> f32 {
        const WIDE: usize = 32;
        let mut sums = [0.0f32; WIDE];
        let (mut lefts, mut rights) = (left.chunks_exact(WIDE), right.chunks_exact(WIDE));
        for (a, b) in lefts.by_ref().zip(rights.by_ref()) {
            for l in 0..WIDE {
                sums[l] += a[l] * b[l];
            }
        }
        for (l, (a, b)) in lefts.remainder().iter().zip(rights.remainder()).enumerate() {
            sums[l] += a * b;
        }
        let mut half = WIDE / 2;
        while half > 0 {
            for l in 0..half {
                sums[l] += sums[l + half];
            }
            half /= 2;
        }
        sums[0]
    }
}

wide! {
    /// The largest absolute value.
    pub fn largest(row: &[f32]) -> f32 {
        const WIDE: usize = 16;
        let mut most = [0.0f32; WIDE];
        let mut parts = row.chunks_exact(WIDE);
        for part in parts.by_ref() {
            for l in 0..WIDE {
                most[l] = most[l].max(part[l].abs());
            }
        }
        let rest = parts.remainder().iter().map(|x| x.abs());
        most.into_iter().chain(rest).fold(0.0, f32::max)
    }
}

wide! {
    /// Writes a row as whole multiples of `step`; returns the squared length of what that leaves.
    pub fn quantise(row: &[f32], step: f32, whole: &mut [i8]) -> f32 {
        // Added and subtracted again, it rounds to a whole number.
        const ROUNDING: f32 = 12_582_912.0;
        let inverse = 1.0 / step;
        for (to, x) in whole.iter_mut().zip(row) {
            let bits = (x * inverse + ROUNDING).to_bits();
            *to = bits as i8;
        }
        const WIDE: usize = 16;
        let mut sums = [0.0f32; WIDE];
        for (numbers, whole) in row.chunks(WIDE).zip(whole.chunks(WIDE)) {
            for ((sum, x), w) in sums.iter_mut().zip(numbers).zip(whole) {
                let left = x - f32::from(*w) * step;
                *sum += left * left;
            }
        }
        sums.iter().sum()
    }
}

/// What float32 sums of `width` products of unit vectors may be wrong by, several times over.
pub fn slop(width: usize) -> f32 {
    2e-5 + 1.2e-7 * width as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    #[test]
    fn extreme_rows_keep_their_direction() {
        for factor in [1.0, 1e-300, 1e-308, 5e-324, 1e300] {
            let row = Array1::from(vec![3.0 * factor, -4.0 * factor, 0.0]);
            let mut out = [0.0; 3];
            let norm = copy(row.view(), &mut out, |x| x).unwrap().sqrt();
            assert!((1.0..1e8).contains(&norm), "{factor}");
            assert!((out[0] / norm - 0.6).abs() < 1e-9 || factor == 1e-308);
        }
        let mut out = [0.0f32; 2];
        let single = Array1::from(vec![1e38f32, 1e38]);
        assert!(copy(single.view(), &mut out, |x| x).unwrap() < 1e2);
    }

    #[test]
    fn four_at_once_have_the_same_bits() {
        for width in [0, 1, 7, 8, 29, 64] {
            let number = |i: usize| (i as f64 * 0.7).sin();
            let query: Vec<f64> = (0..4 * width).map(number).collect();
            let row: Vec<f32> = (0..4 * width).map(|i| number(3 * i + 1) as f32).collect();
            let wide: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let part = |i: usize| i * width..(i + 1) * width;
            let queries = [0, 1, 2, 3].map(|i| &query[part(i)]);
            let expected = [0, 1, 2, 3].map(|i| f32::dot(&query[part(i)], &row[part(i)]));
            assert_eq!(
                f32::dots(queries, [0, 1, 2, 3].map(|i| &row[part(i)])),
                expected
            );
            assert_eq!(
                f64::dots(queries, [0, 1, 2, 3].map(|i| &wide[part(i)])),
                expected
            );
        }
    }

    #[test]
    fn rows_without_direction_are_told_apart() {
        let mut out = [0.0; 2];
        let mut fault = |row: [f64; 2]| copy(Array1::from(row.to_vec()).view(), &mut out, |x| x);
        assert_eq!(fault([0.0, -0.0]), Err(Fault::Zero));
        assert_eq!(fault([f64::NAN, 1.0]), Err(Fault::NotFinite));
        assert_eq!(fault([f64::NEG_INFINITY, 1.0]), Err(Fault::NotFinite));
    }
}
