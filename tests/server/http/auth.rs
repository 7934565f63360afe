//! Who may call: tokens of a file, JSON Web Tokens of an issuer, or anybody on
//! loopback.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use rmcp::ClientHandler;
use serde_json::{Value, json};

use super::jwt::{
    ISSUER, KEY, OTHER_KEY, PUBLIC_URL, TextServer, claims, claims_but, claims_without, key,
    other_key, seconds, signed, signed_by,
};
use crate::support::home::Home;
use crate::support::http::{Server, add_token, refused, remove_token, tokens_of};
use crate::support::http_clients::{Caller as _, LegacySession, initialize};
use crate::support::ports::ClosedPort;
use crate::support::rmcp_clients::{lifecycles, rmcp_client};
use crate::support::snippets::{ENDLESS, RUN};
use crate::support::waiting::{PATIENCE, bounded, within};
use crate::support::wire::{Request, Response};

#[derive(Clone)]
struct Client;

impl ClientHandler for Client {}

/// A server that takes tokens of the issuer, whose keys are in a file.
fn with_issuer(more: &[(&str, &str)]) -> Server {
    let home = Home::empty();
    home.write("jwks.json", &json!({ "keys": [key()] }).to_string());
    let keys = home.name("jwks.json");
    with_keys(home, &keys, more)
}

fn with_keys(home: Home, keys: &str, more: &[(&str, &str)]) -> Server {
    let mut env = vec![
        ("MCP_CONDUCTOR_OAUTH_ISSUER", ISSUER),
        ("MCP_CONDUCTOR_OAUTH_JWKS", keys),
        ("MCP_CONDUCTOR_PUBLIC_URL", PUBLIC_URL),
    ];
    env.extend(more);
    Server::at(home, &env, &[])
}

/// The answer to a list of tools with this token.
#[track_caller]
fn asked_with(server: &Server, token: &str) -> Response {
    server.client_as(token).ask("tools/list", json!({}))
}

/// What the challenge says is wrong.
#[track_caller]
fn is_invalid(response: &Response) -> String {
    assert_eq!(response.status, 401, "{}", response.text());
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"), "{challenge}");
    challenge.to_owned()
}

#[tokio::test]
async fn a_token_opens_the_server_to_clients_of_both_eras() {
    let (server, token) = Server::with_token(&[]);
    assert!(token.starts_with("mcpc_") && token.len() > 40, "{token}");
    for lifecycle in lifecycles() {
        let client = rmcp_client(server.url(), Some(&token), Client, lifecycle).await;
        assert_eq!(bounded(client.list_all_tools()).await.expect("tools").len(), 8);
        bounded(client.cancel()).await.expect("an end");
    }
    assert_eq!(server.client_as(&token).value("1"), 1);
    assert_eq!(LegacySession::open_as(&server, &token).value("2"), 2);
}

#[test]
fn without_a_token_there_is_a_challenge_and_nothing_else() {
    let (server, token) = Server::with_token(&[]);
    let session = LegacySession::open_as(&server, &token).with_token(None);
    for request in [
        server.client().request("tools/list", json!({})),
        server.client().request("server/discover", json!({})),
        initialize(&json!({})),
        session.request("tools/list", json!({})),
        session.listen(None),
        session.within_session(Request::new("DELETE", "/mcp")),
        Request::new("GET", "/mcp"),
        Request::post("{bad"),
        Request::new("GET", &format!("/mcp?access_token={token}")),
        Request::new("GET", "/mcp").header("Cookie", &format!("token={token}")),
    ] {
        let response = server.send(&request);
        assert_eq!(response.status, 401, "{request:?}: {}", response.text());
        let challenge = response.header("www-authenticate").expect("a challenge");
        // RFC 6750, section 3.1: no error code where there are no credentials.
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert!(!challenge.contains("error="), "{challenge}");
        assert_eq!(response.header("mcp-session-id"), None);
        assert!(!response.text().contains(RUN), "{}", response.text());
    }
    // None of them ended the session.
    assert_eq!(session.with_token(Some(&token)).value("1"), 1);
}

