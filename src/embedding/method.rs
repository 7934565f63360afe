//! How tools are found: what `MCP_CONDUCTOR_SEARCH` says.

use std::path::PathBuf;

use url::{Host, Url};

/// What begins the directory of a model.
const DIRECTORY: &str = "model:";

/// Bytes of a setting, as of other URLs.
const MAX_TEXT: usize = 2048;

const WORDS: &str = "not lexical, table, model, model:DIRECTORY with an absolute path, or an http \
                     or https URL";

/// What ranks tools for a query, beside their words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// Nothing.
    Lexical,
    /// The table of vectors that is built in.
    Table,
    /// all-MiniLM-L6-v2, as it is installed.
    Installed,
    /// A model of its family, in a directory.
    Directory(PathBuf),
    /// An embeddings endpoint with OpenAI's interface.
    Endpoint(Url),
}

impl Method {
    /// # Errors
    /// What it is not.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            _ if text.len() > MAX_TEXT => Err(WORDS.to_owned()),
            "lexical" => Ok(Self::Lexical),
            "table" => Ok(Self::Table),
            "model" => Ok(Self::Installed),
            _ => match text.strip_prefix(DIRECTORY) {
                Some(path) if path.starts_with('/') => Ok(Self::Directory(path.into())),
                Some(_) => Err(WORDS.to_owned()),
                None => endpoint(text).map(Self::Endpoint),
            },
        }
    }
}

fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| WORDS.to_owned())?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(WORDS.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("a URL with a user, a password or a query: a key is set with \
                    MCP_CONDUCTOR_SEARCH_KEY=env:NAME"
            .to_owned());
    }
    Ok(url)
}

/// Whether what is sent to this URL cannot be read on its way.
pub(crate) fn is_private(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || is_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_directories_and_urls_are_methods() {
        for (text, expected) in [
            ("lexical", Method::Lexical),
            ("table", Method::Table),
            ("model", Method::Installed),
            ("model:/srv/model", Method::Directory("/srv/model".into())),
        ] {
            assert_eq!(Method::parse(text), Ok(expected), "{text}");
        }
        let url = "https://api.example.com/v1/embeddings";
        assert_eq!(Method::parse(url), Ok(Method::Endpoint(Url::parse(url).unwrap())));
    }

    #[test]
    fn what_is_none_of_these_is_not_repeated() {
        for text in ["", "semantic", "model:", "model:dir", "ftp://a/", "https://u:secret@a/"] {
            let problem = Method::parse(text).unwrap_err();
            assert!(!problem.contains("secret"), "{text}: {problem}");
        }
    }

    #[test]
    fn plain_http_is_private_on_this_machine_only() {
        for (text, expected) in [
            ("https://a.example/", true),
            ("http://127.0.0.1:8/", true),
            ("http://[::1]/", true),
            ("http://a.example/", false),
        ] {
            assert_eq!(is_private(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }
}
