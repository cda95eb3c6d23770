//! References, prepared once for any number of searches.

use ndarray::{Array2, ArrayView2};

use super::basis::Basis;
use super::block::{Block, Found, Search};
use super::digits::{self, Digits};
use super::order::order;
use super::rows::{self, Real};
use super::shape::{Loss, Shape, TILES};
use super::tiles::{Isa, LANES, ROWS};
use crate::error::{refuse, Error, Result};
use crate::kernels::Pulse;
use crate::threads;

/// Numbers of a row at most: a sum of as many whole products fits 32 bits.
const WIDEST: usize = 1 << 17;
/// Rows that a thread takes at once when it reads them.
const AT_ONCE: usize = 8 * ROWS;
/// Products between two looks at the pulse, per thread.
const SLAB: usize = 20_000_000_000;
/// A capped search first looks at this part of the references.
const FIRST: usize = 16;

/// Twelve references in every form that a search wants.
pub struct Tile<T> {
    /// References that are there; others are zeros.
    pub filled: usize,
    pub rows: Vec<T>,
    /// Their squared norms, and the inverses of their norms.
    pub squares: [f64; ROWS],
    pub factors: [f32; ROWS],
    pub shape: Shape,
    /// What 1 means among each one's whole numbers, and its lengths in the margins of estimates.
    pub steps: [f32; ROWS],
    pub lengths: [[f32; 3]; ROWS],
    /// Coordinates as whole numbers.
    pub whole: Digits,
    /// The rows themselves, where they are small whole numbers.
    pub exact: Option<Digits>,
    /// `[coordinate][reference]`.
    pub leads: Vec<f32>,
}

/// References in the order and the form in which they are searched.
pub struct Index<T> {
    isa: Isa,
    basis: Basis,
    order: Vec<u32>,
    tiles: Vec<Tile<T>>,
}

impl<T: Real> Index<T> {
    pub fn new(references: ArrayView2<'_, T>, pulse: Pulse) -> Result<Self> {
        Self::with(Isa::available()[0], references, pulse)
    }

    /// With an instruction set that the machine has.
    pub fn with(isa: Isa, references: ArrayView2<'_, T>, pulse: Pulse) -> Result<Self> {
        if references.is_empty() {
            return Err(Error::Empty("references"));
        }
        if references.ncols() > WIDEST {
            return Err(Error::TooWide {
                found: references.ncols(),
                most: WIDEST,
            });
        }
        let basis = Basis::new(isa, references);
        let keys = describe("references", isa, &basis, references, pulse)?;
        let order = order(&keys, basis.lead + 1, ROWS, pulse)?;
        let mut tiles: Vec<Option<Tile<T>>> = Vec::new();
        tiles.resize_with(order.len().div_ceil(ROWS), || None);
        let chunks = order
            .chunks(AT_ONCE)
            .zip(tiles.chunks_mut(AT_ONCE / ROWS))
            .collect();
        threads::for_each_pulsed(
            chunks,
            pulse,
            Scratch::default,
            |scratch, (chosen, tiles)| {
                for (chosen, tile) in chosen.chunks(ROWS).zip(tiles) {
                    *tile = Some(scratch.tile(isa, &basis, references, chosen));
                }
            },
        )?;
        let tiles = tiles.into_iter().flatten().collect();
        Ok(Self {
            isa,
            basis,
            order,
            tiles,
        })
    }

    /// The references as they were given, up to a power of two each.
    pub fn rows(&self) -> Array2<T> {
        let mut rows = Array2::from_elem((self.order.len(), self.basis.width), T::default());
        let sources = self
            .tiles
            .iter()
            .flat_map(|tile| tile.rows.chunks_exact(self.basis.width));
        for (&place, source) in self.order.iter().zip(sources) {
            for (to, from) in rows.row_mut(place as usize).iter_mut().zip(source) {
                *to = *from;
            }
        }
        rows
    }

