//! From the configuration to what all runs share: the policy, its log, limits.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_conductor_store::Store;
use serde_json::{Map, Value, json};

use super::demand::within_all;
use super::engines::python_files;
use super::queue::Queue;
use super::request::PERMISSIONS;
use super::share::Share;
use super::shared::Common;
use super::{StartError, store};
use crate::audit::Audit;
use crate::broker::{FetchLimits, FileLimits, Owner, Services};
use crate::config::credentials::Credentials;
use crate::config::environment::{
    ALLOW_ALL, AUDIT_LOG, FETCH_HEADERS, INSTALL_DIR, MCP_CONFIG, PREFIX, PROXY_CONFIG, RUN_ARGS,
    SEARCH, SEARCH_KEY, WITHOUT_LANDLOCK, WORKSPACE,
};
use crate::config::servers::default_files;
use crate::config::{Config, ConfigError};
use crate::embedding::{MeasuredSearch, Search, Settings};
use crate::learning::{Kept, Learning};
use crate::memory::{Account, SERVER_BYTES};
use crate::modules::Modules;
use crate::packages::Installed;
use crate::packages::installer::candidates;
use crate::packages::python::PythonFiles;
use crate::playbooks::Playbooks;
use crate::policy::{Grants, Policy, PolicyInput, RunTools, Scope, normalize};
use crate::private_file::check_writers;
use crate::sandbox::{CommandLimits, landlock_is_available};
use crate::shared_limits::SharedLimits;
use crate::telemetry::Metrics;
use crate::threads::Threads;
use crate::upstream::{Eras, List, Upstreams};

/// Looking a name up and connecting, TLS included: three SYN packets, the third
/// after 3 s (RFC 6298), and a slow handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For the head of a response. A run has 30 s by default, 5 min at most.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);

/// Between two pieces of a body; event streams send a comment every 15 s (HTML
/// standard, section 9.2.7).
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Private memory of one process of a command, in times of a run's own memory.
const COMMAND_MEMORY: u64 = 4;

/// Descriptors of one process of a command.
const COMMAND_FILES: u64 = 256;

/// Processes of the server's user, commands included. A desktop user has some
/// hundreds.
const COMMAND_PROCESSES: u64 = 2048;

fn error(variable: &'static str, problem: impl Into<String>, example: &str) -> StartError {
    ConfigError::variable(variable, problem, example).into()
}

/// What is installed, whether or not the settings allow any of it.
pub(super) fn installed(config: &Config) -> Installed {
    config.install_dir().map_or_else(Installed::none, Installed::open)
}

/// What there is once in a server.
pub(super) fn common(config: &Config, installed: Installed) -> Result<Common, StartError> {
    let audit = Audit::open(config.audit_log())
        .map_err(|problem| error(AUDIT_LOG, problem.to_string(), "/var/log/conductor.jsonl"))?;
    let metrics = Arc::new(Metrics::new());
    let (store, store_directory) = store::of(config, &metrics)?;
    let limits = store::limits(config, &store, &metrics);
    let search = search(config, &metrics, &store)?;
    Ok(Common {
        audit,
        metrics,
        own_address: Arc::default(),
        memory: Account::of_server(SERVER_BYTES),
        threads: Threads::of_server(),
        owner: Owner::default(),
        eras: Eras::default(),
        installed,
        store,
        store_directory,
        limits,
        search,
    })
}

/// What ranks tools, as it is set.
fn search(
    config: &Config,
    metrics: &Metrics,
    store: &Arc<dyn Store>,
) -> Result<Search, StartError> {
    let variable = config.search_key_variable();
    let key = variable.map(|name| config.environment().get(name).cloned().unwrap_or_default());
    if let (Some(name), Some("")) = (variable, key.as_deref()) {
        let problem = format!("the variable {name} is not set or empty");
        return Err(error(SEARCH_KEY, problem, "env:OPENAI_API_KEY"));
    }
    let settings = Settings {
        method: config.search_method(),
        model: config.search_model(),
        key: key.as_deref(),
        install_dir: config.install_dir(),
        store: store::outlives_the_server(config).then(|| (store.clone(), config.store_size())),
        metrics: metrics.search().clone(),
    };
    Search::start(settings).map_err(|problem| error(SEARCH, problem, "table"))
}

