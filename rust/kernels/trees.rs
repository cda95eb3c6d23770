//! What the small trees of a booster say of rows of numbers.
//!
//! No row walks down a tree. Each node strikes out the leaves that a row does not reach, of a tile of
//! rows at once; the first leaf that is left is the row's own.

use ndarray::ArrayView2;

use crate::error::{Error, Result};
use crate::kernels::{wide, Pulse};
use crate::threads;

/// Rows that are read at once.
const LANES: usize = 32;
/// Leaves that a small tree may have: one bit each.
const MOST_LEAVES: usize = 32;

/// Trees one after the other, node by node; children are numbered within their tree.
#[derive(Clone, Copy)]
pub struct Nodes<'a> {
    /// Columns that nodes look at; negative for leaves.
    pub feature: &'a [i64],
    /// Rows go left up to this number.
    pub threshold: &'a [f64],
    pub left: &'a [i64],
    pub right: &'a [i64],
}

impl Nodes<'_> {
    fn check(&self) -> Result<()> {
        let expected = self.feature.len();
        let lengths = [
            ("threshold", self.threshold.len()),
            ("left", self.left.len()),
            ("right", self.right.len()),
        ];
        for (name, found) in lengths {
            if found != expected {
                return Err(Error::Length {
                    name,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// The column that a node looks at and its children; None of a leaf.
    fn inner(&self, node: usize, width: usize, size: usize) -> Result<Option<(usize, [usize; 2])>> {
        let Ok(feature) = usize::try_from(self.feature[node]) else {
            return Ok(None);
        };
        let children = [self.left[node], self.right[node]];
        let inside = children.map(|child| usize::try_from(child).ok().filter(|&c| c < size));
        match inside {
            [Some(left), Some(right)] if feature < width => Ok(Some((feature, [left, right]))),
            _ => Err(Error::Tree(node)),
        }
    }
}

/// The largest float32 that is not above a number: float32 numbers lie up to both alike.
fn rounded_down(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold {
        near.next_down()
    } else {
        near
    }
}

/// A node of a small tree: who goes right reaches none of the leaves on its left.
struct Split {
    feature: usize,
    threshold: f32,
    missing_left: bool,
    kept: u32,
}

struct SmallTree {
    splits: Vec<Split>,
    values: Vec<f64>,
}

/// Returns `baseline` and the values of the leaves that each row reaches, added tree by tree.
///
/// `starts` are the first nodes of the trees, `missing_left` tells who goes left without a number.
pub fn boosted_sums(
    rows: ArrayView2<'_, f32>,
    nodes: Nodes<'_>,
    missing_left: &[bool],
    values: &[f64],
    starts: &[i64],
    baseline: f64,
    pulse: Pulse,
) -> Result<Vec<f64>> {
    nodes.check()?;
    let expected = nodes.feature.len();
    for (name, found) in [
        ("missing_left", missing_left.len()),
        ("value", values.len()),
    ] {
        if found != expected {
            return Err(Error::Length {
                name,
                found,
                expected,
            });
        }
    }
    let width = rows.ncols();
    let ends = starts.iter().skip(1).copied().chain([expected as i64]);
    let trees = starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| small_tree(nodes, missing_left, values, start, end, width))
        .collect::<Result<Vec<_>>>()?;
    let mut sums = vec![baseline; rows.nrows()];
    let items = sums.chunks_mut(LANES).zip((0..).step_by(LANES)).collect();
    let work = rows.nrows().saturating_mul(trees.len());
    threads::for_each_or_stop(
        items,
        work,
        pulse,
        || vec![[0.0f32; LANES]; width],
        |tile, (sums, first): (&mut [f64], usize)| {
            for lane in 0..sums.len() {
                let row = rows.row(first + lane);
                for (column, &value) in tile.iter_mut().zip(row) {
                    column[lane] = value;
                }
            }
            for tree in &trees {
                let left = leaves_left(tile, &tree.splits);
                for (sum, leaves) in sums.iter_mut().zip(left) {
                    *sum += tree.values[leaves.trailing_zeros() as usize];
                }
            }
        },
    )?;
    Ok(sums)
}

/// Numbers the leaves of a tree from left to right, and finds what each node keeps.
fn small_tree(
    nodes: Nodes<'_>,
    missing_left: &[bool],
    values: &[f64],
    start: i64,
    end: i64,
    width: usize,
) -> Result<SmallTree> {
    let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else {
        return Err(Error::Tree(0));
    };
    if start >= end || end > nodes.feature.len() {
        return Err(Error::Tree(start));
    }
    let mut tree = SmallTree {
        splits: vec![],
        values: vec![],
    };
    // Nodes still to be read, and splits whose left side ends before the next one.
    enum Step {
        Read(usize),
        EndOfLeft(usize),
    }
    let mut steps = vec![Step::Read(start)];
    let mut n_read = 0;
    while let Some(step) = steps.pop() {
        let node = match step {
            Step::EndOfLeft(split) => {
                let through = (1u64 << tree.values.len()) - 1;
                // What was numbered before the split is kept.
                let split: &mut Split = &mut tree.splits[split];
                split.kept |= !(through as u32);
                continue;
            }
            Step::Read(node) => node,
        };
        n_read += 1;
        if n_read > end - start {
            return Err(Error::Tree(node));
        }
        match nodes.inner(node, width, end - start)? {
            None if tree.values.len() == MOST_LEAVES => return Err(Error::Tree(node)),
            None => tree.values.push(values[node]),
            Some((feature, [left, right])) => {
                let before = (1u64 << tree.values.len()) - 1;
                tree.splits.push(Split {
                    feature,
                    threshold: rounded_down(nodes.threshold[node]),
                    missing_left: missing_left[node],
                    kept: before as u32,
                });
                steps.push(Step::Read(start + right));
                steps.push(Step::EndOfLeft(tree.splits.len() - 1));
                steps.push(Step::Read(start + left));
            }
        }
    }
    Ok(tree)
}

wide! {
    fn leaves_left(tile: &[[f32; LANES]], splits: &[Split]) -> [u32; LANES] {
        let mut left = [u32::MAX; LANES];
        for split in splits {
            let column = &tile[split.feature];
            if split.missing_left {
                for l in 0..LANES {
                    left[l] &= if column[l] > split.threshold { split.kept } else { u32::MAX };
                }
            } else {
                for l in 0..LANES {
                    left[l] &= if column[l] <= split.threshold { u32::MAX } else { split.kept };
                }
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    const GO: Pulse = &|| Ok(());

    /// Feature, threshold, where nothing goes, left, right of each node; children come behind.
    type Grown = (Vec<i64>, Vec<f64>, Vec<bool>, Vec<i64>, Vec<i64>);

    /// A tree that a list of choices grows: which leaf is split, by what.
    fn grown(choices: &[(usize, usize, i8, bool)], width: usize) -> Grown {
        let mut tree: Grown = (vec![-1], vec![0.0], vec![false], vec![0], vec![0]);
        for &(leaf, feature, threshold, missing) in choices {
            let leaves: Vec<usize> = (0..tree.0.len()).filter(|&n| tree.0[n] < 0).collect();
            let node = leaves[leaf % leaves.len()];
            tree.0[node] = (feature % width) as i64;
            tree.1[node] = f64::from(threshold) / 4.0 + 1e-12;
            tree.2[node] = missing;
            (tree.3[node], tree.4[node]) = (tree.0.len() as i64, tree.0.len() as i64 + 1);
            for _ in 0..2 {
                tree.0.push(-1);
                tree.1.push(0.0);
                tree.2.push(false);
                tree.3.push(0);
                tree.4.push(0);
            }
        }
        tree
    }

    fn nodes(tree: &Grown) -> Nodes<'_> {
        Nodes {
            feature: &tree.0,
            threshold: &tree.1,
            left: &tree.3,
            right: &tree.4,
        }
    }

    fn leaf_of(tree: &Grown, row: &[f32]) -> usize {
        let mut node = 0;
        while tree.0[node] >= 0 {
            let value = f64::from(row[tree.0[node] as usize]);
            let left = value <= tree.1[node] || (value.is_nan() && tree.2[node]);
            node = if left { tree.3[node] } else { tree.4[node] } as usize;
        }
        node
    }

    fn choices(most: usize) -> impl Strategy<Value = Vec<(usize, usize, i8, bool)>> {
        prop::collection::vec((0..99usize, 0..9usize, -9..9i8, any::<bool>()), 0..most)
    }

    fn table(width: usize) -> impl Strategy<Value = Array2<f32>> {
        let value = prop_oneof![(-9..9i8).prop_map(|v| f32::from(v) / 4.0), Just(f32::NAN)];
        prop::collection::vec(value, 0..width * 70).prop_map(move |mut cells| {
            cells.truncate(cells.len() / width * width);
            Array2::from_shape_vec((cells.len() / width, width), cells).unwrap()
        })
    }

    proptest! {
        #[test]
        fn small_trees_agree_with_a_walk(
            first in choices(31), second in choices(5), rows in table(3),
        ) {
            let trees = [grown(&first, 3), grown(&second, 3)];
            let joined: Vec<Grown> = trees.to_vec();
            let (a, b) = (&joined[0], &joined[1]);
            let both: Grown = (
                [&a.0[..], &b.0].concat(), [&a.1[..], &b.1].concat(), [&a.2[..], &b.2].concat(),
                [&a.3[..], &b.3].concat(), [&a.4[..], &b.4].concat(),
            );
            let values: Vec<f64> = (0..both.0.len()).map(|node| 0.1 * node as f64).collect();
            let starts = [0, a.0.len() as i64];
            let sums =
                boosted_sums(rows.view(), nodes(&both), &both.2, &values, &starts, 0.3, GO).unwrap();
            for (row, sum) in rows.rows().into_iter().zip(sums) {
                let row = row.to_vec();
                let expected = 0.3 + values[leaf_of(a, &row)];
                prop_assert_eq!(sum, expected + values[a.0.len() + leaf_of(b, &row)]);
            }
        }
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let rows = Array2::<f32>::zeros((1, 2));
        let mut tree = grown(&[(0, 0, 1, false)], 2);
        let sums = |tree: &Grown, starts: &[i64]| {
            let values = vec![0.0; tree.0.len()];
            boosted_sums(rows.view(), nodes(tree), &tree.2, &values, starts, 0.0, GO).err()
        };
        assert_eq!(sums(&tree, &[0]), None);
        for starts in [&[3][..], &[-1], &[1, 0]] {
            assert!(matches!(sums(&tree, starts), Some(Error::Tree(_))));
        }
        // More leaves than bits.
        let wide = grown(&[(0, 0, 1, false); 32], 2);
        assert!(matches!(sums(&wide, &[0]), Some(Error::Tree(_))));
        tree.0[0] = 2;
        assert_eq!(sums(&tree, &[0]), Some(Error::Tree(0)));
        // A circle.
        (tree.0[0], tree.3[0]) = (0, 0);
        assert!(matches!(sums(&tree, &[0]), Some(Error::Tree(_))));
        tree.3.pop();
        assert!(matches!(sums(&tree, &[0]), Some(Error::Length { .. })));
    }
}
