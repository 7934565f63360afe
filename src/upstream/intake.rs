//! What a server may send over one connection and what of it is kept, whichever
//! transport it comes by: rmcp, which is behind this, keeps whatever it is given and
//! reads it where it is.
//!
//! ```text
//! text of a message → Intake::take → rmcp → Ordered → rmcp
//!                        └─ a large result, read on another thread ─┘
//! ```
//!
//! What it makes an answer of, rmcp can read: one that it could not would be dropped, and
//! the call would wait for its timeout.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rmcp::model::{ErrorData, JsonRpcMessage, RequestId, ServerResult};
use rmcp::service::{RoleClient, TxJsonRpcMessage};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error::shown;
use super::quiet::Quiet;
use crate::memory::json::VALUE_BYTES;
use crate::memory::{Account, Charge, NoMemory};
use crate::text::broken::{Remains, check};
use crate::text::clip::truncate;
use crate::text::digits::message_with_all_digits;
use crate::text::mended::{in_utf8, mend};
use crate::text::nulls::{Empty, Members, is_null, kept};

/// The code of the answer that takes the place of one that is too large. Within
/// the range that JSON-RPC 2.0 leaves to implementations.
pub(super) const TOO_LARGE: i32 = -32099;

/// The same for one that there is no memory for.
pub(super) const NO_MEMORY: i32 = -32098;

/// The same for one that cannot be read.
pub(super) const UNREADABLE: i32 = -32097;

/// Longest reason for that, in bytes.
const MAX_REASON: usize = 200;

/// Longest message that is read on the thread that it came on, in bytes: a few ms.
pub(super) const LARGE: usize = 64 << 10;

/// Longest request or notification of a server, in bytes, and the values in it.
/// A question has a text and a form; a picture is asked about with some 100 KB.
const MAX_UNASKED: usize = 256 << 10;
const MAX_UNASKED_VALUES: usize = 20_000;

/// Longest id, in bytes of JSON. We send it back, whenever the server reads that.
const MAX_ID: usize = 1 << 10;

/// Longest answer to a handshake. Its instructions are shown up to 4 KiB.
const MAX_HANDSHAKE: usize = 256 << 10;

/// Requests that a server may send in a second.
const MAX_REQUESTS: u32 = 64;

/// Requests that a server waits for the answers of, and answers that it has not read:
/// 32 runs may each ask 16 questions, and a client answers few at a time.
const MAX_OWED: usize = 512;

/// Notifications in a second and their bytes, and answers to nothing; the others are
/// dropped.
const MAX_NOTIFICATIONS: u32 = 1000;
const MAX_NOTIFICATION_BYTES: usize = 4 << 20;

/// Messages that are dropped in a second, and their bytes, before nothing more is read
/// for the rest of it: twenty times what is passed on, so that a server that tells of each
/// of its steps is not kept from its answer, and reading them takes some 5% of a
/// processor. Who writes without end then waits, and does not take all of another.
const MAX_DROPPED: u32 = 20 * MAX_NOTIFICATIONS;
const MAX_DROPPED_BYTES: usize = 4 * MAX_NOTIFICATION_BYTES;

/// A notification that is not to be lost, and its longest text, in bytes.
const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
const MAX_TOOLS_CHANGED: usize = 256;

/// Bytes of a JSON value while rmcp reads it (see `server::http::memory`).
const READ_BYTES: usize = 240;

/// Answers up to this length are not counted: there are at most 32 for each run.
const SMALL: usize = 4 << 10;

/// Requests that nobody waits for any more before they are sent: as many as rmcp has on
/// their way to its transport.
const MAX_EARLY: usize = 1024;

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// This is for rmcp.
    Pass(Vec<u8>),
    Drop,
    /// The connection has ended.
    Close,
}

/// One connection's.
pub(super) struct Intake {
    name: Arc<str>,
    account: Account,
    /// Bytes of the longest message.
    limit: usize,
    rate: Mutex<Rate>,
    quiet: Arc<Quiet>,
    asked: Mutex<Asked>,
    /// For requests that have passed and that rmcp has not handed on yet.
    passed: Mutex<VecDeque<Charge>>,
    owed: Arc<AtomicUsize>,
    broken: CancellationToken,
}

