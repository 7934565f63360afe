//! [`Runtime::execute`]: composes configuration, pool, policy and broker into
//! one call. Knows nothing of MCP.

mod administration;
mod assembly;
mod check;
mod conversation;
mod demand;
mod engines;
mod execution;
mod globals;
mod images;
mod language;
mod outcome;
mod output;
mod packages;
mod python;
mod queue;
mod related;
mod request;
mod routing;
mod session;
mod share;
mod shared;
mod slot_worker;
mod store;
mod unreported;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use mcp_conductor_search::Learned;
use mcp_conductor_store::{Store, StoreError, StoreStatus};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::mpsc;

pub use crate::conversations::ConversationError;
pub use administration::{
    ConversationSummary, end_conversation, find_conversation, forget_use, list_conversations,
};
pub use check::{Check, Diagnostic, DiagnosticCategory};
use check::{Checked, Plan, Question};
pub(crate) use conversation::Told;
pub use conversation::{Conversation, FoundTool, ToolSpec};
pub use engines::EngineStatus;
use engines::{lanes, python_files, python_packages, zygote_executable};
pub(crate) use execution::Held;
pub use execution::{
    ErrorDetail, ErrorKind, Execution, ExecutionError, Status, ToolCallSummary, Truncated,
    UnfinishedWork,
};
pub(crate) use globals::GlobalsText;
pub use images::Image;
pub use language::Language;
pub use output::{OutputEvent, OutputEvents, OutputStream};
pub use packages::PackagesStatus;
pub use request::{ExecuteRequest, Grant, InvalidRequest, MAX_GLOBALS_BYTES, MAX_SOURCE_BYTES};
use request::{Log, ValidRequest};

use crate::broker::{Broker, Owner, Services, ToolScope, run_account};
use crate::config::{Config, ConfigError, Principal};
use crate::conversations::Conversations;
use crate::learning::Learning;
use crate::memory::Account;
use crate::packages::Installed;
use crate::packages::allowed::AllowedPackages;
use crate::packages::python::PypiManifest;
use crate::playbooks::Playbooks;
use crate::policy::RunTools;
use crate::pool::{Pool, PoolError};
use crate::protocol::{Kind, encode};
use crate::sandbox::SandboxStatus;
use crate::shared_limits::SharedLimits;
use crate::telemetry::{End, Metrics, Observed};
use crate::upstream::Upstreams;
use output::Printed;
use python::Included;
pub(crate) use queue::Executions;
use queue::{Queue, Slot};
use routing::{Routed, route};
use session::{Ran, Session};
use share::Share;
use shared::Shared;
use slot_worker::SlotWorker;
use unreported::Used;

/// What runs share, for tests of the parts that use it.
#[cfg(test)]
pub(crate) fn services_of(config: &Config) -> Result<Services, StartError> {
    let common = assembly::common(config, Installed::none())?;
    assembly::services(config, &common, RunTools::all(), None)
}

/// Why a runtime cannot be started.
#[derive(Debug, Clone, Error)]
pub enum StartError {
    /// No executable can serve as the zygote.
    #[error(
        "No zygote executable: call mcp_conductor::zygote_hook() first in main, install \
         mcp-conductor in PATH, or set Config::with_executable"
    )]
    NoExecutable,
    /// The settings do not work together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A required layer of the sandbox is missing, or the zygote does not start.
    #[error("{0}")]
    Sandbox(String),
}

/// Why there is no [`Execution`]. A program that fails is an execution.
#[derive(Debug, Clone, Error)]
pub enum ExecuteError {
    /// The request cannot be run as it is.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// Too many runs are waiting, or this one waited too long.
    #[error("{0}")]
    Busy(String),
    /// No worker is available.
    #[error("{0}")]
    Unavailable(String),
}

impl ExecuteError {
    /// Its name in metrics and traces.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Busy(_) => "busy",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// State of an MCP server that programs may call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Its name in the configuration.
    pub name: String,
    /// How many tools it has. `None` if it has not answered.
    pub tools: Option<usize>,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// Notes on its entry in the configuration: keys of other clients that are ignored, and what
    /// is done instead.
    pub notes: Vec<String>,
}

// What the public functions return is boxed here: rustc compiles a future where it is
// polled first, which for all that is in these would be in each program anew.

