//! Who a request over HTTP comes from: bearer tokens of a file, and JSON Web Tokens of
//! an authorization server (MCP specification, authorization; RFC 6750).

mod jwt;
mod keys;
mod metadata;
mod tokens;

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use thiserror::Error;
use tokio::time::Instant;

use self::jwt::OAuth;
use self::tokens::{PREFIX, Tokens};
pub use self::tokens::{TokenEntry, TokenFile, TokenFileError};
use crate::HttpConfig;
use crate::config::environment::{OAUTH_JWKS, TOKENS};

/// Bytes of a presented token. JSON Web Tokens with many groups have 2 to 4 KiB; more
/// than 8 KiB of one header is refused by common proxies too.
const MAX_TOKEN: usize = 8 << 10;

/// Who a request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// Nobody authenticates.
    Anonymous,
    /// The name of a token of the file.
    Token(String),
    /// The `sub` of a JSON Web Token.
    Subject(String),
}

/// What lets somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Nobody authenticates.
    None,
    /// The SHA-256 of a token. Another token of the same name may be another's.
    Token([u8; 32]),
    /// A signature of the authorization server.
    Signature,
}

/// Why a request is refused. The texts have nothing of the request in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AuthError {
    #[error(
        "This server requires a token: send the header \"Authorization: Bearer TOKEN\". Whoever \
         runs \
         the server has tokens"
    )]
    Missing,
    #[error("The Authorization header must read \"Bearer TOKEN\"")]
    OtherScheme,
    #[error("The request cannot be authenticated: {0}")]
    Malformed(&'static str),
    #[error(
        "The token is not known: it has been removed, or is another server's. Ask whoever runs \
         the server for one"
    )]
    UnknownToken,
    #[error("The token is not a readable JSON Web Token: get one from the authorization server")]
    Unreadable,
    #[error("The token is of a kind that is not accepted: {0}")]
    Kind(&'static str),
    #[error(
        "The token is signed with an algorithm that is not accepted: RS256, RS384, RS512, PS256, \
         PS384, PS512, ES256, ES384 and EdDSA are, each with a key that is meant for it"
    )]
    Algorithm,
    #[error(
        "The token is signed with an unknown key: get a new one from the authorization server, \
         and wait half a minute if its keys have just changed"
    )]
    UnknownKey,
    #[error("The token does not say which key has signed it (kid), and several could have")]
    NoKeyId,
    #[error("The signature of the token is wrong: send it as the authorization server gave it")]
    Signature,
    #[error("The token has expired: get a new one from the authorization server")]
    Expired,
    #[error("The token is not valid yet (nbf): wait, or check the clocks")]
    NotYetValid,
    #[error("The token is from another issuer: get one from the authorization server of this one")]
    Issuer,
    #[error("The token is for another audience: ask for one whose resource is this server")]
    Audience,
    #[error("The token has no usable claim \"{0}\"")]
    Claim(&'static str),
    #[error("The token lacks a scope that is needed here: ask for one with all of them")]
    Scope,
    #[error("The keys that tokens are checked with are not available: try again in a few seconds")]
    KeysUnavailable,
}

impl AuthError {
    /// The status of the answer (RFC 6750, section 3.1).
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Scope => StatusCode::FORBIDDEN,
            Self::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// One word for metrics and the audit log.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::OtherScheme => "other_scheme",
            Self::Malformed(_) => "malformed",
            Self::UnknownToken => "unknown_token",
            Self::Unreadable => "unreadable",
            Self::Kind(_) => "kind",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::NoKeyId => "no_key_id",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claim(_) => "claim",
            Self::Scope => "scope",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }

    /// When another try makes sense without another token.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::KeysUnavailable).then_some(keys::RETRY_EVERY)
    }

    /// The `error` of RFC 6750. A request without credentials gets none.
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::OtherScheme | Self::KeysUnavailable => None,
            Self::Malformed(_) => Some("invalid_request"),
            Self::Scope => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        }
    }
}

