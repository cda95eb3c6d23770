//! AVX-512 with VNNI: 64 products of whole numbers per instruction.

use std::arch::x86_64::*;

use super::{Margins, Operands, Pairs, LANES, ROWS};

/// Numbers of a register: half of a tile's queries.
const HALF: usize = LANES / 2;

/// # Safety
///
/// The processor has AVX-512F and VNNI; the operands hold `groups` and `lead`.
#[target_feature(enable = "avx512f,avx512vnni")]
pub unsafe fn estimate(operands: Operands<'_>, groups: usize, lead: usize, out: &mut Pairs) {
    let mut sums = operands
        .bias
        .map(|bias| [_mm512_set1_epi32(bias), _mm512_set1_epi32(bias)]);
    let mut queries = operands.queries.as_ptr();
    let mut references = operands.references.as_ptr().cast::<i32>();
    for _ in 0..groups {
        // SAFETY: a group is 4 LANES bytes of queries and 4 ROWS bytes of references.
        unsafe {
            let left = _mm512_loadu_si512(queries.cast());
            let right = _mm512_loadu_si512(queries.add(4 * HALF).cast());
            for (i, sum) in sums.iter_mut().enumerate() {
                let four = _mm512_set1_epi32(references.add(i).read_unaligned());
                sum[0] = _mm512_dpbusd_epi32(sum[0], left, four);
                sum[1] = _mm512_dpbusd_epi32(sum[1], right, four);
            }
            queries = queries.add(4 * LANES);
            references = references.add(ROWS);
        }
    }
    let steps = operands.query_steps.as_ptr();
    // SAFETY: there is a step for each of LANES queries.
    let steps = unsafe { [_mm512_loadu_ps(steps), _mm512_loadu_ps(steps.add(HALF))] };
    let mut pairs = [[_mm512_setzero_ps(); 2]; ROWS];
    for ((pair, sum), step) in pairs.iter_mut().zip(sums).zip(operands.reference_steps) {
        for ((pair, sum), steps) in pair.iter_mut().zip(sum).zip(steps) {
            let scale = _mm512_mul_ps(steps, _mm512_set1_ps(*step));
            *pair = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
        }
    }
    for l in 0..lead {
        // SAFETY: a coordinate has LANES queries and ROWS references.
        unsafe {
            let queries = operands.query_lead.as_ptr().add(l * LANES);
            let halves = [_mm512_loadu_ps(queries), _mm512_loadu_ps(queries.add(HALF))];
            let references = operands.reference_lead.as_ptr().add(l * ROWS);
            for (i, pair) in pairs.iter_mut().enumerate() {
                let one = _mm512_set1_ps(*references.add(i));
                pair[0] = _mm512_fmadd_ps(halves[0], one, pair[0]);
                pair[1] = _mm512_fmadd_ps(halves[1], one, pair[1]);
            }
        }
    }
    store(pairs, out);
}

/// # Safety
///
/// The processor has AVX-512F; `rows` holds ROWS rows and `panel` LANES columns of `width`.
#[target_feature(enable = "avx512f")]
pub unsafe fn multiply(rows: &[f32], width: usize, panel: &[f32], out: &mut Pairs) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    let (rows, mut lanes) = (rows.as_ptr(), panel.as_ptr());
    for k in 0..width {
        // SAFETY: k < width, and the caller has checked both lengths.
        unsafe {
            let halves = [_mm512_loadu_ps(lanes), _mm512_loadu_ps(lanes.add(HALF))];
            for (i, sum) in sums.iter_mut().enumerate() {
                let one = _mm512_set1_ps(*rows.add(i * width + k));
                sum[0] = _mm512_fmadd_ps(halves[0], one, sum[0]);
                sum[1] = _mm512_fmadd_ps(halves[1], one, sum[1]);
            }
            lanes = lanes.add(LANES);
        }
    }
    store(sums, out);
}