#[test]
fn probes_need_no_token_and_tell_nothing() {
    let (server, _) = Server::with_token(&[]);
    for path in ["/health", "/ready"] {
        let response = server.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        for secret in ["alice", server.home.root()] {
            assert!(!response.text().contains(secret), "{path}: {}", response.text());
        }
    }
    assert_eq!(server.get("/zzz").status, 404);
}

#[test]
fn tokens_that_are_nearly_right_are_wrong() {
    let (server, token) = Server::with_token(&[]);
    let hash = std::fs::read_to_string(tokens_of(&server.home)).expect("the file");
    let hash: Value = serde_json::from_str(&hash).expect("JSON");
    let hash = hash["tokens"][0]["sha256"].as_str().expect("a hash").to_owned();
    let swapped: String = token.chars().rev().collect();
    for wrong in [
        &token[..token.len() - 1],
        &token["mcpc_".len()..],
        format!("{token}0").as_str(),
        format!("MCPC_{}", &token["mcpc_".len()..]).as_str(),
        swapped.as_str(),
        hash.as_str(),
        format!("mcpc_{hash}").as_str(),
        "alice",
        "null",
        "undefined",
    ] {
        is_invalid(&asked_with(&server, wrong));
    }
    assert_eq!(asked_with(&server, &token).status, 200);
    // RFC 9110, section 11.1: the scheme's case does not matter.
    let request = server.client().request("tools/list", json!({}));
    let lower = request.clone().header("Authorization", &format!("bearer {token}"));
    assert_eq!(server.send(&lower).status, 200);
    let twice = request.bearer(&token).and("Authorization", "Bearer other");
    assert!(matches!(server.send(&twice).status, 400 | 401));
}

#[test]
fn a_token_is_nowhere_but_with_its_owner() {
    let (server, token) = Server::with_token(&[("RUST_LOG", "trace")]);
    let secret = &token["mcpc_".len()..];
    server.client_as(&token).value("console.log('x'); 1");
    asked_with(&server, &format!("{token}x"));
    let session = LegacySession::open_as(&server, &token);
    session.value("1");
    session.close();
    for path in ["/health", "/ready", "/metrics"] {
        let request = Request::new("GET", path).bearer(&token);
        let text = server.send(&request).text();
        assert!(!text.contains(secret), "{path}: {text}");
    }
    assert!(!server.log().contains(secret), "it is in the log");
    let file = std::fs::read_to_string(tokens_of(&server.home)).expect("the file");
    assert!(!file.contains(secret), "{file}");
}

#[test]
fn a_token_that_is_taken_back_ends_its_sessions() {
    let home = Home::empty();
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let tokens = tokens_of(&home);
    let server = Server::at(home, &[("MCP_CONDUCTOR_TOKENS", &tokens)], &[]);
    let hers = LegacySession::open_as(&server, &alice);
    let his = LegacySession::open_as(&server, &bob);
    let mut stream = server.connect();
    stream.send(&hers.listen(None));
    assert_eq!(stream.head().expect("an answer").status, 200);

    remove_token(&server.home, "alice");
    server.signal(Signal::SIGHUP);
    let refused = within(PATIENCE, || asked_with(&server, &alice).status == 401);
    assert!(refused, "{}", server.log());
    assert_eq!(hers.ask("tools/list", json!({})).status, 401);
    assert_eq!(stream.message().expect("a stream"), None, "her stream has ended");
    // A new token of the same name does not open what the old one left.
    let again = server.token("alice");
    server.signal(Signal::SIGHUP);
    assert!(within(PATIENCE, || asked_with(&server, &again).status == 200));
    assert_eq!(hers.with_token(Some(&again)).ask("tools/list", json!({})).status, 404);
    assert_eq!(his.value("1"), 1);
}

