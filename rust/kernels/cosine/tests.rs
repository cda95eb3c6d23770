use ndarray::{s, Array2, ArrayView2};
use proptest::prelude::*;

use super::tiles::Isa;
use super::{Index, Real};
use crate::error::Error;

/// All pairs, one by one.
fn twin<S: Real, T: Real>(
    queries: ArrayView2<'_, S>,
    references: ArrayView2<'_, T>,
    radii: &[f64],
) -> Vec<i64> {
    let queries: Array2<f64> = queries.mapv(|x| x.into());
    let references: Array2<f64> = references.mapv(|x| x.into());
    let squares: Vec<f64> = references.rows().into_iter().map(|r| r.dot(&r)).collect();
    let mut counts = vec![];
    for q in queries.rows() {
        let square = q.dot(&q);
        let pairs: Vec<(f64, f64)> = (references.rows().into_iter().zip(&squares))
            .map(|(r, other)| (q.dot(&r), (square * other).sqrt()))
            .collect();
        for radius in radii {
            let near = pairs
                .iter()
                .filter(|(product, norms)| *product > (1.0 - radius) * norms);
            counts.push(near.count() as i64);
        }
    }
    counts
}

fn capped(counts: &[i64], cap: Option<u64>) -> Vec<i64> {
    let most = cap.map_or(i64::MAX, |cap| cap as i64);
    counts.iter().map(|count| *count.min(&most)).collect()
}

fn go_on() -> Result<(), Error> {
    Ok(())
}

/// Repeatable numbers from -1 to 1.
fn number(i: usize, j: usize) -> f64 {
    let x = (i as u64 * 7_919 + j as u64 * 104_729 + 12_345).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Rows near a plane, like the answers of many networks to one record.
fn close_rows(count: usize, width: usize, seed: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, width), |(i, k)| {
        let i = i + seed;
        let side = if i.is_multiple_of(3) { -1.0 } else { 1.0 };
        side * number(k, 1) + number(i, 2) * number(k, 3) + 0.4 * number(i, 10 + k) * number(i, 4)
    })
}

#[test]
fn agrees_with_all_pairs_on_every_instruction_set() {
    for (n, m, width) in [
        (1, 1, 1),
        (40, 13, 3),
        (150, 400, 20),
        (130, 290, 150),
        (40, 150, 333),
    ] {
        let (queries, references) = (close_rows(n, width, 0), close_rows(m, width, 5_000));
        let radii = [0.05, 0.1, 0.4, 1.0, 1.7];
        let single = queries.mapv(|x| x as f32);
        let expected = twin(queries.view(), references.view(), &radii);
        let expected_of_single = twin(single.view(), references.view(), &radii);
        for isa in Isa::available() {
            let index = Index::with(isa, references.view(), &go_on).unwrap();
            for cap in [None, Some(1), Some(7), Some(1_000_000)] {
                let found = index.count(queries.view(), &radii, cap, &go_on).unwrap();
                assert_eq!(
                    found,
                    capped(&expected, cap),
                    "{n} {m} {width} {cap:?} {isa:?}"
                );
                let found = index.count(single.view(), &radii, cap, &go_on).unwrap();
                assert_eq!(found, capped(&expected_of_single, cap));
            }
        }
    }
}

#[test]
fn rows_without_structure_are_counted_in_full() {
    let table = Array2::from_shape_fn((600, 70), |(i, k)| number(i, k) as f32);
    let (queries, references) = table.view().split_at(ndarray::Axis(0), 200);
    let radii = [0.9, 1.0, 1.05];
    let expected = twin(queries, references, &radii);
    for isa in Isa::available() {
        let index = Index::with(isa, references, &go_on).unwrap();
        assert_eq!(
            index.count(queries, &radii, None, &go_on).unwrap(),
            expected
        );
    }
}

#[test]
fn rows_come_back() {
    let references = close_rows(50, 9, 0);
    let index = Index::new(references.view(), &go_on).unwrap();
    assert_eq!(index.rows(), references);
}

