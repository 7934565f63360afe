//! The ops of Deno's fetch, over the broker. Deno's script follows redirects and
//! asks for each hop anew.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{
    AsyncResult, BufView, ByteString, CancelFuture, CancelHandle, JsBuffer, OpState, Resource,
    ResourceId, op2,
};
use serde::Serialize;

use super::error::{CallError, CallFuture};
use super::resource::{RemoteHandle, WRITE_PIECE};
use super::{Host, host};
use crate::protocol::{Answer, NetworkOperation, Operation, RequestBody, Response};

/// A request that was started by `op_fetch` and is waited for by `op_fetch_send`.
struct FetchRequest {
    url: String,
    /// The response's handle is a resource already.
    is_local: bool,
    response: RefCell<Option<CallFuture>>,
    cancel: Rc<CancelHandle>,
}

impl Resource for FetchRequest {}

/// Closing it aborts the request.
struct FetchCancel(Rc<CancelHandle>);

impl Resource for FetchCancel {
    fn close(self: Rc<Self>) {
        self.0.cancel();
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchReturn {
    request_rid: ResourceId,
    cancel_handle_rid: Option<ResourceId>,
}

#[op2]
#[serde]
pub(super) fn op_conductor_fetch(
    state: &mut OpState,
    #[serde] method: ByteString,
    #[string] url: String,
    #[serde] headers: Vec<(ByteString, ByteString)>,
    #[buffer] data: Option<JsBuffer>,
    #[smi] stream: Option<ResourceId>,
) -> Result<FetchReturn, CallError> {
    let host = host(state);
    if url.starts_with("data:") {
        return data_url(state, &method, url);
    }
    let bytes = |text: ByteString| serde_bytes::ByteBuf::from(text.to_vec());
    let request = |body| {
        Operation::Network(NetworkOperation::Fetch {
            method: String::from_utf8_lossy(&method).into_owned(),
            url: url.clone(),
            headers: headers.into_iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
            body,
        })
    };
    let cancel = CancelHandle::new_rc();
    let response = match (data, stream) {
        (Some(data), _) if data.len() <= WRITE_PIECE => {
            host.call(request(RequestBody::Bytes(data.to_vec().into())))
        }
        (Some(data), _) => {
            let started = host.call(request(RequestBody::Stream));
            upload(host, started, Body::Bytes(data), cancel.clone())
        }
        (None, Some(stream)) => {
            let body = state
                .resource_table
                .take_any(stream)
                .map_err(|_| CallError::new("BadResource", "Bad resource ID"))?;
            let started = host.call(request(RequestBody::Stream));
            upload(host, started, Body::Stream(OpenStream(body)), cancel.clone())
        }
        (None, None) => host.call(request(RequestBody::None)),
    };
    let response = RefCell::new(Some(response));
    let request_rid = state.resource_table.add(FetchRequest {
        url,
        is_local: false,
        response,
        cancel: cancel.clone(),
    });
    let cancel_handle_rid = Some(state.resource_table.add(FetchCancel(cancel)));
    Ok(FetchReturn { request_rid, cancel_handle_rid })
}

/// A data: URL is its own response (fetch standard, "scheme fetch").
fn data_url(state: &mut OpState, method: &[u8], url: String) -> Result<FetchReturn, CallError> {
    let invalid = || CallError::new("TypeError", "Invalid data URL");
    let parsed = data_url::DataUrl::process(&url).map_err(|_| invalid())?;
    let (body, _) = parsed.decode_to_vec().map_err(|_| invalid())?;
    let media_type = parsed.mime_type().to_string();
    let body = if method == b"HEAD" { Vec::new() } else { body };
    let local = Response {
        status: 200,
        status_text: "OK".to_owned(),
        headers: vec![(b"content-type".to_vec().into(), media_type.into_bytes().into())],
        handle: state.resource_table.add(LocalBody(RefCell::new(body))),
    };
    let response: CallFuture = Box::pin(async { Ok(Answer::Response(Box::new(local))) });
    let cancel = CancelHandle::new_rc();
    let request =
        FetchRequest { url, is_local: true, response: RefCell::new(Some(response)), cancel };
    let request_rid = state.resource_table.add(request);
    Ok(FetchReturn { request_rid, cancel_handle_rid: None })
}

/// What a data: URL holds.
struct LocalBody(RefCell<Vec<u8>>);

impl Resource for LocalBody {
    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        let mut rest = self.0.borrow_mut();
        let length = rest.len().min(limit);
        let after = rest.split_off(length);
        let piece = std::mem::replace(&mut *rest, after);
        Box::pin(async move { Ok(BufView::from(piece)) })
    }
}

enum Body {
    Bytes(JsBuffer),
    Stream(OpenStream),
}

/// A stream of the program's. It waits until it is closed, also when it was not
/// read to its end.
struct OpenStream(Rc<dyn Resource>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.clone().close();
    }
}

