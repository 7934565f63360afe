//! The keeper: the one thread that forks commands, counts what they have started, and
//! reaps them. It lives as long as the server: its end would kill what it forked
//! (PR_SET_PDEATHSIG).

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::crowd::{Crowd, Groups, Member, Watch};
use crate::sandbox::{Warden, command_sys, sys};

/// How long a killed group is left to end before it is reaped, and how often one
/// that has not ended is looked at: a kill takes some milliseconds.
const REAP_INTERVAL: Duration = Duration::from_millis(10);

/// How long the server's end waits for what it has killed: a process that waits for a
/// disk dies late, and nothing can be done about it. And twice as long for the keeper,
/// which may hang itself: in a fork, or in a look at `/proc`.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// A command that runs. Dropped, it is killed: nobody waits for the answer any more.
pub(super) struct Started {
    pub leader: Leader,
    pub pidfd: OwnedFd,
    pub stdin: Option<process::ChildStdin>,
    pub stdout: Option<process::ChildStdout>,
    pub stderr: Option<process::ChildStderr>,
}

/// Starts what has been confined. Returns when the child has become the program, or
/// could not.
pub(super) async fn start(command: Command, crowd: Arc<Crowd>) -> io::Result<Started> {
    let (reply, answer) = oneshot::channel();
    hand_over(Job::Start(Box::new(Start { command, crowd, reply })))?;
    answer.await.map_err(|_| is_gone())?
}

/// Has a warden started, once in a server, which kills what is left however the server
/// ends. Blocks for as long as an exec takes.
pub(crate) fn guard_commands(executable: &Path) {
    static ASKED: AtomicBool = AtomicBool::new(false);
    if ASKED.swap(true, Ordering::Relaxed) {
        return;
    }
    let (reply, answer) = mpsc::channel();
    let job = Job::Guard(executable.to_owned(), reply);
    let started = hand_over(job).and_then(|()| answer.recv().map_err(|_| is_gone())?);
    if let Err(error) = started {
        // Before the next command it is tried again.
        tracing::warn!("processes that commands leave behind may outlive this server: {error}");
    }
}

/// Kills all commands with all that they have started, and starts no more. For the end
/// of the process: returns when none is left, or after some time.
pub fn end_commands() {
    let keeper = KEEPER.lock().clone();
    let (reply, answer) = mpsc::channel();
    if keeper.is_some_and(|keeper| keeper.send(Job::End(reply)).is_ok()) {
        let _ = answer.recv_timeout(2 * END_PATIENCE);
    }
}

/// The leader of a process group: a child that has not been reaped.
#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    of_too_many: Arc<AtomicBool>,
}

impl Leader {
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether its group was killed for the number of processes of its run.
    pub(super) fn is_of_too_many(&self) -> bool {
        self.of_too_many.load(Ordering::Acquire)
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // The pid of a child that somebody else has reaped may be anyone's.
        let job = if command_sys::ended(self.pid).is_ok() {
            kill_group(self.pid);
            Job::Reap(self.pid, Instant::now())
        } else {
            Job::Forget(self.pid)
        };
        let _ = hand_over(job);
    }
}

/// Nothing leaves a group (command_sys, PRETENDED), and no member that is just being
/// forked is missed (kernel/fork.c, copy_process: a fork with a signal pending is
/// restarted).
fn kill_group(leader: Pid) {
    let _ = killpg(leader, Signal::SIGKILL);
}

/// What the keeper is asked for.
enum Job {
    Start(Box<Start>),
    /// The leader of a group that was killed, and when.
    Reap(Pid, Instant),
    /// The leader of a group that somebody else has reaped.
    Forget(Pid),
    /// A program that can be the warden.
    Guard(PathBuf, Sender<io::Result<()>>),
    /// To kill all, and start no more.
    End(Sender<()>),
}

struct Start {
    command: Command,
    crowd: Arc<Crowd>,
    reply: oneshot::Sender<io::Result<Started>>,
}

/// The keeper's jobs, once there has been one.
static KEEPER: Mutex<Option<Sender<Job>>> = Mutex::new(None);

fn hand_over(job: Job) -> io::Result<()> {
    let mut keeper = KEEPER.lock();
    let sender = match keeper.take() {
        Some(sender) => sender,
        None => {
            let (sender, jobs) = mpsc::channel();
            let keeper = Keeper::default();
            std::thread::Builder::new().name("commands".into()).spawn(|| keeper.keep(jobs))?;
            sender
        }
    };
    sender.send(job).map_err(|_| is_gone())?;
    *keeper = Some(sender);
    Ok(())
}

fn is_gone() -> io::Error {
    io::Error::other("the thread that starts commands has ended")
}

/// The thread's own.
#[derive(Default)]
struct Keeper {
    /// By the pids of their leaders, which are nobody else's: until they are reaped
    /// here.
    groups: Groups,
    watch: Watch,
    /// Killed, and to be reaped.
    killed: Vec<(Pid, Instant)>,
    /// The program of the warden, and the process if it started.
    guard: Option<(PathBuf, Option<Warden>)>,
    /// The server ends.
    ends: bool,
}

