//! Nearest rows of a small table under Euclidean distance: every query against every row.
//!
//! Trees of rows pay below five features or so; from there on they are walked whole, and a plain
//! scan of rows that lie side by side is several times as fast.

use ndarray::{ArrayView2, Axis};

use crate::error::{Error, Result};
use crate::kernels::gower::Nearest;
use crate::kernels::{wide, Pulse};
use crate::threads;

/// Rows whose sums are held at once.
const LANES: usize = 32;
/// Queries that a thread takes at once: each group of rows is read once for all of them.
const CHUNK: usize = 64;

/// Finds the `count` rows of `table` that are nearest to each of `queries`.
///
/// Squares are summed in float64, over columns in their order.
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
    threads::for_each_pulsed(parts, pulse, Vec::new, |own: &mut Vec<f64>, part| {
        let ((distances, rows), queries) = part;
        own.clear();
        own.extend(queries.iter().map(|&value| f64::from(value)));
        for (group, start) in groups.chunks(width * LANES).zip((0..).step_by(LANES)) {
            let places = distances.chunks_mut(count).zip(rows.chunks_mut(count));
            for ((distances, rows), query) in places.zip(own.chunks(width)) {
                let sums = squares(group, query);
                if any_below(&sums, distances[count - 1]) {
                    keep(&sums, start, distances, rows);
                }
            }
        }
        for distance in distances {
            *distance = distance.sqrt();
        }
    })?;
    Ok(Nearest { distances, rows })
}

/// Columns of so many rows after one another; rows that are none are infinitely far.
fn grouped(table: ArrayView2<'_, f32>) -> Vec<f64> {
    let mut groups = Vec::with_capacity(table.len().next_multiple_of(table.ncols() * LANES));
    for part in table.axis_chunks_iter(Axis(0), LANES) {
        for column in part.columns() {
            groups.extend(column.iter().map(|&value| f64::from(value)));
            groups.resize(groups.len().next_multiple_of(LANES), f64::INFINITY);
        }
    }
    groups
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
    fn any_below(sums: &[f64; LANES], most: f64) -> bool {
        sums.iter().fold(false, |any, &sum| any | (sum < most))
    }
}

/// Puts what is nearer than the last into its place, behind those that are as near.
fn keep(sums: &[f64; LANES], start: usize, distances: &mut [f64], rows: &mut [i64]) {
    let last = distances.len() - 1;
    for (l, &sum) in sums.iter().enumerate() {
        if sum < distances[last] {
            let place = distances.partition_point(|&other| other <= sum);
            distances[place..].rotate_right(1);
            rows[place..].rotate_right(1);
            (distances[place], rows[place]) = (sum, (start + l) as i64);
        }
    }
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
        let stop: Pulse = &|| Err(Error::Interrupted);
        let stopped = euclidean_nearest(table.view(), table.view(), 1, stop);
        assert_eq!(stopped.err(), Some(Error::Interrupted));
    }
}
