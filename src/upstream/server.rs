//! One configured upstream server: connects when it is needed, once, and keeps
//! the connection and what is known of its tools.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use super::client::{CallContext, Client};
use super::common::Common;
use super::connection::{Ask, Charged, Connection};
use super::error::{UpstreamError, shown};
use super::handshake::Opening;
use super::quiet::Quiet;
use crate::catalog::{Catalog, Provider};
use crate::config::servers::ServerConfig;
use crate::memory::{Account, Charge};
use crate::policy::ServerToolRules;

/// After a failure to connect; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(crate) struct Upstream {
    pub name: Arc<str>,
    pub config: Result<ServerConfig, String>,
    /// What is to be known of it where its tools are looked at.
    pub provider: Arc<Provider>,
    common: Common,
    /// The part of what it may have in memory for schemas that are compiled.
    pub(super) checks: Account,
    quiet: Arc<Quiet>,
    nothing: Arc<Catalog>,
    slot: Arc<tokio::sync::Mutex<Slot>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    pause: Duration,
    again: Option<Instant>,
}

#[derive(Default, Clone)]
struct Known {
    catalog: Option<Arc<Catalog>>,
    error: Option<String>,
    /// The connection over which the catalog came.
    connection: Weak<Connection>,
}

/// What can be said of a server without asking it.
#[derive(Clone)]
pub(crate) struct State {
    pub catalog: Option<Arc<Catalog>>,
    pub error: Option<String>,
}

impl Upstream {
    pub(super) fn new(
        name: &str,
        config: Result<ServerConfig, String>,
        common: Common,
        account: Account,
    ) -> Arc<Self> {
        let rules = match &config {
            Ok(config) => {
                ServerToolRules::new(config.allowed_tools.as_deref(), &config.denied_tools)
            }
            Err(_) => ServerToolRules::new(Some(&[]), &[]),
        };
        let known = Known { error: config.as_ref().err().cloned(), ..Known::default() };
        let name: Arc<str> = name.into();
        Arc::new(Self {
            name: name.clone(),
            config,
            common,
            checks: account.share(account.bytes() / 4),
            provider: Arc::new(Provider { name, rules, memory: account }),
            quiet: Arc::default(),
            nothing: Arc::default(),
            slot: Arc::default(),
            known: Mutex::new(known),
        })
    }

    /// A list without tools, always the same.
    pub(super) fn nothing(&self) -> Arc<Catalog> {
        self.nothing.clone()
    }

    pub(crate) fn state(&self) -> State {
        let Known { catalog, error, .. } = self.known.lock().clone();
        State { catalog, error }
    }

    fn note_error(&self, error: String) {
        self.known.lock().error = Some(error);
    }

    fn note_catalog(&self, catalog: Catalog, connection: &Arc<Connection>) {
        *self.known.lock() = Known {
            catalog: Some(Arc::new(catalog)),
            error: None,
            connection: Arc::downgrade(connection),
        };
    }

    /// Whether its entry in the configuration can be used.
    pub(super) fn usable(&self) -> Result<&ServerConfig, UpstreamError> {
        self.config.as_ref().map_err(|reason| self.unavailable(reason.clone()))
    }

    fn unavailable(&self, reason: String) -> UpstreamError {
        UpstreamError::Unavailable { name: self.name.to_string(), reason }
    }

