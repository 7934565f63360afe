//! The zygote: re-executed self with an empty environment, one socket, one
//! thread and no secrets. It loads an engine, confines itself, and
//! from then on only forks workers and reports how they ended.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::Location;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use super::alloc::{EXIT_LOST, EXIT_PANIC, EXIT_THROWN, EXIT_UNSEALED};
use super::child::{Inherited, run_worker};
use super::engine::{Engine, LoadError, Profile};
use crate::protocol::control::{CONTROL_FD, receive_control, send_control};
use crate::protocol::{
    ExitReport, Hello, Isolate as IsolateMode, Kind, MAX_NOTE, MAX_NOTES, ZygoteMessage,
    ZygoteRequest, ZygoteSetup,
};
use crate::sandbox::{
    Filters, Namespaces, SandboxPlan, confine_zygote, status_bytes, sys, unshare_namespaces,
    used_memory,
};
use crate::text::clip::head;

/// Serves as a zygote until the server is gone. The answer is an exit code.
pub(crate) fn run_zygote(engine_of: fn(Kind) -> Box<dyn Engine>) -> i32 {
    // SAFETY: this process was started with its control socket there, and
    // nothing has run before this line. If it was started by hand instead, the
    // first use of the descriptor fails and the process ends.
    let control = unsafe { sys::inherited(CONTROL_FD) };
    // A signal to the server's process group or control group is the server's to
    // answer; its zygote ends with its socket.
    sys::default_signals();
    sys::ignore_stop_signals();
    offer_to_oom_killer();
    let _ = nix::unistd::setsid();
    let setup: ZygoteSetup = match receive_control(control.as_fd()) {
        Ok(Some((setup, _))) => setup,
        _ => return EXIT_LOST,
    };
    // The limits that depend on this process's own memory are set in serve().
    let plan = SandboxPlan::new(0, setup.max_cpu_seconds, setup.without.clone());
    let namespaces = unshare_namespaces(&plan);
    // The new PID namespace is for children: the zygote proper is its process 1,
    // and with it the kernel ends every worker.
    match sys::fork_single_threaded() {
        Ok(sys::Fork::Child) => {}
        Ok(sys::Fork::Parent(child)) => {
            drop(control);
            let _ = nix::sys::wait::waitpid(child, None);
            return 0;
        }
        Err(_) => return EXIT_LOST,
    }
    let mut zygote = match Zygote::prepare(setup, engine_of, &namespaces) {
        Ok((mut zygote, hello)) => {
            let hello = ZygoteMessage::Hello(Box::new(Ok(hello)));
            // Of this process nothing of it is left: a worker must not answer itself.
            let listener = zygote.filters.take_listener();
            let listener = listener.as_ref().map(AsFd::as_fd);
            if send_control(control.as_fd(), &hello, listener).is_err() {
                return EXIT_LOST;
            }
            zygote
        }
        Err(error) => {
            let hello = ZygoteMessage::Hello(Box::new(Err(error.to_string())));
            let _ = send_control(control.as_fd(), &hello, None);
            return EXIT_UNSEALED;
        }
    };
    match zygote.serve(control.as_fd()) {
        Ok(()) => 0,
        Err(_) => EXIT_LOST,
    }
}

/// Of so many bytes of memory one is for page tables: 8 for each page of 4 KiB. They count
/// when memory is measured and not in RLIMIT_DATA, which is to be reached first: there an
/// allocation fails and V8 collects what is not used any more.
const PAGE_TABLES: u64 = 512;

/// When memory is short the kernel ends the process that has most of it, plus this many
/// thousandths of all there is: a worker or its zygote before the server, and before
/// anything else on the machine. A run can be made again, and the server starts another
/// zygote. Raising it needs no privilege; lowering it back does.
const OOM_SCORE_ADJUSTMENT: &str = "1000";

/// Where that cannot be written, the process with most memory goes first.
fn offer_to_oom_killer() {
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJUSTMENT);
}

/// What a panic ends: the process, since unwinding through an engine's frames is not
/// possible, and a worker's report is its exit code. What a program alone brings about is
/// its error; its output is with the server already.
fn exit_at_panics(is_of_program: fn(&Location<'_>) -> bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let is_thrown = panic.location().is_some_and(is_of_program);
        sys::exit_now(if is_thrown { EXIT_THROWN } else { EXIT_PANIC })
    }));
}

/// Warms an engine. What its start touched and a run does not need would be copied for
/// every worker.
fn warm(engine: &mut dyn Engine) -> Result<(), LoadError> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    sys::forget_text_pages(&maps);
    sys::with_single_text_pages(&maps, || engine.warm())
}

