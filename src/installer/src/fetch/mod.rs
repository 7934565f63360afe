//! Resolves, downloads, verifies and unpacks packages. Writes to `store/cache`,
//! `store/deno.lock` and the new generation, and runs nothing of a package.
//!
//! Resolution, semver, `.npmrc` and lock file are Deno's crates. Of deno_npm_cache only
//! URLs and credentials are used: its caches take sha1 hashes and none, bound no sizes,
//! and unpack an archive before anything could refuse it.

mod cache;
mod http;
#[cfg(test)]
mod http_tests;
mod install;
mod integrity;
mod layout;
mod limits;
mod lock;
mod names;
mod package_json;
mod packuments;
mod progress;
mod registries;
mod requests;
mod resolve;
mod sys;
mod totals;
mod unpack;
pub mod wheels;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use deno_lockfile::Lockfile;
use deno_npm::NpmPackageId;

use crate::exchange::{FetchRequest, Fetched, FetchedPackage};
use cache::Cache;
use http::{Http, Patience};
use install::Places;
use limits::{ALL, MAX_MEMORY};
use packuments::Packuments;
use progress::Progress;
use registries::Registries;
use requests::Requested;
use resolve::{Resolved, Rules, resolve};

/// Fetches the graph of the allowed packages into a generation.
pub fn run(request: FetchRequest) -> Result<Fetched, String> {
    sys::limit_memory(MAX_MEMORY)
        .map_err(|error| format!("The memory of the installer cannot be limited: {error}"))?;
    end_in_time();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("The installer cannot start: {error}"))?
        .block_on(fetch(request))
}

/// Resolution is computation: only the end of the process bounds it for certain.
fn end_in_time() {
    std::thread::spawn(|| {
        std::thread::sleep(ALL);
        eprintln!("The packages could not be fetched within {} minutes", ALL.as_secs() / 60);
        std::process::exit(1);
    });
}

async fn fetch(request: FetchRequest) -> Result<Fetched, String> {
    let requested = requests::parse_all(&request.packages)?;
    check_empty(&request)?;
    let progress = Progress::start();
    let places = places(&request)?;
    let lock_file = request.store.join("deno.lock");
    let lock = lock::read(&lock_file).await?;
    let rules = Rules {
        requested: &requested,
        lock: lock.as_ref(),
        min_age: Duration::from_secs(request.min_age_seconds),
    };
    let documents = Http::for_documents(Patience::default()).map_err(|error| error.to_string())?;
    let Places { registries, cache, .. } = &places;
    let packuments = Packuments::new(&documents, registries, cache, &progress, request.offline);
    let resolved = resolve(&rules, &packuments).await?;
    let new = lock::of(&lock_file, &resolved.snapshot, &resolved.hashes());
    let changes = lock::changes(lock.as_ref(), &new);
    if let (true, Some(changes)) = (request.frozen, &changes) {
        return Err(format!("deno.lock would change, and --frozen forbids it: it {changes}"));
    }
    let fetched = install::install(&resolved, &places, &progress).await?;
    let packages = answer(&requested, &resolved, fetched, &places)?;
    if changes.is_some() || lock.is_none() {
        write_lock(&new, &places)?;
    }
    places.cache.prune();
    Ok(Fetched { packages })
}

fn check_empty(request: &FetchRequest) -> Result<(), String> {
    let shown = request.generation.display();
    let mut entries = std::fs::read_dir(&request.generation)
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(format!("{shown} is not empty")),
    }
}

fn places(request: &FetchRequest) -> Result<Places, String> {
    Ok(Places {
        http: Http::for_archives(Patience::default()).map_err(|error| error.to_string())?,
        registries: Registries::read(request.npmrc.as_deref())?,
        cache: Arc::new(Cache::open(&request.store)?),
        generation: request.generation.clone(),
        current: request.store.join("current"),
        offline: request.offline,
    })
}

/// The allowed packages in the administrator's order, then the rest by name.
fn answer(
    requested: &[Requested],
    resolved: &Resolved,
    mut fetched: HashMap<NpmPackageId, FetchedPackage>,
    places: &Places,
) -> Result<Vec<FetchedPackage>, String> {
    let mut packages = Vec::with_capacity(fetched.len());
    for one in requested {
        let package = resolved.snapshot.resolve_pkg_from_pkg_req(&one.req);
        let id = &package.map_err(|error| error.to_string())?.id;
        let found = fetched.remove(id);
        let mut package = found.ok_or_else(|| format!("{} is not for this system", one.text))?;
        layout::link_allowed(&places.generation, id, &package.directory)
            .map_err(|error| format!("{}: {error}", one.text))?;
        package.requested = Some(one.text.clone());
        packages.push(package);
    }
    let mut rest: Vec<FetchedPackage> = fetched.into_values().collect();
    rest.sort_by(|a, b| a.directory.cmp(&b.directory));
    packages.extend(rest);
    Ok(packages)
}

fn write_lock(lock: &Lockfile, places: &Places) -> Result<(), String> {
    places.cache.write(&lock.filename, lock.as_json_string().as_bytes())
}
