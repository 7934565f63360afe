//! A tracer of its own: every system call, page fault and message of a server and of
//! the processes below it, counted with ptrace. Counts, unlike times, are the same on a
//! busy machine.
//!
//! One thread starts the server, attaches to it before its first instruction and follows
//! every fork. The thread that asks reads what was counted when everything is at rest.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, BufRead, BufReader, IoSliceMut, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::sys::{At, go_on, seize, system_call};

/// Longest wait for an answer, or for everything to be at rest. A traced start takes
/// about 2 s on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether everything is at rest, and how often in a row it has
/// to be: longer together than it takes a process to be woken on a busy machine.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const LOOKS_AT_REST: usize = 4;

/// Argument of a zygote, by which it is told from other processes of a server.
const ZYGOTE: &str = "mcp-conductor-zygote";

/// Stops, so that the tracer attaches before the program begins, and becomes the program.
const STOPPED_FIRST: &str = "kill -STOP $$; exec \"$@\"";

/// Bytes of the length before each frame on a worker's socket.
const HEADER_BYTES: usize = 4;

/// What a process is to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Server,
    Zygote,
    Worker,
    /// What the server starts besides: servers of tools, commands.
    Other,
}

/// How often each system call was begun, by its number.
#[derive(Debug, Clone, Default)]
pub struct Calls(BTreeMap<u64, u64>);

impl Calls {
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Of those numbers.
    pub fn of(&self, numbers: &[libc::c_long]) -> u64 {
        numbers.iter().filter_map(|&number| self.0.get(&number.cast_unsigned())).sum()
    }

    pub fn by_number(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(&number, &count)| (number, count))
    }

    /// What was added since then.
    pub fn since(&self, before: &Self) -> Self {
        let added = self.0.iter().map(|(&number, &count)| {
            (number, count - before.0.get(&number).copied().unwrap_or_default())
        });
        Self(added.filter(|&(_, count)| count > 0).collect())
    }

    fn add(&mut self, others: &Self) {
        for (number, count) in others.by_number() {
            *self.0.entry(number).or_default() += count;
        }
    }
}

/// One direction of a worker's socket.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    pub bytes: u64,
    /// Whole frames; what could not be read is counted as one frame a call.
    pub frames: u64,
    /// Of the frame that has begun: the header as far as it came, and what is missing.
    header: Vec<u8>,
    missing: usize,
}

impl Traffic {
    fn pass(&mut self, mut data: &[u8]) {
        self.bytes += data.len() as u64;
        while !data.is_empty() {
            if self.missing == 0 {
                self.header.push(data[0]);
                data = &data[1..];
                if let Ok(length) = <[u8; HEADER_BYTES]>::try_from(&*self.header) {
                    self.header.clear();
                    self.frames += 1;
                    self.missing = u32::from_le_bytes(length) as usize;
                }
            } else {
                let passed = self.missing.min(data.len());
                self.missing -= passed;
                data = &data[passed..];
            }
        }
    }
}

/// A worker from its fork to its exit.
#[derive(Debug, Clone)]
pub struct Life {
    pub calls: Calls,
    /// Minor page faults: no disk is asked.
    pub faults: u64,
    pub to_server: Traffic,
    pub from_server: Traffic,
}

/// What was counted until now.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    pub server: Calls,
    pub zygote: Calls,
    /// Workers that ended, in that order.
    pub workers: Vec<Life>,
}

/// Where the server and all below it run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpus {
    /// On one processor: the server has one thread for its tasks, and how often threads
    /// wake each other does not depend on the machine.
    One,
    All,
}

/// Why nothing can be counted on this machine.
#[derive(Debug)]
pub struct Unavailable(pub String);

struct Process {
    role: Role,
    parent: Pid,
    calls: Calls,
    faults: u64,
    to_server: Traffic,
    from_server: Traffic,
}

#[derive(Default)]
struct State {
    /// Every thread, with its process.
    tasks: HashMap<Pid, Pid>,
    /// What each worker is in: the number of the call, and where its data is.
    inside: HashMap<Pid, (u64, u64)>,
    processes: HashMap<Pid, Process>,
    /// Of processes that are gone.
    ended: Counted,
    stops: u64,
}

/// A traced server that is asked over its stdin and answers on its stdout.
pub struct Traced {
    root: Pid,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    state: Arc<Mutex<State>>,
    tracer: Option<JoinHandle<()>>,
}

