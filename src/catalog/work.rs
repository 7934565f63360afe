//! Work on lists of tools that can take long: on a thread of its own, and only as long
//! as somebody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

/// Threads for the work of one principal that can take long. It is waited for, and may
/// not keep others from the threads that they need.
const THREADS: usize = 4;

/// The work goes on while this says so.
pub(crate) type GoOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// Where work that can take long is done.
#[derive(Clone)]
pub(crate) struct Work(Arc<Semaphore>);

impl Default for Work {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(THREADS)))
    }
}

/// Stops work when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Work {
    /// Does it on a thread, when there is one. None if the work gave up or failed.
    pub(crate) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(GoOn<'_>) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.0.clone().acquire_owned().await.ok()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopOnDrop(stopped.clone());
        let working = move || {
            let _turn = turn;
            work(&|| !stopped.load(Ordering::Relaxed))
        };
        tokio::task::spawn_blocking(working).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_stops() {
        let work = Work::default();
        let (tell, told) = std::sync::mpsc::channel();
        let working = tokio::spawn(async move {
            let working = work.on_thread(move |go_on| {
                tell.send("began").unwrap();
                while go_on() {
                    std::thread::yield_now();
                }
                tell.send("stopped").unwrap();
            });
            working.await
        });
        let told = tokio::task::spawn_blocking(move || {
            assert_eq!(told.recv().unwrap(), "began");
            told
        });
        let told = told.await.unwrap();
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        let last = tokio::task::spawn_blocking(move || told.recv().unwrap());
        assert_eq!(last.await.unwrap(), "stopped");
    }
}
