//! Nearest rows of a small table under Euclidean distance: every query against every row.
//!
//! Trees of rows pay below five features or so; from there on they are walked whole, and a plain
//! scan of rows that lie side by side is several times as fast.

use std::mem::take;

use ndarray::{ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::kernels::gower::Nearest;
use crate::kernels::{wide, Pulse};
use crate::threads;

/// Rows whose sums are held at once, and queries.
const LANES: usize = 32;
const QUERIES: usize = 4;
/// Queries that a thread takes at once: each group of rows is read once for all of them.
const CHUNK: usize = 64;
/// Largest square of a row for which float32 says which rows may be near.
const LARGEST: f64 = 1e30;

/// Rows of the table side by side: columns of so many rows after one another.
struct Group {
    start: usize,
    /// In float64; rows that are none are infinitely far.
    exact: Vec<f64>,
    /// In float32, and half of each row's square.
    rough: Vec<[f32; LANES]>,
    halves: [f32; LANES],
    /// The largest square.
    most: f64,
}

/// A row that may be among the nearest, and how far it is.
type Candidate = (f64, i64);

/// Finds the `count` rows of `table` that are nearest to each of `queries`.
///
/// Squares are summed in float64, over columns in their order, and in few groups of rows alone:
/// products in float32 tell before, to within what they can be wrong by, how near a group's nearest
/// row is. Each group has a row of its own, so that the `count` nearest groups bound what is wanted.
pub fn euclidean_nearest(
    queries: ArrayView2<'_, f32>,
    table: ArrayView2<'_, f32>,
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
    if count == 0 || count > table.nrows() {
        return Err(Error::Neighbors {
            found: count,
            most: table.nrows(),
        });
    }
    if width == 0 {
        return Err(Error::Empty("table"));
    }
    for (name, values) in [("queries", &queries), ("table", &table)] {
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::NotFinite(name));
        }
    }
    let groups = grouped(table);
    let mut distances = vec![f64::INFINITY; queries.nrows() * count];
    let mut rows = vec![0; queries.nrows() * count];
    let parts = distances
        .chunks_mut(CHUNK * count)
        .zip(rows.chunks_mut(CHUNK * count))
        .zip(queries.axis_chunks_iter(Axis(0), CHUNK))
        .collect();
    threads::for_each_pulsed(
        parts,
        pulse,
        Vec::new,
        |searches: &mut Vec<Search>, part| {
            let ((distances, rows), queries) = part;
            let n = queries.nrows();
            searches.resize_with(n.next_multiple_of(QUERIES), Search::default);
            // Nobody looks at what is found for the last query once more.
            for (search, query) in searches
                .iter_mut()
                .zip((0..n).chain(std::iter::repeat(n - 1)))
            {
                search.begin(queries.row(query).iter().copied());
            }
            for group in &groups {
                for four in searches.chunks_exact_mut(QUERIES) {
                    let least = least(group, [0, 1, 2, 3].map(|q| &four[q].rough[..]));
                    for (search, least) in four.iter_mut().zip(least) {
                        search.least.push(least);
                    }
                }
            }
            let places = distances.chunks_mut(count).zip(rows.chunks_mut(count));
            for (search, (distances, rows)) in searches.iter_mut().zip(places) {
                search.find(&groups, count);
                for (place, &(square, row)) in search.found.iter().enumerate() {
                    (distances[place], rows[place]) = (square.sqrt(), row);
                }
            }
        },
    )?;
    Ok(Nearest { distances, rows })
}