    /// For each query and radius, the number of references nearer than the radius, or `cap` where
    /// there are more.
    pub fn count<S: Real>(
        &self,
        queries: ArrayView2<'_, S>,
        radii: &[f64],
        cap: Option<u64>,
        pulse: Pulse,
    ) -> Result<Vec<i64>> {
        self.check(queries, radii, cap)?;
        let keys = describe("queries", self.isa, &self.basis, queries, pulse)?;
        let mut left = order(&keys, self.basis.lead + 1, LANES, pulse)?;
        drop(keys);
        // A cap that no query can reach is none.
        let cap = cap.filter(|cap| *cap < self.order.len() as u64);
        let cap = cap.and_then(|cap| u32::try_from(cap).ok());
        let thresholds: Vec<f64> = radii.iter().map(|radius| 1.0 - radius).collect();
        let mut counts = vec![0i64; queries.nrows() * radii.len()];
        let at_once = block_size(left.len());
        let part = (SLAB / (at_once * ROWS * self.basis.width)).max(1);
        for tiles in self.tiles.chunks(part) {
            let mut search = Search {
                isa: self.isa,
                basis: &self.basis,
                tiles,
                thresholds: &thresholds,
                cap: cap.unwrap_or(u32::MAX),
                budget: usize::MAX,
            };
            if cap.is_some() {
                // What ends early leaves room in its tile: the others move together.
                search.budget = at_once / LANES * tiles.len().div_ceil(FIRST);
                let going = round(&search, queries, &left, &mut counts, pulse)?;
                search.budget = usize::MAX;
                round(&search, queries, &going, &mut counts, pulse)?;
                let done = |row: u32| {
                    let counts = &counts[row as usize * radii.len()..][..radii.len()];
                    counts.iter().all(|count| *count >= i64::from(search.cap))
                };
                left.retain(|row| !done(*row));
            } else {
                round(&search, queries, &left, &mut counts, pulse)?;
            }
        }
        Ok(counts)
    }

    fn check<S>(&self, queries: ArrayView2<'_, S>, radii: &[f64], cap: Option<u64>) -> Result<()> {
        if queries.is_empty() {
            return Err(Error::Empty("queries"));
        }
        if radii.is_empty() {
            return Err(Error::Empty("radius"));
        }
        if queries.ncols() != self.basis.width {
            return Err(Error::Width {
                found: queries.ncols(),
                expected: self.basis.width,
            });
        }
        match radii
            .iter()
            .find(|radius| !(SMALLEST..2.0).contains(*radius))
        {
            Some(&radius) => Err(Error::Radius {
                radius,
                smallest: SMALLEST,
            }),
            None if cap == Some(0) => Err(Error::Cap),
            None => Ok(()),
        }
    }
}

/// Nearer than this, rounding would decide.
pub const SMALLEST: f64 = 1e-12;

/// Queries of a block: fewer where there are few, so that every thread has some.
fn block_size(queries: usize) -> usize {
    let shared = queries / (4 * threads::count());
    shared.next_multiple_of(LANES).clamp(LANES, TILES * LANES)
}

/// Searches for all the queries `left`, adds what is found, and returns those without budget.
fn round<S: Real, T: Real>(
    search: &Search<'_, T>,
    queries: ArrayView2<'_, S>,
    left: &[u32],
    counts: &mut [i64],
    pulse: Pulse,
) -> Result<Vec<u32>> {
    let blocks: Vec<&[u32]> = left.chunks(block_size(left.len())).collect();
    let mut found = vec![Found::default(); blocks.len()];
    let items = blocks.iter().zip(&mut found).collect();
    threads::for_each_pulsed(items, pulse, Block::default, |block, (chosen, found)| {
        *found = block.run(search, queries, chosen);
    })?;
    let radii = search.thresholds.len();
    let mut going = vec![];
    for (chosen, found) in blocks.into_iter().zip(found) {
        let rows = found.counts.chunks_exact(radii);
        for ((&row, found), open) in chosen.iter().zip(rows).zip(found.open) {
            if open {
                going.push(row);
                continue;
            }
            for (count, new) in counts[row as usize * radii..].iter_mut().zip(found) {
                *count = (*count + i64::from(*new)).min(i64::from(search.cap));
            }
        }
    }
    Ok(going)
}

