//! Resolves, downloads, verifies and repacks wheels of pure Python. Writes to `store/cache`,
//! `store/pypi.lock` and the new generation, and runs nothing of a package.
//!
//! Versions and markers are PEP 440's and PEP 508's by the crates of uv's authors. A wheel has
//! to have a SHA-256 in the index; one from the lock file has to have that of the lock file.

mod candidates;
mod lock;
mod markers;
mod metadata;
mod repack;
mod solve;
mod source;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use pep440_rs::Version;

use super::limits::{MAX_MEMORY, PARALLEL};
use super::progress::Progress;
use super::sys;
use crate::exchange::{WheelPackage, Wheels, WheelsRequest};
use crate::pypi::PypiSpecifier;
use candidates::{Candidate, Rules};
use lock::Lock;
use solve::{Included, Known, Solution, Step, Wanted, solve};
use source::Source;

/// Packages of one installation: 100 allowed ones with ten each that they need.
const MAX_PACKAGES: usize = 1000;

/// Fetches the allowed packages, and what they need, into a generation.
pub fn run(request: WheelsRequest) -> Result<Wheels, String> {
    sys::limit_memory(MAX_MEMORY)
        .map_err(|error| format!("The memory of the installer cannot be limited: {error}"))?;
    super::end_in_time();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("The installer cannot start: {error}"))?
        .block_on(fetch(request))
}

async fn fetch(request: WheelsRequest) -> Result<Wheels, String> {
    let progress = Progress::start();
    let asked = Asked::of(&request)?;
    let lock_file = request.store.join("pypi.lock");
    let lock = Lock::read(&lock_file)?;
    let source = Source::new(&request.index, &request.store, request.offline)?;
    let rules = Rules {
        python: asked.python.clone(),
        min_age: Duration::from_secs(request.min_age_seconds),
        lock: lock.clone().unwrap_or_default(),
    };
    let (known, solution) = resolve(&asked, &rules, &source, &progress).await?;
    let new = Lock::of(solution.iter().map(|(name, (version, _))| known.chosen(name, version)));
    if request.frozen && lock.as_ref() != Some(&new) {
        return Err(format!(
            "pypi.lock would change, and --frozen forbids it: {}",
            new.changes(lock.as_ref())
        ));
    }
    note_undated(&known, &solution, &rules, &progress);
    progress.resolved(solution.len());
    let total = AtomicU64::new(0);
    let wheels = futures::stream::iter(&solution)
        .map(|(name, (version, _))| {
            one(known.chosen(name, version), &known, &source, &request, &progress, &total)
        })
        .buffer_unordered(PARALLEL)
        .try_collect::<Vec<WheelPackage>>()
        .await?;
    if lock.as_ref() != Some(&new) {
        source.cache().write(&lock_file, new.text().as_bytes())?;
    }
    source.cache().prune();
    Ok(asked.answer(wheels))
}

/// What is allowed, and what Python itself has.
struct Asked {
    python: Version,
    packages: Vec<PypiSpecifier>,
    included: Included,
    /// Allowed packages that Python itself has in a version that is allowed.
    satisfied: Vec<(String, String)>,
}

impl Asked {
    fn of(request: &WheelsRequest) -> Result<Self, String> {
        let python = Version::from_str(&request.python)
            .map_err(|error| format!("the version of Python is not one: {error}"))?;
        let mut included: Included = request
            .included
            .iter()
            .filter_map(|(name, version)| {
                let name = crate::simple_index::normalized(name);
                Some((name, Version::from_str(version).ok()?))
            })
            .collect();
        let (mut packages, mut satisfied) = (Vec::new(), Vec::new());
        for text in &request.packages {
            let package = PypiSpecifier::parse(text).map_err(|error| error.to_string())?;
            match included.get(package.name()) {
                Some(version) if package.versions().contains(version) => {
                    satisfied.push((text.clone(), version.to_string()));
                }
                // What the administrator asks for takes the place of what is there.
                Some(_) => {
                    included.remove(package.name());
                    packages.push(package);
                }
                None => packages.push(package),
            }
        }
        Ok(Self { python, packages, included, satisfied })
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wanted = |package: &PypiSpecifier| Wanted {
            name: package.name().to_owned(),
            extras: Vec::new(),
            versions: package.versions().clone(),
            by: package.to_string(),
        };
        self.packages.iter().map(wanted).collect()
    }

