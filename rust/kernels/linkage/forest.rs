//! The clusters that are left, what they know of each other, and how they merge.

use super::nearest::{Nearest, GONE, KEPT};
use super::panels::Panels;
use super::search;
use super::tree::Merge;
use super::vectors::dot;
use crate::error::Result;
use crate::kernels::Pulse;
use crate::threads;

/// One cluster in so many is searched for at a time.
const SHARE: usize = 32;
/// Fewer are not worth a search.
const LEAST: usize = 64;

/// Clusters have numbers that are never used again (records first, then merges in their order)
/// and places, which are.
pub struct Forest {
    depth: usize,
    /// By place: sum of the vectors, how many they are, number.
    sums: Vec<f64>,
    sizes: Vec<f64>,
    ids: Vec<u32>,
    /// Means, for the searches.
    panels: Panels,
    lists: Vec<Nearest>,
    /// By number: place; the cluster it went into; a record of it; its height.
    places: Vec<u32>,
    successors: Vec<u32>,
    records: Vec<u32>,
    heights: Vec<f64>,
    merges: Vec<Merge>,
    left: usize,
    /// How far two computations of one similarity may lie apart.
    rounding: f64,
    /// How far a search, which computes in float32, may be off.
    slack: f64,
}

impl Forest {
    /// Each record by itself; `units` are vectors of length 1.
    pub fn new(units: Vec<f64>, depth: usize) -> Self {
        let n = units.len() / depth;
        let everyone = || (0..n as u32).collect::<Vec<_>>();
        let mut forest = Self {
            depth,
            sums: units,
            sizes: vec![1.0; n],
            ids: everyone(),
            panels: Panels::new(depth, 0),
            lists: vec![Nearest::unknown(); n],
            places: everyone(),
            successors: vec![GONE; n],
            records: everyone(),
            heights: vec![0.0; n],
            merges: Vec::with_capacity(n - 1),
            left: n,
            rounding: (depth + 8) as f64 * f64::EPSILON,
            // One rounding per component, product and sum; lengths are at most 1.
            slack: (depth + 8) as f64 * f64::from(f32::EPSILON) / 2.0,
        };
        forest.fill_panels();
        forest
    }

    pub fn len(&self) -> usize {
        self.left
    }

    pub fn into_merges(self) -> Vec<Merge> {
        self.merges
    }

    fn fill_panels(&mut self) {
        self.panels = Panels::new(self.depth, self.sizes.len());
        let sums = self.sums.chunks_exact(self.depth);
        for (place, (sum, size)) in sums.zip(&self.sizes).enumerate() {
            self.panels
                .set(place, sum.iter().map(|x| (x / size) as f32));
        }
    }

    fn sum(&self, place: usize) -> &[f64] {
        &self.sums[place * self.depth..][..self.depth]
    }

    fn similarity(&self, place: usize, id: u32) -> f64 {
        let other = self.places[id as usize] as usize;
        // The product of the sizes is exact, so that this is symmetric to the bit.
        dot(self.sum(place), self.sum(other)) / (self.sizes[place] * self.sizes[other])
    }

    /// The cluster that holds cluster `id` now.
    fn holder(&self, mut id: u32) -> u32 {
        while self.successors[id as usize] != GONE {
            id = self.successors[id as usize];
        }
        id
    }

    pub fn search_everyone(&mut self, pulse: Pulse) -> Result<()> {
        search::everyone(&self.panels, &self.ids, &mut self.lists, pulse)?;
        let mut lists = std::mem::take(&mut self.lists);
        self.measure(lists.iter_mut().enumerate().collect());
        self.lists = lists;
        Ok(())
    }

