//! The MCP servers that programs may call: connected once, kept across runs. What
//! they say is no more trusted than what programs say.
//!
//! ```text
//! configuration → Upstreams → Upstream (one server) → Connection → rmcp
//! ```

mod arguments;
mod client;
mod connection;
mod declarations;
mod dialects;
mod era;
mod error;
mod events;
mod handshake;
mod http;
mod identifiers;
mod intake;
mod integers;
mod lines;
mod listing;
mod login;
mod misspelt;
mod module;
mod probe;
mod process;
mod quiet;
mod redirect;
mod search;
mod server;
mod sse;
pub(crate) mod tokens;
mod told;
mod tool_info;
mod view;
mod views;
mod ways;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value};

pub(crate) use client::{CallContext, Caller, RunCaller};
pub(crate) use connection::{Ask, Charged};
pub(crate) use declarations::module_declaration;
pub(crate) use era::Eras;
pub(crate) use error::UpstreamError;
pub(crate) use listing::Listed;
pub use login::{LoginError, login};
pub(crate) use misspelt::Had;
use server::{Catalog, Common};
pub(crate) use server::{MAX_TOOL_NAME, Tool, Upstream};
pub(crate) use tool_info::ToolInfo;
pub(crate) use view::{GoOn, Seen};

use crate::config::servers::ServersFile;
use crate::memory::{Account, Charge};
use crate::policy::{Denied, RunTools, allow_tool, is_visible};
use crate::text::near::near_names;
use error::hint;
use misspelt::Missing;
use process::Groups;
use search::SearchIndex;
use view::Work;

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
    index: Mutex<Option<Arc<Index>>>,
    work: Work,
    /// Variables that the file names: they hold secrets of the servers.
    variables: Mutex<Vec<String>>,
    /// What to know of entries, by the names of servers.
    notes: Mutex<Vec<(String, String)>>,
}

/// All tools that are known, and where they are.
struct Index {
    /// The lists that this was made of.
    made_of: Vec<Indexed>,
    /// Lists and places in them.
    tools: Vec<(usize, usize)>,
    search: SearchIndex,
    /// When it was made, and how long that took.
    made: Instant,
    took: Duration,
    _charge: Charge,
}

/// Until an index is made anew, in times of what the last one took: lists that change
/// without end have a tenth of a thread.
const INDEX_PAUSE: u32 = 10;

/// A tool that was found.
pub(crate) struct Found {
    catalog: Arc<Catalog>,
    index: usize,
}

impl Found {
    pub(crate) fn tool(&self) -> &Tool {
        &self.catalog.tools[self.index]
    }

