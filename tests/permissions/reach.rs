//! Where fetch goes and how much it may bring; and credentials, which programs
//! use without having them.

use std::time::Duration;

use mcp_conductor::{ErrorKind, ExecuteRequest};
use serde_json::json;
use tokio::net::TcpSocket;

use crate::Host;
use crate::fetch::{ECHO, NET, host};
use crate::fixture::Fixture;
use crate::servers::P1;

#[test]
fn a_host_that_is_not_granted_is_refused_by_name() {
    // One turn for all of them: another test that is alone may connect to P1.
    let _turn = Fixture::new();
    let server = |grants: &str| Host::over(Fixture::in_the_same_turn(), grants, |config| config);
    let refused = |grants: &str, url: &str, target: &str| {
        let (kind, message) = server(grants).error(&format!("await fetch('{url}')"));
        assert_eq!(kind, ErrorKind::Permission, "{message}");
        let start = format!("NotCapable: Requires net access to \"{target}\"");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("--allow-net flag"), "{message}");
    };
    let before = P1.connections();
    let message = "NotCapable: Requires net access to \"127.0.0.1:@P1@\", run again with the \
        --allow-net flag";
    let (kind, text) = server(NET).error("await fetch('http://127.0.0.1:@P1@/?token=secret')");
    assert_eq!((kind, text.as_str()), (ErrorKind::Permission, message));
    refused("none", "https://example.com/", "example.com:443");
    refused(NET, "http://user:pass@example.com/", "example.com:80");
    refused("allow-net", "http://127.0.0.1:@P1@/", "127.0.0.1:@P1@");
    refused("allow-net", "http://[::1]:81/", "[::1]:81");
    refused("allow-net", "http://localhost:@P1@/", &format!("localhost:{}", P1.port));
    refused("allow-net", "http://169.254.169.254/", "169.254.169.254:80");
    refused("allow-net", "http://10.0.0.1/", "10.0.0.1:80");
    let denied = "allow-net=127.0.0.1,deny-net=127.0.0.1:@P1@";
    refused(denied, "http://127.0.0.1:@P1@/", "127.0.0.1:@P1@");
    refused("allow-net=10.0.0.0/8", "http://127.0.0.1:@P1@/", "127.0.0.1:@P1@");
    refused("allow-net=*.example.com", "http://example.com/", "example.com:80");
    assert_eq!(P1.connections(), before);
}

#[test]
fn a_grant_opens_what_it_names() {
    for (grants, url) in [
        ("allow-net=127.0.0.1", "http://127.0.0.1:@P2@/hello"),
        ("allow-net=127.0.0.0/8", "http://127.0.0.1:@P2@/hello"),
        ("allow-net=127.0.0.1:@P2@", "http://0x7f.1:@P2@/hello"),
        ("allow-net=localhost:@P2@", "http://LOCALHOST:@P2@/hello"),
        ("allow-net=127.0.0.1;deny-net=127.0.0.1:@P1@", "http://127.0.0.1:@P2@/hello"),
    ] {
        let host = Host::with_grants(grants);
        let program = format!("await (await fetch('{url}')).text()");
        assert_eq!(host.value(&program), "P2-HELLO", "{grants}");
    }
}

#[test]
fn a_server_that_is_not_there_is_a_clear_error() {
    let files = Fixture::new();
    // Bound, so that nobody else gets the port; connect(2) is refused as nobody listens.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let grants = format!("allow-net=127.0.0.1:{port},nowhere.invalid");
    let host = Host::over(files, &grants, |config| config);
    let (kind, message) = host.error(&format!("await fetch('http://u:p@127.0.0.1:{port}/x')"));
    assert_eq!(kind, ErrorKind::Runtime);
    let start = format!("TypeError: error sending request for url (http://127.0.0.1:{port}/x)");
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains("connection refused"), "{message}");
    let (kind, message) = host.error("await fetch('http://nowhere.invalid/')");
    assert_eq!(kind, ErrorKind::Runtime);
    assert!(message.starts_with("TypeError: "), "{message}");
    assert!(message.contains("nowhere.invalid"), "{message}");
}

#[test]
fn bytes_are_limited_both_ways() {
    let host = Host::with(NET, |config| config.with_max_fetch_size(1_000_000));
    for program in [
        "await (await fetch(u + '/big')).text()",
        "await (await fetch(u + '/gzipbomb')).arrayBuffer()",
        "for await (const _ of (await fetch(u + '/big')).body!) {}",
        "for (let i = 0; i < 12; i++) {
           await (await fetch(u + '/echo', { method: 'POST', body: 'x'.repeat(90_000) })).text() }",
        "await fetch(u + '/echo', { method: 'POST', body: new Uint8Array(2_000_000) })",
        "await fetch(u + '/echo', { method: 'POST',
           body: new Blob([new Uint8Array(2_000_000)]).stream() })",
    ] {
        let (kind, message) = host.error(&format!("const u = 'http://127.0.0.1:@P2@'; {program}"));
        assert_eq!(kind, ErrorKind::Runtime, "{program}: {message}");
        assert!(message.contains("MCP_CONDUCTOR_MAX_FETCH_SIZE"), "{program}: {message}");
        assert!(message.contains("1000000"), "{program}: {message}");
    }
}

