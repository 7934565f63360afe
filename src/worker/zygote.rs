//! The zygote: re-executed self with an empty environment, one socket, one
//! thread and no secrets. It makes V8 and the isolate, confines itself, and
//! from then on only forks workers and reports how they ended.

use std::collections::HashMap;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use tokio::runtime::Runtime;

use super::alloc::{self, EXIT_LOST, EXIT_PANIC, EXIT_THROWN, EXIT_UNSEALED};
use super::connection::Connection;
use super::host::WorkerHost;
use super::icu::set_time_zone;
use super::isolate::{self, Isolate};
use super::run::{Run, touch, warm_up};
use super::stop;
use super::unfinished::Timers;
use crate::protocol::control::{CONTROL_FD, ZYGOTE_ARGUMENT, receive_control, send_control};
use crate::protocol::{
    ExitReport, Hello, Isolate as IsolateMode, WorkerMessage, ZygoteMessage, ZygoteRequest,
    ZygoteSetup,
};
use crate::sandbox::{
    CRYPTO_STACK_BYTES, CRYPTO_THREADS, Filters, SandboxPlan, WARDEN_ARGUMENT, confine_zygote,
    run_warden, seal_worker, status_bytes, sys, unshare_namespaces, used_memory,
};

static HOOKED: AtomicBool = AtomicBool::new(false);

/// Lets this executable serve as the zygote, and as the warden of commands. To be
/// called first in `main`, in a program that embeds the library: when the process was
/// started as one of them it does not return.
///
/// ```no_run
/// // The first line of main:
/// mcp_conductor::zygote_hook();
/// ```
pub fn zygote_hook() {
    HOOKED.store(true, Ordering::Relaxed);
    let argument = std::env::args_os().nth(1);
    if argument.as_ref().is_some_and(|argument| argument == ZYGOTE_ARGUMENT) {
        sys::exit_now(run_zygote());
    }
    if argument.as_ref().is_some_and(|argument| argument == WARDEN_ARGUMENT) {
        sys::exit_now(run_warden());
    }
}

/// Whether this process's executable can serve as a zygote.
pub(crate) fn hook_was_called() -> bool {
    HOOKED.load(Ordering::Relaxed)
}

