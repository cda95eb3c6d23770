//! Kernels on their own: `cargo bench`. Set RAYON_NUM_THREADS=1 for the cost of one core.

use std::hint::black_box;
use std::time::Duration;

use _rust::kernels::cosine::Index;
use _rust::kernels::tile::References;
use _rust::kernels::{
    density, gower, leave_one_out, linkage, pchip, pooled, ranks, rmia, shrunken, statistics,
};
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use ndarray::{Array2, ShapeBuilder};

const RECORDS: usize = 20_000;
const MODELS: usize = 20;
const POPULATION: usize = 10_000;

/// Repeatable numbers that look normal enough: sums of four uniform ones.
fn numbers(count: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count)
        .map(|_| (0..4).map(|_| uniform()).sum::<f64>() * 2.0 - 4.0)
        .collect()
}

fn kernels(criterion: &mut Criterion) {
    let signal = numbers(RECORDS);
    let one = Array2::from_shape_vec((RECORDS, 1), signal.clone()).unwrap();
    let rows = Array2::from_shape_vec((RECORDS, MODELS), numbers(RECORDS * MODELS)).unwrap();
    let single = rows.mapv(|x| x as f32);
    let mut columns = Array2::zeros((RECORDS, MODELS).f());
    columns.assign(&rows);

    let mut group = criterion.benchmark_group(format!("{RECORDS} records, {MODELS} references"));
    group.throughput(Throughput::Elements(RECORDS as u64));
    group.sample_size(40);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for (layout, table) in [("rows", &rows), ("columns", &columns)] {
        let references = References::new(table.view(), None).unwrap();
        group.bench_function(format!("reference_statistics, {layout}"), |b| {
            b.iter(|| statistics::reference_statistics(black_box(&signal), references, &|| Ok(())))
        });
        group.bench_function(
            format!("kernel_log_density, two bandwidths, {layout}"),
            |b| {
                b.iter(|| {
                    density::kernel_log_density(
                        black_box(&signal),
                        references,
                        &[0.3, 1.0],
                        &|| Ok(()),
                    )
                })
            },
        );
        group.bench_function(format!("leave_one_out_t, {layout}"), |b| {
            b.iter(|| leave_one_out::leave_one_out_t(black_box(one.view()), references, &|| Ok(())))
        });
        group.bench_function(format!("shrunken_t, {layout}"), |b| {
            b.iter(|| shrunken::shrunken_t(black_box(one.view()), references, None, &|| Ok(())))
        });
    }
    let references = References::new(single.view(), None).unwrap();
    group.bench_function("reference_statistics, float32 rows", |b| {
        b.iter(|| statistics::reference_statistics(black_box(&signal), references, &|| Ok(())))
    });
    group.bench_function("pooled_p_values", |b| {
        b.iter(|| pooled::pooled_p_values(black_box(one.view()), rows.view(), &|| Ok(())))
    });
    for (targets, own) in [(1, one.clone()), (20, rows.clone())] {
        let (own, others, go) = (own.view(), single.view(), || Ok(()));
        group.bench_function(format!("rank_p_values, {targets} targets"), |b| {
            b.iter(|| ranks::rank_p_values(black_box(own), others, None, &go))
        });
        group.bench_function(format!("pchip_p_values, {targets} targets"), |b| {
            b.iter(|| pchip::pchip_p_values(black_box(own), others, true, &go))
        });
    }
    let population = numbers(POPULATION);
    group.bench_function(format!("rmia_scores, population {POPULATION}"), |b| {
        b.iter(|| rmia::rmia_scores(black_box(&signal), &population, 1.0, &|| Ok(())))
    });
    group.finish();
}

fn clusters(criterion: &mut Criterion) {
    const VECTORS: usize = 3_000;
    const FEATURES: usize = 200;
    // A common part and one of their own, as the features of networks have.
    let mut vectors =
        Array2::from_shape_vec((VECTORS, FEATURES), numbers(VECTORS * FEATURES)).unwrap();
    for mut row in vectors.outer_iter_mut() {
        for k in 8..FEATURES {
            row[k] = row[k % 8] + 0.25 * row[k];
        }
    }
    let mut group = criterion.benchmark_group(format!("{VECTORS} vectors, {FEATURES} features"));
    group.sample_size(10);
    group.bench_function("average_linkage", |b| {
        b.iter(|| linkage::average_linkage(black_box(vectors.view()), &|| Ok(())))
    });
    let labels: ndarray::Array1<i64> = (0..VECTORS as i64).map(|i| i % 50).collect();
    group.bench_function("cluster_medoids, 50 clusters", |b| {
        b.iter(|| linkage::cluster_medoids(black_box(vectors.view()), labels.view(), &|| Ok(())))
    });
    group.finish();
}

/// Rows that lie near a plane, as the answers of many models to one record do.
fn near_a_plane(count: usize, width: usize) -> Array2<f32> {
    let (leading, noise) = (numbers(2 * count), numbers(count * width));
    let directions = numbers(2 * width);
    Array2::from_shape_fn((count, width), |(i, k)| {
        let plane = leading[2 * i] * directions[2 * k] + leading[2 * i + 1] * directions[2 * k + 1];
        (plane + 0.4 * noise[i * width + k]) as f32
    })
}

fn neighbours(criterion: &mut Criterion) {
    let (queries, references) = (near_a_plane(4_000, 200), near_a_plane(6_000, 200));
    let go_on = || Ok(());
    let mut group = criterion.benchmark_group("4,000 queries, 6,000 references, 200 features");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(2));
    group.bench_function("cosine index", |b| {
        b.iter(|| Index::new(black_box(references.view()), &go_on))
    });
    let index = Index::new(references.view(), &go_on).unwrap();
    for cap in [None, Some(1)] {
        group.bench_function(format!("cosine counts, cap {cap:?}"), |b| {
            b.iter(|| index.count(black_box(queries.view()), &[0.1], cap, &go_on))
        });
    }
    group.finish();
}

/// Rows of a mixed table, scaled as `audit_synthetic` does: every other column holds one of five
/// categories, the others numbers between 0 and 1 that follow two hidden ones, or nothing.
fn mixed_table(count: usize, width: usize, hidden: bool) -> Array2<f64> {
    let (leading, own) = (numbers(2 * count), numbers(count * width));
    Array2::from_shape_fn((count, width), |(i, k)| {
        let common = if hidden { leading[2 * i + k % 2] } else { 0.0 };
        let value = ((common + own[i * width + k] + 4.0) / 8.0).clamp(0.0, 1.0);
        if k % 2 == 0 {
            (5.0 * value).floor()
        } else {
            value
        }
    })
}

fn mixed_tables(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gower_nearest, 1,000 queries, 20,000 rows");
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(3));
    for (name, width, hidden) in [
        ("14 columns, alike", 14, true),
        ("14 columns, nothing to prune", 14, false),
        ("100 columns, nothing to prune", 100, false),
    ] {
        let table = mixed_table(20_000, width, hidden);
        let queries = mixed_table(21_000, width, hidden);
        let queries = queries.slice(ndarray::s![20_000.., ..]);
        let caps = vec![1.0; width];
        group.bench_function(name, |b| {
            b.iter(|| gower::gower_nearest(black_box(queries), table.view(), &caps, 1, &|| Ok(())))
        });
    }
    group.finish();
}

criterion_group!(benches, kernels, clusters, neighbours, mixed_tables);
criterion_main!(benches);
