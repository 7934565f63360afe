//! Vectors of many texts as one value of the store.
//!
//! Its form: the version 1, then for each vector the SHA-256 that names it, the day on which it
//! was used (u32, since 1970), how many numbers it has (u16), and the numbers (i8), all
//! little-endian; those that were used last first. The store may be anybody's: what is read is
//! checked, and what is not of this form ends it.

use std::collections::HashSet;

use super::kept::{LARGEST, Name};

const FORM: u8 = 1;
const NAME: usize = size_of::<Name>();
const HEAD: usize = NAME + 4 + 2;

/// Days after which a vector that was not used is dropped.
pub(super) const KEPT_DAYS: u32 = 90;

/// A vector in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed<'a> {
    pub name: Name,
    pub day: u32,
    numbers: &'a [u8],
}

impl Packed<'_> {
    /// Its numbers, if they are a vector of so many: scaled as all that are kept, so that it has
    /// a direction and its largest number is the largest that there is.
    pub(super) fn vector(&self, dimensions: usize) -> Option<Box<[i8]>> {
        let numbers: Box<[i8]> = self.numbers.iter().map(|byte| byte.cast_signed()).collect();
        is_vector(&numbers, dimensions).then_some(numbers)
    }
}

/// Whether numbers are a vector of this length as they are kept.
pub(super) fn is_vector(numbers: &[i8], dimensions: usize) -> bool {
    let largest = numbers.iter().map(|number| number.unsigned_abs()).max();
    numbers.len() == dimensions && largest == Some(LARGEST.unsigned_abs())
}

/// The vectors of a value, up to where it is damaged.
pub(super) fn unpacked(value: &[u8]) -> impl Iterator<Item = Packed<'_>> {
    let mut rest = match value.split_first() {
        Some((&FORM, rest)) => rest,
        Some(_) | None => &[],
    };
    std::iter::from_fn(move || {
        let (name, tail) = rest.split_first_chunk::<NAME>()?;
        let (day, tail) = tail.split_first_chunk()?;
        let (count, tail) = tail.split_first_chunk()?;
        let (numbers, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*count)))?;
        rest = tail;
        Some(Packed { name: *name, day: u32::from_le_bytes(*day), numbers })
    })
}

/// A value of these vectors, used today, and of those of the value before that they do not
/// replace, as far as they fit.
pub(super) fn packed(
    new: &[(Name, Box<[i8]>)],
    before: &[u8],
    (limit, today): (usize, u32),
) -> Vec<u8> {
    let is_kept = |item: &Packed<'_>| item.day <= today && today - item.day <= KEPT_DAYS;
    let mut old: Vec<Packed<'_>> = unpacked(before).filter(is_kept).collect();
    old.sort_by_key(|item| std::cmp::Reverse(item.day));
    let (mut value, mut names) = (vec![FORM], HashSet::new());
    let mut push = |name: Name, day: u32, numbers: &mut dyn ExactSizeIterator<Item = u8>| {
        let Ok(count) = u16::try_from(numbers.len()) else { return };
        if value.len() + HEAD + numbers.len() <= limit && names.insert(name) {
            value.extend(name);
            value.extend(day.to_le_bytes());
            value.extend(count.to_le_bytes());
            value.extend(numbers);
        }
    };
    for (name, numbers) in new {
        push(*name, today, &mut numbers.iter().map(|number| number.cast_unsigned()));
    }
    for item in old {
        push(item.name, item.day, &mut item.numbers.iter().copied());
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1000;

    fn new(name: u8, numbers: &[i8]) -> (Name, Box<[i8]>) {
        ([name; NAME], numbers.into())
    }

    /// First bytes of names, and days.
    fn held(value: &[u8]) -> Vec<(u8, u32)> {
        unpacked(value).map(|item| (item.name[0], item.day)).collect()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let value = packed(&[new(1, &[127, -3]), new(2, &[0, -127])], &[], (LIMIT, 7));
        let vectors: Vec<_> = unpacked(&value).map(|item| item.vector(2).unwrap()).collect();
        assert_eq!(vectors, [Box::from([127, -3]), Box::from([0, -127])]);
        assert_eq!(held(&value), [(1, 7), (2, 7)]);
    }

    #[test]
    fn new_vectors_come_first_and_replace_their_old_ones() {
        let before = packed(&[new(1, &[127]), new(2, &[127])], &[], (LIMIT, 7));
        let value = packed(&[new(2, &[-127])], &before, (LIMIT, 9));
        assert_eq!(held(&value), [(2, 9), (1, 7)]);
        assert_eq!(unpacked(&value).next().unwrap().vector(1), Some(Box::from([-127])));
    }

    #[test]
    fn a_full_value_drops_what_was_not_used_for_longest() {
        let limit = 1 + 2 * (HEAD + 1);
        let before = packed(&[new(1, &[127])], &[], (limit, 5));
        let before = packed(&[new(2, &[127])], &before, (limit, 6));
        let value = packed(&[new(3, &[127])], &before, (limit, 7));
        assert_eq!(held(&value), [(3, 7), (2, 6)]);
        assert!(value.len() <= limit);
    }

    #[test]
    fn what_was_not_used_for_ninety_days_or_is_of_tomorrow_is_dropped() {
        let before = packed(&[new(1, &[127])], &[], (LIMIT, 100));
        assert_eq!(held(&packed(&[], &before, (LIMIT, 190))), [(1, 100)]);
        assert_eq!(held(&packed(&[], &before, (LIMIT, 191))), []);
        assert_eq!(held(&packed(&[], &before, (LIMIT, 99))), []);
    }

    #[test]
    fn what_is_not_a_vector_of_that_length_is_not_taken() {
        let vector = |numbers: &[i8]| {
            let value = packed(&[new(1, numbers)], &[], (LIMIT, 1));
            unpacked(&value).next().unwrap().vector(3)
        };
        assert!(vector(&[1, -127, 0]).is_some());
        for wrong in [&[0, 0, 0][..], &[1, 126, 0], &[-128, 127, 0], &[127, 0], &[127; 4], &[]] {
            assert_eq!(vector(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_value_of_another_form_has_none_and_a_damaged_one_what_is_whole() {
        let mut value = packed(&[new(1, &[127]), new(2, &[127])], &[], (LIMIT, 7));
        assert_eq!(held(&value[..value.len() - 1]), [(1, 7)]);
        value[0] = 2;
        assert_eq!((held(&value), held(&[])), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(mut bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            bytes[0] = FORM;
            let value = packed(&[new(1, &[127])], &bytes, (200, u32::MAX));
            prop_assert!(value.len() <= 200 && held(&value)[0] == (1, u32::MAX));
        }
    }
}
