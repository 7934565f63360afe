//! What clients send and what they get, in both eras of the protocol.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use rmcp::ClientHandler;
use rmcp::model::{CallToolRequestParams, CallToolResult, ErrorCode, ProgressNotificationParam};
use rmcp::service::NotificationContext;
use rmcp::{RoleClient, ServiceError};
use serde_json::{Value, json};

use crate::support::http::{Server, on_the_port_of};
use crate::support::http_clients::{
    Caller as _, LegacySession, MODERN, answer_of, of_both_eras, program,
};
use crate::support::rmcp_clients::{RmcpClient, lifecycles, rmcp_client};
use crate::support::snippets::{RUN, sleeper, waiter};
use crate::support::waiting::{PATIENCE, bounded, within};
use crate::support::wire::Request;

/// Keeps what it is told about progress.
#[derive(Clone, Default)]
struct Client(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Client {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.0.lock().unwrap().push(params.message.unwrap_or_default());
    }
}

async fn execution(client: &RmcpClient<Client>, arguments: Value) -> Value {
    let arguments = arguments.as_object().cloned().expect("an object");
    let params = CallToolRequestParams::new(RUN).with_arguments(arguments);
    let result: CallToolResult = bounded(client.call_tool(params)).await.expect("a result");
    let mut execution = result.structured_content.expect("an execution");
    execution.as_object_mut().expect("an object").remove("executionTime");
    execution
}

#[test]
fn the_originals_cases_are_answered_as_they_were_collected() {
    let server = Server::start(&[], &[]);
    let without_session = server.get("/mcp");
    assert_eq!(
        (without_session.status, without_session.text()),
        (400, "Invalid or missing session ID\n".to_owned())
    );
    let unknown = server.get("/zzz");
    assert_eq!((unknown.status, unknown.text()), (404, "Page not found\n".to_owned()));
    // The original's process ended here.
    assert_eq!(server.send(&Request::post("{bad")).status, 400);
    server.works();
}

#[tokio::test]
async fn a_client_of_either_era_that_was_not_written_for_it_is_served() {
    let server = Server::start(&[], &[]);
    for lifecycle in lifecycles() {
        let client = rmcp_client(server.url(), None, Client::default(), lifecycle).await;
        let tools = bounded(client.list_all_tools()).await.expect("tools");
        assert_eq!((tools.len(), tools[0].name.as_ref()), (8, RUN));

        let code = "console.log('out'); rows.length";
        let arguments = json!({ "deno_code": code, "globals": { "rows": [1, 2] } });
        assert_eq!(
            execution(&client, arguments).await,
            json!({ "status": "success", "output": ["out"], "returnValue": 2 })
        );
        let failed = execution(&client, json!({ "deno_code": "throw new Error('no')" })).await;
        assert_eq!((&failed["status"], &failed["errorType"]), (&json!("error"), &json!("runtime")));

        let unknown = client.call_tool(CallToolRequestParams::new("nothing"));
        match bounded(unknown).await {
            Err(ServiceError::McpError(error)) => assert_eq!(error.code, ErrorCode::INVALID_PARAMS),
            other => panic!("{other:?}"),
        }
        // rmcp's requests always carry a progress token.
        let heard = client.service().0.lock().unwrap().clone();
        assert!(heard.contains(&"out".to_owned()), "{heard:?}");
        bounded(client.cancel()).await.expect("an end");
    }
}

#[test]
fn what_a_program_prints_arrives_while_it_runs() {
    let server = Server::start(&[], &[]);
    for (client, file) in of_both_eras(&server).iter().zip(["first", "second"]) {
        let mut connection = client.start_program(&waiter(file));
        server.release(file);
        let execution = answer_of(&mut connection)["result"]["structuredContent"].take();
        assert_eq!(execution["returnValue"], "done");
        assert_eq!(execution["output"], json!(["on"]));
    }
}

/// A machine between may give up on a connection that says nothing.
#[test]
fn the_first_byte_comes_at_once_when_progress_is_wanted() {
    let server = Server::start(&[], &[]);
    for (client, file) in of_both_eras(&server).iter().zip(["first", "second"]) {
        let mut params = program("");
        params["arguments"]["deno_code"] = json!(waiter(file));
        let mut connection = client.start("tools/call", params);
        assert_eq!(connection.head().expect("an answer").status, 200);
        assert!(connection.event().expect("a stream").is_some());
        server.release(file);
        answer_of(&mut connection);
    }
}

#[test]
fn progress_precedes_the_answer_and_carries_its_token() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let mut params = program("console.log('one'); 'end'");
        params["_meta"] = json!({ "progressToken": "a token" });
        let response = client.ask("tools/call", params);
        let mut messages = response.messages();
        let answer = messages.pop().expect("an answer");
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], "end");
        assert!(!messages.is_empty(), "{}", response.text());
        for message in messages {
            assert_eq!(message["method"], "notifications/progress", "{message}");
            assert_eq!(message["params"]["progressToken"], "a token", "{message}");
        }
    }
}

