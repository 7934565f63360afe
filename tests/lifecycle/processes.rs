//! The processes below this one, from /proc.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Tests that look at processes take turns.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every process with its parent, zombies left out.
fn parents() -> HashMap<i32, i32> {
    let mut parents = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let mut fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let (state, parent) = (fields.next().unwrap(), fields.next().unwrap());
        if state != "Z" {
            parents.insert(pid, parent.parse().unwrap());
        }
    }
    parents
}

/// Processes below this one.
pub fn descendants() -> Vec<i32> {
    let parents = parents();
    let own = std::process::id().cast_signed();
    let below = |mut pid: i32| loop {
        match parents.get(&pid) {
            Some(&parent) if parent == own => break true,
            Some(&parent) if parent > 1 => pid = parent,
            _ => break false,
        }
    };
    let mut found: Vec<i32> = parents.keys().copied().filter(|&pid| below(pid)).collect();
    found.sort_unstable();
    found
}

/// The outer zygotes: direct children.
pub fn zygotes() -> Vec<i32> {
    let own = std::process::id().cast_signed();
    parents().into_iter().filter(|(_, parent)| *parent == own).map(|(pid, _)| pid).collect()
}

/// Workers, busy or standing by: descendants without a child, below a zygote.
pub fn workers() -> Vec<i32> {
    let parents = parents();
    let zygotes = zygotes();
    let has_child = |pid: i32| parents.values().any(|&parent| parent == pid);
    let depth_two = |pid: i32| parents.get(&pid).is_some_and(|parent| !zygotes.contains(parent));
    descendants()
        .into_iter()
        .filter(|&pid| !has_child(pid) && !zygotes.contains(&pid) && depth_two(pid))
        .collect()
}

pub fn kill_9(pids: &[i32]) {
    for &pid in pids {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident anonymous bytes of this process.
pub fn resident_anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// Waits until a condition holds, at most ten seconds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "{what}: {:?}", descendants());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
