//! A frame of the door: the header's length, the header as JSON, and bytes.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::unfinished::Tasks;
use crate::protocol::{
    Answer, Failure, FileOperation, HandleCall, HandleOperation, NetworkOperation, Operation,
    Output, RequestBody, Response,
};

/// Bytes of the header's length.
const LENGTH_BYTES: usize = 4;

/// A request. Its bytes are beside it.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub(super) enum Request {
    Program,
    Call {
        operation: Value,
        line: Option<u32>,
        column: Option<u32>,
    },
    Start {
        operation: Value,
        line: Option<u32>,
        column: Option<u32>,
    },
    Wait {
        seconds: Option<f64>,
    },
    Cancel {
        id: u32,
    },
    Started,
    #[serde(rename_all = "camelCase")]
    Image {
        mime_type: String,
    },
    Note {
        text: String,
    },
    Refusal {
        line: Option<u32>,
        column: Option<u32>,
    },
    Value,
    Left {
        work: Vec<Tasks>,
    },
    Outcome {
        outcome: Value,
    },
    /// Addresses of objects as u32, little endian.
    Immortal,
}

/// An answer: a header and bytes.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub header: Value,
    pub body: Vec<u8>,
}

impl Reply {
    pub(super) fn ok(value: impl Into<Value>) -> Self {
        Self { header: json!({ "ok": value.into() }), body: Vec::new() }
    }

    pub(super) fn error(failure: &Failure) -> Self {
        let Failure { class, message, code, refused } = failure;
        let error = json!({ "class": class, "message": message, "code": code, "refused": refused });
        Self { header: json!({ "error": error }), body: Vec::new() }
    }

    /// What became of an operation.
    pub(super) fn of(answer: Result<Answer, Failure>) -> Self {
        match answer {
            Ok(answer) => {
                let (value, body) = described(answer);
                Self { header: json!({ "ok": value }), body }
            }
            Err(failure) => Self::error(&failure),
        }
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let header = self.header.to_string();
        // A header of 4 GiB would not have come through the worker's memory.
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
        let mut frame = Vec::with_capacity(LENGTH_BYTES + header.len() + self.body.len());
        frame.extend(length.to_le_bytes());
        frame.extend(header.into_bytes());
        frame.extend(self.body);
        frame
    }
}

fn type_error(message: impl Into<String>) -> Failure {
    Failure { class: "TypeError".into(), message: message.into(), code: None, refused: false }
}

/// The request of a frame, and its bytes.
pub(super) fn parse(frame: &[u8]) -> Result<(Request, &[u8]), Failure> {
    let short = || type_error("The frame is shorter than it says");
    let (length, rest) = frame.split_first_chunk::<LENGTH_BYTES>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, body) = rest.split_at_checked(length).ok_or_else(short)?;
    Ok((from_json(header)?, body))
}

fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(text).map_err(|error| type_error(format!("Not a request: {error}")))
}

/// An operation from its JSON, with the frame's bytes in their place.
pub(super) fn operation(mut json: Value, body: &[u8]) -> Result<Operation, Failure> {
    complete(&mut json);
    let operation = serde_json::from_value(json);
    let mut operation =
        operation.map_err(|error| type_error(format!("Not an operation: {error}")))?;
    put(&mut operation, body);
    Ok(operation)
}

/// Adds what a frame may leave out, because the frame's bytes are put there.
fn complete(json: &mut Value) {
    for place in ["/handle/inTurn/call/write", "/file/writeFile"] {
        if let Some(Value::Object(object)) = json.pointer_mut(place) {
            object.entry("data").or_insert_with(|| json!([]));
        }
    }
    if let Some(Value::Object(fetch)) = json.pointer_mut("/network/fetch") {
        let body = fetch.entry("body").or_insert_with(|| json!("none"));
        if body == "bytes" {
            *body = json!({ "bytes": [] });
        }
        if let Some(Value::Array(headers)) = fetch.get_mut("headers") {
            headers.iter_mut().filter_map(Value::as_array_mut).flatten().for_each(as_bytes);
        }
    }
}

/// A text of one character for each byte, as Python's `http.client` has headers. Characters
/// that are no byte are left as they are, and are UTF-8.
fn as_bytes(value: &mut Value) {
    let Some(text) = value.as_str() else { return };
    let bytes: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
    if let Some(bytes) = bytes {
        *value = json!(bytes);
    }
}

fn put(operation: &mut Operation, body: &[u8]) {
    match operation {
        Operation::Handle(HandleOperation::InTurn { call: HandleCall::Write { data }, .. })
        | Operation::File(FileOperation::WriteFile { data, .. })
        | Operation::Network(NetworkOperation::Fetch { body: RequestBody::Bytes(data), .. }) => {
            if !body.is_empty() {
                *data = body.to_vec().into();
            }
        }
        Operation::Handle(_)
        | Operation::File(_)
        | Operation::Network(_)
        | Operation::Environment(_)
        | Operation::Command(_)
        | Operation::Tool(_)
        | Operation::Module(_)
        | Operation::Permission(_)
        | Operation::Session(_) => {}
    }
}

/// An answer as JSON, and its bytes.
fn described(answer: Answer) -> (Value, Vec<u8>) {
    match answer {
        Answer::Bytes(bytes) => (json!({ "Bytes": null }), bytes.into_vec()),
        Answer::Output(output) => output_of(*output),
        Answer::Response(response) => (response_of(&response), Vec::new()),
        Answer::Text(text) => (json!({ "Text": text }), Vec::new()),
        answer @ (Answer::Done
        | Answer::Handle(_)
        | Answer::Count(_)
        | Answer::MaybeText(_)
        | Answer::Stat(_)
        | Answer::Entries(_)
        | Answer::Variables(_)
        | Answer::Child(_)
        | Answer::Exit(_)
        | Answer::Permission(_)
        | Answer::Module(_)
        | Answer::Package { .. }
        | Answer::ImportMap { .. }) => {
            (serde_json::to_value(answer).unwrap_or_default(), Vec::new())
        }
    }
}

/// stdout, and behind it stderr.
fn output_of(Output { exit, stdout, stderr }: Output) -> (Value, Vec<u8>) {
    let length = |bytes: &Option<serde_bytes::ByteBuf>| bytes.as_ref().map(|bytes| bytes.len());
    let value = json!({
        "Output": { "exit": exit, "stdout": length(&stdout), "stderr": length(&stderr) }
    });
    let body = [stdout, stderr].into_iter().flatten().flat_map(serde_bytes::ByteBuf::into_vec);
    (value, body.collect())
}

/// Names and values of headers with one character for each byte.
fn response_of(response: &Response) -> Value {
    let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let header = |(name, value): &(serde_bytes::ByteBuf, serde_bytes::ByteBuf)| {
        json!([latin(name), latin(value)])
    };
    let headers: Vec<Value> = response.headers.iter().map(header).collect();
    json!({
        "Response": {
            "status": response.status,
            "statusText": response.status_text,
            "headers": headers,
            "handle": response.handle,
        }
    })
}
