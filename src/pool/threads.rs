//! Threads that workers ask for.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{CRYPTO_THREADS, ThreadRequest, allow_thread, next_request, sys};

/// What each worker of a zygote has been given.
#[derive(Default)]
pub(super) struct Threads {
    workers: Mutex<HashMap<Pid, Given>>,
    next: AtomicU64,
}

struct Given {
    /// Pids are used again, and who had one before may be forgotten later.
    number: u64,
    pidfd: Arc<OwnedFd>,
    threads: usize,
}

/// A worker may be given threads for as long as this is held.
pub(super) struct MayAsk {
    threads: Arc<Threads>,
    pid: Pid,
    number: u64,
}

impl Threads {
    /// Answers the requests that come to `listener`, until the zygote is dropped.
    pub(super) fn answer(
        listener: Option<OwnedFd>,
        dropped: CancellationToken,
    ) -> io::Result<Arc<Self>> {
        let threads = Arc::new(Self::default());
        if let Some(listener) = listener {
            let listener = sys::watch_readable(listener)?;
            let threads = threads.clone();
            tokio::spawn(async move {
                dropped.run_until_cancelled(listen(listener, threads)).await;
            });
        }
        Ok(threads)
    }

    /// From now on a worker may ask.
    pub(super) fn expect(self: &Arc<Self>, pid: Pid, pidfd: &Arc<OwnedFd>) -> MayAsk {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(pid, Given { number, pidfd: pidfd.clone(), threads: 0 });
        MayAsk { threads: self.clone(), pid, number }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Given>> {
        self.workers.lock()
    }

    /// Whether a thread may be made. Only the main one of a worker makes any, and never
    /// more than there is work for: a worker that asks for more was taken over, and is
    /// ended. No answer is for who is not known or is ended.
    fn decide(&self, ThreadRequest { thread, .. }: ThreadRequest) -> bool {
        let mut workers = self.lock();
        let Some(given) = workers.get_mut(&thread) else { return false };
        given.threads += 1;
        if given.threads > CRYPTO_THREADS {
            tracing::warn!("a worker asked for one thread too many and was killed");
            let _ = sys::pidfd_send_signal(given.pidfd.as_fd(), Signal::SIGKILL);
            workers.remove(&thread);
            return false;
        }
        true
    }

    /// What was allowed was not done.
    fn take_back(&self, ThreadRequest { thread, .. }: ThreadRequest) {
        if let Some(given) = self.lock().get_mut(&thread) {
            given.threads = given.threads.saturating_sub(1);
        }
    }
}

impl Drop for MayAsk {
    fn drop(&mut self) {
        let mut workers = self.threads.lock();
        if workers.get(&self.pid).is_some_and(|given| given.number == self.number) {
            workers.remove(&self.pid);
        }
    }
}

/// Answers until the zygote and its workers are gone.
async fn listen(listener: AsyncFd<OwnedFd>, threads: Arc<Threads>) {
    while let Ok(mut ready) = listener.readable().await {
        match next_request(listener.get_ref().as_fd()) {
            Ok(Some(request)) if threads.decide(request) => {
                if !allow_thread(listener.get_ref().as_fd(), request) {
                    threads.take_back(request);
                }
            }
            // It waits for its end.
            Ok(Some(_)) => {}
            Ok(None) => ready.clear_ready(),
            Err(_) => return,
        }
    }
}
