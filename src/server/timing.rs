//! Waiting times of the server that tests shorten. Nobody else has a reason to: the
//! variable is in no documentation, and the server warns of it.

use std::ffi::OsStr;
use std::sync::OnceLock;
use std::time::Duration;

use thiserror::Error;

/// How long runs may go on after SIGTERM on stdio. Container engines kill after 10 s.
const DRAIN: Duration = Duration::from_secs(8);

/// How long a call goes on whose client is gone. Clients are told to come back after
/// a third of it.
const RESUME: Duration = Duration::from_secs(3);

/// For the head of a request, from the end of the one before it. A client that
/// sends its headers byte by byte, or nothing, holds a connection this long.
const HEAD: Duration = Duration::from_secs(10);

/// For the whole body of a request: 16 MiB take 13 s at 10 Mbit/s.
const BODY: Duration = Duration::from_secs(30);

/// How long the server waits.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For runs, once it was told to end.
    pub(super) drain: Duration,
    /// For a client to come back to its call.
    pub(super) resume: Duration,
    /// For the head of a request.
    pub(super) head: Duration,
    /// For the body of a request.
    pub(super) body: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { drain: DRAIN, resume: RESUME, head: HEAD, body: BODY }
    }
}

/// A text that is no times.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimingError {
    /// Nothing waits so.
    #[error(
        "MCP_CONDUCTOR_TEST_TIMING: \"{0}\" is not drain, resume, head or body with milliseconds"
    )]
    Entry(String),
    /// It was read before.
    #[error("MCP_CONDUCTOR_TEST_TIMING is read once, at the start")]
    Twice,
}

static IN_USE: OnceLock<Timing> = OnceLock::new();

impl Timing {
    /// For example `drain=2000,head=500`, in ms.
    pub const VARIABLE: &str = "MCP_CONDUCTOR_TEST_TIMING";

    /// Uses the times of a text from now on, in this process.
    ///
    /// # Errors
    /// [`TimingError`].
    pub fn install(text: &OsStr) -> Result<(), TimingError> {
        let timing = Self::parse(&text.to_string_lossy())?;
        IN_USE.set(timing).map_err(|_| TimingError::Twice)
    }

    /// A time that is given is not longer than the usual one.
    fn parse(text: &str) -> Result<Self, TimingError> {
        let mut timing = Self::default();
        for entry in text.split(',') {
            let wrong = || TimingError::Entry(entry.to_owned());
            let (name, milliseconds) = entry.split_once('=').ok_or_else(wrong)?;
            let time = match name {
                "drain" => &mut timing.drain,
                "resume" => &mut timing.resume,
                "head" => &mut timing.head,
                "body" => &mut timing.body,
                _ => return Err(wrong()),
            };
            let milliseconds = milliseconds.parse().map_err(|_| wrong())?;
            *time = Duration::from_millis(milliseconds).min(*time);
        }
        Ok(timing)
    }
}

/// The usual times, unless a test asked for shorter ones.
pub(super) fn timing() -> Timing {
    IN_USE.get().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(timing: Timing) -> [u64; 4] {
        [timing.drain, timing.resume, timing.head, timing.body].map(|time| time.as_secs())
    }

    #[test]
    fn without_a_test_every_time_is_the_usual_one() {
        assert_eq!(seconds(timing()), [8, 3, 10, 30]);
        assert_eq!(timing(), Timing::default());
    }

    #[test]
    fn times_are_shortened_and_never_lengthened() {
        let timing = Timing::parse("drain=2000,resume=1000,body=99999").unwrap();
        assert_eq!(seconds(timing), [2, 1, 10, 30]);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "drain", "drain=", "drain=x", "drain=-1", "sleep=5", "drain=5,"] {
            assert!(matches!(Timing::parse(text), Err(TimingError::Entry(_))), "{text}");
        }
    }
}
