//! What the conversations of one principal take of the store: which there are, how many bytes each
//! has been given, and until when. A row is written before what it is about, and expires after it,
//! so that the sum can be too large for a while and never too small.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::ConversationError;

/// Bytes are given in steps of so many, so that a record that grows by a run is not counted anew
/// each time.
const STEP: u64 = 1 << 10;

/// A row is written anew after this part of the time that it is kept for.
const FRESH: u64 = 16;

/// Bytes that were given, and until when in ms since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given(u64, u64);

impl Given {
    /// Bytes for `keep` ms from now.
    pub(super) fn of(bytes: usize, keep: u64, now: u64) -> Self {
        let bytes = (bytes as u64).next_multiple_of(STEP);
        Self(bytes, now.saturating_add(keep))
    }

    /// Whether another that was given before is as good.
    pub(super) fn is_within(self, before: Self) -> bool {
        self.0 <= before.0 && self.1 <= before.1
    }

    /// The same time for at least as many bytes as another has.
    pub(super) fn at_least(self, other: Self, now: u64) -> Self {
        Self(self.0.max(other.bytes(now)), self.1)
    }

    /// The same, for so much longer that the next ones are within it.
    pub(super) fn longer(self, keep: u64) -> Self {
        Self(self.0, self.1.saturating_add(keep / FRESH))
    }

    fn is_over(self, now: u64) -> bool {
        self.1 < now
    }

    fn bytes(self, now: u64) -> u64 {
        if self.is_over(now) { 0 } else { self.0 }
    }
}

/// What bytes are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Record,
    Values,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Row(Given, Given);

impl Row {
    fn part(&mut self, part: Part) -> &mut Given {
        match part {
            Part::Record => &mut self.0,
            Part::Values => &mut self.1,
        }
    }

    fn bytes(&self, now: u64) -> u64 {
        self.0.bytes(now).saturating_add(self.1.bytes(now))
    }
}

/// Rows by handles: 10,000 conversations have some 800 KB, of the 1 MiB that a store takes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Ledger(BTreeMap<String, Row>);

impl Ledger {
    /// One that cannot be read is begun anew: conversations are counted when they are used next.
    pub(super) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(super) fn write(&self) -> Bytes {
        serde_json::to_vec(self).expect("a ledger has texts and numbers only").into()
    }

    /// Conversations that are there.
    pub(super) fn count(&self, now: u64) -> usize {
        self.0.values().filter(|row| !row.0.is_over(now)).count()
    }

    /// Bytes of all.
    pub(super) fn bytes(&self, now: u64) -> u64 {
        self.0.values().fold(0, |sum, row| sum.saturating_add(row.bytes(now)))
    }

    /// Conversations that have expired, but not their values.
    pub(super) fn left_behind(&self, now: u64) -> Vec<String> {
        let is_left = |row: &Row| row.0.is_over(now) && !row.1.is_over(now);
        self.0.iter().filter(|(_, row)| is_left(row)).map(|(handle, _)| handle.clone()).collect()
    }

    /// The conversation that was used longest ago.
    pub(super) fn oldest(&self, now: u64) -> Option<String> {
        let there = self.0.iter().filter(|(_, row)| !row.0.is_over(now));
        there.min_by_key(|(_, row)| row.0.1).map(|(handle, _)| handle.clone())
    }

    /// Strikes a conversation out, and says whether it was there.
    pub(super) fn strike(&mut self, handle: &str) -> bool {
        self.0.remove(handle).is_some()
    }

    /// Gives bytes to a part of a conversation, in place of those that it has.
    ///
    /// # Errors
    /// It would be more than before, and all together more than the share.
    pub(super) fn give(
        &mut self,
        (handle, part): (&str, Part),
        given: Given,
        share: u64,
        now: u64,
    ) -> Result<(), ConversationError> {
        self.0.retain(|_, row| !row.0.is_over(now) || !row.1.is_over(now));
        let before = self.given(handle, part).bytes(now);
        let others = self.bytes(now).saturating_sub(before);
        if given.0 > before && others.saturating_add(given.0) > share {
            return Err(ConversationError::Share(share));
        }
        *self.0.entry(handle.to_owned()).or_default().part(part) = given;
        Ok(())
    }

    /// What a part of a conversation has.
    pub(super) fn given(&self, handle: &str, part: Part) -> Given {
        self.0.get(handle).map_or_else(Given::default, |row| *row.clone().part(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: u64 = 10 * STEP;

    fn give(ledger: &mut Ledger, handle: &str, part: Part, steps: u64, until: u64) -> bool {
        ledger.give((handle, part), Given(steps * STEP, until), SHARE, 1).is_ok()
    }

    #[test]
    fn all_parts_of_all_conversations_have_one_share() {
        let mut ledger = Ledger::default();
        assert!(give(&mut ledger, "a", Part::Record, 1, 9));
        assert!(give(&mut ledger, "a", Part::Values, 5, 9));
        assert!(give(&mut ledger, "b", Part::Record, 4, 9));
        assert!(!give(&mut ledger, "b", Part::Values, 1, 9));
        assert!(give(&mut ledger, "a", Part::Values, 4, 9), "less is always given");
        assert!(give(&mut ledger, "b", Part::Values, 1, 9));
        assert_eq!(ledger.bytes(1), SHARE);
    }

    #[test]
    fn what_has_expired_is_not_counted_and_values_outlast_their_conversation() {
        let mut ledger = Ledger::default();
        assert!(
            give(&mut ledger, "a", Part::Record, 5, 2)
                && give(&mut ledger, "a", Part::Values, 5, 4)
        );
        assert_eq!((ledger.count(2), ledger.count(3)), (1, 0));
        assert_eq!((ledger.bytes(3), ledger.bytes(5)), (5 * STEP, 0));
        assert!(ledger.left_behind(2).is_empty());
        assert_eq!(ledger.left_behind(3), ["a"]);
        assert!(ledger.strike("a") && !ledger.strike("a"));
    }

    #[test]
    fn the_oldest_is_the_one_that_would_expire_first() {
        let mut ledger = Ledger::default();
        for (handle, until) in [("a", 7), ("b", 5), ("c", 6), ("gone", 1)] {
            give(&mut ledger, handle, Part::Record, 1, until);
        }
        assert_eq!(ledger.oldest(2).as_deref(), Some("b"));
    }

    #[test]
    fn a_ledger_is_read_as_it_was_written_and_the_largest_is_below_what_the_store_takes() {
        let mut ledger = Ledger::default();
        let given = Given(1 << 20, 4_000_000_000_000);
        for at in 0..10_000 {
            let row = Row(given, given);
            ledger.0.insert(format!("conv_{at:022}"), row);
        }
        let written = ledger.write();
        assert!(written.len() < 1 << 20, "{}", written.len());
        assert_eq!(Ledger::read(&written).bytes(0), ledger.bytes(0));
        assert_eq!(Ledger::read(b"{\"a\": 1}").bytes(0), 0);
    }
}
