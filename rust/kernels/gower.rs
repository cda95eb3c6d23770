//! Nearest rows of a table whose columns differ by a bounded amount each: Gower's distance.
//!
//! The distance of two rows is the sum over columns of `min(|a - b|, cap)`. Numbers scaled by their
//! range, categories as codes that lie a cap apart and missing values as NaN are all of this form.

use ndarray::{ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::kernels::{wide, Pulse};
use crate::threads;

/// Rows of a leaf, which are compared side by side.
const LEAF: usize = 64;
/// Rows whose sums are held at once.
const LANES: usize = 32;
/// Rows of a node that its split is chosen from.
const SAMPLE: usize = 64;
/// A split that leaves less than this share of a node on one side is none.
const LEAST_SHARE: usize = 32;
/// Queries that a thread takes at once.
const CHUNK: usize = 64;
/// What NaN is read as: equal to itself, and farther than any cap from what is finite or infinite.
const MISSING: f64 = f64::MAX / 2.0;

/// Distances from one query to the rows of a leaf, and how many of them are meant.
type Distances = [f64; LEAF];

/// The nearest rows of each query, row by row: their distances, rising, and their numbers. Of rows
/// at one distance the lowest number comes first.
pub struct Nearest {
    pub distances: Vec<f64>,
    pub rows: Vec<i64>,
}

/// Finds the `count` rows of `table` that are nearest to each of `queries`.
///
/// Sums run over columns in their order, so that the answer is, to the bit, that of a scan.
pub fn gower_nearest(
    queries: ArrayView2<'_, f64>,
    table: ArrayView2<'_, f64>,
    caps: &[f64],
    count: usize,
    pulse: Pulse,
) -> Result<Nearest> {
    let width = table.ncols();
    if queries.ncols() != width {
        return Err(Error::Width {
            found: queries.ncols(),
            expected: width,
        });
    }
    if caps.len() != width {
        return Err(Error::Length {
            name: "caps",
            found: caps.len(),
            expected: width,
        });
    }
    if let Some(&value) = caps.iter().find(|cap| !(cap.is_finite() && **cap > 0.0)) {
        return Err(Error::NotPositive {
            name: "caps",
            value,
        });
    }
    if count == 0 || count > table.nrows() {
        return Err(Error::Neighbors {
            found: count,
            most: table.nrows(),
        });
    }
    pulse()?;
    let tree = Tree::new(table, caps);
    pulse()?;
    let mut distances = vec![0.0; queries.nrows() * count];
    let mut rows = vec![0; queries.nrows() * count];
    let parts = distances
        .chunks_mut(CHUNK * count)
        .zip(rows.chunks_mut(CHUNK * count))
        .zip(queries.axis_chunks_iter(Axis(0), CHUNK))
        .collect();
    threads::for_each_pulsed(parts, pulse, Search::default, |search, part| {
        let ((distances, rows), queries) = part;
        search.queries.clear();
        search.queries.extend(queries.iter().map(|&x| read(x)));
        search.run(&tree, queries.nrows(), count);
        for (place, &(distance, row)) in search.best.iter().enumerate() {
            (distances[place], rows[place]) = (distance, row as i64);
        }
    })?;
    Ok(Nearest { distances, rows })
}

fn read(value: f64) -> f64 {
    if value.is_nan() {
        MISSING
    } else {
        // The difference of two infinite numbers would be NaN.
        value.clamp(f64::MIN, f64::MAX)
    }
}

/// How far two values of a column are apart.
#[inline(always)]
fn apart(a: f64, b: f64, cap: f64) -> f64 {
    let gap = (a - b).abs();
    if gap < cap {
        gap
    } else {
        cap
    }
}

/// The larger number where neither is NaN: one instruction, which that of the library is not.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if a > b {
        a
    } else {
        b
    }
}

struct Node {
    /// The lowest number of its rows.
    least: usize,
    content: Content,
}

enum Content {
    /// Where its numbers begin among those of all leaves, and its rows among all.
    Leaf {
        cells: usize,
        first: usize,
        rows: usize,
    },
    /// Two nodes, of which the first is at the next place.
    Split(usize),
}

