//! What a run may use, and its limits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::io::{FetchLimits, Owner};
use super::quota::FileLimits;
use crate::audit::Audit;
use crate::config::credentials::Credentials;
use crate::learning::Learning;
use crate::memory::Account;
use crate::modules::Modules;
use crate::playbooks::Playbooks;
use crate::policy::Policy;
use crate::sandbox::CommandLimits;
use crate::telemetry::Metrics;
use crate::threads::Threads;
use crate::upstream::Upstreams;

/// State that the runs of one principal share.
pub(crate) struct Services {
    pub policy: Arc<Policy>,
    pub audit: Audit,
    pub metrics: Arc<Metrics>,
    pub credentials: Arc<Credentials>,
    /// The environment when the server started.
    pub environment: HashMap<String, String>,
    pub workspace: PathBuf,
    pub file_limits: FileLimits,
    pub fetch_limits: FetchLimits,
    pub command_limits: CommandLimits,
    /// The owner that the processes of commands are counted for.
    pub owner: Owner,
    /// Bytes of memory of a run: no larger file is read as a whole.
    pub max_memory: u64,
    /// Bytes that a program may read from one pipe of a command.
    pub max_command_output: u64,
    /// The memory account of the runs' principal.
    pub memory: Account,
    /// Turns on blocking threads for this principal.
    pub threads: Threads,
    /// The MCP servers that programs may call.
    pub upstreams: Upstreams,
    /// What use of their tools has taught; nothing where it may teach nothing.
    pub learning: Option<Learning>,
    pub playbooks: Playbooks,
    /// What programs can import.
    pub modules: Modules,
    /// Tool calls that a run may make.
    pub max_tool_calls: u32,
    /// Commands run where the kernel has no Landlock.
    pub without_landlock: bool,
}
