//! Tables for the property tests.

use ndarray::Array2;
use proptest::prelude::*;

/// Numbers as models give them, tied and absent ones included.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -20.0..20.0f64,
        2 => (-2..3i32).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(1e-300), Just(-1e-9), Just(1e6), Just(-4e5)],
    ]
}

/// A signal per record and a reference per record and model; sizes around a tile's.
pub fn records() -> impl Strategy<Value = (Vec<f64>, Array2<f64>)> {
    (0..19usize, 0..9usize).prop_flat_map(|(n, k)| {
        (
            prop::collection::vec(number(), n),
            prop::collection::vec(number(), n * k)
                .prop_map(move |cells| Array2::from_shape_vec((n, k), cells).unwrap()),
        )
    })
}

/// The numbers of a row that are not NaN.
pub fn valid(row: ndarray::ArrayView1<'_, f64>) -> Vec<f64> {
    row.iter().copied().filter(|x| !x.is_nan()).collect()
}

/// Equal up to rounding of numbers around `scale` or of their own size, NaN equal to NaN.
pub fn close(a: f64, b: f64, scale: f64) -> bool {
    let scale = scale.max(a.abs()).max(b.abs());
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-10 * scale
}