    /// The connection, made if there is none. What was begun for one caller goes on
    /// for the next if that one does not wait.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Arc<Connection>, UpstreamError> {
        // Who no longer waits is not in line any more.
        let slot = self.slot.clone().lock_owned().await;
        let server = self.clone();
        let connected = tokio::spawn(async move { server.connect_now(slot).await }).await;
        connected.unwrap_or_else(|error| Err(self.unavailable(error.to_string())))
    }

    async fn connect_now(
        self: &Arc<Self>,
        mut slot: OwnedMutexGuard<Slot>,
    ) -> Result<Arc<Connection>, UpstreamError> {
        let config = self.usable()?;
        if let Some(connection) = slot.connection.take_if(|connection| connection.is_closed()) {
            tracing::warn!(server = %self.name, "the connection was closed");
            drop(connection);
        }
        if let Some(connection) = &slot.connection {
            return Ok(connection.clone());
        }
        if slot.again.is_some_and(|again| Instant::now() < again) {
            let reason = self.state().error.unwrap_or_else(|| "it failed before".to_owned());
            return Err(self.unavailable(reason));
        }
        // For a failure that ends this task.
        slot.again = Some(Instant::now() + FIRST_PAUSE);
        match self.open(config).await {
            Ok(connection) => {
                *slot = Slot { connection: Some(connection.clone()), ..Slot::default() };
                Ok(connection)
            }
            Err(reason) => {
                tracing::warn!(server = %self.name, "not connected: {reason}");
                slot.pause = (slot.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                slot.again = Some(Instant::now() + slot.pause);
                self.note_error(reason.clone());
                Err(self.unavailable(reason))
            }
        }
    }

    async fn open(self: &Arc<Self>, config: &ServerConfig) -> Result<Arc<Connection>, String> {
        let changed = Arc::new(Notify::new());
        let (calls, quiet) = (Arc::default(), self.quiet.clone());
        let client = Client { name: self.name.clone(), calls, changed: changed.clone(), quiet };
        let opening =
            Opening { client, config, common: &self.common, account: self.provider.memory.clone() };
        let connection = Connection::open(opening).await?;
        let connection = Arc::new(connection);
        // Listened to first, so that no change is missed between the two.
        let (listens, listening) = oneshot::channel();
        tokio::spawn(Connection::listen(connection.peer(), changed.clone(), listens));
        let _ = tokio::time::timeout(LISTEN_TIMEOUT, listening).await;
        let catalog = self.list(&connection).await?;
        self.note_catalog(catalog, &connection);
        tracing::info!(server = %self.name, "connected");
        tokio::spawn(relist(Arc::downgrade(self), Arc::downgrade(&connection), changed));
        Ok(connection)
    }

    async fn list(self: &Arc<Self>, connection: &Connection) -> Result<Catalog, String> {
        let info = connection.info();
        let has_tools = info.as_ref().is_none_or(|info| info.capabilities.tools.is_some());
        let listed = if has_tools {
            let listed = connection.ask(Ask::ListTools, None);
            let answered = tokio::time::timeout(LIST_TIMEOUT, listed).await;
            let answered = answered.map_err(|_| {
                format!("it did not list its tools within {} s", LIST_TIMEOUT.as_secs())
            })?;
            answered.map_err(|error| error.to_string())?
        } else {
            Charged { value: Value::Null, charge: Charge::none() }
        };
        let instructions = info.as_ref().and_then(|info| info.instructions.as_deref().map(shown));
        let server = self.clone();
        // Schemas are read, ten thousand of them if the server likes.
        let made = tokio::task::spawn_blocking(move || server.catalog(listed, instructions));
        made.await.map_err(|error| error.to_string())?
    }

    fn catalog(&self, listed: Charged, instructions: Option<String>) -> Result<Catalog, String> {
        let Charged { value, charge } = listed;
        let read = Catalog::read(&self.provider, value, charge, instructions);
        let (catalog, left_out) = read.map_err(|error| error.to_string())?;
        if !left_out.is_nothing() && self.quiet.allows(&self.name) {
            tracing::warn!(server = %self.name, "{left_out}");
        }
        Ok(catalog)
    }

    /// Asks the server, connecting first if need be.
    pub(super) async fn ask(
        self: &Arc<Self>,
        ask: Ask,
        context: Option<CallContext>,
    ) -> Result<Charged, UpstreamError> {
        self.connect().await?.ask(ask, context).await
    }

    /// Closes the connection. Calls in flight have it until they end.
    pub(super) async fn close(&self) {
        self.slot.lock().await.connection = None;
        self.known.lock().connection = Weak::new();
    }

    /// Whether its process or connection is there now.
    pub(crate) fn is_connected(&self) -> bool {
        let connection = self.known.lock().connection.upgrade();
        connection.is_some_and(|connection| !connection.is_closed())
    }
}

/// Until a server has promised to tell of changes; the list does not wait longer.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);

/// For the list of tools, all pages.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a connection is looked at that says nothing.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Lists the tools anew whenever they change, as long as the connection is in use.
async fn relist(server: Weak<Upstream>, connection: Weak<Connection>, changed: Arc<Notify>) {
    loop {
        // Nobody notifies when the connection is gone.
        let told = tokio::time::timeout(LOOK_EVERY, changed.notified()).await.is_ok();
        let (Some(server), Some(connection)) = (server.upgrade(), connection.upgrade()) else {
            return;
        };
        if connection.is_closed() {
            return;
        }
        if !told {
            continue;
        }
        let start = Instant::now();
        match server.list(&connection).await {
            // Otherwise another may be open by now, with a list of its own.
            Ok(catalog) if !connection.is_closed() => server.note_catalog(catalog, &connection),
            Ok(_) => {}
            Err(error) => {
                if server.quiet.allows(&server.name) {
                    tracing::warn!(server = %server.name, "the changed list of tools: {error}");
                }
                // It has changed all the same: once more, after the pause.
                changed.notify_one();
            }
        }
        // A server that changes its list without end has a tenth of the time.
        let pause = (start.elapsed() * 10).max(Duration::from_secs(1));
        drop((server, connection));
        tokio::time::sleep(pause).await;
    }
}
