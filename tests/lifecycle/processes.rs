//! The processes below this one, from /proc.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::processes::{Family, memory};

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

/// Processes below this one, zombies left out.
pub fn descendants() -> Vec<i32> {
    signed(Family::below(own()).pids())
}

/// The outer zygotes: direct children.
pub fn zygotes() -> Vec<i32> {
    signed(Family::below(own()).children_of(own()))
}

/// Workers, busy or standing by: descendants without a child, below a zygote.
pub fn workers() -> Vec<i32> {
    let family = Family::below(own());
    let mut outer = family.children_of(own());
    outer.push(own());
    signed(family.leaves_beyond(&outer))
}

fn own() -> u32 {
    std::process::id()
}

fn signed(pids: Vec<u32>) -> Vec<i32> {
    pids.into_iter().map(u32::cast_signed).collect()
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

/// Resident anonymous bytes of this process.
pub fn resident_anonymous() -> u64 {
    memory(own(), "RssAnon")
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
