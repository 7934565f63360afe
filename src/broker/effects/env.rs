//! `Deno.env`: tables in memory.

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::environment::check;
use crate::broker::failure::Problem;
use crate::broker::run::Run;
use crate::protocol::{Answer, EnvironmentOperation};

pub(super) fn start(
    operation: EnvironmentOperation,
    dispatch: Dispatch<'_>,
) -> Option<AbortHandle> {
    dispatch.at_once(|run| perform(operation, run))
}

fn perform(operation: EnvironmentOperation, run: &Run) -> Result<Answer, Problem> {
    let (services, environment) = (run.services(), &run.environment);
    let policy = &services.policy;
    Ok(match operation {
        EnvironmentOperation::Get { name } => {
            check(&name)?;
            let variable = policy.variable(&name)?;
            Answer::MaybeText(environment.get(&variable, &services.environment))
        }
        EnvironmentOperation::Set { name, value } => {
            check(&name)?;
            environment.set(&policy.variable(&name)?, value)?;
            Answer::Done
        }
        EnvironmentOperation::Delete { name } => {
            check(&name)?;
            environment.delete(&policy.variable(&name)?)?;
            Answer::Done
        }
        EnvironmentOperation::All => {
            policy.environment()?;
            Answer::Variables(environment.all(policy, &services.environment))
        }
    })
}
