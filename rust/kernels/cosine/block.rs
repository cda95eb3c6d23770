//! A few tiles of queries against all references.

use ndarray::ArrayView2;

use super::basis::Basis;
use super::digits::{self, Cuts};
use super::index::Tile;
use super::open::Open;
use super::rows::{self, Real};
use super::shape::{self, Loss, Losses, Shape, Shapes, TILES};
use super::tiles::{Isa, Margins, Operands, Pairs, LANES, ROWS};
use crate::kernels::wide;

/// Open pairs of a tile from which all its pairs are multiplied in float32.
const DENSE: usize = 96;
/// Open pairs of a tile of whole numbers from which all its pairs are multiplied so.
const TIES: usize = 12;

/// What all blocks of a search share.
#[derive(Clone, Copy)]
pub struct Search<'a, T> {
    pub isa: Isa,
    pub basis: &'a Basis,
    pub tiles: &'a [Tile<T>],
    /// Cosines above which a pair counts, one per radius.
    pub thresholds: &'a [f64],
    /// A query that has counted as many, for every radius, is done.
    pub cap: u32,
    /// Pairs of tiles to look at before queries that are not done are left for later.
    pub budget: usize,
}

/// What a search found for one block.
#[derive(Clone, Default)]
pub struct Found {
    /// `[query][radius]`.
    pub counts: Vec<u32>,
    /// Queries that ran out of budget.
    pub open: Vec<bool>,
}

/// One thread's memory: the queries of a block in every form.
#[derive(Default)]
pub struct Block {
    rows: Vec<f64>,
    units: Vec<f32>,
    squares: Vec<f64>,
    coordinates: Vec<f32>,
    whole: Vec<i8>,
    shifted: Vec<u8>,
    leads: Vec<f32>,
    /// The queries themselves, `[tile]`, where they are small whole numbers; else empty.
    exact: Vec<Vec<u8>>,
    /// `[tile][radius]`.
    cuts: Vec<Cuts>,
    shapes: Vec<Shape>,
    losses: Vec<Losses>,
    /// `[tile][number][lane]`, made when it is first wanted.
    panels: Vec<Vec<f32>>,
    singles: Vec<f32>,
    open: Open,
    sequence: Vec<(f32, u32)>,
    /// `[tile][radius]`.
    counts: Vec<[u32; LANES]>,
}

