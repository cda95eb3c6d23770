//! One piece of the curve, in lengths of its interval and in counts: nothing over- or underflows.

/// The slope at a knot between two intervals, times the length of the one before and of the one
/// after: a harmonic mean of the slopes of both. `rise`: what the count gains on them.
#[inline(always)]
pub fn slope(length: [f64; 2], rise: [f64; 2]) -> [f64; 2] {
    let both = length[0] + length[1];
    let (a, b) = (length[0] / both, length[1] / both);
    let weighted = (1.0 + b) * a * rise[1] + (1.0 + a) * b * rise[0];
    let scale = 3.0 * rise[0] * rise[1] / weighted;
    [a * scale, b * scale]
}

/// The slope at the first knot, times the length of its interval; at the last, seen backwards.
#[inline(always)]
pub fn end_slope(length: [f64; 2], rise: [f64; 2]) -> f64 {
    let a = length[0] / (length[0] + length[1]);
    let slope = (1.0 + a) * rise[0] - a * (length[0] / length[1]) * rise[1];
    if slope > 0.0 {
        slope
    } else {
        0.0
    }
}

/// The cubic that rises from 0 to `rise` for t from 0 to 1, with these slopes at its ends.
#[inline(always)]
pub fn cubic(t: f64, slopes: [f64; 2], rise: f64) -> f64 {
    let square = 3.0 * rise - 2.0 * slopes[0] - slopes[1];
    let cube = slopes[0] + slopes[1] - 2.0 * rise;
    let y = t * (slopes[0] + t * (square + t * cube));
    // Its own rounding must not leave the interval.
    if y < rise {
        if y > 0.0 {
            y
        } else {
            0.0
        }
    } else {
        rise
    }
}
