//! Grows the small trees of a booster that tells members from others.
//!
//! Numbers are put into bins once. What a node sums up in each bin are whole numbers: they are the
//! same in whatever order rows are added and by however many threads, and those of a node are
//! exactly its parent's less its sibling's, so that only the smaller of two children is read.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::{Error, Result};
use crate::kernels::{math, wide, Pulse};
use crate::threads;

/// Bins of a column; the last is of rows without a number.
const BINS: usize = 64;
const MISSING: usize = BINS - 1;
/// Rows that say where bins end, at least; of fewer all.
const SAMPLE: usize = 10_000;
/// Rows that a thread takes at once where each is read by itself.
const ROWS: usize = 4096;
/// Gradients are counted in units of 2^-32.
const UNIT: f64 = (1u64 << 32) as f64;
/// Less than this on one side tells nothing: the trees of scikit-learn have it too.
const LEAST_HESSIAN: f64 = 1e-3;

/// How trees grow.
#[derive(Clone, Copy)]
pub struct Growth {
    pub trees: usize,
    pub learning_rate: f64,
    /// Most leaves of a tree, and fewest rows in one.
    pub leaves: usize,
    pub rows_in_leaf: usize,
    pub l2: f64,
    /// Columns that each tree looks at, drawn by `seed`.
    pub columns: usize,
    pub seed: u64,
}

/// Trees one after the other, as `trees::boosted_sums` reads them.
#[derive(Default)]
pub struct Boosted {
    pub feature: Vec<i64>,
    pub threshold: Vec<f64>,
    pub left: Vec<i64>,
    pub right: Vec<i64>,
    pub missing_left: Vec<bool>,
    pub value: Vec<f64>,
    pub starts: Vec<i64>,
    pub baseline: f64,
}

/// A sum of gradients, and of hessians with the number of rows in the bits above them.
type Cell = [i64; 2];

/// Where the number of rows begins, and what a hessian of 1 counts.
#[derive(Clone, Copy)]
struct Packing {
    shift: u32,
    one: f64,
}

impl Packing {
    fn of(n_rows: usize) -> Self {
        let bits = usize::BITS - n_rows.leading_zeros();
        let shift = 62 - bits;
        // A hessian is a quarter at most.
        let one = (1u64 << (shift + 2 - bits.min(shift))) as f64;
        Self { shift, one }
    }

    #[inline(always)]
    fn cell(self, gradient: f64, hessian: f64) -> Cell {
        let hessian = (hessian * self.one) as i64;
        [(gradient * UNIT) as i64, hessian | (1 << self.shift)]
    }

    fn count(self, cell: Cell) -> usize {
        (cell[1] >> self.shift) as usize
    }

    fn gradient(self, cell: Cell) -> f64 {
        cell[0] as f64 / UNIT
    }

    fn hessian(self, cell: Cell) -> f64 {
        (cell[1] & ((1 << self.shift) - 1)) as f64 / self.one
    }
}

fn plus(a: Cell, b: Cell) -> Cell {
    [a[0] + b[0], a[1] + b[1]]
}

fn minus(a: Cell, b: Cell) -> Cell {
    [a[0] - b[0], a[1] - b[1]]
}

/// The best way to part the rows of a node.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    /// Its place among the columns that the tree looks at.
    place: usize,
    bin: usize,
    missing_left: bool,
    left: Cell,
}

/// A leaf that may be split yet.
struct Leaf {
    node: usize,
    rows: (usize, usize),
    sums: Cell,
    /// Of each column of the tree and bin; empty where nothing can be split.
    bins: Vec<Cell>,
    split: Option<Split>,
}

/// Rows by the bins of their numbers.
struct Binned {
    bins: Vec<u8>,
    width: usize,
    ends: Vec<Vec<f32>>,
}