impl Keeper {
    fn keep(mut self, jobs: Receiver<Job>) {
        loop {
            let job = match self.pause() {
                Some(pause) => jobs.recv_timeout(pause),
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match job {
                Ok(Job::Start(start)) => self.start(*start),
                Ok(Job::Reap(pid, since)) => self.killed.push((pid, since)),
                Ok(Job::Forget(pid)) => self.forget(pid),
                Ok(Job::Guard(executable, reply)) => {
                    let _ = reply.send(self.guard(executable));
                }
                Ok(Job::End(reply)) => {
                    self.end();
                    let _ = reply.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.reap();
            self.kill_crowds();
        }
    }

    /// Until there is something to do without being asked.
    fn pause(&self) -> Option<Duration> {
        let look = (!self.groups.is_empty()).then(|| self.watch.pause());
        let reap = (!self.killed.is_empty()).then_some(REAP_INTERVAL);
        look.into_iter().chain(reap).min()
    }

    fn start(&mut self, start: Start) {
        let Start { command, crowd, reply } = start;
        let started =
            if self.ends { Err(Errno::ESHUTDOWN.into()) } else { self.spawn(command, crowd) };
        // Not wanted any more: the answer is dropped, and so killed.
        let _ = reply.send(started);
    }

    fn spawn(&mut self, mut command: Command, crowd: Arc<Crowd>) -> io::Result<Started> {
        if let Some(warden) = self.warden() {
            warden.watch_what_starts(&mut command)?;
        }
        let mut child = command.spawn().inspect_err(|_| {
            if let Some((_, Some(warden))) = &self.guard {
                warden.forget_what_did_not_start();
            }
        })?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let of_too_many = Arc::new(AtomicBool::new(false));
        self.groups.insert(pid.as_raw(), Member { crowd, of_too_many: of_too_many.clone() });
        let leader = Leader { pid, of_too_many };
        let pidfd = sys::pidfd_open(pid)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Started { leader, pidfd, stdin, stdout, stderr })
    }

    /// Reaps those that have ended of what was killed.
    fn reap(&mut self) {
        let due = |since: Instant| since.elapsed() >= REAP_INTERVAL;
        for (pid, since) in std::mem::take(&mut self.killed) {
            if due(since) && reap(pid) {
                self.forget(pid);
            } else {
                self.killed.push((pid, since));
            }
        }
    }

    fn forget(&mut self, leader: Pid) {
        self.groups.remove(&leader.as_raw());
        if let Some((_, Some(warden))) = &self.guard {
            warden.forget(leader);
        }
    }

    fn kill_crowds(&mut self) {
        if self.groups.is_empty() {
            return;
        }
        for leader in self.watch.too_many(&self.groups) {
            if let Some(member) = self.groups.get(&leader) {
                member.of_too_many.store(true, Ordering::Release);
                kill_group(Pid::from_raw(leader));
            }
        }
    }

    fn guard(&mut self, executable: PathBuf) -> io::Result<()> {
        let (warden, result) = match self.new_warden(&executable) {
            Ok(warden) => (Some(warden), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.guard = Some((executable, warden));
        result
    }

    /// The warden that lives; a new one if one has died.
    fn warden(&mut self) -> Option<&Warden> {
        let (executable, warden) = self.guard.as_mut()?;
        if !warden.as_mut().is_some_and(Warden::is_alive) {
            let executable = executable.clone();
            let warden = self.new_warden(&executable).ok();
            self.guard = Some((executable, warden));
        }
        self.guard.as_ref()?.1.as_ref()
    }

    fn new_warden(&self, executable: &Path) -> io::Result<Warden> {
        let warden = Warden::start(executable)?;
        self.groups.keys().for_each(|&leader| warden.watch(Pid::from_raw(leader)));
        Ok(warden)
    }

    /// Kills all groups, and waits until none has a process.
    fn end(&mut self) {
        self.ends = true;
        let mut left: Vec<_> = self.groups.keys().copied().map(Pid::from_raw).collect();
        left.iter().copied().for_each(kill_group);
        let patience = Instant::now() + END_PATIENCE;
        while !left.is_empty() && Instant::now() < patience {
            // Without a leader that was not reaped, whoever has the number now is
            // somebody else; such a group is not signalled.
            left.retain(|&leader| !(reap(leader) && is_empty(leader)));
            std::thread::sleep(REAP_INTERVAL);
        }
        self.groups.clear();
        self.killed.clear();
    }
}

/// Whether nobody is left in a group. Asks only.
fn is_empty(leader: Pid) -> bool {
    killpg(leader, None) == Err(Errno::ESRCH)
}

/// Whether all of a group that are this process's children have ended, and are reaped
/// now: its leader, and then, until the next time, who ended later.
fn reap(leader: Pid) -> bool {
    let no_wait = Some(WaitPidFlag::WNOHANG);
    let lives = |waited: nix::Result<WaitStatus>| {
        matches!(waited, Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
    };
    if lives(waitpid(leader, no_wait)) {
        return false;
    }
    // Where the server is process 1, as in a container, orphans of the group
    // became its children. No other child has this group: only this thread
    // makes new ones, and the number is taken as long as anyone of the group is left.
    let group = Pid::from_raw(-leader.as_raw());
    loop {
        match waitpid(group, no_wait) {
            waited if lives(waited) => return false,
            Ok(_) => {}
            // None is left.
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use super::*;

    /// For a machine that has no time for this.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn sleeping(group: Pid) -> process::Child {
        Command::new("sleep").arg("1000").process_group(group.as_raw()).spawn().unwrap()
    }

    fn pid(child: &process::Child) -> Pid {
        Pid::from_raw(child.id().cast_signed())
    }

    fn until(condition: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < end);
            std::thread::sleep(REAP_INTERVAL);
        }
    }

    #[test]
    fn who_ends_after_the_leader_of_a_group_is_reaped_too() {
        let leader = pid(&sleeping(Pid::from_raw(0)));
        let member = pid(&sleeping(leader));
        nix::sys::signal::kill(leader, Signal::SIGKILL).unwrap();
        until(|| {
            assert!(!reap(leader), "a member is left");
            command_sys::ended(leader).is_err()
        });
        assert!(!reap(leader), "a member is left");
        kill_group(leader);
        until(|| reap(leader));
        assert!(command_sys::ended(member).is_err(), "it was reaped");
    }
}
