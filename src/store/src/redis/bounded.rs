//! A stream whose other side may say only as much as it was asked for: a server that announces a
//! value of gigabytes, or speaks while nobody asks, loses its connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::coding::MOST;

/// Requests that wait for answers at the same time; with their values at most 128 MiB.
pub(super) const IN_FLIGHT: usize = 128;

/// Bytes of the answer to one request: the largest value, or names of one step of SCAN, 1000 of
/// some 600 bytes; and 64 KiB for what is around them.
pub(super) const REPLY: u64 = MOST as u64 + (64 << 10);

/// Bytes that may come in all: answers to as many requests as wait at the same time, some 136 MiB.
const MOST_OWED: u64 = IN_FLIGHT as u64 * REPLY;

/// Bytes that may come while nobody asks: a notice that the server goes away.
const UNASKED: u64 = 4 << 10;

/// What a server may still say.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Owed>);

#[derive(Debug)]
struct Owed {
    bytes: u64,
    /// Requests that were made so far.
    asked: u64,
    /// Requests that somebody waits for.
    waiting: u32,
}

/// A request that somebody waits for.
pub(super) struct Asked {
    budget: Arc<Budget>,
    number: u64,
}

impl Budget {
    /// For a connection that begins, with its login.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Owed { bytes: REPLY, asked: 0, waiting: 0 })))
    }

    /// A request is made.
    pub(super) fn ask(self: &Arc<Self>) -> Asked {
        let mut owed = self.0.lock();
        owed.bytes = (owed.bytes + REPLY).min(MOST_OWED);
        owed.asked += 1;
        owed.waiting += 1;
        Asked { budget: Arc::clone(self), number: owed.asked }
    }

    /// # Errors
    /// More has come than was asked for.
    fn take(&self, bytes: u64) -> io::Result<()> {
        let mut owed = self.0.lock();
        let left = owed.bytes.checked_sub(bytes);
        owed.bytes = left.ok_or_else(|| io::Error::other("it says more than it was asked for"))?;
        Ok(())
    }
}

impl Asked {
    /// It is answered. If it is the last one and the only one, no answer is on its way: they come
    /// in the order of requests, also those that nobody waits for any more.
    pub(super) fn answered(self) {
        let mut owed = self.budget.0.lock();
        if owed.asked == self.number && owed.waiting == 1 {
            owed.bytes = owed.bytes.min(UNASKED);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.budget.0.lock().waiting -= 1;
    }
}

/// A stream whose reads are charged.
pub(super) struct Bounded<Stream> {
    stream: Stream,
    budget: Arc<Budget>,
}

impl<Stream> Bounded<Stream> {
    pub(super) fn new(stream: Stream, budget: Arc<Budget>) -> Self {
        Self { stream, budget }
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for Bounded<Stream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        Poll::Ready(self.budget.take((buffer.filled().len() - before) as u64))
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for Bounded<Stream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_what_was_asked_may_come_and_no_more() {
        let budget = Budget::new();
        budget.ask().answered();
        assert!(budget.take(UNASKED + 1).is_err());
        let (first, second) = (budget.ask(), budget.ask());
        first.answered();
        assert!(budget.take(2 * REPLY).is_ok());
        second.answered();
        assert!(budget.take(UNASKED).is_ok());
        assert!(budget.take(1).is_err());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_any_more_may_come() {
        let budget = Budget::new();
        let first = budget.ask();
        drop(budget.ask());
        first.answered();
        assert!(budget.take(REPLY).is_ok());
    }

    #[test]
    fn requests_that_nobody_answers_do_not_add_up() {
        let budget = Budget::new();
        (0..10_000).for_each(|_| drop(budget.ask()));
        assert!(budget.take(MOST_OWED + 1).is_err());
        assert!(budget.take(MOST_OWED).is_ok());
    }
}
