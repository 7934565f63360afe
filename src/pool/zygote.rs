//! The server's side of one zygote: fork requests out, workers and their ends in.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::process;
use super::threads::Threads;
use super::worker::Worker;
use crate::protocol::control::{receive_control, send_control, worker_pair};
use crate::protocol::{ExitReport, Hello, ZygoteMessage, ZygoteRequest, ZygoteSetup};
use crate::sandbox::sys;

/// A zygote says hello after about 40 ms; a loaded machine may take much longer.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// A fork takes about a millisecond.
const FORK_TIMEOUT: Duration = Duration::from_secs(10);

/// A running zygote.
pub(super) struct Zygote {
    control: Arc<AsyncFd<OwnedFd>>,
    expected: Arc<Expected>,
    next_token: AtomicU64,
    pub hello: Hello,
    pub threads: Arc<Threads>,
    born: Instant,
    // Kills the process when the last worker and the pool have let go.
    _child: Child,
}

/// What was asked for and has not come.
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
    /// Starts a zygote and waits until it can fork.
    pub(super) async fn start(executable: &Path, setup: &ZygoteSetup) -> Result<Self, String> {
        let process = process::spawn(executable, setup)
            .map_err(|error| format!("{} cannot be started: {error}", executable.display()))?;
        set_nonblocking(&process.control).map_err(|error| error.to_string())?;
        let control = sys::watch_readable(process.control).map_err(|error| error.to_string())?;
        let mut listener = None;
        let hello = match timeout(HELLO_TIMEOUT, receive(&control)).await {
            Ok(Ok(Some((ZygoteMessage::Hello(hello), descriptor)))) => {
                listener = descriptor;
                *hello
            }
            Ok(Ok(Some(_))) => Err("its first message is no hello".to_owned()),
            // Also when it never read its setup: ECONNRESET.
            Ok(Ok(None) | Err(_)) => Err(format!(
                "it ended before it was ready. Does {} call mcp_conductor::zygote_hook() first in \
                 main?",
                executable.display()
            )),
            Err(_) => Err(format!("it was not ready after {} s", HELLO_TIMEOUT.as_secs())),
        };
        let control = Arc::new(control);
        let expected = Arc::new(Expected::default());
        tokio::spawn(listen(Arc::downgrade(&control), expected.clone()));
        Ok(Self {
            control,
            expected,
            next_token: AtomicU64::new(0),
            hello: hello?,
            threads: Threads::answer(listener).map_err(|error| error.to_string())?,
            born: Instant::now(),
            _child: process.child,
        })
    }

    pub(super) fn is_dead(&self) -> bool {
        self.expected.dead.load(Ordering::Acquire)
    }

    pub(super) fn forks(&self) -> u64 {
        self.next_token.load(Ordering::Relaxed)
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Forks a worker and waits until it is sealed, and verified to be.
    pub(super) async fn fork(
        self: &Arc<Self>,
        max_frame: usize,
        standby: bool,
    ) -> Result<Worker, String> {
        let (theirs, ours) = worker_pair().map_err(|error| format!("no socket: {error}"))?;
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
        let worker = Worker::new(self.clone(), ours, pidfd, exit, max_frame).await?;
        if token == 0 {
            worker.verify_threads()?;
        }
        Ok(worker)
    }
}

impl Expected {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Expectation>> {
        // A panic between two map operations leaves a map that is still right.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn receive(&self, message: ZygoteMessage, descriptor: Option<OwnedFd>) {
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
                let answer = descriptor.ok_or_else(|| "no pidfd came with it".to_owned());
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
            }
        }
    }

    /// Nothing more will come: whoever waits is told by a dropped sender.
    fn end(&self) {
        self.dead.store(true, Ordering::Release);
        self.lock().clear();
    }
}

/// Receives until the zygote is gone or nobody is interested in it any more.
async fn listen(control: std::sync::Weak<AsyncFd<OwnedFd>>, expected: Arc<Expected>) {
    while let Some(control) = control.upgrade() {
        let received = timeout(LISTEN_TURN, receive(&control)).await;
        match received {
            Ok(Ok(Some((message, descriptor)))) => expected.receive(message, descriptor),
            Ok(Ok(None) | Err(_)) => break,
            // Time to see whether anyone still holds the zygote.
            Err(_) => {}
        }
    }
    expected.end();
}

/// How long an idle listener, for messages or for requests of threads, keeps what nobody
/// else holds.
pub(super) const LISTEN_TURN: Duration = Duration::from_millis(500);

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
