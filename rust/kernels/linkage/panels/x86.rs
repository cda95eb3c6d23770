//! Products and comparisons in the wide registers of x86-64.

use std::arch::x86_64::*;

use super::{sweep_with, Block, Finder, Line, Products, Tile, LINE, LINES, ROWS, WIDTH};

#[target_feature(enable = "avx512f")]
pub fn sweep_avx512(rows: Block<'_>, columns: Block<'_>, triangle: bool, finder: &mut impl Finder) {
    sweep_with(
        rows,
        columns,
        triangle,
        finder,
        // SAFETY: this function runs only where AVX-512 is.
        |left, lane, right, tile| unsafe { avx512(left, lane, right, tile) },
        // SAFETY: as before.
        |products, floors, floor| unsafe { exceeding_avx512(products, floors, floor) },
    );
}

#[target_feature(enable = "avx2,fma")]
pub fn sweep_avx2(rows: Block<'_>, columns: Block<'_>, triangle: bool, finder: &mut impl Finder) {
    sweep_with(
        rows,
        columns,
        triangle,
        finder,
        // SAFETY: this function runs only where AVX2 and FMA are.
        |left, lane, right, tile| unsafe { avx2(left, lane, right, tile) },
        // SAFETY: as before.
        |products, floors, floor| unsafe { exceeding_avx2(products, floors, floor) },
    );
}

/// The number of components, checked so that pointers stay within both panels.
#[inline(always)]
fn depth(left: &[Line], lane: usize, right: &[Line]) -> usize {
    assert!(left.len() == right.len() && lane + ROWS <= WIDTH);
    right.len() / LINES
}

/// Twenty-four sums in registers, each of sixteen numbers.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(left: &[Line], lane: usize, right: &[Line], tile: &mut Tile) {
    let depth = depth(left, lane, right);
    let (left, right) = (left.as_ptr().cast::<f32>(), right.as_ptr().cast::<f32>());
    let mut sums = [[_mm512_setzero_ps(); LINES]; ROWS];
    for k in 0..depth {
        // SAFETY: k < depth, and both panels hold that many components; lines are aligned.
        unsafe {
            let b = right.add(k * WIDTH);
            let b = [
                _mm512_load_ps(b),
                _mm512_load_ps(b.add(LINE)),
                _mm512_load_ps(b.add(2 * LINE)),
            ];
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(*left.add(k * WIDTH + lane + r));
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum = _mm512_fmadd_ps(a, b, *sum);
                }
            }
        }
    }
    let out = tile.as_flattened_mut().chunks_exact_mut(LINE);
    for (sum, out) in sums.as_flattened().iter().zip(out) {
        // SAFETY: `out` has sixteen numbers.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *sum) };
    }
}

/// Four quarters of the tile, each of twelve sums of eight numbers.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(left: &[Line], lane: usize, right: &[Line], tile: &mut Tile) {
    const HALF: usize = WIDTH / 2;
    let depth = depth(left, lane, right);
    let (left, right) = (left.as_ptr().cast::<f32>(), right.as_ptr().cast::<f32>());
    for (row, column) in [(0, 0), (0, HALF), (4, 0), (4, HALF)] {
        let mut sums = [[_mm256_setzero_ps(); 3]; 4];
        for k in 0..depth {
            // SAFETY: k < depth, and both panels hold that many components; lines are aligned.
            unsafe {
                let b = right.add(k * WIDTH + column);
                let b = [
                    _mm256_load_ps(b),
                    _mm256_load_ps(b.add(8)),
                    _mm256_load_ps(b.add(16)),
                ];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = _mm256_set1_ps(*left.add(k * WIDTH + lane + row + r));
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = _mm256_fmadd_ps(a, b, *sum);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let out = &mut tile[row + r][column..][..HALF];
            for (sum, out) in sums.iter().zip(out.chunks_exact_mut(8)) {
                // SAFETY: `out` has eight numbers.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), *sum) };
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn exceeding_avx512(products: &Products, floors: &Products, floor: f32) -> u64 {
    let floor = _mm512_set1_ps(floor);
    let lines = products.chunks_exact(LINE).zip(floors.chunks_exact(LINE));
    lines.enumerate().fold(0, |bits, (i, (x, own))| {
        // SAFETY: both have eight numbers.
        let (x, own) = unsafe { (_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(own.as_ptr())) };
        let least = _mm512_min_ps(own, floor);
        bits | (u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, least)) << (i * LINE))
    })
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn exceeding_avx2(products: &Products, floors: &Products, floor: f32) -> u64 {
    let floor = _mm256_set1_ps(floor);
    let parts = products.chunks_exact(8).zip(floors.chunks_exact(8));
    parts.enumerate().fold(0, |bits, (i, (x, own))| {
        // SAFETY: both have eight numbers.
        let (x, own) = unsafe { (_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(own.as_ptr())) };
        let exceeding = _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_min_ps(own, floor));
        bits | (u64::from(_mm256_movemask_ps(exceeding) as u32) << (i * 8))
    })
}
