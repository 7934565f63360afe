//! What no client should send: a clear refusal, said once in the log, and the next
//! client is served.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mcp_conductor::Timing;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, add_token, refused, tokens_of};
use crate::support::http_clients::{Caller as _, LegacySession};
use crate::support::snippets::RUN;
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::{Connection, Request};

/// Runs, which are not what is counted, are not in this log.
const LOG: (&str, &str) = ("RUST_LOG", "info,rmcp=off,audit=warn");

/// What the server has to say of an act: one line, which is returned.
#[track_caller]
fn said_once(server: &Server, act: impl FnOnce()) -> String {
    let before = server.log().lines().count();
    act();
    let lines =
        || -> Vec<String> { server.log().lines().skip(before).map(str::to_owned).collect() };
    assert!(within(PATIENCE, || !lines().is_empty()), "nothing is said:\n{}", server.log());
    sleep(Duration::from_millis(300));
    let lines = lines();
    let [line] = &lines[..] else { panic!("one line, not {lines:#?}") };
    line.clone()
}

/// An answer that is an error and nothing else.
#[track_caller]
fn is_error(answer: &Value, code: i64) {
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &Value::Null), "{answer}");
    assert_eq!((answer.get("result"), &answer["error"]["code"]), (None, &json!(code)), "{answer}");
    assert!(answer["error"]["message"].is_string(), "{answer}");
}

#[test]
fn a_missing_or_wrong_token_is_refused_once_and_the_right_one_taken() {
    let (server, token) = Server::with_token(&[LOG]);
    let good = server.client_as(&token);
    let wrong = format!("{token}x");
    let request = server.client().request("tools/list", json!({}));
    for request in [
        request.clone(),
        request.clone().bearer(&wrong),
        request.clone().bearer("mcpc_"),
        request.clone().header("Authorization", "Basic YWxpY2U6c2VjcmV0"),
        request.clone().header("Authorization", "Bearer"),
        request.clone().header("Authorization", ""),
    ] {
        let line = said_once(&server, || {
            let response = server.send(&request);
            assert!(matches!(response.status, 400 | 401), "{request:?}: {}", response.status);
            assert!(response.header("www-authenticate").is_some(), "{request:?}");
        });
        assert!(!line.contains(&wrong) && !line.contains("YWxp"), "{line}");
        assert_eq!(good.value("1"), 1);
    }
}

#[test]
fn a_body_of_a_hundred_megabytes_is_refused_before_it_is_read() {
    let server = Server::start(&[LOG], &[]);
    let line = said_once(&server, || {
        let mut connection = server.connect();
        let request = Request::post("").header("Content-Length", "104857600");
        connection.send(&request);
        let response = connection.receive().expect("an answer");
        assert_eq!(response.status, 413, "{}", response.text());
        assert!(response.text().contains("MCP_CONDUCTOR_MAX_BODY_SIZE"), "{}", response.text());
    });
    assert!(line.contains("body_size"), "{line}");
    server.works();
}

#[test]
fn a_body_without_a_length_is_refused_when_it_is_too_long() {
    let server = Server::start(&[LOG, ("MCP_CONDUCTOR_MAX_BODY_SIZE", "1048576")], &[]);
    said_once(&server, || {
        let mut connection = server.connect();
        connection.send(&Request::post("").header("Transfer-Encoding", "chunked"));
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        // 17 of 64 KiB: one more than fits.
        for _ in 0..17 {
            let _ = connection.write(chunk.as_bytes());
        }
        let response = connection.receive().expect("an answer");
        assert_eq!(response.status, 413, "{}", response.text());
    });
    server.works();
}

#[test]
fn a_body_without_an_end_is_not_read_to_its_end() {
    let server = Server::start(&[("MCP_CONDUCTOR_MAX_BODY_SIZE", "1048576")], &[]);
    let mut connection = server.connect();
    connection.send(&Request::post("").header("Transfer-Encoding", "chunked"));
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    let end = Instant::now() + PATIENCE;
    let mut sent = 0;
    while connection.write(chunk.as_bytes()).is_ok() && sent < 100 && Instant::now() < end {
        sent += 1;
    }
    assert!(sent < 100, "the server has read {sent} MiB");
    server.works();
}

#[test]
fn a_body_as_long_as_is_allowed_is_read() {
    let server = Server::start(&[("MCP_CONDUCTOR_MAX_BODY_SIZE", "1048576")], &[]);
    let request = server
        .client()
        .request("tools/call", json!({ "name": RUN, "arguments": { "deno_code": "7" } }));
    for (bytes, status) in [(1 << 20, 200), ((1 << 20) + 1, 413)] {
        let mut request = request.clone();
        request.body.resize(bytes, b' ');
        assert_eq!(server.send(&request).status, status, "{bytes}");
    }
}