/// What learns from a principal's use, unless it is off: then nothing is read either.
fn learning(config: &Config, common: &Common, principal: Option<&str>) -> Option<Learning> {
    let kept = || Kept::new(common.store.clone(), common.store_directory.clone(), principal);
    let learning = || Learning::new(kept(), common.search.clone(), common.memory.clone());
    config.learn().then(learning)
}

/// How much of the places a principal may have. A limit that is set holds over all replicas; half
/// of the slots is half of each one's.
pub(super) fn share(
    queue: &Queue,
    config: &Config,
    limits: Option<(&SharedLimits, &str)>,
) -> Share {
    let http = config.http();
    let part = |given: usize, whole: usize| match given {
        // Somebody else always finds a place.
        0 if http.has_authentication() => whole.div_ceil(2),
        0 => whole,
        given => given.min(whole),
    };
    let most = part(http.principal_concurrent, config.max_concurrent());
    let share = queue.share(most, part(http.principal_queue, config.max_queue()));
    match limits.filter(|_| http.principal_concurrent > 0) {
        Some((limits, name)) => {
            within_all(share, queue, limits.slots(name, http.principal_concurrent, most))
        }
        None => share,
    }
}

pub(super) fn invalid_tools(problem: String) -> StartError {
    error("tools", problem, "mcp__github__*")
}

/// What all runs of a principal share, made once.
pub(super) fn services(
    config: &Config,
    common: &Common,
    tools: RunTools,
    principal: Option<&str>,
) -> Result<Services, StartError> {
    let workspace = workspace(config.workspace())?;
    let environment = config.environment();
    let variable = |name: &str| environment.get(name).cloned();
    let credentials = match config.fetch_headers() {
        Some(json) => Credentials::parse(json, &variable).map_err(|problem| {
            let example = r#"{"api.example.com": {"authorization": "Bearer env:TOKEN"}}"#;
            error(FETCH_HEADERS, problem, example)
        })?,
        None => Credentials::default(),
    };
    let limits = crate::upstream::Limits {
        result_bytes: usize::try_from(config.max_tool_result()).unwrap_or(usize::MAX),
    };
    let file = config.mcp_config().map(Path::to_owned);
    let tokens = crate::upstream::tokens::directory(config);
    let tokens =
        tokens.inspect_err(|problem| tracing::debug!("logins are not available: {problem}")).ok();
    let env_files = config.env_files();
    let list = file.map(|path| List { path, env_files: env_files.clone() });
    let (eras, memory) = (common.eras.clone(), common.memory.clone());
    let metrics = common.metrics.search().clone();
    let search = MeasuredSearch { search: common.search.clone(), metrics };
    let upstreams =
        Upstreams::new(list, environment.clone(), tokens, limits, eras, tools, memory, search)
            .map_err(|problem| unusable_list(config, &variable, problem))?;
    // A variable of the server's own may hold a token, and so may one that its
    // configuration names; a grant can name it.
    // So do those that say where traces go.
    let is_own = |name: &&String| name.starts_with(PREFIX) || name.starts_with("OTEL_EXPORTER_");
    let own = environment.keys().filter(is_own).cloned();
    let named = credentials.variables().iter().cloned().chain(upstreams.variables());
    let store = store::variable(config);
    let key = config.search_key_variable().map(str::to_owned);
    let secrets: Vec<_> = named.chain(own).chain(store).chain(key).collect();
    let policy = policy(config, common, &workspace, &secrets, env_files, variable("PATH"))?;
    let playbooks = playbooks(config, &policy);
    let modules = Modules::new(&upstreams, &playbooks, &common.installed);
    Ok(Services {
        policy: Arc::new(policy),
        audit: common.audit.clone(),
        metrics: common.metrics.clone(),
        credentials: Arc::new(credentials),
        environment,
        workspace,
        file_limits: FileLimits {
            write_size: config.max_write_size(),
            new_files: config.max_new_files(),
            open_files: config.max_open_files(),
        },
        fetch_limits: FetchLimits {
            request_bytes: config.max_fetch_size(),
            response_bytes: config.max_fetch_size(),
            connections: config.max_connections(),
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        },
        command_limits: CommandLimits {
            cpu_seconds: config.max_cpu_time().as_secs() + 1,
            file_size: config.max_write_size(),
            data: config.max_memory().saturating_mul(COMMAND_MEMORY),
            open_files: COMMAND_FILES,
            processes: COMMAND_PROCESSES,
        },
        max_memory: config.max_memory(),
        max_command_output: config.max_command_output(),
        max_tool_calls: config.max_tool_calls(),
        memory: common.memory.clone(),
        threads: common.threads.clone(),
        owner: common.owner.clone(),
        upstreams,
        learning: learning(config, common, principal),
        playbooks,
        modules,
        without_landlock: config.unsafe_run_without_landlock(),
    })
}

