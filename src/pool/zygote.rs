//! The server's side of one zygote: fork requests out, workers and exit reports in.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::process;
use super::threads::Threads;
use crate::protocol::control::{receive_control, send_control, worker_pair};
use crate::protocol::{
    ExitReport, Generation, Hello, Kind, ZygoteMessage, ZygoteRequest, ZygoteSetup,
};
use crate::sandbox::sys;

/// A zygote says hello after about 40 ms; a loaded machine may take much longer.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// Python imports its packages first, and the checker checks some hundred programs: 3 to 4 s of
/// CPU time, of which a loaded machine makes 40.
const SLOW_HELLO_TIMEOUT: Duration = Duration::from_secs(120);

/// A fork takes about a millisecond.
const FORK_TIMEOUT: Duration = Duration::from_secs(10);

/// A running zygote.
pub(super) struct Zygote {
    control: Arc<AsyncFd<OwnedFd>>,
    expected: Arc<Expected>,
    next_token: AtomicU64,
    pub hello: Hello,
    packages: Option<Generation>,
    pub threads: Arc<Threads>,
    born: Instant,
    /// Ends the listeners.
    _dropped: DropGuard,
    // Kills the process when the last worker and the pool have let go.
    _child: Child,
}

/// What has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The worker of this token.
    Worker(u64),
    /// The zygote, and with it its workers.
    Zygote,
}

/// A worker's process, of which nothing is known yet.
pub(super) struct Forked {
    /// What the zygote calls it, from 0.
    pub token: u64,
    /// The server's end of its socket.
    pub socket: OwnedFd,
    pub pidfd: OwnedFd,
    pub exit: oneshot::Receiver<ExitReport>,
}

/// Requests without an answer yet.
#[derive(Default)]
struct Expected {
    dead: AtomicBool,
    workers: Mutex<HashMap<u64, Expectation>>,
}

struct Expectation {
    forked: Option<oneshot::Sender<Result<OwnedFd, String>>>,
    exited: oneshot::Sender<ExitReport>,
}

impl Zygote {
    /// Starts a zygote and waits until it can fork. `on_end` is told, until it is dropped,
    /// what has ended.
    pub(super) async fn start(
        executable: &Path,
        setup: ZygoteSetup,
        on_end: impl Fn(End) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let process = process::spawn(executable, &setup)
            .map_err(|error| format!("{} cannot be started: {error}", executable.display()))?;
        set_nonblocking(&process.control).map_err(|error| error.to_string())?;
        let control = sys::watch_readable(process.control).map_err(|error| error.to_string())?;
        let mut listener = None;
        let patience = hello_timeout(setup.kind);
        let hello = match timeout(patience, receive(&control)).await {
            Ok(Ok(Some((ZygoteMessage::Hello(hello), descriptor)))) => {
                listener = descriptor;
                *hello
            }
            Ok(Ok(Some(_))) => Err("its first message is not Hello".to_owned()),
            // Also if it never read its setup: ECONNRESET.
            Ok(Ok(None) | Err(_)) => Err(format!(
                "it ended before it was ready. Does {} call mcp_conductor::zygote_hook() first in \
                 main?",
                executable.display()
            )),
            Err(_) => Err(format!("it was not ready after {} s", patience.as_secs())),
        };
        let hello = hello?;
        let dropped = CancellationToken::new();
        let guard = dropped.clone().drop_guard();
        let threads =
            Threads::answer(listener, dropped.clone()).map_err(|error| error.to_string())?;
        let control = Arc::new(control);
        let expected = Arc::new(Expected::default());
        // Of a zygote that did not start nobody is told an end: it is the error.
        tokio::spawn(listen(control.clone(), expected.clone(), dropped, on_end));
        Ok(Self {
            control,
            expected,
            next_token: AtomicU64::new(0),
            hello,
            packages: setup.packages,
            threads,
            born: Instant::now(),
            _dropped: guard,
            _child: process.child,
        })
    }

    pub(super) fn is_dead(&self) -> bool {
        self.expected.dead.load(Ordering::Acquire)
    }

    /// The generation of packages that its workers have.
    pub(super) fn packages(&self) -> Option<&Generation> {
        self.packages.as_ref()
    }

