//! Messages are read on threads for that: one of 16 MiB takes some 100 ms here and as
//! much in rmcp, which is not the time of those that serve everybody.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many large messages are read at the same time.
#[derive(Clone)]
pub(super) struct Readers(Arc<Semaphore>);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Readers {
    /// Half of the processors, so that the others have theirs.
    pub(super) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors.div_ceil(2))))
    }

    /// Does something on a thread for that, in turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        // It is never closed.
        let turn = self.0.clone().acquire_owned().await.ok();
        let done = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }

    /// Drives a future of which the work is at its beginning: that on a thread for
    /// work, its waits here.
    pub(super) async fn begin<T: Send + 'static>(&self, mut future: Boxed<T>) -> T {
        let begun = self.run(move || {
            // What it waits for is asked again at once, by the poll below.
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => Ok(done),
                Poll::Pending => Err(future),
            }
        });
        match begun.await {
            Ok(done) => done,
            Err(future) => future.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_beginning_is_done_elsewhere_and_the_rest_here() {
        let readers = Readers::new();
        let here = std::thread::current().id();
        let (first, second) = readers
            .begin(Box::pin(async move {
                let first = std::thread::current().id();
                tokio::time::sleep(Duration::from_millis(1)).await;
                (first, std::thread::current().id())
            }))
            .await;
        assert!(first != here && second == here);
        assert_eq!(readers.begin(Box::pin(async { 7 })).await, 7);
    }

    #[tokio::test]
    async fn others_are_served_while_a_message_is_read() {
        let readers = Readers::new();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let reading = readers.run(move || wait.recv().is_ok());
        let (read, ()) = tokio::join!(reading, async move { go.send(()).unwrap() });
        assert!(read);
    }
}
