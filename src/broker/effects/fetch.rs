//! `fetch`: from an operation to a request and its response.

use std::sync::Arc;

use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::no_memory;
use crate::broker::failure::Problem;
use crate::broker::handles::{PendingResponse, Resource};
use crate::broker::io::{FetchError, ResponseBody, Upload};
use crate::broker::run::Run;
use crate::memory::Charge;
use crate::policy::{AllowedUrl, UrlError};
use crate::protocol::{Answer, Failure, NetworkOperation, RequestBody, Response};

/// Pieces of a request's body that wait to be sent.
const PIECES: usize = 4;

/// Bytes of one of them at most. Workers cut them so.
pub(super) const UPLOAD_PIECE: usize = 64 << 10;

pub(super) fn start(operation: NetworkOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    match operation {
        NetworkOperation::Fetch { method, url, headers, body } => {
            dispatch.in_time(|run| async move { run.fetch(&method, &url, headers, body).await })
        }
        // Taken here: a worker that was told that the body is no longer wanted
        // closes it next, and is to learn why all the same.
        NetworkOperation::FetchResponse { handle } => {
            match dispatch.run.handles.take_response(handle) {
                Ok(response) => {
                    dispatch.in_time(|run| async move { run.fetch_response(response).await })
                }
                Err(failure) => dispatch.at_once(|_| Err(failure.into())),
            }
        }
    }
}

impl Run {
    async fn fetch(
        self: &Arc<Self>,
        method: &str,
        url: &str,
        headers: Vec<(ByteBuf, ByteBuf)>,
        body: RequestBody,
    ) -> Result<Answer, Problem> {
        let url = self.services().policy.url(url).map_err(|error| match error {
            UrlError::Invalid(message) => Failure::type_error(message).into(),
            UrlError::Denied(denied) => Problem::Denied(denied),
        })?;
        let upload = match body {
            RequestBody::None => Upload::None,
            RequestBody::Bytes(bytes) => Upload::Bytes(bytes.into_vec()),
            RequestBody::Stream => {
                let charge =
                    self.account().charge(PIECES * UPLOAD_PIECE).await.map_err(no_memory)?;
                return self.begin_upload(method, url, headers, charge);
            }
        };
        let fetched = self.fetcher.fetch(url, method, &headers, upload).await;
        let (response, body) = fetched?;
        self.answer(response, body)
    }

    /// The request goes on by itself while its body arrives.
    fn begin_upload(
        self: &Arc<Self>,
        method: &str,
        url: AllowedUrl,
        headers: Vec<(ByteBuf, ByteBuf)>,
        charge: Charge,
    ) -> Result<Answer, Problem> {
        let (pieces, body) = mpsc::channel(PIECES);
        let (sender, response) = oneshot::channel();
        let run = self.clone();
        let method = method.to_owned();
        let request = tokio::spawn(async move {
            let _charge = charge;
            let fetched = run.fetcher.fetch(url, &method, &headers, Upload::Stream(body)).await;
            // Nobody waits for it once the run has ended.
            let _ = sender.send(fetched.map_err(Problem::from));
        });
        let request = AbortOnDropHandle::new(request);
        Ok(Answer::Handle(self.handles.add_upload(pieces, response, request)?))
    }

    async fn fetch_response(&self, response: PendingResponse) -> Result<Answer, Problem> {
        let (response, body) = response.await.map_err(|_| Failure::interrupted())??;
        self.answer(response, body)
    }

    fn answer(&self, response: Response, body: ResponseBody) -> Result<Answer, Problem> {
        let handle = self.handles.add(Resource::Body(Box::new(body)))?;
        Ok(Answer::Response(Box::new(Response { handle, ..response })))
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Denied(denied) => denied.into(),
            FetchError::Failed { message } => Failure::type_error(message).into(),
            FetchError::Limit { message } => Failure::limit(message).into(),
        }
    }
}
