//! What a program has begun and does not wait for, in words for its author.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use deno_core::SourceMapper;
use deno_core::stats::{RuntimeActivity, RuntimeActivityStatsFactory, RuntimeActivityStatsFilter};

use super::meta::MAIN;
use super::source::in_source;
use crate::engines::v8::stop::Frame;
use crate::protocol::{MAX_UNFINISHED, MAX_UNFINISHED_TEXT, Unfinished};
use crate::text::clip::head;
use crate::worker::{ScriptPlace, Work};

/// Timers whose places are kept, 100 KiB. A program that has half as many at the same
/// time is not followed any further: each costs a look at its stack.
const MAX_TIMERS: usize = 1024;

/// Timers of the program, and where it started them.
pub(super) struct Timers {
    stats: RuntimeActivityStatsFactory,
    places: RefCell<BTreeMap<usize, (u32, u32)>>,
    are_many: Cell<bool>,
    /// By the program or a module that it has imported.
    were_started: Cell<bool>,
}

impl Timers {
    pub(super) fn new(stats: RuntimeActivityStatsFactory) -> Self {
        Self {
            stats,
            places: RefCell::default(),
            are_many: Cell::new(false),
            were_started: Cell::new(false),
        }
    }

    /// Whether the place of one more is wanted.
    pub(super) fn are_followed(&self) -> bool {
        !self.are_many.get()
    }

    /// Whether any is left. Looked at only where one was started.
    pub(super) fn are_left(&self) -> bool {
        let filter = RuntimeActivityStatsFilter::default().with_timers();
        self.were_started.get() && !self.activities(&filter).is_empty()
    }

    /// Keeps where a timer was started.
    pub(super) fn started(&self, id: u32, (script, line, column): ScriptPlace) {
        self.were_started.set(true);
        if script != MAIN {
            return;
        }
        let mut places = self.places.borrow_mut();
        if places.len() >= MAX_TIMERS {
            let filter = RuntimeActivityStatsFilter::default().with_timers();
            let active: BTreeSet<_> = self.activities(&filter).iter().filter_map(timer).collect();
            places.retain(|id, _| active.contains(id));
            self.are_many.set(places.len() > MAX_TIMERS / 2);
        }
        places.insert(id as usize, (line, column));
    }

    fn place(&self, id: usize) -> Option<ScriptPlace> {
        let (line, column) = *self.places.borrow().get(&id)?;
        Some((MAIN.to_owned(), line, column))
    }

    /// Timers come last, in the order in which they were started.
    fn activities(&self, filter: &RuntimeActivityStatsFilter) -> Vec<RuntimeActivity> {
        let mut activities = self.stats.clone().capture(filter).dump().active;
        activities.sort_by_key(timer);
        activities
    }
}

fn timer(activity: &RuntimeActivity) -> Option<usize> {
    match activity {
        RuntimeActivity::Timer(id, _) | RuntimeActivity::Interval(id, _) => Some(*id),
        _ => None,
    }
}

/// All that a program has left behind: what runs, what the server was asked for, and
/// what the runtime waits for.
pub(super) fn list(
    mapper: &RefCell<SourceMapper>,
    running: Option<Vec<Frame>>,
    operations: impl Iterator<Item = Work>,
    timers: &Timers,
) -> Vec<Unfinished> {
    let mut list = List { mapper, entries: Vec::new(), more: 0 };
    let own = running.into_iter().flatten().find(|frame| frame.file == MAIN);
    if let Some(Frame { file, line, column, .. }) = own {
        list.add("code that was running", Some(&(file, line, column)));
    }
    for Work { what, place } in operations {
        list.add(&what, place.as_deref());
    }
    let filter = RuntimeActivityStatsFilter::default().with_timers().with_ops();
    for activity in timers.activities(&filter) {
        match activity {
            RuntimeActivity::Timer(id, _) => list.add("setTimeout", timers.place(id).as_ref()),
            RuntimeActivity::Interval(id, _) => list.add("setInterval", timers.place(id).as_ref()),
            RuntimeActivity::AsyncOp(_, _, op) => {
                if let Some(what) = of_the_runtime(op) {
                    list.add(what, None);
                }
            }
            RuntimeActivity::Resource(..) => {}
        }
    }
    list.done()
}

/// Asynchronous work that is done in the worker.
fn of_the_runtime(op: &str) -> Option<&'static str> {
    match op {
        // The server does it, or it is done at once.
        "op_defer" | "op_read" | "op_read_all" | "op_write" | "op_write_all" => None,
        op if op.starts_with("op_conductor_") => None,
        "op_message_port_recv_message" => Some("a MessagePort that listens"),
        op if op.starts_with("op_blob_") => Some("reading a Blob"),
        op if op.starts_with("op_crypto_") => Some("crypto.subtle"),
        _ => Some("work of the runtime"),
    }
}

struct List<'a> {
    mapper: &'a RefCell<SourceMapper>,
    entries: Vec<Unfinished>,
    /// Those that have no entry.
    more: u32,
}

impl List<'_> {
    fn add(&mut self, what: &str, place: Option<&ScriptPlace>) {
        let (line, column) = place.and_then(|place| in_source(self.mapper, place)).unzip();
        let is_same = |entry: &&mut Unfinished| {
            entry.what == what && (entry.line, entry.column) == (line, column)
        };
        if let Some(known) = self.entries.iter_mut().find(is_same) {
            known.count = known.count.saturating_add(1);
        } else if self.entries.len() + 1 < MAX_UNFINISHED {
            self.entries.push(Unfinished {
                what: head(what, MAX_UNFINISHED_TEXT).to_owned(),
                line,
                column,
                count: 1,
            });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// What is listed and counted; or else the one thing that is known of it.
    fn done(mut self) -> Vec<Unfinished> {
        let rest =
            |what: &str, count| Unfinished { what: what.into(), count, ..Default::default() };
        if self.more > 0 {
            self.entries.push(rest("more of other kinds", self.more));
        } else if self.entries.is_empty() {
            self.entries.push(rest("something else, such as AbortSignal.timeout()", 1));
        }
        self.entries
    }
}
