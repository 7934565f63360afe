//! What a request has of the server's memory: its message, and its answer until the
//! client has taken it. It is given back when nobody deals with the request any more:
//! not the handler, not the stream of its answer, nor a client that may come back for
//! the rest of that.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use parking_lot::Mutex;
use rmcp::model::{CallToolResult, ContentBlock, Extensions};
use serde_json::Value;
use thiserror::Error;

use crate::memory::{Account, Charge};
use crate::runtime::Held as OfRun;

/// Bytes of one principal's answers that are not sent yet: some dozens of those of
/// programs that print and return as much as they may (1 MiB and 256 KiB, each of it
/// several times), or a thousand usual ones.
const ANSWER_BYTES: usize = 64 << 20;

/// Answers of one principal that wait for memory: as many as it has places for runs on a
/// machine of two processors. Each is there already, and counts as its run's meanwhile.
const WAITING: usize = 16;

/// How long an answer waits for others to be read: 64 MiB take that long at 25 Mbit/s, and
/// clients that read one answer after the other wait for 30 s at least.
const UNREAD: Duration = Duration::from_secs(20);

/// How often the text of an answer is in memory: as text, in the structure's JSON and
/// escaped in the JSON of the text (twice as long at most), while it is written; and as
/// notifications of what was printed.
const COPIES: usize = 5;

/// Bytes of a member of an object besides its value: its name's place, hash and index.
const MEMBER: usize = 48;

/// There is no memory for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "Answers that you have not read yet use all of the memory that is set aside for them ({} \
     MiB), or \
     the server holds too much for others. This one is lost: the program has run",
    ANSWER_BYTES >> 20
)]
pub(super) struct Unread;

/// The memory of one principal's answers.
#[derive(Debug, Clone)]
pub(super) struct AnswerMemory(Account);

impl AnswerMemory {
    /// Below the principal's account.
    pub(super) fn of(principal: &Account) -> Self {
        Self(principal.share(ANSWER_BYTES).with_queue(WAITING))
    }

    async fn charge(&self, bytes: usize) -> Result<Charge, Unread> {
        // One answer that is larger than all may be has it all.
        let bytes = bytes.min(self.0.bytes());
        self.0.charge_within(bytes, UNREAD).await.map_err(|_| Unread)
    }
}

/// What one request has. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Held(Arc<RequestMemory>);

#[derive(Debug)]
struct RequestMemory {
    answers: AnswerMemory,
    charges: Mutex<Vec<Charge>>,
    /// What the run had, until the answer has its own.
    run: Mutex<Option<OfRun>>,
}

impl Held {
    pub(super) fn new(answers: &AnswerMemory) -> Self {
        let (charges, run) = (Mutex::default(), Mutex::default());
        Self(Arc::new(RequestMemory { answers: answers.clone(), charges, run }))
    }

    /// Of the request that a handler answers. None over standard streams.
    pub(super) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Parts>()?.extensions.get::<Self>().cloned()
    }

    pub(super) fn keep(&self, charge: Charge) {
        self.0.charges.lock().push(charge);
    }

    /// What a run has of the memory, until [`Held::answer`] has come to an end.
    pub(super) fn until_answered(&self, run: OfRun) {
        *self.0.run.lock() = Some(run);
    }

    /// For an answer of about this many bytes. Waits for others to be read.
    ///
    /// # Errors
    /// [`Unread`].
    pub(super) async fn answer(&self, bytes: usize) -> Result<(), Unread> {
        let charged = self.0.answers.charge(bytes).await;
        self.0.run.lock().take();
        self.keep(charged?);
        Ok(())
    }
}

/// Bytes of a tool's result, until it is sent.
pub(super) fn bytes_of(result: &CallToolResult) -> usize {
    let texts = result.content.iter().map(|block| match block {
        ContentBlock::Text(text) => text.text.len(),
        ContentBlock::Image(image) => image.data.len(),
        ContentBlock::Audio(audio) => audio.data.len(),
        other => serde_json::to_string(other).map_or(0, |json| json.len()),
    });
    let structure = result.structured_content.as_ref().map_or(0, value_bytes);
    structure + texts.sum::<usize>() * COPIES
}

fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(value_bytes).sum(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| MEMBER + name.len() + value_bytes(value)).sum()
            }
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers() -> AnswerMemory {
        AnswerMemory::of(&Account::of_server(1 << 30))
    }

    #[tokio::test]
    async fn an_answer_is_held_until_the_last_who_deals_with_it_is_done() {
        let answers = answers();
        let held = Held::new(&answers);
        let handler = held.clone();
        handler.answer(1 << 20).await.unwrap();
        drop(handler);
        assert_eq!(answers.0.used(), 1 << 20);
        drop(held);
        assert_eq!(answers.0.used(), 0);
    }

    #[tokio::test]
    async fn who_reads_nothing_gets_no_more_and_others_do() {
        let server = Account::of_server(1 << 30);
        let (greedy, other) = (AnswerMemory::of(&server), AnswerMemory::of(&server));
        let held = Held::new(&greedy);
        held.answer(ANSWER_BYTES).await.unwrap();
        // Some wait; those beyond them are told at once.
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let held = Held::new(&greedy);
                tokio::spawn(async move { held.answer(1).await })
            })
            .collect();
        while greedy.0.waiting() < WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(Held::new(&greedy).answer(1).await, Err(Unread));
        assert_eq!(Held::new(&other).answer(ANSWER_BYTES).await, Ok(()));
        drop(held);
        for waits in waiting {
            assert_eq!(waits.await.unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_larger_than_all_may_be_goes_out_alone() {
        let answers = answers();
        let held = Held::new(&answers);
        assert_eq!(held.answer(2 * ANSWER_BYTES).await, Ok(()));
        assert_eq!(answers.0.used(), ANSWER_BYTES);
    }

    #[test]
    fn a_result_counts_with_its_values_and_its_text() {
        let empty = CallToolResult::structured(json!(null));
        let many = CallToolResult::structured(json!(vec![""; 1000]));
        let more = bytes_of(&many) - bytes_of(&empty);
        assert!(more >= 1000 * size_of::<Value>(), "{more}");
        let text = "x".repeat(1000);
        let long = CallToolResult::success(vec![ContentBlock::text(text)]);
        assert!(bytes_of(&long) >= 1000 * COPIES);
    }
}