/// Sends a body to a request that has begun, and waits for its response, which
/// may come before the body's end.
fn upload(
    host: Rc<dyn Host>,
    started: CallFuture,
    body: Body,
    cancel: Rc<CancelHandle>,
) -> CallFuture {
    Box::pin(async move {
        let Answer::Handle(handle) = started.await? else {
            return Err(CallError::new("Error", "the broker's answer holds no handle"));
        };
        let waits = NetworkOperation::FetchResponse { handle };
        let response = host.call(Operation::Network(waits));
        let sender = host.clone();
        let failed: Rc<RefCell<Option<CallError>>> = Rc::default();
        let failure = failed.clone();
        deno_core::unsync::spawn(async move {
            let sent = send(&*sender, handle, body).or_cancel(cancel).await;
            // Where nobody takes the body any more, the response says why.
            if let Ok(Err(error)) = sent
                && error.0.class != "BrokenPipe"
            {
                *failure.borrow_mut() = Some(error);
            }
            sender.forget(Operation::close(handle));
        });
        match response.await {
            Ok(response) => Ok(response),
            // The body's own error says more.
            Err(error) => Err(failed.borrow_mut().take().unwrap_or(error)),
        }
    })
}

async fn send(host: &dyn Host, handle: u32, body: Body) -> Result<(), CallError> {
    let write = |data: &[u8]| host.call(Operation::write(handle, data.to_vec()));
    match body {
        Body::Bytes(data) => {
            for piece in data.chunks(WRITE_PIECE) {
                write(piece).await?;
            }
        }
        Body::Stream(stream) => loop {
            let read = stream.0.clone().read(WRITE_PIECE).await;
            let piece = read.map_err(|error| CallError::new("TypeError", &error.to_string()))?;
            if piece.is_empty() {
                break;
            }
            for piece in piece.chunks(WRITE_PIECE) {
                write(piece).await?;
            }
        },
    }
    // Nothing is the end of the body.
    write(&[]).await.map(drop)
}

/// As Deno's script takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchResponse {
    status: u16,
    status_text: String,
    headers: Vec<(ByteString, ByteString)>,
    url: String,
    response_rid: ResourceId,
    content_length: Option<u64>,
    error: Option<(String, String)>,
}

#[op2]
#[serde]
pub(super) async fn op_conductor_fetch_send(
    state: Rc<RefCell<OpState>>,
    #[smi] rid: ResourceId,
) -> Result<FetchResponse, CallError> {
    let request = state
        .borrow_mut()
        .resource_table
        .take::<FetchRequest>(rid)
        .map_err(|_| CallError::new("BadResource", "Bad resource ID"))?;
    let response = request.response.borrow_mut().take();
    let response = response.ok_or_else(|| CallError::new("BadResource", "Bad resource ID"))?;
    let cancelled = |_| CallError::new("Interrupted", "The request was aborted");
    let answer = response.or_cancel(request.cancel.clone()).await.map_err(cancelled)??;
    let Answer::Response(response) = answer else {
        return Err(CallError::new("Error", "the broker's answer holds no response"));
    };
    let Response { status, status_text, headers, handle } = *response;
    let text = |bytes: serde_bytes::ByteBuf| ByteString::from(bytes.into_vec());
    Ok(FetchResponse {
        status,
        status_text,
        headers: headers.into_iter().map(|(name, value)| (text(name), text(value))).collect(),
        url: request.url.clone(),
        response_rid: if request.is_local {
            handle
        } else {
            RemoteHandle::add(&mut state.borrow_mut(), handle)
        },
        content_length: None,
        error: None,
    })
}

/// For EventSource's last event id (deno_fetch 0.284).
#[op2]
#[serde]
pub(super) fn op_utf8_to_byte_string(#[string] text: String) -> ByteString {
    text.into()
}
