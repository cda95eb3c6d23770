//! What is known of a tile's rows as a whole, and their coordinates as whole numbers.

use super::basis::{Basis, LEADS};
use super::rows;
use super::tiles::{Isa, LANES};
use crate::kernels::wide;

/// Tiles whose bounds are looked at together.
pub const TILES: usize = 32;

/// Bounds that hold for every row of a tile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Centre of the leading coordinates.
    pub centre: [f32; LEADS],
    /// Length of the centre.
    length: f32,
    /// Distance of a row's leading coordinates from the centre.
    spread: f32,
    /// Length of a row less its leading part.
    residual: f32,
}

/// What is estimated of a row, and what is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    /// What 1 means among its whole numbers.
    pub step: f32,
    /// Length of the coordinates that became whole numbers.
    kept: f32,
    /// Length of what rounding to whole numbers took from them.
    rounded: f32,
    /// Length of what is in no coordinate.
    tail: f32,
}

impl Loss {
    /// A query's lengths in the margin of an estimate, in the order of `of_reference`.
    pub fn of_query(&self) -> [f32; 3] {
        [self.rounded, self.kept + self.rounded, self.tail]
    }

    /// A reference's lengths: their products with a query's bound what an estimate is wrong by.
    pub fn of_reference(&self) -> [f32; 3] {
        [self.kept, self.rounded, self.tail]
    }
}

/// The losses of a tile's queries, side by side.
#[derive(Clone, Debug)]
pub struct Losses {
    pub steps: [f32; LANES],
    pub lengths: [[f32; LANES]; 3],
}

impl Losses {
    pub fn new(rows: &[Loss; LANES]) -> Self {
        Self {
            steps: rows.map(|loss| loss.step),
            lengths: [0, 1, 2].map(|k| rows.map(|loss| loss.of_query()[k])),
        }
    }
}

impl Shape {
    /// Describes projected rows and writes their whole numbers, row by row, and their losses.
    pub fn of(
        basis: &Basis,
        isa: Isa,
        rows: &[f32],
        whole: &mut [i8],
        losses: &mut [Loss],
    ) -> Self {
        let (lead, coordinates) = (basis.lead, basis.coordinates());
        let slop = rows::slop(basis.width);
        let count = (rows.len() / coordinates) as f32;
        let mut shape = Self::default();
        for row in rows.chunks_exact(coordinates) {
            for (centre, x) in shape.centre.iter_mut().zip(&row[..lead]) {
                *centre += x / count;
            }
        }
        shape.length = square(&shape.centre).sqrt();
        let whole = whole.chunks_exact_mut(4 * basis.groups);
        for ((row, whole), loss) in rows.chunks_exact(coordinates).zip(whole).zip(losses) {
            let (leads, rest) = row.split_at(lead);
            let away = leads
                .iter()
                .zip(&shape.centre)
                .map(|(x, c)| (x - c).powi(2));
            shape.spread = shape.spread.max(away.sum());
            let (leading, kept) = (square(leads), square(rest));
            shape.residual = shape.residual.max(1.0 - leading);
            loss.kept = kept.sqrt() * 1.0001;
            loss.step = rows::largest(rest).max(1e-12) / f32::from(isa.levels());
            loss.rounded = rows::quantise(rest, loss.step, whole).sqrt() * 1.0001 + 1e-7;
            loss.tail = match basis.rotated {
                true => (1.0 - leading - kept).max(0.0) + slop,
                false => 0.0,
            }
            .sqrt();
        }
        shape.spread = shape.spread.sqrt() * 1.0001;
        shape.residual = (shape.residual + slop).sqrt();
        shape
    }
}

/// The bounds of a few tiles, side by side.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    lead: usize,
    centre: [[f32; TILES]; LEADS],
    length: [f32; TILES],
    spread: [f32; TILES],
    residual: [f32; TILES],
}

impl Shapes {
    pub fn new(lead: usize, shapes: &[Shape]) -> Self {
        let mut all = Self {
            lead,
            ..Self::default()
        };
        for (t, shape) in shapes.iter().enumerate().take(TILES) {
            for (all, centre) in all.centre.iter_mut().zip(shape.centre) {
                all[t] = centre;
            }
            all.length[t] = shape.length;
            all.spread[t] = shape.spread;
            all.residual[t] = shape.residual;
        }
        all
    }
}

wide! {
    /// The least and the largest cosine that a row of each tile can have with a row of another.
    pub fn bounds(tiles: &Shapes, other: &Shape, slop: f32) -> [[f32; TILES]; 2] {
        let mut centre = [0.0f32; TILES];
        for (tiles, other) in tiles.centre.iter().zip(other.centre).take(tiles.lead) {
            for t in 0..TILES {
                centre[t] += tiles[t] * other;
            }
        }
        let (mut least, mut most) = ([0.0f32; TILES], [0.0f32; TILES]);
        for t in 0..TILES {
            let around = (tiles.length[t] + tiles.spread[t]) * other.spread
                + other.length * tiles.spread[t]
                + tiles.residual[t] * other.residual
                + slop;
            least[t] = centre[t] - around;
            most[t] = centre[t] + around;
        }
        [least, most]
    }
}

fn square(numbers: &[f32]) -> f32 {
    rows::quick_dot(numbers, numbers)
}
