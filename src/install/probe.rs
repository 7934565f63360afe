//! Which names a CommonJS module has: told by the module itself, in a worker without grants,
//! since nothing else knows them. What it tells is data that the module chose.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::Value;

use super::error::InstallError;
use super::wrapper::{self, MAX_NAMES};
use crate::config::{CheckSetting, Config, PythonLoad};
use crate::packages::Installed;
use crate::packages::manifest::Manifest;
use crate::protocol::Kind;
use crate::runtime::{ExecuteRequest, Runtime, StartError};
use crate::text::clip::line_of;
use crate::text::identifiers::string_literal;

/// Packages that are tried at once: each may take a processor and [`MEMORY`].
const PARALLEL: usize = 2;

/// Modules of a package in one run: the largest package with subpaths by hand has 100, and
/// each takes some milliseconds.
const BATCH: usize = 100;

/// Wall time of one run. `typescript`, the largest module of 201, takes 0.2 s, and a machine
/// may be busy.
const WALL_TIME: Duration = Duration::from_secs(10);

/// CPU time of one run.
const CPU_TIME: Duration = Duration::from_secs(10);

/// Bytes of memory of one run: as a run has it by default, twice.
const MEMORY: u64 = 512 << 20;

/// Time for all runs of one package, of which the last may still begin: one that fails is
/// made again by halves.
const PACKAGE_TIME: Duration = Duration::from_secs(60);

/// Bytes of what a run tells: 100 modules of 5000 names would have 10 MB.
const MAX_TOLD: u32 = 16 << 20;

/// Characters of a reason.
const MAX_REASON: usize = 300;

/// What modules have told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The names of a module, by specifier.
    pub names: BTreeMap<String, Vec<String>>,
    /// Why a module could not be imported here. In a program it may be, with a grant.
    pub failed: BTreeMap<String, String>,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.failed.extend(other.failed);
    }
}

/// Asks modules of a generation, by package.
pub(super) async fn ask(
    config: &Config,
    manifest: Manifest,
    generation: &Path,
    packages: Vec<Vec<String>>,
) -> Result<Told, InstallError> {
    if packages.is_empty() {
        return Ok(Told::default());
    }
    let failed = |error: StartError| InstallError::Probe(error.to_string());
    let installed = Installed::of_generation(manifest, generation.to_owned());
    let scratch = Scratch::new(config)?;
    let config = without_grants(config, &scratch.0).map_err(InstallError::Probe)?;
    let runtime = Runtime::with_installed(config, installed).await.map_err(failed)?;
    let engines = runtime.engines().await;
    let engine = engines.iter().find(|engine| engine.name == Kind::Packages.name());
    if let Some(error) = engine.and_then(|engine| engine.error.as_ref()) {
        return Err(InstallError::Probe(error.clone()));
    }
    let mut told = Told::default();
    let asked = packages.into_iter().map(|package| ask_package(&runtime, package));
    let mut asked = futures::stream::iter(asked).buffer_unordered(PARALLEL);
    while let Some(one) = asked.next().await {
        told.add(one);
    }
    Ok(told)
}

/// An empty directory of this process, which goes with it. It is no part of the store, where no
/// workspace may be.
#[derive(Debug)]
struct Scratch(PathBuf);

/// The beginning of its name.
const SCRATCH: &str = "mcp-conductor-install-";

