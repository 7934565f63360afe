//! `session`: values that the runs of a conversation have in common.

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::{Room, no_memory};
use crate::broker::failure::Problem;
use crate::broker::run::Run;
use crate::conversations::{ConversationError, MAX_VALUES};
use crate::memory::Charge;
use crate::protocol::{Answer, Failure, SessionOperation};

/// Bytes that the values of a conversation take here: as they are read, which is up to twice what
/// they are with escaped keys, parsed, written anew, and once more as a request of Redis.
const WORK: usize = 7 * MAX_VALUES;

pub(super) fn start(operation: SessionOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    dispatch.in_task(|run, responder| async move {
        // One after the other beyond the limit of requests that go out.
        let Some(turn) = run.tools.turn().await else { return };
        let mut before = Charge::none();
        let result = run.on_session(operation, &mut before).await;
        responder.answer(result, Room::from(turn).after(before));
    })
}

impl Run {
    /// `before` is for the values until the answer has a charge of its own.
    async fn on_session(
        &self,
        operation: SessionOperation,
        before: &mut Charge,
    ) -> Result<Answer, Problem> {
        let one = self.tools.conversation().one()?;
        *before = self.account().charge(WORK).await.map_err(no_memory)?;
        Ok(match operation {
            SessionOperation::Get { key } => Answer::MaybeText(one.get(&key).await?),
            SessionOperation::Set { key, value } => {
                one.set(&key, value).await?;
                Answer::Done
            }
            SessionOperation::Delete { key } => Answer::Count(one.delete(&key).await?.into()),
            SessionOperation::Keys => {
                let keys = one.keys().await?;
                Answer::Text(serde_json::Value::from(keys).to_string())
            }
        })
    }
}

impl From<ConversationError> for Problem {
    fn from(error: ConversationError) -> Self {
        use ConversationError::{
            Contended, Full, Key, NoJson, None, Off, Share, TooLarge, TooManyCalls, TooManyKeys,
            Tool, Unavailable, Unknown,
        };
        let class = match error {
            None | Key(_) | NoJson(_) | Tool(_) => "TypeError",
            TooLarge(_) | Full(_) | Share(_) | TooManyKeys | TooManyCalls(_) => "RangeError",
            Unknown | Off | Unavailable(_) | Contended => "Error",
        };
        Failure::new(class, error.to_string()).into()
    }
}
