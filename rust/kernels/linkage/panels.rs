//! Products of many vectors with many: vectors side by side in panels, a tile of products at a time.

#[cfg(target_arch = "x86_64")]
use crate::kernels::machine::has;

/// Numbers of a cache line.
const LINE: usize = 16;
const LINES: usize = 3;
/// Vectors of a panel.
pub const WIDTH: usize = LINES * LINE;
/// Rows of a tile: some vectors of a panel against all of another.
const ROWS: usize = 8;

/// The products of a vector with a panel's.
type Products = [f32; WIDTH];
type Tile = [Products; ROWS];

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Vectors in groups of `WIDTH`: component by component, as the products read them.
pub struct Panels {
    depth: usize,
    lines: Vec<Line>,
}

impl Panels {
    /// Room for `count` vectors of `depth` components, at least one, all zero.
    pub fn new(depth: usize, count: usize) -> Self {
        let depth = depth.max(1);
        let lines = vec![Line([0.0; LINE]); count.div_ceil(WIDTH) * depth * LINES];
        Self { depth, lines }
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The number of panels.
    pub fn count(&self) -> usize {
        self.lines.len() / self.stride()
    }

    pub fn set(&mut self, place: usize, vector: impl Iterator<Item = f32>) {
        let (panel, lane) = (place / WIDTH, place % WIDTH);
        let first = panel * self.stride() + lane / LINE;
        for (line, x) in self.lines[first..].iter_mut().step_by(LINES).zip(vector) {
            line.0[lane % LINE] = x;
        }
    }

    pub fn get(&self, place: usize) -> impl Iterator<Item = f32> + '_ {
        let (panel, lane) = (place / WIDTH, place % WIDTH);
        let first = panel * self.stride() + lane / LINE;
        let lines = self.lines[first..].iter().step_by(LINES);
        lines.take(self.depth).map(move |line| line.0[lane % LINE])
    }

    /// Some neighbouring panels, of which the first `vectors` vectors count.
    pub fn block(&self, panels: std::ops::Range<usize>, vectors: usize) -> Block<'_> {
        let stride = self.stride();
        Block {
            depth: self.depth,
            vectors,
            lines: &self.lines[panels.start * stride..panels.end * stride],
        }
    }

    fn stride(&self) -> usize {
        self.depth * LINES
    }
}

#[derive(Clone, Copy)]
pub struct Block<'a> {
    depth: usize,
    vectors: usize,
    lines: &'a [Line],
}

/// Takes what a sweep finds: row, column, their product; it may raise the floors.
pub trait Finder {
    /// What a product must exceed to be of use to a row, or to a column.
    fn floors(&self) -> (&[f32], &[f32]);
    fn found(&mut self, row: usize, column: usize, product: f32);
}

/// Hands `finder` each product that exceeds the floor of its row or of its column.
///
/// With `triangle`, rows and columns are the same, and panels below the diagonal are left out.
pub fn sweep(rows: Block<'_>, columns: Block<'_>, triangle: bool, finder: &mut impl Finder) {
    #[cfg(target_arch = "x86_64")]
    {
        if has!("avx512f") {
            // SAFETY: the feature was just detected.
            return unsafe { x86::sweep_avx512(rows, columns, triangle, finder) };
        }
        if has!("avx2", "fma") {
            // SAFETY: the features were just detected.
            return unsafe { x86::sweep_avx2(rows, columns, triangle, finder) };
        }
    }
    sweep_with(rows, columns, triangle, finder, plain, plainly_exceeding);
}

#[inline(always)]
fn sweep_with(
    rows: Block<'_>,
    columns: Block<'_>,
    triangle: bool,
    finder: &mut impl Finder,
    multiply: impl Fn(&[Line], usize, &[Line], &mut Tile),
    exceeding: impl Fn(&Products, &Products, f32) -> u64,
) {
    let stride = rows.depth * LINES;
    let mut tile = [[0.0; WIDTH]; ROWS];
    for (j, right) in columns.lines.chunks_exact(stride).enumerate() {
        let first = j * WIDTH;
        for (i, left) in rows.lines.chunks_exact(stride).enumerate() {
            if triangle && i > j {
                break;
            }
            for lane in (0..WIDTH).step_by(ROWS) {
                let first_row = i * WIDTH + lane;
                if first_row >= rows.vectors {
                    break;
                }
                multiply(left, lane, right, &mut tile);
                for (r, products) in tile.iter().enumerate() {
                    let row = first_row + r;
                    let (of_rows, of_columns) = finder.floors();
                    let Some(floors) = of_columns[first..].first_chunk() else {
                        return;
                    };
                    let mut bits = exceeding(products, floors, of_rows[row]);
                    while bits != 0 {
                        let column = bits.trailing_zeros() as usize;
                        finder.found(row, first + column, products[column]);
                        bits &= bits - 1;
                    }
                }
            }
        }
    }
}

