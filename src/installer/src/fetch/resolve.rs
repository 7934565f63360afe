//! Which versions are installed: those of the lock file, and for what is new the newest
//! that is old enough and trusted.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use deno_lockfile::Lockfile;
use deno_npm::registry::{
    NpmPackageInfo, NpmPackageVersionDistInfo, NpmRegistryPackageInfoLoadError,
};
use deno_npm::resolution::{
    AddPkgReqsOptions, NewestDependencyDateOptions, NpmPackageVersionResolutionError,
    NpmResolutionError, NpmResolutionSnapshot, NpmVersionResolver, UnmetPeerDepDiagnostic,
};
use deno_semver::package::{PackageNv, PackageReq};
use deno_semver::{Version, VersionReq};

use super::integrity::Integrity;
use super::lock;
use super::packuments::{Packuments, unmarked};
use super::requests::Requested;

/// Packages beside the first that an error names: a list with more mistakes is another list.
const MAX_OTHERS: usize = 9;

/// What versions may be taken.
pub(super) struct Rules<'a> {
    pub requested: &'a [Requested],
    pub lock: Option<&'a Lockfile>,
    pub min_age: Duration,
}

/// The graph of the allowed packages.
pub(super) struct Resolved {
    pub snapshot: NpmResolutionSnapshot,
    /// Of every package of the graph.
    pub dists: HashMap<PackageNv, (NpmPackageVersionDistInfo, Integrity)>,
}

impl Resolved {
    pub(super) fn hashes(&self) -> HashMap<PackageNv, Integrity> {
        self.dists.iter().map(|(nv, (_, hash))| (nv.clone(), *hash)).collect()
    }
}

/// Resolves the allowed packages.
pub(super) async fn resolve(
    rules: &Rules<'_>,
    packuments: &Packuments<'_>,
) -> Result<Resolved, String> {
    let reqs: Vec<PackageReq> = rules.requested.iter().map(|one| one.req.clone()).collect();
    let start = match rules.lock {
        Some(lock) => lock::snapshot(lock)?.subset(&reqs),
        None => NpmResolutionSnapshot::default(),
    };
    let new: Vec<&PackageReq> =
        reqs.iter().filter(|req| !start.package_reqs().contains_key(*req)).collect();
    let resolver = resolver(rules, packuments);
    let options =
        AddPkgReqsOptions { package_reqs: &reqs, version_resolver: &resolver, should_dedup: true };
    let result = start.add_pkg_reqs(packuments, options, None).await;
    for unmet in &result.unmet_peer_diagnostics {
        packuments.progress.note(&unmet_peer(unmet));
    }
    let snapshot = match result.dep_graph_result {
        Ok(snapshot) => snapshot,
        Err(error) => {
            let first = explained(&error, rules, packuments).await;
            let is_unmatched = matches!(error, NpmResolutionError::Resolution(_));
            if !is_unmatched && packuments.absent.borrow().is_empty() {
                return Err(first);
            }
            return Err(with_others(first, &new, rules, packuments).await);
        }
    };
    let dists = dists(&snapshot, rules.lock, packuments).await?;
    notes(&dists, rules, packuments);
    Ok(Resolved { snapshot, dists })
}

fn resolver(rules: &Rules<'_>, packuments: &Packuments<'_>) -> NpmVersionResolver {
    let now = DateTime::<Utc>::from(SystemTime::now());
    NpmVersionResolver {
        newest_dependency_date_options: NewestDependencyDateOptions {
            date: newest(rules.min_age).map(deno_npm::resolution::NewestDependencyDate),
            ..Default::default()
        },
        trust_policy: packuments.registries.trust_policy(now),
        ..Default::default()
    }
}

/// When a version must have been published, if it matters.
fn newest(min_age: Duration) -> Option<DateTime<Utc>> {
    let newest = SystemTime::now().checked_sub(min_age).map(DateTime::<Utc>::from);
    newest.filter(|_| !min_age.is_zero())
}