/// Names the variable that names the list, if one does.
fn unusable_list(
    config: &Config,
    variable: &dyn Fn(&str) -> Option<String>,
    problem: String,
) -> StartError {
    let is_it = |name: &&str| {
        let path = variable(name);
        path.is_some_and(|path| config.mcp_config() == Some(Path::new(path.trim())))
    };
    let (place, problem) = match [MCP_CONFIG, PROXY_CONFIG].into_iter().find(is_it) {
        Some(name) => (name.to_owned(), problem),
        None => ("the list of MCP servers".to_owned(), problem),
    };
    ConfigError { place, problem, example: String::new() }.into()
}

/// Programs import what lies there, and models read it.
fn playbooks(config: &Config, policy: &Policy) -> Playbooks {
    let directory = normalize(config.root_directory()).join("playbooks");
    // Nothing in it is a command, so that others' playbooks are not refused.
    let writers = check_writers(&directory);
    for warning in writers.unwrap_or_else(|problem| vec![problem]) {
        tracing::warn!("the playbooks: {warning}");
    }
    // Who may do anything has no need of a link.
    let writable = if policy.is_unconfined() { Vec::new() } else { policy.write.granted() };
    Playbooks::new(directory, writable)
}

/// Makes the workspace if it does not exist, for its owner only.
fn workspace(path: &Path) -> Result<PathBuf, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let path = normalize(path);
    let problem = |text: String| error(WORKSPACE, text, "/srv/workspace");
    match std::fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(problem(format!("{} is not a directory", path.display()))),
        Err(_) => {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|error| {
                problem(format!("{} cannot be created: {error}", path.display()))
            })?;
            Ok(path)
        }
    }
}

