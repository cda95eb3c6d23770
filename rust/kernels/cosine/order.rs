//! An order in which rows that lie close stand close: median splits down to tiles.

use crate::error::Result;
use crate::kernels::Pulse;
use crate::threads;

/// Coordinates of a row at most.
const MOST: usize = 16;

/// Returns an order of rows, each described by `width` coordinates, in tiles of `leaf` rows.
pub fn order(keys: &[f32], width: usize, leaf: usize, pulse: Pulse) -> Result<Vec<u32>> {
    let rows = keys.len() / width;
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut parts = vec![&mut order[..]];
    while parts.iter().any(|part| part.len() > leaf) {
        let mut halves: Vec<_> = parts.iter().map(|_| None).collect();
        let items = parts.into_iter().zip(&mut halves).collect();
        threads::for_each(
            items,
            rows * width,
            || (),
            |(), (part, halves)| {
                *halves = Some(split(keys, width, leaf, part));
            },
        );
        parts = halves
            .into_iter()
            .flatten()
            .flat_map(<[_; 2]>::from)
            .filter(|part| !part.is_empty())
            .collect();
        pulse()?;
    }
    Ok(order)
}

/// Splits at the median of the coordinate that varies most, at a whole number of leaves.
fn split<'a>(
    keys: &[f32],
    width: usize,
    leaf: usize,
    part: &'a mut [u32],
) -> (&'a mut [u32], &'a mut [u32]) {
    if part.len() <= leaf {
        return (part, &mut []);
    }
    let (mut sums, mut squares) = ([0.0f64; MOST], [0.0f64; MOST]);
    for &row in part.iter() {
        let key = &keys[row as usize * width..][..width];
        for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(key) {
            *sum += f64::from(x);
            *square += f64::from(x) * f64::from(x);
        }
    }
    let spread = |l: usize| squares[l] - sums[l] * sums[l] / part.len() as f64;
    let widest = (0..width.min(MOST))
        .max_by(|&a, &b| spread(a).total_cmp(&spread(b)))
        .unwrap_or(0);
    let key = |row: u32| keys[row as usize * width + widest];
    let middle = (part.len() / 2).div_ceil(leaf) * leaf;
    // Equal numbers in the order of their rows, so that there is one answer.
    part.select_nth_unstable_by(middle, |&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
    part.split_at_mut(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_stands_once(keys in prop::collection::vec(-3..3i8, 0..400), leaf in 1..40usize) {
            let keys: Vec<f32> = keys.iter().map(|&x| f32::from(x)).collect();
            let keys = &keys[..keys.len() / 2 * 2];
            let mut found = order(keys, 2, leaf, &|| Ok(())).unwrap();
            found.sort_unstable();
            prop_assert_eq!(found, (0..keys.len() as u32 / 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn far_groups_are_not_mixed() {
        let keys: Vec<f32> = (0..96)
            .map(|i| (i % 3 * 100) as f32 + i as f32 / 1e3)
            .collect();
        let found = order(&keys, 1, 32, &|| Ok(())).unwrap();
        for tile in found.chunks(32) {
            assert!(tile.iter().all(|row| row % 3 == tile[0] % 3));
        }
    }
}
