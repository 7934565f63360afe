//! Modules of ours: `mcp:` of an upstream server's tools, and `playbook:`.

use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::Room;
use crate::broker::failure::Problem;
use crate::broker::run::Run;
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
        if let Some(name) = specifier.strip_prefix("mcp:") {
            let module = services.upstreams.module(self.tools.allowed(), name).await?;
            self.tools.imported(name);
            return Ok(Answer::Text(module.to_string()));
        }
        let Some(name) = specifier.strip_prefix("playbook:").map(str::to_owned) else {
            return Err(Failure::type_error(format!("There is no module \"{specifier}\"")).into());
        };
        let (run, place) = (self.clone(), self.file_place().await?);
        let reading = move || {
            let _place = place;
            run.services().playbooks.code(&name)
        };
        let read = self.on_thread(reading).await.ok_or_else(Failure::interrupted)?;
        Ok(Answer::Text(read.map_err(|error| Failure::new("Error", error.to_string()))?))
    }
}
