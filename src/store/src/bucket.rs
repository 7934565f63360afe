//! Tokens that come back at a rate, up to a burst: the generic cell rate algorithm (ITU-T I.371).
//! What is kept is the moment at which the bucket is full again, by the store's own clock.

use std::time::Duration;

/// Microseconds of a minute.
const MINUTE: f64 = 60e6;

/// How tokens come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refill {
    /// Tokens that come back in a minute; at least one.
    pub per_minute: u32,
    /// The most tokens that are there at once; at least one.
    pub burst: u32,
}

/// What [`crate::Store::take`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// At most as many as were wanted.
    pub granted: u32,
    /// When the next token is there. Zero if all that were wanted were there.
    pub wait: Duration,
}

impl Refill {
    /// Microseconds until a token comes back.
    pub(crate) fn interval(self) -> f64 {
        MINUTE / f64::from(self.per_minute.max(1))
    }

    /// Microseconds in which an empty bucket gets full.
    pub(crate) fn whole(self) -> f64 {
        f64::from(self.burst.max(1)) * self.interval()
    }

    /// Takes tokens at `now` out of a bucket that is full at `full`, both in microseconds; fewer
    /// than none are given back. When it is full then, and what was taken.
    pub(crate) fn take(self, full: i64, now: i64, wanted: i64) -> (i64, Taken) {
        let (interval, whole) = (self.interval(), self.whole());
        // A bucket is never emptier than empty, whatever another rate or clock left.
        let missing = (full.saturating_sub(now).max(0) as f64).min(whole);
        let free = ((whole - missing + ROUNDING) / interval).floor();
        let granted = if wanted < 0 { wanted as f64 } else { (wanted as f64).min(free) };
        let missing = (missing + granted * interval).max(0.0);
        let wait = if granted < wanted as f64 { missing + interval - whole } else { 0.0 };
        let taken = Taken {
            granted: granted.max(0.0) as u32,
            wait: Duration::from_micros(wait.max(0.0).ceil() as u64),
        };
        (now.saturating_add(missing.round() as i64), taken)
    }
}

/// What rounding to microseconds may have cost.
const ROUNDING: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    const REFILL: Refill = Refill { per_minute: 600, burst: 5 };

    /// Tokens that were there at a millisecond.
    fn take(full: &mut i64, at_ms: i64, wanted: i64) -> Taken {
        let (next, taken) = REFILL.take(*full, at_ms * 1000, wanted);
        *full = next;
        taken
    }

    #[test]
    fn a_burst_is_there_and_then_one_at_a_time() {
        let mut full = 0;
        let all = take(&mut full, 1000, 7);
        assert_eq!(all, Taken { granted: 5, wait: Duration::from_millis(100) });
        assert_eq!(take(&mut full, 1060, 1).wait, Duration::from_millis(40));
        assert_eq!(take(&mut full, 1100, 1).granted, 1);
        assert_eq!(take(&mut full, 1100, 1).granted, 0);
        assert_eq!(take(&mut full, 9000, 9).granted, 5);
    }

    #[test]
    fn what_is_given_back_is_there_again_up_to_the_burst() {
        let mut full = 0;
        take(&mut full, 1000, 5);
        take(&mut full, 1000, -2);
        assert_eq!(take(&mut full, 1000, 5).granted, 2);
        take(&mut full, 1000, -100);
        assert_eq!(take(&mut full, 1000, 100).granted, 5);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_burst() {
        let mut full = 3_600_000_000;
        assert_eq!(take(&mut full, 0, 1), Taken { granted: 0, wait: Duration::from_millis(100) });
        assert_eq!(take(&mut full, 600, 9).granted, 5);
    }

    #[test]
    fn the_rate_is_kept_at_every_size() {
        for per_minute in [1, 7, 1000, 4_200_000, 6_000_000] {
            let refill = Refill { per_minute, burst: 1 };
            let batch = i64::from(per_minute.div_ceil(600));
            let refill = Refill { burst: u32::try_from(batch).unwrap(), ..refill };
            let (mut full, mut sum) = (0, 0);
            // Ten minutes, every 10 ms.
            for at in 0..60_000 {
                let (next, taken) = refill.take(full, at * 10_000, batch);
                full = next;
                sum += u64::from(taken.granted);
            }
            let expected = u64::from(per_minute) * 10;
            let error = sum.abs_diff(expected + u64::try_from(batch).unwrap());
            assert!(error * 100 <= expected.max(100), "{per_minute}: {sum} of {expected}");
        }
    }
}
