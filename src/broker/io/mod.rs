//! What talks to the outside: HTTP and commands. Nothing here knows a run.

mod body;
mod crowd;
mod decode;
mod http_client;
mod keeper;
mod process;
mod running;

pub(crate) use body::FetchLimits;
pub(super) use body::{FetchError, ResponseBody, Upload};
pub(super) use crowd::Crowd;
pub(crate) use crowd::Owner;
pub(super) use http_client::Fetcher;
pub use keeper::end_commands;
pub(crate) use keeper::guard_commands;
pub(super) use process::{Launch, Pipes, Process};
pub(super) use running::Running;
