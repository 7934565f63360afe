//! What a run was refused. Each refusal is noted when it is decided, waits for the
//! worker to say where the program was, and is in the audit log in any case.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::audit::{Audit, Refusal};
use crate::memory::{Account, Charge};
use crate::policy::{Denied, Permission};
use crate::telemetry::Metrics;
use crate::text::clip::truncate;

/// Refusals of one run that get a line of their own in the audit log; the line of
/// the run has the number of all of them. A program that is refused more often
/// searches, and must not fill the administrator's disk. Of what comes after, a line
/// stands for all that are the same.
const MAX_AUDITED: u32 = 1000;

/// Of those lines, for each permission and operation: the first ones and the last ones,
/// so that what matters is hidden neither behind a thousand of another kind nor before
/// them. With some 70 kinds that is as many lines as [`MAX_AUDITED`] once more, and 2 MiB
/// of a run that is refused in all ways there are, which the principal's account has room
/// for or not.
const OF_A_KIND: usize = 16;

/// Bytes of a target that is kept to the end of a run: four times 255, the longest name
/// in a path (NAME_MAX).
const MAX_KEPT_TARGET: usize = 1020;

/// Bytes of the reason, which has texts of the program in it.
const MAX_REASON: usize = 512;

pub(super) struct Refusals {
    audit: Audit,
    metrics: Arc<Metrics>,
    memory: Account,
    execution: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: HashMap<u32, Refused>,
    count: u32,
    closed: bool,
    /// What has a line of its own, as hashes: eight bytes of what can have 4096. A
    /// program does not know their key.
    seen: HashSet<u64>,
    hasher: RandomState,
    /// What came after.
    more: Vec<Kind>,
}

struct Refused {
    denied: Denied,
    operation: &'static str,
    /// Without memory to wait in, its line is written at once, or counted.
    charge: Option<Charge>,
}

/// Refusals of one permission and operation that have no line of their own.
struct Kind {
    permission: Permission,
    operation: &'static str,
    kept: Vec<Repeated>,
    /// Of others than those.
    others: u32,
}

struct Repeated {
    hash: u64,
    denied: Denied,
    count: u32,
    _charge: Charge,
}

impl Kind {
    fn count(&mut self, hash: u64, mut denied: Denied, charge: Option<Charge>) {
        if let Some(known) = self.kept.iter_mut().find(|known| known.hash == hash) {
            known.count = known.count.saturating_add(1);
            return;
        }
        let Some(mut charge) = charge else {
            self.others = self.others.saturating_add(1);
            return;
        };
        if self.kept.len() >= OF_A_KIND {
            let oldest_of_the_last = self.kept.remove(OF_A_KIND / 2);
            self.others = self.others.saturating_add(oldest_of_the_last.count);
        }
        cut(&mut denied.target, MAX_KEPT_TARGET);
        charge.shrink_to(bytes(&denied));
        self.kept.push(Repeated { hash, denied, count: 1, _charge: charge });
    }
}

impl Inner {
    fn hash(&self, Refused { denied, operation, .. }: &Refused) -> u64 {
        self.hasher.hash_one((operation, denied.permission.name(), &denied.target))
    }

    /// Notes one that gets no line of its own.
    fn count(&mut self, refused: Refused) {
        let hash = self.hash(&refused);
        let is_seen = self.seen.contains(&hash);
        let Refused { denied, operation, charge } = refused;
        let kind = self.kind(denied.permission, operation);
        if is_seen {
            kind.others = kind.others.saturating_add(1);
        } else {
            kind.count(hash, denied, charge);
        }
    }

    fn kind(&mut self, permission: Permission, operation: &'static str) -> &mut Kind {
        let is_it = |kind: &Kind| kind.permission == permission && kind.operation == operation;
        let at = self.more.iter().position(is_it).unwrap_or_else(|| {
            self.more.push(Kind { permission, operation, kept: Vec::new(), others: 0 });
            self.more.len() - 1
        });
        &mut self.more[at]
    }
}