/// Where the archives are and what hash they have, as the registry says now. The lock file
/// must say the same.
async fn dists(
    snapshot: &NpmResolutionSnapshot,
    lock: Option<&Lockfile>,
    packuments: &Packuments<'_>,
) -> Result<HashMap<PackageNv, (NpmPackageVersionDistInfo, Integrity)>, String> {
    let locked = lock.map(lock::snapshot).transpose()?.unwrap_or_default();
    let locked: HashMap<PackageNv, Option<NpmPackageVersionDistInfo>> = locked
        .all_packages_for_every_system()
        .map(|package| (package.id.nv.clone(), package.dist.clone()))
        .collect();
    let names = snapshot.all_packages_for_every_system().map(|package| &package.id.nv.name);
    futures::future::try_join_all(names.map(|name| packuments.get(name))).await?;
    let mut dists = HashMap::new();
    for package in snapshot.all_packages_for_every_system() {
        let nv = &package.id.nv;
        let info = packuments.get(&nv.name).await?;
        let dist = info.versions.get(&nv.version).and_then(|version| version.dist.clone());
        let dist = dist.ok_or_else(|| gone(nv))?;
        let hash = Integrity::of(&dist).map_err(|reason| weak(nv, reason))?;
        if let Some(Some(before)) = locked.get(nv)
            && Integrity::of(before) != Ok(hash)
        {
            return Err(changed(nv));
        }
        dists.insert(nv.clone(), (dist, hash));
    }
    Ok(dists)
}

fn gone(nv: &PackageNv) -> String {
    format!(
        "{nv} is not in its registry any more. Remove it from deno.lock to choose another version"
    )
}

fn weak(nv: &PackageNv, reason: &str) -> String {
    format!("{nv} cannot be verified: {reason}, and sha512 is required")
}

fn changed(nv: &PackageNv) -> String {
    format!(
        "{nv} was changed under the same version: its registry has another hash than deno.lock. \
         Find out why before you remove it from deno.lock"
    )
}

fn unmet_peer(unmet: &UnmetPeerDepDiagnostic) -> String {
    let parent = unmet.ancestors.first().map(ToString::to_string).unwrap_or_default();
    format!(
        "Warning: {parent} asks for {} beside it, and {} is installed",
        unmet.dependency, unmet.resolved
    )
}

/// What is left out, and what could not be checked.
fn notes(
    dists: &HashMap<PackageNv, (NpmPackageVersionDistInfo, Integrity)>,
    rules: &Rules<'_>,
    packuments: &Packuments<'_>,
) {
    for (nv, left_out) in packuments.left_out.borrow().iter() {
        if dists.contains_key(nv) {
            let left_out = left_out.join(", ");
            packuments.progress.note(&format!(
                "Note: {nv} is installed without optional dependencies that no registry has: \
                 {left_out}"
            ));
        }
    }
    let undated = packuments.undated.borrow();
    if !undated.is_empty() && !rules.min_age.is_zero() {
        let names = undated.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        packuments.progress.note(&format!(
            "Note: the registry of {names} gives no dates of publication, so \
             MCP_CONDUCTOR_PACKAGES_MIN_AGE says nothing about {} packages",
            undated.len()
        ));
    }
}

/// An error, and what else is wrong with the allow-list, so that all of it is put right at once.
async fn with_others(
    first: String,
    reqs: &[&PackageReq],
    rules: &Rules<'_>,
    packuments: &Packuments<'_>,
) -> String {
    let asked = reqs.iter().map(|req| wrong_with(req, rules, packuments));
    let found = futures::future::join_all(asked).await;
    let others: Vec<String> = found.into_iter().flatten().filter(|other| *other != first).collect();
    let rest = others.len().saturating_sub(MAX_OTHERS);
    let more = if rest == 0 { String::new() } else { format!("; and {rest} more") };
    let shown = others.into_iter().take(MAX_OTHERS);
    let shown = std::iter::once(first).chain(shown).collect::<Vec<_>>().join("; ");
    format!("{shown}{more}")
}

/// That an allowed package does not exist, or has no version that may be taken.
async fn wrong_with(
    req: &PackageReq,
    rules: &Rules<'_>,
    packuments: &Packuments<'_>,
) -> Option<String> {
    let info = match packuments.get(&req.name).await {
        Ok(info) => info,
        // An error of the network is none of the list.
        Err(error) => {
            return packuments.absent.borrow().contains(&*req.name).then_some(error);
        }
    };
    let newest = newest(rules.min_age);
    let is_met = match req.version_req.tag() {
        Some(tag) => info.dist_tags.contains_key(tag),
        None => info.versions.keys().any(|version| {
            req.version_req.matches(version) && is_old_enough(&info, version, newest)
        }),
    };
    (!is_met).then(|| not_matched(&info, &req.version_req, rules.min_age))
}

