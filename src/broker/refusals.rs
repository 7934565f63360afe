//! What a run was refused. Each refusal is noted when it is decided, waits for the
//! worker to say where the program was, and is in the audit log in any case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::audit::{Audit, Refusal};
use crate::policy::Denied;
use crate::telemetry::Metrics;

/// Refusals of one run that get a line of their own in the audit log; the line of
/// the run has the number of all of them. A program that is refused more often
/// searches, and must not fill the administrator's disk.
const MAX_AUDITED: u32 = 1000;

/// Bytes of the reason, which has texts of the program in it.
const MAX_REASON: usize = 512;

pub(super) struct Refusals {
    audit: Audit,
    metrics: Arc<Metrics>,
    execution: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: HashMap<u32, Refused>,
    count: u32,
    closed: bool,
}

struct Refused {
    denied: Denied,
    operation: &'static str,
}

impl Refusals {
    pub(super) fn new(audit: Audit, metrics: Arc<Metrics>, execution: u64) -> Self {
        Self { audit, metrics, execution, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a refusal.
    pub(super) fn note(&self, id: u32, denied: &Denied, operation: &'static str) {
        self.metrics.refused(denied.permission.name());
        let mut denied = denied.clone();
        if let Some(reason) = &mut denied.reason {
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
        }
        let refused = Refused { denied, operation };
        let mut inner = self.inner();
        inner.count = inner.count.saturating_add(1);
        if inner.count > MAX_AUDITED {
            return;
        }
        let now = if inner.closed { Some(refused) } else { inner.waiting.insert(id, refused) };
        drop(inner);
        if let Some(refused) = now {
            self.write(&refused, None);
        }
    }

    /// Where the program was when the request with this id was refused.
    pub(super) fn place(&self, id: u32, line: u32, column: u32) {
        let refused = self.inner().waiting.remove(&id);
        if let Some(refused) = refused {
            self.write(&refused, Some((line, column)));
        }
    }

    /// The run is over: no place is said any more. Returns how many there were.
    pub(super) fn close(&self) -> u32 {
        let mut inner = self.inner();
        inner.closed = true;
        let left = std::mem::take(&mut inner.waiting);
        let count = inner.count;
        drop(inner);
        for refused in left.into_values() {
            self.write(&refused, None);
        }
        count
    }

    fn write(&self, refused: &Refused, place: Option<(u32, u32)>) {
        let Refused { denied, operation } = refused;
        self.audit.refused(&Refusal {
            execution: self.execution,
            permission: denied.permission.name(),
            target: denied.target.as_deref(),
            flag: denied.permission.flag(),
            api: operation,
            reason: denied.reason.as_deref(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
        });
    }
}
