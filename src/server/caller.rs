//! The client of this server as whom upstream servers may ask something: what it
//! can do is passed on to it, everything else declined.

// Sampling, roots and logging are deprecated by SEP-2577; servers of today use them.
#![allow(deprecated)]

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{
    ClientResult, CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequest, ElicitRequestParams, ElicitResult, ErrorData, GetExtensions, RequestId,
    ServerRequest,
};
use rmcp::service::{OriginatingRequestId, Peer, RoleServer, ServiceError};
use tokio_util::task::AbortOnDropHandle;

use crate::upstream::Caller;

/// A client and what it can be asked.
pub(super) struct Client {
    peer: Peer<RoleServer>,
    can_elicit: bool,
    can_open_urls: bool,
    can_sample: bool,
}

impl Client {
    /// A client of the era of 2026-07-28 has no session in which it could be asked
    /// (SEP-2260): the result of a call would have to be given up for the question.
    pub(super) fn new(peer: Peer<RoleServer>) -> Self {
        let info = peer.peer_info();
        let info = info.filter(|info| info.protocol_version.has_initialize());
        let capabilities = info.map(|info| info.capabilities.clone()).unwrap_or_default();
        Self {
            peer,
            can_elicit: capabilities.elicitation.is_some(),
            can_open_urls: capabilities
                .elicitation
                .as_ref()
                .is_some_and(|elicitation| elicitation.url.is_some()),
            can_sample: capabilities.sampling.is_some(),
        }
    }
}

/// A client as one of its calls may ask it.
pub(super) struct PeerCaller {
    client: Arc<Client>,
    /// Over HTTP a question goes out with the answer of this call.
    call: RequestId,
}

impl PeerCaller {
    pub(super) fn new(client: Arc<Client>, call: RequestId) -> Self {
        Self { client, call }
    }

    async fn ask(&self, mut request: ServerRequest) -> Result<ClientResult, ServiceError> {
        request.extensions_mut().insert(OriginatingRequestId(self.call.clone()));
        let peer = self.client.peer.clone();
        // In this task rmcp would take the request of the upstream server, which it is
        // answering here, for the one that the question belongs to.
        let asked = tokio::spawn(async move { peer.send_request(request).await });
        match AbortOnDropHandle::new(asked).await {
            Ok(answer) => answer,
            Err(_) => Err(ServiceError::TransportClosed),
        }
    }
}

impl Caller for PeerCaller {
    fn client(&self) -> usize {
        Arc::as_ptr(&self.client).addr()
    }

    fn elicit(&self, params: ElicitRequestParams) -> BoxFuture<'_, Option<ElicitResult>> {
        async move {
            let is_form = matches!(params, ElicitRequestParams::FormElicitationParams { .. });
            if !(if is_form { self.client.can_elicit } else { self.client.can_open_urls }) {
                return None;
            }
            match self.ask(ServerRequest::ElicitRequest(ElicitRequest::new(params))).await {
                Ok(ClientResult::ElicitResult(result)) => Some(result),
                _ => None,
            }
        }
        .boxed()
    }

    fn sample(
        &self,
        params: CreateMessageRequestParams,
    ) -> BoxFuture<'_, Option<Result<CreateMessageResult, ErrorData>>> {
        async move {
            if !self.client.can_sample {
                return None;
            }
            let request = CreateMessageRequest::new(params);
            Some(match self.ask(ServerRequest::CreateMessageRequest(request)).await {
                Ok(ClientResult::CreateMessageResult(result)) => Ok(*result),
                Ok(_) => Err(ErrorData::internal_error("the client answers something else", None)),
                Err(ServiceError::McpError(error)) => Err(error),
                Err(other) => Err(ErrorData::internal_error(other.to_string(), None)),
            })
        }
        .boxed()
    }
}