fn grouped(table: ArrayView2<'_, f32>) -> Vec<Group> {
    let of_lanes = |column: &mut dyn Iterator<Item = f64>, last: f64| {
        let mut lanes = [last; LANES];
        lanes
            .iter_mut()
            .zip(column)
            .for_each(|(lane, value)| *lane = value);
        lanes
    };
    let starts = (0..).step_by(LANES);
    let parts = table.axis_chunks_iter(Axis(0), LANES).zip(starts);
    parts
        .map(|(part, start)| {
            let mut squares = part
                .rows()
                .into_iter()
                .map(|row| square(row.iter().copied()));
            let squares = of_lanes(&mut squares, f64::INFINITY);
            let columns = || part.columns().into_iter();
            let exact = columns().flat_map(|column| {
                of_lanes(
                    &mut column.iter().map(|&value| f64::from(value)),
                    f64::INFINITY,
                )
            });
            let rough = columns().map(|column| {
                of_lanes(&mut column.iter().map(|&value| f64::from(value)), 0.0)
                    .map(|value| value as f32)
            });
            Group {
                start,
                exact: exact.collect(),
                rough: rough.collect(),
                halves: squares.map(|square| (square / 2.0) as f32),
                most: squares[..part.nrows()].iter().copied().fold(0.0, f64::max),
            }
        })
        .collect()
}

fn square(row: impl Iterator<Item = f32>) -> f64 {
    row.map(|value| f64::from(value) * f64::from(value)).sum()
}

