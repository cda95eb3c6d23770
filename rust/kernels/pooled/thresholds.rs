//! Numbers that others are held against, one look-up each.

#[cfg(target_arch = "x86_64")]
use crate::kernels::machine::has;
use crate::kernels::tile::{Lanes, LANES};

/// Distinct numbers in ascending order, found by cells of equal width.
pub struct Thresholds {
    /// Followed by NaN, which nothing reaches.
    numbers: Vec<f64>,
    /// starts[c]: how many numbers lie in lower cells; one more for the end.
    starts: Vec<u32>,
    low: f64,
    per_unit: f64,
}

impl Thresholds {
    /// Numbers that decide where cells begin.
    const SAMPLE: usize = 1024;

    /// Takes numbers of several parts, none of them NaN. `cells`: for each number.
    pub fn new(parts: &[&[f64]], cells: usize) -> Self {
        let all = || parts.iter().flat_map(|part| part.iter().copied());
        let count: usize = parts.iter().map(|part| part.len()).sum();
        let mut sample: Vec<f64> = all().step_by(count / Self::SAMPLE + 1).collect();
        sample.sort_unstable_by(f64::total_cmp);
        // Outliers would widen the cells: these cover all but the ends, and the ends share one.
        let end = sample.len() / 256;
        let ends = [sample.get(end), sample.iter().nth_back(end)];
        let [low, high] = ends.map(|x| x.copied().unwrap_or(0.0));
        let cells = cells * count + 1;
        let per_unit = cells as f64 / (high - low);
        let mut made = Self {
            numbers: vec![f64::NAN; count],
            starts: vec![0; cells + 1],
            low,
            per_unit: if per_unit.is_finite() { per_unit } else { 0.0 },
        };
        // Counted, then put before where the next cell begins, then in order within cells.
        for x in all() {
            let cell = made.cell(x);
            made.starts[cell] += 1;
        }
        let mut end = 0;
        for start in &mut made.starts {
            end += *start;
            *start = end;
        }
        for x in all() {
            let cell = made.cell(x);
            made.starts[cell] -= 1;
            made.numbers[made.starts[cell] as usize] = x;
        }
        made.sort();
        made
    }

    /// Sorts each cell and drops what equals the number before.
    fn sort(&mut self) {
        let (mut from, mut kept) = (0, 0);
        for start in &mut self.starts[1..] {
            let to = *start as usize;
            if to - from > 1 {
                self.numbers[from..to].sort_unstable_by(f64::total_cmp);
            }
            let first = kept;
            for i in from..to {
                let x = self.numbers[i];
                if kept == first || self.numbers[kept - 1] != x {
                    self.numbers[kept] = x;
                    kept += 1;
                }
            }
            (*start, from) = (kept as u32, to);
        }
        self.numbers.truncate(kept);
        self.numbers.extend([f64::NAN; 3]);
    }

    pub fn len(&self) -> usize {
        self.numbers.len() - 3
    }

    /// Never decreases in x, rounding included, so that a lower cell holds lower numbers only.
    #[inline(always)]
    fn cell(&self, x: f64) -> usize {
        (((x - self.low) * self.per_unit) as usize).min(self.starts.len() - 2)
    }

    /// How many thresholds x reaches; none for NaN.
    #[inline(always)]
    pub fn reached(&self, x: f64) -> usize {
        let cell = self.cell(x);
        let mut reached = self.starts[cell] as usize;
        // Without asking how many a cell has: what lies beyond it is above x.
        reached += usize::from(self.numbers[reached] <= x);
        reached += usize::from(self.numbers[reached] <= x);
        if self.numbers[reached] <= x {
            let rest = &self.numbers[reached..self.starts[cell + 1] as usize];
            reached += rest.partition_point(|number| *number <= x);
        }
        reached
    }

    /// As `reached`, eight numbers at a time.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn reached_by_lanes(&self, x: &Lanes) -> [i32; LANES] {
        use std::arch::x86_64::*;

        const { assert!(LANES == 8) };
        let last = (self.starts.len() - 2) as f64;
        // SAFETY: a register is as wide as `Lanes`; NaN and what is below the cells are in the
        // first, what is above in the last; two more numbers follow those that a cell starts at.
        let (mut reached, twice) = unsafe {
            let x = _mm512_loadu_pd(x.as_ptr());
            let cell = _mm512_sub_pd(x, _mm512_set1_pd(self.low));
            let cell = _mm512_mul_pd(cell, _mm512_set1_pd(self.per_unit));
            let cell = _mm512_max_pd(cell, _mm512_setzero_pd());
            let cell = _mm512_cvttpd_epi32(_mm512_min_pd(cell, _mm512_set1_pd(last)));
            let one = _mm256_set1_epi32(1);
            let start = _mm256_i32gather_epi32::<4>(self.starts.as_ptr().cast(), cell);
            let number = _mm512_i32gather_pd::<8>(start, self.numbers.as_ptr());
            let once = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(number, x);
            let next = _mm256_mask_add_epi32(start, once, start, one);
            let number = _mm512_i32gather_pd::<8>(next, self.numbers.as_ptr());
            let twice = once & _mm512_cmp_pd_mask::<_CMP_LE_OQ>(number, x);
            let mut reached = [0; LANES];
            _mm256_storeu_si256(reached.as_mut_ptr().cast(), next);
            (reached, twice)
        };
        if twice != 0 {
            for l in (0..LANES).filter(|l| twice >> l & 1 == 1) {
                reached[l] = self.reached(x[l]) as i32;
            }
        }
        reached
    }
}

/// How much of a pool lies between thresholds and their next.
#[derive(Clone)]
pub struct Found(Vec<u64>);

impl Found {
    pub fn new(thresholds: &Thresholds) -> Self {
        Self(vec![0; thresholds.len() + 1])
    }

    /// Adds some numbers at once, each lane of a weight; NaN is nowhere.
    pub fn add(&mut self, thresholds: &Thresholds, tile: &[Lanes], weights: &[u64; LANES]) {
        #[cfg(target_arch = "x86_64")]
        if has!("avx512f", "avx512vl") {
            // SAFETY: the features were just detected.
            return unsafe { self.add_wide(thresholds, tile, weights) };
        }
        for x in tile {
            for (x, weight) in x.iter().zip(weights) {
                self.add_one(thresholds, *x, *weight);
            }
        }
    }

    #[inline(always)]
    pub fn add_one(&mut self, thresholds: &Thresholds, x: f64, weight: u64) {
        self.0[thresholds.reached(x)] += weight;
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn add_wide(&mut self, thresholds: &Thresholds, tile: &[Lanes], weights: &[u64; LANES]) {
        for x in tile {
            for (reached, weight) in thresholds.reached_by_lanes(x).into_iter().zip(weights) {
                self.0[reached as usize] += weight;
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own += other;
        }
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What reaches each threshold, `above` in any case.
    pub fn at_least(mut self, above: u64) -> Vec<u64> {
        let mut sum = above;
        for found in self.0.iter_mut().rev() {
            sum += *found;
            *found = sum;
        }
        self.0.remove(0);
        self.0
    }
}