#[test]
fn malformed_messages_of_one_session_disturb_no_other() {
    let server = Server::start(&[], &[]);
    let (good, bad) = (LegacySession::open(&server), LegacySession::open(&server));
    let mut running = good.start_program(&sleeper(1500));
    for body in ["{bad", "", "null", "[]", "{}", "{\"jsonrpc\":\"2.0\"}", "\"text\"", "\u{0}"] {
        let response = server.send(&bad.within_session(Request::post(body)));
        assert_eq!(response.status, 400, "{body}: {}", response.text());
        let response = server.send(&good.within_session(Request::post(body)));
        assert_eq!(response.status, 400, "{body}: {}", response.text());
    }
    let answer = answer_of(&mut running);
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], "done");
    for session in [good, bad] {
        assert_eq!(session.value("1 + 1"), 2);
    }
}

/// The original's second session made its first one hang.
#[test]
fn sessions_side_by_side_answer_in_turns() {
    let server = Server::start(&[], &[]);
    let sessions: Vec<_> = (0..5).map(|_| LegacySession::open(&server)).collect();
    for turn in 0..3 {
        for (number, session) in sessions.iter().enumerate() {
            assert_eq!(session.value(&format!("{number} * 10 + {turn}")), number * 10 + turn);
        }
    }
}

#[test]
fn many_calls_at_once_get_their_own_answers() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    let calls: Vec<_> = (0..64)
        .map(|number| {
            let (client, session) = (server.client(), session.clone());
            spawn(move || {
                let code = format!("await new Promise((r) => setTimeout(r, 50)); 'n{number}'");
                let value =
                    if number % 2 == 0 { client.value(&code) } else { session.value(&code) };
                assert_eq!(value, format!("n{number}"));
            })
        })
        .collect();
    for call in calls {
        call.join().expect("its own answer");
    }
}

#[test]
fn a_connection_is_used_again() {
    let server = Server::start(&[], &[]);
    let mut connection = server.connect();
    let client = server.client();
    for number in 0..5 {
        let arguments = json!({ "deno_code": format!("{number} + 1") });
        let request = client.request("tools/call", json!({ "name": RUN, "arguments": arguments }));
        let answer = connection.exchange(&request).answer();
        assert_eq!(answer["result"]["structuredContent"]["returnValue"], number + 1);
        assert_eq!(connection.exchange(&Request::new("GET", "/health")).status, 200);
    }
}

#[test]
fn an_answer_has_the_id_of_its_request() {
    let server = Server::start(&[], &[]);
    let session = LegacySession::open(&server);
    for id in [json!(0), json!(7), json!("seven"), json!("ä\n\"")] {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        let answer = session.post(&message).answer();
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": id, "result": {} }));
    }
}

#[test]
fn other_methods_than_those_of_the_protocol_are_named_as_such() {
    let server = Server::start(&[], &[]);
    for method in ["HEAD", "PUT", "PATCH", "OPTIONS"] {
        let response = server.send(&Request::new(method, "/mcp"));
        assert_eq!(response.status, 405, "{method}: {}", response.text());
        let allowed = response.header("allow").expect("what is allowed").to_owned();
        assert!(allowed.contains("POST"), "{method}: {allowed}");
    }
    server.works();
}