#[test]
fn bad_input_is_named() {
    let mut references = close_rows(50, 9, 0);
    let index = Index::new(references.view(), &go_on).unwrap();
    let count = |radius, cap| index.count(references.view(), &[radius], cap, &go_on);
    for radius in [0.0, -1.0, 1e-13, 2.0, f64::NAN] {
        assert!(matches!(count(radius, None), Err(Error::Radius { .. })));
    }
    assert_eq!(count(0.5, Some(0)), Err(Error::Cap));
    let narrow = index.count(references.slice(s![.., ..8]), &[0.5], None, &go_on);
    assert!(matches!(
        narrow,
        Err(Error::Width {
            found: 8,
            expected: 9
        })
    ));
    let none = index.count(references.slice(s![..0, ..]), &[0.5], None, &go_on);
    assert_eq!(none, Err(Error::Empty("queries")));
    references.row_mut(7).fill(0.0);
    references[(31, 2)] = f64::NAN;
    let found = Index::new(references.view(), &go_on).err();
    let rows = vec![31];
    assert_eq!(
        found,
        Some(Error::Rows {
            name: "references",
            kind: "NaN or infinity",
            rows
        })
    );
}

#[test]
fn a_pulse_that_refuses_ends_the_search() {
    let references = close_rows(400, 30, 0);
    let stop = || Err(Error::Interrupted);
    assert!(Index::new(references.view(), &stop).is_err());
    let index = Index::new(references.view(), &go_on).unwrap();
    let found = index.count(references.view(), &[0.5], None, &stop);
    assert_eq!(found, Err(Error::Interrupted));
}

/// Ones and noughts, larger numbers, too large ones, rows of others between, other scales.
#[test]
fn ties_of_whole_numbers_are_decided_as_one_by_one() {
    let coin = |i: usize, k: usize| f64::from(u8::from(number(i, k) > 0.3));
    let shapes: [fn(f64, f64, usize) -> f64; 6] = [
        |coin, _, _| coin,
        |_, x, _| (3.0 * x).round(),
        |_, x, _| (127.0 * x).round(),
        |_, x, _| (300.0 * x).round(),
        |coin, x, i| if i.is_multiple_of(3) { 0.5 * x } else { coin },
        |coin, _, i| coin * 2f64.powi(60 * (i % 5) as i32 - 120),
    ];
    for (shape, width) in shapes.into_iter().zip([40, 9, 5, 18, 12, 30]) {
        let mut table =
            Array2::from_shape_fn((330, width), |(i, k)| shape(coin(i, k), number(i, k), i));
        // No row may be empty.
        for (i, mut row) in table.rows_mut().into_iter().enumerate() {
            row[0] = shape(1.0, 1.0, i);
        }
        let (queries, references) = table.view().split_at(ndarray::Axis(0), 130);
        let radii = [0.1, 0.25, 0.5, 1.0, 1.5];
        let expected = twin(queries, references, &radii);
        for isa in Isa::available() {
            let index = Index::with(isa, references, &go_on).unwrap();
            for cap in [None, Some(3)] {
                let found = index.count(queries, &radii, cap, &go_on).unwrap();
                assert_eq!(found, capped(&expected, cap), "{width} {cap:?} {isa:?}");
            }
        }
    }
}

proptest! {
    /// Small whole numbers tie at the threshold all the time.
    #[test]
    fn ties_are_not_below(
        numbers in prop::collection::vec(0..2i8, 4..1200),
        width in 1..30usize,
        cap in prop::option::of(1..5u64),
    ) {
        let rows = (numbers.len() / width).max(2);
        let mut table = Array2::from_shape_fn((rows, width), |(i, k)| {
            f32::from(numbers[(i * width + k) % numbers.len()])
        });
        // No row may be empty.
        table.column_mut(0).fill(1.0);
        let (queries, references) = table.view().split_at(ndarray::Axis(0), rows / 2);
        let radii = [0.5, 0.25];
        let expected = capped(&twin(queries, references, &radii), cap);
        for isa in Isa::available() {
            let index = Index::with(isa, references, &go_on).unwrap();
            prop_assert_eq!(&index.count(queries, &radii, cap, &go_on).unwrap(), &expected);
        }
    }
}