/// Requests of ours, by their ids as text: rmcp takes `"7"` for an answer to 7 too.
#[derive(Default)]
struct Asked {
    is_connected: bool,
    requests: HashMap<String, Request>,
    /// Forgotten before they were sent: a run may end in between.
    early: HashSet<String>,
}

#[derive(Default)]
struct Request {
    is_answered: bool,
    /// For the answer, until nobody needs it.
    charge: Charge,
    /// The answer, if it was too large to be read on its way.
    result: Option<ServerResult>,
}

/// A request of the server that is not answered yet, or an answer that it has not read.
pub(super) struct Owed {
    all: Arc<AtomicUsize>,
    _charge: Charge,
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a server sent in the current second beside answers.
struct Rate {
    since: Instant,
    requests: u32,
    notifications: u32,
    bytes: usize,
    dropped: u32,
    dropped_bytes: usize,
    /// Of a change of its tools, beyond the limit.
    has_told: bool,
}

/// What is counted by the second.
const SECOND: Duration = Duration::from_secs(1);

impl Rate {
    /// Counts from nothing again when a second is over.
    fn go_on(&mut self) {
        if self.since.elapsed() > SECOND {
            *self = Self::default();
        }
    }

    /// How long nothing is to be read, when this is dropped too.
    fn drop_one(&mut self, bytes: usize) -> Option<Duration> {
        self.go_on();
        self.dropped += 1;
        self.dropped_bytes += bytes;
        let is_much = self.dropped > MAX_DROPPED || self.dropped_bytes > MAX_DROPPED_BYTES;
        is_much.then(|| SECOND.saturating_sub(self.since.elapsed()))
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            requests: 0,
            notifications: 0,
            bytes: 0,
            dropped: 0,
            dropped_bytes: 0,
            has_told: false,
        }
    }
}

/// Which members a message has.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    method: Option<&'a RawValue>,
    /// Which may be null.
    #[serde(borrow, default, deserialize_with = "kept")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "kept")]
    error: Option<&'a RawValue>,
}

/// What is wrong with a text. serde_json quotes a text that it does not expect.
fn reason(error: &serde_json::Error) -> String {
    let mut reason = error.to_string();
    truncate(&mut reason, MAX_REASON);
    reason
}

impl Head<'_> {
    /// Servers print other JSON than messages: lines of their logs.
    fn is_message(&self) -> bool {
        self.jsonrpc.is_some() || self.result.is_some() || self.error().is_some()
    }

    /// One that says something.
    fn error(&self) -> Option<&RawValue> {
        self.error.filter(|error| !is_null(Some(error)))
    }

    fn has_method(&self) -> bool {
        self.method.is_some() && !is_null(self.method)
    }

    /// Its members that say nothing.
    fn empty(&self, text: &[u8]) -> Empty {
        let Self { method, result, error, .. } = *self;
        Members { method, result, error }.empty_in(text)
    }

    /// Why this would be no answer to rmcp.
    fn problem(&self, text: &[u8]) -> Option<String> {
        let result = self.result.filter(|result| !is_null(Some(result)));
        let read = check(text).and_then(|()| match self.error() {
            Some(error) if result.is_none() => {
                serde_json::from_str::<ErrorData>(error.get()).map(drop)
            }
            _ => Ok(()),
        });
        if let Err(error) = read {
            return Some(reason(&error));
        }
        if self.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
            return Some("\"jsonrpc\" is not \"2.0\"".to_owned());
        }
        let is_empty = self.result.is_none() && self.error().is_none();
        is_empty.then(|| "it has neither a result nor an error".to_owned())
    }
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// To the request of this id, and why it cannot be read.
    Answer(String, Option<String>),
    Request,
    /// A request that cannot be read, with its id.
    Unread(Value),
    /// Also what rmcp will make nothing of.
    Notification,
    NoMessage,
}

/// A message as far as it is judged.
struct Looked {
    text: Vec<u8>,
    kind: Kind,
    /// At most so many.
    values: usize,
    id_bytes: usize,
}

