//! JSON Web Tokens of an authorization server (RFC 7519), checked as RFC 8725 advises:
//! the algorithms and keys are chosen here, not by the token.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use super::keys::{ALGORITHMS, Keys};
use super::metadata::Resource;
use super::{AuthConfigError, AuthError};
use crate::HttpConfig;
use crate::config::environment::{
    OAUTH_AUDIENCE as AUDIENCE, OAUTH_ISSUER as ISSUER, OAUTH_JWKS as JWKS, OAUTH_SCOPES as SCOPES,
    PUBLIC_URL,
};

/// Seconds that clocks may differ.
const LEEWAY: u64 = 30;

/// Seconds that are for ever: ten years.
const LONGEST_LEFT: f64 = 315_360_000.0;

/// Characters of a subject. RFC 7519 has no limit; OpenID Connect has 255.
const MAX_SUBJECT: usize = 256;

/// Values of `typ`, in lower case: RFC 7519, section 5.1, and RFC 9068, section 4.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

const ISSUER_EXAMPLE: &str = "https://auth.example.com";
const JWKS_EXAMPLE: &str = "https://auth.example.com/.well-known/jwks.json";
const PUBLIC_URL_EXAMPLE: &str = "https://conductor.example.com/mcp";

/// An authorization server whose tokens are accepted.
#[derive(Debug)]
pub(super) struct OAuth {
    scopes: Vec<String>,
    resource: Resource,
    issuer: String,
    /// All but the algorithm, which is the key's.
    validation: Validation,
    keys: Keys,
}

impl OAuth {
    /// None, if nothing of it is configured.
    pub(super) async fn new(
        http: &HttpConfig,
        before: Option<&Self>,
    ) -> Result<Option<Self>, AuthConfigError> {
        let Some(settings) = Settings::of(http)? else { return Ok(None) };
        let keys = Keys::new(settings.jwks, before.map(|oauth| &oauth.keys)).await?;
        Ok(Some(Self {
            scopes: http.oauth_scopes.clone(),
            validation: validation(settings.issuer, settings.audience),
            issuer: settings.issuer.to_owned(),
            resource: settings.resource,
            keys,
        }))
    }

    pub(super) fn metadata(&self) -> Value {
        self.resource.document(&self.issuer, &self.scopes)
    }

    /// What to ask the authorization server for: scopes, of a resource.
    pub(super) fn to_ask(&self) -> (&[String], &Resource) {
        (&self.scopes, &self.resource)
    }

    /// The subject of a token that is to be served, and for how long it is.
    pub(super) async fn subject(&self, token: &str) -> Result<(String, Duration), AuthError> {
        let header = Header::read(token)?;
        let key = self.keys.find(header.algorithm, header.key.as_deref()).await?;
        let claims = self.claims(token, header.algorithm, &key)?;
        // The library would take an array with the issuer in it.
        if claims.iss.as_ref().and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(AuthError::Issuer);
        }
        let subject = claims.subject()?.to_owned();
        if !claims.has_scopes(&self.scopes) {
            return Err(AuthError::Scope);
        }
        Ok((subject, claims.left(SystemTime::now())))
    }

    fn claims(
        &self,
        token: &str,
        algorithm: Algorithm,
        key: &DecodingKey,
    ) -> Result<Claims, AuthError> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![algorithm];
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
        decoded.map(|decoded| decoded.claims).map_err(|error| refused(&error))
    }
}

fn validation(issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(ALGORITHMS[0]);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation
}

fn refused(error: &Error) -> AuthError {
    match error.kind() {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::ImmatureSignature => AuthError::NotYetValid,
        ErrorKind::InvalidIssuer => AuthError::Issuer,
        ErrorKind::InvalidAudience => AuthError::Audience,
        ErrorKind::InvalidSignature => AuthError::Signature,
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
            let claims = ["exp", "nbf", "iss", "aud", "sub"];
            let claim = claims.into_iter().find(|claim| claim == name);
            claim.map_or(AuthError::Unreadable, AuthError::Claim)
        }
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidKeyFormat
        | ErrorKind::InvalidEcdsaKey
        | ErrorKind::InvalidEddsaKey
        | ErrorKind::InvalidRsaKey(_) => AuthError::Algorithm,
        _ => AuthError::Unreadable,
    }
}

