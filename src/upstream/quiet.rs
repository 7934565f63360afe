//! How much a server may write into the log, through whatever it does.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines of one server in a second. A server that starts says some dozens.
const LINES: u32 = 100;

/// The seconds of one server.
#[derive(Debug)]
pub(super) struct Quiet(Mutex<Second>);

#[derive(Debug)]
struct Second {
    since: Instant,
    lines: u32,
    /// Lines of former seconds that were left out and not spoken of yet.
    missed: u64,
}

impl Default for Quiet {
    fn default() -> Self {
        Self(Mutex::new(Second { since: Instant::now(), lines: 0, missed: 0 }))
    }
}

impl Quiet {
    /// Whether one more line may be written; what was left out before is said first.
    pub(super) fn allows(&self, server: &str) -> bool {
        self.allows_at(server, Instant::now())
    }

    fn allows_at(&self, server: &str, now: Instant) -> bool {
        let mut second = self.0.lock();
        if now.saturating_duration_since(second.since) >= Duration::from_secs(1) {
            *second = Second { since: now, lines: 0, missed: second.missed };
        }
        if second.lines == LINES {
            second.missed += 1;
            return false;
        }
        second.lines += 1;
        let missed = std::mem::take(&mut second.missed);
        drop(second);
        if missed > 0 {
            tracing::warn!(server, "{missed} lines of it are not in the log: {LINES} a second are");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_so_many_lines_a_second() {
        let (quiet, now) = (Quiet::default(), Instant::now());
        let allowed = |at| (0..1000).filter(|_| quiet.allows_at("up", at)).count();
        assert_eq!(allowed(now), LINES as usize);
        assert_eq!(allowed(now + Duration::from_millis(900)), 0);
        assert_eq!(allowed(now + Duration::from_secs(2)), LINES as usize);
    }
}