/// An error of the resolution, in this project's words.
async fn explained(
    error: &NpmResolutionError,
    rules: &Rules<'_>,
    packuments: &Packuments<'_>,
) -> String {
    match error {
        NpmResolutionError::Registry(NpmRegistryPackageInfoLoadError::PackageNotExists {
            package_name,
        }) => format!("{package_name} is not in its registry"),
        NpmResolutionError::Registry(NpmRegistryPackageInfoLoadError::LoadError(error)) => {
            error.to_string()
        }
        NpmResolutionError::DependencyEntry(error) => {
            let (parent, key, value) = (&error.parent_nv, &error.key, unmarked(&error.value));
            format!(
                "{parent} depends on {key:?} from {value:?}, which is not a version of a \
                 registry: git, files and URLs are not installed"
            )
        }
        NpmResolutionError::Resolution(error) => unresolved(error, rules, packuments).await,
    }
}

async fn unresolved(
    error: &NpmPackageVersionResolutionError,
    rules: &Rules<'_>,
    packuments: &Packuments<'_>,
) -> String {
    use NpmPackageVersionResolutionError as Error;
    match error {
        Error::VersionReqNotMatched { package_name, version_req, .. } => {
            match packuments.get(package_name).await {
                Ok(info) => not_matched(&info, version_req, rules.min_age),
                Err(error) => error,
            }
        }
        Error::DistTagVersionTooNew { package_name, dist_tag, .. } => {
            match (packuments.get(package_name).await, VersionReq::parse_from_npm(dist_tag)) {
                (Ok(info), Ok(req)) => not_matched(&info, &req, rules.min_age),
                (Err(error), _) => error,
                (Ok(_), Err(_)) => error.to_string(),
            }
        }
        Error::TrustPolicyDowngrade { package_name, version, past_evidence, current_evidence } => {
            format!(
                "{package_name}@{version} was published with less evidence of where it comes \
                 from than earlier versions ({past_evidence}, now {current_evidence}), which may \
                 be a takeover. Allow an earlier version, or after a review put \
                 trust-policy-exclude[]={package_name} into .npmrc"
            )
        }
        Error::VersionNotFound(missing) => gone(&missing.0),
        Error::DistTagNotFound { .. } | Error::DistTagVersionNotFound { .. } => error.to_string(),
    }
}

/// Why no version satisfies a range: there is none, or it is too young.
fn not_matched(info: &NpmPackageInfo, req: &VersionReq, min_age: Duration) -> String {
    let asked = format!("{}@{req}", info.name);
    let matches = |version: &&Version| match req.tag() {
        Some(tag) => info.dist_tags.get(tag) == Some(*version),
        None => req.matches(version),
    };
    let old_enough = newest_of(info, newest(min_age)).map(ToString::to_string);
    let too_young = info.versions.keys().filter(matches).max();
    match (too_young, old_enough) {
        (None, None) => format!("{asked}: its registry has no version"),
        (None, Some(newest)) => format!("{asked}: no version matches, the newest is {newest}"),
        (Some(version), old_enough) => {
            let date = info.time.get(version).map(|date| date.format("%F").to_string());
            let advice = match old_enough {
                Some(newest) => format!("the newest that is old enough is {newest}"),
                None => "none is old enough".to_owned(),
            };
            format!(
                "{asked}: version {version} of {} is younger than {} \
                 (MCP_CONDUCTOR_PACKAGES_MIN_AGE), and {advice}",
                date.unwrap_or_default(),
                days(min_age)
            )
        }
    }
}

/// The newest version that was published before a date, and is no preview.
fn newest_of(info: &NpmPackageInfo, date: Option<DateTime<Utc>>) -> Option<&Version> {
    let old_enough = info.versions.keys().filter(|version| is_old_enough(info, version, date));
    old_enough.filter(|version| version.pre.is_empty()).max()
}

fn is_old_enough(info: &NpmPackageInfo, version: &Version, date: Option<DateTime<Utc>>) -> bool {
    match (date, info.time.get(version)) {
        (Some(date), Some(published)) => *published < date,
        (None, _) | (_, None) => true,
    }
}

fn days(age: Duration) -> String {
    let hours = age.as_secs() / 3600;
    match (hours / 24, hours % 24) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) if days > 0 => format!("{days} days"),
        _ if hours > 0 => format!("{hours} hours"),
        _ => format!("{} seconds", age.as_secs()),
    }
}
