//! What is kept of a conversation, in one entry of the store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::ConversationError;
use super::ledger::Given;
use crate::text::clip;

/// The format of a record. One that is newer is not read.
const FORMAT: u32 = 1;

/// Tools that are remembered as found: ten searches of ten.
const MAX_FOUND: usize = 100;

/// Tools that are remembered as loaded. A program uses some five; a model that has more than
/// this in its context has forgotten the first ones itself.
const MAX_LOADED: usize = 50;

/// Tools that a note names.
pub(crate) const MAX_NAMED: usize = 20;

/// Searches that are remembered, each with the tools that it found first.
const MAX_SEARCHES: usize = 10;
const MAX_OF_SEARCH: usize = 10;

/// Tools that one call takes from searches before it: all that these can have.
const MAX_TAKEN: usize = MAX_SEARCHES * MAX_OF_SEARCH;

/// Bytes of a query that are remembered.
const MAX_QUERY: usize = 256;

/// Runs that are remembered.
const MAX_HISTORY: usize = 50;

/// Characters of a program's first line that are remembered.
const FIRST_LINE: usize = 80;

/// Bytes of the name of a tool that is remembered: `mcp__`, and the longest names that
/// programs use. With these numbers a record stays below 200 KiB, of the store's 1 MiB.
const MAX_NAME: usize = 512;

/// A search and what it found, best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Search {
    pub query: String,
    pub tools: Vec<String>,
}

/// What is remembered of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunNote {
    /// When it ended, in ms since the epoch.
    pub at: u64,
    pub language: String,
    /// `success`, or the kind of its error.
    pub outcome: String,
    pub ms: u64,
    pub first_line: String,
}

/// What is remembered of a run that begins.
#[derive(Debug, Clone)]
pub(crate) struct RunStart {
    language: &'static str,
    first_line: String,
}

impl RunStart {
    pub(crate) fn of(language: &'static str, source: &str) -> Self {
        let line = source.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        Self { language, first_line: clip::line_of(line, FIRST_LINE) }
    }

    /// How it ended, now.
    pub(crate) fn ended(self, outcome: &str, took: Duration) -> RunNote {
        RunNote {
            at: now(),
            language: self.language.to_owned(),
            outcome: outcome.to_owned(),
            ms: millis(took),
            first_line: self.first_line,
        }
    }
}

/// The tools that a conversation knows, by qualified names: what was used last is last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub found: Vec<String>,
    /// Their parameters were shown, or they were called.
    pub loaded: Vec<String>,
    /// For who learns from use: searches, each with those of its results that were not loaded
    /// before it and have not been called since.
    pub searches: Vec<Search>,
    /// Tools that were called after a search: those before this no longer have them.
    #[serde(skip)]
    pub taken: Vec<String>,
}

impl Known {
    pub(super) fn search(&mut self, query: &str, tools: &[String]) {
        for tool in tools {
            remember(&mut self.found, tool, MAX_FOUND);
        }
        let mut query = query.to_owned();
        clip::truncate(&mut query, MAX_QUERY);
        if query.trim().is_empty() || tools.is_empty() {
            return;
        }
        let tools = tools.iter().take(MAX_OF_SEARCH).filter(|tool| tool.len() <= MAX_NAME);
        self.searches.push(Search { query, tools: tools.cloned().collect() });
        keep_last(&mut self.searches, MAX_SEARCHES);
    }

    pub(super) fn load(&mut self, tool: &str) {
        remember(&mut self.loaded, tool, MAX_LOADED);
    }

    /// The query of the last search that has found a tool which was not called since.
    pub(super) fn query_of(&self, tool: &str) -> Option<&str> {
        let has = |search: &&Search| search.tools.iter().any(|found| found == tool);
        self.searches.iter().rev().find(has).map(|search| search.query.as_str())
    }

    /// Notes that a tool was called: a search before this leads to it once.
    pub(super) fn take(&mut self, tool: &str) {
        self.forget_found(tool);
        remember(&mut self.taken, tool, MAX_TAKEN);
    }

    fn forget_found(&mut self, tool: &str) {
        self.searches.iter_mut().for_each(|search| search.tools.retain(|found| found != tool));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.loaded.is_empty() && self.searches.is_empty()
    }

