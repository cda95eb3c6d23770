//! Elementary functions without branches, so that a loop over them becomes vector instructions.

const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52: adding it rounds to an integer
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1; // its last 20 bits are 0: n * LN_2_HIGH is exact
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
const UNDERFLOW: f64 = -746.0;

/// 1/13!, 1/12!, ..., 1/2!: a Taylor series, below 2^-57 off for |r| <= ln(2)/2.
const SERIES: [f64; 12] = [
    1.605_904_383_682_161_3e-10,
    2.087_675_698_786_81e-9,
    2.505_210_838_544_172e-8,
    2.755_731_922_398_589e-7,
    2.755_731_922_398_589_3e-6,
    2.480_158_730_158_73e-5,
    1.984_126_984_126_984e-4,
    1.388_888_888_888_889e-3,
    8.333_333_333_333_333e-3,
    4.166_666_666_666_666_4e-2,
    1.666_666_666_666_666_6e-1,
    0.5,
];

/// e^x for x <= 0, within about one unit in the last place, subnormal results included; 0 for NaN.
#[inline(always)]
pub fn exp_nonpositive(x: f64) -> f64 {
    exp_block([x])[0]
}

/// `exp_nonpositive` of several numbers, step by step: no step waits for the one before.
#[inline(always)]
fn exp_block<const N: usize>(x: [f64; N]) -> [f64; N] {
    let (mut n, mut r, mut series) = ([0.0; N], [0.0; N], [SERIES[0]; N]);
    for l in 0..N {
        // Written so that NaN takes the second branch.
        let x = if x[l] > UNDERFLOW { x[l] } else { UNDERFLOW };
        n[l] = (x * std::f64::consts::LOG2_E + ROUND) - ROUND;
        r[l] = (x - n[l] * LN_2_HIGH) - n[l] * LN_2_LOW;
    }
    for c in &SERIES[1..] {
        for l in 0..N {
            series[l] = series[l] * r[l] + c;
        }
    }
    for l in 0..N {
        // Two factors, because 2^n itself may be subnormal.
        let half = (n[l] * 0.5 + ROUND) - ROUND;
        let value = 1.0 + (r[l] + r[l] * r[l] * series[l]);
        series[l] = value * power_of_two(half) * power_of_two(n[l] - half);
    }
    series
}

/// 2^n for a whole n in [-1022, 1023].
#[inline(always)]
fn power_of_two(n: f64) -> f64 {
    f64::from_bits((n + ROUND).to_bits().wrapping_add(1023) << 52)
}

/// 1 / (1 + e^-x); 0 and 1 at the infinities.
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let e = exp_nonpositive(-x.abs());
    let of_magnitude = 1.0 / (1.0 + e);
    if x < 0.0 {
        e * of_magnitude
    } else {
        of_magnitude
    }
}

/// 1/21, 1/19, ..., 1/3: atanh(s) / s - 1 as a series in s^2, below 2^-55 off for |s| <= .172.
const ATANH: [f64; 10] = {
    let mut terms = [0.0; 10];
    let mut i = 0;
    while i < 10 {
        terms[i] = 1.0 / (21 - 2 * i) as f64;
        i += 1;
    }
    terms
};

/// ln(1 + u) for u in [0, 1], within about two units in the last place, subnormal u included.
#[inline(always)]
fn ln_1p_block<const N: usize>(u: [f64; N]) -> [f64; N] {
    let (mut halved, mut twice, mut squared) = ([0.0; N], [0.0; N], [0.0; N]);
    for l in 0..N {
        // 2 atanh(s) for s = u / (2 + u), or from half of 1 + u, whose s = (u - 1) / (u + 3).
        let large = u[l] > std::f64::consts::SQRT_2 - 1.0;
        let numerator = if large { u[l] - 1.0 } else { u[l] };
        let denominator = if large { u[l] + 3.0 } else { u[l] + 2.0 };
        halved[l] = if large { std::f64::consts::LN_2 } else { 0.0 };
        // Twice s as a product, which keeps subnormal u exact.
        twice[l] = numerator * (2.0 / denominator);
        squared[l] = 0.25 * twice[l] * twice[l];
    }
    let mut series = [ATANH[0]; N];
    for c in &ATANH[1..] {
        for l in 0..N {
            series[l] = series[l] * squared[l] + c;
        }
    }
    for l in 0..N {
        series[l] = halved[l] + (twice[l] + twice[l] * (squared[l] * series[l]));
    }
    series
}

/// ln(1 + e^x) of several numbers: the losses at rescaled logits of -x. ln 2 for NaN.
#[inline(always)]
pub fn softplus_block<const N: usize>(x: [f64; N]) -> [f64; N] {
    let mut loss = ln_1p_block(exp_block(x.map(|x| -x.abs())));
    for l in 0..N {
        loss[l] += if x[l] > 0.0 { x[l] } else { 0.0 };
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exp_agrees_with_the_standard_library(x in -750.0..=0.0f64) {
            let (got, expected) = (exp_nonpositive(x), x.exp());
            prop_assert!((got - expected).abs() <= 3e-16 * expected + f64::from_bits(1));
        }

        #[test]
        fn sigmoids_of_opposite_numbers_add_up_to_one(x in -800.0..800.0f64) {
            prop_assert!((sigmoid(x) + sigmoid(-x) - 1.0).abs() < 4e-16);
        }

        #[test]
        fn softplus_agrees_with_the_standard_library(x in prop_oneof![-760.0..760.0f64, -2.0..2.0f64]) {
            let (got, expected) = (softplus(x), x.max(0.0) + (-x.abs()).exp().ln_1p());
            prop_assert!((got - expected).abs() <= 1e-15 * expected + f64::from_bits(2));
        }
    }

    fn softplus(x: f64) -> f64 {
        let [loss, rest @ ..] = softplus_block([x, 0.5, -x, x]);
        assert_eq!(loss, rest[2]);
        loss
    }

    #[test]
    fn edges() {
        assert_eq!(softplus(f64::MAX), f64::MAX);
        assert_eq!(softplus(f64::MIN), 0.0);
        assert_eq!(softplus(f64::INFINITY), f64::INFINITY);
        assert_eq!(softplus(0.0), std::f64::consts::LN_2);
        assert!(softplus(-745.0) > 0.0);
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!(exp_nonpositive(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_nonpositive(f64::NAN), 0.0);
        assert_eq!(exp_nonpositive(-1e300), 0.0);
        assert!(exp_nonpositive(-745.0) > 0.0);
        assert_eq!(sigmoid(f64::INFINITY), 1.0);
        assert_eq!(sigmoid(f64::NEG_INFINITY), 0.0);
        assert_eq!(sigmoid(0.0), 0.5);
    }
}
