//! What a cluster knows of its neighbourhood: a few nearest clusters, and a bound for all others.

/// Neighbours that a cluster remembers; a power of two.
pub const KEPT: usize = 16;
/// The number of no cluster.
pub const GONE: u32 = u32::MAX;

const NOTHING: f64 = f64::NEG_INFINITY;

/// No cluster outside the list is more similar than `bound`.
///
/// Average linkage makes this last: the similarity of a union is a mean of its parts', so that
/// clusters outside the list stay below the bound whatever they merge with, short of the list.
#[derive(Clone, Copy, Debug)]
pub struct Nearest {
    /// Beside each other and of a fixed length, which a search goes through fastest; a place that
    /// is not taken has the number `GONE` and no similarity.
    similarities: [f64; KEPT],
    ids: [u32; KEPT],
    pub bound: f64,
    /// Where the least similarity is, as long as only `keep` has changed the list.
    weakest: usize,
}

impl Nearest {
    /// An empty list; no cluster is more similar than `bound`.
    pub fn below(bound: f64) -> Self {
        Self {
            similarities: [NOTHING; KEPT],
            ids: [GONE; KEPT],
            bound,
            weakest: 0,
        }
    }

    /// An empty list that nothing is known of, to be filled by a search.
    pub fn unknown() -> Self {
        Self::below(NOTHING)
    }

    /// The neighbours' numbers and similarities.
    pub fn list(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        let taken = |&(id, _): &(u32, f64)| id != GONE;
        self.ids
            .iter()
            .copied()
            .zip(self.similarities)
            .filter(taken)
    }

    /// Keeps a neighbour that the search which fills the list found above the bound: the least similar leaves, and the
    /// least that is left becomes the bound.
    #[inline]
    pub fn keep(&mut self, id: u32, similarity: f64) {
        self.put(self.weakest, id, similarity);
        self.weakest = self.least();
        self.bound = self.similarities[self.weakest];
    }

    /// Adds a neighbour of any similarity; the bound covers who leaves a full list.
    pub fn add(&mut self, id: u32, similarity: f64) {
        let least = self.least();
        let left_out = similarity.min(self.similarities[least]);
        if similarity > self.similarities[least] {
            self.put(least, id, similarity);
        }
        self.bound = self.bound.max(left_out);
    }

    /// Puts the best neighbour first; among equals the one whose number is closest to `own`'s,
    /// which makes pairs of equals where the lowest number would make all choose one.
    pub fn lead(&mut self, own: u32) {
        let mut best = 0;
        for i in 1..KEPT {
            let (x, y) = (self.similarities[i], self.similarities[best]);
            if x > y || (x == y && (self.ids[i] ^ own) < (self.ids[best] ^ own)) {
                best = i;
            }
        }
        self.ids.swap(0, best);
        self.similarities.swap(0, best);
    }

    /// The best neighbour, or `GONE`, and its similarity, once `lead` has put it first.
    pub fn first(&self) -> (u32, f64) {
        (self.ids[0], self.similarities[0])
    }

    /// Puts its successor in the first neighbour's place, unless that is in the list already.
    pub fn replace_first(&mut self, successor: u32, similarity: impl FnOnce() -> f64) {
        if self.ids.contains(&successor) {
            self.put(0, GONE, NOTHING);
        } else {
            self.put(0, successor, similarity());
        }
    }

    /// Gives each neighbour its similarity anew.
    pub fn measure(&mut self, similarity: impl Fn(u32) -> f64) {
        for (x, &id) in self.similarities.iter_mut().zip(&self.ids) {
            if id != GONE {
                *x = similarity(id);
            }
        }
    }

    #[inline]
    fn put(&mut self, place: usize, id: u32, similarity: f64) {
        self.ids[place] = id;
        self.similarities[place] = similarity;
    }

    /// Where the least similarity is, without a branch that depends on the numbers.
    #[inline]
    fn least(&self) -> usize {
        let mut smallest = self.similarities;
        let mut width = KEPT;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                let (x, y) = (smallest[i], smallest[i + width]);
                smallest[i] = if x < y { x } else { y };
            }
        }
        let places = self.similarities.iter().enumerate();
        let bits = places.fold(0u32, |bits, (i, &x)| {
            bits | (u32::from(x == smallest[0]) << i)
        });
        bits.trailing_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_bound_covers_all_that_are_left_out(
            found in prop::collection::vec((0..20i32).prop_map(f64::from), 0..40),
            added in prop::collection::vec((0..20i32).prop_map(f64::from), 0..40),
        ) {
            let mut nearest = Nearest::unknown();
            for (id, &x) in found.iter().enumerate() {
                if x > nearest.bound {
                    nearest.keep(id as u32, x);
                }
            }
            for (id, &x) in added.iter().enumerate() {
                nearest.add((found.len() + id) as u32, x);
            }
            nearest.lead(7);
            let all: Vec<f64> = found.into_iter().chain(added).collect();
            let kept: Vec<u32> = nearest.list().map(|(id, _)| id).collect();
            prop_assert_eq!(kept.len(), all.len().min(KEPT));
            for (id, &x) in all.iter().enumerate() {
                prop_assert!(x <= nearest.first().1);
                prop_assert!(x <= nearest.bound || kept.contains(&(id as u32)));
            }
            for (id, x) in nearest.list() {
                prop_assert_eq!(x, all[id as usize]);
            }
        }
    }
}
