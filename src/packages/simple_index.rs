//! Pages of a Python package index: PEP 691 (JSON, with PEP 700's sizes and times) and PEP 503
//! (HTML). Compiled by both programs, so it uses nothing of either.

use serde::Deserialize;
use url::Url;

/// What is asked for: JSON rather than HTML, as pip asks.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// Where packages of Python are if nothing else is said.
pub const PYPI: &str = "https://pypi.org/simple";

/// Files of one project: botocore, of which there is a release a day, has some 5,000.
const MAX_FILES: usize = 50_000;

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFile {
    pub name: String,
    pub url: Url,
    /// In hexadecimal digits, 64 of them.
    pub sha256: Option<String>,
    pub requires_python: Option<String>,
    /// As ISO 8601 has it; of JSON only.
    pub uploaded: Option<String>,
    pub bytes: Option<u64>,
    pub yanked: bool,
    /// Whether the wheel's METADATA is at its URL with `.metadata` behind it (PEP 658), and the
    /// SHA-256 of that, if it is said.
    pub metadata: Option<Option<String>>,
}

/// The page of a project, by its name as PEP 503 normalizes it. An index is named with or
/// without a slash at the end.
pub fn page(index: &Url, name: &str) -> Option<Url> {
    let mut page = index.clone();
    page.path_segments_mut().ok()?.pop_if_empty().push(name).push("");
    Some(page)
}

/// The name of a project, as PEP 503 normalizes it.
pub fn normalized(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normalized.ends_with('-') => {}
            '-' | '_' | '.' => normalized.push('-'),
            _ => normalized.push(c.to_ascii_lowercase()),
        }
    }
    normalized
}

/// The files of a page that was found at a URL.
///
/// # Errors
/// One sentence: the page is of no form that is known.
pub fn files(page: &Url, media_type: &str, text: &[u8]) -> Result<Vec<IndexFile>, String> {
    let files = match media_type.split(';').next().unwrap_or_default().trim() {
        "application/vnd.pypi.simple.v1+json" | "application/json" => json(page, text)?,
        _ => html(page, &String::from_utf8_lossy(text)),
    };
    if files.len() > MAX_FILES {
        return Err(format!("it has more than {MAX_FILES} files"));
    }
    Ok(files)
}

#[derive(Deserialize)]
struct Project {
    files: Vec<ProjectFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ProjectFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: Hashes,
    requires_python: Option<String>,
    upload_time: Option<String>,
    size: Option<u64>,
    /// A reason or whether.
    #[serde(default)]
    yanked: serde_json::Value,
    /// Hashes or whether.
    #[serde(default, alias = "dist-info-metadata")]
    core_metadata: serde_json::Value,
}

#[derive(Default, Deserialize)]
struct Hashes {
    sha256: Option<String>,
}

fn json(page: &Url, text: &[u8]) -> Result<Vec<IndexFile>, String> {
    let project: Project = serde_json::from_slice(text)
        .map_err(|error| format!("it is not a PEP 691 page: {error}"))?;
    let file = |file: ProjectFile| {
        let metadata = match &file.core_metadata {
            serde_json::Value::Bool(true) => Some(None),
            serde_json::Value::Object(hashes) => {
                let hash = hashes.get("sha256").and_then(|hash| hash.as_str());
                Some(hash.and_then(is_sha256))
            }
            _ => None,
        };
        Some(IndexFile {
            name: file.filename,
            url: page.join(&file.url).ok()?,
            sha256: file.hashes.sha256.as_deref().and_then(is_sha256),
            requires_python: file.requires_python,
            uploaded: file.upload_time,
            bytes: file.size,
            yanked: !matches!(
                file.yanked,
                serde_json::Value::Null | serde_json::Value::Bool(false)
            ),
            metadata,
        })
    };
    Ok(project.files.into_iter().filter_map(file).collect())
}

/// The anchors of a page. Whatever else is in it says nothing.
fn html(page: &Url, text: &str) -> Vec<IndexFile> {
    let mut files = Vec::new();
    let mut rest = text;
    while let Some((attributes, after)) = anchor(rest) {
        let end = after.find('<').unwrap_or(after.len());
        let name = unescaped(after[..end].trim());
        files.extend(anchored(page, name, attributes));
        rest = &after[end..];
    }
    files
}

