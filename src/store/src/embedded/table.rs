//! The tables of the file.

use redb::WriteTransaction;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table as Rows, TableDefinition};

use super::failed;
use super::format::{FORMAT, decode, encode, expiry};
use crate::StoreError;
use crate::key::Range;
use crate::record::Record;
use crate::rules::Table;

/// Records by their stored names.
const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");

/// Names of the records that expire, by when.
const EXPIRIES: TableDefinition<(u64, &str), ()> = TableDefinition::new("expiries");

/// Numbers of the whole store.
const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");

const BYTES: &str = "bytes";
const VERSIONS: &str = "versions";
const FORMAT_NUMBER: &str = "format";

/// The tables in a change.
pub(super) struct Changed<'t> {
    entries: Rows<'t, &'static str, &'static [u8]>,
    expiries: Rows<'t, (u64, &'static str), ()>,
    numbers: Rows<'t, &'static str, u64>,
    bytes: u64,
    versions: u64,
}

impl<'t> Changed<'t> {
    /// Opens the tables, and makes them in a new file.
    ///
    /// # Errors
    /// [`StoreError::Format`] for a file of another format, or that it cannot be read.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let mut numbers = transaction.open_table(NUMBERS).map_err(failed)?;
        let number = |name| numbers.get(name).map(|row| row.map(|row| row.value()));
        let found = number(FORMAT_NUMBER).map_err(failed)?;
        let bytes = number(BYTES).map_err(failed)?.unwrap_or(0);
        let versions = number(VERSIONS).map_err(failed)?.unwrap_or(0);
        match found {
            Some(found) => check_format(found)?,
            None => {
                numbers.insert(FORMAT_NUMBER, u64::from(FORMAT)).map_err(failed)?;
            }
        }
        let entries = transaction.open_table(ENTRIES).map_err(failed)?;
        let expiries = transaction.open_table(EXPIRIES).map_err(failed)?;
        Ok(Self { entries, expiries, numbers, bytes, versions })
    }

    /// Writes the numbers, once all changes are made.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.numbers.insert(BYTES, self.bytes).map_err(failed)?;
        self.numbers.insert(VERSIONS, self.versions).map_err(failed)?;
        Ok(())
    }
}

fn check_format(found: u64) -> Result<(), StoreError> {
    if found == u64::from(FORMAT) {
        return Ok(());
    }
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    Err(StoreError::Format { found, known: FORMAT })
}

impl Table for Changed<'_> {
    fn record(&self, name: &str) -> Result<Option<Record>, StoreError> {
        let row = self.entries.get(name).map_err(failed)?;
        row.map(|row| decode(row.value())).transpose()
    }

    fn insert(&mut self, name: &str, record: &Record) -> Result<(), StoreError> {
        if let Some(expires) = record.expires {
            self.expiries.insert((expires, name), ()).map_err(failed)?;
        }
        self.entries.insert(name, encode(record).as_slice()).map_err(failed)?;
        Ok(())
    }

    fn delete(&mut self, name: &str, record: &Record) -> Result<(), StoreError> {
        if let Some(expires) = record.expires {
            self.expiries.remove((expires, name)).map_err(failed)?;
        }
        self.entries.remove(name).map_err(failed)?;
        Ok(())
    }

    fn first_expiry(&self) -> Result<Option<(u64, String)>, StoreError> {
        let first = self.expiries.first().map_err(failed)?;
        Ok(first.map(|(row, _)| {
            let (expires, name) = row.value();
            (expires, name.to_owned())
        }))
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn set_bytes(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }
}

/// The record below a stored name, unless it has expired.
pub(super) fn read(
    transaction: &ReadTransaction,
    name: &str,
    now: u64,
) -> Result<Option<Record>, StoreError> {
    let entries = transaction.open_table(ENTRIES).map_err(failed)?;
    let Some(row) = entries.get(name).map_err(failed)? else { return Ok(None) };
    Ok(Some(decode(row.value())?).filter(|record| !record.has_expired(now)))
}

/// The names in a range.
pub(super) fn names(
    transaction: &ReadTransaction,
    range: &Range,
    now: u64,
) -> Result<Vec<String>, StoreError> {
    let entries = transaction.open_table(ENTRIES).map_err(failed)?;
    let bounds = (range.first(), std::ops::Bound::Unbounded);
    let mut names = Vec::new();
    for row in entries.range::<&str>(bounds).map_err(failed)? {
        let (name, record) = row.map_err(failed)?;
        if names.len() == range.limit || !range.has(name.value()) {
            break;
        }
        if expiry(record.value())?.is_none_or(|expires| expires > now) {
            names.push(range.name(name.value()));
        }
    }
    Ok(names)
}

/// How many records there are, and the sum of their sizes.
pub(super) fn totals(transaction: &ReadTransaction) -> Result<(u64, u64), StoreError> {
    let entries = transaction.open_table(ENTRIES).map_err(failed)?.len().map_err(failed)?;
    let numbers = transaction.open_table(NUMBERS).map_err(failed)?;
    let bytes = numbers.get(BYTES).map_err(failed)?.map_or(0, |row| row.value());
    Ok((entries, bytes))
}
