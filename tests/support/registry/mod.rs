//! A registry for npm and JSR packages on loopback, which behaves as a test says. Packages
//! are described in code; archives and packuments are made of that. Compiled by the tests
//! of both programs, so it uses nothing of either.

#![allow(dead_code, reason = "each binary uses a part of it")]

mod archive;
mod dates;
mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

pub use archive::Entry;

/// A version is so old if nothing else is said.
const AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a version misbehaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// The registry says another hash than the archive has.
    WrongIntegrity,
    /// The registry says a sha1 hash only.
    Sha1Only,
    /// The registry says no hash.
    NoIntegrity,
    /// The archive is said to be of this length.
    Length(u64),
    /// The archive never ends.
    Endless,
    /// The archive is never sent.
    Silent,
    /// The connection ends in the middle of the archive, this many times.
    Cut(u32),
    /// The archive redirects to this URL; `{archive}` stands for a path that serves it.
    Redirect(String),
    /// The archive redirects to itself.
    RedirectLoop,
    /// The packument says that the archive is at this URL.
    TarballAt(String),
}

/// What is unusual about a version.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Fields of package.json and of the packument: `{"dependencies": {"a": "^1"}}`.
    pub manifest: Value,
    /// Fields of the packument only, over the others.
    pub packument: Value,
    /// Fields of package.json only, over the others.
    pub package_json: Value,
    /// How long ago it was published: 30 days, if nothing is said.
    pub age: Option<Duration>,
    /// Whether the packument has no date for it.
    pub undated: bool,
    pub fault: Fault,
    /// Entries of the archive after the files.
    pub entries: Vec<Entry>,
    /// Is not tagged `latest`.
    pub not_latest: bool,
}

impl Options {
    /// A version with fields in its package.json.
    pub fn manifest(manifest: Value) -> Self {
        Self { manifest, ..Self::default() }
    }

    /// A version that depends on others.
    pub fn dependencies(dependencies: &[(&str, &str)]) -> Self {
        let dependencies: BTreeMap<_, _> = dependencies.iter().copied().collect();
        Self::manifest(json!({ "dependencies": dependencies }))
    }

    /// A version that misbehaves.
    pub fn fault(fault: Fault) -> Self {
        Self { fault, ..Self::default() }
    }

    /// A version whose archive has more than files.
    pub fn entries(entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::default() }
    }

    /// A version that was published so long ago.
    pub fn age(age: Duration) -> Self {
        Self { age: Some(age), ..Self::default() }
    }
}

/// What the registry was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
}

struct Version {
    manifest: Value,
    published: Option<String>,
    archive: Vec<u8>,
    fault: Fault,
}

#[derive(Default)]
struct Package {
    versions: BTreeMap<String, Version>,
    tags: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    base: String,
    packages: BTreeMap<String, Package>,
    /// What packuments say instead.
    packuments: BTreeMap<String, Value>,
    asked: Vec<Asked>,
    token: Option<String>,
    /// How often archives were cut, by path.
    cut: BTreeMap<String, u32>,
}

/// A registry that ends with its test.
pub struct Registry {
    state: Arc<Mutex<State>>,
    _server: server::Running,
}

impl Registry {
    /// A registry without packages.
    pub async fn start() -> Self {
        Self::start_blocking()
    }

