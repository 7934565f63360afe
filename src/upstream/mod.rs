//! The MCP servers that programs may call: connected once, kept across runs. What
//! they say is no more trusted than what programs say.
//!
//! ```text
//! configuration → Upstreams → Upstream (one server) → Connection → rmcp
//! ```

mod client;
mod connection;
mod era;
mod error;
mod events;
mod handshake;
mod http;
mod intake;
mod lines;
mod listing;
mod login;
mod probe;
mod process;
mod quiet;
mod redirect;
mod server;
mod sse;
pub(crate) mod tokens;
mod told;
mod ways;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value};

pub(crate) use client::{CallContext, Caller, RunCaller};
pub(crate) use connection::{Ask, Charged};
pub(crate) use era::Eras;
pub(crate) use error::UpstreamError;
pub(crate) use listing::Listed;
pub use login::{LoginError, login};
use server::Common;
pub(crate) use server::Upstream;

use crate::catalog::{
    Catalog, Found, GoOn, Had, Indexed, KeptIndex, Missing, Seen, Tool, WITHIN, Work, did_you_mean,
};
use crate::config::servers::ServersFile;
use crate::memory::{Account, json};
use crate::policy::{Denied, RunTools, allow_tool, is_visible};
use crate::text::near::near_names;
use process::Groups;

/// How often the configuration file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long discovery waits for servers that have not answered yet.
const SETTLE: Duration = Duration::from_secs(10);

/// For a server that is not connecting to let its connection go.
const CLOSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of one result.
    pub result_bytes: usize,
}

/// Bytes of a list of tools, resources or prompts, whatever a result may have:
/// a thousand tools with schemas of 4 KiB.
const LIST_BYTES: usize = 4 << 20;

impl Limits {
    /// Bytes of the longest message that is taken in.
    fn message_bytes(&self) -> usize {
        self.result_bytes.max(LIST_BYTES) + ENVELOPE
    }
}

/// Bytes of a message beyond the result in it.
const ENVELOPE: usize = 64 << 10;

/// The file that lists the servers.
#[derive(Debug)]
pub(crate) struct List {
    pub path: PathBuf,
    /// Files of variables that its entries may name. No program may read or write them.
    pub env_files: Vec<PathBuf>,
}

impl List {
    fn stamps(&self) -> Vec<Option<Stamp>> {
        [&self.path].into_iter().chain(&self.env_files).map(|path| stamp(path)).collect()
    }
}

/// All upstream servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstreams(Arc<Inner>);

struct Inner {
    list: Option<List>,
    /// The files as they were when they were read first.
    read: Vec<Option<Stamp>>,
    common: Common,
    /// What may be called at most: servers beyond it are not there.
    reach: RunTools,
    /// The principal's.
    memory: Account,
    servers: RwLock<Arc<Vec<Arc<Upstream>>>>,
    /// Why the file, as it is now, is not used.
    problem: Mutex<Option<String>>,
    index: KeptIndex,
    work: Work,
    /// Variables that the file names: they hold secrets of the servers.
    variables: Mutex<Vec<String>>,
    /// What to know of entries, by the names of servers.
    notes: Mutex<Vec<(String, String)>>,
}

/// A call that was not made, or failed.
#[derive(Debug)]
pub(crate) enum CallError {
    Denied(Denied),
    Failed(UpstreamError),
}

impl From<UpstreamError> for CallError {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}

impl Upstreams {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Why the file cannot be used, as a sentence.
    pub(crate) fn new(
        list: Option<List>,
        environment: HashMap<String, String>,
        tokens: Option<PathBuf>,
        limits: Limits,
        eras: Eras,
        reach: RunTools,
        memory: Account,
    ) -> Result<Self, String> {
        // Before it is read: a change from now on is seen.
        let read = list.as_ref().map(List::stamps).unwrap_or_default();
        let (environment, tokens) = (Arc::new(environment), tokens.map(Arc::from));
        let groups = Groups::default();
        let upstreams = Self(Arc::new(Inner {
            list,
            read,
            common: Common { environment, tokens, limits, eras, groups },
            reach,
            index: KeptIndex::new(memory.clone()),
            memory,
            servers: RwLock::default(),
            problem: Mutex::default(),
            work: Work::default(),
            variables: Mutex::default(),
            notes: Mutex::default(),
        }));
        upstreams.read_file()?;
        Ok(upstreams)
    }

