//! What a server says, seen in its own order. rmcp handles each notification in a task
//! of its own and hands an answer straight to whoever waits for it, so that a call
//! could end before the progress that came before its answer is known.

use std::sync::Arc;

use rmcp::model::{GetMeta, JsonRpcMessage, ServerNotification};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

use super::client::Calls;

/// A transport that notes for which calls progress and answers have arrived.
pub(super) struct Told<T> {
    pub inner: T,
    pub calls: Arc<Calls>,
}

impl<T: Transport<RoleClient>> Transport<RoleClient> for Told<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        let message = self.inner.receive().await;
        match &message {
            // With an id of a subscription it may go to that, and to no handler.
            Some(JsonRpcMessage::Notification(message)) => {
                if let ServerNotification::ProgressNotification(progress) = &message.notification
                    && message.notification.get_meta().subscription_id().is_none()
                {
                    self.calls.arrived(&progress.params.progress_token);
                }
            }
            Some(JsonRpcMessage::Response(response)) => self.calls.answered(&response.id),
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