    pub(super) fn forks(&self) -> u64 {
        self.next_token.load(Ordering::Relaxed)
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Forks a worker, which seals itself now.
    pub(super) async fn fork(&self, standby: bool) -> Result<Forked, String> {
        let (theirs, socket) = worker_pair().map_err(|error| format!("no socket: {error}"))?;
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let (forked, pidfd) = oneshot::channel();
        let (exited, exit) = oneshot::channel();
        self.expected.add(token, Expectation { forked: Some(forked), exited });
        let request = ZygoteRequest::Fork { token, standby };
        let sent = send_control(self.control.get_ref().as_fd(), &request, Some(theirs.as_fd()));
        drop(theirs);
        if let Err(error) = sent {
            // Its end is known here before the listener sees it.
            self.expected.end();
            return Err(format!("the zygote does not answer: {error}"));
        }
        let pidfd = match timeout(FORK_TIMEOUT, pidfd).await {
            Ok(Ok(Ok(pidfd))) => pidfd,
            Ok(Ok(Err(error))) => return Err(format!("fork: {error}")),
            Ok(Err(_)) => return Err("the zygote died".into()),
            Err(_) => {
                self.expected.forget(token);
                return Err("the zygote does not fork".into());
            }
        };
        Ok(Forked { token, socket, pidfd, exit })
    }
}

impl Expected {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Expectation>> {
        self.workers.lock()
    }

    fn add(&self, token: u64, expectation: Expectation) {
        self.lock().insert(token, expectation);
        if self.dead.load(Ordering::Acquire) {
            self.forget(token);
        }
    }

    fn forget(&self, token: u64) {
        self.lock().remove(&token);
    }

    /// Answers the worker that ended, if one did.
    fn receive(&self, message: ZygoteMessage, descriptor: Option<OwnedFd>) -> Option<End> {
        let mut workers = self.lock();
        let forked = |workers: &mut HashMap<u64, Expectation>, token, answer| {
            let expectation: Option<&mut Expectation> = workers.get_mut(&token);
            if let Some(sender) = expectation.and_then(|e| e.forked.take()) {
                // The asker may have given up; the descriptor closes, and the
                // worker ends because its socket does.
                let _ = sender.send(answer);
            }
        };
        match message {
            ZygoteMessage::Hello(_) => {}
            ZygoteMessage::Forked { token } => {
                let answer = descriptor.ok_or_else(|| "no pidfd was sent with it".to_owned());
                forked(&mut workers, token, answer);
            }
            ZygoteMessage::ForkFailed { token, error } => {
                forked(&mut workers, token, Err(error));
                workers.remove(&token);
            }
            ZygoteMessage::Exited { token, report } => {
                if let Some(expectation) = workers.remove(&token) {
                    let _ = expectation.exited.send(report);
                }
                return Some(End::Worker(token));
            }
        }
        None
    }

    /// No more messages: dropped senders notify everyone who waits.
    fn end(&self) {
        self.dead.store(true, Ordering::Release);
        self.lock().clear();
    }
}

/// How long a zygote of a kind may take until it can fork.
fn hello_timeout(kind: Kind) -> Duration {
    match kind {
        Kind::TypeScript | Kind::Packages => HELLO_TIMEOUT,
        Kind::Python | Kind::Checker => SLOW_HELLO_TIMEOUT,
    }
}

/// Receives until the zygote is gone, or dropped.
async fn listen(
    control: Arc<AsyncFd<OwnedFd>>,
    expected: Arc<Expected>,
    dropped: CancellationToken,
    on_end: impl Fn(End),
) {
    let received = async {
        while let Ok(Some((message, descriptor))) = receive(&control).await {
            if let Some(end) = expected.receive(message, descriptor) {
                on_end(end);
            }
        }
    };
    let is_dropped = dropped.run_until_cancelled(received).await.is_none();
    expected.end();
    if !is_dropped {
        on_end(End::Zygote);
    }
}

async fn receive(
    control: &AsyncFd<OwnedFd>,
) -> io::Result<Option<(ZygoteMessage, Option<OwnedFd>)>> {
    control.async_io(Interest::READABLE, |socket| receive_control(socket.as_fd())).await
}

fn set_nonblocking(socket: &OwnedFd) -> nix::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_truncate(fcntl(socket, FcntlArg::F_GETFL)?);
    fcntl(socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}
