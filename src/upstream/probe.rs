//! The question whether a server is of the era without a handshake, and answers to it
//! that come when nobody waits for them any more: a process that `npx` downloads first
//! reads the probe together with the `initialize` that took its place. rmcp would take
//! them for answers to that.

use parking_lot::Mutex;
use rmcp::model::{ClientRequest, JsonRpcMessage, RequestId, ServerResult};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};

/// The probe of one connection.
#[derive(Default)]
pub(super) struct Probe(Mutex<State>);

#[derive(Default)]
struct State {
    /// The probe that has no answer.
    asked: Option<RequestId>,
    /// `initialize` has taken its place.
    is_over: bool,
    /// It was answered by a server of its era, too late.
    is_modern: bool,
}

impl Probe {
    /// A message goes to the server.
    pub(super) fn sent(&self, message: &TxJsonRpcMessage<RoleClient>) {
        let JsonRpcMessage::Request(request) = message else { return };
        match request.request {
            ClientRequest::DiscoverRequest(_) => {
                self.0.lock().asked = Some(request.id.clone());
            }
            ClientRequest::InitializeRequest(_) => self.0.lock().is_over = true,
            _ => {}
        }
    }

    /// Whether a message is the answer to the probe, and late. An error without an id
    /// (JSON-RPC 2.0, 5.1) answers what was asked first.
    pub(super) fn is_late(&self, message: &RxJsonRpcMessage<RoleClient>) -> bool {
        let (id, is_modern) = match message {
            JsonRpcMessage::Response(response) => {
                (Some(&response.id), matches!(response.result, ServerResult::DiscoverResult(_)))
            }
            JsonRpcMessage::Error(error) => (error.id.as_ref(), false),
            _ => return false,
        };
        let mut state = self.0.lock();
        // As rmcp takes it, the number as a string too.
        let is_answer = state
            .asked
            .as_ref()
            .is_some_and(|asked| id.is_none_or(|id| id.to_string() == asked.to_string()));
        if !is_answer {
            return false;
        }
        state.asked = None;
        state.is_modern = is_modern && state.is_over;
        state.is_over
    }

    /// Whether a late answer was one of the era without a handshake.
    pub(super) fn is_modern(&self) -> bool {
        self.0.lock().is_modern
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asks(probe: &Probe, id: u64, method: &str) {
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info,
        });
        let params = if method == "initialize" { params } else { json!({}) };
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        probe.sent(&serde_json::from_value(message).expect("a request"));
    }

    fn late(probe: &Probe, id: Value, rest: Value) -> bool {
        let mut message = json!({ "jsonrpc": "2.0", "id": id });
        message.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        probe.is_late(&serde_json::from_value(message).expect("a message"))
    }

    fn refused() -> Value {
        json!({ "error": { "code": -32601, "message": "Method not found" } })
    }

    fn discovered() -> Value {
        json!({ "result": {
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {},
            "ttlMs": 0, "cacheScope": "private",
        } })
    }

    #[test]
    fn an_answer_in_time_is_none_that_is_late() {
        let probe = Probe::default();
        asks(&probe, 0, "server/discover");
        assert!(!late(&probe, json!(0), refused()));
        asks(&probe, 1, "initialize");
        // These are for `initialize`.
        assert!(!late(&probe, Value::Null, refused()));
        assert!(!late(&probe, json!(1), json!({ "result": {} })));
    }

    #[test]
    fn after_initialize_the_answer_to_the_probe_is_late_and_comes_once() {
        for id in [json!(0), json!("0"), Value::Null] {
            let probe = Probe::default();
            asks(&probe, 0, "server/discover");
            asks(&probe, 1, "initialize");
            assert!(!late(&probe, json!(1), json!({ "result": {} })), "{id}");
            assert!(late(&probe, id.clone(), refused()), "{id}");
            assert!(!late(&probe, id.clone(), refused()), "{id}");
            assert!(!probe.is_modern());
        }
    }

    #[test]
    fn a_late_answer_can_tell_the_era() {
        let probe = Probe::default();
        asks(&probe, 0, "server/discover");
        asks(&probe, 1, "initialize");
        assert!(late(&probe, json!(0), discovered()));
        assert!(probe.is_modern());
    }

    #[test]
    fn without_a_probe_nothing_is_late() {
        let probe = Probe::default();
        asks(&probe, 0, "initialize");
        assert!(!late(&probe, Value::Null, refused()));
        assert!(!late(&probe, json!(0), json!({ "result": {} })));
    }
}