/// Learns the log-odds of `member`: the trees that `trees::boosted_sums` adds up.
pub fn boosted_trees(
    rows: ArrayView2<'_, f32>,
    member: ArrayView1<'_, bool>,
    growth: Growth,
    pulse: Pulse,
) -> Result<Boosted> {
    let (n, width) = rows.dim();
    if member.len() != n {
        return Err(Error::Length {
            name: "member",
            found: member.len(),
            expected: n,
        });
    }
    if n == 0 || width == 0 {
        return Err(Error::Empty("rows"));
    }
    let binned = Binned::of(rows);
    pulse()?;
    let n_members = member.iter().filter(|&&own| own).count();
    let mut boosted = Boosted {
        // Of members or others alone it would be infinite.
        baseline: ((n_members as f64).max(0.5) / ((n - n_members) as f64).max(0.5)).ln(),
        ..Boosted::default()
    };
    let goals: Vec<f64> = member.iter().map(|&own| f64::from(u8::from(own))).collect();
    let mut scores = vec![boosted.baseline; n];
    let mut tree = Tree {
        growth,
        packing: Packing::of(n),
        binned: &binned,
        cells: vec![[0; 2]; n],
        order: vec![],
        aside: vec![],
        columns: vec![],
        spare: vec![],
    };
    let mut state = growth.seed;
    for _ in 0..growth.trees {
        tree.begin(&scores, &goals, &mut state);
        tree.grow(&mut boosted, &mut scores);
        pulse()?;
    }
    Ok(boosted)
}

impl Binned {
    fn of(rows: ArrayView2<'_, f32>) -> Self {
        let (n, width) = rows.dim();
        let mut ends = vec![vec![]; width];
        let columns = ends.iter_mut().zip(rows.columns()).collect();
        threads::for_each(
            columns,
            n.min(SAMPLE) * width,
            || (),
            |(), (ends, column): (&mut Vec<f32>, ArrayView1<'_, f32>)| *ends = ends_of(column),
        );
        let mut bins = vec![0; n * width];
        let parts = bins
            .chunks_mut(ROWS * width)
            .zip((0..).step_by(ROWS))
            .collect();
        threads::for_each(
            parts,
            n * width,
            || (),
            |(), (bins, first): (&mut [u8], usize)| {
                for (row, own) in bins.chunks_mut(width).enumerate() {
                    let numbers = rows.row(first + row);
                    for ((bin, &number), ends) in own.iter_mut().zip(numbers).zip(&ends) {
                        *bin = bin_of(number, ends);
                    }
                }
            },
        );
        Self { bins, width, ends }
    }
}

/// The largest number of each bin but the last, then infinity: halfway to the next one that is there.
fn ends_of(column: ArrayView1<'_, f32>) -> Vec<f32> {
    let step = (column.len() / SAMPLE).max(1);
    // Any one of so many: what follows in turns would not be seen by every tenth.
    let mut state = 0;
    let numbers = (0..column.len()).step_by(step).map(|first| {
        let row = first + random(&mut state) as usize % step;
        column[row.min(column.len() - 1)]
    });
    let mut sorted: Vec<f32> = numbers.filter(|number| !number.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let steps: Vec<usize> = (1..sorted.len())
        .filter(|&place| sorted[place - 1] < sorted[place])
        .collect();
    let between = |place: usize| {
        let (below, above) = (sorted[place - 1], sorted[place]);
        let middle = f64::midpoint(f64::from(below), f64::from(above));
        // Rounded to the number below, or it would be the one above.
        let middle = (middle as f32).min(above.next_down());
        if middle.is_finite() {
            middle.max(below)
        } else {
            below
        }
    };
    let mut ends: Vec<f32> = if steps.len() < MISSING {
        steps.into_iter().map(between).collect()
    } else {
        // As many numbers in each bin as there can be.
        let wanted = (1..MISSING).map(|bin| bin * sorted.len() / MISSING);
        let mut places: Vec<usize> = wanted
            .map(|place| {
                steps[steps
                    .partition_point(|&step| step < place)
                    .min(steps.len() - 1)]
            })
            .collect();
        places.dedup();
        places.into_iter().map(between).collect()
    };
    ends.resize(MISSING, f32::INFINITY);
    ends
}

fn bin_of(number: f32, ends: &[f32]) -> u8 {
    if number.is_nan() {
        return MISSING as u8;
    }
    let (mut below, mut step) = (0, BINS / 2);
    while step > 0 {
        below += if number > ends[below + step - 1] {
            step
        } else {
            0
        };
        step /= 2;
    }
    below as u8
}

/// One tree after the other, of the same rows.
struct Tree<'a> {
    growth: Growth,
    packing: Packing,
    binned: &'a Binned,
    /// Of each row.
    cells: Vec<Cell>,
    /// Rows, those of a leaf side by side.
    order: Vec<u32>,
    aside: Vec<u32>,
    columns: Vec<usize>,
    /// Memory for the bins of leaves.
    spare: Vec<Vec<Cell>>,
}

impl Tree<'_> {
    fn begin(&mut self, scores: &[f64], goals: &[f64], state: &mut u64) {
        let packing = self.packing;
        let parts = self.cells.chunks_mut(ROWS);
        let parts = parts
            .zip(scores.chunks(ROWS).zip(goals.chunks(ROWS)))
            .collect();
        threads::for_each(
            parts,
            8 * scores.len(),
            || (),
            |(), (cells, (scores, goals)): (&mut [Cell], (&[f64], &[f64]))| {
                to_learn(packing, cells, scores, goals);
            },
        );
        self.order.clear();
        self.order.extend(0..self.cells.len() as u32);
        self.aside.resize(self.order.len(), 0);
        let mut all: Vec<usize> = (0..self.binned.width).collect();
        let chosen = self.growth.columns.clamp(1, all.len());
        for place in 0..chosen {
            let other = place + (random(state) % (all.len() - place) as u64) as usize;
            all.swap(place, other);
        }
        all.truncate(chosen);
        all.sort_unstable();
        self.columns = all;
    }

