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