#[target_feature(enable = "avx512f")]
fn store(pairs: [[__m512; 2]; ROWS], out: &mut Pairs) {
    for (numbers, halves) in out.chunks_exact_mut(LANES).zip(pairs) {
        // SAFETY: a row of pairs has LANES numbers.
        unsafe {
            _mm512_storeu_ps(numbers.as_mut_ptr(), halves[0]);
            _mm512_storeu_ps(numbers.as_mut_ptr().add(HALF), halves[1]);
        }
    }
}

/// # Safety
///
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f")]
pub unsafe fn judge(
    pairs: &Pairs,
    threshold: f32,
    margins: Margins<'_>,
    masks: &mut [u32],
    counts: &mut [u32; LANES],
) {
    let (one, threshold) = (_mm512_set1_epi32(1), _mm512_set1_ps(threshold));
    for half in [0, HALF] {
        // SAFETY: both halves of what is per query, and of each row of pairs, are HALF numbers long.
        unsafe {
            let lengths = margins.queries.each_ref();
            let lengths = lengths.map(|lengths| _mm512_loadu_ps(lengths.as_ptr().add(half)));
            let place = counts.as_mut_ptr().add(half);
            let mut count = _mm512_loadu_si512(place.cast());
            for (i, mask) in masks.iter_mut().enumerate() {
                let pair = _mm512_loadu_ps(pairs.as_ptr().add(i * LANES + half));
                let above = _mm512_sub_ps(pair, threshold);
                let mut margin = _mm512_set1_ps(margins.slop);
                for (length, other) in lengths.iter().zip(&margins.references[i]) {
                    margin = _mm512_fmadd_ps(*length, _mm512_set1_ps(*other), margin);
                }
                let certain = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(above, margin);
                let open = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(above), margin);
                count = _mm512_mask_add_epi32(count, certain, count, one);
                *mask |= u32::from(open) << half;
            }
            _mm512_storeu_si512(place.cast(), count);
        }
    }
}

/// # Safety
///
/// The processor has AVX-512F; all rows hold `width` numbers.
#[target_feature(enable = "avx512f")]
pub unsafe fn dots(left: [&[f32]; 4], right: [&[f32]; 4], width: usize) -> [f32; 4] {
    let (left, right) = (left.map(<[f32]>::as_ptr), right.map(<[f32]>::as_ptr));
    let mut sums = [_mm512_setzero_ps(); 4];
    let even = width / HALF * HALF;
    let rest: __mmask16 = (1 << (width - even)) - 1;
    // SAFETY: k + HALF <= width in the loop; the mask leaves out what is beyond the rows.
    unsafe {
        for k in (0..even).step_by(HALF) {
            for (sum, (a, b)) in sums.iter_mut().zip(left.into_iter().zip(right)) {
                *sum = _mm512_fmadd_ps(_mm512_loadu_ps(a.add(k)), _mm512_loadu_ps(b.add(k)), *sum);
            }
        }
        for (sum, (a, b)) in sums.iter_mut().zip(left.into_iter().zip(right)) {
            let a = _mm512_maskz_loadu_ps(rest, a.add(even));
            let b = _mm512_maskz_loadu_ps(rest, b.add(even));
            *sum = _mm512_fmadd_ps(a, b, *sum);
        }
    }
    // Pairs of neighbours within each quarter: a quarter then holds all four partial sums.
    let [a, b, c, d] = sums;
    let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    let low = _mm512_castpd_ps(_mm512_unpacklo_pd(
        _mm512_castps_pd(ab),
        _mm512_castps_pd(cd),
    ));
    let high = _mm512_castpd_ps(_mm512_unpackhi_pd(
        _mm512_castps_pd(ab),
        _mm512_castps_pd(cd),
    ));
    let mut quarters = [0.0f32; HALF];
    // SAFETY: there is room for one register.
    unsafe { _mm512_storeu_ps(quarters.as_mut_ptr(), _mm512_add_ps(low, high)) };
    [0, 1, 2, 3].map(|i| quarters[i] + quarters[i + 4] + quarters[i + 8] + quarters[i + 12])
}