impl Traced {
    /// Starts a program that is traced from its first instruction. `quiet` leaves its reads of stdin
    /// and its writes to stdout out.
    ///
    /// # Errors
    /// This machine does not let one process trace another.
    pub fn start(
        command: &[&str],
        env: &[(&str, &str)],
        cpus: Cpus,
        quiet: bool,
    ) -> Result<Self, Unavailable> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", STOPPED_FIRST, "sh"]).args(command).env_clear();
        shell.envs(env.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let (sender, started) = channel();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        // Whoever attaches is the only one to be told of stops, and has to be the parent.
        let tracer = spawn(move || trace(&mut shell, cpus, quiet, &shared, &sender));
        let mut child = started.recv().expect("the tracer says what became of it")?;
        Ok(Self {
            root: pid_of(&child),
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("a pipe")),
            state,
            tracer: Some(tracer),
        })
    }

    /// Sends a line.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open until the end");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    /// Sends a line and waits for one that `is_answer`.
    pub fn ask(&mut self, line: &str, is_answer: impl Fn(&str) -> bool) -> String {
        self.tell(line);
        loop {
            let mut answer = String::new();
            let length = self.stdout.read_line(&mut answer).expect("the server answers");
            assert!(length > 0, "the server ended");
            if is_answer(&answer) {
                return answer;
            }
        }
    }

    /// Waits until nothing runs any more and so many workers wait, and says what was
    /// counted until then.
    pub fn at_rest(&self, workers: usize) -> Counted {
        let end = Instant::now() + PATIENCE;
        let (mut looks, mut stops) = (0, 0);
        while looks < LOOKS_AT_REST {
            sleep(LOOK_EVERY);
            let state = locked(&self.state);
            let is_quiet = state.stops == stops
                && state.living(Role::Worker) == workers
                && state.tasks.iter().all(|(task, process)| sleeps(*process, *task));
            stops = state.stops;
            looks = if is_quiet { looks + 1 } else { 0 };
            assert!(Instant::now() < end, "never at rest: {:?}", state.tasks);
        }
        locked(&self.state).counted()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = kill(self.root, Signal::SIGKILL);
        let _ = self.tracer.take().map(JoinHandle::join);
    }
}

impl State {
    fn living(&self, role: Role) -> usize {
        self.processes.values().filter(|process| process.role == role).count()
    }

    fn counted(&self) -> Counted {
        let mut counted = self.ended.clone();
        for process in self.processes.values() {
            counted.add(process);
        }
        counted
    }

    /// The process of a task, which is looked up when it is seen first: its first stop may
    /// come before its parent's.
    fn process_of(&mut self, task: Pid) -> Option<&mut Process> {
        if !self.tasks.contains_key(&task) {
            self.appeared(task)?;
        }
        self.processes.get_mut(self.tasks.get(&task)?)
    }

    fn appeared(&mut self, task: Pid) -> Option<()> {
        let (process, parent) = (status(task, "Tgid:")?, status(task, "PPid:")?);
        self.tasks.insert(task, process);
        let role = self.role_of(process, parent);
        self.processes.entry(process).or_insert_with(|| Process::new(role, parent));
        Some(())
    }

    fn role_of(&self, process: Pid, parent: Pid) -> Role {
        match self.processes.get(&parent).map(|parent| parent.role) {
            None if self.processes.is_empty() => Role::Server,
            None => Role::Other,
            // Not known before it is exec'd: see `after_exec`.
            Some(Role::Server) if is_zygote(process) => Role::Zygote,
            Some(Role::Server | Role::Other | Role::Worker) => Role::Other,
            Some(Role::Zygote) => {
                // The zygote's own child is the zygote that forks.
                let grandparent = self.processes[&parent].parent;
                let of_server =
                    |pid| self.processes.get(&pid).is_some_and(|p| p.role == Role::Server);
                if of_server(grandparent) { Role::Zygote } else { Role::Worker }
            }
        }
    }

    fn after_exec(&mut self, task: Pid) {
        if let Some(process) = self.process_of(task)
            && process.role == Role::Other
            && is_zygote(task)
        {
            process.role = Role::Zygote;
        }
    }

    fn entered(&mut self, task: Pid, number: u64, arguments: [u64; 6], quiet: bool) {
        let Some(process) = self.process_of(task) else { return };
        let [first, buffer, ..] = arguments;
        if !(quiet && process.role == Role::Server && is_stdio(number, first)) {
            *process.calls.0.entry(number).or_default() += 1;
        }
        if process.role == Role::Worker {
            self.inside.insert(task, (number, buffer));
        }
    }

