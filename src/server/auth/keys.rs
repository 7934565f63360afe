//! The keys of an authorization server (RFC 7517): from a file, or from a URL with
//! what that needs against floods and failures.

use std::fs::{Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::ACCEPT;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use nix::unistd::geteuid;
use parking_lot::{Mutex, MutexGuard};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use super::{AuthConfigError, AuthError};
use crate::config::environment::OAUTH_JWKS;

/// Bytes of a set: an RSA key with its certificates has 4 KiB, so that this is for more
/// keys than any issuer has.
const MAX_SET: usize = 1 << 20;

/// Asymmetric ones only. With HS256, the issuer's public key would be the secret.
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How long keys are used without asking for newer ones.
const FRESH: Duration = Duration::from_secs(600);

/// How long they are used while newer ones cannot be had.
const STALE: Duration = Duration::from_secs(3600);

/// How often newer ones are asked for. Anybody can send a token with a key id that
/// nobody knows.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// How often they are asked for while there are none at all.
pub(super) const RETRY_EVERY: Duration = Duration::from_secs(5);

/// For one answer, of a server that answers many others.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Permissions with which others could put in keys of their own.
const OTHERS_WRITE: u32 = 0o022;

/// Where the keys come from.
#[derive(Debug)]
pub(super) enum Keys {
    File(KeySet),
    Url(Arc<Remote>),
}

impl Keys {
    /// A path, or a URL. Of the same URL as `before`, the keys are taken over.
    pub(super) async fn new(place: &str, before: Option<&Self>) -> Result<Self, AuthConfigError> {
        if place.starts_with('/') {
            let set = read(Path::new(place));
            let set =
                set.map_err(|problem| AuthConfigError::Keys(format!("{place}: {problem}")))?;
            return Ok(Self::File(set));
        }
        let url =
            Url::parse(place).ok().filter(is_safe).ok_or_else(|| AuthConfigError::Setting {
                variable: OAUTH_JWKS,
                problem: "is not an https URL, an http URL on loopback or an absolute path"
                    .to_owned(),
                example: "https://auth.example.com/.well-known/jwks.json",
            })?;
        let remote = match before {
            Some(Self::Url(remote)) if remote.url == url => remote.clone(),
            _ => Arc::new(Remote::new(url).await.map_err(AuthConfigError::Keys)?),
        };
        remote.refresh(Duration::ZERO).await;
        Ok(Self::Url(remote))
    }

    /// The key for a token of this algorithm and key id.
    pub(super) async fn find(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Arc<DecodingKey>, AuthError> {
        match self {
            Self::File(set) => set.find(algorithm, id),
            Self::Url(remote) => remote.find(algorithm, id).await,
        }
    }
}

/// The keys of a set that can check signatures.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// What it may be used with: one key for several kinds of signatures is what
    /// attacks with exchanged algorithms need.
    algorithms: Vec<Algorithm>,
    key: Arc<DecodingKey>,
}

impl KeySet {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(bytes)
            .map_err(|_| "this is not a JSON Web Key Set: {\"keys\": [...]}".to_owned())?;
        // Keys of other kinds are to be passed over (RFC 7517, section 5).
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::new).collect();
        if keys.is_empty() {
            return Err("no key in it can check a signature: RSA, EC with P-256 or P-384, and \
                        OKP with Ed25519 can, unless \"use\" or \"alg\" is for something else"
                .to_owned());
        }
        Ok(Self(keys))
    }

    fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Result<Arc<DecodingKey>, AuthError> {
        let named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let mut fitting =
            self.0.iter().filter(named).filter(|key| key.algorithms.contains(&algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) if id.is_none() => Err(AuthError::NoKeyId),
            (Some(key), _) => Ok(key.key.clone()),
            (None, _) if id.is_some() && self.0.iter().any(|key| named(&key)) => {
                Err(AuthError::Algorithm)
            }
            (None, _) => Err(AuthError::UnknownKey),
        }
    }
}

impl Key {
    fn new(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        if common.public_key_use.as_ref().is_some_and(|other| *other != PublicKeyUse::Signature) {
            return None;
        }
        let operations = common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let mut algorithms = algorithms(&jwk.algorithm);
        if let Some(only) = common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == only);
        }
        if algorithms.is_empty() {
            return None;
        }
        let key = Arc::new(DecodingKey::from_jwk(&jwk).ok()?);
        Some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