/// Authentication that cannot be set up.
#[derive(Debug, Error)]
pub(crate) enum AuthConfigError {
    #[error("{variable}: {problem}, for example {variable}={example}")]
    Setting { variable: &'static str, problem: String, example: &'static str },
    #[error("{TOKENS}: {0}")]
    Tokens(#[from] TokenFileError),
    #[error("{OAUTH_JWKS}: {0}")]
    Keys(String),
}

/// Checks the credentials of requests.
#[derive(Debug)]
pub(crate) struct Authenticator {
    tokens: Option<Tokens>,
    oauth: Option<OAuth>,
}

impl Authenticator {
    /// Reads the token file and the keys. Keys at a URL that cannot be had now are
    /// tried again later.
    ///
    /// # Errors
    /// A setting, or a file, cannot be used.
    pub(crate) async fn new(http: &HttpConfig) -> Result<Self, AuthConfigError> {
        Self::build(http, None).await
    }

    /// As [`Self::new`]. Keys of the same URL are kept if they cannot be had now.
    ///
    /// # Errors
    /// A setting, or a file, cannot be used; this one goes on.
    pub(crate) async fn renewed(&self, http: &HttpConfig) -> Result<Self, AuthConfigError> {
        Self::build(http, self.oauth.as_ref()).await
    }

    async fn build(http: &HttpConfig, before: Option<&OAuth>) -> Result<Self, AuthConfigError> {
        let tokens = http.tokens.as_deref().map(Tokens::read).transpose()?;
        Ok(Self { tokens, oauth: OAuth::new(http, before).await? })
    }

    /// Whether nothing is configured, so that everybody is anonymous.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_none() && self.oauth.is_none()
    }

    /// Who sends these headers. Tokens in the address are not accepted: addresses get
    /// into logs (RFC 6750, section 5.3).
    ///
    /// And until when that holds, if it does not for ever.
    ///
    /// # Errors
    /// They are not to be served.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> Result<(Identity, Option<Instant>), AuthError> {
        if self.is_open() {
            return Ok((Identity::Anonymous, None));
        }
        let token = bearer(headers)?;
        let tokens = self.tokens.as_ref();
        match (tokens, &self.oauth) {
            (Some(tokens), Some(_)) if token.starts_with(PREFIX) => tokens.identity(token),
            (_, Some(oauth)) => {
                let (subject, left) = oauth.subject(token).await?;
                return Ok((Identity::Subject(subject), Instant::now().checked_add(left)));
            }
            (Some(tokens), None) => tokens.identity(token),
            (None, None) => Ok(Identity::Anonymous),
        }
        .map(|identity| (identity, None))
    }

    /// What lets a caller in that was let in before. None if nothing does any more.
    pub(crate) fn credential(&self, identity: &Identity) -> Option<Credential> {
        match identity {
            Identity::Anonymous => self.is_open().then_some(Credential::None),
            Identity::Token(name) => self.tokens.as_ref()?.hash_of(name).map(Credential::Token),
            Identity::Subject(_) => self.oauth.is_some().then_some(Credential::Signature),
        }
    }

    /// Whether there is a token of this name.
    pub(crate) fn has_token(&self, name: &str) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.hash_of(name).is_some())
    }

    /// The metadata of RFC 9728, if OAuth is configured.
    pub(crate) fn metadata(&self) -> Option<serde_json::Value> {
        self.oauth.as_ref().map(OAuth::metadata)
    }

    /// The value of `WWW-Authenticate` for a failure.
    pub(crate) fn challenge(&self, error: &AuthError) -> HeaderValue {
        metadata::challenge(error, self.oauth.as_ref().map(OAuth::to_ask))
    }
}

/// The token of the only Authorization header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Malformed("there is more than one Authorization header"));
    }
    let value = value
        .to_str()
        .map_err(|_| AuthError::Malformed("the Authorization header is not ASCII"))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::OtherScheme);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() {
        return Err(AuthError::Malformed("there is no token after the word Bearer"));
    }
    if token.len() > MAX_TOKEN {
        return Err(AuthError::Malformed("the token is longer than 8192 bytes"));
    }
    if !token.bytes().all(is_of_token) {
        return Err(AuthError::Malformed(
            "the token contains a character that is not allowed in tokens",
        ));
    }
    Ok(token)
}

