//! Calls of sessions, until they are answered, and the streams that their answers go to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::{Mutex, MutexGuard};
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::SessionId;

use crate::server::held::Held;

/// A call of a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub session: SessionId,
    pub id: RequestId,
}

/// Calls of sessions that are not answered yet.
#[derive(Default)]
pub(super) struct Unanswered(Mutex<HashMap<Call, Stream>>);

/// Where the answer of a call goes to.
struct Stream {
    number: u64,
    /// rmcp's number of it, once it has sent an event: what a client that comes back
    /// names in Last-Event-ID, behind the slash.
    events: Option<u64>,
    /// Until nobody can come back for the answer any more.
    held: Held,
    /// The answer is kept elsewhere, too: the call does not end with its stream.
    goes_on: bool,
}

impl Unanswered {
    /// The calls of a session.
    pub(super) fn of(&self, session: &SessionId) -> Vec<Call> {
        let calls = self.calls();
        calls.keys().filter(|call| call.session == *session).cloned().collect()
    }

    /// Notes a call. Whether its id was free: rmcp answers only one of two calls with
    /// the same, and forgets neither before their session ends.
    pub(super) fn begin(&self, call: &Call, number: u64, held: &Held) -> bool {
        match self.calls().entry(call.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(Stream { number, events: None, held: held.clone(), goes_on: false });
                true
            }
        }
    }

    /// Gives another stream what the answer of one was sent to.
    pub(super) fn resume(
        &self,
        session: &SessionId,
        events: u64,
        number: u64,
    ) -> Option<(Call, Held)> {
        let mut calls = self.calls();
        let mut all = calls.iter_mut();
        let (call, stream) =
            all.find(|(call, stream)| call.session == *session && stream.events == Some(events))?;
        stream.number = number;
        Some((call.clone(), stream.held.clone()))
    }

    /// Notes that a call goes on when nobody comes back for its answer.
    pub(super) fn is_kept(&self, call: &Call) {
        if let Some(stream) = self.calls().get_mut(call) {
            stream.goes_on = true;
        }
    }

    pub(super) fn goes_on(&self, call: &Call) -> bool {
        self.calls().get(call).is_some_and(|stream| stream.goes_on)
    }

    /// Notes rmcp's number of a stream.
    pub(super) fn sends(&self, call: &Call, number: u64, events: u64) {
        if let Some(stream) = self.calls().get_mut(call).filter(|it| it.number == number) {
            stream.events = Some(events);
        }
    }

    /// Forgets a call, if this stream still is where its answer goes to.
    pub(super) fn take(&self, call: &Call, number: u64) -> bool {
        let mut calls = self.calls();
        let is_its = calls.get(call).is_some_and(|stream| stream.number == number);
        is_its && calls.remove(call).is_some()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Call, Stream>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Account;
    use crate::server::held::AnswerMemory;

    fn begins(calls: &Unanswered, call: &Call, number: u64) -> bool {
        calls.begin(call, number, &Held::new(&AnswerMemory::of(&Account::of_server(1 << 20))))
    }

    fn call(session: &str, id: i64) -> Call {
        Call { session: session.to_owned().into(), id: RequestId::Number(id) }
    }

    #[test]
    fn an_id_is_free_again_when_its_call_is_answered() {
        let calls = Unanswered::default();
        assert!(begins(&calls, &call("a", 1), 10) && begins(&calls, &call("b", 1), 11));
        assert!(!begins(&calls, &call("a", 1), 12));
        assert!(calls.take(&call("a", 1), 10) && begins(&calls, &call("a", 1), 13));
    }

    #[test]
    fn a_call_is_taken_up_by_the_number_of_its_events_only() {
        let calls = Unanswered::default();
        let session: SessionId = "a".to_owned().into();
        assert!(begins(&calls, &call("a", 1), 10) && begins(&calls, &call("a", 2), 11));
        calls.sends(&call("a", 1), 10, 7);
        calls.sends(&call("a", 2), 11, 8);
        assert!(calls.resume(&session, 9, 20).is_none());
        assert!(calls.resume(&"b".to_owned().into(), 8, 20).is_none());
        let resumed = calls.resume(&session, 8, 21).map(|(call, _)| call);
        assert_eq!(resumed, Some(call("a", 2)));
        // What the first stream had of it is over.
        assert!(!calls.take(&call("a", 2), 11) && calls.take(&call("a", 2), 21));
        assert!(calls.take(&call("a", 1), 10));
    }
}