    /// Adds what was known later.
    pub(super) fn merge(&mut self, later: &Self) {
        later.found.iter().for_each(|tool| remember(&mut self.found, tool, MAX_FOUND));
        later.loaded.iter().for_each(|tool| remember(&mut self.loaded, tool, MAX_LOADED));
        later.taken.iter().for_each(|tool| self.forget_found(tool));
        self.searches.extend(later.searches.iter().cloned());
        keep_last(&mut self.searches, MAX_SEARCHES);
    }
}

fn remember(list: &mut Vec<String>, name: &str, most: usize) {
    if name.len() > MAX_NAME {
        return;
    }
    list.retain(|known| known != name);
    list.push(name.to_owned());
    keep_last(list, most);
}

fn keep_last<T>(list: &mut Vec<T>, most: usize) {
    let beyond = list.len().saturating_sub(most);
    list.drain(..beyond);
}

/// A conversation as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    /// The principal's name, for the administrator.
    pub principal: Option<String>,
    /// Times in ms since the epoch.
    pub created: u64,
    pub used: u64,
    pub known: Known,
    /// All runs, those too that are forgotten.
    pub runs: u64,
    pub history: Vec<RunNote>,
    /// When the values of `session` were written last; 0 if there are none.
    pub values_at: u64,
    /// What the ledger has for this record.
    #[serde(default)]
    pub(super) counted: Given,
}

impl Record {
    pub(super) fn new(principal: Option<&str>) -> Self {
        let now = now();
        Self {
            format: FORMAT,
            principal: principal.map(str::to_owned),
            created: now,
            used: now,
            known: Known::default(),
            runs: 0,
            history: Vec::new(),
            values_at: 0,
            counted: Given::default(),
        }
    }

    /// # Errors
    /// It was written by a newer version, or by something else.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ConversationError> {
        let unreadable = |what: String| {
            ConversationError::Unavailable(format!("the record cannot be read: {what}"))
        };
        // What is in it may be anybody's, and is not repeated.
        let foreign = |_| unreadable("something else has written it".to_owned());
        let mut record: Self = serde_json::from_slice(bytes).map_err(foreign)?;
        record.bound();
        if record.format > FORMAT {
            let what = format!("it has format {}, this version knows {FORMAT}", record.format);
            return Err(unreadable(what));
        }
        Ok(record)
    }

    /// Whoever can write into the store writes what it likes.
    fn bound(&mut self) {
        let Known { found, loaded, taken, searches } = &mut self.known;
        let lists = [(found, MAX_FOUND), (loaded, MAX_LOADED), (taken, MAX_TAKEN)];
        for (names, most) in lists {
            names.retain(|name| name.len() <= MAX_NAME);
            keep_last(names, most);
        }
        keep_last(searches, MAX_SEARCHES);
        for Search { query, tools } in searches {
            clip::truncate(query, MAX_QUERY);
            tools.retain(|name| name.len() <= MAX_NAME);
            tools.truncate(MAX_OF_SEARCH);
        }
        keep_last(&mut self.history, MAX_HISTORY);
    }

    pub(super) fn write(&self) -> Bytes {
        serde_json::to_vec(self).expect("a record has no map and no number that JSON lacks").into()
    }

    /// Whether nobody has used it for so long, whatever the store says.
    pub(super) fn is_expired(&self, time_to_live: Duration, now: u64) -> bool {
        self.used.saturating_add(millis(time_to_live)) < now
    }

    pub(super) fn add(&mut self, run: RunNote) {
        self.runs = self.runs.saturating_add(1);
        self.history.push(run);
        keep_last(&mut self.history, MAX_HISTORY);
    }
}