/// The attributes of the next anchor, and what is behind them.
fn anchor(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        rest = &rest[rest.find('<')? + 1..];
        let Some(after) = rest.strip_prefix(['a', 'A']) else { continue };
        if after.starts_with(|c: char| c.is_ascii_whitespace()) {
            rest = after;
            break;
        }
    }
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (None, '>') => return Some((&rest[..at], &rest[at + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn anchored(page: &Url, name: String, attributes: &str) -> Option<IndexFile> {
    let mut url = page.join(&attribute(attributes, "href")?).ok()?;
    let hash = url.fragment().and_then(|fragment| fragment.strip_prefix("sha256="));
    let sha256 = hash.and_then(is_sha256);
    url.set_fragment(None);
    let metadata = attribute(attributes, "data-core-metadata")
        .or_else(|| attribute(attributes, "data-dist-info-metadata"));
    Some(IndexFile {
        name,
        url,
        sha256,
        requires_python: attribute(attributes, "data-requires-python"),
        uploaded: None,
        bytes: None,
        yanked: attribute(attributes, "data-yanked").is_some(),
        metadata: metadata.map(|text| text.strip_prefix("sha256=").and_then(is_sha256)),
    })
}

/// The value of an attribute; empty, if it has none.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let found = rest[..end].eq_ignore_ascii_case(name);
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                None => after.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((after, "")),
            };
        } else if end == 0 {
            // Something that is no attribute, such as a quote alone.
            rest = rest.get(1..).unwrap_or_default();
        }
        if found {
            return Some(unescaped(value));
        }
        rest = rest.trim_start();
    }
    None
}

/// Without character references, of those that pages of an index have.
fn unescaped(text: &str) -> String {
    let references = [
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        // Last, so that nothing is taken for two.
        ("&amp;", "&"),
    ];
    references.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// A SHA-256 in digits of lower case.
fn is_sha256(text: &str) -> Option<String> {
    let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_normalized_and_its_page_is_below_the_index() {
        assert_eq!(normalized("Foo._-Bar.baz"), "foo-bar-baz");
        for index in ["https://a.example/simple", "https://a.example/simple/"] {
            let page = page(&url(index), "foo-bar").unwrap();
            assert_eq!(page.as_str(), "https://a.example/simple/foo-bar/");
        }
    }

    #[test]
    fn files_are_read_from_json() {
        let hash = "AB".repeat(32);
        let text = format!(
            r#"{{"meta":{{"api-version":"1.1"}},"files":[
            {{"filename":"a-1-py3-none-any.whl","url":"../../f/a-1-py3-none-any.whl","size":7,
              "hashes":{{"sha256":"{hash}"}},"requires-python":">=3.9","yanked":false,
              "upload-time":"2026-01-02T03:04:05Z","core-metadata":{{"sha256":"{hash}"}}}},
            {{"filename":"a-2.tar.gz","url":"https://b.example/a","hashes":{{}},"yanked":"bad"}}]}}"#
        );
        let page = url("https://a.example/simple/a/");
        let files =
            files(&page, "application/vnd.pypi.simple.v1+json; x=y", text.as_bytes()).unwrap();
        assert_eq!(files[0].url.as_str(), "https://a.example/f/a-1-py3-none-any.whl");
        assert_eq!(files[0].sha256, Some("ab".repeat(32)));
        assert_eq!(files[0].metadata, Some(Some("ab".repeat(32))));
        assert_eq!((files[0].bytes, files[0].yanked), (Some(7), false));
        assert_eq!((files[1].sha256.as_ref(), files[1].yanked), (None, true));
    }

    #[test]
    fn files_are_read_from_html() {
        let hash = "cd".repeat(32);
        let text = format!(
            "<!doctype html><body><h1>Links for a</h1>\n<abbr>no</abbr>\
             <a href=\"../f/a-1-py3-none-any.whl#sha256={hash}\" data-requires-python='&gt;=3.9' \
             data-core-metadata=\"sha256={hash}\">a-1-py3-none-any.whl</a><br>\n\
             <A data-yanked HREF=x.whl?a&amp;b >x.whl</A><a>nothing</a>"
        );
        let files =
            files(&url("http://a.example/simple/a/"), "text/html", text.as_bytes()).unwrap();
        assert_eq!(files.len(), 2, "{files:?}");
        assert_eq!(files[0].name, "a-1-py3-none-any.whl");
        assert_eq!(files[0].url.as_str(), "http://a.example/simple/f/a-1-py3-none-any.whl");
        assert_eq!(files[0].sha256, Some(hash.clone()));
        assert_eq!(files[0].requires_python.as_deref(), Some(">=3.9"));
        assert_eq!(files[0].metadata, Some(Some(hash)));
        assert_eq!(files[1].url.as_str(), "http://a.example/simple/a/x.whl?a&b");
        assert!(files[1].yanked);
    }

    #[test]
    fn a_page_that_is_broken_is_an_error_or_says_nothing() {
        let page = url("http://a.example/simple/a/");
        assert!(files(&page, "application/json", b"[]").is_err());
        for text in ["<a", "<a href", "<a href=\"x", "<a =\"x\">y", "<a ' >", "</a>", ""] {
            assert_eq!(files(&page, "text/html", text.as_bytes()), Ok(Vec::new()), "{text}");
        }
    }
}