/// Headers have 10 s if nothing is said, and 3 s here.
#[test]
fn slow_headers_that_never_end_are_given_up_and_others_served() {
    let server = Server::start(&[LOG, (Timing::VARIABLE, "head=3000")], &[]);
    said_once(&server, || {
        let mut slow = server.connect();
        slow.write(format!("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", server.port).as_bytes())
            .expect("sent");
        let start = Instant::now();
        while !slow.closes_within(Duration::from_millis(500)) {
            assert!(start.elapsed() < Duration::from_secs(20), "it is not given up");
            let _ = slow.write(b"X-Header: and on\r\n");
            server.works();
        }
        assert!(start.elapsed() > Duration::from_millis(1500), "{:?}", start.elapsed());
    });
    server.works();
}

/// A body has 30 s if nothing is said, and 6 s here.
#[test]
fn slow_bodies_that_never_end_are_given_up_and_others_served() {
    let server = Server::start(&[LOG, (Timing::VARIABLE, "body=6000")], &[]);
    said_once(&server, || {
        let mut slow = server.connect();
        slow.send(&Request::post("{").header("Content-Length", "1000"));
        let start = Instant::now();
        while !slow.closes_within(Duration::from_secs(1)) {
            assert!(start.elapsed() < Duration::from_secs(45), "it is not given up");
            let _ = slow.write(b" ");
            server.works();
        }
        assert!(start.elapsed() > Duration::from_secs(2), "{:?}", start.elapsed());
    });
    server.works();
}

#[test]
fn bytes_that_are_no_json_are_answered_as_such() {
    let server = Server::start(&[LOG], &[]);
    let nested = "[".repeat(100_000);
    let objects = "{\"a\":".repeat(100_000);
    for body in
        [&b"{bad"[..], b"", b"\xff\xfe", b"\x00\x01\x02\x03", nested.as_bytes(), objects.as_bytes()]
    {
        let start: String = String::from_utf8_lossy(body).chars().take(60).collect();
        let response = server.send(&Request::post(body));
        assert_eq!(response.status, 400, "{start}: {}", response.text());
        assert_eq!(response.header("content-type"), Some("application/json"), "{start}");
        is_error(&response.json(), -32700);
    }
    server.works();
}

#[test]
fn invalid_utf_8_is_refused_once() {
    let server = Server::start(&[LOG], &[]);
    said_once(&server, || {
        let response = server.send(&Request::post(&b"{\"method\":\"\xff\"}"[..]));
        assert_eq!(response.status, 400);
    });
    server.works();
}

#[test]
fn a_body_that_cannot_be_read_is_answered_with_its_id() {
    let server = Server::start(&[], &[]);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let deep = format!(r#"{{"jsonrpc":"2.0","method":"ping","params":{deep},"id":"a"}}"#);
    for (body, id) in [
        (&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}"[..], json!(1)),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} trailing", json!(1)),
        (br#"{"method":"ping","params":{"n":NaN},"jsonrpc":"2.0","id":7}"#, json!(7)),
        (deep.as_bytes(), json!("a")),
    ] {
        let response = server.send(&Request::post(body));
        let shown = String::from_utf8_lossy(body).into_owned();
        assert_eq!(response.status, 400, "{shown}: {}", response.text());
        let answer = response.json();
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32700)), "{shown}");
    }
    server.works();
}

/// What `JSON.stringify` writes for a text that `slice` has cut, small and large.
#[test]
fn half_of_a_surrogate_pair_and_a_byte_order_mark_are_taken() {
    let server = Server::start(&[], &[]);
    for length in [1, 100_000] {
        let arguments = json!({
            "deno_code": "g.slice(-2) + 'CUT'", "globals": { "g": format!("{}CUT", "x".repeat(length)) },
        });
        let params = json!({ "name": RUN, "arguments": arguments });
        let mut request = server.client().request("tools/call", params);
        let body = String::from_utf8(request.body).expect("JSON").replace("CUT", r"\ud83d");
        request.body = format!("\u{feff}{body}").into_bytes();
        let answer = server.send(&request).answer();
        let value = &answer["result"]["structuredContent"]["returnValue"];
        assert_eq!(*value, "x\u{fffd}\u{fffd}", "{answer}");
    }
}