/// The settings, complete.
struct Settings<'a> {
    issuer: &'a str,
    audience: &'a str,
    jwks: &'a str,
    resource: Resource,
}

impl<'a> Settings<'a> {
    fn of(http: &'a HttpConfig) -> Result<Option<Self>, AuthConfigError> {
        if !is_begun(http) {
            return Ok(None);
        }
        let issuer = needed(http.oauth_issuer.as_deref(), ISSUER, ISSUER_EXAMPLE)?;
        let is_url = Url::parse(issuer).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
        if !is_url {
            return Err(setting(ISSUER, "is not a URL", ISSUER_EXAMPLE));
        }
        let jwks = needed(http.oauth_jwks.as_deref(), JWKS, JWKS_EXAMPLE)?;
        let public_url = needed(http.public_url.as_deref(), PUBLIC_URL, PUBLIC_URL_EXAMPLE)?;
        let resource = Resource::new(public_url)
            .map_err(|problem| setting(PUBLIC_URL, &problem, PUBLIC_URL_EXAMPLE))?;
        let audience = http.oauth_audience.as_deref().unwrap_or(public_url);
        if audience.is_empty() {
            return Err(setting(AUDIENCE, "is empty", PUBLIC_URL_EXAMPLE));
        }
        if !http.oauth_scopes.iter().all(|scope| is_scope(scope)) {
            return Err(setting(
                SCOPES,
                "contains a character that is not allowed in scopes",
                "mcp:run",
            ));
        }
        Ok(Some(Self { issuer, audience, jwks, resource }))
    }
}

fn is_begun(http: &HttpConfig) -> bool {
    http.oauth_issuer.is_some()
        || http.oauth_jwks.is_some()
        || http.oauth_audience.is_some()
        || !http.oauth_scopes.is_empty()
}

fn needed<'a>(
    value: Option<&'a str>,
    variable: &'static str,
    example: &'static str,
) -> Result<&'a str, AuthConfigError> {
    let value = value.filter(|value| !value.is_empty());
    value.ok_or_else(|| setting(variable, "is required where OAuth tokens are accepted", example))
}

fn setting(variable: &'static str, problem: &str, example: &'static str) -> AuthConfigError {
    AuthConfigError::Setting { variable, problem: problem.to_owned(), example }
}

/// RFC 6749, section 3.3: `scope-token`.
fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// The header of a token that may be checked.
struct Header {
    algorithm: Algorithm,
    key: Option<String>,
}

/// A member that is there, whatever its value: `"crit": null` is none that RFC 7515
/// (section 4.1.11) knows.
fn is_there<'de, D: Deserializer<'de>>(member: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(member).map(|_| true)
}

impl Header {
    fn read(token: &str) -> Result<Self, AuthError> {
        /// Keys that a token brings, or names the place of, are not read: anybody can
        /// make one.
        #[derive(Deserialize)]
        struct Fields {
            alg: String,
            kid: Option<String>,
            typ: Option<String>,
            #[serde(default, deserialize_with = "is_there")]
            crit: bool,
        }
        let mut parts = token.split('.');
        let (Some(head), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AuthError::Unreadable);
        };
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| AuthError::Unreadable)?;
        let fields: Fields = serde_json::from_slice(&head).map_err(|_| AuthError::Unreadable)?;
        if fields.crit {
            return Err(AuthError::Kind("it has critical extensions (crit)"));
        }
        if fields.typ.is_some_and(|typ| !TYPES.contains(&typ.to_ascii_lowercase().as_str())) {
            return Err(AuthError::Kind("its typ is not JWT or at+jwt"));
        }
        let algorithm = Algorithm::from_str(&fields.alg).map_err(|_| AuthError::Algorithm)?;
        if !ALGORITHMS.contains(&algorithm) {
            return Err(AuthError::Algorithm);
        }
        Ok(Self { algorithm, key: fields.kid })
    }
}

