//! Imports: decided by policy, loaded by `modules`. Files are opened and sent like those
//! that a program reads.

use std::io::Read;
use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::broker::dispatch::Dispatch;
use crate::broker::event::Room;
use crate::broker::failure::Problem;
use crate::broker::run::Run;
use crate::broker::streams::MAX_READ;
use crate::modules::{ModuleError, Reading};
use crate::packages::allowed::PackageKind;
use crate::policy::{AllowedModule, AllowedPackage, AllowedPath, Permission};
use crate::protocol::{Answer, Failure, MAX_SPECIFIER_BYTES, ModuleOperation, ModuleSource};

/// The files that an import map is made of. Of the first two, one is enough.
const MAP_FILES: [&str; 3] = ["deno.json", "deno.jsonc", "package.json"];

/// Bytes of one of them. Those of large projects have some 50 KB.
const MAX_MAP_BYTES: usize = 1 << 20;

pub(super) fn start(operation: ModuleOperation, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    match operation {
        ModuleOperation::Import { specifier } | ModuleOperation::Package { specifier }
            if specifier.len() > MAX_SPECIFIER_BYTES =>
        {
            let error = format!("A specifier has at most {MAX_SPECIFIER_BYTES} bytes");
            dispatch.at_once(|_| Err(Failure::type_error(error).into()))
        }
        ModuleOperation::Import { specifier } if PackageKind::of(&specifier).is_some() => {
            package(specifier, dispatch)
        }
        ModuleOperation::Import { specifier } => import(&specifier, dispatch),
        ModuleOperation::Package { specifier } => dispatch.at_once(|run| {
            let allowed = run.services().policy.python_package(&specifier);
            allowed.map(|()| Answer::Done).map_err(Problem::from)
        }),
        ModuleOperation::ImportMap => {
            dispatch.on_thread(MAP_FILES.len() * MAX_MAP_BYTES, |run, responder, room| {
                responder.answer(run.import_map(), room);
            })
        }
    }
}

/// A file, in pieces if it is large. What its path leads to is decided about when it is open.
fn file(path: AllowedPath, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    dispatch.on_thread(MAX_READ, move |run, responder, room| {
        if run.quota.is_over() {
            return responder.answer(Err(Failure::interrupted().into()), room);
        }
        let workspace = run.services().workspace.clone();
        run.read_file(path.requested().to_owned(), &workspace, responder, room);
    })
}

/// What can be imported is answered at once. Why something cannot be takes time to say, which
/// is the run's.
fn package(specifier: String, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    let services = dispatch.run.services();
    let allowed = services.policy.allowed_package(&specifier);
    let of_run = dispatch.run.packages.get();
    let file = allowed.and_then(|package| services.modules.package_at_once(&package, of_run));
    match file {
        Some(file) => dispatch.at_once(|_| Ok(Answer::Package { file })),
        None => dispatch.on_thread(0, move |run, responder, room| {
            let allowed = run.services().policy.package(&specifier).map_err(Problem::from);
            responder.answer(allowed.and_then(|package| run.package(&package)), room);
        }),
    }
}

fn import(specifier: &str, dispatch: Dispatch<'_>) -> Option<AbortHandle> {
    match dispatch.run.services().policy.import(specifier) {
        Err(denied) => dispatch.at_once(|_| Err(denied.into())),
        Ok(AllowedModule::Package(package)) => dispatch.at_once(move |run| run.package(&package)),
        Ok(AllowedModule::File(path)) => {
            match dispatch.run.tools.withheld().check(Permission::Read) {
                Ok(()) => file(path, dispatch),
                Err(denied) => dispatch.at_once(|_| Err(denied.into())),
            }
        }
        Ok(AllowedModule::Mcp { name }) => {
            in_turn(dispatch, |run| async move { run.server_module(&name).await })
        }
        Ok(AllowedModule::Playbook { name }) => {
            in_turn(dispatch, |run| async move { run.playbook(&name).await })
        }
    }
}

/// Among the calls of tools: a server may be asked for its tools first.
fn in_turn<F>(
    dispatch: Dispatch<'_>,
    load: impl FnOnce(Arc<Run>) -> F + Send + 'static,
) -> Option<AbortHandle>
where
    F: Future<Output = Result<ModuleSource, ModuleError>> + Send + 'static,
{
    dispatch.in_task(|run, responder| async move {
        let Some(turn) = run.tools.turn().await else { return };
        let module = load(run.clone()).await;
        let answer = module.map(|module| Answer::Module(Box::new(module)));
        responder.answer(answer.map_err(Problem::from), Room::from(turn));
    })
}

impl Run {
    fn package(&self, package: &AllowedPackage) -> Result<Answer, Problem> {
        let file = self.services().modules.package(package, self.packages.get())?;
        Ok(Answer::Package { file })
    }

    async fn server_module(self: Arc<Self>, name: &str) -> Result<ModuleSource, ModuleError> {
        let module = self.services().modules.server(name, self.tools.allowed()).await?;
        self.tools.imported(name);
        Ok(module)
    }

    async fn playbook(self: Arc<Self>, name: &str) -> Result<ModuleSource, ModuleError> {
        let on_thread = |reading: Reading| async {
            let place = self.file_place().await.ok()?;
            let reading = move || {
                let _place = place;
                reading()
            };
            self.on_thread(reading).await
        };
        self.services().modules.playbook(name, on_thread).await
    }

    /// The files of the workspace that an import map is made of. One that no grant names is
    /// as one that there is not; one that leads out of the grants is refused. Blocks.
    fn import_map(&self) -> Result<Answer, Problem> {
        let workspace = &self.services().workspace;
        let opener = self.files(workspace);
        let mut files: Vec<(String, String)> = Vec::new();
        if self.tools.withheld().has(Permission::Read) {
            return Ok(Answer::ImportMap { files });
        }
        for name in MAP_FILES {
            if name == "deno.jsonc" && !files.is_empty() {
                continue;
            }
            if self.services().policy.read.check(name, workspace).is_err() {
                continue;
            }
            let file = match opener.open_whole(name) {
                Ok((file, _)) => file,
                Err(Problem::Failed(failure)) if failure.class == "NotFound" => continue,
                Err(problem) => return Err(problem),
            };
            let mut text = Vec::new();
            file.take(MAX_MAP_BYTES as u64 + 1).read_to_end(&mut text)?;
            if text.len() > MAX_MAP_BYTES {
                let limit = MAX_MAP_BYTES >> 20;
                let message = format!("{name} of the workspace has more than {limit} MiB");
                return Err(Failure::type_error(message).into());
            }
            // Mended it would have three times the bytes.
            let text = String::from_utf8(text).map_err(|_| {
                Failure::type_error(format!("{name} of the workspace is not UTF-8"))
            })?;
            files.push((name.to_owned(), text));
        }
        Ok(Answer::ImportMap { files })
    }
}

impl From<ModuleError> for Problem {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Upstream(error) => error.into(),
            ModuleError::Playbook(error) => Failure::new("Error", error.to_string()).into(),
            ModuleError::Interrupted => Failure::interrupted().into(),
            error @ (ModuleError::NotInstalled(..)
            | ModuleError::Installing(..)
            | ModuleError::VersionNotSatisfied { .. }
            | ModuleError::Outdated(..)
            | ModuleError::NoSuchSubpath { .. }
            | ModuleError::TagNotCompared { .. }
            | ModuleError::TypesOnly(..)
            | ModuleError::FailedToBuild(..)) => Failure::type_error(error.to_string()).into(),
        }
    }
}
