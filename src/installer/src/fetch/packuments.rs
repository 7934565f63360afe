//! What registries say of packages: asked once each, kept in the cache, and with every
//! dependency that is not one of a registry marked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use deno_error::JsErrorBox;
use deno_npm::registry::{
    NpmPackageInfo, NpmPackageVersionInfo, NpmRegistryApi, NpmRegistryPackageInfoLoadError,
};
use deno_semver::package::PackageNv;
use serde::{Deserialize, Serialize};
use tokio::sync::{OnceCell, Semaphore};

use super::cache::Cache;
use super::http::{Answer, Http};
use super::limits::{MAX_PACKAGES, MAX_PACKUMENT, PARALLEL};
use super::names::{is_package_name, is_registry_dependency};
use super::progress::Progress;
use super::registries::Registries;
use super::totals::{Exceeded, Texts};

/// Before the value of a dependency that is not one of a registry. deno_npm refuses values
/// that begin so once a version that has one is chosen; others it would leave out unsaid.
const REFUSED: &str = "git+refused:";

/// What is in the cache.
#[derive(Serialize, Deserialize)]
struct Cached {
    etag: Option<String>,
    info: NpmPackageInfo,
}

/// What registries say.
pub(super) struct Packuments<'a> {
    pub http: &'a Http,
    pub registries: &'a Registries,
    pub cache: &'a Cache,
    pub progress: &'a Progress,
    pub offline: bool,
    pub slots: Semaphore,
    pub texts: Arc<Texts>,
    pub loaded: RefCell<HashMap<String, Rc<OnceCell<Arc<NpmPackageInfo>>>>>,
    /// Optional dependencies that are of no registry, by version.
    pub left_out: RefCell<BTreeMap<PackageNv, Vec<String>>>,
    /// Packages that their registry does not have.
    pub absent: RefCell<BTreeSet<String>>,
    /// Packages whose registry gives no dates.
    pub undated: RefCell<BTreeSet<String>>,
}

impl<'a> Packuments<'a> {
    pub(super) fn new(
        http: &'a Http,
        registries: &'a Registries,
        cache: &'a Cache,
        progress: &'a Progress,
        offline: bool,
    ) -> Self {
        Self {
            http,
            registries,
            cache,
            progress,
            offline,
            slots: Semaphore::new(PARALLEL),
            texts: Arc::default(),
            loaded: RefCell::default(),
            left_out: RefCell::default(),
            absent: RefCell::default(),
            undated: RefCell::default(),
        }
    }

    /// What its registry says of a package.
    pub(super) async fn get(&self, name: &str) -> Result<Arc<NpmPackageInfo>, String> {
        let cell = self.cell(name)?;
        cell.get_or_try_init(|| self.load(name)).await.cloned()
    }

    fn cell(&self, name: &str) -> Result<Rc<OnceCell<Arc<NpmPackageInfo>>>, String> {
        let mut loaded = self.loaded.borrow_mut();
        if !loaded.contains_key(name) && loaded.len() >= MAX_PACKAGES {
            return Err(format!(
                "The packages have more than {MAX_PACKAGES} dependencies, which is the limit: \
                 {name:?} is one too many"
            ));
        }
        Ok(Rc::clone(loaded.entry(name.to_owned()).or_default()))
    }

    async fn load(&self, name: &str) -> Result<Arc<NpmPackageInfo>, String> {
        if !is_package_name(name) {
            return Err(format!("{name:?} is not the name of a package"));
        }
        let _slot = self.slots.acquire().await.map_err(|_| "The installer ends".to_owned())?;
        self.progress.asked(name);
        let mut info = self.cached_or_asked(name).await?;
        if info.name != name {
            return Err(format!("{name}: its registry answers with the package {:?}", info.name));
        }
        if info.time.is_empty() {
            self.undated.borrow_mut().insert(name.to_owned());
        }
        for version in info.versions.values_mut() {
            self.mark(name, version);
        }
        Ok(Arc::new(info))
    }