/// What an engine does without, as much as a hello has room for.
fn notes(engine: &dyn Engine) -> Vec<String> {
    let mut notes = engine.notes();
    if notes.len() > MAX_NOTES {
        let more = notes.len() - (MAX_NOTES - 1);
        notes.truncate(MAX_NOTES - 1);
        notes.push(format!("and {more} more"));
    }
    notes.iter().map(|note| head(note, MAX_NOTE).to_owned()).collect()
}

struct Zygote {
    plan: SandboxPlan,
    filters: Filters,
    /// Loaded; used by a worker in its own copy of this process.
    engine: Box<dyn Engine>,
    profile: Profile,
    children: SignalFd,
    workers: HashMap<Pid, u64>,
    cpus: u32,
}

impl Zygote {
    fn prepare(
        setup: ZygoteSetup,
        engine_of: fn(Kind) -> Box<dyn Engine>,
        namespaces: &Namespaces,
    ) -> Result<(Self, Hello), LoadError> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        let children =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut filters = Filters::compile()?;

        let mut engine = engine_of(setup.kind);
        exit_at_panics(engine.is_panic_of_program());
        engine.load(&setup)?;
        if setup.isolate == IsolateMode::Warm {
            warm(&mut *engine)?;
        }
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        sys::keep_mappings_across_fork(&maps);
        sys::share_file_pages_across_fork(&maps);
        let status = std::fs::read_to_string("/proc/self/status")?;
        let base_data = status_bytes(&status, "VmData:");
        let profile = engine.profile();
        let plan = SandboxPlan::new(
            base_data + profile.reserved_bytes + setup.max_memory - setup.max_memory / PAGE_TABLES,
            setup.max_cpu_seconds,
            setup.without,
        );
        let status = Hello {
            status: confine_zygote(&plan, namespaces, &mut filters)?,
            base_memory: used_memory(&status).ok_or("its memory cannot be measured")?,
            notes: notes(&*engine),
        };
        let zygote = Self {
            plan,
            filters,
            engine,
            profile,
            children,
            workers: HashMap::new(),
            cpus: u32::try_from(cpus).unwrap_or(1),
        };
        Ok((zygote, status))
    }

    /// Forks on request and reports ends, until the server is gone.
    fn serve(&mut self, control: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            let (requested, ended) = {
                let mut descriptors = [
                    PollFd::new(control, PollFlags::POLLIN),
                    PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
                ];
                poll(&mut descriptors, PollTimeout::NONE)?;
                let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
                (ready(&descriptors[0]), ready(&descriptors[1]))
            };
            if ended {
                while self.children.read_signal()?.is_some() {}
                self.report_ended(control)?;
            }
            if requested {
                match receive_control(control)? {
                    Some((ZygoteRequest::Fork { token, standby }, Some(socket))) => {
                        self.fork(control, token, standby, socket)?;
                    }
                    Some((ZygoteRequest::Fork { .. }, None)) => {}
                    None => return Ok(()),
                }
            }
        }
    }

    fn fork(
        &mut self,
        control: BorrowedFd<'_>,
        token: u64,
        standby: bool,
        socket: OwnedFd,
    ) -> io::Result<()> {
        let zygote = nix::unistd::getpid();
        let forked = match sys::fork_single_threaded() {
            Ok(sys::Fork::Child) => {
                let Self { engine, profile, plan, filters, cpus, .. } = self;
                let (engine, profile, cpus) = (&mut **engine, *profile, *cpus);
                let inherited = Inherited { engine, profile, plan, filters, cpus };
                run_worker(inherited, zygote, socket, standby)
            }
            Ok(sys::Fork::Parent(pid)) => sys::pidfd_open(pid).map(|pidfd| (pid, pidfd)),
            Err(error) => Err(error),
        };
        match forked {
            Ok((pid, pidfd)) => {
                self.workers.insert(pid, token);
                send_control(control, &ZygoteMessage::Forked { token }, Some(pidfd.as_fd()))
            }
            Err(error) => {
                let error = error.to_string();
                send_control(control, &ZygoteMessage::ForkFailed { token, error }, None)
            }
        }
    }

    fn report_ended(&mut self, control: BorrowedFd<'_>) -> io::Result<()> {
        while let Some((pid, status, usage)) = sys::reap_any() {
            let Some(token) = self.workers.remove(&pid) else { continue };
            let report = exit_report(status, &usage);
            send_control(control, &ZygoteMessage::Exited { token, report }, None)?;
        }
        Ok(())
    }
}

fn exit_report(status: libc::c_int, usage: &libc::rusage) -> ExitReport {
    let micros =
        |time: libc::timeval| u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or(0);
    ExitReport {
        code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        cpu_micros: micros(usage.ru_utime) + micros(usage.ru_stime),
        // ru_maxrss is in KiB on Linux, getrusage(2).
        max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10,
    }
}