fn run_zygote() -> i32 {
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
    let mut zygote = match Zygote::prepare(setup, &namespaces) {
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

/// Where deno_core makes an error of what an imported module has thrown
/// (`catch_dynamic_import_promise_error` of the version that Cargo.toml names): it takes
/// for granted that the message of an Error without a stack is a string.
const IMPORT_FAILS: (&str, RangeInclusive<u32>) = ("runtime/bindings.rs", 1624..=1678);

/// What a panic says. What a program alone brings about is its error; its output is with
/// the server already.
fn exit_code(panic: Option<&Location<'_>>) -> i32 {
    let (file, lines) = IMPORT_FAILS;
    let is_of_import = |place: &&Location<'_>| {
        place.file().ends_with(file)
            && place.file().contains("deno_core")
            && lines.contains(&place.line())
    };
    panic.filter(is_of_import).map_or(EXIT_PANIC, |_| EXIT_THROWN)
}

struct Zygote {
    setup: ZygoteSetup,
    plan: SandboxPlan,
    filters: Filters,
    /// The warm isolate; taken by a worker in its own copy of this process.
    isolate: Option<Isolate>,
    children: SignalFd,
    workers: HashMap<Pid, u64>,
    cpus: u32,
}

impl Zygote {
    fn prepare(
        setup: ZygoteSetup,
        namespaces: &crate::sandbox::Namespaces,
    ) -> Result<(Self, Hello), Box<dyn std::error::Error>> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        let children =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut filters = Filters::compile()?;

        // Unwinding through V8's frames is not possible, and a worker's report
        // is its exit code.
        std::panic::set_hook(Box::new(|panic| sys::exit_now(exit_code(panic.location()))));
        isolate::initialize_v8();
        set_time_zone(&setup.time_zone)
            .map_err(|code| format!("ICU cannot set the time zone: error {code}"))?;
        let isolate = match setup.isolate {
            IsolateMode::Warm => Some(warm_isolate(setup.max_memory)?),
            IsolateMode::Fresh => None,
        };
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        sys::keep_mappings_across_fork(&maps);
        sys::share_file_pages_across_fork(&maps);
        let status = std::fs::read_to_string("/proc/self/status")?;
        let base_data = status_bytes(&status, "VmData:");
        // A fresh isolate reserves its code range after the fork.
        let isolate_bytes = if isolate.is_some() { 0 } else { CODE_RANGE_BYTES };
        let plan = SandboxPlan::new(
            base_data + isolate_bytes + setup.max_memory - setup.max_memory / PAGE_TABLES,
            setup.max_cpu_seconds,
            setup.without.clone(),
        );
        let status = Hello {
            status: confine_zygote(&plan, namespaces, &mut filters)?,
            base_memory: used_memory(&status).ok_or("its memory cannot be measured")?,
        };
        let zygote = Self {
            setup,
            plan,
            filters,
            isolate,
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
                let isolate = self.isolate.take();
                run_worker(self, isolate, zygote, socket, standby)
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

/// What V8 reserves for code, writable and executable, when an isolate is made.
const CODE_RANGE_BYTES: u64 = 512 << 20;

fn warm_isolate(max_memory: u64) -> io::Result<Isolate> {
    // Without an I/O driver the runtime owns no descriptor that a fork would
    // share. V8's delayed tasks land in it and are never run after this.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut isolate = {
        let _guard = runtime.enter();
        Isolate::new(max_memory)
    };
    // What V8's start touched and a run does not need would be copied for every
    // worker.
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    sys::forget_text_pages(&maps);
    sys::with_single_text_pages(&maps, || runtime.block_on(warm_up(&mut isolate)))
        .map_err(|error| io::Error::other(error.to_string()))?;
    std::mem::forget(runtime);
    Ok(isolate)
}

/// The life of a worker: seal, receive, run, answer, exit.
fn run_worker(
    parent: &Zygote,
    isolate: Option<Isolate>,
    zygote: Pid,
    socket: OwnedFd,
    standby: bool,
) -> ! {
    alloc::enter_worker();
    let sealed = seal_worker(&parent.plan, &parent.filters, zygote, socket, || {
        let runtime = event_loop()?;
        if parent.filters.threads_are_made_before() {
            make_threads(&runtime);
        }
        isolate::reseed()?;
        let mut isolate = isolate.unwrap_or_else(|| {
            let _guard = runtime.enter();
            Isolate::new(parent.setup.max_memory)
        });
        let handle = isolate.runtime.v8_isolate().thread_safe_handle();
        stop::install(handle.clone())?;
        Ok((runtime, isolate, handle))
    });
    let Ok((runtime, mut isolate, handle)) = sealed else { sys::exit_now(EXIT_UNSEALED) };

    // SAFETY: seal_worker put the socket there and closed everything above.
    let socket = unsafe { sys::inherited(CONTROL_FD) };
    let connection = {
        let _guard = runtime.enter();
        Connection::new(socket).map(Rc::new)
    };
    let Ok(connection) = connection else { sys::exit_now(EXIT_LOST) };
    let lost = |_| sys::exit_now(EXIT_LOST);
    if standby {
        // Nobody waits for this worker yet.
        touch(&mut isolate);
    }
    connection.send(&WorkerMessage::Ready).unwrap_or_else(lost);
    let program = match connection.receive_program() {
        Ok(program) => program,
        Err(_) => sys::exit_now(EXIT_LOST),
    };
    let mapper = isolate.runtime.source_mapper();
    let timers = Timers::new(isolate.runtime.runtime_activity_stats_factory());
    let host = WorkerHost::new(connection.clone(), handle, mapper, timers, parent.cpus);
    let host = Rc::new(host);
    // Never dropped: V8 would take the isolate apart, page by page.
    let mut run = ManuallyDrop::new(Run::new(isolate, connection.clone(), host));
    match runtime.block_on(run.execute(*program)) {
        Ok(outcome) => {
            connection.send(&WorkerMessage::Outcome(Box::new(outcome))).unwrap_or_else(lost);
            sys::exit_now(0)
        }
        Err(_) => sys::exit_now(EXIT_LOST),
    }
}

/// A worker's event loop. Its threads are kept for its whole life: only so many can be
/// made.
fn event_loop() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CRYPTO_THREADS)
        .thread_stack_size(CRYPTO_STACK_BYTES)
        .thread_keep_alive(Duration::MAX)
        .build()
}

/// Makes all threads that a worker will have, where none can be made after the seal.
fn make_threads(runtime: &Runtime) {
    // One that has nothing to do would be given what the next is made for: they are held
    // until all are there.
    let all_there = Arc::new(RwLock::new(()));
    let held = all_there.write();
    for _ in 0..CRYPTO_THREADS {
        let all_there = all_there.clone();
        runtime.spawn_blocking(move || drop(all_there.read()));
    }
    drop(held);
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