impl Block {
    /// Reads the queries that `chosen` names; all of them have been checked.
    fn load<S: Real, T>(&mut self, search: &Search<'_, T>, all: ArrayView2<'_, S>, chosen: &[u32]) {
        let (basis, width) = (search.basis, search.basis.width);
        let tiles = chosen.len().div_ceil(LANES);
        let padded = (tiles * LANES).next_multiple_of(ROWS);
        self.rows.clear();
        self.rows.resize(tiles * LANES * width, 0.0);
        self.units.clear();
        self.units.resize(padded * width, 0.0);
        self.squares.clear();
        self.squares.resize(tiles * LANES, 1.0);
        let rows = self.rows.chunks_exact_mut(width);
        let units = self.units.chunks_exact_mut(width);
        for (((&source, row), unit), square) in
            chosen.iter().zip(rows).zip(units).zip(&mut self.squares)
        {
            if let Ok(found) = rows::copy(all.row(source as usize), row, |x| x.into()) {
                *square = found;
                rows::unit(row, 1.0 / found.sqrt(), unit);
            }
        }
        let (coordinates, rest) = (basis.coordinates(), 4 * basis.groups);
        self.coordinates.resize(padded * coordinates, 0.0);
        basis.project(search.isa, &self.units, &mut self.coordinates);
        self.shifted.resize(tiles * LANES * rest, 0);
        self.leads.clear();
        self.leads.resize(tiles * LANES * basis.lead, 0.0);
        self.shapes.clear();
        self.losses.clear();
        self.panels.resize(TILES, vec![]);
        self.panels.iter_mut().for_each(Vec::clear);
        let places = tiles * search.thresholds.len();
        self.counts.clear();
        self.counts.resize(places, [0; LANES]);
        self.cuts.clear();
        self.cuts.resize(places, Cuts::default());
        self.exact.resize(TILES, vec![]);
        self.exact.iter_mut().for_each(Vec::clear);
        for (t, exact) in self.exact.iter_mut().enumerate().take(tiles) {
            let rows = &self.rows[t * LANES * width..][..LANES * width];
            let squares = &self.squares[t * LANES..][..LANES];
            if digits::whole(search.isa, rows, width, squares, &mut self.whole) {
                let width = width.next_multiple_of(4);
                exact.resize(LANES * width, 0);
                digits::shift(search.isa, &self.whole, width, exact);
            }
        }
        self.whole.clear();
        self.whole.resize(LANES * rest, 0);
        for (t, chosen) in chosen.chunks(LANES).enumerate() {
            let rows = &self.coordinates[t * LANES * coordinates..][..chosen.len() * coordinates];
            let mut losses = [Loss::default(); LANES];
            let shape = Shape::of(basis, search.isa, rows, &mut self.whole, &mut losses);
            self.shapes.push(shape);
            self.losses.push(Losses::new(&losses));
            let shifted = &mut self.shifted[t * LANES * rest..][..LANES * rest];
            digits::shift(search.isa, &self.whole, rest, shifted);
            let leads = &mut self.leads[t * LANES * basis.lead..];
            for (lane, row) in rows.chunks_exact(coordinates).enumerate() {
                for (l, x) in row[..basis.lead].iter().enumerate() {
                    leads[l * LANES + lane] = *x;
                }
            }
        }
    }