    /// The same for tests without a runtime.
    pub fn start_blocking() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let server = server::start(Arc::clone(&state));
        locked(&state).base = format!("http://127.0.0.1:{}/", server.port);
        Self { state, _server: server }
    }

    /// The value of `NPM_CONFIG_REGISTRY` and of `JSR_NPM_URL`.
    pub fn url(&self) -> String {
        locked(&self.state).base.clone()
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.url().trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// The environment of an installation that asks this registry only.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("NPM_CONFIG_REGISTRY", self.url()), ("JSR_NPM_URL", self.url())]
    }

    /// Publishes a version of `name` or `@scope/name` with these files, or replaces it.
    /// JSR's `@std/path` is published as `@jsr/std__path`.
    pub fn package(
        &self,
        name: &str,
        version: &str,
        files: &[(&str, &str)],
        options: Options,
    ) -> &Self {
        let published = Version::new(&self.url(), name, version, files, &options);
        let mut state = locked(&self.state);
        let package = state.packages.entry(name.to_owned()).or_default();
        package.versions.insert(version.to_owned(), published);
        if !options.not_latest {
            package.tags.insert("latest".to_owned(), version.to_owned());
        }
        self
    }

    /// Publishes a version that exports a number.
    pub fn simple(&self, name: &str, version: &str) -> &Self {
        self.package(name, version, &[("index.js", "module.exports = 1;")], Options::default())
    }

    /// Publishes the same with dependencies.
    pub fn depending(&self, name: &str, version: &str, dependencies: &[(&str, &str)]) -> &Self {
        let files = [("index.js", "module.exports = 1;")];
        self.package(name, version, &files, Options::dependencies(dependencies))
    }

    /// Takes a version back.
    pub fn unpublish(&self, name: &str, version: &str) -> &Self {
        let mut state = locked(&self.state);
        if let Some(package) = state.packages.get_mut(name) {
            package.versions.remove(version);
            package.tags.retain(|_, tagged| tagged != version);
        }
        self
    }

    /// Says this of a package, whatever is published.
    pub fn packument(&self, name: &str, packument: Value) -> &Self {
        locked(&self.state).packuments.insert(name.to_owned(), packument);
        self
    }

    /// Answers only requests with this token.
    pub fn require_token(&self, token: &str) -> &Self {
        locked(&self.state).token = Some(token.to_owned());
        self
    }

    /// The requests until now. Forgets them.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut locked(&self.state).asked)
    }

    /// The paths of [`Registry::asked`] that are archives.
    pub fn downloads(&self) -> Vec<String> {
        let paths = self.asked().into_iter().map(|asked| asked.path);
        paths.filter(|path| path.ends_with(".tgz")).collect()
    }
}

impl Version {
    fn new(
        base: &str,
        name: &str,
        version: &str,
        files: &[(&str, &str)],
        options: &Options,
    ) -> Self {
        let mut manifest = json!({ "name": name, "version": version, "license": "MIT" });
        merge(&mut manifest, &options.manifest);
        let mut package_json = manifest.clone();
        merge(&mut package_json, &options.package_json);
        let archive = archive::archive(&package_json, files, &options.entries);
        manifest["dist"] = dist(base, name, version, &archive, &options.fault);
        merge(&mut manifest, &options.packument);
        let age = options.age.unwrap_or(AGE);
        let published = (!options.undated).then(|| dates::ago(age));
        Self { manifest, published, archive, fault: options.fault.clone() }
    }
}

/// The packument's word on an archive.
fn dist(base: &str, name: &str, version: &str, archive: &[u8], fault: &Fault) -> Value {
    let unscoped = name.rsplit('/').next().unwrap_or(name);
    let mut tarball = format!("{base}{name}/-/{unscoped}-{version}.tgz");
    if let Fault::TarballAt(url) = fault {
        tarball.clone_from(url);
    }
    let of = |bytes: &[u8]| format!("sha512-{}", BASE64_STANDARD.encode(Sha512::digest(bytes)));
    match fault {
        Fault::WrongIntegrity => json!({ "tarball": tarball, "integrity": of(b"another") }),
        Fault::Sha1Only => json!({
            "tarball": tarball,
            "integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "shasum": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        }),
        Fault::NoIntegrity => json!({ "tarball": tarball }),
        Fault::None
        | Fault::Length(_)
        | Fault::Endless
        | Fault::Silent
        | Fault::Cut(_)
        | Fault::Redirect(_)
        | Fault::RedirectLoop
        | Fault::TarballAt(_) => json!({ "tarball": tarball, "integrity": of(archive) }),
    }
}

impl Package {
    fn packument(&self, name: &str) -> Value {
        let of = |of: fn(&Version) -> Option<Value>| -> serde_json::Map<String, Value> {
            let versions = self.versions.iter();
            versions.filter_map(|(number, version)| Some((number.clone(), of(version)?))).collect()
        };
        json!({
            "name": name,
            "dist-tags": self.tags,
            "versions": of(|version| Some(version.manifest.clone())),
            "time": of(|version| version.published.clone().map(Value::from)),
        })
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Puts the fields of an object over those of another, deeply.
fn merge(target: &mut Value, over: &Value) {
    let Value::Object(fields) = over else { return };
    for (key, value) in fields {
        match (target.get_mut(key), value) {
            (Some(there @ Value::Object(_)), Value::Object(_)) => merge(there, value),
            (Some(_) | None, _) => target[key] = value.clone(),
        }
    }
}