#[test]
fn the_probes_say_that_it_lives_and_is_ready() {
    let server = Server::start(&[], &[]);
    let health = server.get("/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    assert!(within(PATIENCE, || server.get("/ready").status == 200), "{}", server.log());
    assert_eq!(server.get("/ready").json()["ready"], true);
    for path in ["/health/", "/healthz", "/Health", "//health", "/health/../mcp", "/"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn a_host_that_is_not_this_server_is_refused() {
    let server = Server::start(&[], &[]);
    let request = server.client().request("tools/list", json!({}));
    let port = server.port;
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("evil.example".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
        (format!("127.0.0.1.evil.example:{port}"), 403),
        (format!("localhost.evil.example:{port}"), 403),
    ] {
        let response = server.send(&request.clone().header("Host", &host));
        assert_eq!(response.status, status, "{host}: {}", response.text());
    }
    let without = server.raw(b"GET /mcp HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(without.starts_with("HTTP/1.1 400 "), "{without}");
}

#[test]
fn a_host_that_the_administrator_names_is_allowed() {
    let server = Server::start(&[("MCP_CONDUCTOR_ALLOWED_HOSTS", "conductor.example")], &[]);
    let request = server.client().request("tools/list", json!({}));
    let status = |host: &str| server.send(&request.clone().header("Host", host)).status;
    assert_eq!((status("conductor.example"), status("evil.example")), (200, 403));
}

/// MCP 2025-11-25, transports: servers MUST validate the Origin header.
#[test]
fn an_origin_that_is_not_this_server_is_refused() {
    let server = Server::start(&[], &[]);
    let request = server.client().request("tools/list", json!({}));
    let port = server.port;
    for (origin, status) in [
        (format!("http://localhost:{port}"), 200),
        (format!("http://127.0.0.1:{port}"), 200),
        ("http://evil.example".to_owned(), 403),
        (format!("http://evil.example:{port}"), 403),
        (format!("http://localhost.evil.example:{port}"), 403),
        (format!("http://localhost:{}", port ^ 1), 403),
        ("null".to_owned(), 403),
        ("nonsense".to_owned(), 403),
    ] {
        let response = server.send(&request.clone().header("Origin", &origin));
        assert_eq!(response.status, status, "{origin}: {}", response.text());
    }
    // Sessions are not opened or read from there either.
    let session = LegacySession::open(&server);
    let evil = |request: Request| server.send(&request.header("Origin", "http://evil.example"));
    assert_eq!(evil(crate::support::http_clients::initialize(&json!({}))).status, 403);
    assert_eq!(evil(session.listen(None)).status, 403);
    assert_eq!(session.value("1"), 1);
}

#[test]
fn an_origin_that_the_administrator_names_is_allowed() {
    let server =
        Server::start(&[("MCP_CONDUCTOR_ALLOWED_ORIGINS", "https://app.example.com:443")], &[]);
    let request = server.client().request("tools/list", json!({}));
    let status = |origin: &str| server.send(&request.clone().header("Origin", origin)).status;
    assert_eq!(status("https://app.example.com"), 200);
    assert_eq!(status("http://app.example.com"), 403);
    assert_eq!(status("https://other.example.com"), 403);
}

/// RFC 6454, section 4.
#[test]
fn an_origin_without_a_port_is_that_of_its_scheme() {
    let server =
        Server::start(&[("MCP_CONDUCTOR_ALLOWED_ORIGINS", "https://app.example.com")], &[]);
    let request = server.client().request("tools/list", json!({}));
    let status = |origin: &str| server.send(&request.clone().header("Origin", origin)).status;
    assert_eq!(status("https://app.example.com"), 200);
    assert_eq!(status("https://app.example.com:443"), 200);
    assert_eq!(status("https://app.example.com:8443"), 403);
}

#[test]
fn a_large_answer_arrives_whole() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let value = client.value("Array.from({ length: 20_000 }, (_, i) => 'row ' + i).join()");
        let expected: Vec<String> = (0..20_000).map(|number| format!("row {number}")).collect();
        assert!(value == expected.join(","), "{} bytes", value.to_string().len());
    }
}

#[test]
fn a_large_program_is_taken_whole() {
    let server = Server::start(&[], &[]);
    for client in of_both_eras(&server) {
        let rows: Vec<String> = (0..20_000).map(|number| format!("row {number}")).collect();
        let arguments = json!({
            "deno_code": "[rows.length, rows.at(-1)]", "globals": { "rows": rows },
        });
        let execution = client.structured(RUN, arguments);
        assert_eq!(execution["returnValue"], json!([20_000, "row 19999"]));
    }
}

#[test]
fn a_stateless_request_needs_no_handshake_and_leaves_no_session() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    let response = client.ask("server/discover", json!({}));
    assert_eq!((response.status, response.header("mcp-session-id")), (200, None));
    let result = response.answer()["result"].take();
    let versions = result["supportedVersions"].as_array().cloned().unwrap_or_default();
    assert!(versions.contains(&json!(MODERN)), "{result:#}");
    let response = client.ask("tools/list", json!({}));
    assert_eq!((response.status, response.header("mcp-session-id")), (200, None));
}

#[test]
fn a_server_with_results_as_yaml_answers_with_structure_too() {
    let server = Server::start(&[], &["--return-mode", "yaml"]);
    let result = server.client().tool(RUN, json!({ "deno_code": "({ a: [1] })" }));
    assert_eq!(result["structuredContent"]["returnValue"], json!({ "a": [1] }));
    let text = result["content"][0]["text"].as_str().expect("text");
    assert!(text.starts_with("status: success"), "{text}");
}

#[test]
fn timeouts_of_the_command_line_hold() {
    let server = Server::start(&[], &["--timeout", "300", "--max-timeout", "1000"]);
    let execution = server.call(&sleeper(5000));
    assert_eq!(execution["errorType"], "timeout", "{execution:#}");
    assert_eq!(execution["error"], "Execution timed out after 300ms");
}

#[test]
fn a_port_that_is_named_is_taken() {
    let ended = || {
        let port = Server::start(&[], &[]).port;
        // The kernel may need a moment to give the port back.
        within(PATIENCE, || TcpListener::bind(("127.0.0.1", port)).is_ok());
        port
    };
    on_the_port_of(ended, &[("MCP_CONDUCTOR_PORT", "1")], "--port").works();
}