    fn left(&mut self, task: Pid, result: i64) {
        let Some((number, buffer)) = self.inside.remove(&task) else { return };
        let Some(process) = self.process_of(task) else { return };
        let traffic = match number.cast_signed() {
            libc::SYS_sendto => &mut process.to_server,
            libc::SYS_recvfrom => &mut process.from_server,
            _ => return,
        };
        let Ok(length @ 1..) = usize::try_from(result) else { return };
        match read_memory(task, buffer, length) {
            Ok(data) => traffic.pass(&data),
            Err(_) => {
                traffic.bytes += length as u64;
                traffic.frames += 1;
            }
        }
    }

    /// A task is about to end; its process is still there.
    fn ending(&mut self, task: Pid) {
        if let Some(process) = self.process_of(task) {
            process.faults = process.faults.max(minor_faults(task).unwrap_or_default());
        }
    }

    fn gone(&mut self, task: Pid) {
        self.inside.remove(&task);
        if let Some(process) = self.tasks.remove(&task)
            && process == task
            && let Some(process) = self.processes.remove(&task)
        {
            if process.role == Role::Worker {
                self.ended.workers.push(process.into());
            } else {
                self.ended.add(&process);
            }
        }
    }
}

impl Counted {
    fn add(&mut self, process: &Process) {
        match process.role {
            Role::Server => self.server.add(&process.calls),
            Role::Zygote => self.zygote.add(&process.calls),
            Role::Worker | Role::Other => {}
        }
    }
}

impl Process {
    fn new(role: Role, parent: Pid) -> Self {
        let (to_server, from_server) = <(Traffic, Traffic)>::default();
        Self { role, parent, calls: Calls::default(), faults: 0, to_server, from_server }
    }
}

impl From<Process> for Life {
    fn from(process: Process) -> Self {
        let Process { calls, faults, to_server, from_server, .. } = process;
        Self { calls, faults, to_server, from_server }
    }
}

/// A read of stdin or a write to stdout begins.
fn is_stdio(number: u64, descriptor: u64) -> bool {
    match number.cast_signed() {
        libc::SYS_read => descriptor == 0,
        libc::SYS_write => descriptor == 1,
        _ => false,
    }
}

/// Starts the program, attaches, and counts until the last of its processes is gone.
fn trace(
    shell: &mut Command,
    cpus: Cpus,
    quiet: bool,
    state: &Mutex<State>,
    started: &Sender<Result<Child, Unavailable>>,
) {
    let attached = shell.spawn().map_err(|error| format!("/bin/sh: {error}")).and_then(
        |mut child| match attach(pid_of(&child), cpus) {
            Ok(()) => Ok(child),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("ptrace: {error}"))
            }
        },
    );
    let is_attached = attached.is_ok();
    let _ = started.send(attached.map_err(Unavailable));
    if is_attached {
        follow(quiet, state);
    }
}

fn attach(child: Pid, cpus: Cpus) -> nix::Result<()> {
    waitpid(child, Some(WaitPidFlag::WUNTRACED))?;
    if cpus == Cpus::One {
        sched_setaffinity(child, &one_cpu()?)?;
    }
    seize(child)?;
    kill(child, Signal::SIGCONT)
}

/// The first one that this process may use.
fn one_cpu() -> nix::Result<CpuSet> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let first = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(first.ok_or(Errno::EINVAL)?)?;
    Ok(one)
}

fn follow(quiet: bool, state: &Mutex<State>) {
    // Not the children of other threads of this process.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let stopped = match waitpid(None, Some(flags)) {
            Ok(stopped) => stopped,
            Err(Errno::EINTR) => continue,
            Err(Errno::ECHILD) => return,
            Err(error) => panic!("waitpid: {error}"),
        };
        let Some(task) = stopped.pid() else { continue };
        let mut state = locked(state);
        state.stops += 1;
        let signal = count(&mut state, stopped, quiet);
        drop(state);
        // One that was killed meanwhile is heard of again when it ends.
        let _ = go_on(task, signal);
    }
}

/// Counts what stopped a task; the signal that it is to have.
fn count(state: &mut State, stopped: WaitStatus, quiet: bool) -> Option<Signal> {
    match stopped {
        WaitStatus::PtraceSyscall(task) => match system_call(task) {
            Ok(At::Entry { number, arguments }) => state.entered(task, number, arguments, quiet),
            Ok(At::Exit { result }) => state.left(task, result),
            // Killed meanwhile.
            Ok(At::Elsewhere) | Err(_) => {}
        },
        WaitStatus::PtraceEvent(task, _, libc::PTRACE_EVENT_EXIT) => state.ending(task),
        WaitStatus::PtraceEvent(task, _, libc::PTRACE_EVENT_EXEC) => state.after_exec(task),
        WaitStatus::PtraceEvent(task, ..) => drop(state.process_of(task)),
        WaitStatus::Exited(task, _) | WaitStatus::Signaled(task, ..) => state.gone(task),
        WaitStatus::Stopped(task, signal) => {
            state.process_of(task);
            return Some(signal);
        }
        _ => {}
    }
    None
}