impl Intake {
    pub(super) fn new(
        name: Arc<str>,
        account: Account,
        limit: usize,
        quiet: Arc<Quiet>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            account,
            limit,
            rate: Mutex::default(),
            quiet,
            asked: Mutex::default(),
            passed: Mutex::default(),
            owed: Arc::default(),
            broken: CancellationToken::new(),
        })
    }

    /// Bytes of the longest message.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Memory for what of a message has come.
    pub(super) async fn charge(&self, bytes: usize) -> Result<Charge, NoMemory> {
        self.account.charge(bytes).await
    }

    /// The handshake is done: answers may be as long as messages are.
    pub(super) fn connected(&self) {
        self.asked.lock().is_connected = true;
    }

    /// Ends when the connection is to end.
    pub(super) fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// Ends the connection.
    pub(super) fn break_off(&self, why: &str) -> Taken {
        if !self.broken.is_cancelled() {
            tracing::warn!(server = %self.name, "{why}: disconnected");
        }
        self.broken.cancel();
        Taken::Close
    }

    /// Says something in the log, unless the server has made it say much.
    pub(super) fn warn(&self, what: &str) {
        if self.quiet.allows(&self.name) {
            tracing::warn!(server = %self.name, "{what}");
        }
    }

    /// Judges a message. `again`: a request that has been answered before, and whose
    /// answer this may be all the same: rmcp sends the handshake of a session anew.
    pub(super) async fn take(&self, text: Vec<u8>, again: Option<&RequestId>) -> Taken {
        let bytes = text.len();
        let taken = self.judge(text, again).await;
        if taken == Taken::Drop {
            let pause = self.rate.lock().drop_one(bytes);
            if let Some(pause) = pause {
                self.warn("it sends many messages that nobody asked for: it is read slowly");
                tokio::time::sleep(pause).await;
            }
        }
        taken
    }

    async fn judge(&self, text: Vec<u8>, again: Option<&RequestId>) -> Taken {
        let limit = self.limit;
        let looked = if text.len() > LARGE {
            match tokio::task::spawn_blocking(move || Looked::at(text, limit)).await {
                Ok(looked) => looked,
                Err(_) => return Taken::Close,
            }
        } else {
            Looked::at(text, limit)
        };
        if looked.kind == Kind::NoMessage {
            let start = String::from_utf8_lossy(&looked.text[..looked.text.len().min(200)]);
            self.warn(&format!("not a message: {}", shown(&start)));
        }
        match &looked.kind {
            Kind::Answer(id, problem) => {
                let (id, problem) = (id.clone(), problem.clone());
                let is_again = again.is_some_and(|again| again.to_string() == id);
                if !self.waits(&id, is_again) {
                    return Taken::Drop;
                }
                match problem {
                    Some(problem) => Taken::Pass(self.unreadable(&id, &problem)),
                    None => self.answer(id, looked, is_again).await,
                }
            }
            Kind::Request => self.request(looked),
            Kind::Unread(id) => {
                // There is no such method, which is what rmcp says then.
                let text = json!({"jsonrpc": "2.0", "id": id, "method": "unreadable"}).to_string();
                self.request(Looked { text: text.into_bytes(), values: 1, ..looked })
            }
            Kind::Notification => {
                let fits = looked.text.len() <= MAX_UNASKED && looked.values <= MAX_UNASKED_VALUES;
                let counts = self.counts(0, looked.text.len()) || self.tells_of_change(&looked);
                if counts && fits { Taken::Pass(looked.text) } else { Taken::Drop }
            }
            Kind::NoMessage => Taken::Drop,
        }
    }

    /// The error that takes the place of an answer that cannot be read.
    fn unreadable(&self, id: &str, problem: &str) -> Vec<u8> {
        let problem = shown(problem);
        self.warn(&format!("an answer that cannot be read: {problem}"));
        instead(id, UNREADABLE, &problem)
    }

    /// Whether somebody waits for an answer, which is the only one from then on.
    fn waits(&self, id: &str, is_again: bool) -> bool {
        let mut asked = self.asked.lock();
        if is_again {
            asked.requests.insert(id.to_owned(), Request::default());
        }
        let Some(request) = asked.requests.get_mut(id) else { return false };
        !std::mem::replace(&mut request.is_answered, true)
    }

    fn request(&self, looked: Looked) -> Taken {
        let fits = looked.text.len() <= MAX_UNASKED
            && looked.values <= MAX_UNASKED_VALUES
            && looked.id_bytes <= MAX_ID;
        if !fits || !self.counts(1, looked.text.len()) {
            return self.break_off("it sends requests without end");
        }
        let bytes = looked.text.len() + looked.values * VALUE_BYTES;
        let Ok(charge) = self.account.try_charge(bytes) else {
            return self.break_off("there is no memory for what it asks");
        };
        self.passed.lock().push_back(charge);
        Taken::Pass(looked.text)
    }

    /// Whether so many requests, or one of what needs no answer, may come in this
    /// second.
    fn counts(&self, requests: u32, bytes: usize) -> bool {
        let mut rate = self.rate.lock();
        rate.go_on();
        rate.requests += requests;
        rate.notifications += 1 - requests;
        rate.bytes += bytes;
        if requests > 0 {
            return rate.requests <= MAX_REQUESTS;
        }
        rate.notifications <= MAX_NOTIFICATIONS && rate.bytes <= MAX_NOTIFICATION_BYTES
    }

    /// Whether this says that the tools have changed, which is passed on once in a second
    /// beyond the limit: nothing else would say so.
    fn tells_of_change(&self, looked: &Looked) -> bool {
        #[derive(Deserialize)]
        struct Notification {
            method: String,
        }
        looked.text.len() <= MAX_TOOLS_CHANGED
            && serde_json::from_slice::<Notification>(&looked.text)
                .is_ok_and(|told| told.method == TOOLS_CHANGED)
            && !std::mem::replace(&mut self.rate.lock().has_told, true)
    }

    async fn answer(&self, id: String, looked: Looked, is_again: bool) -> Taken {
        let is_handshake = is_again || !self.asked.lock().is_connected;
        if is_handshake && looked.text.len() > MAX_HANDSHAKE {
            return self.break_off("its answer to the handshake is too long");
        }
        if looked.text.len() <= SMALL {
            return Taken::Pass(looked.text);
        }
        let bytes = looked.text.len();
        let Ok(mut charge) = self.account.charge(bytes + looked.values * READ_BYTES).await else {
            return Taken::Pass(instead(&id, NO_MEMORY, "There is no memory for the result"));
        };
        // rmcp's transport itself reads the answer to a handshake.
        let text = if bytes > LARGE && !is_handshake {
            let reading = tokio::task::spawn_blocking(move || read(looked.text));
            match reading.await {
                Ok((text, result)) => {
                    if let Some(request) = self.asked.lock().requests.get_mut(&id) {
                        request.result = result;
                    }
                    text
                }
                Err(_) => return Taken::Close,
            }
        } else {
            looked.text
        };
        charge.shrink_to(bytes + looked.values * VALUE_BYTES);
        // Nobody waits any more if it is not there.
        if let Some(request) = self.asked.lock().requests.get_mut(&id) {
            request.charge = charge;
        }
        Taken::Pass(text)
    }

    /// A message goes to the server. What is given back is held until it has gone.
    pub(super) fn sent(&self, message: &TxJsonRpcMessage<RoleClient>) -> Option<Owed> {
        match message {
            JsonRpcMessage::Request(request) => {
                let (id, mut asked) = (request.id.to_string(), self.asked.lock());
                if !asked.early.remove(&id) {
                    asked.requests.insert(id, Request::default());
                }
                None
            }
            JsonRpcMessage::Notification(_) => None,
            _ => Some(self.owes(Charge::none())),
        }
    }

    /// A request of the server was handed to rmcp. What is given back is held until it
    /// is handled.
    pub(super) fn asks(&self) -> Arc<Owed> {
        let charge = self.passed.lock().pop_front();
        Arc::new(self.owes(charge.unwrap_or_default()))
    }

    fn owes(&self, charge: Charge) -> Owed {
        if self.owed.fetch_add(1, Ordering::Relaxed) >= MAX_OWED {
            self.break_off("it sends requests and does not read the answers");
        }
        Owed { all: self.owed.clone(), _charge: charge }
    }

    /// The result of an answer that rmcp was given a stand-in for.
    pub(super) fn result(&self, id: &RequestId) -> Option<ServerResult> {
        self.asked.lock().requests.get_mut(&id.to_string())?.result.take()
    }

    /// What an answer is charged for, which is whose the answer is from then on.
    pub(super) fn take_charge(&self, id: &RequestId) -> Charge {
        let mut asked = self.asked.lock();
        let request = asked.requests.get_mut(&id.to_string());
        request.map(|request| std::mem::take(&mut request.charge)).unwrap_or_default()
    }

    /// Nobody waits for an answer any more, or needs what it was charged for.
    pub(super) fn forget(&self, id: &RequestId) {
        let (id, mut asked) = (id.to_string(), self.asked.lock());
        // Only this takes a request out: one that is not there has not been sent.
        if asked.requests.remove(&id).is_none() && asked.early.len() < MAX_EARLY {
            asked.early.insert(id);
        }
    }

    /// The error that takes the place of an answer that is too long.
    pub(super) fn too_long(&self, id: &Value) -> Vec<u8> {
        let message = "The result is too large";
        let error = json!({"code": TOO_LARGE, "message": message});
        json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string().into()
    }
}

