//! What a server says, seen in its own order. rmcp handles each notification in a task
//! of its own and hands an answer straight to whoever waits for it, so that a call
//! could end before the progress that came before its answer is known.

use std::sync::Arc;

use rmcp::model::{GetExtensions, GetMeta, JsonRpcMessage, ServerNotification};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

use super::client::Calls;
use super::intake::Intake;
use super::probe::Probe;

/// A transport that notes for which calls progress and answers have arrived, and what
/// is owed to the server. A late answer to the probe has arrived for nobody.
pub(super) struct Ordered<T> {
    pub inner: T,
    pub calls: Arc<Calls>,
    pub intake: Arc<Intake>,
    pub probe: Arc<Probe>,
}

impl<T: Transport<RoleClient>> Ordered<T> {
    async fn next(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let message = tokio::select! {
                biased;
                () = self.intake.broken().cancelled() => None,
                message = self.inner.receive() => message,
            };
            if message.as_ref().is_none_or(|message| !self.probe.is_late(message)) {
                return message;
            }
        }
    }
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Ordered<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.probe.sent(&message);
        let owed = self.intake.sent(&message);
        let sent = self.inner.send(message);
        async move {
            let result = sent.await;
            drop(owed);
            result
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let mut message = self.next().await;
        match &mut message {
            // With an id of a subscription it may go to that, and to no handler.
            Some(JsonRpcMessage::Notification(message)) => {
                if let ServerNotification::ProgressNotification(progress) = &message.notification
                    && message.notification.get_meta().subscription_id().is_none()
                {
                    self.calls.arrived(&progress.params.progress_token);
                }
            }
            Some(JsonRpcMessage::Response(response)) => {
                if let Some(result) = self.intake.result(&response.id) {
                    response.result = result;
                }
                self.calls.answered(&response.id);
            }
            // Until it is handled.
            Some(JsonRpcMessage::Request(request)) => {
                request.request.extensions_mut().insert(self.intake.asks());
            }
            Some(JsonRpcMessage::Error(error)) => {
                error.id.iter().for_each(|id| self.calls.answered(id));
            }
            _ => {}
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
