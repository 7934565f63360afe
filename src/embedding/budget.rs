//! How many texts are sent to an endpoint, which may be paid by the text: lists that change
//! without end and programs that search without end cost what their administrator can afford.

use std::time::{Duration, Instant};

/// Texts that may be sent at once, and those that come back each second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub burst: f64,
    pub a_second: f64,
}

impl Rate {
    /// Of tools: a catalog of 10,000 at a start, then 600 a minute. With 100 pieces of a text and
    /// $0.02 for a million of them, as text-embedding-3-small costs, at most $1.80 a day.
    pub(super) const TOOLS: Self = Self { burst: 10_000.0, a_second: 10.0 };
    /// Of queries, each some 20 pieces: 600 a minute too.
    pub(super) const QUERIES: Self = Self { burst: 600.0, a_second: 10.0 };
    /// Of a model on this machine, which takes turns on its processor and nothing else.
    pub(super) const NONE: Self = Self { burst: f64::INFINITY, a_second: 0.0 };
}

/// What of a rate is left. It can be less than nothing: then it is waited for.
#[derive(Debug)]
pub(super) struct Budget {
    rate: Rate,
    left: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, left: rate.burst, at: now }
    }

    /// So many texts are sent.
    pub(super) fn spend(&mut self, texts: usize, now: Instant) {
        self.refill(now);
        self.left -= texts as f64;
    }

    /// Sends one text if there is room.
    pub(super) fn take_one(&mut self, now: Instant) -> bool {
        self.refill(now);
        let has_room = self.left >= 1.0;
        if has_room {
            self.left -= 1.0;
        }
        has_room
    }

    /// Until the next texts may be sent.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let missing = (-self.left).max(0.0);
        // Without a rate nothing is missing.
        if missing > 0.0 {
            Duration::try_from_secs_f64(missing / self.rate.a_second).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.rate.a_second).min(self.rate.burst);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 100.0, a_second: 10.0 };

    #[test]
    fn what_is_beyond_the_burst_is_waited_for() {
        let start = Instant::now();
        let mut budget = Budget::new(RATE, start);
        budget.spend(100, start);
        assert_eq!(budget.wait(start), Duration::ZERO);
        budget.spend(32, start);
        assert_eq!(budget.wait(start).as_millis(), 3200);
        assert_eq!(budget.wait(start + Duration::from_secs(3)).as_millis(), 200);
        assert_eq!(budget.wait(start + Duration::from_secs(4)), Duration::ZERO);
    }

    #[test]
    fn without_an_end_no_more_than_the_rate_is_sent() {
        let start = Instant::now();
        let (mut budget, mut now, mut sent) = (Budget::new(RATE, start), start, 0);
        while now < start + Duration::from_secs(60) {
            budget.spend(32, now);
            sent += 32;
            now += budget.wait(now).max(Duration::from_millis(1));
        }
        assert!(sent <= 100 + 600 + 32, "{sent}");
    }

    #[test]
    fn a_query_is_sent_or_not_and_never_waits() {
        let start = Instant::now();
        let mut budget = Budget::new(RATE, start);
        let sent = (0..1000).filter(|_| budget.take_one(start)).count();
        assert_eq!(sent, 100);
        assert!(budget.take_one(start + Duration::from_millis(101)));
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate::NONE, start);
        budget.spend(1_000_000, start);
        assert!(budget.take_one(start) && budget.wait(start).is_zero());
    }
}
