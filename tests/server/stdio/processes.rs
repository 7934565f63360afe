//! The processes below a server, from /proc.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::raw::{Server, TURN};

/// A process; pids are used again, a pid with its start time is not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    started: u64,
    /// User and system time, in ticks.
    cpu: u64,
}

/// Every process, without zombies: those only wait for their parent's notice,
/// and whose parent init is, that may take its time.
fn all() -> HashMap<i32, Process> {
    let mut all = HashMap::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name may contain anything; fields count from behind it.
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields[index].parse::<u64>().expect("a number");
        if fields[0] != "Z" && fields[0] != "X" {
            let parent = fields[1].parse().expect("a pid");
            let process =
                Process { pid, parent, started: number(19), cpu: number(11) + number(12) };
            all.insert(pid, process);
        }
    }
    all
}

fn below(server: &Server) -> Vec<Process> {
    let all = all();
    let is_below = |process: &&Process| {
        let mut parent = process.parent;
        while let Some(process) = all.get(&parent) {
            if parent == server.pid() {
                return true;
            }
            parent = process.parent;
        }
        false
    };
    all.values().filter(is_below).cloned().collect()
}

/// How many processes a server has.
pub fn count(server: &Server) -> usize {
    below(server).len()
}

/// The processes that a server had at one time.
pub struct Family(Vec<Process>);

impl Family {
    pub fn of(server: &Server) -> Self {
        let family = below(server);
        assert!(!family.is_empty(), "a server has a zygote");
        Self(family)
    }

    /// None of them is left.
    pub fn is_gone(&self) -> bool {
        let all = all();
        !self
            .0
            .iter()
            .any(|process| all.get(&process.pid).is_some_and(|now| now.started == process.started))
    }
}

/// A process of a server that does nothing but use CPU time.
pub struct Busy(Process);

impl Busy {
    pub fn below(server: &Server) -> Self {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let before: HashMap<i32, u64> =
                below(server).into_iter().map(|process| (process.pid, process.cpu)).collect();
            sleep(Duration::from_millis(300));
            let used = |process: &Process| {
                process.cpu.saturating_sub(*before.get(&process.pid).unwrap_or(&process.cpu))
            };
            let busiest = below(server).into_iter().max_by_key(used);
            if let Some(busiest) = busiest.filter(|process| used(process) >= 5) {
                return Self(busiest);
            }
            assert!(Instant::now() < end, "no process uses the processor");
        }
    }

    pub fn is_gone(&self) -> bool {
        Family(vec![self.0.clone()]).is_gone()
    }
}

/// Kills a server's zygote, its only child.
pub fn kill_zygote(server: &Server) {
    let children: Vec<i32> = below(server)
        .into_iter()
        .filter(|process| process.parent == server.pid())
        .map(|process| process.pid)
        .collect();
    let [zygote] = children[..] else { panic!("one zygote, not {children:?}") };
    kill(Pid::from_raw(zygote), Signal::SIGKILL).expect("the zygote lives");
}

/// Waits until a condition holds.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    loop {
        // A thread that was stopped until the end still looks once.
        let is_last = Instant::now() > end;
        if condition() {
            return;
        }
        assert!(!is_last, "not within {limit:?}: {what}");
        sleep(TURN);
    }
}