#[test]
fn numbers_that_cannot_be_read_come_as_their_digits() {
    let server = Server::start(&[], &[]);
    let arguments = json!({ "deno_code": "g", "globals": { "g": ["NUMBER", 1] } });
    let params = json!({ "name": RUN, "arguments": arguments });
    for number in ["18446744073709551617", "1e400", "1915883588174806058"] {
        let mut request = server.client().request("tools/call", params.clone());
        let body = String::from_utf8(request.body).expect("JSON");
        request.body = body.replace("\"NUMBER\"", number).into_bytes();
        let answer = server.send(&request).answer();
        let value = &answer["result"]["structuredContent"]["returnValue"];
        assert_eq!(*value, json!([number, 1]), "{answer}");
    }
}

#[test]
fn json_that_is_no_message_is_answered_as_such() {
    let server = Server::start(&[], &[]);
    for body in [
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
        r#"["2.0",1,"tools/list",{},{},{}]"#,
        "[]",
        "null",
        "17",
        "\"text\"",
        "{}",
        r#"{"jsonrpc":"1.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":5}"#,
        r#"{"jsonrpc":"2.0","method":"a","method":"b"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","method":"ping","params":"text"}"#,
        r#"{"jsonrpc":"2.0","id":1e400,"method":"ping"}"#,
    ] {
        let response = server.send(&Request::post(body));
        assert_eq!(response.status, 400, "{body}: {}", response.text());
        is_error(&response.json(), -32600);
    }
    server.works();
}

/// Two values of one key are two messages: one for the machine between, one for us.
#[test]
fn a_key_that_comes_twice_is_not_understood_as_either() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    let request = client.request("tools/list", json!({}));
    let body = String::from_utf8(request.body.clone()).expect("JSON");
    let mut twice = request.clone();
    twice.body = body.replacen('{', "{\"method\":\"tools/call\",", 1).into_bytes();
    assert_eq!(server.send(&twice).status, 400);
    assert_eq!(server.send(&request).status, 200);
}

#[test]
fn an_id_of_any_size_gets_its_answer_or_a_refusal() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    for id in [json!("x".repeat(1 << 20)), json!(u64::MAX), json!(i64::MIN), json!(1.5)] {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        let response = session.post(&message);
        match response.status {
            200 => assert!(response.answer()["id"] == id, "{} bytes", response.body.len()),
            status => assert_eq!(status, 400),
        }
        assert_eq!(session.value("1"), 1);
    }
}

#[test]
fn a_request_of_another_media_type_is_refused() {
    let server = Server::start(&[], &[]);
    let request = server.client().request("tools/list", json!({}));
    for (name, value, status) in [
        ("Content-Type", None, 415),
        ("Content-Type", Some("text/plain"), 415),
        ("Content-Type", Some("application/x-www-form-urlencoded"), 415),
        ("Content-Type", Some("multipart/form-data; boundary=x"), 415),
        ("Content-Type", Some("application/json; charset=utf-8"), 200),
        ("Accept", None, 406),
        ("Accept", Some("application/json"), 406),
        ("Accept", Some("text/html"), 406),
        ("Accept", Some("text/event-stream, application/json;q=0.9"), 200),
    ] {
        let request = match value {
            Some(value) => request.clone().header(name, value),
            None => request.clone().without(name),
        };
        let response = server.send(&request);
        assert_eq!(response.status, status, "{name}: {value:?}: {}", response.text());
    }
}

#[test]
fn a_method_that_does_not_exist_is_named_in_the_answer() {
    let server = Server::start(&[], &[]);
    let long = "x".repeat(10_000);
    for method in ["no/such", "tools/call/", "", "__proto__", long.as_str()] {
        let response = server.client().ask(method, json!({}));
        if method.is_empty() || method.len() > 1000 {
            assert!(matches!(response.status, 400 | 404 | 431), "{}", response.status);
            continue;
        }
        assert_eq!(response.status, 404, "{method}: {}", response.text());
        assert_eq!(response.answer()["error"]["code"], -32601, "{method}");
    }
    server.works();
}

#[test]
fn what_is_no_http_is_refused_and_the_next_client_served() {
    let server = Server::start(&[], &[]);
    let long = [b'A'; 300_000];
    for bytes in [
        // HTTP/0.9 and others that are not HTTP/1.1.
        &b"GET /\r\n"[..],
        b"GET /mcp\r\n\r\n",
        b"GET /mcp HTTP/0.9\r\n\r\n",
        b"GET /mcp HTTP/3.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // The first bytes of TLS 1.3.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\r\n\r\n\r\n\r\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n",
        b"GET",
        &long,
    ] {
        let answer = server.raw(bytes);
        let is_refusal = ["HTTP/1.1 4", "HTTP/1.0 4", "HTTP/1.1 505"]
            .iter()
            .any(|start| answer.starts_with(start));
        let shown: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
        assert!(answer.is_empty() || is_refusal, "{shown:?}: {answer}");
        server.works();
    }
}

