//! Imports of what the server has: decided by policy, loaded by `modules`.

use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::Room;
use crate::broker::failure::Problem;
use crate::broker::run::Run;
use crate::modules::{ModuleError, Reading};
use crate::policy::AllowedModule;
use crate::protocol::{Answer, Failure, ModuleOperation};

pub(super) fn start(operation: ModuleOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    match operation {
        ModuleOperation::Import { specifier } => dispatch.in_task(|run, responder| async move {
            // Among the calls of tools: a server may be asked for its tools first.
            let Some(turn) = run.tools.turn().await else { return };
            let result = run.import(&specifier).await;
            responder.answer(result, Room::from(turn));
        }),
    }
}

impl Run {
    async fn import(self: &Arc<Self>, specifier: &str) -> Result<Answer, Problem> {
        let services = self.services();
        let allowed = services.policy.import(specifier)?;
        let on_thread = |reading: Reading| async move {
            let place = self.file_place().await.ok()?;
            let reading = move || {
                let _place = place;
                reading()
            };
            self.on_thread(reading).await
        };
        let module = services.modules.load(&allowed, self.tools.allowed(), on_thread).await?;
        if let AllowedModule::Mcp { name } = &allowed {
            self.tools.imported(name);
        }
        Ok(Answer::Module(Box::new(module)))
    }
}

impl From<ModuleError> for Problem {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Upstream(error) => error.into(),
            ModuleError::Playbook(error) => Failure::new("Error", error.to_string()).into(),
            error @ (ModuleError::NotInstalled(_) | ModuleError::NoFiles(_)) => {
                Failure::type_error(error.to_string()).into()
            }
            ModuleError::Interrupted => Failure::interrupted().into(),
        }
    }
}