/// Rows in boxes within boxes.
struct Tree<'a> {
    caps: &'a [f64],
    nodes: Vec<Node>,
    /// The least and greatest value of each column, node by node.
    boxes: Vec<(f64, f64)>,
    /// The rows of leaves, column by column.
    cells: Vec<f64>,
    /// The numbers of rows, in the order of the leaves; rising within each.
    order: Vec<usize>,
}

impl<'a> Tree<'a> {
    fn new(table: ArrayView2<'_, f64>, caps: &'a [f64]) -> Self {
        let rows: Vec<f64> = table
            .rows()
            .into_iter()
            .flatten()
            .map(|&x| read(x))
            .collect();
        let mut tree = Self {
            caps,
            nodes: vec![],
            boxes: vec![],
            cells: vec![],
            order: vec![],
        };
        tree.add(&rows, (0..table.nrows()).collect());
        tree
    }

    /// Adds a node with these rows, by rising number, and all nodes below it.
    fn add(&mut self, rows: &[f64], numbers: Vec<usize>) {
        let width = self.caps.len();
        let place = self.nodes.len();
        let row = |number: usize| &rows[number * width..(number + 1) * width];
        let mut bounds = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
        for &number in &numbers {
            for (ends, &value) in bounds.iter_mut().zip(row(number)) {
                *ends = (ends.0.min(value), ends.1.max(value));
            }
        }
        self.boxes.append(&mut bounds);
        let mut node = Node {
            least: numbers[0],
            content: Content::Split(0),
        };
        if numbers.len() <= LEAF {
            let cells = self.cells.len();
            for column in 0..width {
                for lane in 0..LEAF {
                    // What stands in the empty lanes is never looked at.
                    let number = numbers[lane.min(numbers.len() - 1)];
                    self.cells.push(row(number)[column]);
                }
            }
            node.content = Content::Leaf {
                cells,
                first: self.order.len(),
                rows: numbers.len(),
            };
            self.order.extend(numbers);
            self.nodes.push(node);
            return;
        }
        self.nodes.push(node);
        let (low, high) = self.split(rows, numbers);
        self.add(rows, low);
        self.nodes[place].content = Content::Split(self.nodes.len());
        self.add(rows, high);
    }

    /// Divides rows in two at the median of the column in which they lie farthest apart.
    fn split(&self, rows: &[f64], numbers: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
        let width = self.caps.len();
        let value = |number: usize, column: usize| rows[number * width + column];
        let step = numbers.len().div_ceil(SAMPLE);
        let mut chosen = (0.0, 0, 0.0);
        for (column, &cap) in self.caps.iter().enumerate() {
            let sampled = numbers.iter().step_by(step);
            let mut sample: Vec<f64> = sampled.map(|&number| value(number, column)).collect();
            sample.sort_unstable_by(f64::total_cmp);
            let median = sample[sample.len() / 2];
            let spread: f64 = sample.iter().map(|&x| apart(x, median, cap)).sum();
            if spread > chosen.0 {
                chosen = (spread, column, median);
            }
        }
        let (_, column, median) = chosen;
        let below = |number: &usize| value(*number, column) < median;
        let up_to = |number: &usize| value(*number, column) <= median;
        let count = |low: &dyn Fn(&usize) -> bool| numbers.iter().filter(|n| low(n)).count();
        let smaller = |low: usize| low.min(numbers.len() - low);
        let (under, within) = (smaller(count(&below)), smaller(count(&up_to)));
        if under.max(within) * LEAST_SHARE < numbers.len() {
            // Rows that are next to all equal: the lower numbers are asked first, and win.
            let mut low = numbers;
            let high = low.split_off(low.len() / 2);
            return (low, high);
        }
        if under >= within {
            numbers.into_iter().partition(below)
        } else {
            numbers.into_iter().partition(up_to)
        }
    }

    /// A bound from below on the distance to each row of a node, summed as the distance itself.
    #[inline]
    fn bound(&self, node: usize, query: &[f64]) -> f64 {
        let width = self.caps.len();
        let bounds = &self.boxes[node * width..(node + 1) * width];
        let mut sum = 0.0;
        for ((&(low, high), &x), &cap) in bounds.iter().zip(query).zip(self.caps) {
            let outside = larger(larger(low - x, x - high), 0.0);
            sum += if outside < cap { outside } else { cap };
        }
        sum
    }
}

