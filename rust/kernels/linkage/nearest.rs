//! What a cluster knows of its neighbourhood: a few nearest clusters, and a bound for all others.

use std::cmp::Ordering;

/// Neighbours that a cluster remembers.
pub const KEPT: usize = 16;

/// The number of no cluster.
pub const GONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
pub struct Neighbor {
    pub similarity: f64,
    pub id: u32,
}

/// No cluster outside the list is more similar than `bound`.
///
/// Average linkage makes this last: the similarity of a union is a mean of its parts', so that
/// clusters outside the list stay below the bound whatever they merge with, short of the list.
#[derive(Clone, Copy, Debug)]
pub struct Nearest {
    list: [Neighbor; KEPT],
    length: usize,
    pub bound: f64,
}

impl Nearest {
    /// Knows of nobody; everybody is welcome.
    pub fn nobody(bound: f64) -> Self {
        let empty = Neighbor {
            similarity: f64::NEG_INFINITY,
            id: GONE,
        };
        Self {
            list: [empty; KEPT],
            length: 0,
            bound,
        }
    }

    pub fn list(&self) -> &[Neighbor] {
        &self.list[..self.length]
    }

    /// Keeps a neighbour whose similarity exceeds the bound, and raises the bound to the best of
    /// what was left out as soon as the list is full.
    pub fn keep(&mut self, neighbor: Neighbor) {
        if self.length < KEPT {
            self.list[self.length] = neighbor;
            self.length += 1;
            if self.length < KEPT {
                return;
            }
        } else {
            let least = self.least();
            self.list[least] = neighbor;
        }
        self.bound = self.bound.max(self.list[self.least()].similarity);
    }

    /// Adds a neighbour of any similarity; the least similar leaves a full list.
    pub fn add(&mut self, neighbor: Neighbor) {
        if self.length < KEPT {
            self.list[self.length] = neighbor;
            self.length += 1;
            return;
        }
        let least = self.least();
        let left_out = if neighbor.similarity > self.list[least].similarity {
            std::mem::replace(&mut self.list[least], neighbor)
        } else {
            neighbor
        };
        self.bound = self.bound.max(left_out.similarity);
    }

    /// Puts the best neighbour first; among equals the one whose number is closest to `own`'s,
    /// which makes pairs of equals where the lowest number would make all choose one.
    pub fn lead(&mut self, own: u32) {
        let order = |a: &Neighbor, b: &Neighbor| -> Ordering {
            let by_similarity = a.similarity.total_cmp(&b.similarity);
            by_similarity.then_with(|| (b.id ^ own).cmp(&(a.id ^ own)))
        };
        let best = (0..self.length).max_by(|&i, &j| order(&self.list[i], &self.list[j]));
        if let Some(best) = best {
            self.list.swap(0, best);
        }
    }

    /// The best neighbour, once `lead` has put it first.
    pub fn first(&self) -> Option<Neighbor> {
        self.list().first().copied()
    }

    /// Replaces the first neighbour, unless its successor is in the list already.
    pub fn replace_first(&mut self, successor: u32, similarity: impl FnOnce() -> f64) {
        if self.list().iter().any(|other| other.id == successor) {
            self.length -= 1;
            self.list.swap(0, self.length);
        } else {
            self.list[0] = Neighbor {
                similarity: similarity(),
                id: successor,
            };
        }
    }

    /// Gives each neighbour its similarity anew.
    pub fn measure(&mut self, similarity: impl Fn(u32) -> f64) {
        for neighbor in &mut self.list[..self.length] {
            neighbor.similarity = similarity(neighbor.id);
        }
    }

    fn least(&self) -> usize {
        let order =
            |&i: &usize, &j: &usize| self.list[i].similarity.total_cmp(&self.list[j].similarity);
        (0..self.length).min_by(order).unwrap_or(0)
    }
}