/// RFC 6750, section 2.1: `b64token`.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::jwt::tests::{claims, oauth, signed};
    use super::tokens::tests::Directory;
    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    async fn sent(authenticator: &Authenticator, token: &str) -> Result<Identity, AuthError> {
        let headers = headers(&[format!("Bearer {token}").as_bytes()]);
        authenticator.authenticate(&headers).await.map(|(identity, _)| identity)
    }

    /// One that knows a token of alice.
    fn tokens_of_alice() -> (Option<Tokens>, String) {
        let directory = Directory::new();
        let file = directory.file();
        let token = file.add("alice").unwrap();
        (Some(Tokens::read(file.path()).unwrap()), token)
    }

    #[tokio::test]
    async fn without_settings_everybody_is_anonymous() {
        let open = Authenticator::new(&HttpConfig::default()).await.unwrap();
        assert!(open.is_open());
        assert_eq!(sent(&open, "whatever").await, Ok(Identity::Anonymous));
        assert_eq!(open.authenticate(&HeaderMap::new()).await, Ok((Identity::Anonymous, None)));
        assert_eq!(open.metadata(), None);
    }

    #[tokio::test]
    async fn a_token_of_the_file_is_its_name() {
        let (tokens, token) = tokens_of_alice();
        let authenticator = Authenticator { tokens, oauth: None };
        assert!(!authenticator.is_open());
        let alice = Ok(Identity::Token("alice".to_owned()));
        assert_eq!(sent(&authenticator, &token).await, alice);
        assert_eq!(sent(&authenticator, "mcpc_other").await, Err(AuthError::UnknownToken));
        assert_eq!(sent(&authenticator, &signed(&claims())).await, Err(AuthError::UnknownToken));
        let missing = authenticator.authenticate(&HeaderMap::new()).await;
        assert_eq!(missing, Err(AuthError::Missing));
    }

    #[tokio::test]
    async fn tokens_of_both_kinds_have_their_own_names() {
        let (tokens, token) = tokens_of_alice();
        let authenticator = Authenticator { tokens, oauth: Some(oauth(&[])) };
        let alice = Ok(Identity::Token("alice".to_owned()));
        assert_eq!(sent(&authenticator, &token).await, alice);
        let subject = Ok(Identity::Subject("alice".to_owned()));
        assert_eq!(sent(&authenticator, &signed(&claims())).await, subject);
        let marked = format!("mcpc_{}", signed(&claims()));
        assert_eq!(sent(&authenticator, &marked).await, Err(AuthError::UnknownToken));
        assert_eq!(sent(&authenticator, &token[5..]).await, Err(AuthError::Unreadable));
    }

    #[tokio::test]
    async fn files_that_cannot_be_used_are_errors() {
        let directory = Directory::new();
        let path = directory.file().path().to_owned();
        let http = HttpConfig { tokens: Some(path.clone()), ..HttpConfig::default() };
        let shown = path.display();
        assert_eq!(
            Authenticator::new(&http).await.unwrap_err().to_string(),
            format!(
                "MCP_CONDUCTOR_TOKENS: {shown}: there is no such file; `mcp-conductor token add \
                 NAME --tokens {shown}` creates one"
            )
        );
        let token = directory.file().add("alice").unwrap();
        let first = Authenticator::new(&http).await.unwrap();
        directory.file().remove("alice").unwrap();
        let second = first.renewed(&http).await.unwrap();
        assert!(sent(&first, &token).await.is_ok());
        assert_eq!(sent(&second, &token).await, Err(AuthError::UnknownToken));
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for value in ["Bearer mcpc_A-b_c", "bearer mcpc_A-b_c", "BEARER   mcpc_A-b_c  "] {
            assert_eq!(bearer(&headers(&[value.as_bytes()])), Ok("mcpc_A-b_c"), "{value}");
        }
        for value in ["", "Basic YTpi", "mcpc_A", "Bearermcpc_A", "Bearer\tmcpc_A", "DPoP a.b.c"] {
            let answer = bearer(&headers(&[value.as_bytes()])).map(str::to_owned);
            assert_eq!(answer, Err(AuthError::OtherScheme), "{value}");
        }
    }

    #[test]
    fn a_token_has_the_characters_of_one() {
        let longest = format!("Bearer {}", "a".repeat(8192));
        assert!(bearer(&headers(&[longest.as_bytes()])).is_ok());
        let longer = format!("Bearer {}", "a".repeat(8193));
        let long = "the token is longer than 8192 bytes";
        let none = "there is no token after the word Bearer";
        let odd = "the token contains a character that is not allowed in tokens";
        let ascii = "the Authorization header is not ASCII";
        let cases: [(&[u8], &'static str); 9] = [
            (longer.as_bytes(), long),
            (b"Bearer", none),
            (b"Bearer ", none),
            (b"Bearer a b", odd),
            (b"Bearer a,b", odd),
            (b"Bearer \"a\"", odd),
            (b"Bearer a\tb", odd),
            (b"Bearer \xff\xfe", ascii),
            ("Bearer ä".as_bytes(), ascii),
        ];
        for (value, problem) in cases {
            let answer = bearer(&headers(&[value])).map(str::to_owned);
            assert_eq!(answer, Err(AuthError::Malformed(problem)));
        }
    }

    #[test]
    fn one_header_is_sent() {
        let problem = AuthError::Malformed("there is more than one Authorization header");
        assert_eq!(bearer(&headers(&[b"Bearer a", b"Bearer a"])), Err(problem));
        assert_eq!(bearer(&headers(&[b"Basic a", b"Bearer a"])), Err(problem));
        assert_eq!(bearer(&headers(&[])), Err(AuthError::Missing));
    }

    #[tokio::test]
    async fn no_header_makes_it_panic() {
        let (tokens, _) = tokens_of_alice();
        let authenticator = Authenticator { tokens, oauth: Some(oauth(&["mcp:run"])) };
        let pieces: [&[u8]; 12] = [
            b"",
            b"Bearer",
            b" ",
            b".",
            b"mcpc_",
            b"=",
            b"eyJhbGciOiJub25lIn0",
            b"\xff",
            b"{}",
            b"\t",
            b"AAAA",
            b"\xc3\xa4",
        ];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    for start in [&b"Bearer "[..], b""] {
                        let value = [start, first, second, third].concat();
                        let headers = headers(&[value.as_slice()]);
                        let error = authenticator.authenticate(&headers).await.unwrap_err();
                        let challenge = authenticator.challenge(&error);
                        assert!(challenge.as_bytes().starts_with(b"Bearer realm="));
                    }
                }
            }
        }
    }

    #[test]
    fn refusals_have_the_status_of_their_kind() {
        let status = |error: AuthError| (error.status().as_u16(), error.code(), error.reason());
        assert_eq!(status(AuthError::Missing), (401, None, "missing"));
        assert_eq!(status(AuthError::OtherScheme), (401, None, "other_scheme"));
        assert_eq!(status(AuthError::Malformed("x")), (400, Some("invalid_request"), "malformed"));
        assert_eq!(status(AuthError::Expired), (401, Some("invalid_token"), "expired"));
        assert_eq!(status(AuthError::Scope), (403, Some("insufficient_scope"), "scope"));
        assert_eq!(status(AuthError::KeysUnavailable), (503, None, "keys_unavailable"));
        assert_eq!(AuthError::KeysUnavailable.retry_after(), Some(Duration::from_secs(5)));
        assert_eq!(AuthError::Expired.retry_after(), None);
    }

    #[tokio::test]
    async fn the_metadata_is_for_clients_of_oauth() {
        let authenticator = Authenticator { tokens: None, oauth: Some(oauth(&[])) };
        let metadata = authenticator.metadata().unwrap();
        assert_eq!(metadata["resource"], json!("https://conductor.example.com/mcp"));
        let (tokens, _) = tokens_of_alice();
        assert_eq!(Authenticator { tokens, oauth: None }.metadata(), None);
    }
}
