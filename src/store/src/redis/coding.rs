//! How entries are kept by Redis: a value as `v`, eight random bytes that are its version, and
//! the bytes; a counter as Redis's own number. The scripts change one key each.

use bytes::Bytes;

use crate::entry::State;
use crate::record::{Content, Record};
use crate::{StoreError, Version};

/// The number of this format, which is kept below the prefix.
pub(super) const FORMAT: u32 = 1;

const VALUE: u8 = b'v';

/// Bytes in front of a value.
const HEAD: usize = 9;

/// Sets KEYS[1] to ARGV[3] for ARGV[4] ms (0: for ever) if it begins with ARGV[2], or as a
/// counter is ARGV[2]. Returns 1, or 0 if it is not so.
pub(super) const SET_IF: &str = "\
local there
if ARGV[1] == 'value' then there = redis.call('GETRANGE', KEYS[1], 0, 8)
else there = redis.call('GET', KEYS[1]) end
if there ~= ARGV[2] then return 0 end
if ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return 1";

/// Adds ARGV[1] to KEYS[1], which is kept for ARGV[2] ms (0: for ever) if it is new, and stops at
/// ARGV[3]. Returns the digits, which a number of Lua would round, or nil if it is not a counter.
pub(super) const ADD: &str = "\
local kind = redis.call('GETRANGE', KEYS[1], 0, 0)
if kind == 'v' then return false end
local done = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(done) == 'table' and done.err then
  if not string.find(done.err, 'overflow', 1, true) then return done end
  redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
end
if kind == '' and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])";

/// A value with a new version, as it is kept.
pub(super) fn encode(value: &Bytes) -> Result<(Version, Vec<u8>), StoreError> {
    let version = getrandom::u64().map_err(|error| StoreError::Unavailable {
        reason: format!("the system has no random numbers: {error}"),
    })?;
    let mut bytes = head(version);
    bytes.extend(value);
    Ok((Version(State::Value(version)), bytes))
}

/// What a value of this version begins with.
pub(super) fn head(version: u64) -> Vec<u8> {
    let mut head = vec![VALUE];
    head.extend(version.to_be_bytes());
    head
}

/// What is kept below a key.
///
/// # Errors
/// [`StoreError::Unavailable`] for what no store has set.
pub(super) fn decode(bytes: &Bytes) -> Result<Record, StoreError> {
    let content = value(bytes).or_else(|| counter(bytes)).ok_or_else(|| {
        let reason = "a key has a value that is not the store's; give it a prefix or a database \
                      of its own";
        StoreError::Unavailable { reason: reason.to_owned() }
    })?;
    Ok(Record { expires: None, content })
}

fn value(bytes: &Bytes) -> Option<Content> {
    let (head, _) = bytes.split_first_chunk::<HEAD>()?;
    let version = u64::from_be_bytes(*head.strip_prefix(&[VALUE])?.first_chunk()?);
    Some(Content::Value { version, value: bytes.slice(HEAD..) })
}

fn counter(bytes: &Bytes) -> Option<Content> {
    std::str::from_utf8(bytes).ok()?.parse().ok().map(Content::Counter)
}

/// A pattern of SCAN for keys that begin with `prefix`.
pub(super) fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}
