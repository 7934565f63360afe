//! Requests that were not accepted, in the audit log: once each, and not more often
//! than a disk can take. Who has no token can still send requests.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::audit::Audit;

/// Lines a second. At 200 bytes each that is 350 MB a day.
const LINES: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Lines at once before that holds.
const BURST: NonZeroU32 = NonZeroU32::new(200).unwrap();

pub(super) struct Rejections {
    audit: Audit,
    limiter: DefaultDirectRateLimiter,
    unlogged: AtomicU64,
}

impl Rejections {
    pub(super) fn new(audit: Audit) -> Self {
        let limiter = RateLimiter::direct(Quota::per_second(LINES).allow_burst(BURST));
        Self { audit, limiter, unlogged: AtomicU64::new(0) }
    }

    pub(super) fn note(&self, reason: &str, from: IpAddr, client: Option<&str>) {
        if self.limiter.check().is_err() {
            self.unlogged.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let unlogged = self.unlogged.swap(0, Ordering::Relaxed);
        self.audit.rejected(reason, &from.to_string(), client, unlogged);
    }
}