impl Refusals {
    pub(super) fn new(
        audit: Audit,
        metrics: Arc<Metrics>,
        memory: Account,
        execution: u64,
    ) -> Self {
        Self { audit, metrics, memory, execution, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Notes a refusal.
    pub(super) fn note(&self, id: u32, denied: &Denied, operation: &'static str) {
        self.metrics.refused(denied.permission.name());
        let mut denied = denied.clone();
        cut(&mut denied.reason, MAX_REASON);
        let charge = self.memory.try_charge(bytes(&denied)).ok();
        let refused = Refused { denied, operation, charge };
        let mut inner = self.inner();
        inner.count = inner.count.saturating_add(1);
        // What is refused after the end, a few, is written at once: nobody writes `more`.
        if inner.count > MAX_AUDITED && !inner.closed {
            return inner.count(refused);
        }
        let hash = inner.hash(&refused);
        inner.seen.insert(hash);
        let at_once = inner.closed || refused.charge.is_none();
        let now = if at_once { Some(refused) } else { inner.waiting.insert(id, refused) };
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
        let more = std::mem::take(&mut inner.more);
        let count = inner.count;
        drop(inner);
        for refused in left.into_values() {
            self.write(&refused, None);
        }
        more.iter().for_each(|kind| self.write_kind(kind));
        count
    }

    fn write_kind(&self, kind: &Kind) {
        for Repeated { denied, count, .. } in &kind.kept {
            self.audit.refused(&Refusal {
                count: Some(*count),
                ..self.line(denied, kind.operation, None)
            });
        }
        if kind.others > 0 {
            let denied = Denied::of_everything(kind.permission);
            self.audit.refused(&Refusal {
                count: Some(kind.others),
                ..self.line(&denied, kind.operation, None)
            });
        }
    }

    fn write(&self, Refused { denied, operation, .. }: &Refused, place: Option<(u32, u32)>) {
        self.audit.refused(&self.line(denied, operation, place));
    }

    fn line<'a>(
        &self,
        denied: &'a Denied,
        operation: &'static str,
        place: Option<(u32, u32)>,
    ) -> Refusal<'a> {
        Refusal {
            execution: self.execution,
            permission: denied.permission.name(),
            target: denied.target.as_deref(),
            flag: denied.permission.flag(),
            api: operation,
            reason: denied.reason.as_deref(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            count: None,
        }
    }
}

/// What it takes in memory.
fn bytes(denied: &Denied) -> usize {
    let texts = [&denied.target, &denied.reason].map(|text| text.as_ref().map_or(0, String::len));
    size_of::<Refused>() + texts.iter().sum::<usize>()
}

fn cut(text: &mut Option<String>, max: usize) {
    if let Some(text) = text {
        truncate(text, max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(memory: usize) -> (Refusals, Account) {
        let memory = Account::of_server(memory);
        let audit = Audit::open(None).unwrap();
        (Refusals::new(audit, Arc::new(Metrics::new()), memory.clone(), 1), memory)
    }

    fn denied(target: String) -> Denied {
        Denied { target: Some(target), ..Denied::of_everything(Permission::Read) }
    }

    #[test]
    fn a_worker_that_does_not_say_where_it_was_holds_no_more_than_there_is() {
        let (refusals, memory) = refusals(64 << 10);
        for id in 0..MAX_AUDITED {
            refusals.note(id, &denied(format!("{id:4096}")), "readFile");
        }
        assert!(memory.used() <= 64 << 10);
        assert!(refusals.inner().waiting.len() < 16);
        assert_eq!(refusals.close(), MAX_AUDITED);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn of_a_kind_the_first_and_the_last_are_kept_and_all_are_counted() {
        let (refusals, memory) = refusals(1 << 20);
        for id in 0..MAX_AUDITED {
            refusals.note(id, &denied("/a".into()), "readFile");
            refusals.place(id, 1, 1);
        }
        assert_eq!(memory.used(), 0);
        for id in 0..100 {
            refusals.note(id, &denied(format!("/{id}")), "readFile");
            refusals.note(id, &denied("/a".into()), "readFile");
            refusals.note(id, &denied("/a".into()), "stat");
        }
        let inner = refusals.inner();
        let [read, stat] = &inner.more[..] else { panic!("two operations") };
        let kept: Vec<_> = read.kept.iter().filter_map(|it| it.denied.target.clone()).collect();
        let expected = (0..8).chain(92..100).map(|id| format!("/{id}"));
        assert_eq!(kept, expected.collect::<Vec<_>>());
        assert_eq!(read.others, 84 + 100);
        // Another operation is another thing.
        assert_eq!((stat.kept.len(), stat.kept[0].count, stat.others), (1, 100, 0));
        drop(inner);
        assert_eq!(refusals.close(), MAX_AUDITED + 300);
        refusals.note(1, &denied("/late".into()), "readFile");
        assert!(refusals.inner().more.is_empty(), "it is written");
        assert_eq!(memory.used(), 0);
    }
}
