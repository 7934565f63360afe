//! What went wrong at a server, in words that have nothing secret in them.

use super::error::shown;

/// What happened, without the types that it happened in.
pub(super) fn innermost(
    error: &rmcp::transport::DynamicTransportError,
    url: &Option<(String, String)>,
) -> String {
    with_causes(&*error.error, url)
}

/// An error with everything that led to it.
pub(super) fn with_causes(
    error: &(dyn std::error::Error + 'static),
    url: &Option<(String, String)>,
) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    shown(&without(url, text))
}

/// An address, which can have secrets in it, and what is shown of it.
pub(super) fn shown_url(url: &url::Url) -> Option<(String, String)> {
    Some((url.to_string(), url.origin().ascii_serialization()))
}

/// A text in which an address is only shown.
pub(super) fn without(url: &Option<(String, String)>, text: String) -> String {
    match url {
        Some((url, shown)) => text.replace(url, shown),
        None => text,
    }
}
