//! The MCP servers that programs may call: connected once, kept across runs. Their messages are
//! trusted no more than those of programs.
//!
//! ```text
//! configuration → Upstreams → Upstream (one server) → Connection → rmcp
//! ```

mod call;
mod causes;
mod client;
mod common;
mod connection;
mod era;
mod error;
mod events;
mod file;
mod handshake;
mod http;
mod http_client;
mod intake;
mod lines;
mod listing;
mod login;
mod lookup;
mod ordered;
mod probe;
mod process;
mod quiet;
mod redirect;
mod server;
mod sse;
pub(crate) mod tokens;
mod ways;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;

pub(crate) use call::CallError;
pub(crate) use client::{CallContext, Caller, RunCaller};
pub(crate) use common::Limits;
pub(crate) use connection::{Ask, Charged};
pub(crate) use era::Eras;
pub(crate) use error::UpstreamError;
pub(crate) use file::List;
pub(crate) use listing::Listed;
pub use login::{LoginError, login};
pub(crate) use lookup::no_tool;
pub(crate) use server::Upstream;

use crate::catalog::{GoOn, KeptIndex, Work, did_you_mean};
use crate::embedding::MeasuredSearch;
use crate::memory::{Account, json};
use crate::policy::RunTools;
use crate::text::near::near_names;
use common::Common;
use file::Stamp;
use process::Groups;

/// How long discovery waits for servers that have not answered yet.
const SETTLE: Duration = Duration::from_secs(10);

/// How long a server that is not connecting may take to release its connection.
const CLOSE: Duration = Duration::from_millis(100);

/// All upstream servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstreams(Arc<Shared>);

/// What all clones share.
struct Shared {
    list: Option<List>,
    /// The files as they were when they were read first.
    read: Vec<Option<Stamp>>,
    common: Common,
    /// The widest tool scope: servers beyond it do not exist here.
    reach: RunTools,
    /// The principal's.
    memory: Account,
    servers: RwLock<Arc<Vec<Arc<Upstream>>>>,
    /// Why the current file is not used.
    problem: Mutex<Option<String>>,
    index: KeptIndex,
    work: Work,
    /// Variables that the file names: they hold secrets of the servers.
    variables: Mutex<Vec<String>>,
    /// Notes on entries, by the names of servers.
    notes: Mutex<Vec<(String, String)>>,
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
        search: MeasuredSearch,
    ) -> Result<Self, String> {
        // Before it is read: a change from now on is seen.
        let read = list.as_ref().map(List::stamps).unwrap_or_default();
        let (environment, tokens) = (Arc::new(environment), tokens.map(Arc::from));
        let groups = Groups::default();
        let upstreams = Self(Arc::new(Shared {
            list,
            read,
            common: Common { environment, tokens, limits, eras, groups },
            reach,
            index: KeptIndex::new(memory.clone(), search),
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

    /// Closes all connections, and ends their processes.
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

    /// Waits a short time until each server has been tried.
    pub(crate) async fn settled(&self) {
        let servers = self.servers();
        let unknown = servers.iter().filter(|server| {
            let state = server.state();
            state.catalog.is_none() && state.error.is_none()
        });
        let connecting = unknown.map(|server| server.connect());
        let _ = tokio::time::timeout(SETTLE, futures::future::join_all(connecting)).await;
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
}

/// Why there is no answer when the work for it has failed.
const INTERRUPTED: &str = "It was interrupted";