/// What a key of this type can check (RFC 7518, sections 3.3 to 3.5; RFC 8037).
fn algorithms(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => {
            let mut algorithms = ALGORITHMS.to_vec();
            algorithms.retain(|algorithm| algorithm.family() == AlgorithmFamily::Rsa);
            algorithms
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            vec![Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            vec![Algorithm::ES384]
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        _ => Vec::new(),
    }
}

fn read(path: &Path) -> Result<KeySet, String> {
    // A FIFO must not keep the open waiting.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    check(&metadata)?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_SET as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() > MAX_SET {
        return Err(format!("it is larger than {MAX_SET} bytes"));
    }
    KeySet::parse(&bytes)
}

/// The keys are public, and who may change them may be anybody.
fn check(metadata: &Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.uid() != geteuid().as_raw() && metadata.uid() != 0 {
        return Err("it belongs to another user".to_owned());
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err("other users may write it: run chmod go-w".to_owned());
    }
    Ok(())
}

/// Whether what comes from there is from there.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// A URL for logs: what stands behind the path, or before the host, may be a secret.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// Keys at a URL.
#[derive(Debug)]
pub(super) struct Remote {
    url: Url,
    client: reqwest::Client,
    state: Mutex<State>,
    /// One request at a time, for everybody who waits for it.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<KeySet>, Instant)>,
    /// The end of the last request.
    asked: Option<Instant>,
    failing: bool,
}

