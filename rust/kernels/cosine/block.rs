//! A few tiles of queries against all references.

use ndarray::ArrayView2;

use super::aligned::{Aligned, Singles};
use super::basis::Basis;
use super::digits::{self, Cuts};
use super::index::Tile;
use super::look::{PairOfTiles, Work};
use super::open::Open;
use super::rows::{self, Real};
use super::shape::{self, Loss, Losses, Shape, Shapes, TILES};
use super::tiles::{self, Isa, LANES, ROWS};
use crate::kernels::wide;

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
    pub(super) rows: Vec<f64>,
    pub(super) units: Vec<f32>,
    /// The same again.
    pub(super) aligned: Aligned,
    pub(super) squares: Vec<f64>,
    coordinates: Vec<f32>,
    whole: Vec<i8>,
    pub(super) shifted: Vec<u8>,
    pub(super) leads: Vec<f32>,
    /// The queries themselves, `[tile]`, where they are small whole numbers; else empty.
    pub(super) exact: Vec<Vec<u8>>,
    /// `[tile][radius]`.
    pub(super) cuts: Vec<Cuts>,
    shapes: Vec<Shape>,
    losses: Vec<Losses>,
    /// `[tile][number][lane]`, made when it is first wanted.
    pub(super) panels: Vec<Vec<f32>>,
    singles: Singles,
    pub(super) open: Open,
    sequence: Vec<(f32, u32)>,
    /// `[tile][radius]`.
    pub(super) counts: Vec<[u32; LANES]>,
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
        let aligned = self.aligned.fill(padded, width);
        for (to, from) in aligned.zip(self.units.chunks_exact(width)) {
            to.copy_from_slice(from);
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
        let count = self.shapes.len();
        let shapes = Shapes::new(search.basis.lead, &self.shapes);
        self.sequence.clear();
        self.sequence
            .extend((0..search.tiles.len() as u32).map(|j| (0.0, j)));
        if capped {
            // The closest first: they end most searches.
            for (score, j) in &mut self.sequence {
                let shape = &search.tiles[*j as usize].shape;
                let [_, most] = shape::bounds(&shapes, shape, slop);
                *score = -most[..count].iter().sum::<f32>();
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
        let mut singles = std::mem::take(&mut self.singles);
        for (place, &(_, j)) in sequence.iter().enumerate() {
            let tile = &search.tiles[j as usize];
            if let Some(&(_, next)) = sequence.get(place + 1) {
                let next = &search.tiles[next as usize];
                tiles::soon(&next.whole.numbers);
                tiles::soon(&next.leads);
            }
            singles.clear();
            let mut all_done = true;
            let [least, most] = shape::bounds(&shapes, &tile.shape, slop);
            for t in 0..count {
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
                    self.look(search, pair, &losses[t], going, &mut singles, &mut work);
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
        self.singles = singles;
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