/// The products of a few vectors of panel `left`, from `lane` on, with all of panel `right`.
#[inline(always)]
fn plain(left: &[Line], lane: usize, right: &[Line], tile: &mut Tile) {
    for (r, products) in tile.iter_mut().enumerate() {
        let mut sums = [[0.0; LINE]; LINES];
        for (a, b) in left.chunks_exact(LINES).zip(right.chunks_exact(LINES)) {
            let x = a[(lane + r) / LINE].0[(lane + r) % LINE];
            for (sums, line) in sums.iter_mut().zip(b) {
                for (sum, y) in sums.iter_mut().zip(&line.0) {
                    *sum += x * y;
                }
            }
        }
        products.copy_from_slice(sums.as_flattened());
    }
}

/// Bit c: product c exceeds its floor, or the one floor that is all products'.
#[inline(always)]
fn plainly_exceeding(products: &Products, floors: &Products, floor: f32) -> u64 {
    let pairs = products.iter().zip(floors);
    if pairs.clone().all(|(x, own)| !((*x > floor) | (x > own))) {
        return 0;
    }
    pairs.enumerate().fold(0, |bits, (c, (x, own))| {
        bits | (u64::from((*x > floor) | (x > own)) << c)
    })
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests {
    use super::*;

    struct All {
        floors: Vec<f32>,
        found: Vec<(usize, usize, f32)>,
    }

    impl Finder for All {
        fn floors(&self) -> (&[f32], &[f32]) {
            (&self.floors, &self.floors)
        }

        fn found(&mut self, row: usize, column: usize, product: f32) {
            self.found.push((row, column, product));
        }
    }

    fn panels(count: usize, depth: usize) -> Panels {
        let mut panels = Panels::new(depth, count);
        for place in 0..count {
            panels.set(
                place,
                (0..depth).map(|k| ((place * 7 + k * 5) % 11) as f32 - 5.0),
            );
        }
        panels
    }

    type Sweep = fn(Block<'_>, Block<'_>, bool, &mut All);

    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
    fn ways() -> Vec<Sweep> {
        let mut ways: Vec<Sweep> = vec![sweep, |rows, columns, triangle, finder| {
            sweep_with(rows, columns, triangle, finder, plain, plainly_exceeding);
        }];
        #[cfg(target_arch = "x86_64")]
        if has!("avx2", "fma") {
            ways.push(|rows, columns, triangle, finder| {
                // SAFETY: the features were just detected.
                unsafe { x86::sweep_avx2(rows, columns, triangle, finder) }
            });
        }
        ways
    }

    #[test]
    fn every_product_above_a_floor_is_found_once() {
        for (count, depth) in [
            (1, 1),
            (7, 3),
            (WIDTH, 5),
            (WIDTH + 1, 17),
            (3 * WIDTH - 1, 40),
        ] {
            let panels = panels(count, depth);
            let product = |i: usize, j: usize| -> f32 {
                panels.get(i).zip(panels.get(j)).map(|(x, y)| x * y).sum()
            };
            for (triangle, way) in [false, true]
                .iter()
                .flat_map(|t| ways().into_iter().map(move |w| (*t, w)))
            {
                let block = panels.block(0..panels.count(), count);
                let floor = 3.0;
                let mut floors = vec![floor; count];
                floors.resize(panels.count() * WIDTH, f32::INFINITY);
                let mut all = All {
                    floors,
                    found: Vec::new(),
                };
                way(block, block, triangle, &mut all);
                all.found.retain(|&(i, j, _)| i < count && j < count);
                all.found.sort_by_key(|&(i, j, _)| (i, j));
                let mut expected = Vec::new();
                for i in 0..count {
                    for j in 0..count {
                        let left_out = triangle && i / WIDTH > j / WIDTH;
                        // Small whole numbers: products are exact in any order.
                        if product(i, j) > floor && !left_out {
                            expected.push((i, j, product(i, j)));
                        }
                    }
                }
                assert_eq!(all.found, expected);
            }
        }
    }
}
