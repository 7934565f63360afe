//! Runs a second at 1, 4 and 16 in flight, and memory of a sleeping worker.

mod common;

use std::time::{Duration, Instant};

use common::{Peer, execute, runtime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mcp_conductor::{ExecuteRequest, Runtime};

const IN_FLIGHT: [usize; 3] = [1, 4, 16];
const RUNS: usize = 1600;
const PEER_RUNS: usize = 160;

fn compare(_: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let peer = Peer::from_env();
    let runtime = tokio.block_on(runtime(4));
    for in_flight in IN_FLIGHT {
        let start = Instant::now();
        tokio.block_on(runs(&runtime, in_flight, RUNS));
        let ours = RUNS as f64 / start.elapsed().as_secs_f64();
        let beside = peer.as_ref().map_or(String::new(), |peer| {
            let theirs = peer.rate(in_flight, PEER_RUNS);
            format!("  deno run {theirs:.0} runs/s  {:.1} times", ours / theirs)
        });
        println!("throughput {in_flight:>2} in flight: {ours:.0} runs/s{beside}");
    }
    tokio.block_on(memory(&runtime));
}

async fn runs(runtime: &Runtime, in_flight: usize, total: usize) {
    let tasks = (0..in_flight).map(|_| {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            for _ in 0..total / in_flight {
                execute(&runtime).await;
            }
        })
    });
    futures::future::try_join_all(tasks).await.expect("no run fails");
}

/// PSS of workers that have run and now wait for a timer. Reading it takes
/// CAP_SYS_PTRACE: workers cannot be traced.
async fn memory(runtime: &Runtime) {
    const WORKERS: usize = 8;
    let sleeping = (0..WORKERS).map(|_| {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            let source =
                format!("{}; await new Promise(r => setTimeout(r, 3000))", common::PROGRAM);
            runtime.execute(ExecuteRequest::new(source)).await
        })
    });
    let sleeping: Vec<_> = sleeping.collect();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut sizes: Vec<(u64, u64)> = workers().into_iter().filter_map(pss).collect();
    sizes.sort_unstable();
    match sizes.get(sizes.len() / 2) {
        Some((pss, private)) => println!(
            "memory: {} workers, median {:.2} MB PSS, {:.2} MB private dirty",
            sizes.len(),
            *pss as f64 / 1024.0,
            *private as f64 / 1024.0
        ),
        None => println!("memory: smaps_rollup of a worker cannot be read without CAP_SYS_PTRACE"),
    }
    for run in sleeping {
        run.await.unwrap().unwrap();
    }
}

/// Processes below this one that have no child: workers, busy or standing by.
fn workers() -> Vec<u32> {
    let mut parents = std::collections::HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let ppid =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parents.insert(pid, ppid.unwrap_or(0));
    }
    let below = |mut pid: u32| loop {
        match parents.get(&pid) {
            Some(&parent) if parent == std::process::id() => break true,
            Some(&parent) if parent > 1 => pid = parent,
            _ => break false,
        }
    };
    let is_parent = |pid: u32| parents.values().any(|&parent| parent == pid);
    parents.keys().copied().filter(|&pid| below(pid) && !is_parent(pid)).collect()
}

/// Pss and Private_Dirty in KiB.
fn pss(pid: u32) -> Option<(u64, u64)> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((field("Pss:")?, field("Private_Dirty:")?))
}

fn throughput(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let runtime = tokio.block_on(runtime(4));
    let mut group = criterion.benchmark_group("throughput");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for in_flight in IN_FLIGHT {
        const BATCH: usize = 64;
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(BenchmarkId::from_parameter(in_flight), |bencher| {
            bencher.to_async(&tokio).iter(|| runs(&runtime, in_flight, BATCH));
        });
    }
    group.finish();
}

criterion_group!(benches, compare, throughput);
criterion_main!(benches);