fn nearer(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// One query, and what is known of the groups' nearest rows: half of a row's square less its
/// product with the query, which rises with the distance.
#[derive(Default)]
struct Search {
    exact: Vec<f64>,
    rough: Vec<f32>,
    square: f64,
    /// Each group's least number, as float32 has it, at most and at least.
    least: Vec<f32>,
    upper: Vec<f64>,
    lower: Vec<f64>,
    found: Vec<Candidate>,
}

impl Search {
    fn begin(&mut self, query: impl Iterator<Item = f32> + Clone) {
        self.rough.clear();
        self.rough.extend(query.clone());
        self.exact.clear();
        self.exact.extend(query.clone().map(f64::from));
        self.square = square(query);
        self.least.clear();
    }

    /// How much a group's number can be wrong by.
    fn wrong(&self, group: &Group) -> f64 {
        let both = self.square + group.most;
        if both > LARGEST {
            return f64::INFINITY;
        }
        // Each of `width` products and sums, and each half, is wrong by half a unit at most; and
        // what is lost in numbers too small for float32.
        (self.rough.len() + 8) as f64 * f64::from(f32::EPSILON) * both + 1e-30
    }

    /// Finds the nearest rows in the groups that may hold them, of those as far the first.
    fn find(&mut self, groups: &[Group], count: usize) {
        let (mut upper, mut lower) = (take(&mut self.upper), take(&mut self.lower));
        upper.clear();
        lower.clear();
        for (group, &least) in groups.iter().zip(&self.least) {
            // Numbers too large tell nothing.
            let wrong = self.wrong(group);
            let least = if wrong.is_finite() {
                f64::from(least)
            } else {
                0.0
            };
            upper.push(least + wrong);
            lower.push(least - wrong);
        }
        let bound = if count > groups.len() {
            f64::INFINITY
        } else {
            *upper.select_nth_unstable_by(count - 1, f64::total_cmp).1
        };
        // The sums' own rounding is far below what float32 is wrong by.
        let most = 2.0 * bound + self.square;
        self.found.clear();
        for (group, _) in groups
            .iter()
            .zip(&lower)
            .filter(|(_, lower)| **lower <= bound)
        {
            let sums = squares(&group.exact, &self.exact);
            let places = (group.start as i64..)
                .zip(sums)
                .filter(|&(_, sum)| sum <= most);
            self.found.extend(places.map(|(row, sum)| (sum, row)));
        }
        if self.found.len() > count {
            self.found.select_nth_unstable_by(count - 1, nearer);
            self.found.truncate(count);
        }
        self.found.sort_unstable_by(nearer);
        (self.upper, self.lower) = (upper, lower);
    }
}

wide! {
    fn squares(group: &[f64], query: &[f64]) -> [f64; LANES] {
        let mut sums = [0.0; LANES];
        for (column, &own) in group.chunks_exact(LANES).zip(query) {
            for l in 0..LANES {
                let gap = column[l] - own;
                sums[l] += gap * gap;
            }
        }
        sums
    }
}

wide! {
    fn least(group: &Group, queries: [&[f32]; QUERIES]) -> [f32; QUERIES] {
        let [mut rest_a, mut rest_b, mut rest_c, mut rest_d] = [group.halves; QUERIES];
        let own = queries[0].iter().zip(queries[1]).zip(queries[2].iter().zip(queries[3]));
        for (column, ((&a, &b), (&c, &d))) in group.rough.iter().zip(own) {
            for l in 0..LANES {
                rest_a[l] -= column[l] * a;
                rest_b[l] -= column[l] * b;
                rest_c[l] -= column[l] * c;
                rest_d[l] -= column[l] * d;
            }
        }
        [least_of(rest_a), least_of(rest_b), least_of(rest_c), least_of(rest_d)]
    }
}

#[inline(always)]
fn least_of(mut rest: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            rest[l] = if rest[half + l] < rest[l] {
                rest[half + l]
            } else {
                rest[l]
            };
        }
        half /= 2;
    }
    rest[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    fn table(width: usize, least: usize) -> impl Strategy<Value = Array2<f32>> {
        // Few values, so that distances tie.
        let value = prop_oneof![(0..4i16).prop_map(f32::from), -1.0..1.0f32];
        prop::collection::vec(value, width * least..width * 100).prop_map(move |mut cells| {
            cells.truncate(cells.len() / width * width);
            Array2::from_shape_vec((cells.len() / width, width), cells).unwrap()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_scan(
            (queries, table) in (1..6usize).prop_flat_map(|w| (table(w, 0), table(w, 3))),
            count in 1..4usize,
        ) {
            let found = euclidean_nearest(queries.view(), table.view(), count, &|| Ok(())).unwrap();
            for (i, query) in queries.rows().into_iter().enumerate() {
                let mut all: Vec<(f64, i64)> = table
                    .rows()
                    .into_iter()
                    .map(|row| {
                        let gaps = row.iter().zip(query).map(|(&a, &b)| f64::from(a) - f64::from(b));
                        gaps.fold(0.0, |sum, gap| sum + gap * gap).sqrt()
                    })
                    .zip(0..)
                    .collect();
                all.sort_by(|a, b| a.partial_cmp(b).unwrap());
                for (j, &(distance, row)) in all[..count].iter().enumerate() {
                    prop_assert_eq!(found.distances[i * count + j], distance);
                    prop_assert_eq!(found.rows[i * count + j], row);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let go: Pulse = &|| Ok(());
        let table = Array2::<f32>::zeros((3, 2));
        let search = |queries: &Array2<f32>, count: usize| {
            euclidean_nearest(queries.view(), table.view(), count, go).err()
        };
        let wider = search(&Array2::zeros((1, 3)), 1);
        assert!(matches!(wider, Some(Error::Width { .. })));
        for count in [0, 4] {
            let refused = search(&table, count);
            assert!(matches!(refused, Some(Error::Neighbors { .. })));
        }
        let missing = Array2::from_elem((1, 2), f32::NAN);
        assert_eq!(search(&missing, 1), Some(Error::NotFinite("queries")));
        let nothing = Array2::<f32>::zeros((3, 0));
        let refused = euclidean_nearest(nothing.view(), nothing.view(), 1, go);
        assert_eq!(refused.err(), Some(Error::Empty("table")));
        // Numbers whose squares are beyond float32, or lost in it, are told apart all the same.
        for scale in [1e30f32, 1e-30] {
            let table = Array2::from_shape_fn((70, 2), |(i, j)| scale * (i * (1 - j)) as f32);
            let found = euclidean_nearest(table.view(), table.view(), 1, go).unwrap();
            assert_eq!(found.rows, (0..70).collect::<Vec<i64>>());
        }
        let stop: Pulse = &|| Err(Error::Interrupted);
        let stopped = euclidean_nearest(table.view(), table.view(), 1, stop);
        assert_eq!(stopped.err(), Some(Error::Interrupted));
    }
}