    fn read_file(&self) -> Result<(), String> {
        let Some(list) = &self.0.list else { return Ok(()) };
        let List { path, env_files } = list;
        let variable = |name: &str| self.0.common.environment.get(name).cloned();
        let file = ServersFile::read(path, &variable, Some(env_files))?;
        for warning in &file.warnings {
            tracing::warn!("{}: {warning}", path.display());
        }
        *self.0.variables.lock() = file.variables;
        *self.0.notes.lock() = file.notes;
        let before = self.servers();
        let kept = |name: &str, config: &Result<_, String>| {
            before.iter().find(|old| &*old.name == name && old.config == *config).cloned()
        };
        let reached = file.servers.into_iter().filter(|(name, _)| self.0.reach.reaches(name));
        let servers = reached.map(|(name, config)| {
            if let Err(reason) = &config {
                tracing::warn!(server = %name, "disabled: {reason}");
            }
            kept(&name, &config).unwrap_or_else(|| {
                // So that one server leaves something for others.
                let memory = self.0.memory.share(self.0.memory.bytes() / 4 * 3);
                Upstream::new(&name, config, self.0.common.clone(), memory)
            })
        });
        let servers = Arc::new(servers.collect::<Vec<_>>());
        *self.0.servers.write() = servers;
        // It holds servers that may not be there any more.
        self.0.index.forget();
        Ok(())
    }