#[test]
fn a_good_token_of_the_issuer_is_taken() {
    let server = with_issuer(&[]);
    assert_eq!(server.client_as(&signed(&claims("ada"))).value("1"), 1);
    assert_eq!(LegacySession::open_as(&server, &signed(&claims("ada"))).value("2"), 2);
    for claims in [
        claims_but("aud", json!(["https://other.example", PUBLIC_URL])),
        claims_but("nbf", json!(seconds(-60))),
        // Clocks differ: 30 s are allowed.
        claims_but("exp", json!(seconds(-5))),
        claims_but("nbf", json!(seconds(5))),
        claims_without("scope"),
        claims_without("iat"),
    ] {
        let response = asked_with(&server, &signed(&claims));
        assert_eq!(response.status, 200, "{claims}: {:?}", response.headers);
    }
}

/// Clocks may differ by 30 s, so that this one is good for some seconds more.
#[test]
fn an_open_stream_ends_with_its_token() {
    let server = with_issuer(&[]);
    let (short, long) = (signed(&claims_but("exp", json!(seconds(-20)))), signed(&claims("ada")));
    let lasting = LegacySession::open_as(&server, &long);
    let ending = lasting.with_token(Some(&short));
    let mut streams: Vec<_> = [&ending, &lasting]
        .map(|session| {
            let mut stream = server.connect();
            stream.send(&session.listen(None));
            assert_eq!(stream.head().expect("a stream").status, 200);
            stream
        })
        .into();
    let mut call = ending.start_program(ENDLESS);
    // Both come to their ends, and the call has no answer.
    for stream in [&mut streams[0], &mut call] {
        while !stream.piece().expect("an end").is_empty() {}
    }
    // Nobody comes back for it.
    server.becomes(&[("executions_active", 0.0)]);
    // Who has another token goes on, and its session too.
    streams[1].patience(Duration::from_millis(100));
    assert!(!streams[1].piece().is_ok_and(|piece| piece.is_empty()));
    assert_eq!(lasting.value("40 + 2"), 42);
}

#[test]
fn a_token_of_the_issuer_that_is_not_for_this_is_refused() {
    let server = with_issuer(&[]);
    for (what, claims) in [
        ("expired", claims_but("exp", json!(seconds(-3600)))),
        ("exp", claims_without("exp")),
        ("not", claims_but("nbf", json!(seconds(3600)))),
        ("audience", claims_but("aud", json!("https://other.example/mcp"))),
        ("audience", claims_but("aud", json!(format!("{PUBLIC_URL}/")))),
        ("aud", claims_but("aud", json!([]))),
        ("aud", claims_without("aud")),
        ("issuer", claims_but("iss", json!("https://evil.example"))),
        ("issuer", claims_but("iss", json!(format!("{ISSUER}/")))),
        ("iss", claims_without("iss")),
        ("sub", claims_without("sub")),
        ("sub", claims_but("sub", json!(""))),
        ("sub", claims_but("sub", json!("a\nb"))),
        ("sub", claims_but("sub", json!("x".repeat(300)))),
    ] {
        let challenge = is_invalid(&asked_with(&server, &signed(&claims)));
        assert!(challenge.to_lowercase().contains(what), "{what}: {challenge}");
    }
    assert_eq!(asked_with(&server, &signed(&claims("ada"))).status, 200);
}

#[test]
fn a_token_that_the_issuer_did_not_sign_is_refused() {
    let server = with_issuer(&[]);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let body = part(&claims("ada"));
    let none = |algorithm: &str| part(&json!({ "alg": algorithm, "typ": "JWT", "kid": "first" }));
    let good = signed(&claims("ada"));
    let (head, signature) = (good.split('.').next().unwrap(), good.split('.').nth(2).unwrap());
    // The public key as a secret: what is signed with it anybody can sign.
    let secret = jsonwebtoken::EncodingKey::from_secret(key()["x"].to_string().as_bytes());
    let mut hmac = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    hmac.kid = Some("first".to_owned());
    let hmac = jsonwebtoken::encode(&hmac, &claims("ada"), &secret).expect("a token");
    for token in [
        format!("{}.{body}.", none("none")),
        format!("{}.{body}.", none("None")),
        format!("{}.{body}.{signature}", none("none")),
        format!("{head}.{body}."),
        format!("{head}.{}.{signature}", part(&claims("root"))),
        signed_by(OTHER_KEY, "first", &claims("ada")),
        signed_by(OTHER_KEY, "second", &claims("ada")),
        hmac,
        format!("{good}."),
        format!("{good}.{body}"),
        "a.b.c".to_owned(),
        "..".to_owned(),
        format!("{}.{}.{}", "x".repeat(3000), "y".repeat(3000), "z".repeat(1000)),
    ] {
        is_invalid(&asked_with(&server, &token));
    }
    assert_eq!(asked_with(&server, &signed_by(KEY, "first", &claims("ada"))).status, 200);
}