/// The search for some queries at once, with the memory that all searches of a thread share.
///
/// They go through the tree together, so that a leaf is read from memory once for all of them. Each
/// looks at the leaf that it falls into first: what it finds there cuts off most of the tree.
#[derive(Default)]
struct Search {
    /// Query by query.
    queries: Vec<f64>,
    /// Query by query: by distance, then number.
    best: Vec<(f64, usize)>,
    /// The leaf of each query that was looked at first.
    first: Vec<usize>,
    /// Queries that look at a node, with a bound on their distance from its rows: those of the
    /// nodes on the way to the present one, one after the other.
    ahead: Vec<(f64, usize)>,
}

impl Search {
    fn run(&mut self, tree: &Tree, n_queries: usize, count: usize) {
        self.best.clear();
        self.best
            .resize(n_queries * count, (f64::INFINITY, usize::MAX));
        self.first.clear();
        self.ahead.clear();
        for query in 0..n_queries {
            let mut place = 0;
            while let Content::Split(other) = tree.nodes[place].content {
                let [one, two] = [place + 1, other].map(|node| self.bound(tree, node, query));
                place = if one <= two { place + 1 } else { other };
            }
            self.first.push(place);
            self.look(tree, place, query, count);
            self.ahead.push((0.0, query));
        }
        self.visit(tree, 0, 0, count);
    }

    fn bound(&self, tree: &Tree, node: usize, query: usize) -> f64 {
        let width = tree.caps.len();
        tree.bound(node, &self.queries[query * width..(query + 1) * width])
    }

    /// Looks at a node with the queries of `ahead` from a place on, and takes these off.
    fn visit(&mut self, tree: &Tree, place: usize, from: usize, count: usize) {
        let least = tree.nodes[place].least;
        let mut kept = from;
        for at in from..self.ahead.len() {
            let (bound, query) = self.ahead[at];
            if (bound, least) <= self.best[(query + 1) * count - 1] {
                self.ahead[kept] = (bound, query);
                kept += 1;
            }
        }
        self.ahead.truncate(kept);
        if kept == from {
            return;
        }
        match tree.nodes[place].content {
            Content::Leaf { .. } => {
                for at in from..kept {
                    let query = self.ahead[at].1;
                    if self.first[query] != place {
                        self.look(tree, place, query, count);
                    }
                }
            }
            Content::Split(other) => {
                let mut nearer = 0isize;
                let mut bounds = Vec::with_capacity(kept - from);
                for at in from..kept {
                    let query = self.ahead[at].1;
                    let each = [place + 1, other].map(|node| self.bound(tree, node, query));
                    nearer += isize::from(each[0] <= each[1]) - isize::from(each[1] < each[0]);
                    bounds.push((each, query));
                }
                // The one that is nearer to most is looked at first.
                let order = if nearer >= 0 { [0, 1] } else { [1, 0] };
                for child in order {
                    let start = self.ahead.len();
                    let queries = bounds.iter().map(|&(each, query)| (each[child], query));
                    self.ahead.extend(queries);
                    self.visit(tree, [place + 1, other][child], start, count);
                }
            }
        }
        self.ahead.truncate(from);
    }

    /// Looks at the rows of a leaf.
    fn look(&mut self, tree: &Tree, place: usize, query: usize, count: usize) {
        let Content::Leaf { cells, first, rows } = tree.nodes[place].content else {
            return;
        };
        let width = tree.caps.len();
        let cells = &tree.cells[cells..cells + LEAF * width];
        let own = &self.queries[query * width..(query + 1) * width];
        let distances = leaf_distances(cells, own, tree.caps);
        let best = &mut self.best[query * count..(query + 1) * count];
        keep(best, &distances[..rows], &tree.order[first..first + rows]);
    }
}

fn keep(best: &mut [(f64, usize)], distances: &[f64], numbers: &[usize]) {
    let last = best.len() - 1;
    if !any_up_to(distances, best[last].0) {
        return;
    }
    for found in distances.iter().copied().zip(numbers.iter().copied()) {
        if found < best[last] {
            let place = best.partition_point(|best| *best < found);
            best[place..].rotate_right(1);
            best[place] = found;
        }
    }
}

