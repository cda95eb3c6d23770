//! Pairs that an estimate leaves open.

use super::tiles::{Masks, LANES, ROWS};

/// Pairs of two tiles yet to be decided: reference and query.
pub struct Open {
    pub pairs: [(u8, u8); ROWS * LANES],
    pub count: usize,
}

impl Open {
    /// Lists the pairs that the masks mark, queries that no longer count aside.
    pub fn list(&mut self, masks: &Masks, going: u32) {
        self.count = 0;
        for (i, mask) in masks.iter().enumerate() {
            let mut mask = mask & going;
            while mask != 0 {
                self.pairs[self.count] = (i as u8, mask.trailing_zeros() as u8);
                self.count += 1;
                mask &= mask - 1;
            }
        }
    }

    /// Four pairs; the last one again where there are fewer.
    pub fn four(&self, first: usize) -> [(usize, usize); 4] {
        [0, 1, 2, 3].map(|i| self.get((first + i).min(self.count - 1)))
    }

    fn get(&self, at: usize) -> (usize, usize) {
        let (i, lane) = self.pairs[at];
        (i.into(), lane.into())
    }
}

impl Default for Open {
    fn default() -> Self {
        Self {
            pairs: [(0, 0); ROWS * LANES],
            count: 0,
        }
    }
}