#[test]
fn a_token_without_the_scope_is_told_which_it_lacks() {
    let server = with_issuer(&[("MCP_CONDUCTOR_OAUTH_SCOPES", "mcp:run mcp:tools")]);
    for claims in [
        claims("ada"),
        claims_without("scope"),
        claims_but("scope", json!("mcp:run mcp:toolsmith")),
        claims_but("scope", json!("mcp:run,mcp:tools")),
    ] {
        let response = asked_with(&server, &signed(&claims));
        assert_eq!(response.status, 403, "{claims}: {}", response.text());
        // RFC 6750, section 3.1.
        let challenge = response.header("www-authenticate").expect("a challenge");
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains("scope=\"mcp:run mcp:tools\""), "{challenge}");
    }
    let mut array = claims_without("scope");
    array["scp"] = json!(["mcp:tools", "mcp:run"]);
    for claims in [claims_but("scope", json!("mcp:tools openid mcp:run")), array] {
        assert_eq!(asked_with(&server, &signed(&claims)).status, 200, "{claims}");
    }
}

#[test]
fn clients_are_told_where_tokens_come_from() {
    let server = with_issuer(&[("MCP_CONDUCTOR_OAUTH_SCOPES", "mcp:run")]);
    let paths =
        ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"];
    for path in paths {
        let response = server.get(path);
        assert_eq!(response.status, 200, "{path}");
        // RFC 9728, section 3.2.
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(
            response.json(),
            json!({
                "resource": PUBLIC_URL,
                "authorization_servers": [ISSUER],
                "scopes_supported": ["mcp:run"],
                "bearer_methods_supported": ["header"],
                "resource_name": "MCP Conductor",
            })
        );
    }
    let challenge = server.client().ask("tools/list", json!({}));
    let challenge = challenge.header("www-authenticate").expect("a challenge");
    let place = "https://conductor.example/.well-known/oauth-protected-resource/mcp";
    assert!(challenge.contains(&format!("resource_metadata=\"{place}\"")), "{challenge}");
    // There is no such document where there is no issuer.
    let (without, _) = Server::with_token(&[]);
    assert_eq!(without.get(paths[0]).status, 404);
}

#[test]
fn keys_are_fetched_and_new_ones_noticed() {
    let keys = TextServer::start(&json!({ "keys": [key()] }).to_string());
    let server = with_keys(Home::empty(), &keys.url(), &[]);
    let good = signed(&claims("ada"));
    for _ in 0..10 {
        assert_eq!(asked_with(&server, &good).status, 200);
    }
    assert_eq!(keys.count(), 1, "they are kept");
    // A flood of keys that nobody has does not become a flood of requests.
    for number in 0..20 {
        let token = signed_by(OTHER_KEY, &format!("unknown {number}"), &claims("ada"));
        assert_eq!(asked_with(&server, &token).status, 401);
    }
    assert!(keys.count() <= 2, "{} requests", keys.count());
    // SIGHUP reads them again.
    keys.says(&json!({ "keys": [key(), other_key()] }).to_string());
    server.signal(Signal::SIGHUP);
    let new = signed_by(OTHER_KEY, "second", &claims("ada"));
    assert!(within(PATIENCE, || asked_with(&server, &new).status == 200), "{}", server.log());
    assert_eq!(asked_with(&server, &good).status, 200);
}