    fn grow(&mut self, boosted: &mut Boosted, scores: &mut [f64]) {
        let start = boosted.feature.len();
        boosted.starts.push(start as i64);
        let all = (0, self.order.len());
        let sums = self.cells.iter().copied().fold([0; 2], plus);
        let bins = self.bins_of(all);
        let mut leaves = vec![self.leaf(push(boosted), all, sums, bins)];
        while leaves.len() < self.growth.leaves {
            let mut best: Option<(usize, Split)> = None;
            for (place, leaf) in leaves.iter().enumerate() {
                if let Some(split) = leaf.split {
                    if best.is_none_or(|(_, found)| split.gain > found.gain) {
                        best = Some((place, split));
                    }
                }
            }
            let Some((place, split)) = best else { break };
            let last = leaves.len() + 1 == self.growth.leaves;
            let parent = leaves.swap_remove(place);
            leaves.extend(self.split(parent, split, last, start, boosted));
        }
        for leaf in leaves {
            let hessian = self.packing.hessian(leaf.sums) + self.growth.l2;
            // Of members or others alone, all that there was to learn has been learned.
            let value = match hessian < LEAST_HESSIAN {
                true => 0.0,
                false => -self.growth.learning_rate * self.packing.gradient(leaf.sums) / hessian,
            };
            boosted.value[leaf.node] = value;
            for &row in &self.order[leaf.rows.0..leaf.rows.1] {
                scores[row as usize] += value;
            }
            self.spare.push(leaf.bins);
        }
    }

    /// Parts the rows of a leaf; the last two leaves of a tree need no bins.
    fn split(
        &mut self,
        parent: Leaf,
        split: Split,
        last: bool,
        start: usize,
        boosted: &mut Boosted,
    ) -> [Leaf; 2] {
        let column = self.columns[split.place];
        let middle = self.part(parent.rows, column, split);
        let nodes = [push(boosted), push(boosted)];
        boosted.feature[parent.node] = column as i64;
        boosted.threshold[parent.node] = f64::from(self.binned.ends[column][split.bin]);
        boosted.missing_left[parent.node] = split.missing_left;
        boosted.left[parent.node] = (nodes[0] - start) as i64;
        boosted.right[parent.node] = (nodes[1] - start) as i64;
        let rows = [(parent.rows.0, middle), (middle, parent.rows.1)];
        let sums = [split.left, minus(parent.sums, split.left)];
        let size = |side: usize| rows[side].1 - rows[side].0;
        let small = usize::from(size(1) < size(0));
        let mut bins = [vec![], vec![]];
        if !last && size(1 - small) >= 2 * self.growth.rows_in_leaf {
            let fewer = self.bins_of(rows[small]);
            let mut others = parent.bins;
            for (cell, &own) in others.iter_mut().zip(&fewer) {
                *cell = minus(*cell, own);
            }
            bins[small] = fewer;
            bins[1 - small] = others;
        } else {
            self.spare.push(parent.bins);
        }
        let [left, right] = bins;
        [
            self.leaf(nodes[0], rows[0], sums[0], left),
            self.leaf(nodes[1], rows[1], sums[1], right),
        ]
    }

