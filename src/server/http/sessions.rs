//! rmcp's sessions, and what each has of the server's memory for as long as it lives.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::Stream;
use parking_lot::{Mutex, MutexGuard};
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionManager,
};

use crate::server::held::Held;
use crate::server::replica::SessionNotes;

tokio::task_local! {
    /// What the request has that rmcp is given.
    pub(super) static HELD: Held;
}

type RmcpSessions = LocalSessionManager;

#[derive(Default)]
pub(super) struct Sessions {
    inner: RmcpSessions,
    kept: Mutex<HashMap<SessionId, Kept>>,
    /// For other replicas.
    notes: Option<SessionNotes>,
}

/// What a session keeps.
struct Kept {
    /// Of the first message: who the client is and what it can do.
    _first: Option<Held>,
    answers: Arc<Queue>,
}

/// What the client's answers have that the session has not taken yet: unlike its
/// requests and notifications they cannot carry it themselves.
#[derive(Default)]
struct Queue(Mutex<VecDeque<Option<Held>>>);

impl Queue {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Option<Held>>> {
        self.0.lock()
    }
}

impl Sessions {
    pub(super) fn new(config: SessionConfig) -> Self {
        let mut inner = RmcpSessions::default();
        inner.session_config = config;
        Self { inner, kept: Mutex::default(), notes: None }
    }

    /// The same, with its sessions noted for other replicas.
    pub(super) fn noted_by(self, notes: Option<SessionNotes>) -> Self {
        Self { notes, ..self }
    }

    /// The name of the replica that has a session that is not here.
    pub(super) async fn owner_elsewhere(&self, id: &SessionId) -> Option<String> {
        let notes = self.notes.as_ref().filter(|_| !self.kept().contains_key(id))?;
        notes.owner_of(id).await
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.kept().len()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<SessionId, Kept>> {
        self.kept.lock()
    }
}

fn held() -> Option<Held> {
    HELD.try_with(Held::clone).ok()
}

impl SessionManager for Sessions {
    type Error = <RmcpSessions as SessionManager>::Error;
    type Transport = Counted<<RmcpSessions as SessionManager>::Transport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.inner.create_session().await?;
        let answers = Arc::new(Queue::default());
        let kept = Kept { _first: held(), answers: answers.clone() };
        self.kept().insert(id.clone(), kept);
        if let Some(notes) = &self.notes {
            notes.begins(&id);
        }
        Ok((id, Counted { transport, answers }))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let closed = self.inner.close_session(id).await;
        let was_there = self.kept().remove(id).is_some();
        if let Some(notes) = self.notes.as_ref().filter(|_| was_there) {
            notes.ends(id);
        }
        closed
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_stream(id, message).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        let answers = is_answer(&message)
            .then(|| self.kept().get(id).map(|kept| kept.answers.clone()))
            .flatten();
        if let Some(answers) = &answers {
            answers.queue().push_back(held());
        }
        let accepted = self.inner.accept_message(id, message).await;
        if let (Some(answers), true) = (&answers, accepted.is_err()) {
            answers.queue().pop_back();
        }
        accepted
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.resume(id, last_event_id).await
    }
}

fn is_answer<Req, Resp, Not>(message: &JsonRpcMessage<Req, Resp, Not>) -> bool {
    matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_))
}

/// A session's transport, which sees what the session takes.
pub(super) struct Counted<T> {
    transport: T,
    answers: Arc<Queue>,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Counted<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.transport.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = self.transport.receive().await?;
        if is_answer(&message) {
            self.answers.queue().pop_front();
        }
        Some(message)
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.transport.close()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::memory::Account;
    use crate::server::held::AnswerMemory;

    /// What a request of 10 KiB has, and the account that it has it of.
    fn held_of_ten() -> (Account, Held) {
        let account = Account::of_server(1 << 20);
        let held = Held::new(&AnswerMemory::of(&account));
        held.keep(account.try_charge(10 << 10).unwrap());
        (account, held)
    }

    #[tokio::test]
    async fn a_session_keeps_what_its_first_message_has_until_it_is_closed() {
        let (account, held) = held_of_ten();
        let sessions = Sessions::new(SessionConfig::default());
        let (id, _transport) = HELD.scope(held, sessions.create_session()).await.unwrap();
        assert_eq!((account.used(), sessions.count()), (10 << 10, 1));
        sessions.close_session(&id).await.unwrap();
        assert_eq!((account.used(), sessions.count()), (0, 0));
    }

    /// A transport that has been given messages.
    struct Scripted(Vec<RxJsonRpcMessage<RoleServer>>);

    impl Transport<RoleServer> for Scripted {
        type Error = std::io::Error;

        fn send(
            &mut self,
            _item: TxJsonRpcMessage<RoleServer>,
        ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
            std::future::ready(Ok(()))
        }

        async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
            self.0.pop()
        }

        async fn close(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_answer_of_the_client_is_held_until_its_session_takes_it() {
        let (account, held) = held_of_ten();
        let read = |message| serde_json::from_value::<ClientJsonRpcMessage>(message).unwrap();
        let note = read(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let answer = read(json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
        let answers = Arc::new(Queue::default());
        answers.queue().push_back(Some(held));
        let mut transport = Counted { transport: Scripted(vec![answer, note]), answers };
        assert!(transport.receive().await.is_some());
        assert_eq!(account.used(), 10 << 10);
        assert!(transport.receive().await.is_some());
        assert_eq!(account.used(), 0);
    }
}
