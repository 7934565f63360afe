//! `Deno.permissions`: what `policy` says of a grant.

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::protocol::{Answer, Failure, PermissionOperation};

pub(super) fn start(operation: PermissionOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    let cwd = dispatch.run.cwd();
    match operation {
        // On a thread: it looks for commands in PATH.
        PermissionOperation::Query { name, target } => {
            dispatch.on_thread(0, move |run, responder, room| {
                let result = if run.quota.is_over() {
                    Err(Failure::interrupted().into())
                } else {
                    let policy = &run.services().policy;
                    Ok(Answer::Permission(policy.query(&name, target.as_deref(), &cwd)))
                };
                responder.answer(result, room);
            })
        }
    }
}
