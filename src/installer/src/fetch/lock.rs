//! `store/deno.lock`: which versions were chosen, and their hashes.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::path::Path;

use deno_lockfile::{
    Lockfile, Lockfile5NpmInfo, NewLockfileOptions, NpmPackageDependencyLockfileInfo,
    NpmPackageInfoProvider, NpmPackageLockfileInfo,
};
use deno_npm::resolution::{
    NpmRegistryDefaultTarballUrlProvider, NpmResolutionSnapshot, SnapshotFromLockfileParams,
    snapshot_from_lockfile,
};
use deno_npm::{NpmPackageId, NpmResolutionPackage};
use deno_semver::StackString;
use deno_semver::jsr::JsrDepPackageReq;
use deno_semver::package::PackageNv;

use super::integrity::Integrity;
use super::limits::MAX_TEXT;

/// How many changes an error of `--frozen` names.
const MAX_CHANGES: usize = 5;

/// Reads the lock file, if there is one.
pub(super) async fn read(file: &Path) -> Result<Option<Lockfile>, String> {
    let mut content = String::new();
    match std::fs::File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened
            .and_then(|opened| opened.take(MAX_TEXT).read_to_string(&mut content))
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?,
    };
    let options =
        NewLockfileOptions { file_path: file.to_owned(), content: &content, overwrite: false };
    let lock = Lockfile::new(options, &NoOlderFormat).await.map_err(|error| {
        let reason = &error.source;
        format!("{} is not a lock file of this program: {reason}", file.display())
    })?;
    Ok(Some(lock))
}

/// The graph that a lock file has.
pub(super) fn snapshot(lock: &Lockfile) -> Result<NpmResolutionSnapshot, String> {
    let parameters = SnapshotFromLockfileParams {
        link_packages: &HashMap::new(),
        lockfile: lock,
        default_tarball_url: &NpmRegistryDefaultTarballUrlProvider,
        dedup_equivalent_peer_variants: false,
    };
    snapshot_from_lockfile(parameters)
        .map(NpmResolutionSnapshot::new)
        .map_err(|error| format!("{}: {error}", lock.filename.display()))
}

/// The lock file of a graph.
pub(super) fn of(
    file: &Path,
    snapshot: &NpmResolutionSnapshot,
    hashes: &HashMap<PackageNv, Integrity>,
) -> Lockfile {
    let mut lock = Lockfile::new_empty(file.to_owned(), true);
    for (req, nv) in snapshot.package_reqs() {
        if let Ok(id) = snapshot.resolve_package_id_from_deno_module(nv) {
            let serialized = id.as_serialized();
            let version = serialized[id.nv.name.len() + 1..].into();
            lock.insert_package_specifier(JsrDepPackageReq::npm(req.clone()), version);
        }
    }
    for package in snapshot.all_packages_for_every_system() {
        lock.insert_npm_package(entry(package, hashes.get(&package.id.nv)));
    }
    lock
}

fn entry(package: &NpmResolutionPackage, hash: Option<&Integrity>) -> NpmPackageLockfileInfo {
    let (optional, required): (Vec<_>, Vec<_>) = package
        .dependencies
        .iter()
        .partition(|(name, _)| package.optional_dependencies.contains(*name));
    let peers = package.dependencies.iter();
    let peers = peers.filter(|(name, _)| package.optional_peer_dependencies.contains(*name));
    NpmPackageLockfileInfo {
        serialized_id: package.id.as_serialized(),
        integrity: hash.map(Integrity::to_string),
        dependencies: required.into_iter().map(dependency).collect(),
        optional_dependencies: optional.into_iter().map(dependency).collect(),
        optional_peers: peers.map(dependency).collect(),
        os: package.system.os.clone(),
        cpu: package.system.cpu.clone(),
        tarball: None,
        deprecated: package.is_deprecated,
        scripts: package.has_scripts,
        bin: package.has_bin,
    }
}

fn dependency((name, id): (&StackString, &NpmPackageId)) -> NpmPackageDependencyLockfileInfo {
    NpmPackageDependencyLockfileInfo { name: name.clone(), id: id.as_serialized() }
}

/// What a new lock file has and the old one has not, and the other way round; nothing if
/// they lock the same.
pub(super) fn changes(old: Option<&Lockfile>, new: &Lockfile) -> Option<String> {
    let empty = Lockfile::new_empty(new.filename.clone(), false);
    let (old, new) = (&old.unwrap_or(&empty).content.packages, &new.content.packages);
    if old.npm == new.npm && old.specifiers == new.specifiers {
        return None;
    }
    let added = new.npm.keys().filter(|id| !old.npm.contains_key(*id));
    let removed = old.npm.keys().filter(|id| !new.npm.contains_key(*id));
    let requests = new.specifiers.keys().filter(|request| !old.specifiers.contains_key(request));
    let mut changes: Vec<String> = added
        .map(|id| format!("adds {id}"))
        .chain(removed.map(|id| format!("removes {id}")))
        .chain(requests.map(|request| format!("adds the request {request}")))
        .collect();
    if changes.is_empty() {
        changes.push("changes the dependencies of packages".to_owned());
    }
    let more = changes.len().saturating_sub(MAX_CHANGES);
    changes.truncate(MAX_CHANGES);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    Some(changes.join(", ") + &rest)
}

/// Lock files of older formats need registries to be read. There are none here.
struct NoOlderFormat;

#[async_trait::async_trait(?Send)]
impl NpmPackageInfoProvider for NoOlderFormat {
    async fn get_npm_package_info(
        &self,
        _values: &[PackageNv],
    ) -> Result<Vec<Lockfile5NpmInfo>, Box<dyn std::error::Error + Send + Sync>> {
        Err("its format is older than version 5".into())
    }
}