/// Runs programs in TypeScript and Python, each in a sandboxed process of its own. Cheap to
/// clone; all clones share one pool.
///
/// ```no_run
/// use mcp_conductor::{Config, ExecuteRequest, Runtime};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // Lets this executable serve as the zygote too.
///     mcp_conductor::zygote_hook();
///     tokio::runtime::Runtime::new()?.block_on(async {
///         let runtime = Runtime::new(Config::default()).await?;
///         let request = ExecuteRequest::new("const n: number = 20; n + 22");
///         let execution = runtime.execute(request).await?;
///         assert_eq!(execution.return_value, 42);
///         Ok(())
///     })
/// }
/// ```
#[derive(Clone)]
pub struct Runtime(Arc<PrincipalState>);

struct PrincipalState {
    config: Config,
    shared: Arc<Shared>,
    services: Arc<Services>,
    /// Globals of every program.
    globals: Map<String, Value>,
    /// The principal of the runs; anonymous where nobody authenticates.
    principal: Option<Arc<str>>,
    /// The widest tool scope that a run can have.
    tools: RunTools,
    share: Share,
    conversations: Conversations,
}

impl Runtime {
    /// Starts the zygote and shows, on a first worker, that the sandbox holds.
    ///
    /// # Errors
    /// [`StartError`] if this machine cannot enforce a required layer.
    pub fn new(config: Config) -> impl Future<Output = Result<Self, StartError>> + Send {
        Self::start(config).boxed()
    }

    async fn start(config: Config) -> Result<Self, StartError> {
        let installed = assembly::installed(&config);
        let runtime = Self::with_installed(config, installed).await?;
        packages::install(&runtime.0.config, &runtime.0.shared);
        // Not of a command that runs one program.
        if runtime.0.config.standby() > 0 {
            python::say(&runtime.0.config);
        }
        Ok(runtime)
    }

