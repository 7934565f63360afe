//! What each operation does: one exhaustive match here, by capability, and one in each
//! room. A room puts what the program said to `policy`, and acts on what that allows.

mod commands;
mod env;
mod fetch;
mod files;
mod handles;
mod modules;
mod permissions;
mod session;
mod tools;

use tokio::task::AbortHandle;

use super::dispatch::Dispatch;
use super::withheld;
use crate::protocol::{Failure, Operation};

const TOO_MANY_PARTS: &str =
    "Too many arguments, variables or headers: at most 4096 of each are accepted";

/// Starts one operation. What cannot block is done at once, without a task.
pub(super) fn start(operation: Operation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    if operation.has_too_many_parts() {
        return dispatch.at_once(|_| Err(Failure::type_error(TOO_MANY_PARTS).into()));
    }
    if let Err(denied) = withheld::check(dispatch.run.tools.withheld(), &operation) {
        return dispatch.at_once(|_| Err(denied.into()));
    }
    match operation {
        Operation::File(operation) => files::start(operation, dispatch),
        Operation::Handle(operation) => handles::start(operation, dispatch),
        Operation::Environment(operation) => env::start(operation, dispatch),
        Operation::Network(operation) => fetch::start(operation, dispatch),
        Operation::Command(operation) => commands::start(operation, dispatch),
        Operation::Tool(operation) => tools::start(operation, dispatch),
        Operation::Module(operation) => modules::start(operation, dispatch),
        Operation::Permission(operation) => permissions::start(operation, dispatch),
        Operation::Session(operation) => session::start(operation, dispatch),
    }
}