    fn leaf(&self, node: usize, rows: (usize, usize), sums: Cell, bins: Vec<Cell>) -> Leaf {
        let mut split: Option<Split> = None;
        for (place, bins) in bins.chunks_exact(BINS).enumerate() {
            let found = self.best_of(place, bins, sums);
            if found.is_some_and(|own| split.is_none_or(|best| own.gain > best.gain)) {
                split = found;
            }
        }
        Leaf {
            node,
            rows,
            sums,
            bins,
            split,
        }
    }

    fn best_of(&self, place: usize, bins: &[Cell], sums: Cell) -> Option<Split> {
        let (packing, growth) = (self.packing, self.growth);
        let ends = &self.binned.ends[self.columns[place]];
        let worth = |cell: Cell| {
            let gradient = packing.gradient(cell);
            gradient * gradient / (packing.hessian(cell) + growth.l2)
        };
        let own = worth(sums);
        let missing = bins[MISSING];
        let mut best: Option<Split> = None;
        for missing_left in [false, true] {
            if missing_left && packing.count(missing) == 0 {
                break;
            }
            let mut left = if missing_left { missing } else { [0; 2] };
            // The last one with numbers parts all of them from what is missing.
            let last = ends.iter().position(|&end| end == f32::INFINITY);
            let some = last.map_or(MISSING, |last| last + 1);
            for (bin, &cell) in bins[..some].iter().enumerate() {
                if packing.count(cell) == 0 {
                    continue;
                }
                left = plus(left, cell);
                let right = minus(sums, left);
                if packing.count(right) < growth.rows_in_leaf {
                    break;
                }
                let least = packing.hessian(left).min(packing.hessian(right));
                if packing.count(left) < growth.rows_in_leaf || least < LEAST_HESSIAN {
                    continue;
                }
                let gain = worth(left) + worth(right) - own;
                if gain > best.map_or(0.0, |split| split.gain) {
                    let more_left = 2 * packing.count(left) > packing.count(sums);
                    best = Some(Split {
                        gain,
                        place,
                        bin,
                        // What has been there goes where it went, later rows where most went.
                        missing_left: missing_left || (packing.count(missing) == 0 && more_left),
                        left,
                    });
                }
            }
        }
        best
    }

    /// Puts the rows that go left in front of the others, in their order.
    fn part(&mut self, (start, stop): (usize, usize), column: usize, split: Split) -> usize {
        let Binned { bins, width, .. } = self.binned;
        let (mut left, mut right) = (start, 0);
        for place in start..stop {
            let row = self.order[place];
            let bin = usize::from(bins[row as usize * width + column]);
            let goes = bin <= split.bin || (bin == MISSING && split.missing_left);
            // Both are written, and one of them counts.
            self.order[left] = row;
            self.aside[right] = row;
            left += usize::from(goes);
            right += usize::from(!goes);
        }
        self.order[left..stop].copy_from_slice(&self.aside[..right]);
        left
    }

    fn bins_of(&mut self, (start, stop): (usize, usize)) -> Vec<Cell> {
        let mut bins = self.spare.pop().unwrap_or_default();
        bins.clear();
        bins.resize(self.columns.len() * BINS, [0; 2]);
        let rows = &self.order[start..stop];
        let Binned {
            bins: numbers,
            width,
            ..
        } = self.binned;
        let each = self.columns.len().div_ceil(threads::count());
        let parts = bins
            .chunks_mut(each * BINS)
            .zip(self.columns.chunks(each))
            .collect();
        threads::for_each(
            parts,
            rows.len() * self.columns.len(),
            || (),
            |(), (bins, columns): (&mut [Cell], &[usize])| {
                for &row in rows {
                    let (own, row) = (self.cells[row as usize], row as usize);
                    let numbers = &numbers[row * width..(row + 1) * width];
                    for (bins, &column) in bins.chunks_exact_mut(BINS).zip(columns) {
                        let cell = &mut bins[usize::from(numbers[column]) % BINS];
                        *cell = plus(*cell, own);
                    }
                }
            },
        );
        bins
    }
}

wide! {
    fn to_learn(packing: Packing, cells: &mut [Cell], scores: &[f64], goals: &[f64]) {
        for ((cell, &score), &goal) in cells.iter_mut().zip(scores).zip(goals) {
            let share = math::sigmoid(score);
            *cell = packing.cell(share - goal, share * (1.0 - share));
        }
    }
}

/// Adds a leaf to the nodes.
fn push(boosted: &mut Boosted) -> usize {
    boosted.feature.push(-1);
    boosted.threshold.push(0.0);
    boosted.left.push(0);
    boosted.right.push(0);
    boosted.missing_left.push(false);
    boosted.value.push(0.0);
    boosted.feature.len() - 1
}

