//! Average linkage on cosine distance, in memory for the vectors and a few neighbours of each.
//!
//! For vectors of length 1 the mean cosine distance of two clusters is one less the product of
//! their sums over the product of their sizes, so that sums are all that is needed. Clusters that
//! are each other's nearest may merge in any order and give the one tree, because a union is never
//! more similar to a third cluster than both of its parts were.

mod forest;
mod medoids;
mod nearest;
mod panels;
mod search;
mod tree;
mod vectors;

use ndarray::ArrayView2;

pub use medoids::cluster_medoids;
pub use tree::Tree;

use crate::error::Result;
use crate::kernels::Pulse;
use forest::Forest;

/// Clusters rows by average linkage on cosine distance.
pub fn average_linkage<T>(rows: ArrayView2<'_, T>, pulse: Pulse) -> Result<Tree>
where
    T: Copy + Into<f64> + Sync,
{
    let units = vectors::unit_rows(rows)?;
    if rows.nrows() < 2 {
        return Ok(Tree::default());
    }
    let mut forest = Forest::new(units, rows.ncols());
    forest.search_everyone(pulse)?;
    while forest.len() > 1 {
        pulse()?;
        forest.look_up();
        let pairs = forest.pairs();
        if pairs.is_empty() {
            forest.search_some(pulse)?;
        }
        forest.merge(&pairs);
    }
    Ok(Tree::new(forest.into_merges()))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;

    /// Rows of small whole numbers, so that many distances are equal.
    fn tied() -> impl Strategy<Value = Array2<f64>> {
        (2..70usize, 1..4usize).prop_flat_map(|(n, d)| {
            prop::collection::vec(-2..3i32, n * d).prop_map(move |numbers| {
                let numbers = numbers.into_iter().map(|x| f64::from(x) + 0.25).collect();
                Array2::from_shape_vec((n, d), numbers).unwrap()
            })
        })
    }

    proptest! {
        #[test]
        fn each_merge_is_of_the_nearest_two(rows in tied()) {
            let tree = average_linkage(rows.view(), &|| Ok(())).unwrap();
            let n = rows.nrows();
            prop_assert_eq!(tree.children.len(), n - 1);
            let units = vectors::unit_rows(rows.view()).unwrap();
            let mut left: Vec<(i64, Vec<f64>, f64)> = units
                .chunks_exact(rows.ncols())
                .enumerate()
                .map(|(i, unit)| (i as i64, unit.to_vec(), 1.0))
                .collect();
            let distance = |a: &(i64, Vec<f64>, f64), b: &(i64, Vec<f64>, f64)| {
                1.0 - vectors::dot(&a.1, &b.1) / (a.2 * b.2)
            };
            for (i, (pair, &height)) in tree.children.iter().zip(&tree.heights).enumerate() {
                let mut least = f64::INFINITY;
                for (k, a) in left.iter().enumerate() {
                    for b in &left[k + 1..] {
                        least = least.min(distance(a, b));
                    }
                }
                let mut take = |id: i64| {
                    let place = left.iter().position(|cluster| cluster.0 == id).unwrap();
                    left.swap_remove(place)
                };
                let (a, b) = (take(pair[0]), take(pair[1]));
                prop_assert!((distance(&a, &b) - least).abs() < 1e-12);
                prop_assert!((height - least).abs() < 1e-12);
                let sum = a.1.iter().zip(&b.1).map(|(x, y)| x + y).collect();
                left.push(((n + i) as i64, sum, a.2 + b.2));
            }
        }
    }

    #[test]
    fn a_pulse_that_fails_ends_it() {
        let rows = Array2::from_shape_fn((500, 3), |(i, j)| (i * 31 % 17 * (j + 1)) as f64 + 1.0);
        let result = average_linkage(rows.view(), &|| Err(Error::Interrupted));
        assert_eq!(result, Err(Error::Interrupted));
    }
}
