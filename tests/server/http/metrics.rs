//! `GET /metrics`: what Prometheus sees.

use std::collections::HashSet;

use serde_json::json;

use crate::support::home::Home;
use crate::support::http::{Server, series};
use crate::support::http_clients::{Caller, LegacySession};
use crate::support::snippets::{ENDLESS, RUN};
use crate::support::upstreams::only_stub;
use crate::support::wire::Request;

fn scrape(server: &Server) -> String {
    let response = server.get("/metrics");
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    response.text()
}

#[track_caller]
fn has(server: &Server, expected: &[(&str, f64)]) {
    let text = scrape(server);
    for (name, expected) in expected {
        assert_eq!(series(&text, name), Some(*expected), "{name} in\n{text}");
    }
}

#[test]
fn programs_are_counted_by_outcome_and_timed() {
    let server = Server::start(&[], &[]);
    server.works();
    server.call("throw new Error('canary')");
    server.call("await Deno.readTextFile('/etc/passwd')");
    server.call("try { await Deno.readTextFile('/etc/passwd') } catch { 1 }");
    has(
        &server,
        &[
            ("executions_total{language=\"typescript\",outcome=\"success\"}", 2.0),
            ("executions_total{language=\"typescript\",outcome=\"runtime\"}", 1.0),
            ("executions_total{language=\"typescript\",outcome=\"permission\"}", 1.0),
            ("executions_total{language=\"typescript\",outcome=\"timeout\"}", 0.0),
            ("execution_duration_seconds_count{language=\"typescript\"}", 4.0),
            ("queue_wait_seconds_count{language=\"typescript\"}", 4.0),
            ("refusals_total{permission=\"read\"}", 2.0),
            ("executions_waiting", 0.0),
        ],
    );
    // Until the worker's process has ended, its run has the place.
    server.becomes(&[("executions_active", 0.0)]);
    // What the kernel counted is known then too.
    has(
        &server,
        &[
            ("worker_cpu_seconds_count{language=\"typescript\"}", 4.0),
            ("worker_peak_memory_bytes_count{language=\"typescript\"}", 4.0),
        ],
    );
    assert!(!scrape(&server).contains("canary"));
}

#[test]
fn of_a_short_program_time_and_memory_are_measured() {
    let server = Server::start(&[], &[]);
    server.call("new Uint8Array(16 << 20).fill(1).length");
    server.becomes(&[("executions_active", 0.0)]);
    let scraped = scrape(&server);
    assert!(
        series(&scraped, "worker_cpu_seconds_sum{language=\"typescript\"}") > Some(0.0),
        "{scraped}"
    );
    assert!(
        series(&scraped, "worker_peak_memory_bytes_sum{language=\"typescript\"}")
            > Some(12_582_912.0),
        "{scraped}"
    );
}

#[test]
fn a_run_in_flight_is_active_and_one_that_is_left_was_cancelled() {
    let server = Server::start(&[], &[]);
    let connection = server.client().start_program(ENDLESS);
    server.becomes(&[("executions_active", 1.0)]);
    // That one, and the scrape's own.
    server.becomes(&[("http_connections", 2.0)]);
    drop(connection);
    server.becomes(&[("executions_total{language=\"typescript\",outcome=\"cancelled\"}", 1.0)]);
    server.becomes(&[("executions_active", 0.0)]);
}

#[test]
fn a_run_that_finds_no_room_is_counted_as_busy() {
    let env = [("MCP_CONDUCTOR_MAX_CONCURRENT", "1"), ("MCP_CONDUCTOR_MAX_QUEUE", "0")];
    let server = Server::start(&env, &[]);
    let _running = server.client().start_program(ENDLESS);
    let refused = server.client().tool(RUN, json!({ "deno_code": "1" }));
    assert_eq!(refused["isError"], true, "{refused:#}");
    has(&server, &[("executions_total{language=\"typescript\",outcome=\"busy\"}", 1.0)]);
}

#[test]
fn calls_of_tools_are_counted_by_server_and_outcome() {
    let server = Server::at(Home::with(&only_stub()), &[], &[]);
    let code = "for (const tool of ['fail', 'fail', 'echo']) { \
                    try { await callTool('stub', tool, { text: 'canary' }) } catch {} \
                }";
    let execution = server.call(code);
    assert_eq!(execution["status"], "success", "{execution:#}");
    has(
        &server,
        &[
            ("tool_calls_total{server=\"stub\",outcome=\"error\"}", 2.0),
            ("tool_calls_total{server=\"stub\",outcome=\"ok\"}", 1.0),
            ("tool_call_duration_seconds_count{server=\"stub\"}", 3.0),
        ],
    );
    assert!(!scrape(&server).contains("canary"));
}

#[test]
fn searches_are_counted_by_what_ranks_and_timed() {
    let server = Server::at(Home::with(&only_stub()), &[], &[]);
    for query in ["echo", "canary"] {
        server.client().tool("search_tools", json!({ "query": query }));
    }
    has(
        &server,
        &[
            ("search_queries_total{method=\"table\"}", 2.0),
            ("search_query_duration_seconds_count{method=\"table\"}", 2.0),
            ("search_texts_waiting", 0.0),
        ],
    );
    assert!(!scrape(&server).contains("canary"));
}

