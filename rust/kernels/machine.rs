//! What instructions the machine has. Tests make it forget some of them.

#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU16, Ordering};

/// The widest registers to be used, in bits.
#[cfg(target_arch = "x86_64")]
static WIDEST: AtomicU16 = AtomicU16::new(512);

/// Whether the processor has all these features, none of them set aside.
#[cfg(target_arch = "x86_64")]
macro_rules! has {
    ($($feature:tt),+ $(,)?) => {
        $($crate::kernels::machine::allowed($feature) && is_x86_feature_detected!($feature))&&+
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use has;

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn allowed(feature: &str) -> bool {
    // Outside tests this is known when it is compiled.
    !cfg!(test)
        || match feature.starts_with("avx512") {
            true => WIDEST.load(Ordering::Relaxed) >= 512,
            false => WIDEST.load(Ordering::Relaxed) >= 256,
        }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ndarray::{Array1, Array2};

    use crate::kernels::cosine::Index;
    use crate::kernels::tile::References;
    use crate::kernels::{
        boosting, density, euclidean, gower, leave_one_out, linkage, pchip, pooled, ranks, rmia,
        shrunken, statistics,
    };

    /// Numbers from -4 to 4, some of them whole, some absent.
    fn table(rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_fn((rows, columns), |(i, j)| {
            let place = (i * 7_919 + j * 104_729 + 1) as u64;
            let x = (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 50) as f64;
            match place % 11 {
                0 => f64::NAN,
                1..3 => (x - 4.0).round(),
                _ => x - 4.0,
            }
        })
    }

    /// What every kernel answers, bit by bit.
    fn answers() -> Vec<(&'static str, Vec<u64>)> {
        let go = || Ok(());
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let whole = |numbers: &[i64]| numbers.iter().map(|&x| x as u64).collect::<Vec<_>>();
        let own = table(45, 35);
        let signal: Vec<f64> = own.column(0).to_vec();
        let others = table(45, 19);
        let single = others.mapv(|x| x as f32);
        let references = References::new(others.view(), None).unwrap();
        let full = table(80, 19).mapv(|x| if x.is_nan() { 0.5 } else { x });
        let narrow = full.mapv(|x| x as f32);
        let labels = Array1::from_iter((0..80).map(|i| i % 7));
        let t = leave_one_out::leave_one_out_t(own.view(), references, &go).unwrap();
        let s = shrunken::shrunken_t(own.view(), references, None, &go).unwrap();
        let pooled = pooled::pooled_p_values(own.view(), single.view(), &go).unwrap();
        let near = gower::gower_nearest(own.view(), own.view(), &[0.5; 35], 3, &go).unwrap();
        let close = euclidean::euclidean_nearest(narrow.view(), narrow.view(), 3, &go).unwrap();
        let tree = linkage::average_linkage(full.view(), &go).unwrap();
        let medoids = linkage::cluster_medoids(full.view(), labels.view(), &go).unwrap();
        let index = Index::new(narrow.view(), &go).unwrap();
        let rates = rmia::rmia_scores(&full.column(0).to_vec(), &full.column(1).to_vec(), 2.0, &go);
        let places = own.mapv(|_| 0.25);
        let rank = |places| ranks::rank_p_values(own.view(), single.view(), places, &go).unwrap();
        let cubic = |loss| pchip::pchip_p_values(own.view(), others.view(), loss, &go).unwrap();
        let local =
            pchip::pchip_p_values(own.slice(ndarray::s![.., ..1]), others.view(), true, &go);
        let growth = boosting::Growth {
            trees: 3,
            learning_rate: 0.3,
            leaves: 4,
            rows_in_leaf: 2,
            l2: 1.0,
            columns: 5,
            seed: 0,
        };
        let member = own.column(1).mapv(|x| x > 0.0);
        let learned = boosting::boosted_trees(single.view(), member.view(), growth, &go).unwrap();
        vec![
            ("boosted_trees", bits(&learned.value)),
            (
                "reference_statistics",
                bits(&statistics::reference_statistics(&signal, references, &go).unwrap()),
            ),
            (
                "kernel_log_density",
                bits(&density::kernel_log_density(&signal, references, &[0.3, 1.0], &go).unwrap()),
            ),
            ("leave_one_out_t", bits(&[t.0, t.1].concat())),
            (
                "shrunken_t",
                bits(&[s.own, s.each, vec![s.variance]].concat()),
            ),
            ("pooled_p_values", bits(&pooled)),
            (
                "rank_p_values",
                bits(&[rank(None), rank(Some(places.view()))].concat()),
            ),
            (
                "pchip_p_values",
                bits(&[cubic(false), cubic(true), local.unwrap()].concat()),
            ),
            ("rmia_scores", bits(&rates.unwrap())),
            (
                "gower_nearest",
                [bits(&near.distances), whole(&near.rows)].concat(),
            ),
            (
                "euclidean_nearest",
                [bits(&close.distances), whole(&close.rows)].concat(),
            ),
            (
                "average_linkage",
                [bits(&tree.heights), whole(tree.children.as_flattened())].concat(),
            ),
            ("cluster_medoids", whole(&medoids)),
            (
                "CosineIndex",
                whole(&index.count(full.view(), &[0.1, 0.6], None, &go).unwrap()),
            ),
        ]
    }

    /// What `answers` come to on every processor; numbers differ where the logarithm does, which is
    /// the C library's.
    #[cfg(target_os = "linux")]
    const DIGESTS: [(&str, u64); 14] = [
        ("boosted_trees", 0x9d23_1f97_0543_ab37),
        ("reference_statistics", 0x3471_e5c9_b940_f561),
        ("kernel_log_density", 0xc261_1f54_b6fa_7281),
        ("leave_one_out_t", 0x160f_8eb1_856f_16d3),
        ("shrunken_t", 0x22dd_ed81_9935_ca87),
        ("pooled_p_values", 0x9b84_d8b4_4c73_971a),
        ("rank_p_values", 0x964e_8015_9b17_62e8),
        ("pchip_p_values", 0x1d6e_5544_585a_5061),
        ("rmia_scores", 0xa1d4_4227_b33c_ca2a),
        ("gower_nearest", 0x1407_c0c8_bb4e_c8de),
        ("euclidean_nearest", 0x66a5_df37_b65b_02fe),
        ("average_linkage", 0x4222_3e88_b780_7c27),
        ("cluster_medoids", 0x9f54_23f2_8529_6d67),
        ("CosineIndex", 0x085e_8740_4cc6_38f5),
    ];

    #[cfg(target_os = "linux")]
    #[test]
    fn every_kernel_answers_the_same_bits_on_every_processor() {
        let digest = |bits: Vec<u64>| {
            bits.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, x| {
                (sum ^ x).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let found: Vec<_> = answers()
            .into_iter()
            .map(|(name, bits)| (name, digest(bits)))
            .collect();
        assert_eq!(found, DIGESTS);
    }

    #[test]
    fn several_threads_may_call_every_kernel_at_once() {
        let expected = answers();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(answers(), expected));
            }
        });
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_kernel_answers_the_same_bits_whatever_the_machine_has() {
        let expected = answers();
        for width in [256, 128] {
            // Other tests meet narrower registers meanwhile, and must pass all the same.
            super::WIDEST.store(width, super::Ordering::Relaxed);
            let found = answers();
            super::WIDEST.store(512, super::Ordering::Relaxed);
            assert_eq!(found, expected, "registers of {width} bits");
        }
    }
}
