//! Processes, from /proc.

use std::collections::HashMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process; pids are used again, a pid with its start time is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    state: char,
    started: u64,
    /// User and system time, in ticks.
    cpu: u64,
}

impl Process {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc_pid_stat(5): the name, in brackets, may hold anything; fields follow it.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: u32::try_from(number(1)?).ok()?,
            started: number(19)?,
            cpu: number(11)? + number(12)?,
        })
    }

    /// Zombies only wait for their parent's notice, and whose parent init is, that may
    /// take its time.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Every process, zombies included.
pub fn all() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter_map(|pid| Some((pid, Process::read(pid)?))).collect()
}

/// Every process that has not ended.
pub fn living() -> HashMap<u32, Process> {
    all().into_iter().filter(|(_, process)| !process.has_ended()).collect()
}

/// Those of some processes that are below one.
fn below(pid: u32, among: &HashMap<u32, Process>) -> Vec<Process> {
    let is_below = |process: &&Process| {
        let mut parent = process.parent;
        loop {
            if parent == pid {
                return true;
            }
            match among.get(&parent) {
                Some(process) => parent = process.parent,
                None => return false,
            }
        }
    };
    among.values().filter(is_below).cloned().collect()
}

/// The processes that one had below it at one time, without zombies.
#[derive(Debug)]
pub struct Family(Vec<Process>);

impl Family {
    /// Those below a server, which has at least a zygote.
    #[track_caller]
    pub fn of(server: u32) -> Self {
        let family = Self::below(server);
        assert!(!family.0.is_empty(), "a server has a zygote");
        family
    }

    pub fn below(pid: u32) -> Self {
        Self(below(pid, &living()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In ascending order.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<_> = self.0.iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Those whose parent is one of them or the one that they are below.
    pub fn children_of(&self, parent: u32) -> Vec<u32> {
        self.0.iter().filter(|one| one.parent == parent).map(|one| one.pid).collect()
    }

    /// Those without a child whose parent is none of these.
    pub fn leaves_beyond(&self, outer: &[u32]) -> Vec<u32> {
        let has_child = |pid: u32| self.0.iter().any(|one| one.parent == pid);
        let fits = |one: &&Process| !has_child(one.pid) && !outer.contains(&one.parent);
        let mut pids: Vec<_> = self.0.iter().filter(fits).map(|one| one.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Whether none of them is left.
    pub fn is_gone(&self) -> bool {
        self.0.iter().all(|process| {
            let now = Process::read(process.pid);
            now.is_none_or(|now| now.started != process.started || now.has_ended())
        })
    }
}

/// The process below one that does nothing but use CPU time.
#[track_caller]
pub fn busy_below(pid: u32) -> Family {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let before: HashMap<u32, u64> =
            Family::below(pid).0.into_iter().map(|process| (process.pid, process.cpu)).collect();
        sleep(Duration::from_millis(300));
        let used = |process: &Process| {
            process.cpu.saturating_sub(*before.get(&process.pid).unwrap_or(&process.cpu))
        };
        let busiest = Family::below(pid).0.into_iter().max_by_key(used);
        if let Some(busiest) = busiest.filter(|process| used(process) >= 5) {
            return Family(vec![busiest]);
        }
        assert!(Instant::now() < end, "no process uses the processor");
    }
}

pub fn send(pid: u32, signal: Signal) -> nix::Result<()> {
    kill(Pid::from_raw(pid.cast_signed()), signal)
}

/// Kills a server's zygote, its only child.
#[track_caller]
pub fn kill_zygote(server: u32) {
    let children = Family::below(server).children_of(server);
    let [zygote] = children[..] else { panic!("one zygote, not {children:?}") };
    send(zygote, Signal::SIGKILL).expect("the zygote lives");
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Open descriptors of this process, which is the server of tests that use the library.
pub fn own_descriptors() -> usize {
    descriptors(std::process::id())
}

/// Processes below one, zombies included: a server reaps what it starts.
pub fn descendants(pid: u32) -> usize {
    below(pid, &all()).len()
}

/// Those below this one.
pub fn own_descendants() -> usize {
    descendants(std::process::id())
}

/// Memory of a process in bytes, by a name of proc_pid_status(5).
#[track_caller]
pub fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let size = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let size = size.and_then(|size| size.split_whitespace().next()).expect("a size");
    size.parse::<u64>().expect("a number of KiB") << 10
}

/// Most memory that a process has had, in MiB.
#[track_caller]
pub fn peak_mebibytes(pid: u32) -> u64 {
    memory(pid, "VmHWM") >> 20
}
