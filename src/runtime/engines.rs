//! From the configuration to the lanes of the pool, one for each kind of engine.

use std::path::PathBuf;

use futures::future::join_all;

use super::StartError;
use crate::config::{CheckSetting, Config, PythonLoad};
use crate::hook::hook_was_called;
use crate::packages::checker::{self, CHECK_MEMORY, MAX_VERDICT};
use crate::packages::python::{self, PythonFiles};
use crate::pool::{Availability, LaneConfig, Load, Pool};
use crate::protocol::{Generation, Isolate, Kind, MAX_REQUEST, ZygoteSetup};

/// Bytes of a worker's frame beyond the value in it: an error's message, stack
/// and code frame.
const FRAME_OVERHEAD: usize = 128 << 10;

/// The kernel's limit of a check's CPU time, a backstop behind the 1 s that is measured.
const MAX_CHECK_CPU_SECONDS: u64 = 3;

/// The time zone of programs where nothing sets one, as in most containers.
const UTC: &str = "UTC";

/// What runs programs of one kind, and whether it can.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineStatus {
    /// Its name.
    pub name: &'static str,
    /// Why it is not available, which disables its tools and nothing else.
    pub error: Option<String>,
    /// What it does without: modules of packages that cannot be compiled.
    pub notes: Vec<String>,
}

/// All engines, after trying to load what is not loaded yet.
pub(super) async fn statuses(pool: &Pool) -> Vec<EngineStatus> {
    join_all(pool.kinds().map(|kind| status(pool, kind))).await
}

async fn status(pool: &Pool, kind: Kind) -> EngineStatus {
    let error = match pool.load(kind).await {
        Availability::NotLoaded | Availability::Available => None,
        Availability::NotAvailable(error) => Some(error.to_string()),
    };
    EngineStatus { name: kind.name(), error, notes: pool.notes(kind) }
}

/// The lanes that these settings want, with this generation of installed packages and this
/// Python.
pub(super) fn lanes(
    config: &Config,
    packages: Option<&Generation>,
    python: Option<&PythonFiles>,
) -> Result<Vec<LaneConfig>, StartError> {
    let checker = checker_directory(config);
    let has_lane = |kind: &Kind| match kind {
        Kind::TypeScript | Kind::Packages => true,
        Kind::Python => python.is_some(),
        Kind::Checker => checker.is_some(),
    };
    let lane = |kind| lane(config, kind, packages, python);
    Kind::ALL.into_iter().filter(has_lane).map(lane).collect()
}

fn lane(
    config: &Config,
    kind: Kind,
    packages: Option<&Generation>,
    python: Option<&PythonFiles>,
) -> Result<LaneConfig, StartError> {
    let of_python = python.and_then(|files| python_packages(config, files));
    let (load, is_required, packages) = match kind {
        Kind::TypeScript => (Load::AtStart, true, None),
        Kind::Python => (python_load(config), false, of_python.as_ref()),
        // Without packages it has the built-ins only, which few programs need. Where no
        // workers stand by, as in `mcp-conductor run`, it would be loaded for nobody.
        Kind::Packages if packages.is_none() || config.standby() == 0 => {
            (Load::WhenNeeded, false, packages)
        }
        Kind::Packages => (Load::AtStart, false, packages),
        // Nobody waits for it, and where no workers stand by the first check loads it.
        Kind::Checker if config.standby() == 0 => (Load::WhenNeeded, false, None),
        Kind::Checker => (Load::AtStart, false, None),
    };
    // The kernel's limit is a backstop behind the one that is measured: it has
    // whole seconds only.
    let max_cpu_seconds = config.max_cpu_time().as_secs() + 2;
    Ok(LaneConfig {
        executable: zygote_executable(config)?,
        setup: ZygoteSetup {
            kind,
            isolate: match kind {
                Kind::TypeScript | Kind::Packages => config.isolate(),
                // It takes seconds to make one.
                Kind::Python => Isolate::Warm,
                // To warm it takes 3 s, which one check alone does not save.
                Kind::Checker if config.standby() == 0 => Isolate::Fresh,
                Kind::Checker => Isolate::Warm,
            },
            max_memory: match kind {
                Kind::TypeScript | Kind::Packages | Kind::Python => config.max_memory(),
                Kind::Checker => CHECK_MEMORY,
            },
            max_cpu_seconds: match kind {
                Kind::TypeScript | Kind::Packages | Kind::Python => max_cpu_seconds,
                Kind::Checker => MAX_CHECK_CPU_SECONDS,
            },
            time_zone: config.time_zone().unwrap_or(UTC).to_owned(),
            without: config.without().to_vec(),
            packages: packages.cloned(),
            python: python.filter(|_| kind == Kind::Python).cloned(),
            checker: checker_directory(config).filter(|_| kind == Kind::Checker),
        },
        load,
        is_required,
        standby: config.standby(),
        max_frame: match kind {
            Kind::TypeScript | Kind::Packages | Kind::Python => {
                (config.max_return_size() as usize + FRAME_OVERHEAD).max(MAX_REQUEST)
            }
            Kind::Checker => MAX_VERDICT + FRAME_OVERHEAD,
        },
    })
}

/// The type checker, if it is installed and not off.
fn checker_directory(config: &Config) -> Option<PathBuf> {
    match config.type_check() {
        CheckSetting::Off => None,
        CheckSetting::Auto | CheckSetting::Warn | CheckSetting::Error => {
            config.install_dir().and_then(checker::installed)
        }
    }
}

/// Adds Python to a pool that began without it, where it was installed meanwhile. Whether it was
/// added.
pub(super) fn add_python(
    pool: &Pool,
    config: &Config,
    files: &PythonFiles,
) -> Result<bool, StartError> {
    if pool.kinds().any(|kind| kind == Kind::Python) {
        return Ok(false);
    }
    Ok(pool.add(lane(config, Kind::Python, None, Some(files))?))
}

/// Python, if it is installed and not off.
pub(super) fn python_files(config: &Config) -> Option<PythonFiles> {
    match config.python() {
        PythonLoad::Off => None,
        PythonLoad::Lazy | PythonLoad::Start => {
            let files = config.install_dir().and_then(python::installed)?;
            Some(PythonFiles { preload: config.python_preload().to_vec(), ..files })
        }
    }
}

/// The packages of PyPI that workers of Python have: none if nothing of it is allowed.
pub(super) fn python_packages(config: &Config, files: &PythonFiles) -> Option<Generation> {
    let directory = files.packages.clone();
    let directory = directory.filter(|_| !config.allowed_packages().pypi().is_empty())?;
    Some(Generation { directory, preload: Vec::new() })
}

/// When Python is loaded. Where no workers stand by, as in `mcp-conductor run`, it would be
/// loaded for nobody.
fn python_load(config: &Config) -> Load {
    match config.python() {
        PythonLoad::Start if config.standby() > 0 => Load::AtStart,
        PythonLoad::Start | PythonLoad::Lazy | PythonLoad::Off => Load::WhenNeeded,
    }
}

pub(super) fn zygote_executable(config: &Config) -> Result<PathBuf, StartError> {
    if let Some(path) = config.executable() {
        return Ok(path.to_owned());
    }
    if hook_was_called() {
        // The file may be replaced while the server runs; this link still
        // names the one that runs.
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|directory| directory.join("mcp-conductor"))
        .find(|candidate| candidate.is_file())
        .ok_or(StartError::NoExecutable)
}
