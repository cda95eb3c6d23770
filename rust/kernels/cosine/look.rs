//! Two tiles whose bounds leave open which pairs count.

use super::aligned::Singles;
use super::block::{Block, Search};
use super::digits;
use super::index::Tile;
use super::rows::Real;
use super::shape::Losses;
use super::tiles::{Isa, Margins, Operands, Pairs, LANES, ROWS};

/// Open pairs of a tile from which all its pairs are multiplied in float32.
const DENSE: usize = 96;
/// Open pairs of a tile of whole numbers from which all its pairs are multiplied so.
const TIES: usize = 12;

impl Block {
    /// Counts the pairs of two tiles.
    pub fn look<T: Real>(
        &mut self,
        search: &Search<'_, T>,
        pair: PairOfTiles<'_, T>,
        losses: &Losses,
        going: &[u32],
        singles: &mut Singles,
        work: &mut Work,
    ) {
        let PairOfTiles {
            t,
            tile,
            least,
            most,
            slop,
        } = pair;
        let (basis, width) = (search.basis, search.basis.width);
        let mut pairs: Pairs = [0.0; ROWS * LANES];
        let mut margins = Margins::none(slop);
        work.looked += 1;
        // Where estimates leave most tiles open, they are a detour.
        let mut exact = work.dense > 16 && 2 * work.dense > work.estimated;
        let whole = tile.exact.is_some() && !self.exact[t].is_empty();
        // Rows of one norm, as one-hot rows are, have one threshold: nothing is quicker.
        let alike = tile.squares[1..tile.filled]
            .iter()
            .all(|x| *x == tile.squares[0]);
        if whole && (exact || alike && width < 16 * basis.groups) {
            return self.count_whole(search, pair, going, 0);
        }
        if exact {
            self.multiply(search.isa, width, t, tile, singles, &mut pairs);
        } else {
            work.estimated += 1;
            margins.queries = &losses.lengths;
            margins.references = &tile.lengths;
            let (rest, lead) = (4 * basis.groups * LANES, basis.lead * LANES);
            let operands = Operands {
                queries: &self.shifted[t * rest..][..rest],
                references: &tile.whole.numbers,
                bias: &tile.whole.bias,
                query_steps: &losses.steps,
                reference_steps: &tile.steps,
                query_lead: &self.leads[t * lead..][..lead],
                reference_lead: &tile.leads,
            };
            search.isa.estimate(operands, &mut pairs);
        }
        for (k, &live) in going.iter().enumerate() {
            let threshold = search.thresholds[k] as f32;
            if least > threshold || most < threshold || live == 0 {
                continue;
            }
            let place = t * search.thresholds.len() + k;
            let before = self.counts[place];
            let (isa, filled) = (search.isa, tile.filled);
            let counts = &mut self.counts[place];
            let masks = isa.judge(&pairs, threshold, margins, filled, counts);
            self.open.list(&masks, live);
            if !exact && self.open.count > if whole { TIES } else { DENSE } {
                work.dense += 1;
                self.counts[place] = before;
                if whole {
                    return self.count_whole(search, pair, going, k);
                }
                self.multiply(isa, width, t, tile, singles, &mut pairs);
                (exact, margins) = (true, Margins::none(slop));
                let counts = &mut self.counts[place];
                let masks = isa.judge(&pairs, threshold, margins, filled, counts);
                self.open.list(&masks, live);
            }
            let threshold = search.thresholds[k];
            if !exact {
                self.compute(isa, pair, width, singles, threshold as f32, place);
            }
            self.decide(tile, t, width, threshold, place);
        }
    }

