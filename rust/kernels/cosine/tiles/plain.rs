//! The same without special instructions.

use super::{Operands, Pairs, LANES, ROWS};

pub fn estimate(operands: Operands<'_>, groups: usize, lead: usize, out: &mut Pairs) {
    for (i, pairs) in out.chunks_exact_mut(LANES).enumerate() {
        let mut sums = [operands.bias[i]; LANES];
        for g in 0..groups {
            let queries = &operands.queries[g * 4 * LANES..][..4 * LANES];
            let reference = &operands.references[(g * ROWS + i) * 4..][..4];
            for (sum, query) in sums.iter_mut().zip(queries.chunks_exact(4)) {
                for k in 0..4 {
                    *sum += i32::from(query[k]) * i32::from(reference[k]);
                }
            }
        }
        for (lane, (pair, sum)) in pairs.iter_mut().zip(sums).enumerate() {
            *pair = sum as f32 * operands.scale;
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

pub fn judge(pairs: &Pairs, never: f32, sure: f32, masks: &mut [u32], counts: &mut [u32; LANES]) {
    for (mask, pairs) in masks.iter_mut().zip(pairs.chunks_exact(LANES)) {
        for (lane, (&pair, count)) in pairs.iter().zip(counts.iter_mut()).enumerate() {
            let certain = pair >= sure;
            *count += u32::from(certain);
            *mask |= u32::from(pair > never && !certain) << lane;
        }
    }
}
