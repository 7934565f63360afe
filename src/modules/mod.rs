//! What programs can import beside `data:` URLs: the tools of MCP servers and the code of
//! playbooks. What is loaded has been allowed by `policy`; what comes of it is a source,
//! its media type and its name, and never code that the server runs.

mod error;
mod mcp;
mod playbook;

use std::sync::Arc;

pub(crate) use error::ModuleError;

use crate::playbooks::Playbooks;
use crate::policy::{AllowedModule, RunTools};
use crate::protocol::{MediaType, ModuleScheme, ModuleSource};
use crate::upstream::Upstreams;

/// Work that reads files, for a thread.
pub(crate) type Reading = Box<dyn FnOnce() -> Result<ModuleSource, ModuleError> + Send>;

/// Whoever provides modules to the runs of a principal.
pub(crate) struct Modules {
    upstreams: Upstreams,
    playbooks: Arc<Playbooks>,
}

impl Modules {
    pub(crate) fn new(upstreams: &Upstreams, playbooks: &Playbooks) -> Self {
        Self { upstreams: upstreams.clone(), playbooks: Arc::new(playbooks.clone()) }
    }

    /// Loads a module for a run. What reads files is given to `on_thread`, which does it in
    /// a turn of the run's; none if it was interrupted.
    pub(crate) async fn load<Read>(
        &self,
        module: &AllowedModule,
        run: &RunTools,
        on_thread: impl FnOnce(Reading) -> Read,
    ) -> Result<ModuleSource, ModuleError>
    where
        Read: Future<Output = Option<Result<ModuleSource, ModuleError>>>,
    {
        match module {
            AllowedModule::Mcp { name } => mcp::load(&self.upstreams, run, name).await,
            AllowedModule::Playbook { name } => {
                let reading = playbook::reading(self.playbooks.clone(), name);
                on_thread(reading).await.unwrap_or(Err(ModuleError::Interrupted))
            }
            AllowedModule::Package(package) => Err(ModuleError::NotInstalled(package.package())),
            AllowedModule::File(path) => Err(ModuleError::NoFiles(path.requested().to_owned())),
        }
    }
}

/// A source with its name, as programs import it.
fn loaded(scheme: ModuleScheme, name: &str, media_type: MediaType, source: String) -> ModuleSource {
    ModuleSource { media_type, source, name: format!("{}:{name}", scheme.name()) }
}
