//! The curve near one number, from its own four knots.

use crate::kernels::pchip::cubic::{cubic, end_slope, slope};
use crate::kernels::pchip::losses;
use crate::kernels::sorting::{sum, BLOCK};
use crate::kernels::wide;

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

/// Fills `p` with the p-values of `own`, or returns false where `near` does not know one.
pub fn all_near(own: &[f64], others: &[f64], of_loss: bool, p: &mut [f64]) -> bool {
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
    if around.reached == 0.0 {
        return Some(0.0);
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