    /// Searches for those whose lists say too little and who could merge first.
    pub fn search_some(&mut self, pulse: Pulse) -> Result<()> {
        self.compact();
        let mut unsure: Vec<usize> = (0..self.ids.len()).filter(|&i| self.unsure(i)).collect();
        let count = (self.left / SHARE).max(LEAST);
        if unsure.len() > count {
            unsure.select_nth_unstable_by(count, |&i, &j| {
                let by_bound = self.lists[j].bound.total_cmp(&self.lists[i].bound);
                by_bound.then(i.cmp(&j))
            });
            unsure.truncate(count);
        }
        let mut found = search::some(&self.panels, &self.ids, &unsure, pulse)?;
        self.measure(unsure.iter().copied().zip(&mut found).collect());
        for (&place, list) in unsure.iter().zip(found) {
            self.lists[place] = list;
        }
        unsure.retain(|&place| self.unsure(place));
        self.search_exactly(&unsure, pulse)
    }

    /// Compares with everyone in float64: for those with so many neighbours within the slack of
    /// each other that a search in float32 cannot tell who is the nearest.
    fn search_exactly(&mut self, places: &[usize], pulse: Pulse) -> Result<()> {
        let work = self.left * self.depth;
        let breath = (search::BREATH / 4 / work).max(1) * threads::count();
        for some in places.chunks(breath) {
            pulse()?;
            let mut found = vec![Nearest::unknown(); some.len()];
            let tasks = some.iter().zip(&mut found).collect();
            threads::for_each(
                tasks,
                some.len() * work,
                || (),
                |(), (&place, list)| {
                    for &id in self
                        .ids
                        .iter()
                        .filter(|&&id| id != GONE && id != self.ids[place])
                    {
                        let similarity = self.similarity(place, id);
                        if similarity > list.bound {
                            list.keep(id, similarity);
                        }
                    }
                    list.lead(self.ids[place]);
                },
            );
            for (&place, list) in some.iter().zip(found) {
                self.lists[place] = list;
            }
        }
        Ok(())
    }

    /// Gives the neighbours in fresh lists the similarities that all comparisons use: a search
    /// multiplies in another order.
    fn measure(&self, lists: Vec<(usize, &mut Nearest)>) {
        let work = lists.len() * self.depth;
        threads::for_each(
            lists,
            work,
            || (),
            |(), (place, list)| {
                list.measure(|id| self.similarity(place, id));
                list.bound += self.slack;
                list.lead(self.ids[place]);
            },
        );
    }

    /// Whether a cluster outside the list may be nearer than all within.
    fn unsure(&self, place: usize) -> bool {
        self.ids[place] != GONE && self.best(place) < self.lists[place].bound - self.rounding
    }

    fn best(&self, place: usize) -> f64 {
        self.lists[place].first().1
    }

    /// No cluster is more similar to the one at `place` than this.
    fn ceiling(&self, place: usize) -> f64 {
        self.best(place).max(self.lists[place].bound)
    }

    /// Brings everyone's first neighbour up to date.
    ///
    /// A neighbour that has merged is at most as similar as it was, or as the bound: only where
    /// it leads the list, its successor's similarity is needed.
    pub fn look_up(&mut self) {
        for place in 0..self.ids.len() {
            let own = self.ids[place];
            if own == GONE {
                continue;
            }
            loop {
                let (first, _) = self.lists[place].first();
                if first == GONE || self.successors[first as usize] == GONE {
                    break;
                }
                let holder = self.holder(first);
                let mut list = self.lists[place];
                list.replace_first(holder, || self.similarity(place, holder));
                list.lead(own);
                self.lists[place] = list;
            }
        }
    }

    /// Pairs of clusters than which neither has a nearer neighbour; no cluster is in two.
    pub fn pairs(&self) -> Vec<(usize, usize, f64)> {
        let mut taken = vec![false; self.ids.len()];
        let mut pairs = Vec::new();
        for place in 0..self.ids.len() {
            let (first, similarity) = self.lists[place].first();
            if first == GONE || self.ids[place] == GONE || taken[place] || self.unsure(place) {
                continue;
            }
            let other = self.places[first as usize] as usize;
            if !taken[other] && similarity >= self.ceiling(other) - self.rounding {
                (taken[place], taken[other]) = (true, true);
                pairs.push((place, other, similarity));
            }
        }
        pairs
    }