    /// Counts, for each query chosen, the references above each threshold.
    pub fn run<S: Real, T: Real>(
        &mut self,
        search: &Search<'_, T>,
        all: ArrayView2<'_, S>,
        chosen: &[u32],
    ) -> Found {
        self.load(search, all, chosen);
        let capped = search.cap < u32::MAX;
        let slop = rows::slop(search.basis.width);
        let tiles = self.shapes.len();
        let shapes = Shapes::new(search.basis.lead, &self.shapes);
        self.sequence.clear();
        self.sequence
            .extend((0..search.tiles.len() as u32).map(|j| (0.0, j)));
        if capped {
            // The closest first: they end most searches.
            for (score, j) in &mut self.sequence {
                let shape = &search.tiles[*j as usize].shape;
                let [_, most] = shape::bounds(&shapes, shape, slop);
                *score = -most[..tiles].iter().sum::<f32>();
            }
            self.sequence
                .sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        let valid = |t: usize| u32::MAX >> (LANES - (chosen.len() - t * LANES).min(LANES));
        let radii = search.thresholds.len();
        // Per tile and radius: queries that still count, and references that count for all.
        let mut going: Vec<u32> = (0..self.shapes.len() * radii)
            .map(|i| valid(i / radii))
            .collect();
        let mut everyone = vec![0u32; going.len()];
        let mut work = Work {
            looked: 0,
            estimated: 0,
            dense: 0,
        };
        let sequence = std::mem::take(&mut self.sequence);
        let losses = std::mem::take(&mut self.losses);
        for &(_, j) in &sequence {
            let tile = &search.tiles[j as usize];
            let mut stale = true;
            let mut all_done = true;
            let [least, most] = shape::bounds(&shapes, &tile.shape, slop);
            for t in 0..tiles {
                let going = &mut going[t * radii..][..radii];
                if capped && going.iter().all(|going| *going == 0) {
                    continue;
                }
                all_done = false;
                let (least, most) = (least[t], most[t]);
                let everyone = &mut everyone[t * radii..][..radii];
                let (mut wanted, mut added) = (false, false);
                for (k, everyone) in everyone.iter_mut().enumerate() {
                    let threshold = search.thresholds[k] as f32;
                    if least > threshold {
                        *everyone += tile.filled as u32;
                        added = true;
                    } else {
                        wanted |= most >= threshold;
                    }
                }
                if wanted {
                    let pair = PairOfTiles {
                        t,
                        tile,
                        least,
                        most,
                        slop,
                    };
                    self.look(search, pair, &losses[t], going, &mut stale, &mut work);
                }
                if capped && (wanted || added) {
                    for (k, going) in going.iter_mut().enumerate() {
                        let counts = &self.counts[t * radii + k];
                        *going &= below(counts, search.cap.saturating_sub(everyone[k]));
                    }
                }
            }
            if all_done || work.looked >= search.budget {
                break;
            }
        }
        (self.sequence, self.losses) = (sequence, losses);
        let mut found = Found::default();
        for i in 0..chosen.len() {
            let (t, lane) = (i / LANES, i % LANES);
            let place = t * radii..(t + 1) * radii;
            found.open.push(
                work.looked >= search.budget
                    && going[place.clone()]
                        .iter()
                        .any(|going| going >> lane & 1 == 1),
            );
            found
                .counts
                .extend(place.map(|i| (self.counts[i][lane] + everyone[i]).min(search.cap)));
        }
        found
    }

    /// Counts the pairs of two tiles.
    fn look<T: Real>(
        &mut self,
        search: &Search<'_, T>,
        pair: PairOfTiles<'_, T>,
        losses: &Losses,
        going: &[u32],
        stale: &mut bool,
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
            self.multiply(search.isa, width, t, tile, stale, &mut pairs);
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
                self.multiply(isa, width, t, tile, stale, &mut pairs);
                (exact, margins) = (true, Margins::none(slop));
                let counts = &mut self.counts[place];
                let masks = isa.judge(&pairs, threshold, margins, filled, counts);
                self.open.list(&masks, live);
            }
            let threshold = search.thresholds[k];
            if !exact {
                self.compute(isa, pair, width, stale, threshold as f32, place);
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
        stale: &mut bool,
        threshold: f32,
        place: usize,
    ) {
        let singles = T::singles(&tile.rows, &mut self.singles, std::mem::take(stale));
        let units = &self.units[t * LANES * width..];
        let mut left = 0;
        for first in (0..self.open.count).step_by(4) {
            let end = self.open.count;
            let four = self.open.four(first);
            let products = isa.dots(
                four.map(|(_, lane)| &units[lane * width..][..width]),
                four.map(|(i, _)| &singles[i * width..][..width]),
            );
            for ((i, lane), product) in four.into_iter().zip(products).take(end - first) {
                let cosine = product * tile.factors[i];
                if (cosine - threshold).abs() > slop {
                    self.counts[place][lane] += u32::from(cosine > threshold);
                } else {
                    self.open.pairs[left] = (i as u8, lane as u8);
                    left += 1;
                }
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
        stale: &mut bool,
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
        let singles = T::singles(&tile.rows, &mut self.singles, std::mem::take(stale));
        isa.multiply(singles, width, panel, pairs);
        for (numbers, factor) in pairs.chunks_exact_mut(LANES).zip(tile.factors) {
            numbers.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

struct Work {
    looked: usize,
    estimated: usize,
    dense: usize,
}

#[derive(Clone, Copy)]
struct PairOfTiles<'a, T> {
    t: usize,
    tile: &'a Tile<T>,
    least: f32,
    most: f32,
    slop: f32,
}

wide! {
    /// One bit per query that has counted less.
    fn below(counts: &[u32; LANES], cap: u32) -> u32 {
        let mut bits = [0u32; LANES];
        for lane in 0..LANES {
            bits[lane] = u32::from(counts[lane] < cap) << lane;
        }
        bits.iter().fold(0, |all, bit| all | bit)
    }
}