fn read_memory(task: Pid, address: u64, length: usize) -> nix::Result<Vec<u8>> {
    let mut data = vec![0; length];
    let from =
        RemoteIoVec { base: usize::try_from(address).map_err(|_| Errno::EFAULT)?, len: length };
    let read = process_vm_readv(task, &mut [IoSliceMut::new(&mut data)], &[from])?;
    if read == length { Ok(data) } else { Err(Errno::EFAULT) }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn status(task: Pid, field: &str) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{task}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    value.trim().parse().ok().map(Pid::from_raw)
}

/// The fields of /proc/PID/stat from the state on, which is the third.
fn stat(file: &str) -> io::Result<Vec<String>> {
    let stat = fs::read_to_string(file)?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

/// Waits inside of a system call; also of one that is gone.
fn sleeps(process: Pid, task: Pid) -> bool {
    stat(&format!("/proc/{process}/task/{task}/stat"))
        .map_or(true, |fields| fields.first().is_some_and(|state| state == "S"))
}

/// Field 10 of proc(5), for all threads of the process.
fn minor_faults(process: Pid) -> Option<u64> {
    stat(&format!("/proc/{process}/stat")).ok()?.get(10 - 3)?.parse().ok()
}

fn is_zygote(process: Pid) -> bool {
    let arguments = fs::read(Path::new("/proc").join(process.to_string()).join("cmdline"));
    arguments.is_ok_and(|all| all.split(|&byte| byte == 0).any(|one| one == ZYGOTE.as_bytes()))
}

/// Names of the system calls that a run has; the number of another.
pub fn name_of(number: u64) -> String {
    macro_rules! name {
        ($($name:ident)*) => {
            match number.cast_signed() {
                $(libc::$name => stringify!($name).trim_start_matches("SYS_").to_owned(),)*
                _ => format!("#{number}"),
            }
        };
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(name) = older_name(number) {
        return name.to_owned();
    }
    name! {
        SYS_bind SYS_brk SYS_chdir SYS_clock_getres SYS_clock_gettime SYS_clone SYS_clone3
        SYS_close SYS_close_range SYS_connect SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl
        SYS_epoll_pwait SYS_eventfd2 SYS_exit SYS_exit_group SYS_faccessat SYS_fchdir SYS_fcntl
        SYS_fstat SYS_fstatfs SYS_fsync SYS_futex SYS_getdents64 SYS_getpid SYS_getppid
        SYS_getrandom SYS_getsockopt SYS_gettid SYS_getuid SYS_ioctl SYS_kill SYS_lseek
        SYS_madvise SYS_membarrier SYS_mmap SYS_mprotect SYS_mremap SYS_munmap SYS_newfstatat
        SYS_openat SYS_openat2 SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2 SYS_ppoll
        SYS_prctl SYS_pread64 SYS_prlimit64 SYS_read SYS_readlinkat SYS_readv SYS_recvfrom
        SYS_recvmsg SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigprocmask
        SYS_rt_sigreturn SYS_sched_getaffinity SYS_sched_yield SYS_seccomp SYS_sendmsg
        SYS_sendto SYS_set_robust_list SYS_setpgid SYS_setsockopt SYS_shutdown SYS_sigaltstack
        SYS_socket SYS_socketpair SYS_statx SYS_tgkill SYS_timerfd_create SYS_timerfd_settime
        SYS_umask SYS_uname SYS_unlinkat SYS_wait4 SYS_waitid SYS_write SYS_writev
    }
}

/// Those that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
fn older_name(number: u64) -> Option<&'static str> {
    Some(match number.cast_signed() {
        libc::SYS_dup2 => "dup2",
        libc::SYS_epoll_wait => "epoll_wait",
        libc::SYS_fork => "fork",
        libc::SYS_open => "open",
        libc::SYS_poll => "poll",
        libc::SYS_readlink => "readlink",
        libc::SYS_stat => "stat",
        libc::SYS_vfork => "vfork",
        _ => return None,
    })
}
