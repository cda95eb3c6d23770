//! Coordinates in which few numbers hold most of a row: leading ones, kept as they are, and the
//! rest, to be kept as whole numbers.

use ndarray::ArrayView2;

use super::rows;
use super::rows::Real;
use super::tiles::{Isa, LANES, ROWS};
use crate::threads;

/// Rows that directions are found from: first a look, then in full.
const SAMPLE: (usize, usize) = (1_024, 2_048);
/// Rounds of orthogonal iteration.
const ROUNDS: usize = 2;
/// A leading direction holds this part of the energy, or more.
const LEADING: f64 = 0.02;
/// Leading directions at most.
pub const LEADS: usize = 8;
/// Energy that the kept coordinates may leave out on average; quantisation costs as much.
const LEFT_OUT: f64 = 0.001;
/// Directions sought at most.
const DIRECTIONS: usize = 256;
/// Below this width a rotation saves nothing.
const NARROW: usize = 64;

pub struct Basis {
    pub width: usize,
    /// Leading coordinates.
    pub lead: usize,
    /// Groups of four further coordinates.
    pub groups: usize,
    /// Whether the further coordinates are rotated; else they are the row less its leading part.
    pub rotated: bool,
    /// Directions, `[panel][number][lane]`.
    panels: Vec<f32>,
    /// The leading directions again, row by row.
    leading: Vec<f32>,
}

impl Basis {
    /// Finds directions in a sample of the rows, which have all been checked.
    pub fn new<T: Real>(isa: Isa, all: ArrayView2<'_, T>) -> Self {
        let width = all.ncols();
        let look = Sample::new(isa, all, SAMPLE.0);
        let mut directions = look.directions(LANES.min(width), vec![]);
        let energies = look.energies(&directions);
        let lead = energies
            .iter()
            .take(LEADS)
            .filter(|e| **e >= LEADING)
            .count();
        let mut basis = Self {
            width,
            lead,
            groups: width.div_ceil(4),
            rotated: false,
            panels: vec![],
            leading: vec![],
        };
        if lead > 0 && width > NARROW {
            let most = (width * 3 / 4).min(DIRECTIONS) / LANES * LANES;
            let sample = Sample::new(isa, all, SAMPLE.1);
            directions = sample.directions(most, directions);
            let energies = sample.energies(&directions);
            let mut left = 1.0;
            let enough = energies.iter().position(|energy| {
                left -= energy;
                left <= LEFT_OUT
            });
            if let Some(last) = enough {
                basis.rotated = true;
                basis.groups = (last + 1 - lead.min(last + 1)).div_ceil(4).max(1);
                // As many as fill the last group, where there are so many.
                directions.truncate((lead + 4 * basis.groups) * width);
            }
        }
        if !basis.rotated {
            directions.truncate(lead * width);
        }
        basis.leading = directions[..lead * width].to_vec();
        basis.panels = panels(&directions, width);
        basis
    }

    /// Numbers of a projected row: the leading coordinates, then the groups.
    pub fn coordinates(&self) -> usize {
        self.lead + 4 * self.groups
    }

    /// The leading coordinates of 12 unit rows, `[row][LANES]`.
    pub fn leads(&self, isa: Isa, units: &[f32], out: &mut [f32; ROWS * LANES]) {
        if self.lead > 0 {
            isa.multiply(units, self.width, &self.panels[..LANES * self.width], out);
        }
    }

    /// Projects rows, a multiple of 12 of them.
    pub fn project(&self, isa: Isa, units: &[f32], out: &mut [f32]) {
        let coordinates = self.coordinates();
        let mut pairs = [0.0; ROWS * LANES];
        let tiles = units.chunks_exact(ROWS * self.width);
        for (units, out) in tiles.zip(out.chunks_exact_mut(ROWS * coordinates)) {
            out.fill(0.0);
            for (first, panel) in (0..coordinates)
                .step_by(LANES)
                .zip(self.panels.chunks_exact(LANES * self.width))
            {
                isa.multiply(units, self.width, panel, &mut pairs);
                let wanted = if self.rotated { coordinates } else { self.lead };
                let lanes = LANES.min(wanted - first);
                for (row, numbers) in out
                    .chunks_exact_mut(coordinates)
                    .zip(pairs.chunks_exact(LANES))
                {
                    row[first..first + lanes].copy_from_slice(&numbers[..lanes]);
                }
            }
            if !self.rotated {
                for (row, unit) in out
                    .chunks_exact_mut(coordinates)
                    .zip(units.chunks_exact(self.width))
                {
                    let (lead, rest) = row.split_at_mut(self.lead);
                    rest[..self.width].copy_from_slice(unit);
                    for (p, direction) in lead.iter().zip(self.leading.chunks_exact(self.width)) {
                        for (x, v) in rest.iter_mut().zip(direction) {
                            *x -= p * v;
                        }
                    }
                }
            }
        }
    }
}