#[test]
fn connections_are_limited_and_wait_for_each_other() {
    let host = Host::with(NET, |config| config.with_max_connections(2));
    let program = "
        const all = Array.from({ length: 30 }, async () =>
          (await fetch('http://127.0.0.1:@P2@/hello')).text());
        new Set(await Promise.all(all)).size";
    assert_eq!(host.value(program), 1);
    let program = "
        const slow = () => fetch('http://127.0.0.1:@P2@/slow');
        const kept = [await slow(), await slow()];
        await fetch('http://127.0.0.1:@P2@/hello')";
    let request = ExecuteRequest::new(host.files.text(program));
    let execution = host.execute(request.with_timeout(Duration::from_secs(5)));
    let error = execution.error.expect("there is no third connection");
    let known = [ErrorKind::Runtime, ErrorKind::Timeout].contains(&error.kind);
    assert!(known, "{error:#?}");
    if error.kind == ErrorKind::Runtime {
        assert!(error.message.contains("MCP_CONDUCTOR_MAX_CONNECTIONS"), "{error:#?}");
    }
}

#[test]
fn there_is_no_cookie_jar() {
    let program = "
        await (await fetch('http://127.0.0.1:@P2@/setcookie')).text();
        await (await fetch('http://127.0.0.1:@P2@/redirect?to=/setcookie')).text();
        const sent = await (await fetch('http://127.0.0.1:@P2@/echo')).text();
        sent.toLowerCase().includes('cookie')";
    let host = host();
    assert_eq!(host.value(program), false);
    assert_eq!(host.value(program), false);
}

/// A server that adds two headers to requests for P2, and whose programs see all
/// variables that are not used for that.
fn with_credentials() -> (Host, String) {
    let files = Fixture::new();
    let canary = files.text("CREDENTIAL-CANARY-@MARK@");
    let headers = files.text(
        r#"{"127.0.0.1:@P2@": {"authorization": "Bearer env:API_TOKEN", "x-key": "env:KEY"},
            "http://127.0.0.1:1024": {"x-key": "env:KEY"}}"#,
    );
    let variables = [("API_TOKEN", canary.as_str()), ("KEY", canary.as_str()), ("PLAIN", "seen")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let grants = format!("{NET},127.0.0.1:1024,allow-env");
    let host = Host::over(files, &grants, |config| {
        config.with_environment(variables.to_vec()).with_fetch_headers(headers)
    });
    (host, canary)
}

#[test]
fn credentials_are_added_for_the_named_host_only() {
    let (host, canary) = with_credentials();
    let program = |fetched: &str| format!("{ECHO} return parts(await (await {fetched}).text())[1]");
    let sent = |fetched: &str| host.value(&program(fetched)).as_str().unwrap().to_owned();
    let both = format!("authorization: Bearer {canary}; x-key: {canary}");
    assert_eq!(sent("fetch(u + '/echo')"), both);
    let own = "{ headers: { Authorization: 'mine', 'X-Key': 'mine', x: 'y' } }";
    assert_eq!(sent(&format!("fetch(u + '/echo', {own})")), format!("{both}; x: y"));
    assert_eq!(sent("fetch(other + '/echo')"), "");
    assert_eq!(sent("fetch(u + to(other + '/echo'))"), "");
    assert_eq!(sent("fetch(other + to(u + '/echo'))"), both);
    let posted = sent("fetch(u + to('/echo', 307), { method: 'POST', body: new Uint8Array(1) })");
    assert_eq!(posted, both);
}

#[test]
fn a_final_dot_and_upper_case_make_no_other_host() {
    let files = Fixture::new();
    let headers = files.text(r#"{"http://LocalHost.:@P2@": {"x-key": "canary"}}"#);
    let with_headers = |config: mcp_conductor::Config| config.with_fetch_headers(headers);
    let host = Host::over(files, "allow-net=LOCALHOST.:@P2@", with_headers);
    for name in ["localhost", "localhost.", "LOCALHOST."] {
        let program = format!("await (await fetch('http://{name}:@P2@/echo')).text()");
        let sent = host.value(&program).as_str().unwrap().to_lowercase();
        assert!(sent.contains("x-key: canary"), "{name}: {sent}");
    }
    let (kind, _) = host.error("await fetch('http://localhost..:@P2@/echo')");
    assert_eq!(kind, ErrorKind::Runtime);
    let denied = Host::over(
        Fixture::in_the_same_turn(),
        "allow-net=localhost:@P2@,deny-net=LocalHost.",
        |config| config,
    );
    let (kind, _) = denied.error("await fetch('http://localhost:@P2@/echo')");
    assert_eq!(kind, ErrorKind::Permission);
}

#[test]
fn credentials_are_not_the_programs_to_read() {
    let (host, canary) = with_credentials();
    let source = format!(
        "{}{ECHO} {}",
        include_str!("prelude.ts"),
        r#"
        const request = new Request(u + "/hello", { headers: { a: "b" } });
        const response = await fetch(request);
        return [
          [...request.headers], [...response.headers.values()].join(), JSON.stringify(response),
          Deno.env.get("PLAIN"), await t(() => Deno.env.get("API_TOKEN")), await t(() => Deno.env.has("KEY")),
          await t(() => Deno.env.toObject()), await t(() => fetch("http://127.0.0.1:1024/")),
          await t(() => fetch(u + "/hello", { method: "a b" })), await t(() => fetch(u + "/loop")),
          Deno.inspect(request, { showHidden: true, depth: 9 }), Deno.inspect(response, { depth: 9 }),
        ];"#
    );
    let execution = host.run(&source);
    assert_eq!(execution.error, None);
    assert_eq!(execution.return_value[3], "seen");
    for refused in [4, 5] {
        let text = execution.return_value[refused].as_str().unwrap_or_default();
        assert!(text.starts_with("NotCapable: Requires env access to "), "{text}");
    }
    assert!(!format!("{execution:?}").contains(&canary), "{execution:#?}");
    let grants = json!(host.value("PERMISSIONS")).to_string();
    assert!(!grants.contains(&canary), "{grants}");
}