    /// The allowed packages in the administrator's order, then the rest by name.
    fn answer(self, mut wheels: Vec<WheelPackage>) -> Wheels {
        let place = |wheel: &WheelPackage| {
            let at = self.packages.iter().position(|package| package.name() == wheel.name);
            (at.unwrap_or(usize::MAX), wheel.name.clone())
        };
        wheels.sort_by_key(place);
        for wheel in &mut wheels {
            let package = self.packages.iter().find(|package| package.name() == wheel.name);
            wheel.requested = package.map(ToString::to_string);
        }
        Wheels { packages: wheels, included: self.satisfied }
    }
}

/// Solves with what is known, and asks for what is not, until there is a solution.
async fn resolve(
    asked: &Asked,
    rules: &Rules,
    source: &Source,
    progress: &Progress,
) -> Result<(Known, Solution), String> {
    let mut known = Known::new(markers::environment(&asked.python));
    let wanted = asked.wanted();
    loop {
        match solve(&known, &wanted, &asked.included)? {
            Step::Solved(solution) => return Ok((known, solution)),
            Step::Project(name) if known.projects() >= MAX_PACKAGES => {
                return Err(format!(
                    "{name} would be one more than {MAX_PACKAGES} packages, which is the limit"
                ));
            }
            Step::Project(name) => {
                progress.asked(&name);
                let files = source.project(&name).await?;
                known.add_project(name.clone(), rules.candidates(&name, files));
            }
            Step::Metadata(name, version) => {
                let text = source.metadata(known.chosen(&name, &version)).await?;
                let metadata = metadata::parse(&text).map_err(|text| format!("{name}: {text}"))?;
                if rules.is_for_this_python(metadata.requires_python.as_deref()) {
                    known.add_metadata(name, version, metadata);
                } else {
                    known.leave_out(&name, &version);
                }
            }
        }
    }
}

/// Says of which packages the age is not known.
fn note_undated(known: &Known, solution: &Solution, rules: &Rules, progress: &Progress) {
    let chosen = solution.iter().map(|(name, (version, _))| known.chosen(name, version));
    let undated = chosen.filter(|it| !it.is_locked && it.file.uploaded.is_none()).count();
    if undated > 0 && !rules.min_age.is_zero() {
        progress.note(&format!(
            "Note: the package index does not say when files were uploaded, so \
             MCP_CONDUCTOR_PACKAGES_MIN_AGE says nothing about {undated} packages"
        ));
    }
}

/// Brings a wheel into the generation, and counts its bytes.
async fn one(
    candidate: &Candidate,
    known: &Known,
    source: &Source,
    request: &WheelsRequest,
    progress: &Progress,
    total: &AtomicU64,
) -> Result<WheelPackage, String> {
    let (name, version) = (&candidate.name, candidate.version.to_string());
    let (wheel, cached) = source.wheel(candidate).await?;
    let file = format!("{name}-{version}.zip");
    let place = request.generation.join(&file);
    let expected = known.metadata(name, &candidate.version).cloned().unwrap_or_default();
    let repacked = tokio::task::spawn_blocking(move || {
        // An index may say other things of a wheel than the wheel does (PEP 658).
        let metadata = metadata::parse(&repack::metadata(&wheel)?)?;
        if metadata.needs != expected.needs {
            return Err("it needs other packages than its index says".to_owned());
        }
        repack::repack(&wheel, &place)
    });
    let repacked = repacked.await.map_err(|error| error.to_string())?;
    let repacked = repacked.map_err(|text| format!("{name} {version}: {text}"))?;
    repack::check_total(total.fetch_add(repacked.bytes, Ordering::Relaxed) + repacked.bytes)?;
    progress.unpacked(&format!("{name} {version}"), cached);
    let included: BTreeMap<_, _> = request
        .included
        .iter()
        .map(|(name, version)| (crate::simple_index::normalized(name), version))
        .collect();
    let said = known.metadata(name, &candidate.version);
    Ok(WheelPackage {
        requested: None,
        name: name.clone(),
        summary: said.and_then(|it| it.summary.clone()).filter(|text| !text.is_empty()),
        license: said.and_then(|it| it.license.clone()),
        version,
        file,
        sha256: candidate.sha256.clone(),
        bytes: repacked.bytes,
        modules: repacked.modules,
        overrides: included.contains_key(name),
    })
}
