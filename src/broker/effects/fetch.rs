//! `fetch`: from an operation to a request and its response.

use std::sync::Arc;

use serde_bytes::ByteBuf;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::failure::Problem;
use super::fetch::{ResponseBody, Upload, fetch_problem};
use super::handles::{PendingResponse, Resource};
use super::reply::no_memory;
use super::run::Run;
use crate::memory::Charge;
use crate::policy::{AllowedUrl, UrlError};
use crate::protocol::{Answer, Failure, RequestBody, Response};

/// Pieces of a request's body that wait to be sent.
const PIECES: usize = 4;

/// Bytes of one of them at most. Workers cut them so.
pub(super) const UPLOAD_PIECE: usize = 64 << 10;

impl Run {
    pub(super) async fn fetch(
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
                let charge = self.account.charge(PIECES * UPLOAD_PIECE).await.map_err(no_memory)?;
                return self.begin_upload(method, url, headers, charge);
            }
        };
        let fetched = self.fetcher.fetch(url, method, &headers, upload).await;
        let (response, body) = fetched.map_err(fetch_problem)?;
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
            // Nobody waits for it any more when the run has ended.
            let _ = sender.send(fetched.map_err(fetch_problem));
        });
        let request = AbortOnDropHandle::new(request);
        Ok(Answer::Handle(self.handles.add_upload(pieces, response, request)?))
    }

    pub(super) async fn fetch_response(
        &self,
        response: PendingResponse,
    ) -> Result<Answer, Problem> {
        let (response, body) = response.await.map_err(|_| super::interrupted())??;
        self.answer(response, body)
    }

    fn answer(&self, response: Response, body: ResponseBody) -> Result<Answer, Problem> {
        let handle = self.handles.add(Resource::Body(Box::new(body)))?;
        Ok(Answer::Response(Box::new(Response { handle, ..response })))
    }
}
