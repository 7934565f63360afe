//! Where an archive was found.

use url::Url;

/// Where an archive is, and what whoever has it is told.
pub(super) struct Located {
    pub url: Url,
    /// The value of the header.
    pub authorization: Option<String>,
}

impl From<Url> for Located {
    fn from(url: Url) -> Self {
        Self { url, authorization: None }
    }
}