#[test]
fn http_0_9_is_refused_once() {
    let server = Server::start(&[LOG], &[]);
    said_once(&server, || {
        server.raw(b"GET /mcp\r\n\r\n");
    });
    server.works();
}

/// RFC 9112, sections 2.2, 5.1, 6.3 and 11.2.
#[test]
fn headers_that_mean_two_things_are_refused() {
    let server = Server::start(&[], &[]);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for header in [
        "X-A: b\0c",
        "X-A\0: b",
        "X A: b",
        "X-A : b",
        ": b",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: nonsense",
        "X-A: b\r\n folded",
    ] {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nConnection: close\r\n{header}\r\n\r\n",
            server.port
        );
        let answer = server.raw(format!("{head}{body}").as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{header:?}: {answer}");
    }
    server.works();
}

#[test]
fn texts_of_a_client_add_no_headers_and_no_lines() {
    let (server, _) = Server::with_token(&[]);
    let path = "/%0d%0aX-Evil:%201%0d%0a%0d%0a";
    let response = server.get(path);
    assert_eq!((response.status, response.header("x-evil")), (404, None));
    assert_eq!(response.text(), "Page not found\n");
    // Controls of C1, which a terminal acts on, are bytes that a header may have.
    let request = server
        .client()
        .request("tools/list", json!({}))
        .header("Authorization", "Bearer \u{9b}31mred\u{202e}")
        .header("User-Agent", "\u{9b}2J\u{202e}");
    assert!(matches!(server.send(&request).status, 400 | 401));
    let other = server.client().request("tools/list", json!({})).header("Host", "\u{9b}2J.example");
    assert!(server.send(&other).status >= 400);
    sleep(Duration::from_millis(300));
    let log = server.log();
    assert!(!log.contains(['\u{9b}', '\u{202e}', '\u{1b}']), "{log}");
}

#[test]
fn many_headers_or_long_ones_are_refused() {
    let server = Server::start(&[], &[]);
    let many: String = (0..5000).map(|number| format!("X-{number}: 0123456789\r\n")).collect();
    let some: String = (0..200).map(|number| format!("X-{number}: 0\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(100 << 10));
    for headers in [&many, &some, &long] {
        let head = format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", server.port);
        let answer = server.raw(format!("{head}{headers}\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    // What a request has with cookies, a token and a trace is fine.
    let usual = Request::new("GET", "/health").header("Cookie", &"c".repeat(8 << 10));
    assert_eq!(server.send(&usual).status, 200);
}

#[test]
fn a_long_path_is_refused() {
    let server = Server::start(&[], &[]);
    for length in [5_000, 70_000, 200_000] {
        let answer = server.raw(
            format!(
                "GET /{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                "a".repeat(length),
                server.port
            )
            .as_bytes(),
        );
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "" | "404" | "414" | "431"), "{length}: {answer}");
    }
    server.works();
}

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    let server = Server::start(&[], &[]);
    let idle = many_connections(&server, 1000);
    server.works();
    assert_eq!(LegacySession::open(&server).value("1"), 1);
    drop(idle);
    server.works();
}

/// As many connections as this process may have, but no more than these.
fn many_connections(server: &Server, most: usize) -> Vec<Connection> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the limit that is allowed");
    // The other tests of this process have some.
    let most = most.min(usize::try_from(hard).unwrap_or(usize::MAX) / 2);
    (0..most).map(|_| server.connect()).collect()
}

#[test]
fn requests_that_come_at_once_are_answered_in_turn() {
    let server = Server::start(&[], &[]);
    let mut connection = server.connect();
    let requests: Vec<_> = ["1", "2", "3"]
        .map(|code| {
            let arguments = json!({ "deno_code": code });
            server.client().request("tools/call", json!({ "name": RUN, "arguments": arguments }))
        })
        .into();
    let bytes: Vec<u8> = requests.iter().flat_map(|request| request.bytes(server.port)).collect();
    connection.write(&bytes).expect("sent");
    for number in 1..=3 {
        let answer = connection.receive().expect("an answer").answer();
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], number);
    }
}

