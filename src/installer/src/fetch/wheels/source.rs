//! The package index, and what was downloaded from it before.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use url::Url;

use super::candidates::Candidate;
use super::repack;
use crate::fetch::cache::{Cache, hex};
use crate::fetch::http::{Answer, Get, Http, Patience};
use crate::fetch::limits::MAX_PACKED;
use crate::simple_index::{IndexFile, files, page};

/// Bytes of a page: pip's own largest ones have some 5 MB.
const MAX_PAGE: u64 = 32 << 20;

/// Bytes of METADATA: descriptions have some 100 kB.
const MAX_METADATA: u64 = 4 << 20;

/// Bytes of a URL that a page was found at. Those of files with signatures have some 2,000.
const MAX_URL: u64 = 8 << 10;

/// Bytes of one installation's downloads: four times what all packages may have unpacked, for
/// versions that are looked at and not chosen.
const MAX_DOWNLOADED: u64 = 4 << 30;

/// An index with a cache.
pub(super) struct Source {
    index: Url,
    documents: Http,
    archives: Http,
    cache: Cache,
    downloaded: AtomicU64,
    offline: bool,
}

impl Source {
    pub(super) fn new(index: &str, store: &Path, offline: bool) -> Result<Self, String> {
        // The text is not repeated: it may have a password.
        let index = Url::parse(index).map_err(|_| "the package index is not a URL".to_owned())?;
        let client = |http: Result<Http, _>| http.map_err(|error| format!("{error}"));
        Ok(Self {
            index,
            documents: client(Http::for_documents(Patience::default()))?,
            archives: client(Http::for_archives(Patience::default()))?,
            cache: Cache::open(store)?,
            downloaded: AtomicU64::new(0),
            offline,
        })
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The files of a project.
    pub(super) async fn project(&self, name: &str) -> Result<Vec<IndexFile>, String> {
        let page = page(&self.index, name).ok_or("the package index is not a URL with pages")?;
        let (text, found) = self.document(&page, MAX_PAGE, name).await?;
        let is_json = text.trim_ascii_start().first() == Some(&b'{');
        let media_type = if is_json { "application/json" } else { "text/html" };
        files(&found, media_type, &text).map_err(|error| format!("{name}: {error}"))
    }

    /// METADATA of a wheel: its own page (PEP 658), or out of the wheel.
    pub(super) async fn metadata(&self, candidate: &Candidate) -> Result<String, String> {
        if let Some(hash) = &candidate.file.metadata {
            let mut url = candidate.file.url.clone();
            url.set_path(&format!("{}.metadata", candidate.file.url.path()));
            let (text, _) = self.document(&url, MAX_METADATA, &candidate.name).await?;
            if let Some(expected) = hash.as_ref().filter(|it| **it != hex(&Sha256::digest(&text))) {
                return Err(format!(
                    "{}: its metadata does not have SHA-256 {expected}",
                    candidate.name
                ));
            }
            return String::from_utf8(text).map_err(|_| not_utf8(&candidate.name));
        }
        let (wheel, _) = self.wheel(candidate).await?;
        repack::metadata(&wheel).map_err(|text| format!("{}: {text}", candidate.name))
    }

    /// A wheel whose hash is right, and whether it was in the cache.
    pub(super) async fn wheel(&self, candidate: &Candidate) -> Result<(Vec<u8>, bool), String> {
        let (name, expected) = (&candidate.name, &candidate.sha256);
        let file = self.cache.wheel(expected);
        let is_right = |bytes: &[u8]| hex(&Sha256::digest(bytes)) == *expected;
        if let Some(bytes) = Cache::read(&file, MAX_PACKED).filter(|bytes| is_right(bytes)) {
            Cache::used(&file);
            return Ok((bytes, true));
        }
        let url = self.authorized(&candidate.file.url);
        let (bytes, _) = self.get(&self.archives, url, MAX_PACKED, name).await?;
        if !is_right(&bytes) {
            let found = hex(&Sha256::digest(&bytes));
            return Err(format!(
                "{}: it has SHA-256 {found}, and its index says {expected}",
                candidate.file.name
            ));
        }
        self.cache.write(&file, &bytes)?;
        Ok((bytes, false))
    }

    /// A document and where it was found, which is what its links are relative to. Both are kept
    /// for installations without network.
    async fn document(&self, url: &Url, limit: u64, name: &str) -> Result<(Vec<u8>, Url), String> {
        let asked = bare(url);
        let (file, place) = (self.cache.packument(&asked), self.cache.packument(&place_of(&asked)));
        if self.offline {
            let cached = Cache::read(&file, limit).ok_or_else(|| absent(name))?;
            let found = Cache::read(&place, MAX_URL).and_then(|text| String::from_utf8(text).ok());
            let found = found.and_then(|text| Url::parse(&text).ok());
            return Ok((cached, found.unwrap_or(asked)));
        }
        let (bytes, found) = self.get(&self.documents, self.authorized(url), limit, name).await?;
        self.cache.write(&place, found.as_str().as_bytes())?;
        self.cache.write(&file, &bytes)?;
        Ok((bytes, found))
    }

    async fn get(
        &self,
        http: &Http,
        url: Url,
        limit: u64,
        name: &str,
    ) -> Result<(Vec<u8>, Url), String> {
        if self.offline {
            return Err(absent(name));
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("{name}: {} is not an http or https URL", bare(&url)));
        }
        let shown = bare(&url);
        let get = Get { auth: basic(&url), url: shown.clone(), etag: None, limit, may_move: true };
        match http.get(&get).await.map_err(|error| format!("{name}: {error}"))? {
            Answer::Body { bytes, url, .. } => {
                self.count(bytes.len() as u64).map_err(|problem| format!("{name}: {problem}"))?;
                Ok((bytes, url))
            }
            Answer::NotFound => Err(format!("{name} is not in {shown}")),
            Answer::NotModified => Err(format!("{name}: {shown} answers 304 without being asked")),
        }
    }

