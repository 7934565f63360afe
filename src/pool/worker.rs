//! One worker, from sealed to reaped. Dropping it kills it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::threads::MayAsk;
use super::zygote::{Forked, Zygote};
use crate::protocol::control::STOP_SIGNAL;
use crate::protocol::{ExitReport, FrameError, FrameReader, Generation, WorkerMessage, decode};
use crate::sandbox::{Layer, status_bytes, sys, used_memory, verify_threads, verify_worker};

/// Sealing takes about half a millisecond.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// A killed worker is reaped within a few milliseconds, unless it dies in a
/// page fault storm.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// For a worker with low priority: a CPU weight of 36 against the usual 1024 (sched(7)); it
/// continues and costs others hardly anything.
const NICE: i32 = 15;

const READ_BYTES: usize = 64 << 10;

/// `/proc/PID/status` has some 1.5 KiB, and more for a user of many groups.
const STATUS_BYTES: usize = 4 << 10;

/// A sealed process that waits for a program, runs one, or is about to end.
pub(crate) struct Worker {
    /// What its zygote calls it.
    token: u64,
    stream: UnixStream,
    reader: FrameReader,
    pidfd: Arc<OwnedFd>,
    pid: Pid,
    _may_ask: MayAsk,
    cpu_clock: ClockId,
    status: std::fs::File,
    /// Peak resident bytes before its program, including shared ones.
    base_rss: u64,
    exit: oneshot::Receiver<ExitReport>,
    /// The worker no longer reads its socket.
    takes_nothing: bool,
    // The zygote lives as long as its workers.
    zygote: Arc<Zygote>,
}

/// Resource usage of a worker so far, read from outside.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub cpu: Duration,
    /// Bytes of anonymous pages and page tables beyond those of a worker that has done
    /// nothing.
    pub memory: u64,
}

impl Usage {
    /// The kernel's account of a worker that has ended, of which it had `base_rss` at most
    /// before its program.
    pub(crate) fn reported(report: &ExitReport, base_rss: u64) -> Self {
        Self { cpu: report.cpu(), memory: report.max_rss.saturating_sub(base_rss) }
    }

    /// Of each the larger.
    pub(crate) fn most(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory) }
    }
}

/// A worker's frames ended or broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error("the worker is gone")]
    Closed,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the worker's socket: {0}")]
    Io(io::Error),
}

impl Worker {
    /// Forks a worker and waits until it is sealed, and verified to be.
    pub(super) async fn fork(
        zygote: &Arc<Zygote>,
        max_frame: usize,
        standby: bool,
    ) -> Result<Self, String> {
        let forked = zygote.fork(standby).await?;
        let is_first = forked.token == 0;
        let worker = Self::new(zygote.clone(), forked, max_frame).await?;
        if is_first {
            worker.verify_threads()?;
        }
        Ok(worker)
    }

    async fn new(zygote: Arc<Zygote>, forked: Forked, max_frame: usize) -> Result<Self, String> {
        let Forked { token, socket, pidfd, exit } = forked;
        let stream = StdUnixStream::from(socket);
        stream.set_nonblocking(true).map_err(|error| error.to_string())?;
        let stream = UnixStream::from_std(stream).map_err(|error| error.to_string())?;
        let pid = pid_of(&pidfd).map_err(|error| error.to_string())?;
        let pidfd = Arc::new(pidfd);
        let mut worker = Self {
            token,
            stream,
            reader: FrameReader::new(max_frame),
            _may_ask: zygote.threads.expect(pid, &pidfd),
            pidfd,
            pid,
            cpu_clock: clock_getcpuclockid(pid).map_err(unmeasured)?,
            status: std::fs::File::open(format!("/proc/{pid}/status")).map_err(unmeasured)?,
            base_rss: 0,
            exit,
            takes_nothing: false,
            zygote,
        };
        worker.expect_ready().await?;
        let status = worker.status().unwrap_or_default();
        worker.base_rss = status_bytes(&status, "VmHWM:");
        Ok(worker)
    }

    /// The generation of packages that it has.
    pub(crate) fn packages(&self) -> Option<&Generation> {
        self.zygote.packages()
    }

    async fn expect_ready(&mut self) -> Result<(), String> {
        let frame = match timeout(READY_TIMEOUT, self.exchange(&mut Vec::new(), true)).await {
            // Without an outbox, only a frame comes.
            Ok(Ok(frame)) => frame.unwrap_or_default(),
            Ok(Err(_)) => return Err("a worker could not seal itself".into()),
            Err(_) => return Err("a worker was not ready in time".into()),
        };
        match decode(&frame) {
            Ok(WorkerMessage::Ready) => {}
            _ => return Err("a worker's first message is not Ready".into()),
        }
        verify_worker(self.pid.as_raw()).map_err(not_enforced)
    }