/// The age of one that a killed installation has left. No probe takes so long.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes those that killed installations have left. They are empty, and only that is
/// removed; those of other users are theirs.
fn remove_stale(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_scratch = entry.file_name().to_str().is_some_and(|name| name.starts_with(SCRATCH));
        let modified = || entry.metadata().and_then(|found| found.modified()).ok();
        let is_stale = || modified()?.elapsed().ok().map(|age| age > STALE);
        if is_scratch && is_stale() == Some(true) {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

impl Scratch {
    /// In the directory of temporary files, else beside the store: a container may have no
    /// other directory that can be written.
    fn new(config: &Config) -> Result<Self, InstallError> {
        let beside = config.install_dir().and_then(Path::parent);
        Self::in_first(std::iter::once(&*std::env::temp_dir()).chain(beside))
    }

    fn in_first<'a>(places: impl Iterator<Item = &'a Path>) -> Result<Self, InstallError> {
        let mut failed = Vec::new();
        for place in places {
            match Self::below(place) {
                Ok(scratch) => return Ok(scratch),
                Err(error) => failed.push(format!("{}: {error}", place.display())),
            }
        }
        Err(InstallError::NoScratch(failed.join("; ")))
    }

    fn below(place: &Path) -> io::Result<Self> {
        remove_stale(place);
        let name = format!("{SCRATCH}{}", std::process::id());
        let mut numbered = (0..).map(|number| place.join(format!("{name}-{number}")));
        loop {
            let path = numbered.next().expect("numbers do not end");
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Programs that may do nothing but import what is allowed.
fn without_grants(config: &Config, scratch: &Path) -> Result<Config, String> {
    let mut probe = Config::default()
        // Its packages are not of npm, and it takes seconds to load.
        .with_python(PythonLoad::Off)
        .with_type_check(CheckSetting::Off)
        .with_environment(Vec::<(String, String)>::new())
        .with_run_args("none")
        .with_workspace(scratch)
        .with_allowed_packages(&config.allowed_packages().texts())?
        .with_standby(0)
        .with_max_concurrent(PARALLEL)
        .with_max_memory(MEMORY)
        .with_default_timeout(WALL_TIME)
        .with_max_cpu_time(CPU_TIME)
        .with_unfinished_grace(Duration::ZERO)
        .with_max_return_size(MAX_TOLD);
    if let Some(directory) = config.install_dir() {
        probe = probe.with_install_dir(directory);
    }
    if let Some(executable) = config.executable() {
        probe = probe.with_executable(executable);
    }
    Ok(probe)
}

/// Asks the modules of one package, in runs of its own. Those of a run that fails are asked
/// again by halves, so that one that never ends costs itself only.
async fn ask_package(runtime: &Runtime, specifiers: Vec<String>) -> Told {
    let mut told = Told::default();
    let started = Instant::now();
    let mut left: Vec<Vec<String>> = specifiers.chunks(BATCH).map(<[String]>::to_vec).collect();
    left.reverse();
    while let Some(batch) = left.pop() {
        if started.elapsed() > PACKAGE_TIME {
            let reason = "its package took too long to import";
            told.failed.extend(batch.into_iter().map(|specifier| (specifier, reason.to_owned())));
            continue;
        }
        match run(runtime, &batch).await {
            Ok(value) => told.add(read(&batch, &value)),
            Err(problem) if batch.len() == 1 => {
                told.failed.extend(batch.into_iter().map(|specifier| (specifier, problem.clone())));
            }
            Err(_) => {
                let (first, second) = batch.split_at(batch.len() / 2);
                left.extend([second.to_vec(), first.to_vec()]);
            }
        }
    }
    told
}

async fn run(runtime: &Runtime, specifiers: &[String]) -> Result<Value, String> {
    let execution = runtime.execute(ExecuteRequest::new(program(specifiers))).await;
    let execution = execution.map_err(|error| error.to_string())?;
    match execution.error {
        Some(error) => Err(line_of(&error.message, MAX_REASON)),
        None => Ok(execution.return_value),
    }
}

/// What a run does. A member whose getter throws is not named, or the wrapper would.
fn program(specifiers: &[String]) -> String {
    let all: Vec<String> = specifiers.iter().map(|text| string_literal(text)).collect();
    let all = all.join(", ");
    format!(
        r#"const told: Record<string, string[] | string> = {{}};
for (const specifier of [{all}]) {{
  try {{
    const value = (await import(specifier)).default;
    const names: string[] = [];
    const isObject = typeof value === "object" && value !== null;
    const all = isObject ? Object.getOwnPropertyNames(value)
      : typeof value === "function" ? Object.keys(value) : [];
    for (const name of all) {{
      if (names.length >= {MAX_NAMES}) break;
      try {{
        void value[name];
        names.push(name);
      }} catch {{ /* not readable */ }}
    }}
    told[specifier] = names;
  }} catch (error) {{
    told[specifier] = String((error as Error)?.message ?? error).slice(0, {MAX_REASON});
  }}
}}
told"#
    )
}

/// What a run has told of the modules that it was asked about, and of no others.
fn read(specifiers: &[String], value: &Value) -> Told {
    let mut told = Told::default();
    for specifier in specifiers {
        match value.get(specifier) {
            Some(Value::Array(names)) => {
                let names = names.iter().take(MAX_NAMES).filter_map(Value::as_str);
                let names = wrapper::names(names.map(str::to_owned));
                told.names.insert(specifier.clone(), names);
            }
            Some(Value::String(reason)) => {
                told.failed.insert(specifier.clone(), line_of(reason, MAX_REASON));
            }
            _ => {
                told.failed.insert(specifier.clone(), "it told no names".to_owned());
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked() -> Vec<String> {
        vec!["npm:a".to_owned(), "npm:a/b".to_owned()]
    }

    #[test]
    fn the_workspace_is_in_the_first_directory_that_can_be_written() {
        let temporary = std::env::temp_dir();
        let nowhere = Path::new("/proc/none");
        let scratch = Scratch::in_first([nowhere, &temporary].into_iter()).unwrap();
        assert!(scratch.0.starts_with(&temporary) && scratch.0.is_dir());
        let error = Scratch::in_first([nowhere].into_iter()).unwrap_err().to_string();
        assert!(error.contains("/proc/none: ") && error.contains("set TMPDIR"), "{error}");
    }

    #[test]
    fn names_and_reasons_are_read_by_specifier() {
        let told = read(&asked(), &json!({"npm:a": ["x", "x y"], "npm:a/b": "no\u{1b}[1m"}));
        assert_eq!(told.names["npm:a"], ["x"]);
        assert!(!told.failed["npm:a/b"].contains('\u{1b}'));
    }

    #[test]
    fn what_nobody_asked_for_and_what_is_no_name_is_not_read() {
        for value in [json!({"npm:evil": ["x"]}), json!(null), json!([1]), json!({"npm:a": 7})] {
            let told = read(&asked(), &value);
            assert!(told.names.is_empty(), "{value}");
            assert_eq!(told.failed.len(), 2, "{value}");
        }
        let told = read(&asked(), &json!({"npm:a": [1, null, {"x": 1}, "y"]}));
        assert_eq!(told.names["npm:a"], ["y"]);
    }

    #[test]
    fn a_specifier_is_a_literal_in_the_program() {
        let program = program(&["npm:a\"];evil()//".to_owned()]);
        assert!(program.contains(r#"of ["npm:a\"];evil()//"])"#), "{program}");
    }
}
