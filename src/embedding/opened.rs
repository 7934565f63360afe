//! What is opened when it is first needed, and tried again later if that failed.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::EmbeddingError;

/// Opened once; a failure counts for a while only.
#[derive(Debug)]
pub(super) struct Opened<T> {
    opened: OnceLock<T>,
    /// Held while it is opened: by one thread.
    failed: Mutex<Option<(Instant, EmbeddingError)>>,
    rest: Duration,
}

impl<T> Opened<T> {
    /// `rest`: until it is tried again.
    pub(super) fn new(rest: Duration) -> Self {
        Self { opened: OnceLock::new(), failed: Mutex::default(), rest }
    }

    /// What was opened, or is now.
    ///
    /// # Errors
    /// Why it cannot be opened, now or a moment ago.
    pub(super) fn get(
        &self,
        open: impl FnOnce() -> Result<T, EmbeddingError>,
    ) -> Result<&T, EmbeddingError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let mut failed = self.failed.lock();
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        if let Some((when, error)) = &*failed
            && when.elapsed() < self.rest
        {
            return Err(error.clone());
        }
        match open() {
            Ok(opened) => Ok(self.opened.get_or_init(|| opened)),
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> EmbeddingError {
        EmbeddingError::Model("too many open files".to_owned())
    }

    #[test]
    fn what_could_not_be_opened_once_is_opened_later() {
        let opened = Opened::new(Duration::ZERO);
        assert_eq!(opened.get(|| Err(failure())), Err(failure()));
        assert_eq!(opened.get(|| Ok(1)), Ok(&1));
        assert_eq!(opened.get(|| Err(failure())), Ok(&1));
    }

    #[test]
    fn it_is_not_tried_again_at_once() {
        let opened = Opened::new(Duration::from_secs(3600));
        assert_eq!(opened.get(|| Err(failure())), Err(failure()));
        assert_eq!(opened.get(|| Ok(1)), Err(failure()));
    }
}
