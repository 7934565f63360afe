//! The rules of changing entries, which are the same wherever they are kept: expectations,
//! expiry, sizes.

use bytes::Bytes;

use crate::record::{Content, Record, check_expected};
use crate::{Claim, Expected, Held, Keep, Limits, Refill, StoreError, Taken, Version};

/// Expired entries that a change removes: more than it can add, so that they never pile up.
const SWEPT_BY_A_CHANGE: usize = 16;

/// Expired entries that a change removes at most where the store is full: some milliseconds.
const SWEPT_TO_MAKE_ROOM: usize = 1000;

/// Records by their stored names, and what is known of all of them.
pub(crate) trait Table {
    /// The record, also one that has expired.
    fn record(&self, name: &str) -> Result<Option<Record>, StoreError>;
    /// Puts a record where there is none.
    fn insert(&mut self, name: &str, record: &Record) -> Result<(), StoreError>;
    /// Removes a record, which is there.
    fn delete(&mut self, name: &str, record: &Record) -> Result<(), StoreError>;
    /// The record that expires first, and when.
    fn first_expiry(&self) -> Result<Option<(u64, String)>, StoreError>;
    /// The sum of the records' sizes.
    fn bytes(&self) -> u64;
    /// Changes that sum.
    fn set_bytes(&mut self, bytes: u64);
    /// A number that no record has had.
    fn next_version(&mut self) -> u64;
}

/// [`crate::Store::get`].
pub(crate) fn get(table: &impl Table, name: &str, now: u64) -> Result<Option<Record>, StoreError> {
    Ok(table.record(name)?.filter(|record| !record.has_expired(now)))
}

/// [`crate::Store::set`].
pub(crate) fn set(
    table: &mut impl Table,
    name: &str,
    (expected, value, keep): (Expected, Bytes, Keep),
    (limits, now): (Limits, u64),
) -> Result<Version, StoreError> {
    sweep(table, now, SWEPT_BY_A_CHANGE)?;
    check_expected(get(table, name, now)?.as_ref(), expected)?;
    let record = Record::of_value(table.next_version(), value, keep, now);
    put(table, name, &record, (limits, now))?;
    Ok(record.version())
}

/// [`crate::Store::add`].
pub(crate) fn add(
    table: &mut impl Table,
    name: &str,
    (delta, keep): (i64, Keep),
    (limits, now): (Limits, u64),
) -> Result<i64, StoreError> {
    sweep(table, now, SWEPT_BY_A_CHANGE)?;
    let (record, count) = Record::counted(get(table, name, now)?.as_ref(), delta, keep, now)?;
    put(table, name, &record, (limits, now))?;
    Ok(count)
}

/// [`crate::Store::take`], at `micros` by the clock whose milliseconds are `now`.
pub(crate) fn take_tokens(
    table: &mut impl Table,
    name: &str,
    (wanted, refill): (i32, Refill),
    (limits, micros): (Limits, i64),
) -> Result<Taken, StoreError> {
    let now = u64::try_from(micros / 1000).unwrap_or_default();
    sweep(table, now, SWEPT_BY_A_CHANGE)?;
    let there = get(table, name, now)?;
    let full = match there.as_ref().map(|record| &record.content) {
        None => 0,
        Some(Content::Counter(full)) => *full,
        Some(Content::Value { .. }) => return Err(StoreError::Conflict),
    };
    let (full, taken) = refill.take(full, micros, i64::from(wanted));
    if full <= micros {
        take(table, name)?;
        return Ok(taken);
    }
    let expires = u64::try_from(full / 1000).unwrap_or_default().saturating_add(1);
    let record = Record { expires: Some(expires), content: Content::Counter(full) };
    put(table, name, &record, (limits, now))?;
    Ok(taken)
}

/// [`crate::Store::hold`].
pub(crate) fn hold(
    table: &mut impl Table,
    name: &str,
    claim: Claim<'_>,
    (limits, now): (Limits, u64),
) -> Result<Held, StoreError> {
    sweep(table, now, SWEPT_BY_A_CHANGE)?;
    let there = get(table, name, now)?;
    let before = match there.as_ref().map(|record| &record.content) {
        None => &[][..],
        Some(Content::Value { value, .. }) => value,
        Some(Content::Counter(_)) => return Err(StoreError::Conflict),
    };
    let (holders, held) = claim.made(before, now);
    let Some((value, expires)) = holders else {
        take(table, name)?;
        return Ok(held);
    };
    let content = Content::Value { version: table.next_version(), value };
    put(table, name, &Record { expires: Some(expires), content }, (limits, now))?;
    Ok(held)
}

/// [`crate::Store::remove`].
pub(crate) fn remove(table: &mut impl Table, name: &str, now: u64) -> Result<bool, StoreError> {
    sweep(table, now, SWEPT_BY_A_CHANGE)?;
    let removed = take(table, name)?;
    Ok(removed.is_some_and(|record| !record.has_expired(now)))
}

/// Replaces what is there, if the store may hold that.
fn put(
    table: &mut impl Table,
    name: &str,
    record: &Record,
    (limits, now): (Limits, u64),
) -> Result<(), StoreError> {
    let size = record.size(name.len());
    if !has_room(table, name, size, limits)? {
        sweep(table, now, SWEPT_TO_MAKE_ROOM)?;
        if !has_room(table, name, size, limits)? {
            return Err(StoreError::Full { limit: limits.bytes });
        }
    }
    take(table, name)?;
    table.insert(name, record)?;
    table.set_bytes(table.bytes() + size);
    Ok(())
}

/// Whether a record of this size may take the place of what is there. One that is not larger
/// always may, also in a store whose limit was lowered.
fn has_room(table: &impl Table, name: &str, size: u64, limits: Limits) -> Result<bool, StoreError> {
    let freed = table.record(name)?.map_or(0, |there| there.size(name.len()));
    Ok(size <= freed || table.bytes().saturating_sub(freed) + size <= limits.bytes)
}

fn take(table: &mut impl Table, name: &str) -> Result<Option<Record>, StoreError> {
    let Some(record) = table.record(name)? else { return Ok(None) };
    table.delete(name, &record)?;
    table.set_bytes(table.bytes().saturating_sub(record.size(name.len())));
    Ok(Some(record))
}

/// Removes at most so many entries that have expired.
fn sweep(table: &mut impl Table, now: u64, most: usize) -> Result<(), StoreError> {
    for _ in 0..most {
        match table.first_expiry()? {
            Some((expires, name)) if expires <= now => take(table, &name)?,
            Some(_) | None => return Ok(()),
        };
    }
    Ok(())
}