/// Unit rows, and their transpose.
struct Sample {
    isa: Isa,
    rows: usize,
    width: usize,
    units: Vec<f32>,
    across: Vec<f32>,
    /// The products of all pairs of columns, where that is the smaller table.
    products: Option<Vec<f32>>,
}

impl Sample {
    fn new<T: Real>(isa: Isa, all: ArrayView2<'_, T>, most: usize) -> Self {
        let (rows, width) = (all.nrows().min(most), all.ncols());
        let (padded, deep) = (rows.next_multiple_of(ROWS), width.next_multiple_of(ROWS));
        let mut units = vec![0.0; padded * width];
        let mut across = vec![0.0; deep * rows];
        let mut row = vec![0.0; width];
        for (i, unit) in units.chunks_exact_mut(width).take(rows).enumerate() {
            let source = all.row(i * all.nrows() / rows);
            if let Ok(norm) = rows::copy(source, &mut row, |x| x.into()) {
                rows::unit(&row, 1.0 / norm.sqrt(), unit);
            }
            for (k, x) in unit.iter().enumerate() {
                across[k * rows + i] = *x;
            }
        }
        let mut sample = Self {
            isa,
            rows,
            width,
            units,
            across,
            products: None,
        };
        if width <= SAMPLE.0 / 2 && most > SAMPLE.0 {
            let panels = columns(&sample.units, rows, width);
            let mut products = multiply(isa, &sample.across, rows, &panels, width);
            products.resize(deep * width, 0.0);
            sample.products = Some(products);
        }
        sample
    }

    /// Orthonormal directions, row by row, the one with the most energy first.
    fn directions(&self, count: usize, mut found: Vec<f32>) -> Vec<f32> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        found.resize_with(count * self.width, || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        });
        orthonormalise(&mut found, self.width);
        for _ in 0..ROUNDS {
            let by_direction = panels(&found, self.width);
            let moved = match &self.products {
                Some(products) => multiply(self.isa, products, self.width, &by_direction, count),
                None => {
                    let answers = multiply(self.isa, &self.units, self.width, &by_direction, count);
                    let answers = columns(&answers, self.rows, count);
                    multiply(self.isa, &self.across, self.rows, &answers, count)
                }
            };
            for (j, direction) in found.chunks_exact_mut(self.width).enumerate() {
                for (k, x) in direction.iter_mut().enumerate() {
                    *x = moved[k * count + j];
                }
            }
            orthonormalise(&mut found, self.width);
        }
        found
    }

    /// The part of the energy that each direction holds.
    fn energies(&self, directions: &[f32]) -> Vec<f64> {
        let count = directions.len() / self.width;
        let answers = multiply(
            self.isa,
            &self.units,
            self.width,
            &panels(directions, self.width),
            count,
        );
        let mut energies = vec![0.0; count];
        for answer in answers.chunks_exact(count.max(1)).take(self.rows) {
            for (energy, x) in energies.iter_mut().zip(answer) {
                *energy += f64::from(*x).powi(2) / self.rows as f64;
            }
        }
        energies
    }
}

/// Rows of `width` as panels of 32 rows side by side.
fn panels(rows: &[f32], width: usize) -> Vec<f32> {
    let count = rows.len() / width;
    let mut panels = vec![0.0; count.next_multiple_of(LANES) * width];
    for (i, row) in rows.chunks_exact(width).enumerate() {
        let panel = &mut panels[i / LANES * LANES * width..];
        for (k, x) in row.iter().enumerate() {
            panel[k * LANES + i % LANES] = *x;
        }
    }
    panels
}

/// The first `rows` rows as panels of 32 columns side by side.
fn columns(table: &[f32], rows: usize, width: usize) -> Vec<f32> {
    let mut panels = vec![0.0; width.next_multiple_of(LANES) * rows];
    for (panel, first) in panels
        .chunks_exact_mut(LANES * rows)
        .zip((0..width).step_by(LANES))
    {
        let lanes = LANES.min(width - first);
        for (to, from) in panels_rows(panel).zip(table.chunks_exact(width)) {
            to[..lanes].copy_from_slice(&from[first..first + lanes]);
        }
    }
    panels
}

