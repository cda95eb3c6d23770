//! What is known of a tile's rows as a whole, and their coordinates as whole numbers.

use super::basis::{Basis, LEADS};
use super::rows;
use super::tiles::Isa;

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
    /// What 1 means among the whole numbers.
    pub step: f32,
    /// Length of the coordinates that became whole numbers.
    kept: f32,
    /// Length of what rounding to whole numbers took from them.
    rounded: f32,
    /// Length of what is in no coordinate.
    tail: f32,
}

impl Shape {
    /// Describes projected rows and writes their whole numbers, row by row.
    pub fn of(basis: &Basis, isa: Isa, rows: &[f32], whole: &mut [i8]) -> Self {
        let (lead, coordinates) = (basis.lead, basis.coordinates());
        let slop = rows::slop(basis.width);
        let count = (rows.len() / coordinates) as f32;
        let mut shape = Self::default();
        let mut largest = 0.0f32;
        for row in rows.chunks_exact(coordinates) {
            let (leads, rest) = row.split_at(lead);
            for (centre, x) in shape.centre.iter_mut().zip(leads) {
                *centre += x / count;
            }
            let (leading, kept) = (square(leads), square(rest));
            shape.residual = shape.residual.max(1.0 - leading);
            shape.kept = shape.kept.max(kept);
            if basis.rotated {
                shape.tail = shape.tail.max(1.0 - leading - kept + slop);
            }
            largest = rows::largest(rest).max(largest);
        }
        shape.residual = (shape.residual + slop).sqrt();
        shape.kept = shape.kept.sqrt() * 1.0001;
        shape.tail = shape.tail.sqrt();
        shape.length = square(&shape.centre).sqrt();
        shape.step = largest.max(1e-12) / f32::from(isa.levels());
        let rest = 4 * basis.groups;
        for (row, whole) in rows
            .chunks_exact(coordinates)
            .zip(whole.chunks_exact_mut(rest))
        {
            let (leads, rest) = row.split_at(lead);
            let away = leads
                .iter()
                .zip(&shape.centre)
                .map(|(x, c)| (x - c).powi(2));
            shape.spread = shape.spread.max(away.sum());
            shape.rounded = shape.rounded.max(rows::quantise(rest, shape.step, whole));
        }
        shape.spread = shape.spread.sqrt() * 1.0001;
        shape.rounded = shape.rounded.sqrt() * 1.0001 + 1e-7;
        shape
    }

    /// The least and the largest cosine that a pair of two tiles' rows can have.
    #[inline]
    pub fn bounds(&self, other: &Self, slop: f32) -> (f32, f32) {
        let centre: f32 = self
            .centre
            .iter()
            .zip(&other.centre)
            .map(|(a, b)| a * b)
            .sum();
        let around = self.length * other.spread
            + other.length * self.spread
            + self.spread * other.spread
            + self.residual * other.residual
            + slop;
        (centre - around, centre + around)
    }

    /// How far the estimate of a pair's cosine can be from it.
    #[inline]
    pub fn margin(&self, other: &Self, slop: f32) -> f32 {
        self.rounded * other.kept
            + (self.kept + self.rounded) * other.rounded
            + self.tail * other.tail
            + slop
    }
}

fn square(numbers: &[f32]) -> f32 {
    rows::quick_dot(numbers, numbers)
}
