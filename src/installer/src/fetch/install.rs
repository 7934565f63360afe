//! Brings the packages of a graph into a generation.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deno_npm::{NpmPackageId, NpmResolutionPackage, NpmSystemInfo};
use futures::{StreamExt as _, TryStreamExt as _};

use super::cache::Cache;
use super::http::{Answer, Http};
use super::integrity::Integrity;
use super::layout;
use super::limits::{MAX_PACKED, PARALLEL};
use super::package_json;
use super::packuments::blocking;
use super::progress::Progress;
use super::registries::Registries;
use super::resolve::Resolved;
use super::totals::Totals;
use super::unpack::{Unpacked, unpack};
use crate::exchange::FetchedPackage;

/// Where things come from and go to.
pub(super) struct Places {
    pub http: Http,
    pub registries: Registries,
    pub cache: Arc<Cache>,
    pub generation: PathBuf,
    /// The generation that is current, if there is one.
    pub current: PathBuf,
    pub offline: bool,
}

/// Fetches, verifies and unpacks all packages of a graph, and links them.
pub(super) async fn install(
    resolved: &Resolved,
    places: &Places,
    progress: &Progress,
) -> Result<HashMap<NpmPackageId, FetchedPackage>, String> {
    let packages = resolved.snapshot.all_system_packages(&NpmSystemInfo::default());
    progress.resolved(packages.len());
    let totals = Arc::new(Totals::default());
    let fetched = futures::stream::iter(&packages)
        .map(|package| one(package, resolved, places, &totals, progress))
        .buffer_unordered(PARALLEL)
        .try_collect::<HashMap<NpmPackageId, FetchedPackage>>()
        .await?;
    let installed: HashMap<NpmPackageId, PathBuf> =
        fetched.iter().map(|(id, package)| (id.clone(), package.directory.clone())).collect();
    for package in &packages {
        layout::link_dependencies(&places.generation, package, &installed)
            .map_err(|error| format!("{}: {error}", package.id.nv))?;
    }
    Ok(fetched)
}

async fn one(
    package: &NpmResolutionPackage,
    resolved: &Resolved,
    places: &Places,
    totals: &Arc<Totals>,
    progress: &Progress,
) -> Result<(NpmPackageId, FetchedPackage), String> {
    let named = |error: String| format!("{}: {error}", package.id.nv);
    let (dist, hash) = resolved.dists.get(&package.id.nv).ok_or("A package has no archive")?;
    let archive = archive(package, &dist.tarball, hash, places).await.map_err(named)?;
    let place = layout::place(&package.id);
    let work = Work {
        id: package.id.clone(),
        hash: *hash,
        directory: places.generation.join(&place),
        generation: places.generation.clone(),
        current: places.current.clone(),
        totals: Arc::clone(totals),
    };
    let (packed_bytes, cached) = (archive.bytes.len() as u64, archive.cached);
    let (unpacked, json) = blocking(move || work.run(&archive.bytes)).await?.map_err(named)?;
    progress.unpacked(&package.id.nv.to_string(), cached);
    let fetched = FetchedPackage {
        requested: None,
        name: super::names::in_programs(&package.id.nv.name),
        version: package.id.nv.version.to_string(),
        directory: place,
        license: json.license,
        packed_bytes,
        unpacked_bytes: unpacked.bytes,
        files: unpacked.files,
        cached,
        has_scripts: json.has_scripts,
    };
    Ok((package.id.clone(), fetched))
}

/// A verified archive.
struct Verified {
    bytes: Vec<u8>,
    cached: bool,
}

/// The archive of the cache if its bytes have the hash, else the registry's.
async fn archive(
    package: &NpmResolutionPackage,
    url: &str,
    hash: &Integrity,
    places: &Places,
) -> Result<Verified, String> {
    let (file, expected) = (places.cache.tarball(hash), *hash);
    let cached = {
        let file = file.clone();
        blocking(move || {
            let bytes = Cache::read(&file, MAX_PACKED)?;
            Cache::used(&file);
            (Integrity::compute(&bytes) == expected).then_some(bytes)
        })
        .await?
    };
    if let Some(bytes) = cached {
        return Ok(Verified { bytes, cached: true });
    }
    if places.offline {
        return Err("it is not in the cache, and --offline allows no request for it".to_owned());
    }
    let get = places.registries.tarball(url, &package.id.nv.name)?;
    let bytes = match places.http.get(&get).await.map_err(|error| error.to_string())? {
        Answer::Body { bytes, .. } => bytes,
        Answer::NotFound | Answer::NotModified => {
            return Err(format!("its archive {} is not there", super::http::shown(&get.url)));
        }
    };
    let cache = Arc::clone(&places.cache);
    blocking(move || {
        let found = Integrity::compute(&bytes);
        if found != expected {
            return Err(format!(
                "its archive has the hash {found}, and its registry says {expected}: it was \
                 changed on its way or in the registry"
            ));
        }
        cache.write(&file, &bytes)?;
        Ok(Verified { bytes, cached: false })
    })
    .await?
}

/// What is done on a thread of its own.
struct Work {
    id: NpmPackageId,
    hash: Integrity,
    directory: PathBuf,
    generation: PathBuf,
    current: PathBuf,
    totals: Arc<Totals>,
}

impl Work {
    fn run(&self, archive: &[u8]) -> Result<(Unpacked, package_json::PackageJson), String> {
        let unpacked = self.files(archive).map_err(|error| error.to_string())?;
        let json = package_json::read(&self.directory, &self.id.nv)?;
        layout::write_hash(&self.generation, &self.id, &self.hash)
            .map_err(|error| error.to_string())?;
        Ok((unpacked, json))
    }

    fn files(&self, archive: &[u8]) -> Result<Unpacked, super::unpack::UnpackError> {
        let (current, generation): (&Path, &Path) = (&self.current, &self.generation);
        match layout::take_over(current, generation, &self.id, &self.hash, &self.totals)? {
            Some(unpacked) => Ok(unpacked),
            None => unpack(archive, &self.directory, &self.totals),
        }
    }
}