    /// Reads the file again whenever it changes, until the last clone is dropped.
    pub(crate) fn watch(&self) {
        if self.0.list.is_none() {
            return;
        }
        let inner = Arc::downgrade(&self.0);
        let mut seen = self.0.read.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(inner) = inner.upgrade() else { return };
                if inner.common.groups.is_closed() {
                    return;
                }
                let now = inner.list.as_ref().map(List::stamps).unwrap_or_default();
                if now != seen {
                    seen = now;
                    Self(inner).read_again();
                }
            }
        });
    }

    fn read_again(&self) {
        let read = self.read_file();
        *self.0.problem.lock() = read.as_ref().err().cloned();
        match read {
            Ok(()) => {
                tracing::info!("the configuration of MCP servers has changed and was read");
                self.connect_all();
            }
            Err(problem) => tracing::error!("the changed configuration is not used: {problem}"),
        }
    }

    /// Connects to all servers, in the background.
    pub(crate) fn connect_all(&self) {
        for server in self.servers().iter().filter(|server| server.config.is_ok()) {
            let server = server.clone();
            tokio::spawn(async move { server.connect().await.map(drop) });
        }
    }

    /// Variables of the environment that the file names.
    pub(crate) fn variables(&self) -> Vec<String> {
        self.0.variables.lock().clone()
    }

    /// What to know of a server's entry beside what is wrong with it.
    pub(crate) fn notes(&self, name: &str) -> Vec<String> {
        let notes = self.0.notes.lock();
        notes.iter().filter(|(server, _)| server == name).map(|(_, note)| note.clone()).collect()
    }

    /// Whether there is a configuration.
    pub(crate) fn is_configured(&self) -> bool {
        self.0.list.is_some()
    }

    /// Why the configuration file, as it is now, is not used.
    pub(crate) fn problem(&self) -> Option<String> {
        self.0.problem.lock().clone()
    }

    /// Closes all connections, and ends the processes behind them.
    pub(crate) async fn close(&self) {
        let servers = std::mem::take(&mut *self.0.servers.write());
        self.0.common.groups.close();
        // One that is connecting holds its place; its process is killed below.
        let close = |server| tokio::time::timeout(CLOSE, Upstream::close(server));
        futures::future::join_all(servers.iter().map(|server| close(server))).await;
        drop(servers);
        self.0.common.groups.end().await;
    }

    /// All configured servers that are not disabled, those with a problem too.
    pub(crate) fn servers(&self) -> Arc<Vec<Arc<Upstream>>> {
        self.0.servers.read().clone()
    }

    /// A server by its name.
    pub(crate) fn server(&self, name: &str) -> Result<Arc<Upstream>, UpstreamError> {
        let servers = self.servers();
        servers.iter().find(|server| &*server.name == name).cloned().ok_or_else(|| {
            let near = near_names(name, servers.iter().map(|server| &*server.name));
            UpstreamError::NoServer { name: error::shown(name), hint: did_you_mean(&near) }
        })
    }

    /// Waits until each server has been tried, but not for long.
    pub(crate) async fn settled(&self) {
        let servers = self.servers();
        let unknown = servers.iter().filter(|server| {
            let state = server.state();
            state.catalog.is_none() && state.error.is_none()
        });
        let connecting = unknown.map(|server| server.connect());
        let _ = tokio::time::timeout(SETTLE, futures::future::join_all(connecting)).await;
    }

    /// Server and tool of a name such as `mcp__server__tool`. Names of servers may
    /// have `__` in them.
    pub(crate) fn qualified(&self, name: &str) -> Result<(String, String), UpstreamError> {
        let invalid = || {
            UpstreamError::Invalid(format!(
                "\"{}\" is no name of a tool: mcp__server__tool is",
                error::shown(name)
            ))
        };
        let rest = name.strip_prefix("mcp__").ok_or_else(invalid)?;
        let servers = self.servers();
        let found = servers.iter().filter_map(|server| {
            let tool = rest.strip_prefix(&*server.name)?.strip_prefix("__")?;
            Some((server.name.to_string(), tool.to_owned()))
        });
        // The longest name of a server that fits.
        if let Some(found) = found.max_by_key(|(server, _)| server.len()) {
            return Ok(found);
        }
        let (server, _) = rest.split_once("__").ok_or_else(invalid)?;
        Err(self.server(server).err().unwrap_or_else(invalid))
    }

    /// Calls a tool, if policy lets this run and the arguments fit.
    pub(crate) async fn call(
        &self,
        run: &RunTools,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
        context: CallContext,
    ) -> Result<Charged, CallError> {
        let upstream = self.server(server)?;
        upstream.usable()?;
        let allowed =
            allow_tool(&upstream.provider.rules, run, server, tool).map_err(CallError::Denied)?;
        let catalog = self.catalog(&upstream).await?;
        let Some(&place) = catalog.by_name.get(allowed.tool()) else {
            return Err(self.no_tool(&upstream, run, tool).await.into());
        };
        let arguments = self.checked(&upstream, &catalog, place, arguments).await?;
        let ask = Ask::CallTool { name: allowed.tool().to_owned(), arguments };
        Ok(upstream.ask(ask, Some(context)).await?)
    }

    /// Asks for something other than a call. A run that is restricted to some tools
    /// may ask their servers only.
    pub(crate) async fn ask(
        &self,
        run: &RunTools,
        server: &str,
        ask: Ask,
        context: Option<CallContext>,
    ) -> Result<Charged, CallError> {
        let upstream = self.server(server)?;
        if !run.is_unrestricted() && self.seen(&upstream, run).await?.is_empty() {
            return Err(CallError::Denied(
                allow_tool(&upstream.provider.rules, run, server, "").err().unwrap_or_else(|| {
                    Denied::never(
                        crate::policy::Permission::Tool,
                        Some(server.to_owned()),
                        "this call's allowedTools include none of its tools",
                    )
                }),
            ));
        }
        Ok(upstream.ask(ask, context).await?)
    }

    /// The arguments of a call, if they are as the tool's schema says.
    async fn checked(
        &self,
        upstream: &Arc<Upstream>,
        catalog: &Arc<Catalog>,
        place: usize,
        arguments: Map<String, Value>,
    ) -> Result<Map<String, Value>, UpstreamError> {
        let mut arguments = Value::Object(arguments);
        let is_quick = catalog.tools[place].check.is_quick(&arguments);
        let (catalog, account) = (catalog.clone(), upstream.checks.clone());
        let checking = move || {
            let Tool { info, check, .. } = &catalog.tools[place];
            check.check(info, &mut arguments, &account).map(|()| arguments)
        };
        let checked = if is_quick {
            checking()
        } else {
            self.0.work.on_thread(move |_| checking()).await.unwrap_or_else(interrupted)
        };
        match checked.map_err(UpstreamError::Invalid)? {
            Value::Object(arguments) => Ok(arguments),
            _ => unreachable!("made above"),
        }
    }

    /// The error about a tool that there is not, with the names that are near.
    async fn no_tool(&self, upstream: &Arc<Upstream>, run: &RunTools, tool: &str) -> UpstreamError {
        let seen = match self.seen(upstream, run).await {
            Ok(seen) => seen,
            Err(error) => return error,
        };
        let (server, tool) = (upstream.name.clone(), tool.to_owned());
        let near = move |_: GoOn<'_>| no_tool(&server, &tool, seen.names());
        let near = self.0.work.on_thread(near).await;
        near.unwrap_or_else(|| UpstreamError::Invalid(INTERRUPTED.to_owned()))
    }

    /// The tools of a server that a run may call, after connecting if need be.
    pub(crate) async fn seen(
        &self,
        upstream: &Arc<Upstream>,
        run: &RunTools,
    ) -> Result<Seen, UpstreamError> {
        let catalog = self.catalog(upstream).await?;
        self.seen_of(upstream, &catalog, run).await
    }

    /// The same of what is known of it.
    pub(crate) async fn seen_of_known(
        &self,
        upstream: &Arc<Upstream>,
        run: &RunTools,
    ) -> Result<Seen, UpstreamError> {
        let catalog = upstream.state().catalog.unwrap_or_default();
        self.seen_of(upstream, &catalog, run).await
    }

    async fn seen_of(
        &self,
        upstream: &Arc<Upstream>,
        catalog: &Arc<Catalog>,
        run: &RunTools,
    ) -> Result<Seen, UpstreamError> {
        if let Some(seen) = Seen::at_once(&upstream.provider, catalog, run) {
            return Ok(seen);
        }
        let (provider, catalog, run) = (upstream.provider.clone(), catalog.clone(), run.clone());
        let look = move |go_on: GoOn<'_>| Seen::look(&provider, &catalog, &run, go_on);
        let seen = self.0.work.on_thread(look).await.flatten();
        seen.ok_or_else(|| UpstreamError::Invalid(INTERRUPTED.to_owned()))
    }

    /// Does what can take long on a thread.
    ///
    /// # Errors
    /// It was interrupted, as a sentence.
    pub(crate) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(GoOn<'_>) -> T + Send + 'static,
    ) -> Result<T, String> {
        self.0.work.on_thread(work).await.ok_or_else(|| INTERRUPTED.to_owned())
    }

    /// A value as JSON. A large one is written on a thread.
    ///
    /// # Errors
    /// It was interrupted, as a sentence.
    pub(crate) async fn written(&self, value: Value) -> Result<String, String> {
        if json::bytes_of(&value) <= intake::LARGE {
            return Ok(value.to_string());
        }
        self.on_thread(move |_| value.to_string()).await
    }

    /// The tools of a server, after connecting if need be.
    async fn catalog(&self, upstream: &Arc<Upstream>) -> Result<Arc<Catalog>, UpstreamError> {
        upstream.connect().await?;
        Ok(upstream.state().catalog.unwrap_or_default())
    }

    /// The best tools for a query, among those that the run may call; none if it was
    /// stopped. It can take long.
    pub(crate) fn search(
        &self,
        run: &RunTools,
        query: &str,
        limit: usize,
        go_on: GoOn<'_>,
    ) -> Vec<(Found, f64)> {
        self.0.index.of(self.lists()).search(run, query, limit, go_on)
    }

    /// One tool by its qualified name, if the run may see it.
    pub(crate) fn find(&self, run: &RunTools, qualified: &str) -> Option<Found> {
        let (server, tool) = self.qualified(qualified).ok()?;
        let upstream = self.server(&server).ok()?;
        let catalog = upstream.state().catalog?;
        let place = *catalog.by_name.get(&tool)?;
        is_visible(&upstream.provider.rules, run, &server, &tool)
            .then(|| Found::new(catalog, place))
    }

    /// The lists of all servers as they are now.
    fn lists(&self) -> Vec<Indexed> {
        let servers = self.servers();
        let lists = servers.iter().map(|server| {
            let list = server.state().catalog.unwrap_or_else(|| server.nothing());
            (server.provider.clone(), list)
        });
        lists.collect()
    }
}