impl Remote {
    async fn new(url: Url) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::net::tls::tls_with_roots().await?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            // A request in ten minutes needs no connection in between.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| format!("the HTTP client cannot be created: {error}"))?;
        Ok(Self { url, client, state: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    async fn find(
        self: &Arc<Self>,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Arc<DecodingKey>, AuthError> {
        match self.current() {
            Some((keys, age)) => {
                match keys.find(algorithm, id) {
                    // The issuer may have a new one.
                    Err(AuthError::UnknownKey) => self.refresh(ASK_EVERY).await,
                    found => {
                        if age >= FRESH {
                            self.refresh_meanwhile();
                        }
                        return found;
                    }
                }
            }
            None => self.refresh(RETRY_EVERY).await,
        }
        let (keys, _) = self.current().ok_or(AuthError::KeysUnavailable)?;
        keys.find(algorithm, id)
    }

    /// The keys that are good, and their age.
    fn current(&self) -> Option<(Arc<KeySet>, Duration)> {
        let state = self.state();
        let (keys, since) = state.keys.as_ref()?;
        let age = since.elapsed();
        (age < STALE).then(|| (keys.clone(), age))
    }

    /// Asks, if that was not done within the time `every`. A client that goes away does
    /// not end the request that others wait for.
    async fn refresh(self: &Arc<Self>, every: Duration) {
        if self.is_due(every) {
            let remote = self.clone();
            let asking = tokio::spawn(async move { remote.ask(every).await });
            // It can only have panicked, and then there are no new keys.
            let _ = asking.await;
        }
    }

    fn refresh_meanwhile(self: &Arc<Self>) {
        if self.is_due(ASK_EVERY) && self.asking.try_lock().is_ok() {
            let remote = self.clone();
            tokio::spawn(async move { remote.ask(ASK_EVERY).await });
        }
    }

    fn is_due(&self, every: Duration) -> bool {
        self.state().asked.is_none_or(|asked| asked.elapsed() >= every)
    }

    async fn ask(&self, every: Duration) {
        let _one = self.asking.lock().await;
        if !self.is_due(every) {
            return;
        }
        let answer = self.fetch().await;
        let now = Instant::now();
        let mut state = self.state();
        state.asked = Some(now);
        match answer {
            Ok(keys) => {
                state.keys = Some((Arc::new(keys), now));
                state.failing = false;
            }
            Err(problem) => {
                if !state.failing {
                    tracing::warn!("no keys from {}: {problem}", shown(&self.url));
                }
                state.failing = true;
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let request = self.client.get(self.url.clone());
        let request = request.header(ACCEPT, "application/jwk-set+json, application/json");
        let mut response = request.send().await.map_err(described)?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(described)? {
            if body.len() + chunk.len() > MAX_SET {
                return Err(format!("the answer is larger than {MAX_SET} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        KeySet::parse(&body)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The innermost cause, which says what happened.
fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::server::auth::jwt::tests::{jwk, key_a, key_b, set};
    use crate::server::auth::tokens::tests::Directory;

    const WRONG: &str = "this is not a JSON Web Key Set: {\"keys\": [...]}";

    fn public(id: &str) -> Value {
        let key = if id == "b" { key_b() } else { key_a() };
        jwk(&key, Algorithm::ES256, id)
    }

    /// Key A, with other fields.
    fn with(fields: Value) -> Value {
        let mut key = public("a");
        key.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        key
    }

    fn parsed(keys: &Value) -> Result<usize, String> {
        let text = json!({ "keys": keys }).to_string();
        KeySet::parse(text.as_bytes()).map(|set| set.0.len())
    }

    #[test]
    fn keys_for_something_else_are_passed_over() {
        for fields in [
            json!({ "use": "sig" }),
            json!({ "key_ops": ["verify"] }),
            json!({ "alg": "ES256" }),
            json!({ "x5c": ["AAAA"], "x5t": "AAAA", "issuer": "x", "nbf": 7 }),
        ] {
            assert_eq!(parsed(&json!([with(fields.clone())])), Ok(1), "{fields}");
        }
        for fields in [
            json!({ "use": "enc" }),
            json!({ "use": "other" }),
            json!({ "key_ops": ["sign"] }),
            json!({ "key_ops": [] }),
            json!({ "alg": "ES384" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": "ECDH-ES" }),
            json!({ "kty": "RSA" }),
            json!({ "kty": "XYZ" }),
            json!({ "crv": "P-521" }),
            json!({ "crv": "secp256k1" }),
            json!({ "x": "!" }),
            json!({ "kty": "OKP", "crv": "X25519" }),
            json!({ "kid": 7 }),
        ] {
            assert_eq!(parsed(&json!([with(fields.clone()), public("b")])), Ok(1), "{fields}");
        }
    }

    #[test]
    fn a_set_without_a_usable_key_is_refused() {
        let secret = json!({ "kty": "oct", "kid": "a", "alg": "HS256", "k": "AAAA" });
        for keys in [json!([]), json!([secret]), json!([7, null, {}, []])] {
            assert!(parsed(&keys).unwrap_err().starts_with("no key in it"), "{keys}");
        }
        let deep = "[".repeat(100_000);
        for text in ["", "{}", "[]", "{\"keys\": {}}", "<html>", "\u{feff}{}", deep.as_str()] {
            assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), WRONG, "{text:.20}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_id_or_alone() {
        let find = |keys: &[Value], algorithm, id| set(keys).find(algorithm, id).map(|_| ());
        let (a, b) = (public("a"), public("b"));
        let both = [a.clone(), b];
        assert_eq!(find(&both, Algorithm::ES256, Some("b")), Ok(()));
        assert_eq!(find(&both, Algorithm::ES256, Some("c")), Err(AuthError::UnknownKey));
        assert_eq!(find(&both, Algorithm::ES384, Some("b")), Err(AuthError::Algorithm));
        assert_eq!(find(&both, Algorithm::ES256, None), Err(AuthError::NoKeyId));
        assert_eq!(find(&both, Algorithm::EdDSA, None), Err(AuthError::UnknownKey));
        assert_eq!(find(std::slice::from_ref(&a), Algorithm::ES256, None), Ok(()));
        let mut nameless = a;
        nameless.as_object_mut().unwrap().remove("kid");
        assert_eq!(find(&[nameless.clone()], Algorithm::ES256, None), Ok(()));
        assert_eq!(find(&[nameless], Algorithm::ES256, Some("a")), Err(AuthError::UnknownKey));
    }

    fn problem(path: &Path) -> String {
        read(path).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let directory = Directory::new();
        let path = directory.0.join("keys.json");
        std::fs::write(&path, json!({ "keys": [public("a")] }).to_string()).unwrap();
        for mode in [0o600, 0o644, 0o444] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert!(read(&path).is_ok(), "{mode:o}");
        }
        for mode in [0o620, 0o602, 0o666] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(problem(&path), "other users may write it: run chmod go-w", "{mode:o}");
        }
    }

    #[test]
    fn something_else_than_a_file_of_keys_is_refused() {
        let directory = Directory::new();
        assert_eq!(problem(&directory.0), "it is not a regular file");
        let path = directory.0.join("keys.json");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(problem(&path), "it is not a regular file");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, " ".repeat(MAX_SET + 1)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(problem(&path), "it is larger than 1048576 bytes");
        std::fs::write(&path, "keys").unwrap();
        assert_eq!(problem(&path), WRONG);
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        let safe = |url| is_safe(&Url::parse(url).unwrap());
        assert!(safe("https://auth.example.com/keys"));
        assert!(safe("http://localhost:1/keys"));
        assert!(safe("http://127.0.0.2:1/keys"));
        assert!(safe("http://[::1]:1/keys"));
        assert!(!safe("http://auth.example.com/keys"));
        assert!(!safe("http://localhost.example.com/keys"));
        assert!(!safe("http://169.254.169.254/keys"));
        assert!(!safe("file:///etc/keys"));
        assert!(!safe("ftp://localhost/keys"));
    }

    #[test]
    fn of_a_url_the_log_has_nothing_that_may_be_a_secret() {
        let url = "https://user:canary@auth.example.com:8443/keys?key=canary#canary";
        assert_eq!(shown(&Url::parse(url).unwrap()), "https://auth.example.com:8443/keys");
    }

    /// An issuer whose keys are at a URL.
    struct Issuer {
        url: String,
        /// What it answers, after the head's first words.
        answer: Arc<Mutex<String>>,
        asked: Arc<AtomicUsize>,
    }

    impl Issuer {
        async fn start(ids: &[&str]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/keys", listener.local_addr().unwrap());
            let issuer = Self { url, answer: Arc::default(), asked: Arc::default() };
            issuer.publish(ids);
            let (answer, asked) = (issuer.answer.clone(), issuer.asked.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let answer = answer.lock().clone();
                    tokio::spawn(serve(stream, answer));
                }
            });
            issuer
        }

        fn publish(&self, ids: &[&str]) {
            let keys: Vec<Value> = ids.iter().map(|id| public(id)).collect();
            self.answer("200 OK", &json!({ "keys": keys }).to_string());
        }

        fn answer(&self, status: &str, body: &str) {
            let length = body.len();
            *self.answer.lock() = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }

        async fn remote(&self) -> Arc<Remote> {
            match Keys::new(&self.url, None).await.unwrap() {
                Keys::Url(remote) => remote,
                Keys::File(_) => unreachable!("this is a URL"),
            }
        }
    }

    /// Slow enough for requests that come together to wait for one answer.
    async fn serve(mut stream: TcpStream, answer: String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    impl Remote {
        /// As if time had passed.
        fn age(&self, time: Duration) {
            let mut state = self.state();
            if let Some((_, since)) = &mut state.keys {
                *since -= time;
            }
            if let Some(asked) = &mut state.asked {
                *asked -= time;
            }
        }

        async fn has(self: &Arc<Self>, id: &str) -> Result<(), AuthError> {
            self.find(Algorithm::ES256, Some(id)).await.map(|_| ())
        }

        /// The same, many times at once.
        async fn all_have(self: &Arc<Self>, id: &'static str) -> Vec<Result<(), AuthError>> {
            let tasks: Vec<_> = (0..50)
                .map(|_| {
                    let remote = self.clone();
                    tokio::spawn(async move { remote.has(id).await })
                })
                .collect();
            let mut answers = Vec::new();
            for task in tasks {
                answers.push(task.await.unwrap());
            }
            answers
        }
    }

    async fn until(condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    }

    #[tokio::test]
    async fn new_keys_are_asked_for_once_for_everybody() {
        let issuer = Issuer::start(&["a"]).await;
        let remote = issuer.remote().await;
        assert_eq!(issuer.asked(), 1);
        remote.age(ASK_EVERY);
        issuer.publish(&["b"]);
        assert_eq!(remote.all_have("b").await, [Ok(()); 50]);
        assert_eq!(issuer.asked(), 2);
        assert_eq!(remote.has("a").await, Err(AuthError::UnknownKey));
    }

    #[tokio::test]
    async fn a_flood_of_unknown_ids_asks_once_in_half_a_minute() {
        let issuer = Issuer::start(&["a"]).await;
        let remote = issuer.remote().await;
        assert_eq!(remote.all_have("c").await, [Err(AuthError::UnknownKey); 50]);
        assert_eq!(issuer.asked(), 1);
        remote.age(ASK_EVERY);
        assert_eq!(remote.all_have("c").await, [Err(AuthError::UnknownKey); 50]);
        assert_eq!(remote.all_have("d").await, [Err(AuthError::UnknownKey); 50]);
        assert_eq!(issuer.asked(), 2);
        assert_eq!(remote.has("a").await, Ok(()));
    }

    #[tokio::test]
    async fn keys_are_renewed_while_the_old_ones_serve() {
        let issuer = Issuer::start(&["a"]).await;
        let remote = issuer.remote().await;
        remote.age(FRESH - Duration::from_secs(60));
        assert_eq!(remote.has("a").await, Ok(()));
        assert_eq!(issuer.asked(), 1);
        remote.age(Duration::from_secs(60));
        issuer.publish(&["a", "b"]);
        assert_eq!(remote.all_have("a").await, [Ok(()); 50]);
        until(|| remote.current().is_some_and(|(_, age)| age < FRESH)).await;
        assert_eq!(issuer.asked(), 2);
        assert_eq!(remote.has("b").await, Ok(()));
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn keys_serve_for_an_hour_without_the_issuer() {
        let issuer = Issuer::start(&["a"]).await;
        let remote = issuer.remote().await;
        issuer.answer("500 Internal Server Error", "");
        remote.age(STALE - Duration::from_secs(60));
        assert_eq!(remote.has("a").await, Ok(()));
        until(|| issuer.asked() == 2 && remote.state().failing).await;
        assert_eq!(remote.has("a").await, Ok(()));
        remote.age(Duration::from_secs(60));
        assert_eq!(remote.has("a").await, Err(AuthError::KeysUnavailable));
        issuer.publish(&["a"]);
        remote.age(RETRY_EVERY);
        assert_eq!(remote.has("a").await, Ok(()));
    }

    #[tokio::test]
    async fn an_issuer_may_come_up_later() {
        let issuer = Issuer::start(&["a"]).await;
        issuer.answer("503 Service Unavailable", "");
        let remote = issuer.remote().await;
        assert_eq!(remote.all_have("a").await, [Err(AuthError::KeysUnavailable); 50]);
        assert_eq!(issuer.asked(), 1);
        issuer.publish(&["a"]);
        remote.age(RETRY_EVERY);
        assert_eq!(remote.all_have("a").await, [Ok(()); 50]);
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn a_client_that_goes_away_does_not_end_the_request() {
        let issuer = Issuer::start(&["a"]).await;
        let remote = issuer.remote().await;
        remote.age(ASK_EVERY);
        issuer.publish(&["b"]);
        let impatient = tokio::time::timeout(Duration::from_millis(20), remote.has("b")).await;
        assert!(impatient.is_err());
        until(|| remote.state().asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY)).await;
        assert_eq!(remote.has("b").await, Ok(()));
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn answers_that_are_no_keys_are_not_used() {
        let issuer = Issuer::start(&["a"]).await;
        let good = json!({ "keys": [public("a")] }).to_string();
        let moved = format!("302 Found\r\nLocation: {}", issuer.url);
        let long = format!("{good}{}", " ".repeat(MAX_SET));
        for (status, body) in [
            ("404 Not Found", good.as_str()),
            (moved.as_str(), good.as_str()),
            ("204 No Content", ""),
            ("200 OK", "<html>"),
            ("200 OK", "{\"keys\": []}"),
            ("200 OK", long.as_str()),
        ] {
            let before = issuer.asked();
            issuer.answer(status, body);
            let remote = issuer.remote().await;
            assert_eq!(remote.has("a").await, Err(AuthError::KeysUnavailable), "{status}");
            assert_eq!(issuer.asked(), before + 1, "{status}");
        }
    }

    #[tokio::test]
    async fn a_reload_asks_anew_and_keeps_what_it_has() {
        let issuer = Issuer::start(&["a"]).await;
        let first = Keys::new(&issuer.url, None).await.unwrap();
        issuer.publish(&["b"]);
        let second = Keys::new(&issuer.url, Some(&first)).await.unwrap();
        assert_eq!(issuer.asked(), 2);
        assert!(second.find(Algorithm::ES256, Some("b")).await.is_ok());
        issuer.answer("500 Internal Server Error", "");
        let third = Keys::new(&issuer.url, Some(&second)).await.unwrap();
        assert_eq!(issuer.asked(), 3);
        assert!(third.find(Algorithm::ES256, Some("b")).await.is_ok());
        // Those of another URL are not those of this one.
        let elsewhere = format!("{}?elsewhere", issuer.url);
        let fourth = Keys::new(&elsewhere, Some(&third)).await.unwrap();
        let found = fourth.find(Algorithm::ES256, Some("b")).await;
        assert_eq!(found.map(|_| ()), Err(AuthError::KeysUnavailable));
    }
}