    /// A runtime with these packages, whatever is installed.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) async fn with_installed(
        config: Config,
        installed: Installed,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let snapshot = installed.current();
        let generation = packages::generation(&config, &snapshot);
        let common = assembly::common(&config, installed)?;
        let services = assembly::services(&config, &common, RunTools::all(), None)?;
        let python = python_files(&config);
        let python = python.as_ref();
        // Of the same look as the lane has: an installation may end between two.
        let of_python = python.and_then(|files| python_packages(&config, files));
        let pypi = python::Packages::of(of_python.as_ref());
        let pool = Pool::start(lanes(&config, generation.as_ref(), python)?)
            .await
            .map_err(|error| StartError::Sandbox(error.to_string()))?;
        for layer in typescript_sandbox(&pool).missing_optional() {
            tracing::warn!("sandbox: no {}: {}", layer.name, layer.detail);
        }
        let queue = Queue::new(&config);
        let share = queue.whole();
        let included = Included::of(python);
        let shared = Arc::new(Shared::new(pool, queue, common, included, pypi));
        Ok(Self(PrincipalState::new(config, shared, services, RunTools::all(), None, share)))
    }

    /// A runtime of one principal: its own policy, workspace, limits and connections
    /// to other servers, and this one's processes, queue and audit log.
    ///
    /// # Errors
    /// [`StartError`] if the principal's settings cannot be used.
    pub(crate) fn for_principal(&self, principal: Principal) -> Result<Self, StartError> {
        let Principal { name, config, tools } = principal;
        let shared = self.0.shared.clone();
        let name: Arc<str> = name.into();
        let tools = RunTools::parse(tools).map_err(assembly::invalid_tools)?;
        let mut common = shared.common.clone();
        common.audit = common.audit.of_client(name.clone());
        common.memory = common.memory.of_principal();
        common.threads = common.threads.share();
        common.owner = Owner::default();
        let services = assembly::services(&config, &common, tools.clone(), Some(&name))?;
        let limits = shared.common.limits.as_ref();
        let share = assembly::share(&shared.queue, &config, limits.map(|limits| (limits, &*name)));
        Ok(Self(PrincipalState::new(config, shared, services, tools, Some(name), share)))
    }

    /// This runtime with other settings, except those of its processes and queue.
    ///
    /// # Errors
    /// [`StartError`] if the settings cannot be used.
    pub(crate) fn with_settings(&self, config: Config) -> Result<Self, StartError> {
        let shared = self.0.shared.clone();
        let services = assembly::services(&config, &shared.common, RunTools::all(), None)?;
        let share = shared.queue.whole();
        Ok(Self(PrincipalState::new(config, shared, services, RunTools::all(), None, share)))
    }

    /// Takes over the packages that are installed now. Runs that have begun keep theirs.
    pub(crate) async fn take_packages(&self, config: &Config) {
        packages::reload(config, &self.0.shared).await;
    }

    /// Whether both are clones of the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Runs one program to its end. Dropping the future kills the program.
    ///
    /// # Errors
    /// [`ExecuteError`] if the program could not be run at all.
    pub fn execute(
        &self,
        request: ExecuteRequest,
    ) -> impl Future<Output = Result<Execution, ExecuteError>> + Send {
        let mut request = request;
        match request.take_log() {
            Some(log) => self.run_with_log(request, log).boxed(),
            None => self.run(request, None).boxed(),
        }
    }

    /// Runs one program, and yields its output while it runs.
    ///
    /// Output that nobody reads is kept, up to [`Config::max_output`].
    pub fn stream(
        &self,
        request: ExecuteRequest,
    ) -> (impl Future<Output = Result<Execution, ExecuteError>> + use<>, OutputEvents) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let runtime = self.clone();
        let execution = async move { runtime.run(request, Some(sender)).await };
        (execution.boxed(), OutputEvents::new(receiver))
    }

    /// Calls `log` with each line as it arrives, and then has the result.
    async fn run_with_log(
        &self,
        request: ExecuteRequest,
        log: Log,
    ) -> Result<Execution, ExecuteError> {
        let (execution, mut events) = self.stream(request);
        let mut execution = std::pin::pin!(execution.fuse());
        let (mut result, mut has_more) = (None, true);
        while has_more || result.is_none() {
            tokio::select! {
                biased;
                event = events.next(), if has_more => match event {
                    Some(event) => log.say(&event),
                    None => has_more = false,
                },
                ended = &mut execution, if result.is_none() => result = Some(ended),
            }
        }
        result.expect("the loop ends with a result")
    }

    async fn run(
        &self,
        request: ExecuteRequest,
        events: Option<mpsc::UnboundedSender<Printed>>,
    ) -> Result<Execution, ExecuteError> {
        let parent = request.trace_parent();
        let metrics = &self.0.shared.common.metrics;
        let language = request.language().name();
        let mut observed = Observed::start(metrics, language, self.principal(), parent);
        let result = self.run_within(request, events, &mut observed).await;
        if let Err(error) = &result {
            observed.failed(error.outcome());
        }
        result
    }

    /// Runs a program within the conversation that its request names. The store is not asked for
    /// a request that is not valid.
    async fn run_within(
        &self,
        request: ExecuteRequest,
        events: Option<mpsc::UnboundedSender<Printed>>,
        observed: &mut Observed,
    ) -> Result<Execution, ExecuteError> {
        let inner = &self.0;
        let given = request.conversation().map(str::to_owned);
        let plan = inner.plan(&request);
        let own_globals = plan.checks().then(|| request.global_names()).unwrap_or_default();
        let (request, mut scope) = request.validate(&inner.config, &inner.globals)?;
        scope.tools = scope.tools.within(&inner.tools);
        let entered = self.enter(given.as_deref(), &request).await?;
        scope.conversation = entered.within().clone();
        let result = self.run_observed((request, plan, own_globals), scope, events, observed).await;
        self.leave(entered, result).await
    }

    async fn run_observed(
        &self,
        (request, plan, own_globals): (ValidRequest, Plan, Vec<String>),
        scope: ToolScope,
        mut events: Option<mpsc::UnboundedSender<Printed>>,
        observed: &mut Observed,
    ) -> Result<Execution, ExecuteError> {
        let inner = &self.0;
        let number = inner.shared.next_execution();
        observed.queues(number);
        let services = &inner.services;
        let grants = scope.withheld.flags(services.policy.flags()).join(" ");
        let language = request.language;
        let mut record =
            services.audit.execution(number, language.name(), &request.source, &grants);
        let (policy, dependencies) = (&services.policy, &request.dependencies);
        let allowed = match language {
            Language::TypeScript => policy.module_dependencies(dependencies),
            Language::Python => {
                let further = inner.shared.included.lock().further(dependencies);
                policy.dependencies(&further)
            }
        };
        if let Err(problem) = allowed {
            services.audit.refused_dependencies(number, &problem);
            let execution = outcome::without_dependency(problem);
            record.did_not_run(execution.outcome_name());
            observed.failed(execution.outcome_name());
            return Ok(execution);
        }
        // An engine that has to be loaded first takes no slot meanwhile.
        let routed = self.route(language, &request.source, events.as_ref()).await;
        let Routed { kind, without_packages } = match routed {
            Ok(routed) => routed,
            Err(error) => {
                record.did_not_run(error.outcome());
                return Err(error);
            }
        };
        plan.loads(&inner.shared).await;
        let mut slot = match inner.shared.queue.enter(&inner.share).await {
            Ok(slot) => slot,
            Err(error) => {
                record.did_not_run(error.outcome());
                return Err(error);
            }
        };
        observed.runs();
        let question = |check| Question {
            source: request.source.clone(),
            globals: inner.globals.keys().cloned().chain(own_globals).collect(),
            tools: scope.tools.clone(),
            check,
        };
        let checked = match plan.begin(&inner.shared, services, question).await {
            Ok(checked) => checked,
            Err(error) => {
                record.did_not_run(error.outcome());
                return Err(error);
            }
        };
        let checking = match checked {
            Checked::Runs(checking) => checking,
            Checked::DoesNotRun(verdict) => {
                inner.shared.common.metrics.checked(verdict.name());
                record.checked(verdict.name());
                let execution = verdict.into_execution();
                record.did_not_run(execution.outcome_name());
                observed.failed(execution.outcome_name());
                return Ok(execution);
            }
        };
        let timeout = request.timeout;
        let has_servers = services.upstreams.is_configured();
        let frame = encode(&request.message(&inner.config, has_servers, without_packages));
        let frame = Bytes::from(frame);
        let mut attempts = 0;
        let (mut execution, usage, refusals, process) = loop {
            // Where nobody has a name every run is alike.
            let way = inner.principal.as_ref().map(|_| slot.way());
            let worker = match inner.acquire(kind, &frame, slot).await {
                Ok(worker) => worker,
                Err(error) => {
                    record.did_not_run(error.outcome());
                    return Err(error);
                }
            };
            let packages = packages::of_worker(kind, &worker, &inner.shared.common.installed);
            if packages.is_err() && attempts < packages::ATTEMPTS_OF_WORKER {
                (_, slot) = worker.ended(Duration::ZERO).await;
                attempts += 1;
                continue;
            }
            let account = run_account(&services.memory, inner.largest());
            let (scope, span) = (scope.clone(), observed.span());
            let broker = Broker::new(services.clone(), account.clone(), number, scope, span);
            if let Ok(Some(packages)) = packages {
                broker.set_packages(packages);
            }
            let broker = (broker, account);
            let session = Session::new(
                worker,
                broker,
                &inner.config,
                (timeout, language),
                way,
                events.take(),
            );
            match session.run().await {
                Ran::ToItsEnd { execution, usage, refusals, process } => {
                    break (*execution, usage, refusals, process);
                }
                // A worker that died while it stood by costs a second one.
                Ran::NotAtAll { slot: kept, events: unused } => (slot, events) = (kept, unused),
            }
            attempts += 1;
            if attempts == MAX_ATTEMPTS {
                let message = "Workers are killed before they start the program".to_owned();
                let error = ExecuteError::Unavailable(message);
                record.did_not_run(error.outcome());
                return Err(error);
            }
        };
        record.called(execution.tool_calls.iter().map(|call| call.tool.clone()));
        if let Some(verdict) = checking.verdict().await {
            inner.shared.common.metrics.checked(verdict.name());
            record.checked(verdict.name());
            verdict.add_to(&mut execution);
        }
        if language == Language::Python {
            python::name_in_full(&mut execution.tool_calls);
        }
        let (outcome, duration) = (execution.outcome_name(), execution.execution_time);
        record.ended(outcome, duration, refusals);
        observed.ended(&End { outcome, duration, refusals });
        let used = Used { record, observed: observed.usage(), usage };
        match process {
            Some(process) => inner.shared.unreported.until_reaped(number, used, process),
            None => drop(used),
        }
        Ok(execution)
    }

    async fn route(
        &self,
        language: Language,
        source: &str,
        events: Option<&mpsc::UnboundedSender<Printed>>,
    ) -> Result<Routed, ExecuteError> {
        let shared = &self.0.shared;
        if language == Language::Python
            && let Some(problem) = python::absence(&shared.pool, &self.0.config)
        {
            return Err(ExecuteError::Unavailable(problem));
        }
        let waiting = match language {
            Language::TypeScript => &shared.loading,
            Language::Python => &shared.loading_python,
        };
        // Nobody has to listen.
        let tell = |message: &str| {
            drop(events.map(|to| to.send(Printed::aside(OutputStream::Waiting, message))));
        };
        route(&shared.pool, waiting, (language, source), &tell).await
    }

    /// Whether there are programs in a language: in Python, only where it is installed and not
    /// off.
    pub fn runs(&self, language: Language) -> bool {
        match language {
            Language::TypeScript => true,
            Language::Python => python::is_available(&self.0.shared.pool),
        }
    }

    /// Which layers of the sandbox are enforced on this machine.
    pub fn sandbox(&self) -> &SandboxStatus {
        typescript_sandbox(&self.0.shared.pool)
    }

    /// What runs programs, after trying to load what is not loaded yet.
    pub fn engines(&self) -> impl Future<Output = Vec<EngineStatus>> + Send {
        engines::statuses(&self.0.shared.pool).boxed()
    }

    /// Whether allowed packages are installed.
    pub fn packages(&self) -> PackagesStatus {
        packages::status(&self.0.config, &self.0.shared.common.installed)
    }

    /// The state of the store, which is opened for that.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn store_status(&self) -> impl Future<Output = Result<StoreStatus, StoreError>> + Send {
        let store = Arc::clone(self.store());
        async move { store.check().await }.boxed()
    }

    /// What the server remembers. It is opened by its first call.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.shared.common.store
    }

    /// What holds limits of principals over all replicas, where they share a store.
    pub(crate) fn shared_limits(&self) -> Option<&SharedLimits> {
        self.0.shared.common.limits.as_ref()
    }

    /// What ranks tools in searches, in one line; it is tried, which can take some seconds.
    pub async fn search(&self) -> String {
        self.0.shared.common.search.described().await
    }

    /// What programs may do, as Deno's flags.
    pub fn grants(&self) -> &[String] {
        self.0.services.policy.flags()
    }

    /// The MCP servers that programs may call, after trying to connect to each, for
    /// some seconds.
    pub fn servers(&self) -> impl Future<Output = Vec<ServerStatus>> + Send {
        self.known_servers().boxed()
    }

    async fn known_servers(&self) -> Vec<ServerStatus> {
        let upstreams = self.upstreams();
        upstreams.settled().await;
        let servers = upstreams.servers();
        let status = |server: &Arc<crate::upstream::Upstream>| {
            let state = server.state();
            ServerStatus {
                name: server.name.to_string(),
                tools: state.catalog.map(|catalog| catalog.tools.len()),
                error: state.error,
                notes: upstreams.notes(&server.name),
            }
        };
        servers.iter().map(status).collect()
    }

    /// The MCP servers that programs may call.
    pub(crate) fn upstreams(&self) -> &Upstreams {
        &self.0.services.upstreams
    }

    /// What use of the principal's tools has taught, as far as it is known at the moment.
    pub(crate) fn learned(&self) -> Option<Arc<Learned>> {
        self.0.services.learning.as_ref().and_then(Learning::learned)
    }

    /// The memory account of the runs' principal.
    pub(crate) fn memory(&self) -> &Account {
        &self.0.services.memory
    }

    /// Does blocking work on a thread, in a turn of this runtime's principal.
    ///
    /// # Errors
    /// It panicked.
    pub(crate) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let turn = self.0.services.threads.work().await;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
    }

    /// What of the packages is installed.
    pub(crate) fn installed(&self) -> &Installed {
        self.0.services.modules.installed()
    }

    /// What is installed of PyPI.
    pub(crate) fn installed_of_pypi(&self) -> Arc<PypiManifest> {
        self.0.shared.pypi.lock().manifest()
    }

    /// The packages that programs may import.
    pub(crate) fn allowed_packages(&self) -> &AllowedPackages {
        self.0.services.policy.packages()
    }

    pub(crate) fn playbooks(&self) -> &Playbooks {
        &self.0.services.playbooks
    }

    /// The widest tool scope that a run can have.
    pub(crate) fn tools(&self) -> &RunTools {
        &self.0.tools
    }

    /// The principal of the runs.
    pub(crate) fn principal(&self) -> Option<&str> {
        self.0.principal.as_deref()
    }

    /// The runs of this runtime's principal, which sees no others.
    pub(crate) fn executions(&self) -> Executions {
        let queue = &self.0.shared.queue;
        match self.principal() {
            Some(_) => queue.use_of(&self.0.share),
            None => queue.use_of_all(),
        }
    }

    /// Runs that wait for a slot.
    pub(crate) fn waiting(&self) -> usize {
        self.0.shared.queue.waiting()
    }

    /// Whether one more run would be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.0.shared.queue.is_full()
    }

    /// Sets the server's own address, which is denied to programs.
    pub(crate) fn listens_on(&self, address: std::net::SocketAddr) {
        let _ = self.0.shared.common.own_address.set(address);
    }

    /// Whether there is a zygote to fork workers from.
    pub(crate) fn has_zygote(&self) -> bool {
        self.0.shared.pool.has_zygote()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.shared.common.metrics
    }

    pub(crate) fn audit(&self) -> &crate::audit::Audit {
        &self.0.shared.common.audit
    }

    /// The settings that the runtime was made with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Runs in flight.
    pub fn active(&self) -> usize {
        self.0.shared.queue.active()
    }

    /// Standby workers.
    pub fn standing_by(&self) -> usize {
        self.0.shared.pool.standing_by()
    }
}

