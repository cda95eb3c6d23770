//! AVX2 with FMA: a tile in parts that fit its 16 registers.

use std::arch::x86_64::*;

use super::{Margins, Operands, Pairs, LANES, ROWS};

/// Numbers of a register.
const EIGHT: usize = 8;
/// References at a time, by two registers of queries.
const AT_ONCE: usize = 4;

/// # Safety
///
/// The processor has AVX2 and FMA; the operands hold `groups` and `lead`.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn estimate(operands: Operands<'_>, groups: usize, lead: usize, out: &mut Pairs) {
    let ones = _mm256_set1_epi16(1);
    for first in (0..ROWS).step_by(AT_ONCE) {
        for lane in (0..LANES).step_by(2 * EIGHT) {
            let mut sums = [[_mm256_setzero_si256(); 2]; AT_ONCE];
            for (sum, bias) in sums.iter_mut().zip(&operands.bias[first..]) {
                *sum = [_mm256_set1_epi32(*bias); 2];
            }
            // SAFETY: group g has 4 LANES bytes of queries and 4 ROWS bytes of references, and
            // `first` and `lane` leave room for what is read.
            unsafe {
                let queries = operands.queries.as_ptr().add(4 * lane);
                let references = operands.references.as_ptr().cast::<i32>().add(first);
                for g in 0..groups {
                    let place = queries.add(g * 4 * LANES);
                    let left = _mm256_loadu_si256(place.cast());
                    let right = _mm256_loadu_si256(place.add(4 * EIGHT).cast());
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let four = references.add(g * ROWS + i).read_unaligned();
                        let four = _mm256_set1_epi32(four);
                        // Two products of at most 127 and 63: 16 bits hold their sum.
                        let pairs = [left, right].map(|q| _mm256_maddubs_epi16(q, four));
                        for (sum, pair) in sum.iter_mut().zip(pairs) {
                            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pair, ones));
                        }
                    }
                }
                for (i, sum) in sums.iter().enumerate() {
                    let step = _mm256_set1_ps(operands.reference_steps[first + i]);
                    for (h, &sum) in sum.iter().enumerate() {
                        let lane = lane + h * EIGHT;
                        let steps = _mm256_loadu_ps(operands.query_steps.as_ptr().add(lane));
                        let scale = _mm256_mul_ps(steps, step);
                        let mut pair = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
                        for l in 0..lead {
                            let one = operands.reference_lead[l * ROWS + first + i];
                            let query = operands.query_lead.as_ptr().add(l * LANES + lane);
                            let query = _mm256_loadu_ps(query);
                            pair = _mm256_fmadd_ps(query, _mm256_set1_ps(one), pair);
                        }
                        _mm256_storeu_ps(out.as_mut_ptr().add((first + i) * LANES + lane), pair);
                    }
                }
            }
        }
    }
}

/// # Safety
///
/// The processor has AVX2 and FMA; `rows` holds ROWS rows and `panel` LANES columns of `width`.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn multiply(rows: &[f32], width: usize, panel: &[f32], out: &mut Pairs) {
    const SIX: usize = 6;
    for first in (0..ROWS).step_by(SIX) {
        for lane in (0..LANES).step_by(2 * EIGHT) {
            let mut sums = [[_mm256_setzero_ps(); 2]; SIX];
            // SAFETY: k < width, the caller has checked both lengths, and `first` and `lane` leave
            // room for what is read and written.
            unsafe {
                let rows = rows.as_ptr().add(first * width);
                let mut lanes = panel.as_ptr().add(lane);
                for k in 0..width {
                    let halves = [_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes.add(EIGHT))];
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let one = _mm256_set1_ps(*rows.add(i * width + k));
                        sum[0] = _mm256_fmadd_ps(halves[0], one, sum[0]);
                        sum[1] = _mm256_fmadd_ps(halves[1], one, sum[1]);
                    }
                    lanes = lanes.add(LANES);
                }
                for (i, sum) in sums.iter().enumerate() {
                    let place = out.as_mut_ptr().add((first + i) * LANES + lane);
                    _mm256_storeu_ps(place, sum[0]);
                    _mm256_storeu_ps(place.add(EIGHT), sum[1]);
                }
            }
        }
    }
}

/// # Safety
///
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn judge(
    pairs: &Pairs,
    threshold: f32,
    margins: Margins<'_>,
    masks: &mut [u32],
    counts: &mut [u32; LANES],
) {
    let threshold = _mm256_set1_ps(threshold);
    for lane in (0..LANES).step_by(EIGHT) {
        // SAFETY: eight of what is per query, and of each row of pairs, begin at `lane`.
        unsafe {
            let lengths = margins.queries.each_ref();
            let lengths = lengths.map(|lengths| _mm256_loadu_ps(lengths.as_ptr().add(lane)));
            let place = counts.as_mut_ptr().add(lane).cast();
            let mut count = _mm256_loadu_si256(place);
            for (i, mask) in masks.iter_mut().enumerate() {
                let pair = _mm256_loadu_ps(pairs.as_ptr().add(i * LANES + lane));
                let above = _mm256_sub_ps(pair, threshold);
                let mut margin = _mm256_set1_ps(margins.slop);
                for (length, other) in lengths.iter().zip(&margins.references[i]) {
                    margin = _mm256_fmadd_ps(*length, _mm256_set1_ps(*other), margin);
                }
                let certain = _mm256_cmp_ps::<_CMP_GE_OQ>(above, margin);
                // A comparison that holds is -1.
                count = _mm256_sub_epi32(count, _mm256_castps_si256(certain));
                let apart = _mm256_andnot_ps(_mm256_set1_ps(-0.0), above);
                let open = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(apart, margin));
                *mask |= (open as u32) << lane;
            }
            _mm256_storeu_si256(place, count);
        }
    }
}
