//! Places for runs, and a bounded queue before them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::ExecuteError;
use crate::config::Config;
use crate::config::environment::{MAX_CONCURRENT, MAX_QUEUE, MAX_QUEUE_WAIT};

pub(super) struct Queue {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_concurrent: usize,
    max_waiting: usize,
    max_wait: Duration,
}

/// A place among the runs, given back when dropped.
pub(super) struct Place(#[allow(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Queue {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            places: Arc::new(Semaphore::new(config.max_concurrent())),
            waiting: AtomicUsize::new(0),
            max_concurrent: config.max_concurrent(),
            max_waiting: config.max_queue(),
            max_wait: config.max_queue_wait(),
        }
    }

    /// Waits for a place.
    pub(super) async fn enter(&self) -> Result<Place, ExecuteError> {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            return Ok(Place(permit));
        }
        let _waiting = self.wait_in_line()?;
        match timeout(self.max_wait, self.places.clone().acquire_owned()).await {
            Ok(permit) => Ok(Place(permit.expect("the semaphore is never closed"))),
            Err(_) => Err(ExecuteError::Busy(format!(
                "Busy: no place among {} runs ({MAX_CONCURRENT}) after {} ms ({MAX_QUEUE_WAIT}). \
                 Try again later",
                self.max_concurrent,
                self.max_wait.as_millis()
            ))),
        }
    }

    pub(super) fn active(&self) -> usize {
        self.max_concurrent - self.places.available_permits()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn wait_in_line(&self) -> Result<Waiting<'_>, ExecuteError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        if before < self.max_waiting {
            return Ok(waiting);
        }
        Err(ExecuteError::Busy(format!(
            "Busy: {} programs run ({MAX_CONCURRENT}) and {} wait ({MAX_QUEUE}). Try again later",
            self.max_concurrent, self.max_waiting
        )))
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(concurrent: usize, waiting: usize, wait_ms: u64) -> Queue {
        Queue::new(
            &Config::default()
                .with_max_concurrent(concurrent)
                .with_max_queue(waiting)
                .with_max_queue_wait(Duration::from_millis(wait_ms)),
        )
    }

    #[tokio::test]
    async fn a_run_past_the_queues_end_is_refused_at_once() {
        let queue = queue(1, 0, 1000);
        let _first = queue.enter().await.unwrap();
        assert_eq!(
            queue.enter().await.err().unwrap().to_string(),
            "Busy: 1 programs run (MCP_CONDUCTOR_MAX_CONCURRENT) and 0 wait \
             (MCP_CONDUCTOR_MAX_QUEUE). Try again later"
        );
    }

    #[tokio::test]
    async fn a_waiting_run_gets_the_place_that_is_given_back() {
        let queue = queue(1, 1, 5000);
        let first = queue.enter().await.unwrap();
        let (second, ()) = tokio::join!(queue.enter(), async { drop(first) });
        assert!(second.is_ok());
        assert_eq!(queue.active(), 1);
    }

    #[tokio::test]
    async fn a_wait_ends() {
        let queue = queue(1, 1, 10);
        let _first = queue.enter().await.unwrap();
        let message = queue.enter().await.err().unwrap().to_string();
        assert!(message.contains("after 10 ms (MCP_CONDUCTOR_MAX_QUEUE_WAIT)"), "{message}");
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }
}
