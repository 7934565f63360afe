//! Lines of code objects.

/// Kinds of entries with a short form: a column and no new line.
const SHORT: std::ops::RangeInclusive<u8> = 0..=9;

/// Two bytes of columns, and so many lines further.
const ONE_LINE_0: u8 = 10;
const ONE_LINE_2: u8 = 12;

const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;

/// The line of a code unit, from a table of `co_linetable`'s format
/// (CPython, `InternalDocs/code_objects.md`).
pub(super) fn line_of(table: &[u8], first_line: u32, unit: u32) -> Option<u32> {
    let mut bytes = table.iter().copied();
    let (mut line, mut end) = (i64::from(first_line), 0_u32);
    loop {
        let head = bytes.next()?;
        end = end.saturating_add(u32::from(head & 7) + 1);
        let kind = (head >> 3) & 15;
        let mut has_line = true;
        match kind {
            kind if SHORT.contains(&kind) => drop(bytes.next()?),
            ONE_LINE_0..=ONE_LINE_2 => {
                line += i64::from(kind - ONE_LINE_0);
                bytes.nth(1)?;
            }
            NO_COLUMNS => line += signed(&mut bytes)?,
            LONG => {
                line += signed(&mut bytes)?;
                for _ in 0..3 {
                    unsigned(&mut bytes)?;
                }
            }
            _ => has_line = false,
        }
        if end > unit {
            return u32::try_from(line).ok().filter(|_| has_line);
        }
    }
}

/// Six bits a byte, the lowest first; bit 6 says that another follows.
fn unsigned(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let (mut value, mut shift) = (0_u32, 0);
    loop {
        let byte = bytes.next()?;
        value |= u32::from(byte & 63).checked_shl(shift)?;
        shift += 6;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
}

/// The lowest bit is the sign.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let value = unsigned(bytes)?;
    let amount = i64::from(value >> 1);
    Some(if value & 1 == 0 { amount } else { -amount })
}