/// What is read of the claims besides what the library checks.
#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    sub: Option<Value>,
    exp: Option<Value>,
    /// RFC 9068, section 2.2.3: words in a text.
    scope: Option<Value>,
    /// As some authorization servers write it: a text or a list.
    scp: Option<Value>,
}

impl Claims {
    fn subject(&self) -> Result<&str, AuthError> {
        let subject = self.sub.as_ref().and_then(Value::as_str).unwrap_or_default();
        let length = subject.chars().count();
        if !(1..=MAX_SUBJECT).contains(&length) || subject.chars().any(char::is_control) {
            return Err(AuthError::Claim("sub"));
        }
        Ok(subject)
    }

    /// Until it expires for every clock that may be right.
    fn left(&self, now: SystemTime) -> Duration {
        // Seconds with a fraction, maybe (RFC 7519, section 2: NumericDate).
        let expires = self.exp.as_ref().and_then(Value::as_f64).unwrap_or_default();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let left = (expires + LEEWAY as f64 - now).clamp(0.0, LONGEST_LEFT);
        Duration::try_from_secs_f64(left).unwrap_or_default()
    }

    fn has_scopes(&self, needed: &[String]) -> bool {
        let mut given = words(&self.scope);
        given.extend(words(&self.scp));
        needed.iter().all(|scope| given.contains(&scope.as_str()))
    }
}

