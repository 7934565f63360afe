//! Vectors that are kept by the hash of their texts: those that were used last.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use sha2::{Digest, Sha256};

/// Bytes of all that is kept: 20,000 vectors of 3072 numbers, 130,000 of 384.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// What an entry takes beside its numbers: two places in maps, of 48 bytes each.
const BESIDE: usize = 128;

/// The largest magnitude of a number that is kept.
pub(super) const LARGEST: i8 = 127;

/// Groups of texts, by their hash: each is one value of the store, of 64 KiB at its default size,
/// which is what one changed tool costs there.
pub(super) const PACKS: usize = 512;

/// Names a text and what made its vector, where it outlives the process: a SHA-256.
pub(super) type Name = [u8; 32];

/// The SHA-256 of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The group that it is in.
    pub(super) fn pack(&self) -> usize {
        usize::from(u16::from_be_bytes([self.0[0], self.0[1]])) % PACKS
    }

    /// Names the vector that an encoder makes of the text.
    pub(super) fn name(&self, encoder: &str) -> Name {
        Sha256::new().chain_update(self.0).chain_update(encoder).finalize().into()
    }
}

/// Numbers of a vector as they are kept, the largest of them as large as they can be.
pub(super) fn scaled(vector: &[f32]) -> Box<[i8]> {
    let largest = vector.iter().fold(0.0_f32, |largest, it| largest.max(it.abs()));
    let factor = if largest > 0.0 { f32::from(LARGEST) / largest } else { 0.0 };
    vector.iter().map(|number| (number * factor).round() as i8).collect()
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

    /// Keeps a vector that is [`scaled`].
    pub(super) fn put(&mut self, key: Key, numbers: Box<[i8]>) {
        self.remove(&key);
        self.uses += 1;
        self.bytes += Self::bytes_of(numbers.len());
        self.vectors.insert(key, (self.uses, numbers));
        self.by_use.insert(self.uses, key);
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.by_use.first_key_value() else { break };
            self.remove(&oldest.clone());
        }
    }

    /// The vectors of some groups of texts.
    pub(super) fn of_packs(&self, packs: Range<usize>) -> Vec<(Key, Box<[i8]>)> {
        let vectors = self.vectors.iter().filter(|(key, _)| packs.contains(&key.pack()));
        vectors.map(|(key, (_, numbers))| (*key, numbers.clone())).collect()
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
        kept.put(a, scaled(&[1.0, 0.0, 0.0]));
        kept.put(b, scaled(&[0.0, 1.0, 0.0]));
        assert_eq!(kept.get(&a), Some(vec![127.0, 0.0, 0.0]));
        kept.put(c, scaled(&[0.0, 0.0, -0.5]));
        assert_eq!([a, b, c].map(|key| kept.has(&key)), [true, false, true]);
        assert_eq!(kept.bytes, 2 * Kept::bytes_of(3));
    }

    #[test]
    fn a_vector_that_is_put_again_takes_its_place() {
        let mut kept = Kept::new(1000);
        let key = Key::of("a");
        kept.put(key, scaled(&[1.0]));
        kept.put(key, scaled(&[-1.0]));
        assert_eq!((kept.get(&key), kept.bytes), (Some(vec![-127.0]), Kept::bytes_of(1)));
    }

    #[test]
    fn what_is_larger_than_all_that_is_kept_is_not_kept() {
        let mut kept = Kept::new(10);
        kept.put(Key::of("a"), scaled(&[1.0]));
        assert_eq!((kept.has(&Key::of("a")), kept.bytes), (false, 0));
    }

    #[test]
    fn vectors_are_found_by_their_groups() {
        let mut kept = Kept::new(MAX_BYTES);
        let keys: Vec<Key> = (0..100).map(|at| Key::of(&at.to_string())).collect();
        keys.iter().for_each(|key| kept.put(*key, scaled(&[1.0])));
        let some = [0..PACKS / 2, PACKS / 2..PACKS].map(|packs| kept.of_packs(packs).len());
        assert_eq!(some[0] + some[1], 100);
        assert!(some[0] > 20 && some[1] > 20, "{some:?}");
    }
}
