//! The same without special instructions.

use crate::kernels::cosine::rows;

use super::{Margins, Operands, Pairs, LANES, ROWS};

pub fn estimate(operands: Operands<'_>, groups: usize, lead: usize, out: &mut Pairs) {
    for (i, pairs) in out.chunks_exact_mut(LANES).enumerate() {
        let mut sums = [operands.bias[i]; LANES];
        for g in 0..groups {
            let queries = &operands.queries[g * 4 * LANES..][..4 * LANES];
            let reference = &operands.references[(g * ROWS + i) * 4..][..4];
            for (sum, query) in sums.iter_mut().zip(queries.chunks_exact(4)) {
                for k in 0..4 {
                    // Sums may pass through more than 32 bits and come back.
                    let product = i32::from(query[k]) * i32::from(reference[k]);
                    *sum = sum.wrapping_add(product);
                }
            }
        }
        for (lane, (pair, sum)) in pairs.iter_mut().zip(sums).enumerate() {
            *pair = sum as f32 * (operands.query_steps[lane] * operands.reference_steps[i]);
            for l in 0..lead {
                *pair +=
                    operands.query_lead[l * LANES + lane] * operands.reference_lead[l * ROWS + i];
            }
        }
    }
}

pub fn multiply(rows: &[f32], width: usize, panel: &[f32], out: &mut Pairs) {
    for (i, sums) in out.chunks_exact_mut(LANES).enumerate() {
        sums.fill(0.0);
        let row = &rows[i * width..(i + 1) * width];
        for (one, lanes) in row.iter().zip(panel.chunks_exact(LANES)) {
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum += one * lane;
            }
        }
    }
}

pub fn judge(
    pairs: &Pairs,
    threshold: f32,
    margins: Margins<'_>,
    masks: &mut [u32],
    counts: &mut [u32; LANES],
) {
    let rows = pairs.chunks_exact(LANES).zip(margins.references);
    for (mask, (pairs, lengths)) in masks.iter_mut().zip(rows) {
        for (lane, (&pair, count)) in pairs.iter().zip(counts.iter_mut()).enumerate() {
            let products = lengths
                .iter()
                .zip(margins.queries)
                .map(|(a, b)| a * b[lane]);
            let margin = margins.slop + products.sum::<f32>();
            let above = pair - threshold;
            *count += u32::from(above >= margin);
            *mask |= u32::from(above.abs() < margin) << lane;
        }
    }
}

pub fn dots(left: [&[f32]; 4], right: [&[f32]; 4]) -> [f32; 4] {
    [0, 1, 2, 3].map(|i| rows::quick_dot(left[i], right[i]))
}