/// Each row's leading coordinates and the length of the rest: what rows are ordered by. Refuses
/// rows without a direction.
fn describe<S: Real>(
    name: &'static str,
    isa: Isa,
    basis: &Basis,
    all: ArrayView2<'_, S>,
    pulse: Pulse,
) -> Result<Vec<f32>> {
    let width = basis.lead + 1;
    let mut keys = vec![0.0; all.nrows() * width];
    let mut faults = vec![vec![]; all.nrows().div_ceil(AT_ONCE)];
    let firsts = (0..all.nrows()).step_by(AT_ONCE);
    let items = firsts
        .zip(keys.chunks_mut(AT_ONCE * width))
        .zip(&mut faults)
        .collect();
    threads::for_each_pulsed(
        items,
        pulse,
        Scratch::default,
        |scratch, ((first, keys), faults)| {
            let mut pairs = [0.0; ROWS * LANES];
            for (first, keys) in (first..).step_by(ROWS).zip(keys.chunks_mut(ROWS * width)) {
                scratch.units.clear();
                scratch.units.resize(ROWS * basis.width, 0.0);
                scratch.row.resize(basis.width, 0.0);
                let units = scratch.units.chunks_exact_mut(basis.width);
                for (i, unit) in (first..first + keys.len() / width).zip(units) {
                    match rows::copy(all.row(i), &mut scratch.row, |x| x.into()) {
                        Ok(norm) => rows::unit(&scratch.row, 1.0 / norm.sqrt(), unit),
                        Err(fault) => faults.push((i, fault)),
                    }
                }
                basis.leads(isa, &scratch.units, &mut pairs);
                for (key, leads) in keys.chunks_exact_mut(width).zip(pairs.chunks_exact(LANES)) {
                    key[..basis.lead].copy_from_slice(&leads[..basis.lead]);
                    let leading = rows::quick_dot(&leads[..basis.lead], &leads[..basis.lead]);
                    key[basis.lead] = (1.0 - leading).max(0.0).sqrt();
                }
            }
        },
    )?;
    refuse(name, &faults.concat())?;
    Ok(keys)
}

#[derive(Default)]
struct Scratch {
    row: Vec<f64>,
    units: Vec<f32>,
    coordinates: Vec<f32>,
    whole: Vec<i8>,
}

impl Scratch {
    fn tile<T: Real>(
        &mut self,
        isa: Isa,
        basis: &Basis,
        references: ArrayView2<'_, T>,
        chosen: &[u32],
    ) -> Tile<T> {
        let (width, coordinates, rest) = (basis.width, basis.coordinates(), 4 * basis.groups);
        let mut rows = vec![T::default(); ROWS * width];
        let (mut squares, mut factors) = ([1.0; ROWS], [0.0; ROWS]);
        self.row.resize(width, 0.0);
        self.units.clear();
        self.units.resize(ROWS * width, 0.0);
        let units = self.units.chunks_exact_mut(width);
        let targets = rows.chunks_exact_mut(width).zip(units);
        for (i, (&source, (row, unit))) in chosen.iter().zip(targets).enumerate() {
            // Rows without a direction were refused before.
            if let Ok(square) = rows::copy(references.row(source as usize), row, |x| x) {
                squares[i] = square;
                factors[i] = (1.0 / square.sqrt()) as f32;
                for (to, from) in self.row.iter_mut().zip(row.iter()) {
                    *to = (*from).into();
                }
                rows::unit(&self.row, 1.0 / square.sqrt(), unit);
            }
        }
        self.coordinates.resize(ROWS * coordinates, 0.0);
        basis.project(isa, &self.units, &mut self.coordinates);
        self.whole.clear();
        self.whole.resize(ROWS * rest, 0);
        let filled = &self.coordinates[..chosen.len() * coordinates];
        let mut losses = [Loss::default(); ROWS];
        let shape = Shape::of(basis, isa, filled, &mut self.whole, &mut losses);
        let whole = Digits::of_references(isa, &self.whole, rest);
        let exact = digits::whole(isa, &rows, width, &squares, &mut self.whole)
            .then(|| Digits::of_references(isa, &self.whole, width.next_multiple_of(4)));
        let mut leads = vec![0.0; ROWS * basis.lead];
        for (i, row) in filled.chunks_exact(coordinates).enumerate() {
            for (l, x) in row[..basis.lead].iter().enumerate() {
                leads[l * ROWS + i] = *x;
            }
        }
        Tile {
            filled: chosen.len(),
            rows,
            squares,
            factors,
            shape,
            steps: losses.map(|loss| loss.step),
            lengths: losses.map(|loss| loss.of_reference()),
            whole,
            exact,
            leads,
        }
    }
}
