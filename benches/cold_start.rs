//! From a program to its value through `Runtime::execute`, with and without a
//! standby worker, and beside `deno run` when CONDUCTOR_BENCH_DENO names one.
//!
//! With CONDUCTOR_BENCH_OTHER, the path of another build, only the two programs are compared.
//!
//! The samples alternate, so that noise of the machine meets all alike. The first
//! lines printed are medians and ratios; criterion follows.

mod common;

use std::time::{Duration, Instant};

use common::{Peer, execute, other, percentile, runtime, until_ready};
use criterion::{Criterion, criterion_group};

const SAMPLES: usize = 200;

/// Both ways to alternate: single samples, each after the peer has had the caches,
/// and blocks, most of whose samples come after one of their own kind.
fn compare(_: &mut Criterion) {
    for block in [1, 20] {
        println!("cold_start, alternating every {block}:");
        compare_in_blocks(block);
    }
}

fn compare_in_blocks(block: usize) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let peer = Peer::from_env();
    let (mut standby, mut on_demand, mut deno) = (Vec::new(), Vec::new(), Vec::new());
    tokio.block_on(async {
        let (with, without) = (runtime(2).await, runtime(0).await);
        for _ in 0..SAMPLES / block {
            for _ in 0..block {
                until_ready(&with, 2).await;
                standby.push(timed(&with).await);
            }
            // The next sample must not share the machine with a refill.
            until_ready(&with, 2).await;
            for _ in 0..block {
                on_demand.push(timed(&without).await);
            }
            for _ in 0..block {
                deno.extend(peer.as_ref().map(Peer::run));
            }
        }
    });
    let base = (!deno.is_empty()).then(|| percentile(&mut deno, 0.5));
    for (name, samples) in
        [("standby", &mut standby), ("on demand", &mut on_demand), ("deno run", &mut deno)]
    {
        if samples.is_empty() {
            continue;
        }
        let (median, p99) = (percentile(samples, 0.5), percentile(samples, 0.99));
        let ratio = base.map_or(String::new(), |base| {
            format!("  1/{:.1} of deno run", base.as_secs_f64() / median.as_secs_f64())
        });
        println!("cold_start {name:<10} median {median:>9.2?}  p99 {p99:>9.2?}{ratio}");
    }
}

async fn timed(runtime: &mcp_conductor::Runtime) -> Duration {
    let start = Instant::now();
    execute(runtime).await;
    start.elapsed()
}

fn cold_start(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("cold_start");
    group.sample_size(50).measurement_time(Duration::from_secs(5));
    for (name, standby) in [("standby", 2), ("on_demand", 0)] {
        let runtime = tokio.block_on(runtime(standby));
        group.bench_function(name, |bencher| {
            bencher.to_async(&tokio).iter_custom(|iterations| {
                let runtime = runtime.clone();
                async move {
                    let mut total = Duration::ZERO;
                    for _ in 0..iterations {
                        until_ready(&runtime, standby).await;
                        total += timed(&runtime).await;
                    }
                    total
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compare, cold_start);

fn main() {
    if !other::compare() {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
