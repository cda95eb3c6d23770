//! Merges, in whatever order they were found, as the tree that SciPy would write.

/// Two clusters, each named by one of its records, and the height at which they merge.
#[derive(Clone, Copy, Debug)]
pub struct Merge {
    pub records: [u32; 2],
    pub height: f64,
}

/// The n - 1 merges of n records from the lowest to the highest; records are 0 to n - 1, and
/// merge i makes cluster n + i.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// The lower number first.
    pub children: Vec<[i64; 2]>,
    pub heights: Vec<f64>,
}

impl Tree {
    pub fn new(mut merges: Vec<Merge>) -> Self {
        // Stable: of equal heights the merge that was made first stays first.
        merges.sort_by(|a, b| a.height.total_cmp(&b.height));
        let records = merges.len() + 1;
        let mut parents: Vec<usize> = (0..2 * records - 1).collect();
        let mut children = Vec::with_capacity(merges.len());
        for (i, merge) in merges.iter().enumerate() {
            let mut pair = merge
                .records
                .map(|record| root(&mut parents, record as usize));
            pair.sort_unstable();
            for child in pair {
                parents[child] = records + i;
            }
            children.push(pair.map(|child| child as i64));
        }
        Self {
            children,
            heights: merges.iter().map(|merge| merge.height).collect(),
        }
    }
}

fn root(parents: &mut [usize], mut node: usize) -> usize {
    while parents[node] != node {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    node
}
