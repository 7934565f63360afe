//! The processes below this one, from /proc.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest wait for processes to come or to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Tests that look at processes take turns. Those of the test before are gone by then:
/// its tokio runtime ends after its turn, and the kernel takes its time for them.
#[track_caller]
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let end = Instant::now() + PATIENCE;
    while !descendants().is_empty() {
        assert!(Instant::now() < end, "left of another test: {:?}", descendants());
        std::thread::sleep(LOOK_EVERY);
    }
    turn
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
    signal(pids, Signal::SIGKILL);
}

/// Some may have ended by themselves.
pub fn signal(pids: &[i32], signal: Signal) {
    for &pid in pids {
        let _ = kill(Pid::from_raw(pid), signal);
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
    let end = Instant::now() + PATIENCE;
    loop {
        // This process may have been stopped since it last looked.
        let is_last = Instant::now() > end;
        if condition() {
            return;
        }
        assert!(!is_last, "{what}: {:?}", descendants());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