fn instead(id: &str, code: i32, message: &str) -> Vec<u8> {
    // Our own ids are numbers.
    let id = id.parse::<i64>().map_or_else(|_| Value::from(id), Value::from);
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        .to_string()
        .into()
}

impl Looked {
    /// `most`: bytes that the text may have when it is mended.
    fn at(mut text: Vec<u8>, most: usize) -> Self {
        // As of events: what is no UTF-8 is U+FFFD.
        if std::str::from_utf8(&text).is_err()
            && let Some(whole) = in_utf8(&text, most)
        {
            text = whole;
        }
        mend(&mut text);
        if let Some(whole) = message_with_all_digits(&text) {
            text = whole;
        }
        let (kind, id_bytes, empty) = Kind::of(&text);
        empty.leave_out_of(&mut text);
        Self { values: values(&text), kind, id_bytes, text }
    }
}

impl Kind {
    /// With the bytes of a request's id, and the members that say nothing.
    fn of(text: &[u8]) -> (Self, usize, Empty) {
        // serde would take an array for the object's members in their order.
        let is_object = text.trim_ascii_start().starts_with(b"{");
        let head = match serde_json::from_slice::<Head<'_>>(text) {
            Ok(head) if is_object && head.is_message() => head,
            Ok(_) => return (Self::NoMessage, 0, Empty::default()),
            Err(error) => return (Self::of_broken(text, &error), 0, Empty::default()),
        };
        let empty = head.empty(text);
        match head.id {
            Some(id) if head.has_method() => (Self::Request, id.get().len(), empty),
            Some(id) if id.get().len() <= MAX_ID => {
                let id = serde_json::from_str::<RequestId>(id.get());
                let answer = |id: RequestId| Self::Answer(id.to_string(), head.problem(text));
                (id.map_or(Self::Notification, answer), 0, empty)
            }
            _ => (Self::Notification, 0, empty),
        }
    }

    /// Of what is no JSON, or an object that names a member twice.
    fn of_broken(text: &[u8], error: &serde_json::Error) -> Self {
        match Remains::of(text) {
            Remains { id: Some(id), is_message: true, has_method: true, has_answer: false } => {
                Self::Unread(id)
            }
            Remains { id: Some(id), is_message: true, has_method: false, .. } => {
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                Self::Answer(id, Some(reason(error)))
            }
            _ => Self::NoMessage,
        }
    }
}