fn words(value: &Option<Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use base64::engine::general_purpose::STANDARD;
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{EncodingKey, Header as JoseHeader, get_current_timestamp};
    use serde_json::json;

    use super::*;
    use crate::server::auth::keys::KeySet;

    // Private keys for these tests only, made by openssl for them. Nothing else has
    // ever trusted them.
    /// P-256.
    const EC_A: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYVRCVbOLpQlbhtO1aqRr8MT8RnVd/+7NrKf75T5M\
        pUahRANCAAQ+dXDFiguNz3mxCFFphVVED8nrWx7N3wje7wE3Tqzaet9zANsOE8NaAQfJUfnRoXxgRAxAiEctypTX\
        3/o2a1Ag";
    /// P-256, another.
    const EC_B: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjlUmB+iLeT0FbyPIPxIq2PArmfiTp5KWGygL2qW+\
        LEehRANCAARz3QWFQK2jezU0AWtdk7FCTmLzf6RdqibN7OXiI+orXnaGsl/GbNevF8+IxT7o1Fx/6jdzYAE1O/h4\
        LiCxLI4/";
    /// P-384.
    const EC_384: &str = "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDmn8w3sPGGpHfVF+vgwy+WZsiO+QGtOIJ8GGjFAo5d\
        FfEcANuJTKJkuComkaPQ0TihZANiAARgy7UUmbm1Z7hlIGsUCWZpJ4C/z4Y7V9JTRevjG22BC5GtQc7OjQ7m8YOM\
        P3X38ziKpk/Dp4ROK0YEeigWcgzNwXUzYjjgPicExtU3JHplcMdFkDTxhwW2Mfh+oX9+6w8=";
    /// Ed25519.
    const ED: &str = "MC4CAQAwBQYDK2VwBCIEIG8PnK7i32VCAsXxWFTcqrJI1W+WspXTm7xBaNybnDa+";
    /// RSA, 2048 bits, PKCS #1; the others are PKCS #8.
    const RSA: &str = "MIIEowIBAAKCAQEAt8JzrSLO8qPosJdo/wodCQGBw0/xN+YORacywC8PcRe1MOkR03tlf4JVNCDkawe7LpE9+5w6\
        bVWPw3mjiHMV3MuBUCv9zYSuQSYL+MKnz4EUis+jsohfFPqJMZiwq4hroGxoZ1ZDxKsq7Um5mOdj3sCgb4/puGDJ\
        w66owzMnWEa9/Yz6PlhOYLFAKEWcfqnKSOF0c8dkeaPYtrYMc1cxJEEQXzes3sVkDwgwG/19ruTSs0WGLumAJxfF\
        HPpr3Ask9sh5PpsOH5zZRA1j80Dg5AiG73GEt66r4YTWXp27NCo7N1Rc3fztPIboV7qF0XJXt8EX4qbpEKhN39RW\
        Oh9KQQIDAQABAoIBAB2S/pIBVaQobBUrsRrG0mh2JR+9eHmCHY7pO1pB2K7fXWprQFK0e9/bJoJWvtxY6K+0cXDS\
        snaRPCt+IqsdtomL+Rphkh3m+jKDAI8/KMnVIOy8QUDFAOR78+OXCuv4bzXo7J6g/BQlZim9YVDyAJlDkC6UT028\
        ygwjyoZr76udpNEAdwR9U+rnHMZuc0zlHzTvb8Zq+mbdR7Bb/WI021orkpDeoWAzbKNitq7V4Xf4Jbjc6Pz2mhFR\
        rEkXZZVKTlbw7zcCa3qqMSyxIKw25vTqGXiWhlbduohxzjycaUwwf0KQDQHn9dLgJSrnXsxlTVTKmetBKHahMQWl\
        w9dUFg8CgYEA8c0EqWc76MqYxppw9+1Md9CgLWHIP6E/09edFaTyRtkL+XWaB1Fb8wWTPwDFgscchR6a1jpPJazP\
        3JwAd2sIWgcRd/sDQXM/6OWYJewyXGf0Utsd5u8I1EKQbNj08VAlM1VW3Jn4KSZS4y6621MOZZ8/eoDLsvGrkom3\
        qloqQC8CgYEAwozm08KOmEh85HSL+ClT/+LA2pTu8oK+2j95U6mz1/TNzEGCT7i3aqJLvWhWtk5+wb4Ca0Vsd9LK\
        vUU9m0CnQDudwlepdQD68rOqqpilOZ/wLPm82H+T7r9DeJi1ZlP2lBugbnz1o7NrnLheE2xwgCDVPGXxsX8Y5Q/5\
        OUCFkI8CgYEA0bhqVKvPUGd3/rmxRbgx3LG8W+A1mMq423plKoK4CC70rdcMU1CDmdK6FakLphQgbm1PCoPkZd7v\
        In7EAM96nOsIgbHa7weQ5OVOA4ZLX85iIQMfek7Ur5VUQrQiLrK+sTlRb2Cz1q0Asz6ynsv47rcijZPsGTZ3A1Aj\
        VsOBZc0CgYBsPhbjdNj/cz1BonKJ5PyeXxvrwXdcqE/lf/FSEhZEriieX0hQcLZj9t5rCJVOI0g1JTGVW2/pDvfL\
        7K1FJuinPUQd78YRmjUFOd9XwUwUTp9DdsOSNREqgXHZtCUhRM/pQaG2N4I3zUivTojRB8FkGGBrlVCu78b7EzMX\
        noVxkwKBgGsMYupCw8XII5NdDDOtQmsWM+7l4tx8cb8tZkW6EGrd9QfdMbz8msEoGBw6oSgZmUWqoElsggAaOw7a\
        WtZ7MQyBbmlHw950cA+btFQnFZg3aStYedtYq9NAJKUHCb6N5zs9Gy97BwXMEMYqtu1MnGj1yURa+QLitLK9Sqbl\
        em0k";

    pub(in crate::server::auth) const ISSUER_URL: &str = "https://auth.example.com";
    pub(in crate::server::auth) const RESOURCE: &str = "https://conductor.example.com/mcp";

    fn der(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    pub(in crate::server::auth) fn key_a() -> EncodingKey {
        EncodingKey::from_ec_der(&der(EC_A))
    }

    pub(in crate::server::auth) fn key_b() -> EncodingKey {
        EncodingKey::from_ec_der(&der(EC_B))
    }

    fn rsa() -> EncodingKey {
        EncodingKey::from_rsa_der(&der(RSA))
    }

    /// All keys, each with an algorithm and a key id.
    fn all_keys() -> [(EncodingKey, Algorithm, &'static str); 5] {
        [
            (key_a(), Algorithm::ES256, "a"),
            (key_b(), Algorithm::ES256, "b"),
            (EncodingKey::from_ec_der(&der(EC_384)), Algorithm::ES384, "384"),
            (EncodingKey::from_ed_der(&der(ED)), Algorithm::EdDSA, "ed"),
            (rsa(), Algorithm::RS256, "rsa"),
        ]
    }

    /// The public part, for any algorithm of its kind.
    pub(in crate::server::auth) fn jwk(key: &EncodingKey, algorithm: Algorithm, id: &str) -> Value {
        let jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        let fields = jwk.as_object_mut().unwrap();
        fields.remove("alg");
        fields.insert("kid".to_owned(), json!(id));
        jwk
    }

    pub(in crate::server::auth) fn set(keys: &[Value]) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    /// Accepts tokens that any of the keys has signed.
    pub(in crate::server::auth) fn oauth(scopes: &[&str]) -> OAuth {
        let keys = all_keys().map(|(key, algorithm, id)| jwk(&key, algorithm, id));
        OAuth {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            resource: Resource::new(RESOURCE).unwrap(),
            issuer: ISSUER_URL.to_owned(),
            validation: validation(ISSUER_URL, RESOURCE),
            keys: Keys::File(set(&keys)),
        }
    }

    pub(in crate::server::auth) fn claims() -> Value {
        let exp = get_current_timestamp() + 3600;
        json!({ "iss": ISSUER_URL, "aud": RESOURCE, "sub": "alice", "exp": exp })
    }

    /// Good claims, with another value of one; null for none.
    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn header(algorithm: Algorithm, id: &str) -> JoseHeader {
        let mut header = JoseHeader::new(algorithm);
        header.kid = Some(id.to_owned());
        header
    }

    fn sign(header: &JoseHeader, claims: &Value, key: &EncodingKey) -> String {
        jsonwebtoken::encode(header, claims, key).unwrap()
    }

    /// A token of key A.
    pub(in crate::server::auth) fn signed(claims: &Value) -> String {
        sign(&header(Algorithm::ES256, "a"), claims, &key_a())
    }

    /// A token without a signature, of any header.
    fn unsigned(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(header), part(claims))
    }

    fn named(subject: Result<(String, Duration), AuthError>) -> Result<String, AuthError> {
        subject.map(|(name, _)| name)
    }

    #[test]
    fn what_is_left_of_a_token_is_until_it_expires_for_every_clock() {
        let left = |exp: Value| {
            let claims: Claims = serde_json::from_value(json!({ "exp": exp })).unwrap();
            claims.left(UNIX_EPOCH + Duration::from_secs(1000))
        };
        assert_eq!(left(json!(1010)), Duration::from_secs(10 + LEEWAY));
        assert_eq!(left(json!(1000.5)), Duration::from_millis(500) + Duration::from_secs(LEEWAY));
        assert_eq!(left(json!(900)), Duration::ZERO);
        // No clock counts further.
        assert!(left(json!(u64::MAX)) > Duration::from_secs(365 * 24 * 3600));
        assert!(left(json!(1e300)) > Duration::from_secs(365 * 24 * 3600));
    }

    async fn answer(claims: &Value) -> Result<String, AuthError> {
        named(oauth(&[]).subject(&signed(claims)).await)
    }

    async fn reason(token: &str) -> &'static str {
        match oauth(&[]).subject(token).await {
            Ok(_) => "accepted",
            Err(error) => error.reason(),
        }
    }

    fn now(offset: i64) -> Value {
        json!(get_current_timestamp().checked_add_signed(offset).unwrap())
    }

    #[tokio::test]
    async fn each_kind_of_key_signs_tokens() {
        for (key, algorithm, id) in all_keys() {
            let token = sign(&header(algorithm, id), &claims(), &key);
            assert_eq!(named(oauth(&[]).subject(&token).await), Ok("alice".to_owned()), "{id}");
        }
        for algorithm in ALGORITHMS.iter().filter(|algorithm| rsa().family() == algorithm.family())
        {
            let token = sign(&header(*algorithm, "rsa"), &claims(), &rsa());
            let subject = named(oauth(&[]).subject(&token).await);
            assert_eq!(subject, Ok("alice".to_owned()), "{algorithm:?}");
        }
    }

    #[tokio::test]
    async fn a_token_is_good_until_it_expires() {
        assert_eq!(answer(&with("exp", now(-3600))).await, Err(AuthError::Expired));
        assert_eq!(answer(&with("exp", now(-60))).await, Err(AuthError::Expired));
        assert_eq!(answer(&with("exp", json!(0))).await, Err(AuthError::Expired));
        assert_eq!(answer(&with("exp", now(-10))).await, Ok("alice".to_owned()));
        assert_eq!(answer(&with("exp", now(10))).await, Ok("alice".to_owned()));
        assert_eq!(answer(&with("exp", Value::Null)).await, Err(AuthError::Claim("exp")));
        assert_eq!(answer(&with("exp", json!("never"))).await, Err(AuthError::Claim("exp")));
    }

    #[tokio::test]
    async fn a_token_may_begin_later() {
        assert_eq!(answer(&with("nbf", now(3600))).await, Err(AuthError::NotYetValid));
        assert_eq!(answer(&with("nbf", now(60))).await, Err(AuthError::NotYetValid));
        assert_eq!(answer(&with("nbf", now(10))).await, Ok("alice".to_owned()));
        assert_eq!(answer(&with("nbf", now(-3600))).await, Ok("alice".to_owned()));
        assert_eq!(answer(&with("nbf", json!("now"))).await, Err(AuthError::Claim("nbf")));
    }

    #[tokio::test]
    async fn the_issuer_is_the_configured_one_letter_by_letter() {
        for issuer in
            ["https://auth.example.com/", "https://AUTH.example.com", "", "https://evil.example"]
        {
            assert_eq!(answer(&with("iss", json!(issuer))).await, Err(AuthError::Issuer));
        }
        let list = json!([ISSUER_URL, "https://evil.example"]);
        assert_eq!(answer(&with("iss", list)).await, Err(AuthError::Issuer));
        assert_eq!(answer(&with("iss", Value::Null)).await, Err(AuthError::Claim("iss")));
    }

    #[tokio::test]
    async fn the_audience_is_this_server() {
        let other = "https://other.example.com/mcp";
        assert_eq!(answer(&with("aud", json!(other))).await, Err(AuthError::Audience));
        assert_eq!(answer(&with("aud", json!([other]))).await, Err(AuthError::Audience));
        assert_eq!(answer(&with("aud", json!([]))).await, Err(AuthError::Audience));
        assert_eq!(answer(&with("aud", Value::Null)).await, Err(AuthError::Claim("aud")));
        assert_eq!(answer(&with("aud", json!(7))).await, Err(AuthError::Claim("aud")));
        let both = json!([other, RESOURCE]);
        assert_eq!(answer(&with("aud", both)).await, Ok("alice".to_owned()));
    }

    #[tokio::test]
    async fn a_subject_can_be_written_in_a_log() {
        for subject in [json!(""), json!("a\nb"), json!("a\u{7f}"), json!(7), Value::Null] {
            let answer = answer(&with("sub", subject.clone())).await;
            assert_eq!(answer, Err(AuthError::Claim("sub")), "{subject}");
        }
        let longest = "ä".repeat(256);
        assert_eq!(answer(&with("sub", json!(longest))).await, Ok(longest));
        let longer = json!("a".repeat(257));
        assert_eq!(answer(&with("sub", longer)).await, Err(AuthError::Claim("sub")));
        // Not a token's name, nor the name of everybody.
        assert_eq!(answer(&with("sub", json!("anonymous"))).await, Ok("anonymous".to_owned()));
    }

    #[tokio::test]
    async fn all_scopes_are_needed_in_any_form() {
        let oauth = oauth(&["mcp:run", "mcp:read"]);
        let good = [
            ("scope", json!("openid mcp:read mcp:run")),
            ("scp", json!("mcp:run mcp:read")),
            ("scp", json!(["mcp:run", "mcp:read", 7])),
        ];
        for (name, value) in good {
            let token = signed(&with(name, value));
            assert_eq!(named(oauth.subject(&token).await), Ok("alice".to_owned()), "{name}");
        }
        let bad = [
            ("scope", Value::Null),
            ("scope", json!("")),
            ("scope", json!("mcp:run")),
            ("scope", json!("mcp:run mcp:reader")),
            ("scope", json!("mcp:run,mcp:read")),
            ("scope", json!("MCP:RUN MCP:READ")),
            ("scp", json!(["mcp:run mcp:read"])),
            ("scp", json!({ "mcp:run": true, "mcp:read": true })),
        ];
        for (name, value) in bad {
            let token = signed(&with(name, value.clone()));
            assert_eq!(oauth.subject(&token).await, Err(AuthError::Scope), "{name} {value}");
        }
    }

    #[tokio::test]
    async fn a_token_does_not_choose_how_it_is_checked() {
        for alg in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "ES512", "es256"] {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": "a" });
            assert_eq!(reason(&unsigned(&header, &claims())).await, "algorithm", "{alg}");
        }
        // What an issuer publishes, as the secret of HS256.
        let public = jwk(&key_a(), Algorithm::ES256, "a").to_string();
        for secret in [public.as_bytes(), EC_A.as_bytes()] {
            let token =
                sign(&header(Algorithm::HS256, "a"), &claims(), &EncodingKey::from_secret(secret));
            assert_eq!(reason(&token).await, "algorithm");
        }
        assert_eq!(reason(&signed(&claims())).await, "accepted");
    }

    #[tokio::test]
    async fn a_token_does_not_choose_its_key() {
        let by_b = |header: &JoseHeader| sign(header, &claims(), &key_b());
        assert_eq!(reason(&by_b(&header(Algorithm::ES256, "b"))).await, "accepted");
        assert_eq!(reason(&by_b(&header(Algorithm::ES256, "a"))).await, "signature");
        assert_eq!(reason(&by_b(&header(Algorithm::ES256, "rsa"))).await, "algorithm");
        assert_eq!(reason(&by_b(&header(Algorithm::ES256, "c"))).await, "unknown_key");
        assert_eq!(reason(&by_b(&JoseHeader::new(Algorithm::ES256))).await, "no_key_id");
        // One that it brings, or names the place of.
        let mut own = header(Algorithm::ES256, "a");
        own.jwk = Some(Jwk::from_encoding_key(&key_b(), Algorithm::ES256).unwrap());
        own.jku = Some("http://127.0.0.1:1/keys".to_owned());
        assert_eq!(reason(&by_b(&own)).await, "signature");
    }

    #[tokio::test]
    async fn a_changed_token_is_refused() {
        let token = signed(&claims());
        let parts: Vec<&str> = token.split('.').collect();
        let other = signed(&with("sub", json!("bob")));
        let other: Vec<&str> = other.split('.').collect();
        let mixed = format!("{}.{}.{}", parts[0], other[1], parts[2]);
        assert_eq!(reason(&mixed).await, "signature");
        assert_eq!(reason(&format!("{}.{}.", parts[0], parts[1])).await, "signature");
        assert_eq!(reason(&format!("{token}AA")).await, "signature");
        assert_eq!(reason(&format!("{}.{}.\u{e9}", parts[0], parts[1])).await, "unreadable");
    }

    #[tokio::test]
    async fn tokens_of_other_kinds_are_refused() {
        let typed = |typ: Option<&str>| {
            let mut header = header(Algorithm::ES256, "a");
            header.typ = typ.map(str::to_owned);
            sign(&header, &claims(), &key_a())
        };
        for typ in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT")] {
            assert_eq!(reason(&typed(typ)).await, "accepted", "{typ:?}");
        }
        for typ in ["dpop+jwt", "logout+jwt", "JOSE", ""] {
            assert_eq!(reason(&typed(Some(typ))).await, "kind", "{typ}");
        }
        let mut critical = header(Algorithm::ES256, "a");
        critical.crit = Some(vec!["exp".to_owned()]);
        assert_eq!(reason(&sign(&critical, &claims(), &key_a())).await, "kind");
        for crit in ["null", "[]", "[\"exp\"]"] {
            let head = format!(r#"{{"alg":"ES256","kid":"a","crit":{crit}}}"#);
            let token = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(head), "e30", "AA");
            assert_eq!(reason(&token).await, "kind", "{crit}");
        }
    }

    #[tokio::test]
    async fn garbage_is_no_token() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let good = part(r#"{"alg":"ES256","kid":"a"}"#);
        let deep = part(&"[".repeat(6000));
        for token in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "a.b".to_owned(),
            "a.b.c".to_owned(),
            "a.b.c.d.e".to_owned(),
            ".".repeat(8192),
            "mcpc_AAAA".to_owned(),
            format!("{}.b.c", part("{}")),
            format!("{}.b.c", part("null")),
            format!("{}.b.c", part(r#"{"alg":7}"#)),
            format!("{}.b.c", part(r#"{"alg":"ES256","kid":7}"#)),
            format!("{}.b.c", part(r#"{"alg":"ES256","alg":"none"}"#)),
            format!("{}.b.c", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
            format!("{deep}.b.c"),
            format!("{good}=.b.c"),
        ] {
            assert_eq!(reason(&token).await, "unreadable", "{token}");
        }
        let nested = "[".repeat(6000);
        let bodies = ["[]", "7", "", "{", r#"{"sub":"a","sub":"b"}"#, nested.as_str()];
        for body in bodies {
            let message = format!("{good}.{}", part(body));
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &key_a(), Algorithm::ES256).unwrap();
            assert_eq!(reason(&format!("{message}.{signature}")).await, "unreadable", "{body}");
        }
    }

    async fn settings(change: impl FnOnce(&mut HttpConfig)) -> String {
        let mut http = HttpConfig {
            oauth_issuer: Some(ISSUER_URL.to_owned()),
            oauth_jwks: Some("/nonexistent/keys.json".to_owned()),
            public_url: Some(RESOURCE.to_owned()),
            ..HttpConfig::default()
        };
        change(&mut http);
        match OAuth::new(&http, None).await {
            Ok(oauth) => format!("{}", oauth.is_some()),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn incomplete_settings_say_what_is_missing() {
        let needed = "is required where OAuth tokens are accepted";
        assert_eq!(
            settings(|http| http.oauth_issuer = None).await,
            format!("{ISSUER}: {needed}, for example {ISSUER}={ISSUER_EXAMPLE}")
        );
        assert_eq!(
            settings(|http| http.oauth_jwks = None).await,
            format!("{JWKS}: {needed}, for example {JWKS}={JWKS_EXAMPLE}")
        );
        assert_eq!(
            settings(|http| http.public_url = None).await,
            format!("{PUBLIC_URL}: {needed}, for example {PUBLIC_URL}={PUBLIC_URL_EXAMPLE}")
        );
        assert_eq!(
            settings(|http| http.oauth_issuer = Some("auth.example.com".to_owned())).await,
            format!("{ISSUER}: is not a URL, for example {ISSUER}={ISSUER_EXAMPLE}")
        );
        assert_eq!(
            settings(|http| http.oauth_scopes = vec!["a\"b".to_owned()]).await,
            format!(
                "{SCOPES}: contains a character that is not allowed in scopes, for example \
                 {SCOPES}=mcp:run"
            )
        );
        assert_eq!(
            settings(|http| http.oauth_audience = Some(String::new())).await,
            format!("{AUDIENCE}: is empty, for example {AUDIENCE}={PUBLIC_URL_EXAMPLE}")
        );
        assert_eq!(
            settings(|http| http.oauth_jwks = Some("keys.json".to_owned())).await,
            format!(
                "{JWKS}: is not an https URL, an http URL on loopback or an absolute path, for \
                 example {JWKS}={JWKS_EXAMPLE}"
            )
        );
        assert_eq!(
            settings(|_| {}).await,
            "MCP_CONDUCTOR_OAUTH_JWKS: /nonexistent/keys.json: No such file or directory (os \
             error 2)"
        );
        assert_eq!(settings(|http| *http = HttpConfig::default()).await, "false");
    }
}
