//! Numbers that others are held against, one look-up each.

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
    /// Cells for each number: few hold two.
    const CELLS: usize = 4;
    /// Numbers that decide where cells begin.
    const SAMPLE: usize = 256;

    /// Takes numbers of several parts, none of them NaN.
    pub fn new(parts: &[&[f64]]) -> Self {
        let all = || parts.iter().flat_map(|part| part.iter().copied());
        let count: usize = parts.iter().map(|part| part.len()).sum();
        let mut sample: Vec<f64> = all().step_by(count / Self::SAMPLE + 1).collect();
        sample.sort_unstable_by(f64::total_cmp);
        // Outliers would widen the cells: these cover all but the ends, and the ends share one.
        let end = sample.len() / 64;
        let ends = [sample.get(end), sample.iter().nth_back(end)];
        let [low, high] = ends.map(|x| x.copied().unwrap_or(0.0));
        let cells = Self::CELLS * count + 1;
        let per_unit = cells as f64 / (high - low);
        let mut made = Self {
            numbers: vec![f64::NAN; count],
            starts: vec![0; cells + 1],
            low,
            per_unit: if per_unit.is_finite() { per_unit } else { 0.0 },
        };
        // Counted, then put where the counts say, then in order within cells.
        for x in all() {
            let cell = made.cell(x);
            made.starts[cell + 1] += 1;
        }
        for cell in 0..cells {
            made.starts[cell + 1] += made.starts[cell];
        }
        let mut next = made.starts.clone();
        for x in all() {
            let place = &mut next[made.cell(x)];
            made.numbers[*place as usize] = x;
            *place += 1;
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
}

/// How much of a pool lies between thresholds and their next.
#[derive(Clone)]
pub struct Found(Vec<u64>);

impl Found {
    pub fn new(thresholds: &Thresholds) -> Self {
        Self(vec![0; thresholds.len() + 1])
    }

    /// Adds a number of some weight; NaN is nowhere.
    #[inline(always)]
    pub fn add(&mut self, thresholds: &Thresholds, x: f64, weight: u64) {
        self.0[thresholds.reached(x)] += weight;
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
