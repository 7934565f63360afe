//! Memory of the processes below this one, as the kernel has it. Reading it takes
//! CAP_SYS_PTRACE: workers cannot be traced.

use std::collections::HashMap;
use std::time::Duration;

use mcp_conductor::{ExecuteRequest, Runtime};

/// How long a program sleeps after its work, and when it is looked at meanwhile.
const SLEEP_SECONDS: u64 = 3;
const LOOK_AFTER: Duration = Duration::from_millis(1500);

/// A worker that has run something has more than one that stands by, which is left out.
const MIN_DIRTY_KIB: u64 = 256;

/// Private dirty memory of a worker that has run a program; 1 if it is more than it may be.
pub async fn of_a_worker(runtime: &Runtime, name: &str, program: &str, most: u64) -> usize {
    let source = format!("{program}\nimport time\ntime.sleep({SLEEP_SECONDS})");
    let sleeping = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.execute(ExecuteRequest::python(source)).await }
    });
    tokio::time::sleep(LOOK_AFTER).await;
    let dirty = leaves().into_iter().filter_map(|pid| rollup(pid, "Private_Dirty:"));
    let dirty = dirty.filter(|kib| *kib > MIN_DIRTY_KIB).max();
    let _ = sleeping.await;
    let Some(kib) = dirty else {
        println!("python memory: smaps_rollup of a worker cannot be read without CAP_SYS_PTRACE");
        return 0;
    };
    report(&format!("private dirty, {name}"), kib << 10, most)
}

/// The largest process below this one, which is the zygote of Python; 1 if it is too large.
pub fn of_the_zygote(most: u64) -> usize {
    let resident = below().into_iter().filter_map(|pid| status(pid, "VmRSS:")).max();
    report("zygote", resident.unwrap_or(0) << 10, most)
}

fn report(what: &str, bytes: u64, most: u64) -> usize {
    let is_large = bytes > most;
    let mark = if is_large { "  MISSED" } else { "" };
    let [bytes, most] = [bytes, most].map(|bytes| bytes as f64 / f64::from(1 << 20));
    println!("python {what}: {bytes:.1} MB (at most {most:.0}){mark}");
    usize::from(is_large)
}

/// Processes below this one.
fn below() -> Vec<u32> {
    let parents = parents();
    let is_below = |mut pid: u32| loop {
        match parents.get(&pid) {
            Some(&parent) if parent == std::process::id() => break true,
            Some(&parent) if parent > 1 => pid = parent,
            _ => break false,
        }
    };
    parents.keys().copied().filter(|&pid| is_below(pid)).collect()
}

/// Those that have no child: workers, busy or standing by.
fn leaves() -> Vec<u32> {
    let parents = parents();
    let is_parent = |pid: u32| parents.values().any(|&parent| parent == pid);
    below().into_iter().filter(|&pid| !is_parent(pid)).collect()
}

fn parents() -> HashMap<u32, u32> {
    let mut parents = HashMap::new();
    for entry in std::fs::read_dir("/proc").expect("it is mounted").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parents.insert(pid, parent.unwrap_or(0));
    }
    parents
}

/// A figure in KiB.
fn rollup(pid: u32, name: &str) -> Option<u64> {
    figure(&std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, name)
}

fn status(pid: u32, name: &str) -> Option<u64> {
    figure(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, name)
}

fn figure(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