/// The next number of the generator called splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::kernels::trees::{boosted_sums, Nodes};

    const GO: Pulse = &|| Ok(());
    const GROWTH: Growth = Growth {
        trees: 20,
        learning_rate: 0.3,
        leaves: 4,
        rows_in_leaf: 2,
        l2: 0.0,
        columns: 9,
        seed: 1,
    };

    fn learned(rows: &Array2<f32>, member: &[bool], growth: Growth) -> Vec<f64> {
        let member = Array1::from_vec(member.to_vec());
        let grown = boosted_trees(rows.view(), member.view(), growth, GO).unwrap();
        let nodes = Nodes {
            feature: &grown.feature,
            threshold: &grown.threshold,
            left: &grown.left,
            right: &grown.right,
        };
        let (missing, starts) = (&grown.missing_left, &grown.starts);
        let base = grown.baseline;
        boosted_sums(rows.view(), nodes, missing, &grown.value, starts, base, GO).unwrap()
    }

    #[test]
    fn what_a_column_tells_is_learned() {
        let (none, most) = (f32::NAN, f32::INFINITY);
        // More numbers than bins, next to one another, infinite, and absent.
        let tellers: [&dyn Fn(usize, bool) -> f32; 7] = [
            &|i, own| if own { i as f32 } else { -1.0 - i as f32 },
            &|_, own| if own { 1.0_f32.next_up() } else { 1.0 },
            &|_, own| if own { most } else { -most },
            &|_, own| if own { most } else { f32::MAX },
            &|i, own| if own { none } else { i as f32 },
            &|_, own| if own { none } else { 1.0 },
            &|_, own| if own { -most } else { none },
        ];
        let member: Vec<bool> = (0..300).map(|i| i % 3 == 0).collect();
        for (place, teller) in tellers.iter().enumerate() {
            let rows = Array2::from_shape_fn((300, 3), |(i, j)| match j {
                0 => none,
                1 => teller(i, member[i]),
                _ => (i % 7) as f32,
            });
            let found = learned(&rows, &member, GROWTH);
            for (score, &own) in found.into_iter().zip(&member) {
                assert!(
                    (score > 2.0) == own && (score < -2.0) != own,
                    "teller {place}"
                );
            }
        }
    }

    #[test]
    fn what_follows_in_turns_is_learned() {
        let member: Vec<bool> = (0..3 * SAMPLE).map(|i| i % 3 == 1).collect();
        let rows = Array2::from_shape_fn((3 * SAMPLE, 1), |(i, _)| f32::from(u8::from(member[i])));
        let few = Growth { trees: 1, ..GROWTH };
        let found = learned(&rows, &member, few);
        assert!(found[1] > found[0] && found[1] > found[2]);
    }

    #[test]
    fn where_nothing_can_be_learned_all_are_told_the_rate() {
        let rows = Array2::from_shape_fn((60, 2), |(i, j)| (i % (j + 5)) as f32);
        let third: Vec<bool> = (0..60).map(|i| i < 20).collect();
        let alone = Growth {
            rows_in_leaf: 31,
            ..GROWTH
        };
        for score in learned(&rows, &third, alone) {
            assert!((score - 0.5_f64.ln()).abs() < 1e-6);
        }
        for all in [false, true] {
            let found = learned(&rows, &[all; 60], GROWTH);
            assert!(found
                .iter()
                .all(|score| score.is_finite() && (*score > 0.0) == all));
        }
    }

    #[test]
    fn wrong_tables_are_refused_and_a_stop_is_heard() {
        let rows = Array2::zeros((3, 1));
        let fit = |rows: &Array2<f32>, n: usize, pulse: Pulse| {
            let member = Array1::from_elem(n, true);
            boosted_trees(rows.view(), member.view(), GROWTH, pulse).err()
        };
        assert!(matches!(fit(&rows, 2, GO), Some(Error::Length { .. })));
        for empty in [(0, 1), (3, 0)] {
            let found = fit(&Array2::zeros(empty), empty.0, GO);
            assert_eq!(found, Some(Error::Empty("rows")));
        }
        let stop: Pulse = &|| Err(Error::Interrupted);
        assert_eq!(fit(&rows, 3, stop), Some(Error::Interrupted));
    }
}
