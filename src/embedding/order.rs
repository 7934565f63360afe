//! Texts whose vectors somebody waits for, as long as it is held.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::EmbeddingError;
use super::kept::Key;
use crate::telemetry::SearchMetrics;

/// Until an order that failed is made again.
const PAUSE: Duration = Duration::from_secs(60);

/// Texts to be encoded.
#[derive(Debug)]
pub(crate) struct Order {
    len: usize,
    bytes: usize,
    state: Mutex<State>,
    metrics: SearchMetrics,
}

#[derive(Debug)]
enum State {
    /// Texts from this place on are looked at.
    Open {
        texts: Vec<(String, Key)>,
        next: usize,
        /// Whether the store was asked.
        begun: bool,
    },
    Ended,
    Failed(Instant),
}

impl Order {
    pub(super) fn new(texts: Vec<(String, Key)>, metrics: SearchMetrics) -> Self {
        let bytes = texts.iter().map(|(text, _)| text.capacity() + size_of::<(String, Key)>());
        let (len, bytes) = (texts.len(), bytes.sum());
        metrics.waiting(signed(len));
        let state = Mutex::new(State::Open { texts, next: 0, begun: false });
        Self { len, bytes, state, metrics }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Memory that it takes while it is open.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is time to ask for the vectors again: they are there, or it failed a while ago.
    pub(crate) fn is_due(&self) -> bool {
        match &*self.state.lock() {
            State::Open { .. } => false,
            State::Ended => true,
            State::Failed(when) => when.elapsed() >= PAUSE,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(*self.state.lock(), State::Ended)
    }

    /// The hashes of all its texts, when it is asked for them first.
    pub(super) fn begin(&self) -> Option<Vec<Key>> {
        match &mut *self.state.lock() {
            State::Open { texts, begun, .. } => {
                let is_first = !std::mem::replace(begun, true);
                is_first.then(|| texts.iter().map(|(_, key)| *key).collect())
            }
            State::Ended | State::Failed(_) => None,
        }
    }

    /// The next texts that have no vectors yet; none where all have been looked at.
    pub(super) fn next(&self, count: usize, is_kept: impl Fn(&Key) -> bool) -> Vec<(String, Key)> {
        let mut found = Vec::new();
        if let State::Open { texts, next, .. } = &mut *self.state.lock() {
            let before = *next;
            while found.len() < count && *next < texts.len() {
                let (text, key) = &texts[*next];
                if !is_kept(key) {
                    found.push((text.clone(), *key));
                }
                *next += 1;
            }
            self.metrics.waiting(-signed(*next - before));
        }
        found
    }

    pub(super) fn end(&self) {
        self.close(State::Ended);
    }

    pub(super) fn fail(&self, error: EmbeddingError) {
        tracing::debug!("a list of {} tools has no vectors: {error}", self.len);
        self.close(State::Failed(Instant::now()));
    }

    /// Its texts do not wait any more.
    fn close(&self, state: State) {
        let before = std::mem::replace(&mut *self.state.lock(), state);
        if let State::Open { texts, next, .. } = before {
            self.metrics.waiting(-signed(texts.len() - next));
        }
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.close(State::Ended);
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(texts: &[&str]) -> Order {
        counted(texts, &SearchMetrics::default())
    }

    fn counted(texts: &[&str], metrics: &SearchMetrics) -> Order {
        let texts = texts.iter().map(|text| ((*text).to_owned(), Key::of(text)));
        Order::new(texts.collect(), metrics.clone())
    }

    #[test]
    fn texts_that_have_vectors_are_passed_over() {
        let order = order(&["a", "b", "c", "d"]);
        let next = |count| {
            let found = order.next(count, |key| *key == Key::of("b"));
            found.into_iter().map(|(text, _)| text).collect::<Vec<_>>()
        };
        assert_eq!([next(2), next(2), next(2)], [vec!["a", "c"], vec!["d"], vec![]]);
    }

    #[test]
    fn an_order_is_due_when_it_has_ended_and_not_just_after_it_failed() {
        let order = order(&["a"]);
        assert!(!order.is_due());
        order.fail(EmbeddingError::Busy);
        assert!(!order.is_due() && !order.is_ended());
        order.end();
        assert!(order.is_due() && order.is_ended());
    }

    #[test]
    fn texts_wait_until_they_are_looked_at_or_nobody_waits_for_them() {
        let metrics = SearchMetrics::default();
        let (order, other) = (counted(&["a", "b", "c"], &metrics), counted(&["d"], &metrics));
        order.next(2, |_| false);
        assert_eq!(metrics.texts_waiting(), 2);
        order.fail(EmbeddingError::Busy);
        order.end();
        assert_eq!(metrics.texts_waiting(), 1);
        drop((order, other));
        assert_eq!(metrics.texts_waiting(), 0);
    }

    #[test]
    fn the_store_is_asked_once_for_all_texts() {
        let order = order(&["a", "b"]);
        assert_eq!(order.begin(), Some(vec![Key::of("a"), Key::of("b")]));
        assert_eq!(order.begin(), None);
    }
}