    pub(crate) fn info(&self) -> &ToolInfo {
        &self.tool().info
    }
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
            memory,
            servers: RwLock::default(),
            problem: Mutex::default(),
            index: Mutex::default(),
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
        *locked(&self.0.variables) = file.variables;
        *locked(&self.0.notes) = file.notes;
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
        *self.0.servers.write().unwrap_or_else(PoisonError::into_inner) = servers;
        // It holds servers that may not be there any more.
        *locked(&self.0.index) = None;
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
        *locked(&self.0.problem) = read.as_ref().err().cloned();
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
        locked(&self.0.variables).clone()
    }

    /// What to know of a server's entry beside what is wrong with it.
    pub(crate) fn notes(&self, name: &str) -> Vec<String> {
        let notes = locked(&self.0.notes);
        notes.iter().filter(|(server, _)| server == name).map(|(_, note)| note.clone()).collect()
    }

    /// Whether there is a configuration.
    pub(crate) fn is_configured(&self) -> bool {
        self.0.list.is_some()
    }

    /// Why the configuration file, as it is now, is not used.
    pub(crate) fn problem(&self) -> Option<String> {
        locked(&self.0.problem).clone()
    }

    /// Closes all connections, and ends the processes behind them.
    pub(crate) async fn close(&self) {
        let servers =
            std::mem::take(&mut *self.0.servers.write().unwrap_or_else(PoisonError::into_inner));
        self.0.common.groups.close();
        // One that is connecting holds its place; its process is killed below.
        let close = |server| tokio::time::timeout(CLOSE, Upstream::close(server));
        futures::future::join_all(servers.iter().map(|server| close(server))).await;
        drop(servers);
        self.0.common.groups.end().await;
    }

    /// All configured servers that are not disabled, those with a problem too.
    pub(crate) fn servers(&self) -> Arc<Vec<Arc<Upstream>>> {
        self.0.servers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server by its name.
    pub(crate) fn server(&self, name: &str) -> Result<Arc<Upstream>, UpstreamError> {
        let servers = self.servers();
        servers.iter().find(|server| &*server.name == name).cloned().ok_or_else(|| {
            let near = near_names(name, servers.iter().map(|server| &*server.name));
            UpstreamError::NoServer { name: error::shown(name), hint: hint(&near) }
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
        let allowed = allow_tool(&upstream.rules, run, server, tool).map_err(CallError::Denied)?;
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
                allow_tool(&upstream.rules, run, server, "").err().unwrap_or_else(|| {
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
        if let Some(seen) = Seen::at_once(upstream, catalog, run) {
            return Ok(seen);
        }
        let (upstream, catalog, run) = (upstream.clone(), catalog.clone(), run.clone());
        let look = move |go_on: GoOn<'_>| Seen::look(&upstream, &catalog, &run, go_on);
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
        if intake::memory(&value) <= intake::LARGE {
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
        let index = self.index();
        let found = index.search.search(query, index.tools.len());
        let seen = index.made_of.iter().map(|(server, list)| Seen::look(server, list, run, go_on));
        let Some(seen) = seen.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let visible = found.into_iter().filter_map(|(place, score)| {
            let (list, tool) = index.tools[place];
            let found = || Found { catalog: index.made_of[list].1.clone(), index: tool };
            seen[list].has(tool).then(|| (found(), score))
        });
        visible.take(limit).collect()
    }

    /// One tool by its qualified name, if the run may see it.
    pub(crate) fn find(&self, run: &RunTools, qualified: &str) -> Option<Found> {
        let (server, tool) = self.qualified(qualified).ok()?;
        let upstream = self.server(&server).ok()?;
        let catalog = upstream.state().catalog?;
        let index = *catalog.by_name.get(&tool)?;
        is_visible(&upstream.rules, run, &server, &tool).then_some(Found { catalog, index })
    }

    fn index(&self) -> Arc<Index> {
        let servers = self.servers();
        let lists = servers.iter().map(|server| {
            let list = server.state().catalog.unwrap_or_else(|| server.nothing());
            (server.clone(), list)
        });
        let made_of: Vec<_> = lists.collect();
        let mut kept = locked(&self.0.index);
        if let Some(index) = kept.as_ref().filter(|index| index.serves(&made_of)) {
            return index.clone();
        }
        let made = Instant::now();
        let tools: Vec<(usize, usize)> = (0..made_of.len())
            .flat_map(|list| (0..made_of[list].1.tools.len()).map(move |tool| (list, tool)))
            .collect();
        let infos = tools.iter().map(|(list, tool)| &made_of[*list].1.tools[*tool].info);
        let search = SearchIndex::new(infos);
        let charged = self.0.memory.try_charge(search.bytes());
        let is_kept = charged.is_ok();
        let index = Arc::new(Index {
            made_of,
            tools,
            search,
            made,
            took: made.elapsed(),
            _charge: charged.unwrap_or_default(),
        });
        *kept = is_kept.then(|| index.clone());
        index
    }

    /// The source of the module `mcp:name`.
    pub(crate) async fn module(
        &self,
        run: &RunTools,
        name: &str,
    ) -> Result<Arc<str>, UpstreamError> {
        let upstream = self.server(name)?;
        let seen = self.seen(&upstream, run).await?;
        let made = self.0.work.on_thread(move |_| seen.module()).await;
        made.ok_or_else(|| UpstreamError::Invalid(INTERRUPTED.to_owned()))
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
        let found = tokio::time::timeout(misspelt::WITHIN, looking).await;
        found.ok().and_then(Result::ok).unwrap_or_default()
    }
}

/// A server and its tools.
type Indexed = (Arc<Upstream>, Arc<Catalog>);

impl Index {
    /// Whether it need not be made anew for these lists.
    fn serves(&self, lists: &[Indexed]) -> bool {
        let same =
            |(a, b): (&Indexed, &Indexed)| Arc::ptr_eq(&a.0, &b.0) && Arc::ptr_eq(&a.1, &b.1);
        let is_of = self.made_of.len() == lists.len() && self.made_of.iter().zip(lists).all(same);
        let servers = |lists: &[Indexed]| {
            lists.iter().map(|(server, _)| Arc::as_ptr(server)).collect::<Vec<_>>()
        };
        let is_new = self.made.elapsed() < self.took * INDEX_PAUSE;
        is_of || is_new && servers(&self.made_of) == servers(lists)
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
        hint: hint(&near_names(tool, names)),
    }
}

/// The lock, also after a thread has panicked with it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What changes when a file does: inode, length, time of the change.
type Stamp = (u64, u64, SystemTime);

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.modified().ok()?))
}
