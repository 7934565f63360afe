//! The client of this server as whom upstream servers may ask something: what it
//! can do is passed on to it, everything else declined.

// Sampling, roots and logging are deprecated by SEP-2577; servers of today use them.
#![allow(deprecated)]

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, ErrorData,
};
use rmcp::service::{Peer, RoleServer, ServiceError};

use crate::upstream::Caller;

pub(super) struct PeerCaller {
    peer: Peer<RoleServer>,
    can_elicit: bool,
    can_open_urls: bool,
    can_sample: bool,
}

impl PeerCaller {
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

impl Caller for PeerCaller {
    fn client(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn elicit(&self, params: ElicitRequestParams) -> BoxFuture<'_, Option<ElicitResult>> {
        async move {
            let is_form = matches!(params, ElicitRequestParams::FormElicitationParams { .. });
            if !(if is_form { self.can_elicit } else { self.can_open_urls }) {
                return None;
            }
            self.peer.create_elicitation(params).await.ok()
        }
        .boxed()
    }

    fn sample(
        &self,
        params: CreateMessageRequestParams,
    ) -> BoxFuture<'_, Option<Result<CreateMessageResult, ErrorData>>> {
        async move {
            if !self.can_sample {
                return None;
            }
            Some(self.peer.create_message(params).await.map_err(|error| match error {
                ServiceError::McpError(error) => error,
                other => ErrorData::internal_error(other.to_string(), None),
            }))
        }
        .boxed()
    }
}