    async fn cached_or_asked(&self, name: &str) -> Result<NpmPackageInfo, String> {
        let file = self.cache.packument(&self.registries.packument_url(name));
        let cached = {
            let (file, texts) = (file.clone(), Arc::clone(&self.texts));
            let read = blocking(move || read(&file, &texts)).await?;
            read.map_err(|error| format!("{name}: {error}"))?
        };
        if self.offline {
            return cached.map(|(cached, _)| cached.info).ok_or_else(|| {
                format!("{name} is not in the cache, and --offline allows no request for it")
            });
        }
        let etag = cached.as_ref().and_then(|(cached, _)| cached.etag.clone());
        let get = self.registries.packument(name, etag)?;
        let answer = self.http.get(&get).await.map_err(|error| format!("{name}: {error}"))?;
        match (answer, cached) {
            (Answer::NotModified, Some((cached, _))) => Ok(cached.info),
            (Answer::NotFound | Answer::NotModified, _) => {
                self.absent.borrow_mut().insert(name.to_owned());
                Err(format!("{name} is not in its registry {}", super::http::shown(&get.url)))
            }
            (Answer::Body { bytes, etag, .. }, cached) => {
                if let Some((_, length)) = cached {
                    self.texts.remove(length);
                }
                let length = bytes.len() as u64;
                self.texts.add(length).map_err(|error| format!("{name}: {error}"))?;
                let (info, text) = {
                    let name = name.to_owned();
                    blocking(move || parse(&name, &bytes, etag)).await??
                };
                self.cache.write(&file, &text)?;
                Ok(info)
            }
        }
    }

    /// Dependencies that are not of a registry make a version unusable; optional ones are
    /// left out.
    fn mark(&self, name: &str, version: &mut NpmPackageVersionInfo) {
        let mut left_out = Vec::new();
        let optional = std::mem::take(&mut version.optional_dependencies);
        for (key, value) in optional {
            if is_registry_dependency(&key, &value) {
                version.optional_dependencies.insert(key, value);
            } else {
                version.dependencies.remove(&key);
                left_out.push(format!("{key}: {value}"));
            }
        }
        let is_optional_peer = {
            let meta = version.peer_dependencies_meta.clone();
            move |key: &str| meta.get(key).is_some_and(|meta| meta.optional)
        };
        version
            .peer_dependencies
            .retain(|key, value| is_registry_dependency(key, value) || !is_optional_peer(key));
        let bundled = version.bundle_dependencies().to_vec();
        // deno_npm takes bundled ones out of the dependencies only. They are in the archive.
        version.peer_dependencies.retain(|key, _| !bundled.contains(key));
        for (key, value) in
            version.dependencies.iter_mut().chain(version.peer_dependencies.iter_mut())
        {
            let is_fine = is_registry_dependency(key, value)
                || (bundled.contains(key) && is_package_name(key));
            if !is_fine {
                *value = format!("{REFUSED}{value}").as_str().into();
            }
        }
        if !left_out.is_empty() {
            left_out.sort();
            let nv = PackageNv { name: name.into(), version: version.version.clone() };
            self.left_out.borrow_mut().insert(nv, left_out);
        }
    }
}

/// A dependency as its package has it.
pub(super) fn unmarked(value: &str) -> &str {
    value.strip_prefix(REFUSED).unwrap_or(value)
}

/// What is in the cache, and how long its text is, which is counted.
fn read(file: &std::path::Path, texts: &Texts) -> Result<Option<(Cached, u64)>, Exceeded> {
    let Some(bytes) = Cache::read(file, MAX_PACKUMENT) else { return Ok(None) };
    let length = bytes.len() as u64;
    texts.add(length)?;
    let Ok(cached) = serde_json::from_slice(&bytes) else {
        texts.remove(length);
        return Ok(None);
    };
    Cache::used(file);
    Ok(Some((cached, length)))
}

/// A packument, and what the cache keeps of it.
fn parse(
    name: &str,
    bytes: &[u8],
    etag: Option<String>,
) -> Result<(NpmPackageInfo, Vec<u8>), String> {
    let is_wrong =
        |error: serde_json::Error| format!("{name}: what its registry says is not valid: {error}");
    let info: NpmPackageInfo = serde_json::from_slice(bytes).map_err(is_wrong)?;
    let cached = Cached { etag, info };
    let text = serde_json::to_vec(&cached).map_err(is_wrong)?;
    Ok((cached.info, text))
}

/// Runs what takes a while on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("The installer fails: {error}"))
}

#[async_trait::async_trait(?Send)]
impl NpmRegistryApi for Packuments<'_> {
    async fn package_info(
        &self,
        name: &str,
    ) -> Result<Arc<NpmPackageInfo>, NpmRegistryPackageInfoLoadError> {
        self.get(name).await.map_err(|error| {
            NpmRegistryPackageInfoLoadError::LoadError(Arc::new(JsErrorBox::generic(error)))
        })
    }
}