/// RFC 9110, section 10.1.1.
#[test]
fn a_client_that_waits_for_100_is_told_to_go_on_or_refused() {
    let (server, token) = Server::with_token(&[]);
    let request = server
        .client_as(&token)
        .request("tools/call", json!({ "name": RUN, "arguments": { "deno_code": "5" } }));
    let body = request.body.clone();
    let mut waiting = request.header("Expect", "100-continue");
    waiting = waiting.header("Content-Length", &body.len().to_string());
    waiting.body.clear();

    let mut connection = server.connect();
    connection.send(&waiting);
    sleep(Duration::from_millis(200));
    connection.write(&body).expect("it goes on");
    let answer = connection.receive().expect("an answer").answer();
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], 5);

    // Nothing is asked of a client that will be refused.
    let mut connection = server.connect();
    connection.send(&waiting.without("Authorization"));
    assert_eq!(connection.receive().expect("an answer").status, 401);
}

#[test]
fn a_configuration_with_a_typo_stops_with_the_line_and_the_right_key() {
    let home = Home::empty();
    home.write("conductor.toml", "max_queue = 10\nmax_cpu_tmie = 5\n");
    let file = home.name("conductor.toml");
    let (code, said) = refused(&home, &[], &["--config", &file]);
    assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
    for word in ["conductor.toml", "line 2", "max_cpu_tmie", "max_cpu_time"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    home.write("conductor.toml", "max_queue = 10\nmax_cpu_time = 5000\n");
    Server::at(home, &[], &["--config", &file]).works();
}

fn change_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn a_file_of_tokens_that_others_can_read_stops_with_what_to_do() {
    let home = Home::empty();
    let token = add_token(&home, "alice");
    let tokens = tokens_of(&home);
    let env = [("MCP_CONDUCTOR_TOKENS", tokens.as_str())];
    for readable in [0o644, 0o640, 0o604, 0o622] {
        change_mode(Path::new(&tokens), readable);
        let (code, said) = refused(&home, &env, &[]);
        assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
        assert!(said.contains("chmod 600") && said.contains(&tokens), "{said}");
    }
    change_mode(Path::new(&tokens), 0o600);
    let server = Server::at(home, &env, &[]);
    assert_eq!(server.client_as(&token).value("1"), 1);
}

#[test]
fn a_file_of_tokens_that_cannot_be_used_stops_the_server() {
    let home = Home::empty();
    home.write("garbage.json", "{\"tokens\": [{\"name\": \"a\"}]}");
    home.write("empty.json", "");
    for name in ["garbage.json", "empty.json"] {
        change_mode(&home.path(name), 0o600);
    }
    for name in ["garbage.json", "empty.json", "missing.json", "."] {
        let file = home.name(name);
        let (code, said) = refused(&home, &[("MCP_CONDUCTOR_TOKENS", &file)], &[]);
        assert_eq!((code, said.lines().count()), (Some(3), 1), "{name}: {said}");
        assert!(said.contains(&file), "{said}");
    }
}

#[test]
fn a_port_that_is_taken_stops_the_server_with_its_number() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (code, said) = refused(&Home::empty(), &[], &["-p", &port]);
    assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains(&port), "{said}");
}

#[test]
fn a_setting_that_is_wrong_stops_the_server_with_its_variable() {
    let home = Home::empty();
    for (name, value) in [
        ("MCP_CONDUCTOR_BIND", "nowhere"),
        ("MCP_CONDUCTOR_MAX_BODY_SIZE", "-1"),
        ("MCP_CONDUCTOR_PUBLIC_URL", "no url"),
        ("MCP_CONDUCTOR_ALLOWED_ORIGINS", "no origin"),
        ("MCP_CONDUCTOR_MAX_SESSIONS", "many"),
        ("MCP_CONDUCTOR_RATE_LIMIT", "1/s"),
    ] {
        let (code, said) = refused(&home, &[(name, value)], &[]);
        assert_eq!((code, said.lines().count()), (Some(3), 1), "{name}: {said}");
        assert!(said.contains(name) && said.contains("for example"), "{said}");
    }
}

#[test]
fn a_flood_of_bad_requests_slows_nobody_for_long() {
    let server = Server::start(&[], &[]);
    let flood: Vec<_> = (0..8)
        .map(|_| {
            let port = server.port;
            std::thread::spawn(move || {
                for _ in 0..100 {
                    let mut connection = Connection::open(port);
                    connection.send(&Request::post("{bad"));
                    assert_eq!(connection.receive().expect("an answer").status, 400);
                }
            })
        })
        .collect();
    let start = Instant::now();
    server.works();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for client in flood {
        client.join().expect("each is answered");
    }
    server.works();
}