impl Upstreams {
    /// ". Did you mean …", where an error says that a function is not there which may
    /// have been one of a server; else nothing.
    pub(crate) async fn near_functions(&self, run: &RunTools, had: &Had, message: &str) -> String {
        let Some(missing) = Missing::of(message) else { return String::new() };
        let looking = async {
            let (mut modules, mut objects) = (Vec::new(), Vec::new());
            for server in self.servers().iter() {
                let is_module = had.modules.contains(&server.name);
                if !is_module && !had.objects {
                    continue;
                }
                let Ok(seen) = self.seen_of_known(server, run).await else { continue };
                if is_module {
                    modules.push(seen.clone());
                }
                if had.objects {
                    objects.push(seen);
                }
            }
            self.on_thread(move |go_on| missing.hint(&modules, &objects, go_on)).await
        };
        let found = tokio::time::timeout(WITHIN, looking).await;
        found.ok().and_then(Result::ok).unwrap_or_default()
    }
}

/// Why there is no answer when the work for it has failed.
const INTERRUPTED: &str = "It was interrupted";

fn interrupted<T>() -> Result<T, String> {
    Err(INTERRUPTED.to_owned())
}

/// The error about a tool that there is not, with the names that are near.
pub(crate) fn no_tool<'a>(
    server: &str,
    tool: &str,
    names: impl Iterator<Item = &'a str>,
) -> UpstreamError {
    UpstreamError::NoTool {
        server: server.to_owned(),
        tool: error::shown(tool),
        hint: did_you_mean(&near_names(tool, names)),
    }
}

/// What changes when a file does: inode, length, time of the change.
type Stamp = (u64, u64, SystemTime);

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.modified().ok()?))
}