wide! {
    fn leaf_distances(cells: &[f64], query: &[f64], caps: &[f64]) -> Distances {
        let mut distances = [0.0; LEAF];
        for (nth, distances) in distances.chunks_exact_mut(LANES).enumerate() {
            // So few that they stay in registers.
            let mut sums = [0.0; LANES];
            for ((column, &x), &cap) in cells.chunks_exact(LEAF).zip(query).zip(caps) {
                let values = &column[nth * LANES..(nth + 1) * LANES];
                for l in 0..LANES {
                    sums[l] += apart(x, values[l], cap);
                }
            }
            distances.copy_from_slice(&sums);
        }
        distances
    }
}

wide! {
    fn any_up_to(distances: &[f64], most: f64) -> bool {
        distances.iter().fold(false, |any, &distance| any | (distance <= most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    /// Few values, so that distances tie, and those that are no finite numbers.
    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            6 => (0..4i32).prop_map(f64::from),
            3 => 0.0..1.0f64,
            1 => prop_oneof![
                Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e300)
            ],
        ]
    }

    fn rows(width: usize, least: usize) -> impl Strategy<Value = Array2<f64>> {
        (least..140usize).prop_flat_map(move |n| {
            prop::collection::vec(value(), n * width)
                .prop_map(move |cells| Array2::from_shape_vec((n, width), cells).unwrap())
        })
    }

    fn case() -> impl Strategy<Value = (Array2<f64>, Array2<f64>, Vec<f64>)> {
        (1..6usize).prop_flat_map(|width| {
            let caps = prop::collection::vec(prop_oneof![Just(1.0), 0.01..2.0f64], width);
            (rows(width, 0), rows(width, 3), caps)
        })
    }

    fn by_scan(query: &[f64], table: &Array2<f64>, caps: &[f64]) -> Vec<(f64, usize)> {
        let mut all: Vec<(f64, usize)> = table
            .rows()
            .into_iter()
            .map(|row| {
                let each = row.iter().zip(query).zip(caps).map(|((&a, &b), &cap)| {
                    if a == b || (a.is_nan() && b.is_nan()) {
                        0.0
                    } else {
                        (a - b).abs().min(cap)
                    }
                });
                each.fold(0.0, |sum, x| sum + x)
            })
            .zip(0..)
            .collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all
    }

    proptest! {
        #[test]
        fn agrees_with_a_scan((queries, table, caps) in case(), count in 1..4usize) {
            let found =
                gower_nearest(queries.view(), table.view(), &caps, count, &|| Ok(())).unwrap();
            for (i, query) in queries.rows().into_iter().enumerate() {
                let expected = by_scan(&query.to_vec(), &table, &caps);
                for (j, &(distance, row)) in expected[..count].iter().enumerate() {
                    prop_assert_eq!(found.distances[i * count + j], distance);
                    prop_assert_eq!(found.rows[i * count + j], row as i64);
                }
            }
        }
    }

    #[test]
    fn of_equal_rows_the_first_is_found() {
        let table = Array2::<f64>::zeros((1_000, 2));
        let found = gower_nearest(table.view(), table.view(), &[1.0; 2], 2, &|| Ok(())).unwrap();
        assert!(found.rows.chunks(2).all(|rows| rows == [0, 1]));
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let go: Pulse = &|| Ok(());
        let table = Array2::<f64>::zeros((3, 2));
        let search = |width: usize, caps: &[f64], count: usize| {
            let queries = Array2::<f64>::zeros((1, width));
            gower_nearest(queries.view(), table.view(), caps, count, go).err()
        };
        assert!(matches!(search(3, &[1.0; 2], 1), Some(Error::Width { .. })));
        assert!(matches!(search(2, &[1.0], 1), Some(Error::Length { .. })));
        for cap in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = search(2, &[1.0, cap], 1);
            assert!(matches!(refused, Some(Error::NotPositive { .. })));
        }
        for count in [0, 4] {
            let refused = search(2, &[1.0; 2], count);
            assert!(matches!(refused, Some(Error::Neighbors { .. })));
        }
        let stop: Pulse = &|| Err(Error::Interrupted);
        let stopped = gower_nearest(table.view(), table.view(), &[1.0; 2], 1, stop);
        assert_eq!(stopped.err(), Some(Error::Interrupted));
    }
}