    /// Adds what was downloaded.
    fn count(&self, bytes: u64) -> Result<(), String> {
        let before = self.downloaded.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > MAX_DOWNLOADED {
            return Err(format!(
                "with it, more than {MAX_DOWNLOADED} bytes were downloaded, which is the limit: \
                 allow fewer packages, or narrower ranges of them"
            ));
        }
        Ok(())
    }

    /// The name and password of the index go to its own origin only.
    fn authorized(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if url.origin() == self.index.origin() && url.username().is_empty() {
            // Of an http URL both can be set.
            let _ = url.set_username(self.index.username());
            let _ = url.set_password(self.index.password());
        }
        url
    }
}

/// `Authorization` for the name and password of a URL.
fn basic(url: &Url) -> Option<String> {
    use base64::Engine as _;
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| -> Vec<u8> { percent_decoded(text) };
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    Some(format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair)))
}

/// Bytes of a part of a URL, in which others than ASCII are written as `%XX`.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Without name and password, which are in no error and in no name of a file.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

/// The name in the cache for where a document was found.
fn place_of(url: &Url) -> Url {
    let mut place = url.clone();
    place.set_fragment(Some("place"));
    place
}

fn absent(name: &str) -> String {
    format!("{name} was not downloaded before, and --offline forbids it now")
}

fn not_utf8(name: &str) -> String {
    format!("{name}: its metadata is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_are_sent_as_they_are_meant() {
        let url = Url::parse("https://me:a%40b@a.example/simple").expect("a URL");
        assert_eq!(basic(&url).as_deref(), Some("Basic bWU6YUBi"));
        assert_eq!(bare(&url).as_str(), "https://a.example/simple");
        assert_eq!(basic(&bare(&url)), None);
        assert_eq!(percent_decoded("%zz%4"), b"%zz%4");
    }

    #[test]
    fn what_one_installation_downloads_has_a_limit() {
        let store = tempfile::tempdir().expect("a directory");
        let source = Source::new("https://a.example/simple", store.path(), false).expect("one");
        assert_eq!(source.count(MAX_DOWNLOADED), Ok(()));
        let problem = source.count(1).expect_err("it is too much");
        assert!(problem.contains("which is the limit: allow fewer packages"), "{problem}");
    }
}