/// Milliseconds since the epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_the_last_used_stays() {
        let mut known = Known::default();
        for at in 0..1000 {
            known.load(&format!("mcp__s__{at}"));
            known.search("x", &[format!("mcp__s__{at}"), "mcp__s__always".to_owned()]);
        }
        known.load("mcp__s__990");
        assert_eq!((known.found.len(), known.loaded.len()), (MAX_FOUND, MAX_LOADED));
        assert_eq!(known.searches.len(), MAX_SEARCHES);
        assert_eq!(known.loaded.last().unwrap(), "mcp__s__990");
        assert_eq!(known.found.iter().filter(|tool| *tool == "mcp__s__always").count(), 1);
    }

    #[test]
    fn the_largest_record_is_below_what_the_store_takes() {
        let mut record = Record::new(Some(&"p".repeat(64)));
        for at in 0..100 {
            let name = format!("{at:0>MAX_NAME$}");
            let tools: Vec<String> =
                (0..10).map(|n| format!("{:0>MAX_NAME$}", at * 10 + n)).collect();
            record.known.load(&name);
            record.known.search(&"\u{1}".repeat(9999), &tools);
            record.add(
                RunStart::of("typescript", &"\u{1}".repeat(9999)).ended("success", Duration::MAX),
            );
        }
        assert!(record.write().len() < 256 << 10, "{}", record.write().len());
    }

    #[test]
    fn a_call_takes_its_tool_from_all_searches_before_it_and_from_none_after_it() {
        let tools = ["mcp__s__a".to_owned(), "mcp__s__b".to_owned()];
        let (mut known, mut later) = (Known::default(), Known::default());
        known.search("one", &tools);
        known.search("two", &tools);
        assert_eq!(known.query_of("mcp__s__a"), Some("two"));
        later.take("mcp__s__a");
        later.search("three", &tools);
        known.merge(&later);
        assert_eq!(known.query_of("mcp__s__a"), Some("three"));
        assert_eq!(known.query_of("mcp__s__b"), Some("three"));
        assert_eq!(known.searches[1].tools, ["mcp__s__b"]);
        known.take("mcp__s__a");
        assert_eq!(known.query_of("mcp__s__a"), None);
    }

    #[test]
    fn a_record_that_others_wrote_is_no_larger_than_one_of_ours() {
        let mut record = Record::new(None);
        record.known.loaded = (0..9999).map(|at| format!("mcp__s__{at}")).collect();
        record.known.found = vec!["x".repeat(MAX_NAME + 1); 9];
        let tools = record.known.loaded.clone();
        record.known.searches = vec![Search { query: "q".repeat(9999), tools }; 99];
        record.runs = u64::MAX;
        let mut read = Record::read(&record.write()).unwrap();
        assert_eq!((read.known.found.len(), read.known.loaded.len()), (0, MAX_LOADED));
        assert_eq!(read.known.loaded.last().unwrap(), "mcp__s__9998");
        assert_eq!(read.known.searches.len(), MAX_SEARCHES);
        assert_eq!(read.known.searches[0].tools.len(), MAX_OF_SEARCH);
        assert_eq!(read.known.searches[0].query.len(), MAX_QUERY);
        read.add(RunStart::of("python", "1").ended("success", Duration::ZERO));
        assert_eq!(read.runs, u64::MAX);
    }

    #[test]
    fn a_name_that_is_too_long_is_not_remembered() {
        let mut known = Known::default();
        known.load(&"x".repeat(MAX_NAME + 1));
        known.search("q", &["x".repeat(MAX_NAME + 1)]);
        assert_eq!((known.found.len(), known.loaded.len()), (0, 0));
    }

    #[test]
    fn a_record_of_a_newer_version_is_not_read() {
        let mut record = Record::new(None);
        assert_eq!(Record::read(&record.write()).unwrap(), record);
        record.format = FORMAT + 1;
        let error = Record::read(&record.write()).unwrap_err();
        assert!(error.to_string().contains("it has format 2, this version knows 1"), "{error}");
    }

    #[test]
    fn a_conversation_expires_after_its_last_use() {
        let record = Record::new(None);
        let hour = Duration::from_secs(3600);
        assert!(!record.is_expired(hour, record.used + 3_600_000));
        assert!(record.is_expired(hour, record.used + 3_600_001));
    }

    #[test]
    fn a_program_is_remembered_by_its_first_line() {
        let start = RunStart::of("python", "\n\n  import x\ny");
        let note = start.ended("success", Duration::from_millis(7));
        assert_eq!((&*note.first_line, note.ms), ("import x", 7));
    }
}
