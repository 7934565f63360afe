//! Vectors that are kept by the hash of their texts: those that were used last.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

/// Bytes of all that is kept: 20,000 vectors of 3072 numbers, 130,000 of 384.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// What an entry takes beside its numbers: two places in maps, of 48 bytes each.
const BESIDE: usize = 128;

/// The largest magnitude of a number that is kept.
const LARGEST: f32 = 127.0;

/// The SHA-256 of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

/// Vectors of one encoder.
#[derive(Debug)]
pub(super) struct Kept {
    limit: usize,
    bytes: usize,
    /// Rises with each use.
    uses: u64,
    vectors: HashMap<Key, (u64, Box<[i8]>)>,
    by_use: BTreeMap<u64, Key>,
}

impl Kept {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, uses: 0, vectors: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// Bytes of a vector of so many numbers.
    pub(super) fn bytes_of(dimensions: usize) -> usize {
        dimensions + BESIDE
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.vectors.contains_key(key)
    }

    /// The vector of a text, of no length in particular.
    pub(super) fn get(&mut self, key: &Key) -> Option<Vec<f32>> {
        let (used, vector) = self.vectors.get_mut(key)?;
        self.uses += 1;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, *key);
        Some(vector.iter().map(|number| f32::from(*number)).collect())
    }

    pub(super) fn put(&mut self, key: Key, vector: &[f32]) {
        self.remove(&key);
        let largest = vector.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
        let factor = if largest > 0.0 { LARGEST / largest } else { 0.0 };
        let numbers = vector.iter().map(|number| (number * factor).round() as i8);
        self.uses += 1;
        self.bytes += Self::bytes_of(vector.len());
        self.vectors.insert(key, (self.uses, numbers.collect()));
        self.by_use.insert(self.uses, key);
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.by_use.first_key_value() else { break };
            self.remove(&oldest.clone());
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some((used, vector)) = self.vectors.remove(key) {
            self.by_use.remove(&used);
            self.bytes -= Self::bytes_of(vector.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let mut kept = Kept::new(2 * Kept::bytes_of(3));
        let [a, b, c] = ["a", "b", "c"].map(Key::of);
        kept.put(a, &[1.0, 0.0, 0.0]);
        kept.put(b, &[0.0, 1.0, 0.0]);
        assert_eq!(kept.get(&a), Some(vec![127.0, 0.0, 0.0]));
        kept.put(c, &[0.0, 0.0, -0.5]);
        assert_eq!([a, b, c].map(|key| kept.has(&key)), [true, false, true]);
        assert_eq!(kept.bytes, 2 * Kept::bytes_of(3));
    }

    #[test]
    fn a_vector_that_is_put_again_takes_its_place() {
        let mut kept = Kept::new(1000);
        let key = Key::of("a");
        kept.put(key, &[1.0]);
        kept.put(key, &[-1.0]);
        assert_eq!((kept.get(&key), kept.bytes), (Some(vec![-127.0]), Kept::bytes_of(1)));
    }

    #[test]
    fn what_is_larger_than_all_that_is_kept_is_not_kept() {
        let mut kept = Kept::new(10);
        kept.put(Key::of("a"), &[1.0]);
        assert_eq!((kept.has(&Key::of("a")), kept.bytes), (false, 0));
    }
}