impl PrincipalState {
    fn new(
        config: Config,
        shared: Arc<Shared>,
        services: Services,
        tools: RunTools,
        principal: Option<Arc<str>>,
        share: Share,
    ) -> Arc<Self> {
        services.upstreams.watch();
        if services.policy.runs_commands()
            && let Ok(executable) = zygote_executable(&config)
        {
            crate::broker::guard_commands(&executable);
        }
        let globals = assembly::globals(&config, &services);
        let services = Arc::new(services);
        let limits = conversation::limits(&config);
        let store = shared.common.store.clone();
        let conversations = Conversations::new(store, principal.clone(), limits);
        Arc::new(Self { config, shared, services, globals, principal, tools, share, conversations })
    }

    /// What is done about the types of a program.
    fn plan(&self, request: &ExecuteRequest) -> Plan {
        let (asked, language) = (request.check(), request.language());
        Plan::of(asked, self.config.type_check(), language, &self.shared.pool)
    }

    /// Bytes of what a run can have that an administrator may have made larger.
    fn largest(&self) -> usize {
        let all = self.config.max_output() + u64::from(self.config.max_return_size());
        usize::try_from(all + self.config.max_tool_result()).unwrap_or(usize::MAX)
    }

    /// A worker that has been sent the program. Whoever gives up waiting for it does not
    /// have the slot back before the worker is made, and gone.
    async fn acquire(
        &self,
        kind: Kind,
        frame: &Bytes,
        slot: Slot,
    ) -> Result<SlotWorker, ExecuteError> {
        let (shared, frame) = (self.shared.clone(), frame.clone());
        let acquired = tokio::spawn(async move {
            let (mut kind, mut frame, mut slot) = (kind, frame, slot);
            for _ in 0..MAX_ATTEMPTS {
                let worker = match routing::worker(&shared.pool, kind).await {
                    Ok(worker) => {
                        if kind == Kind::Packages && shared.lacks_packages(false) {
                            tracing::info!("programs have packages again");
                        }
                        worker
                    }
                    // It may well do without them, and else says why there are none.
                    Err(error) if kind == Kind::Packages => {
                        if shared.lacks_packages(true) {
                            tracing::warn!("programs run without packages: {error}");
                        }
                        frame = routing::without_packages(&frame, &error);
                        kind = Kind::TypeScript;
                        continue;
                    }
                    Err(error) => return Err(unavailable(error)),
                };
                let mut process = SlotWorker::new(worker, slot);
                let sent = tokio::time::timeout(SEND_TIMEOUT, process.send(&frame)).await;
                if matches!(sent, Ok(Ok(()))) {
                    return Ok(process);
                }
                (_, slot) = process.ended(Duration::ZERO).await;
            }
            Err(ExecuteError::Unavailable("Workers end before they take a program".to_owned()))
        });
        let ended = |_| ExecuteError::Unavailable("The server ends".to_owned());
        acquired.await.map_err(ended)?
    }
}

/// Workers that may die under one call before it is given up: more than stand by
/// on a small machine, all of which one kill may hit.
const MAX_ATTEMPTS: usize = 32;

/// A worker reads its program as fast as the socket gives it: 9 MiB in some
/// milliseconds. One that was stopped from outside does not read at all.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// What is enforced for the programs of every runtime.
fn typescript_sandbox(pool: &Pool) -> &SandboxStatus {
    pool.status(Kind::TypeScript).expect("a pool does not start without it")
}

fn unavailable(error: PoolError) -> ExecuteError {
    tracing::error!("{error}");
    ExecuteError::Unavailable(error.in_short())
}
