//! How a record is written into the file: one byte of kind, eight of expiry (0: none), eight of
//! version or count, then the value. Numbers are little-endian.

use bytes::Bytes;

use crate::StoreError;
use crate::record::{Content, Record};

/// The number of this format, which is in the file.
pub(super) const FORMAT: u32 = 1;

const VALUE: u8 = 0;
const COUNTER: u8 = 1;

/// Bytes in front of the value.
const HEAD: usize = 17;

/// A record as it is written.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let (kind, number, value): (_, _, &[u8]) = match &record.content {
        Content::Value { version, value } => (VALUE, *version, value),
        Content::Counter(count) => (COUNTER, count.cast_unsigned(), &[]),
    };
    let mut bytes = Vec::with_capacity(HEAD + value.len());
    bytes.push(kind);
    bytes.extend(record.expires.unwrap_or(0).to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend(value);
    bytes
}

/// A record that was written.
///
/// # Errors
/// [`StoreError::Unavailable`] for what [`encode`] does not write.
pub(super) fn decode(bytes: &[u8]) -> Result<Record, StoreError> {
    let (kind, expires, number, value) = parts(bytes).ok_or_else(damaged)?;
    let content = match kind {
        VALUE => Content::Value { version: number, value: Bytes::copy_from_slice(value) },
        COUNTER if value.is_empty() => Content::Counter(number.cast_signed()),
        _ => return Err(damaged()),
    };
    Ok(Record { expires: (expires != 0).then_some(expires), content })
}

/// When a record that was written expires. Its value is not copied.
///
/// # Errors
/// As of [`decode`].
pub(super) fn expiry(bytes: &[u8]) -> Result<Option<u64>, StoreError> {
    let (_, expires, _, _) = parts(bytes).ok_or_else(damaged)?;
    Ok((expires != 0).then_some(expires))
}

fn parts(bytes: &[u8]) -> Option<(u8, u64, u64, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (number, value) = rest.split_first_chunk()?;
    Some((*kind, u64::from_le_bytes(*expires), u64::from_le_bytes(*number), value))
}

fn damaged() -> StoreError {
    StoreError::Unavailable { reason: "its file has an entry that no version writes".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let value = Content::Value { version: u64::MAX, value: Bytes::from_static(b"\0v") };
        let records = [
            Record { expires: None, content: value.clone() },
            Record { expires: Some(7), content: value },
            Record { expires: Some(u64::MAX), content: Content::Counter(i64::MIN) },
        ];
        for record in records {
            assert_eq!(expiry(&encode(&record)), Ok(record.expires));
            assert_eq!(decode(&encode(&record)), Ok(record));
        }
    }

    #[test]
    fn what_no_version_writes_is_an_error() {
        let counter = encode(&Record { expires: None, content: Content::Counter(1) });
        assert!(decode(&counter[..16]).is_err());
        assert!(decode(&[&counter[..], b"x"].concat()).is_err());
        assert!(decode(&[&[2], &counter[1..]].concat()).is_err());
    }
}
