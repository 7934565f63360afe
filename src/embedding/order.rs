//! Texts whose vectors somebody waits for, as long as it is held.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::EmbeddingError;
use super::kept::Key;

/// Until an order that failed is made again.
const PAUSE: Duration = Duration::from_secs(60);

/// Texts to be encoded.
#[derive(Debug)]
pub(crate) struct Order {
    len: usize,
    bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Texts from this place on are looked at.
    Open {
        texts: Vec<(String, Key)>,
        next: usize,
    },
    Ended,
    Failed(Instant),
}

impl Order {
    pub(super) fn new(texts: Vec<(String, Key)>) -> Self {
        let bytes = texts.iter().map(|(text, _)| text.capacity() + size_of::<(String, Key)>());
        let (len, bytes) = (texts.len(), bytes.sum());
        Self { len, bytes, state: Mutex::new(State::Open { texts, next: 0 }) }
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

    /// The next texts that have no vectors yet; none where all have been looked at.
    pub(super) fn next(&self, count: usize, is_kept: impl Fn(&Key) -> bool) -> Vec<(String, Key)> {
        let mut found = Vec::new();
        if let State::Open { texts, next } = &mut *self.state.lock() {
            while found.len() < count && *next < texts.len() {
                let (text, key) = &texts[*next];
                if !is_kept(key) {
                    found.push((text.clone(), *key));
                }
                *next += 1;
            }
        }
        found
    }

    pub(super) fn end(&self) {
        *self.state.lock() = State::Ended;
    }

    pub(super) fn fail(&self, error: EmbeddingError) {
        tracing::debug!("a list of {} tools has no vectors: {error}", self.len);
        *self.state.lock() = State::Failed(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(texts: &[&str]) -> Order {
        Order::new(texts.iter().map(|text| ((*text).to_owned(), Key::of(text))).collect())
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
}
