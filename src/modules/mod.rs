//! What programs can import beside `data:` URLs: the tools of MCP servers, the code of
//! playbooks, installed packages and files of the workspace. What is loaded has been allowed
//! by `policy`; what comes of it is a source or a name, and never code that the server runs.

mod error;
mod mcp;
mod packages;
mod playbook;

use std::sync::Arc;

pub(crate) use error::ModuleError;

use crate::packages::{Installed, Snapshot};
use crate::playbooks::Playbooks;
use crate::policy::{AllowedPackage, RunTools};
use crate::protocol::{MediaType, ModuleScheme, ModuleSource};
use crate::upstream::Upstreams;

/// Work that reads files, for a thread.
pub(crate) type Reading = Box<dyn FnOnce() -> Result<ModuleSource, ModuleError> + Send>;

/// Whoever provides modules to the runs of a principal.
pub(crate) struct Modules {
    upstreams: Upstreams,
    playbooks: Arc<Playbooks>,
    installed: Installed,
}

impl Modules {
    pub(crate) fn new(upstreams: &Upstreams, playbooks: &Playbooks, installed: &Installed) -> Self {
        Self {
            upstreams: upstreams.clone(),
            playbooks: Arc::new(playbooks.clone()),
            installed: installed.clone(),
        }
    }

    /// The tools of an MCP server, as a module for a run.
    pub(crate) async fn server(
        &self,
        name: &str,
        run: &RunTools,
    ) -> Result<ModuleSource, ModuleError> {
        mcp::load(&self.upstreams, run, name).await
    }

    /// Reads the code of a playbook. That is given to `on_thread`, which does it in a turn of
    /// the run's; none if it was interrupted.
    pub(crate) async fn playbook<Read>(
        &self,
        name: &str,
        on_thread: impl FnOnce(Reading) -> Read,
    ) -> Result<ModuleSource, ModuleError>
    where
        Read: Future<Output = Option<Result<ModuleSource, ModuleError>>>,
    {
        let reading = playbook::reading(self.playbooks.clone(), name);
        on_thread(reading).await.unwrap_or(Err(ModuleError::Interrupted))
    }

    /// What of the packages is installed.
    pub(crate) fn installed(&self) -> &Installed {
        &self.installed
    }

    /// The file below `bundle/` that is a module of a package, at once: of those that a run's
    /// worker has, or else of what is installed now.
    pub(crate) fn package_at_once(
        &self,
        package: &AllowedPackage,
        of_run: Option<&Arc<Snapshot>>,
    ) -> Option<String> {
        packages::found(&self.of(of_run), package.asked(), package.own())
    }

    /// The same, or why there is none. To find that out takes some 20 ms of CPU time.
    pub(crate) fn package(
        &self,
        package: &AllowedPackage,
        of_run: Option<&Arc<Snapshot>>,
    ) -> Result<String, ModuleError> {
        packages::file(&self.of(of_run), package.asked(), package.own())
    }

    fn of(&self, of_run: Option<&Arc<Snapshot>>) -> Arc<Snapshot> {
        of_run.cloned().unwrap_or_else(|| self.installed.current())
    }
}

/// A source with its name, as programs import it.
fn loaded(scheme: ModuleScheme, name: &str, media_type: MediaType, source: String) -> ModuleSource {
    ModuleSource { media_type, source, name: format!("{}:{name}", scheme.name()) }
}