#[test]
fn an_issuer_that_is_down_stops_nobody_elses_server() {
    let closed = ClosedPort::take();
    let url = format!("http://127.0.0.1:{}/keys", closed.number);
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let tokens = tokens_of(&home);
    let server = with_keys(home, &url, &[("MCP_CONDUCTOR_TOKENS", &tokens)]);
    let response = asked_with(&server, &signed(&claims("ada")));
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    assert_eq!(server.client_as(&alice).value("1"), 1);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn tokens_of_both_kinds_are_taken_side_by_side() {
    let home = Home::empty();
    home.write("jwks.json", &json!({ "keys": [key()] }).to_string());
    let (keys, alice) = (home.name("jwks.json"), add_token(&home, "alice"));
    let tokens = tokens_of(&home);
    let server = with_keys(home, &keys, &[("MCP_CONDUCTOR_TOKENS", &tokens)]);
    assert_eq!(asked_with(&server, &alice).status, 200);
    assert_eq!(asked_with(&server, &signed(&claims("ada"))).status, 200);
    is_invalid(&asked_with(&server, "mcpc_aaaa.bbbb.cccc"));
}

fn jwks(keys: &str) -> (&str, &str) {
    ("MCP_CONDUCTOR_OAUTH_JWKS", keys)
}

#[test]
fn settings_of_an_issuer_that_are_not_whole_stop_the_server() {
    let home = Home::empty();
    home.write("jwks.json", &json!({ "keys": [key()] }).to_string());
    home.write("secret.json", &json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }).to_string());
    home.write("garbage.json", "{");
    let at = |name: &str| home.name(name);
    let (keys, secret, garbage) = (at("jwks.json"), at("secret.json"), at("garbage.json"));
    let issuer = ("MCP_CONDUCTOR_OAUTH_ISSUER", ISSUER);
    let public = ("MCP_CONDUCTOR_PUBLIC_URL", PUBLIC_URL);
    for (named, env) in [
        ("MCP_CONDUCTOR_OAUTH_JWKS", vec![issuer, public]),
        ("MCP_CONDUCTOR_OAUTH_ISSUER", vec![jwks(&keys), public]),
        ("MCP_CONDUCTOR_PUBLIC_URL", vec![issuer, jwks(&keys)]),
        ("MCP_CONDUCTOR_OAUTH_JWKS", vec![issuer, jwks("http://issuer.example/keys"), public]),
        ("MCP_CONDUCTOR_OAUTH_JWKS", vec![issuer, jwks("jwks.json"), public]),
        ("garbage.json", vec![issuer, jwks(&garbage), public]),
        ("secret.json", vec![issuer, jwks(&secret), public]),
    ] {
        let (code, said) = refused(&home, &env, &[]);
        assert_eq!((code, said.lines().count()), (Some(3), 1), "{named}: {said}");
        assert!(said.contains(named), "{named}: {said}");
    }
}

#[test]
fn beyond_loopback_nobody_listens_without_authentication() {
    let home = Home::empty();
    for address in ["0.0.0.0", "::"] {
        let (code, said) = refused(&home, &[], &["--bind", address]);
        assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
        for name in ["MCP_CONDUCTOR_UNSAFE_NO_AUTH", "MCP_CONDUCTOR_TOKENS"] {
            assert!(said.contains(name), "{said}");
        }
    }
    let server = Server::start(&[("MCP_CONDUCTOR_UNSAFE_NO_AUTH", "1")], &["--bind", "0.0.0.0"]);
    server.works();
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let tokens = tokens_of(&home);
    let server = Server::at(home, &[("MCP_CONDUCTOR_TOKENS", &tokens)], &["--bind", "0.0.0.0"]);
    assert_eq!(server.client_as(&alice).value("1"), 1);
    // A page that found its way here by its name has no token, so any name will do.
    let request = server.client_as(&alice).request("tools/list", json!({}));
    assert_eq!(server.send(&request.header("Host", "conductor.example")).status, 200);
}

#[test]
fn other_loopback_addresses_need_no_authentication() {
    let server = Server::start(&[], &["--bind", "127.0.0.1"]);
    server.works();
    let (code, said) = refused(&Home::empty(), &[], &["--bind", "not an address"]);
    assert!(matches!(code, Some(2 | 3)) && !said.is_empty(), "{code:?}: {said}");
}
