//! Memory for messages and sessions, of the one budget. A message in memory is many
//! times its JSON text: rmcp reads it as a tree, and as one more for each shape that it
//! may have.

use super::refusal::Refusal;
use crate::memory::{Account, Charge};
use crate::server::held::AnswerMemory;

/// Bytes of a JSON value while rmcp reads it: 16 MiB of `[0,0,…]` took 1.9 GB.
const VALUE_BYTES: usize = 240;

/// Values of one message: with [`VALUE_BYTES`] 120 MB. A program's data has more in a
/// file.
const MAX_VALUES: usize = 500_000;

/// Messages below it are not counted while they are read: 2048 of them are 128 MiB.
pub(super) const SMALL: usize = 64 << 10;

/// Bytes of a session besides its first message: tasks, channels, and its place in maps.
const SESSION_BYTES: usize = 32 << 10;

/// Bytes of one principal's sessions: a thousand with a first message of 1 KiB and 30
/// values, of which clients send some.
const SESSIONS_BYTES: usize = 64 << 20;

/// What one principal, or all where nobody has a name, may have in memory.
pub(super) struct Budget {
    account: Account,
    sessions: Account,
    pub answers: AnswerMemory,
}

impl Budget {
    /// Below an account.
    pub(super) fn of(account: &Account) -> Self {
        let sessions = account.share(SESSIONS_BYTES);
        Self { sessions, answers: AnswerMemory::of(account), account: account.clone() }
    }

    /// For the text of a message of this length.
    pub(super) async fn for_text(&self, length: usize) -> Result<Charge, Refusal> {
        if length <= SMALL {
            return Ok(Charge::none());
        }
        self.account.charge(length).await.map_err(|_| Refusal::Memory)
    }

    /// For the message itself, beyond what its text has, and for its head. One that stays
    /// after its request was answered counts even if it is small. Only a small one waits:
    /// others that waited with their texts would be memory that nobody counts.
    pub(super) async fn for_message(
        &self,
        (head, text): (usize, usize),
        values: usize,
        stays: bool,
        mut charge: Charge,
    ) -> Result<Charge, Refusal> {
        if values > MAX_VALUES {
            return Err(Refusal::Values(MAX_VALUES));
        }
        let bytes = head + text + values * VALUE_BYTES;
        if bytes > SMALL || stays {
            let more = bytes.saturating_sub(charge.bytes());
            let more = match bytes <= SMALL {
                true => self.account.charge(more).await,
                false => self.account.try_charge(more),
            };
            charge.merge(more.map_err(|_| Refusal::Memory)?);
        }
        Ok(charge)
    }

    /// For a session, for as long as it lives.
    pub(super) fn for_session(&self, text: usize, values: usize) -> Result<Charge, Refusal> {
        let bytes = SESSION_BYTES + text + values * VALUE_BYTES;
        self.sessions.try_charge(bytes).map_err(|_| Refusal::Memory)
    }
}

/// At least as many as there are values in a JSON text: each but the first follows one
/// of these characters.
pub(super) fn values(text: &[u8]) -> usize {
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
    use crate::memory::SERVER_BYTES;

    fn budget() -> (Account, Budget) {
        let account = Account::of_server(SERVER_BYTES);
        let budget = Budget::of(&account);
        (account, budget)
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        assert_eq!(values(br#"{"a":[1,2,3]}"#), 6);
        assert_eq!(values(br#"{"a":",,[[{{\",,:"}"#), 3);
        assert_eq!(values(b"1"), 1);
    }

    #[tokio::test]
    async fn a_message_of_too_many_values_is_refused_and_a_long_text_is_not() {
        let (_, budget) = budget();
        let many = budget.for_message((0, 1 << 20), MAX_VALUES + 1, false, Charge::none()).await;
        assert!(matches!(many, Err(Refusal::Values(_))));
        let text = budget.for_text(16 << 20).await.unwrap();
        let charge = budget.for_message((1 << 10, 16 << 20), 1, false, text).await.unwrap();
        assert!(charge.bytes() > 16 << 20);
    }

    #[tokio::test]
    async fn a_small_message_counts_only_if_it_stays() {
        let (_, budget) = budget();
        let charged = async |stays| {
            budget.for_message((100, 100), 1, stays, Charge::none()).await.unwrap().bytes()
        };
        assert_eq!((charged(false).await, charged(true).await), (0, 1 << 10));
        let head = budget.for_message((SMALL, 100), 1, false, Charge::none()).await.unwrap();
        assert!(head.bytes() > SMALL);
    }

    #[tokio::test]
    async fn a_message_gets_no_memory_beyond_its_text_while_others_have_it() {
        let (account, budget) = budget();
        let (length, values) = (1 << 20, MAX_VALUES / 2);
        let text = budget.for_text(length).await.unwrap();
        let others = account.try_charge(SERVER_BYTES - (32 << 20)).unwrap();
        assert!(matches!(
            budget.for_message((0, length), values, false, text).await,
            Err(Refusal::Memory)
        ));
        drop(others);
        let text = budget.for_text(length).await.unwrap();
        let charge = budget.for_message((0, length), values, false, text).await.unwrap();
        assert!(charge.bytes() > values * VALUE_BYTES);
        drop(charge);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn sessions_have_a_part_of_it_and_give_it_back() {
        let (account, budget) = budget();
        let usual: Vec<_> = (0..1000).map(|_| budget.for_session(1 << 10, 30).unwrap()).collect();
        assert!(account.used() >= 1000 * SESSION_BYTES);
        drop(usual);
        let mut large = Vec::new();
        while let Ok(charge) = budget.for_session(SMALL, SMALL / 2) {
            large.push(charge);
        }
        assert!(account.used() <= SESSIONS_BYTES);
        assert!(matches!(budget.for_session(SMALL, SMALL / 2), Err(Refusal::Memory)));
        drop(large);
        assert_eq!(account.used(), 0);
    }
}
