//! Runs programs in TypeScript and Python for AI agents, each in a sandboxed process of its
//! own that was forked from a warm V8.
//!
//! ```text
//! MCP request → server → runtime → pool → worker            (program in, events and outcome out)
//! op in the program → worker → broker → policy → effect → reply
//! ```
//!
//! [`Runtime::execute`] is the whole of it as a Rust call; the `mcp-conductor`
//! binary puts an MCP server ([`serve_stdio`]) and a command line around it.
//! Modules in reading order: `config`, `protocol`, `policy`, `sandbox`,
//! `worker` (the shell of what runs in the child), `engines` (what runs programs in it),
//! `hook` (this executable as that child), `pool`, `catalog` (what is known of other
//! servers' tools), `upstream` (connections to them), `playbooks`, `modules` (what
//! programs import), `conversations` (what calls have in common), `learning` (what use teaches
//! of tools), `broker`, `runtime`, `server`.

#[cfg(test)]
mod architecture_tests;
mod audit;
mod broker;
mod catalog;
mod config;
mod conversations;
mod embedding;
mod engines;
mod hook;
mod install;
mod learning;
mod links;
mod memory;
mod modules;
mod net;
mod packages;
mod playbooks;
mod policy;
mod pool;
mod private_file;
mod protocol;
mod runtime;
mod sandbox;
mod server;
mod shared_limits;
#[path = "../snapshots/mod.rs"]
mod snapshots;
mod telemetry;
mod text;
mod threads;
mod upstream;
mod worker;

pub use broker::end_commands;
pub use config::{
    CheckSetting, Config, ConfigError, FLOOD_FACTOR, HttpConfig, Isolate, PythonLoad, Sources,
    Variable,
};
pub use hook::zygote_hook;
pub use install::{
    ComponentSource, ComponentSummary, FurtherPackage, InstallError, InstallOptions, Installation,
    PackageSummary, Remark, checker_described, install_component, install_packages, installation,
    installer, python_described, search_model_described,
};
pub use mcp_conductor_store::{Kind as StoreKind, StoreError, StoreStatus};
pub use runtime::{
    Check, Conversation, ConversationError, ConversationSummary, Diagnostic, DiagnosticCategory,
    EngineStatus, ErrorDetail, ErrorKind, ExecuteError, ExecuteRequest, Execution, ExecutionError,
    FoundTool, Grant, Image, InvalidRequest, Language, MAX_GLOBALS_BYTES, MAX_SOURCE_BYTES,
    OutputEvent, OutputEvents, OutputStream, PackagesStatus, Runtime, ServerStatus, StartError,
    Status, ToolCallSummary, ToolSpec, Truncated, UnfinishedWork, end_conversation,
    find_conversation, forget_use, list_conversations,
};
#[doc(hidden)]
pub use sandbox::seal_this_process;
pub use sandbox::{Capabilities, LayerStatus, SandboxStatus, drop_unneeded_capabilities};
pub use server::{
    ExecutionJson, HttpError, Reload, ReturnMode, ServeError, TokenEntry, TokenFile,
    TokenFileError, serve_http, serve_stdio,
};
#[doc(hidden)]
pub use server::{Timing, TimingError, serve_http_with};
pub use telemetry::{Log, TraceExport, TraceExportError};
#[doc(hidden)]
pub use text::digits::with_all_digits;
#[doc(hidden)]
pub use text::escaped::visible_lines;
#[doc(hidden)]
pub use text::mended::mended;
pub use upstream::{LoginError, login};
pub use worker::WorkerAllocator;
