//! `Deno.permissions`: what `policy` says of a grant.

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::policy::{Permission, Withheld};
use crate::protocol::{Answer, Failure, PermissionOperation, PermissionState};

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
                    let state = policy.query(&name, target.as_deref(), &cwd);
                    Ok(Answer::Permission(without(run.tools.withheld(), &name, state)))
                };
                responder.answer(result, room);
            })
        }
    }
}

/// The state of a permission for a call that may do without it.
fn without(withheld: Withheld, name: &str, state: PermissionState) -> PermissionState {
    let all =
        [Permission::Read, Permission::Write, Permission::Net, Permission::Env, Permission::Run];
    match all.into_iter().any(|it| it.name() == name && withheld.has(it)) {
        true => PermissionState { granted: false, denied: true, partial: false },
        false => state,
    }
}