    /// Merges pairs of places; the union takes the first one's place.
    pub fn merge(&mut self, pairs: &[(usize, usize, f64)]) {
        for &(place, other, similarity) in pairs {
            let [a, b] = [place, other].map(|place| self.ids[place] as usize);
            // Rounding alone could put a union below its parts, or below nought.
            let height = (1.0 - similarity).max(self.heights[a]).max(self.heights[b]);
            self.merges.push(Merge {
                records: [self.records[a], self.records[b]],
                height,
            });
            let union = self.successors.len() as u32;
            self.successors.push(GONE);
            self.places.push(place as u32);
            self.records.push(self.records[a]);
            self.heights.push(height);
            self.successors[a] = union;
            self.successors[b] = union;
            let (sum, gone) = two(&mut self.sums, self.depth, place, other);
            for (x, y) in sum.iter_mut().zip(gone) {
                *x += y;
            }
            self.sizes[place] += self.sizes[other];
            self.ids[place] = union;
            self.ids[other] = GONE;
            let size = self.sizes[place];
            self.panels.set(
                place,
                self.sums[place * self.depth..]
                    .iter()
                    .take(self.depth)
                    .map(|x| (x / size) as f32),
            );
        }
        self.left -= pairs.len();
        let mut unions = vec![Nearest::unknown(); pairs.len()];
        let work = pairs.len() * self.depth * KEPT;
        let tasks = pairs.iter().zip(&mut unions).collect();
        threads::for_each(
            tasks,
            work,
            || (),
            |(), (&(place, other, _), union)| {
                *union = self.union(place, other);
            },
        );
        for (&(place, ..), union) in pairs.iter().zip(unions) {
            self.lists[place] = union;
        }
    }

    /// The list of the cluster at `place`, from the lists of its two parts.
    fn union(&self, place: usize, other: usize) -> Nearest {
        let own = self.ids[place];
        let lists = [&self.lists[place], &self.lists[other]];
        // The similarity of a union is a mean of its parts', and so is the bound.
        let weight = self.sizes[other] / self.sizes[place];
        let bound = lists[0].bound * (1.0 - weight) + lists[1].bound * weight;
        let mut union = Nearest::below(bound);
        let mut known: Vec<u32> = lists
            .iter()
            .flat_map(|list| list.list())
            .map(|(id, _)| self.holder(id))
            .filter(|&id| id != own)
            .collect();
        known.sort_unstable();
        known.dedup();
        for id in known {
            let similarity = self.similarity(place, id);
            union.add(id, similarity);
        }
        union.lead(own);
        union
    }

    /// Closes the gaps that merged clusters left, once there are many.
    fn compact(&mut self) {
        if self.left * 4 > self.ids.len() * 3 {
            return;
        }
        let mut to = 0;
        for from in 0..self.ids.len() {
            if self.ids[from] == GONE {
                continue;
            }
            self.ids[to] = self.ids[from];
            self.places[self.ids[to] as usize] = to as u32;
            self.sizes[to] = self.sizes[from];
            self.lists[to] = self.lists[from];
            self.sums
                .copy_within(from * self.depth..(from + 1) * self.depth, to * self.depth);
            to += 1;
        }
        self.ids.truncate(to);
        self.sizes.truncate(to);
        self.lists.truncate(to);
        self.sums.truncate(to * self.depth);
        self.fill_panels();
    }
}

/// The vectors at two places, the first to be written.
fn two(sums: &mut [f64], depth: usize, a: usize, b: usize) -> (&mut [f64], &[f64]) {
    let (low, high) = sums.split_at_mut(a.max(b) * depth);
    let first = a.min(b) * depth;
    let (low, high) = (&mut low[first..first + depth], &mut high[..depth]);
    if a < b {
        (low, high)
    } else {
        (high, low)
    }
}
