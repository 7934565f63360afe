//! Memory for messages. A message in memory is many times its JSON text: rmcp reads it
//! as a tree, and as one more for each shape that it may have.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;

/// Bytes of all messages that are read or answered. Two of the largest fit.
const BUDGET: usize = 512 << 20;

/// Bytes of a JSON value while rmcp reads it: 16 MiB of `[0,0,…]` took 1.9 GB.
const VALUE_BYTES: usize = 240;

/// Values of one message: with [`VALUE_BYTES`] 120 MB. A program's data has more in a
/// file.
const MAX_VALUES: usize = 500_000;

/// Messages below it are not counted while they are read: 2048 of them are 128 MiB.
const SMALL: usize = 64 << 10;

/// How long a message waits for others to be answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of a permit.
const UNIT: usize = 1 << 10;

/// What one principal, or all, may have in memory.
#[derive(Clone)]
pub(super) struct Budget {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
    patience: Duration,
}

/// What a message takes of it.
pub(super) type Reserved = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Budget {
    pub(super) fn new() -> Self {
        Self::waiting(PATIENCE)
    }

    fn waiting(patience: Duration) -> Self {
        let all = Arc::new(Semaphore::new(BUDGET / UNIT));
        Self { own: all.clone(), all, patience }
    }

    /// Half of it, so that one principal leaves another half.
    pub(super) fn share(&self) -> Self {
        Self { own: Arc::new(Semaphore::new(BUDGET / UNIT / 2)), ..self.clone() }
    }

    /// For the text of a message of this length.
    pub(super) async fn for_text(&self, length: usize) -> Result<Option<Reserved>, Refusal> {
        if length <= SMALL { Ok(None) } else { self.reserve(length).await.map(Some) }
    }

    /// For the message itself, beyond what its text has. Waits for nothing: messages
    /// that waited with their texts would be memory that nobody counts.
    pub(super) fn for_message(
        &self,
        text: &Bytes,
        reserved: Option<Reserved>,
    ) -> Result<Option<Reserved>, Refusal> {
        let values = values(text);
        if values > MAX_VALUES {
            return Err(Refusal::Values(MAX_VALUES));
        }
        let bytes = text.len() + values * VALUE_BYTES;
        if bytes <= SMALL {
            return Ok(reserved);
        }
        let has = reserved.as_ref().map_or(0, |(own, _)| own.num_permits());
        let more = units(bytes.saturating_sub(has * UNIT));
        let own = self.own.clone().try_acquire_many_owned(more);
        let all = self.all.clone().try_acquire_many_owned(self.of_all(more));
        let (Ok(mut own), Ok(mut all)) = (own, all) else { return Err(Refusal::Memory) };
        if let Some((own_text, all_text)) = reserved {
            own.merge(own_text);
            all.merge(all_text);
        }
        Ok(Some((own, all)))
    }

    /// The budget is its own share where nobody has a name.
    fn of_all(&self, units: u32) -> u32 {
        if Arc::ptr_eq(&self.own, &self.all) { 0 } else { units }
    }

    async fn reserve(&self, bytes: usize) -> Result<Reserved, Refusal> {
        let units = units(bytes);
        let both = async {
            let own = self.own.clone().acquire_many_owned(units).await;
            let all = self.all.clone().acquire_many_owned(self.of_all(units)).await;
            own.and_then(|own| all.map(|all| (own, all)))
        };
        match tokio::time::timeout(self.patience, both).await {
            Ok(Ok(reserved)) => Ok(reserved),
            _ => Err(Refusal::Memory),
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// At least as many as there are values in a JSON text: each but the first follows one
/// of these characters.
fn values(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        assert_eq!(values(br#"{"a":[1,2,3]}"#), 6);
        assert_eq!(values(br#"{"a":",,[[{{\",,:"}"#), 3);
        assert_eq!(values(b"1"), 1);
    }

    #[tokio::test]
    async fn a_message_of_too_many_values_is_refused_and_a_long_text_is_not() {
        let budget = Budget::new();
        let numbers = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert!(matches!(budget.for_message(&numbers.into(), None), Err(Refusal::Values(_))));
        let text = format!("\"{}\"", ",".repeat(16 << 20));
        assert!(budget.for_message(&text.into(), None).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_message_gets_no_memory_beyond_its_text_while_others_have_it() {
        let budget = Budget::waiting(Duration::from_millis(10));
        let numbers = Bytes::from(format!("[{}0]", "0,".repeat(MAX_VALUES / 2)));
        let text = budget.for_text(numbers.len()).await.unwrap();
        let others = budget.reserve(BUDGET - (32 << 20)).await.unwrap();
        assert!(matches!(budget.for_message(&numbers, text), Err(Refusal::Memory)));
        drop(others);
        let text = budget.for_text(numbers.len()).await.unwrap();
        let (own, _) = budget.for_message(&numbers, text).unwrap().unwrap();
        assert!(own.num_permits() * UNIT > MAX_VALUES / 2 * VALUE_BYTES);
        drop(own);
        assert!(budget.reserve(BUDGET).await.is_ok());
    }

    #[tokio::test]
    async fn a_principal_has_half_of_the_memory_and_another_the_rest() {
        let budget = Budget::waiting(Duration::from_millis(10));
        let (alice, bob) = (budget.share(), budget.share());
        let held = alice.reserve(BUDGET / 2).await.unwrap();
        assert!(matches!(alice.reserve(UNIT).await, Err(Refusal::Memory)));
        drop(bob.reserve(BUDGET / 2).await.unwrap());
        drop(held);
        assert!(alice.reserve(UNIT).await.is_ok());
    }
}