fn panels_rows(panel: &mut [f32]) -> impl Iterator<Item = &mut [f32]> {
    panel.chunks_exact_mut(LANES)
}

/// Multiplies rows, a multiple of 12 of them, by panels that hold `count` columns.
fn multiply(isa: Isa, rows: &[f32], width: usize, panels: &[f32], count: usize) -> Vec<f32> {
    let tiles = rows.len() / (ROWS * width);
    let mut out = vec![0.0; tiles * ROWS * count];
    let items = rows
        .chunks_exact(ROWS * width)
        .zip(out.chunks_exact_mut(ROWS * count))
        .collect();
    threads::for_each(
        items,
        rows.len() * count,
        || [0.0; ROWS * LANES],
        |pairs, (rows, out)| {
            for (first, panel) in (0..count)
                .step_by(LANES)
                .zip(panels.chunks_exact(LANES * width))
            {
                isa.multiply(rows, width, panel, pairs);
                let lanes = LANES.min(count - first);
                for (to, from) in out.chunks_exact_mut(count).zip(pairs.chunks_exact(LANES)) {
                    to[first..first + lanes].copy_from_slice(&from[..lanes]);
                }
            }
        },
    );
    out
}

/// Gram-Schmidt, twice over; a row that depends on those before it becomes 0.
fn orthonormalise(rows: &mut [f32], width: usize) {
    let mut done: Vec<f64> = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact_mut(width) {
        let mut new: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let before = f64::squared_norm(&new);
        for _ in 0..2 {
            for old in done.chunks_exact(width) {
                let along = f64::dot(&new, old);
                subtract(&mut new, along, old);
            }
        }
        let norm = f64::squared_norm(&new);
        // What is left of a dependent row is rounding.
        let factor = if norm > 1e-10 * before {
            1.0 / norm.sqrt()
        } else {
            0.0
        };
        new.iter_mut().for_each(|x| *x *= factor);
        for (to, from) in row.iter_mut().zip(&new) {
            *to = *from as f32;
        }
        done.extend(new);
    }
}

crate::kernels::wide! {
    fn subtract(row: &mut [f64], factor: f64, other: &[f64]) {
        for (x, y) in row.iter_mut().zip(other) {
            *x -= factor * y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Rows with most of their energy in a few directions.
    fn table(rows: usize, width: usize, rank: usize) -> Array2<f64> {
        let number = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1009) as f64 / 504.5 - 1.0;
        Array2::from_shape_fn((rows, width), |(i, k)| {
            (0..rank)
                .map(|j| number(i, j) * number(k, j + 3) / (j + 1) as f64)
                .sum()
        })
    }

    #[test]
    fn coordinates_keep_scalar_products() {
        for (width, rank) in [(5, 5), (90, 20), (90, 90), (140, 40)] {
            let table = table(200, width, rank);
            for isa in Isa::available() {
                let basis = Basis::new(isa, table.view());
                let mut units = vec![0.0; ROWS * width];
                for (unit, row) in units.chunks_exact_mut(width).zip(table.rows()) {
                    rows::unit(&row.to_vec(), 1.0 / row.dot(&row).sqrt(), unit);
                }
                let mut out = vec![0.0; ROWS * basis.coordinates()];
                basis.project(isa, &units, &mut out);
                let projected: Vec<_> = out.chunks_exact(basis.coordinates()).collect();
                let units: Vec<_> = units.chunks_exact(width).collect();
                for row in &projected {
                    let rest = 1.0 - rows::quick_dot(row, row);
                    assert!(rest > -1e-5, "{width} {rank}: longer than the row");
                    if basis.rotated {
                        assert!(rest < 0.05);
                    }
                }
                let kept = rows::quick_dot(projected[0], projected[1]);
                let whole = rows::quick_dot(units[0], units[1]);
                assert!((kept - whole).abs() < 0.05 + if basis.rotated { 0.0 } else { -0.049 });
            }
        }
    }

    #[test]
    fn a_low_rank_is_found() {
        let basis = Basis::new(Isa::Plain, table(200, 120, 20).view());
        assert!(basis.rotated && basis.lead > 0 && basis.coordinates() <= 40);
    }
}