/// Values in a JSON text, at most: each has a comma, a colon or a bracket before it.
fn values(text: &[u8]) -> usize {
    let mut values = 1;
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values
}

/// An answer whose result is read here, and what rmcp is given instead.
fn read(text: Vec<u8>) -> (Vec<u8>, Option<ServerResult>) {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
    }
    let Ok(Answer { id, result: Some(result) }) = serde_json::from_slice(&text) else {
        // An error; rmcp reads that.
        return (text, None);
    };
    let Ok(read) = serde_json::from_str::<ServerResult>(result.get()) else {
        return (text, None);
    };
    let stand_in = stand_in(&read);
    (format!(r#"{{"jsonrpc":"2.0","id":{},"result":{stand_in}}}"#, id.get()).into(), Some(read))
}

/// What rmcp's transport looks for in a result: schemas that say which arguments go
/// into headers (SEP-2243).
fn stand_in(result: &ServerResult) -> Value {
    let ServerResult::ListToolsResult(list) = result else { return json!({}) };
    let has_header = |schema: &serde_json::Map<String, Value>| {
        serde_json::to_string(schema).is_ok_and(|text| text.contains("x-mcp-header"))
    };
    let tools = list.tools.iter().filter(|tool| has_header(&tool.input_schema));
    json!({ "tools": tools.collect::<Vec<_>>() })
}

#[cfg(test)]
#[path = "intake_tests.rs"]
pub(super) mod tests;