    /// Counts the pairs of two tiles of whole numbers, from a radius on.
    fn count_whole<T: Real>(
        &mut self,
        search: &Search<'_, T>,
        PairOfTiles {
            t,
            tile,
            least,
            most,
            ..
        }: PairOfTiles<'_, T>,
        going: &[u32],
        from: usize,
    ) {
        let mut pairs: Pairs = [0.0; ROWS * LANES];
        if let Some(references) = &tile.exact {
            digits::products(search.isa, &self.exact[t], references, &mut pairs);
        }
        let queries = self.squares[t * LANES..].first_chunk();
        let queries = queries.expect("a tile has LANES queries");
        for (k, &going) in going.iter().enumerate().skip(from) {
            let threshold = search.thresholds[k];
            if least > threshold as f32 || most < threshold as f32 || going == 0 {
                continue;
            }
            let place = t * search.thresholds.len() + k;
            let references = &tile.squares[..tile.filled];
            let counts = &mut self.counts[place];
            self.cuts[place].count(&pairs, threshold, queries, references, counts);
        }
    }

    /// Decides pairs in float64.
    fn decide<T: Real>(
        &mut self,
        tile: &Tile<T>,
        t: usize,
        width: usize,
        threshold: f64,
        place: usize,
    ) {
        for first in (0..self.open.count).step_by(4) {
            let four = self.open.four(first);
            let products = T::dots(
                four.map(|(_, lane)| &self.rows[(t * LANES + lane) * width..][..width]),
                four.map(|(i, _)| &tile.rows[i * width..][..width]),
            );
            let left = self.open.count - first;
            for ((i, lane), product) in four.into_iter().zip(products).take(left) {
                // Nothing is rounded before the end: whole numbers that tie are seen to.
                let norms = (self.squares[t * LANES + lane] * tile.squares[i]).sqrt();
                self.counts[place][lane] += u32::from(product > threshold * norms);
            }
        }
    }

    /// Decides the open pairs of two tiles in float32, and leaves those too near the threshold.
    fn compute<T: Real>(
        &mut self,
        isa: Isa,
        PairOfTiles { t, tile, slop, .. }: PairOfTiles<'_, T>,
        width: usize,
        singles: &mut Singles,
        threshold: f32,
        place: usize,
    ) {
        if self.open.count == 0 {
            return;
        }
        let rows = singles.aligned(&tile.rows, width);
        let mut left = 0;
        for first in (0..self.open.count).step_by(4) {
            let end = self.open.count;
            let four = self.open.four(first);
            let products = isa.dots(
                four.map(|(_, lane)| self.aligned.row(t * LANES + lane)),
                four.map(|(i, _)| rows.row(i)),
            );
            for ((i, lane), product) in four.into_iter().zip(products).take(end - first) {
                // Which way a pair goes is a coin toss: nothing branches on it.
                let above = product * tile.factors[i] - threshold;
                let open = above.abs() <= slop;
                self.counts[place][lane] += u32::from(above > 0.0 && !open);
                self.open.pairs[left] = (i as u8, lane as u8);
                left += usize::from(open);
            }
        }
        self.open.count = left;
    }

    /// The cosines of all pairs of two tiles in float32.
    fn multiply<T: Real>(
        &mut self,
        isa: Isa,
        width: usize,
        t: usize,
        tile: &Tile<T>,
        singles: &mut Singles,
        pairs: &mut Pairs,
    ) {
        let panel = &mut self.panels[t];
        if panel.is_empty() {
            panel.resize(LANES * width, 0.0);
            let units = self.units[t * LANES * width..].chunks_exact(width);
            for (lane, unit) in units.take(LANES).enumerate() {
                for (k, x) in unit.iter().enumerate() {
                    panel[k * LANES + lane] = *x;
                }
            }
        }
        let singles = singles.of(&tile.rows);
        isa.multiply(singles, width, panel, pairs);
        for (numbers, factor) in pairs.chunks_exact_mut(LANES).zip(tile.factors) {
            numbers.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

pub struct Work {
    pub looked: usize,
    pub estimated: usize,
    pub dense: usize,
}

#[derive(Clone, Copy)]
pub struct PairOfTiles<'a, T> {
    pub t: usize,
    pub tile: &'a Tile<T>,
    pub least: f32,
    pub most: f32,
    pub slop: f32,
}
