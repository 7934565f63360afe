//! Where an archive is: at a URL, or a file of a Python package index. An index says where its
//! files are; what is taken has the pinned hash, so any mirror will do.

use std::fmt::{self, Display};

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use url::Url;

use super::located::Located;
use super::npm;
use crate::config::Config;
use crate::packages::simple_index::{self, PYPI, files, page};

/// The setting of an index, and pip's own.
const OWN: &str = "MCP_CONDUCTOR_PYPI_INDEX";
const PIPS: &str = "PIP_INDEX_URL";

/// Bytes of a page: pip's own largest ones have some 5 MB.
const MAX_PAGE: usize = 32 << 20;

/// Where an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    #[cfg_attr(not(test), expect(dead_code, reason = "of components to come, and of tests"))]
    Url(&'static str),
    /// A file of a project in a Python package index.
    Pypi { project: &'static str, release: &'static str, file: &'static str },
    /// The archive of a package in npm's registry.
    Npm { package: &'static str, version: &'static str },
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Pypi { project, release, .. } => write!(f, "{project} {release}"),
            Self::Npm { package, version } => write!(f, "npm:{package} {version}"),
        }
    }
}

/// The index that is asked: the configured one, else pip's, else PyPI.
pub(crate) fn index(config: &Config) -> Result<Url, String> {
    let pips = std::env::var(PIPS).ok().filter(|text| !text.is_empty());
    match (config.pypi_index(), pips) {
        (Some(text), _) => parsed(OWN, text),
        (None, Some(text)) => parsed(PIPS, &text),
        (None, None) => parsed(OWN, PYPI),
    }
}

/// The text is not repeated: it may have a password.
fn parsed(variable: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.ok_or_else(|| {
        format!("{variable} is not an http or https URL, for example {variable}={PYPI}")
    })
}

/// Why it is not known where the archive is.
pub(super) struct NotLocated {
    pub text: String,
    /// Another attempt may tell.
    pub may_pass: bool,
}

impl From<String> for NotLocated {
    fn from(text: String) -> Self {
        Self { text, may_pass: false }
    }
}

/// Where the archive is, with what an index asks for to give it.
pub(super) async fn locate(
    config: &Config,
    client: &Client,
    origin: Origin,
    sha256: &str,
) -> Result<Located, NotLocated> {
    let (project, file) = match origin {
        Origin::Url(text) => {
            let url = Url::parse(text).map_err(|error| error.to_string())?;
            return Ok(url.into());
        }
        Origin::Npm { package, version } => return Ok(npm::archive(config, package, version)?),
        Origin::Pypi { project, file, .. } => (project, file),
    };
    let index = index(config)?;
    let page =
        page(&index, project).ok_or_else(|| "the index is not a URL that has pages".to_owned())?;
    let (base, media_type, text) = read(client, &page).await?;
    let all =
        files(&base, &media_type, &text).map_err(|text| format!("{}: {text}", bare(&page)))?;
    let named = all.into_iter().find(|found| found.name == file);
    let found = named.ok_or_else(|| format!("{} does not have {file}", bare(&page)))?;
    if let Some(other) = found.sha256.filter(|found| found != sha256) {
        return Err(format!("{} has {file} with SHA-256 {other}, not {sha256}", bare(&page)).into());
    }
    let mut url = found.url;
    if url.origin() == index.origin() && url.username().is_empty() {
        // Of an http URL both can be set.
        let _ = url.set_username(index.username());
        let _ = url.set_password(index.password());
    }
    Ok(url.into())
}

/// A page: the URL that its links are relative to, its type and its text.
async fn read(client: &Client, page: &Url) -> Result<(Url, String, Vec<u8>), NotLocated> {
    let failed = |error: reqwest::Error| NotLocated {
        may_pass: !error.status().is_some_and(|status| status.is_client_error()),
        text: reason(page, &error),
    };
    let request = client.get(page.clone()).header(ACCEPT, simple_index::ACCEPT);
    let mut response = request.send().await.and_then(|it| it.error_for_status()).map_err(failed)?;
    let base = response.url().clone();
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let media_type = media_type.unwrap_or("text/html").to_owned();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_PAGE {
            return Err(format!("{} has more than {MAX_PAGE} bytes", bare(page)).into());
        }
        body.extend_from_slice(&piece);
    }
    Ok((base, media_type, body))
}

/// A URL without name, password and query.
pub(super) fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare
}

/// The innermost reason says most: "connection refused" and not "error sending request".
pub(super) fn reason(url: &Url, error: &reqwest::Error) -> String {
    if let Some(status) = error.status() {
        return format!("{} answers {status}", bare(url));
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("{}: {innermost}", bare(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_url_has_no_password() {
        let url = Url::parse("https://me:secret@a.example/simple/?token=x").unwrap();
        assert_eq!(bare(&url).as_str(), "https://a.example/simple/");
    }

    #[test]
    fn an_index_is_an_http_url_and_is_not_repeated() {
        assert!(parsed(OWN, "http://127.0.0.1:3141/root/pypi/+simple/").is_ok());
        let error = parsed(PIPS, "me:secret@a.example").unwrap_err();
        assert!(error.starts_with("PIP_INDEX_URL is not") && !error.contains("secret"), "{error}");
    }
}
