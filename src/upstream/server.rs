//! One configured upstream server: connects when it is needed, once, and keeps
//! the connection and what is known of its tools.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Notify, OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use super::arguments::ArgumentCheck;
use super::client::{CallContext, Client};
use super::connection::{Ask, Charged, Connection};
use super::declarations::sample;
use super::era::Eras;
use super::error::{UpstreamError, shown};
use super::handshake::Opening;
use super::intake::memory;
use super::process::Groups;
use super::quiet::Quiet;
use super::tool_info::{ToolInfo, show_text, show_texts};
use super::view::Views;
use super::{Limits, locked};
use crate::config::servers::ServerConfig;
use crate::memory::{Account, Charge};
use crate::policy::ServerToolRules;
use crate::text::clip::head;
use crate::text::shown;

/// After a failure to connect; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Tools of one server that are known. A model cannot choose among more.
const MAX_TOOLS: usize = 10_000;

/// Bytes of a tool's name; longer ones are left out. The specification
/// recommends at most 128.
pub(crate) const MAX_TOOL_NAME: usize = 256;

/// Bytes of a description that are kept.
const MAX_DESCRIPTION: usize = 16 << 10;

/// A tool as far as it is known, with the check of its arguments.
pub(crate) struct Tool {
    pub info: ToolInfo,
    pub check: ArgumentCheck,
    /// Its line in a list, for the first who asks.
    sample: OnceLock<String>,
}

impl Tool {
    /// As a line of a list: `echo(text:string, n?:number) - Echo`.
    pub(crate) fn sample(&self) -> &str {
        self.sample.get_or_init(|| sample(&self.info))
    }
}

/// The tools of one server, in its own order.
#[derive(Default)]
pub(crate) struct Catalog {
    pub tools: Vec<Tool>,
    /// Names to places.
    pub by_name: HashMap<String, usize>,
    pub instructions: Option<String>,
    /// For as long as it is kept.
    charge: Charge,
    /// What runs may see of it.
    pub(super) views: Views,
}

/// What of a list is not used: said once for a list, which may have any number.
#[derive(Debug, Default, PartialEq, Eq)]
struct LeftOut {
    nameless: usize,
    doubles: usize,
    /// The first name that is there twice.
    twice: Option<String>,
    beyond: usize,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tools are left out:")?;
        if self.nameless > 0 {
            write!(f, " {} without a usable name", self.nameless)?;
        }
        if let Some(name) = &self.twice {
            write!(f, " {} whose names are there before, such as \"{name}\"", self.doubles)?;
        }
        if self.beyond > 0 {
            write!(f, " {} beyond the first {MAX_TOOLS}", self.beyond)?;
        }
        Ok(())
    }
}

/// Memory of a tool beside its texts and values, in bytes: its names, the entry in the
/// table and what is known of its schema.
const TOOL_BYTES: usize = 1 << 10;

/// Memory of a tool's texts and schemas, nearly.
fn bytes_of(info: &ToolInfo) -> usize {
    let schemas = [Some(&info.input_schema), info.output_schema.as_ref()];
    let members = schemas.into_iter().flatten().flatten();
    let schemas: usize = members.map(|(key, value)| key.len() + memory(value)).sum();
    let texts = [Some(&info.name), info.title.as_ref(), info.description.as_ref()];
    schemas + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

/// What the servers of a file have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub environment: Arc<HashMap<String, String>>,
    /// Where logins are kept.
    pub tokens: Option<Arc<Path>>,
    pub limits: Limits,
    pub eras: Eras,
    pub groups: Groups,
}

pub(crate) struct Upstream {
    pub name: Arc<str>,
    pub config: Result<ServerConfig, String>,
    pub rules: ServerToolRules,
    common: Common,
    /// What this server may have in memory of what that one says.
    pub(super) account: Account,
    /// Its part for schemas that are compiled.
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
        Arc::new(Self {
            name: name.into(),
            config,
            rules,
            common,
            checks: account.share(account.bytes() / 4),
            account,
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
        let Known { catalog, error, .. } = locked(&self.known).clone();
        State { catalog, error }
    }

    fn note_error(&self, error: String) {
        locked(&self.known).error = Some(error);
    }

    fn note_catalog(&self, catalog: Catalog, connection: &Arc<Connection>) {
        *locked(&self.known) = Known {
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
            Opening { client, config, common: &self.common, account: self.account.clone() };
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
        let Charged { value: mut listed, charge: mut of_list } = listed;
        let mut catalog = Catalog { instructions, ..Catalog::default() };
        let tools = listed["tools"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let mut left_out =
            LeftOut { beyond: tools.len().saturating_sub(MAX_TOOLS), ..LeftOut::default() };
        for tool in tools.into_iter().take(MAX_TOOLS) {
            let Some(info) = self.tool_info(tool) else {
                left_out.nameless += 1;
                continue;
            };
            if catalog.by_name.contains_key(&info.name) {
                left_out.twice.get_or_insert(info.name);
                left_out.doubles += 1;
                continue;
            }
            let bytes = TOOL_BYTES + bytes_of(&info);
            // What the list took becomes what is kept of it.
            of_list.shrink_to(of_list.bytes().saturating_sub(bytes));
            let charged = self.account.try_charge(bytes).map_err(|error| error.to_string())?;
            catalog.charge.merge(charged);
            catalog.by_name.insert(info.name.clone(), catalog.tools.len());
            let check = ArgumentCheck::new(&info.input_schema);
            catalog.tools.push(Tool { info, check, sample: OnceLock::new() });
        }
        if left_out != LeftOut::default() && self.quiet.allows(&self.name) {
            tracing::warn!(server = %self.name, "{left_out}");
        }
        Ok(catalog)
    }

    /// A tool as listed. Whatever is not as specified is left out of it, and one
    /// without a usable name altogether.
    fn tool_info(&self, tool: Value) -> Option<ToolInfo> {
        let Value::Object(mut tool) = tool else { return None };
        let mut text = |key: &str| match tool.get_mut(key).map(Value::take) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        // What looks like another name is none.
        let name = text("name").filter(|name| {
            !name.is_empty() && name.len() <= MAX_TOOL_NAME && shown::is_visible_name(name)
        })?;
        let shown = |text: String| {
            let mut text = head(&text, MAX_DESCRIPTION).to_owned();
            show_text(&mut text);
            text
        };
        let (title, description) = (text("title").map(shown), text("description").map(shown));
        let mut object = |key: &str| {
            let mut value = tool.get_mut(key).map(Value::take)?;
            show_texts(&mut value);
            match value {
                Value::Object(object) => Some(object),
                _ => None,
            }
        };
        Some(ToolInfo {
            server: self.name.to_string(),
            name,
            title,
            description,
            input_schema: object("inputSchema").unwrap_or_else(Map::new),
            output_schema: object("outputSchema"),
        })
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
        locked(&self.known).connection = Weak::new();
    }

    /// Whether its process or connection is there now.
    pub(crate) fn is_connected(&self) -> bool {
        let connection = locked(&self.known).connection.upgrade();
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