#[test]
fn a_server_that_there_is_not_makes_no_label() {
    let server = Server::at(Home::with(&only_stub()), &[], &[]);
    server.call("try { await import('mcp:canary') } catch {}");
    server.call("try { await callTool('canary', 'canary', {}) } catch {}");
    assert!(!scrape(&server).contains("canary"));
}

#[test]
fn requests_are_counted_by_route_and_status() {
    let server = Server::start(&[], &[]);
    server.works();
    for path in ["/health", "/canary-1", "/canary-2?canary", "/canary/metrics"] {
        server.get(path);
    }
    server.send(&Request::post("{"));
    has(
        &server,
        &[
            ("http_requests_total{route=\"/mcp\",status=\"200\"}", 1.0),
            ("http_requests_total{route=\"/mcp\",status=\"400\"}", 1.0),
            ("http_requests_total{route=\"/health\",status=\"200\"}", 1.0),
            ("http_requests_total{route=\"other\",status=\"404\"}", 3.0),
        ],
    );
    assert!(!scrape(&server).contains("canary"));
}

#[test]
fn sessions_are_counted_while_they_last() {
    let server = Server::start(&[], &[]);
    has(&server, &[("http_sessions", 0.0)]);
    let session = LegacySession::open(&server);
    has(&server, &[("http_sessions", 1.0)]);
    session.close();
    server.becomes(&[("http_sessions", 0.0)]);
}

#[test]
fn who_is_not_let_in_is_counted_by_reason_and_not_by_name() {
    let (server, token) = Server::with_token(&[]);
    server.client_as(&token).call("1");
    server.post(&json!({}));
    server.send(&Request::post("{}").bearer(&format!("{token}canary")));
    has(
        &server,
        &[
            ("authentication_failures_total{reason=\"missing\"}", 1.0),
            ("http_requests_total{route=\"/mcp\",status=\"401\"}", 2.0),
            ("executions_total{language=\"typescript\",outcome=\"success\"}", 1.0),
        ],
    );
    let text = scrape(&server);
    for secret in [&*token, "canary", "alice"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[test]
fn a_client_that_calls_too_often_is_counted() {
    let env = [("MCP_CONDUCTOR_RATE_LIMIT", "1"), ("MCP_CONDUCTOR_RATE_BURST", "1")];
    let server = Server::start(&env, &[]);
    server.works();
    let params = json!({ "name": RUN, "arguments": { "deno_code": "1" } });
    assert_eq!(server.client().ask("tools/call", params).status, 429);
    has(&server, &[("rate_limited_total", 1.0)]);
}

#[test]
fn the_process_is_described_as_elsewhere() {
    let server = Server::start(&[], &[]);
    let text = scrape(&server);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    assert!(value("process_start_time_seconds") > 1.7e9, "{text}");
    assert!(value("process_resident_memory_bytes") > 1e6, "{text}");
    assert!(value("process_open_fds") > 3.0, "{text}");
    assert!(value("process_max_fds") >= value("process_open_fds"), "{text}");
    let build = format!("mcp_conductor_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    assert!(text.lines().any(|line| line == build), "{text}");
}

#[test]
fn each_series_is_there_once_after_the_type_of_its_metric() {
    let server = Server::start(&[], &[]);
    server.works();
    let text = scrape(&server);
    let (mut types, mut series) = (HashSet::new(), HashSet::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            if words.next() == Some("TYPE") {
                let name = words.next().expect("a name").to_owned();
                assert!(types.insert(name), "{line} for the second time in\n{text}");
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let metric = name.split('{').next().expect("a name");
        let suffixes = ["", "_total", "_sum", "_count", "_bucket", "_info"];
        let mut names = suffixes.iter().filter_map(|suffix| metric.strip_suffix(suffix));
        assert!(names.any(|name| types.contains(name)), "{line} has no type in\n{text}");
        assert!(series.insert(name.to_owned()), "{line} for the second time in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_page_of_another_host_reads_no_metrics() {
    let server = Server::start(&[], &[]);
    let status = |name: &str, value: &str| {
        server.send(&Request::new("GET", "/metrics").header(name, value)).status
    };
    assert_eq!((status("Host", "localhost"), status("Host", "evil.example")), (200, 403));
    assert_eq!(status("Origin", &format!("http://localhost:{}", server.port)), 200);
    assert_eq!(status("Origin", "http://evil.example"), 403);
    let (server, _) = Server::with_token(&[("MCP_CONDUCTOR_ALLOWED_HOSTS", "metrics.example")]);
    let status =
        |host: &str| server.send(&Request::new("GET", "/metrics").header("Host", host)).status;
    assert_eq!((status("metrics.example:9"), status("127.0.0.1")), (200, 403));
}

#[test]
fn metrics_can_be_left_out() {
    let server = Server::start(&[("MCP_CONDUCTOR_METRICS", "0")], &[]);
    assert_eq!(server.get("/metrics").status, 404);
}
