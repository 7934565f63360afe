//! What a client without a token is told: the metadata of a protected resource
//! (RFC 9728) and the challenge of a refusal (RFC 6750, section 3).

use http::HeaderValue;
use serde_json::{Value, json};
use url::Url;

use super::AuthError;

/// RFC 9728, section 3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// This server as authorization servers know it.
#[derive(Debug)]
pub(super) struct Resource {
    /// As configured: clients compare it with the address that they use.
    identifier: String,
    /// Where its metadata is.
    metadata: String,
}

impl Resource {
    /// # Errors
    /// Why it is no address of a resource.
    pub(super) fn new(public_url: &str) -> Result<Self, String> {
        let url = Url::parse(public_url).map_err(|error| format!("is not a URL ({error})"))?;
        if !super::keys::is_safe(&url) {
            return Err("must be an https URL, or an http URL on loopback".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end with the path".to_owned());
        }
        // The well-known part goes between host and path (RFC 9728, section 3.1).
        let path = url.path().trim_end_matches('/');
        let metadata = format!("{}{WELL_KNOWN}{path}", url.origin().ascii_serialization());
        Ok(Self { identifier: public_url.to_owned(), metadata })
    }

    pub(super) fn document(&self, issuer: &str, scopes: &[String]) -> Value {
        json!({
            "resource": self.identifier,
            "authorization_servers": [issuer],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": "MCP Conductor",
        })
    }
}

/// With what to ask an authorization server for, where there is one: scopes, and the
/// resource.
pub(super) fn challenge(error: &AuthError, ask: Option<(&[String], &Resource)>) -> HeaderValue {
    let mut text = "Bearer realm=\"MCP Conductor\"".to_owned();
    let mut add = |name: &str, value: &str| {
        text.push_str(&format!(", {name}=\"{}\"", quotable(value)));
    };
    if let Some(code) = error.code() {
        add("error", code);
        add("error_description", &error.to_string());
    }
    if let Some((scopes, resource)) = ask {
        // What to ask the authorization server for, at the first login too (MCP
        // specification 2025-11-25, authorization: scope selection).
        if !scopes.is_empty() {
            add("scope", &scopes.join(" "));
        }
        add("resource_metadata", &resource.metadata);
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
}

/// The characters of a description in RFC 6750, section 3: no quotation mark, no
/// backslash, nothing beyond ASCII.
fn quotable(text: &str) -> String {
    let plain = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::auth::jwt::OAuth;
    use crate::server::auth::jwt::tests::{ISSUER_URL, oauth};

    fn text(error: AuthError, oauth: Option<&OAuth>) -> String {
        challenge(&error, oauth.map(OAuth::to_ask)).to_str().unwrap().to_owned()
    }

    #[test]
    fn the_metadata_names_the_resource_and_where_to_log_in() {
        assert_eq!(
            oauth(&["mcp:run"]).metadata(),
            json!({
                "resource": "https://conductor.example.com/mcp",
                "authorization_servers": [ISSUER_URL],
                "scopes_supported": ["mcp:run"],
                "bearer_methods_supported": ["header"],
                "resource_name": "MCP Conductor",
            })
        );
    }

    #[test]
    fn the_metadata_lies_before_the_path() {
        let metadata = |url| Resource::new(url).map(|resource| resource.metadata);
        let found = |text: &str| Ok(text.to_owned());
        assert_eq!(
            metadata("https://a.example:8443/x/mcp"),
            found("https://a.example:8443/.well-known/oauth-protected-resource/x/mcp")
        );
        assert_eq!(
            metadata("https://a.example"),
            found("https://a.example/.well-known/oauth-protected-resource")
        );
        assert_eq!(
            metadata("http://localhost:3001/mcp"),
            found("http://localhost:3001/.well-known/oauth-protected-resource/mcp")
        );
        let refused = |text: &str| Err(text.to_owned());
        assert_eq!(
            metadata("http://a.example/mcp"),
            refused("must be an https URL, or an http URL on loopback")
        );
        assert_eq!(metadata("https://u:p@a.example/mcp"), refused("must not contain a user"));
        assert_eq!(metadata("https://a.example/mcp?x"), refused("must end with the path"));
        assert_eq!(metadata("https://a.example/mcp#x"), refused("must end with the path"));
        assert_eq!(
            metadata("a.example/mcp"),
            refused("is not a URL (relative URL without a base)")
        );
    }

    #[test]
    fn a_challenge_without_credentials_has_no_error() {
        assert_eq!(text(AuthError::Missing, None), "Bearer realm=\"MCP Conductor\"");
        assert_eq!(
            text(AuthError::OtherScheme, Some(&oauth(&[]))),
            "Bearer realm=\"MCP Conductor\", \
             resource_metadata=\"https://conductor.example.com/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn a_challenge_says_what_is_wrong() {
        assert_eq!(
            text(AuthError::Malformed("there is more than one Authorization header"), None),
            "Bearer realm=\"MCP Conductor\", error=\"invalid_request\", \
             error_description=\"The request cannot be authenticated: there is more than one \
             Authorization header\""
        );
        assert_eq!(
            text(AuthError::Expired, Some(&oauth(&[]))),
            "Bearer realm=\"MCP Conductor\", error=\"invalid_token\", \
             error_description=\"The token has expired: get a new one from the authorization \
             server\", \
             resource_metadata=\"https://conductor.example.com/.well-known/oauth-protected-resource/mcp\""
        );
        assert_eq!(
            text(AuthError::Scope, Some(&oauth(&["mcp:run", "mcp:read"]))),
            "Bearer realm=\"MCP Conductor\", error=\"insufficient_scope\", \
             error_description=\"The token lacks a scope that is needed here: ask for one with \
             all of them\", scope=\"mcp:run mcp:read\", \
             resource_metadata=\"https://conductor.example.com/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn a_description_does_not_end_its_quotation() {
        assert_eq!(quotable("a \"b\" \\ ä\r\n~"), "a 'b' ' ???~");
        assert!(text(AuthError::Claim("sub"), None).contains("no usable claim 'sub'\""));
    }
}
