//! Objects whose reference counts are not written any more (PEP 683): a worker that only reads
//! an object then has no page of its own of it.
//!
//! On a platform of 32 bits an object begins with its count, and is immortal if that is at least
//! `_Py_IMMORTAL_MINIMUM_REFCNT` (CPython 3.15, Include/refcount.h).

/// `_Py_IMMORTAL_MINIMUM_REFCNT`.
const MINIMUM: u32 = 1 << 30;

/// `_Py_IMMORTAL_INITIAL_REFCNT`: what an object gets that becomes immortal.
const INITIAL: u32 = 5 << 28;

/// Makes the objects at these addresses immortal, the first of which is None. Without an effect
/// if None is not immortal as is known here: this is another interpreter then.
pub(super) fn make_immortal(memory: &mut [u8], addresses: &[u32]) {
    let is_known = addresses
        .first()
        .and_then(|none| count(memory, *none))
        .is_some_and(|count| u32::from_le_bytes(*count) >= MINIMUM);
    if !is_known {
        return;
    }
    for address in addresses {
        if let Some(count) = count(memory, *address)
            && (1..MINIMUM).contains(&u32::from_le_bytes(*count))
        {
            *count = INITIAL.to_le_bytes();
        }
    }
}

fn count(memory: &mut [u8], address: u32) -> Option<&mut [u8; 4]> {
    memory.get_mut(address as usize..)?.first_chunk_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(counts: &[u32]) -> Vec<u8> {
        counts.iter().flat_map(|count| count.to_le_bytes()).collect()
    }

    #[test]
    fn a_mortal_object_becomes_immortal_and_an_immortal_one_stays_as_it_is() {
        let mut bytes = memory(&[7 << 28, 3, 6 << 28, 1]);
        make_immortal(&mut bytes, &[0, 4, 8]);
        assert_eq!(bytes, memory(&[7 << 28, 5 << 28, 6 << 28, 1]));
    }

    #[test]
    fn nothing_is_written_where_none_is_counted() {
        let mut bytes = memory(&[100, 3]);
        make_immortal(&mut bytes, &[0, 4]);
        assert_eq!(bytes, memory(&[100, 3]));
    }

    #[test]
    fn an_address_outside_of_the_memory_is_passed_over() {
        let mut bytes = memory(&[7 << 28, 3]);
        make_immortal(&mut bytes, &[0, 6, 8, u32::MAX, 4]);
        assert_eq!(bytes, memory(&[7 << 28, 5 << 28]));
    }
}