    /// Whether each of its threads is sealed.
    fn verify_threads(&self) -> Result<(), String> {
        verify_threads(self.pid.as_raw()).map_err(not_enforced)
    }

    /// Whether the process has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        let mut descriptors = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(0))
    }

    /// What its zygote calls it.
    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// Whether its zygote has said that it ended.
    pub(super) fn is_reaped(&self) -> bool {
        !self.exit.is_empty()
    }

    /// The next frame's body, or nothing when some of `outbox` was sent: the caller
    /// may have more for it. Without `receive`, only the sending goes on.
    pub(crate) async fn exchange(
        &mut self,
        outbox: &mut Vec<u8>,
        receive: bool,
    ) -> Result<Option<Vec<u8>>, ReceiveError> {
        loop {
            if self.takes_nothing {
                outbox.clear();
            }
            let receive = receive || self.takes_nothing;
            if receive && let Some(body) = self.reader.next_body()? {
                return Ok(Some(body.to_vec()));
            }
            tokio::select! {
                readable = self.stream.readable(), if receive => {
                    readable.map_err(ReceiveError::Io)?;
                    match self.stream.try_read_buf(self.reader.spare(READ_BYTES)) {
                        Ok(0) => return Err(ReceiveError::Closed),
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(ReceiveError::Io(error)),
                    }
                }
                writable = self.stream.writable(), if !outbox.is_empty() => {
                    writable.map_err(ReceiveError::Io)?;
                    match self.stream.try_write(outbox) {
                        Ok(written) if written == outbox.len() => {
                            outbox.clear();
                            return Ok(None);
                        }
                        Ok(written) => {
                            outbox.drain(..written);
                            return Ok(None);
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        // It has closed its socket; what it said before is still to be read.
                        Err(_) => self.takes_nothing = true,
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    /// Sends a whole frame. Waits while the worker does not read.
    pub(crate) async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await
    }

    /// Asks the program to stop where it is.
    pub(crate) fn interrupt(&self) {
        let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), STOP_SIGNAL);
    }

    /// Ends the process.
    pub(crate) fn kill(&self) {
        let _ = sys::pidfd_send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
    }

    /// CPU time and memory now. Zero for what can no longer be read: of a worker that has
    /// ended, or else it is ended.
    pub(crate) fn usage(&self) -> Usage {
        let cpu = clock_gettime(self.cpu_clock).ok();
        let used = self.memory().unwrap_or_else(|| {
            // Without its main thread it would go on unmeasured; what has ended already
            // ends as it did.
            self.kill();
            0
        });
        Usage {
            cpu: cpu.map(Duration::from).unwrap_or_default(),
            memory: used.saturating_sub(self.zygote.hello.base_memory),
        }
    }

    /// Most resident bytes that it had before its program.
    pub(crate) fn base_rss(&self) -> u64 {
        self.base_rss
    }

    fn memory(&self) -> Option<u64> {
        used_memory(&self.status()?)
    }

    /// Reading it takes 6 us. `statm` takes 1 and knows nothing of page tables.
    fn status(&self) -> Option<String> {
        use std::os::unix::fs::FileExt;
        let mut buffer = vec![0; STATUS_BYTES];
        loop {
            let read = self.status.read_at(&mut buffer, 0).ok()?;
            if read < buffer.len() {
                return Some(String::from_utf8_lossy(&buffer[..read]).into_owned());
            }
            buffer.resize(2 * read, 0);
        }
    }

    /// Lowers its priority where CPUs are scarce.
    pub(crate) fn give_way(&self) {
        // While the pidfd says that it lives its pid is its own, and its group's. Without
        // effect it runs as fast as others.
        if self.is_alive() {
            let _ = sys::set_nice(self.pid, NICE);
        }
    }

    /// Waits until the process has ended; kills it after `grace`.
    pub(crate) async fn wait_for_end(&mut self, grace: Duration) -> Option<ExitReport> {
        if let Ok(report) = timeout(grace, &mut self.exit).await {
            return report.ok();
        }
        self.kill();
        timeout(EXIT_TIMEOUT, &mut self.exit).await.ok()?.ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The zygote reaps it. A pidfd never names another process.
        self.kill();
    }
}

fn not_enforced((layer, found): (Layer, String)) -> String {
    format!("{} is not enforced: {found}", layer.name())
}

/// A worker whose limits cannot be watched gets no program.
fn unmeasured(error: impl std::fmt::Display) -> String {
    format!("what it uses cannot be measured: {error}")
}

/// The pid behind a pidfd, in the PID namespace of this process's /proc.
fn pid_of(pidfd: &OwnedFd) -> io::Result<Pid> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    match pid.and_then(|pid| pid.trim().parse().ok()) {
        Some(pid) if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err(io::Error::other("the worker has ended")),
    }
}