fn policy(
    config: &Config,
    common: &Common,
    workspace: &Path,
    secrets: &[String],
    env_files: Vec<PathBuf>,
    search_path: Option<String>,
) -> Result<Policy, StartError> {
    let example = "allow-read=/data,allow-net=api.example.com";
    let problem = |text: String| error(RUN_ARGS, text, example);
    let mut grants = match config.run_args() {
        Some(text) => Grants::parse(text).map_err(|error| problem(error.to_string()))?,
        None => Grants::workspace_only(&workspace.to_string_lossy()),
    };
    if grants.all {
        if !config.unsafe_allow_all() {
            return Err(problem(format!(
                "allow-all gives programs everything that the server's user may do; name what \
                 they need, or set {ALLOW_ALL}=1 as well"
            )));
        }
        grants.grant_all();
    }
    for flag in &grants.ungrantable {
        tracing::warn!("{RUN_ARGS}: {flag} grants nothing here: programs do without");
    }
    let home = std::env::home_dir();
    let tokens = crate::upstream::tokens::directory(config).ok();
    // Who writes the list of servers, or a file of variables for one, starts commands of
    // his own, unconfined; who reads it reads their tokens. The next start may find one where there is none.
    let lists = home.as_deref().map(default_files).into_iter().flatten();
    let own = config.own_files().into_iter().chain(env_files);
    let registries = config.registries_file(home.as_deref());
    let protected = own.chain(tokens).chain(lists).chain(registries);
    let protected: Vec<_> = protected.chain(common.store_directory.clone()).collect();
    if let Some(place) = config.install_dir() {
        let has_code = !config.allowed_packages().texts().is_empty()
            || crate::packages::python::components_directory(place).is_dir();
        check_install_dir(place, workspace, has_code)?;
    }
    // Who puts a file there has the tokens of registries with the next installation.
    let mut closed = if config.is_installed_for() { candidates() } else { Vec::new() };
    closed.extend(python_beside(config));
    // Landlock cannot deny what lies inside of everything.
    let denies = [&grants.read, &grants.write, &grants.net];
    let unconfined = grants.all && denies.iter().all(|rule| rule.deny == Scope::Nothing);
    let policy = Policy::new(&PolicyInput {
        grants: &grants,
        workspace,
        home: home.as_deref(),
        search_path: OsStr::new(search_path.as_deref().unwrap_or_default()),
        protected: &protected,
        packages: config.allowed_packages(),
        is_narrowed: config.has_narrowed_packages(),
        install_dir: config.install_dir(),
        code: &closed,
        secrets,
        unconfined,
        own_address: &common.own_address,
    })
    .map_err(problem)?;
    check_commands(config, &policy)?;
    Ok(policy)
}

/// Python's component, where it is beside this program and not in the directory of what is
/// installed. It is code of every program in Python.
fn python_beside(config: &Config) -> Option<PathBuf> {
    let PythonFiles { component, .. } = python_files(config)?;
    if config.install_dir().is_some_and(|place| component.starts_with(place)) {
        return None;
    }
    let writers = check_writers(&component);
    for warning in writers.unwrap_or_else(|problem| vec![problem]) {
        tracing::warn!("python: {warning}");
    }
    Some(component)
}

/// What is installed is code of every program that imports it.
fn check_install_dir(place: &Path, workspace: &Path, has_code: bool) -> Result<(), StartError> {
    let problem = |text: String| error(INSTALL_DIR, text, "/var/lib/mcp-conductor/installed");
    let place = normalize(place);
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if workspace.starts_with(&place) || real(workspace).starts_with(real(&place)) {
        return Err(problem(format!(
            "the workspace {} lies in {}, which is closed to writing",
            workspace.display(),
            place.display()
        )));
    }
    if !has_code || matches!(place.try_exists(), Ok(false)) {
        return Ok(());
    }
    for warning in check_writers(&place).map_err(problem)? {
        tracing::warn!("what is installed: {warning}");
    }
    Ok(())
}

fn check_commands(config: &Config, policy: &Policy) -> Result<(), StartError> {
    for program in policy.replaceable_commands() {
        tracing::warn!(
            "{RUN_ARGS}: {} is not granted: it is located where programs may write, so that one \
             could \
             replace it",
            program.display()
        );
    }
    if policy.runs_commands()
        && !policy.is_unconfined()
        && !landlock_is_available()
        && !config.unsafe_run_without_landlock()
    {
        return Err(error(
            RUN_ARGS,
            format!(
                "allow-run needs Landlock (Linux 5.13 or later, with lsm=landlock) to confine \
                 commands to the grants of programs; {WITHOUT_LANDLOCK}=1 runs them unconfined"
            ),
            "allow-read=/data",
        ));
    }
    Ok(())
}

/// Globals that every program has.
pub(super) fn globals(config: &Config, services: &Services) -> Map<String, Value> {
    let root = normalize(config.root_directory());
    let given = json!({
        "WORKSPACE_DIR": services.workspace.to_string_lossy(),
        "ROOT_DIR": root.to_string_lossy(),
        "PLAYBOOKS_DIR": root.join("playbooks").to_string_lossy(),
        PERMISSIONS: services.policy.flags(),
    });
    match given {
        Value::Object(given) => given,
        _ => Map::new(),
    }
}
