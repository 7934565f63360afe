//! Traces, as a collector on loopback gets them: OTLP over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, refused};
use crate::support::http_clients::{Caller, LegacySession};
use crate::support::ports::ClosedPort;
use crate::support::snippets::RUN;
use crate::support::upstreams::{only_stub, upstream};
use crate::support::waiting::{PATIENCE, within};

/// What a client says of its own span (W3C Trace Context, section 3.2).
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Takes what exporters send, for as long as the test runs.
#[derive(Clone, Default)]
struct Collector {
    requests: Arc<Mutex<Vec<Export>>>,
    port: u16,
}

#[derive(Clone, Debug)]
struct Export {
    /// Request line and headers, in lower case.
    head: String,
    body: Vec<u8>,
}

/// A span, as much of it as these tests look at. Identifiers are hexadecimal.
#[derive(Clone, Debug, Default, PartialEq)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    start: u64,
    end: u64,
    attributes: Vec<(String, String)>,
    status: u64,
    description: String,
}

impl Span {
    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let collector = Self { port, ..Self::default() };
        let requests = collector.requests.clone();
        spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(export) = take(stream) {
                    requests.lock().unwrap().push(export);
                }
            }
        });
        collector
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn exports(&self) -> Vec<Export> {
        self.requests.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<Span> {
        self.exports().iter().flat_map(|export| spans(&export.body)).collect()
    }

    /// The spans, once there are as many with the name `execution`.
    #[track_caller]
    fn runs(&self, count: usize) -> Vec<Span> {
        let runs = || self.spans().into_iter().filter(|span| span.name == "execution");
        let arrived = within(PATIENCE, || runs().count() >= count);
        assert!(arrived, "{} of {count} runs in {:#?}", runs().count(), self.spans());
        runs().collect()
    }
}

/// Reads one request and answers it.
fn take(mut stream: TcpStream) -> Option<Export> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).ok()?;
    Some(Export { head, body })
}

/// The value of a field, as protobuf's wire format has it.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("no number"),
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => panic!("no bytes"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }

    fn hex(&self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return number;
        }
    }
    panic!("a number of more than 64 bits");
}

/// The fields of a message, each with its number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            wire @ (1 | 5) => {
                let (fixed, rest) = bytes.split_at(if wire == 1 { 8 } else { 4 });
                bytes = rest;
                let number = fixed.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                Field::Number(number)
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(field)
            }
            wire => panic!("wire type {wire}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// Messages in a field that is there any number of times.
fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let fields = fields(bytes).into_iter().filter(|(found, _)| *found == number);
    fields.map(|(_, field)| field.bytes()).collect()
}

/// opentelemetry/proto/collector/trace/v1, and trace/v1, version 1.
fn spans(export: &[u8]) -> Vec<Span> {
    let resources = messages(export, 1).into_iter();
    let scopes = resources.flat_map(|resource| messages(resource, 2));
    scopes.flat_map(|scope| messages(scope, 2)).map(span).collect()
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span::default();
    for (number, field) in fields(bytes) {
        match number {
            1 => span.trace = field.hex(),
            2 => span.id = field.hex(),
            4 => span.parent = field.hex(),
            5 => span.name = field.text(),
            6 => span.kind = field.number(),
            7 => span.start = field.number(),
            8 => span.end = field.number(),
            9 => span.attributes.push(attribute(field.bytes())),
            15 => {
                for (number, field) in fields(field.bytes()) {
                    match number {
                        2 => span.description = field.text(),
                        3 => span.status = field.number(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    span
}

/// opentelemetry/proto/common/v1, `KeyValue`: texts, whole numbers and others.
fn attribute(bytes: &[u8]) -> (String, String) {
    let (mut key, mut value) = (String::new(), String::new());
    for (number, field) in fields(bytes) {
        if number == 1 {
            key = field.text();
            continue;
        }
        for (kind, field) in fields(field.bytes()) {
            value = match kind {
                1 => field.text(),
                4 => f64::from_bits(field.number()).to_string(),
                _ => field.number().to_string(),
            };
        }
    }
    (key, value)
}

/// `SpanKind` and `StatusCode` of trace.proto.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
const ERROR: u64 = 2;

/// A server that sends its spans at once, or nearly.
#[track_caller]
fn traced(collector: &Collector, home: Home, env: &[(&str, &str)]) -> Server {
    let endpoint = collector.endpoint();
    let own = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let env: Vec<_> = own.into_iter().chain(env.iter().copied()).collect();
    Server::at(home, &env, &[])
}

#[test]
fn a_run_is_a_span_and_what_it_reaches_for_are_its_children() {
    let collector = Collector::start();
    let server = traced(&collector, Home::empty(), &[]);
    server.call(
        "await Deno.writeTextFile('canary.txt', 'canary'); \
         try { await Deno.readTextFile('/etc/canary') } catch {}",
    );
    let runs = collector.runs(1);
    let [run] = &runs[..] else { panic!("{runs:#?}") };
    assert_eq!((run.kind, run.status, &*run.parent), (SERVER, 0, ""));
    assert_eq!(run.attribute("mcp_conductor.outcome"), Some("success"));
    assert_eq!(run.attribute("mcp_conductor.execution"), Some("1"));
    assert_eq!(run.attribute("mcp_conductor.refusals"), Some("1"));
    for name in ["queue_wait_seconds", "duration_seconds", "cpu_seconds", "peak_memory_bytes"] {
        let value = run.attribute(&format!("mcp_conductor.{name}"));
        assert!(value.is_some_and(|value| value.parse::<f64>().is_ok()), "{name}: {value:?}");
    }
    let spans = collector.spans();
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
    };
    let (write, read) = (named("op writeFile"), named("op readFile"));
    for child in [write, read] {
        assert_eq!((&child.trace, &child.parent), (&run.trace, &run.id));
        assert!(run.start <= child.start && child.end <= run.end, "{spans:#?}");
    }
    assert_eq!(write.status, 0, "{write:#?}");
    assert_eq!((read.status, &*read.description), (ERROR, "NotCapable"));
    assert_eq!(read.attribute("error.type"), Some("NotCapable"));
    for export in collector.exports() {
        assert!(!String::from_utf8_lossy(&export.body).contains("canary"), "{spans:#?}");
    }
}

#[test]
fn a_run_that_fails_is_an_error() {
    let collector = Collector::start();
    let server = traced(&collector, Home::empty(), &[]);
    server.call("throw new Error('canary')");
    let runs = collector.runs(1);
    let [run] = &runs[..] else { panic!("{runs:#?}") };
    assert_eq!((run.status, &*run.description), (ERROR, "runtime"));
}

#[test]
fn a_call_of_a_tool_names_server_and_tool() {
    let collector = Collector::start();
    let server = traced(&collector, Home::with(&only_stub()), &[]);
    server.call("await callTool('stub', 'echo', { text: 'canary' })");
    collector.runs(1);
    let spans = collector.spans();
    let call = spans.iter().find(|span| span.name == "op callTool");
    let call = call.unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(call.kind, CLIENT);
    assert_eq!(call.attribute("mcp.server"), Some("stub"));
    assert_eq!(call.attribute("mcp.tool"), Some("echo"));
}

#[test]
fn a_server_that_is_called_hears_of_the_span_of_the_call() {
    let collector = Collector::start();
    for options in [&["meta"][..], &["meta", "--modern"]] {
        let home = Home::with(&json!({ "meta": upstream(options) }));
        let server = traced(&collector, home, &[]);
        let meta = server.client().value("await callTool('meta', 'meta', {})");
        let (trace, span) = (|| {
            let mut parts = meta["traceparent"].as_str()?.strip_prefix("00-")?.split('-');
            let found = (parts.next()?.to_owned(), parts.next()?.to_owned());
            (parts.next() == Some("01")).then_some(found)
        })()
        .unwrap_or_else(|| panic!("{options:?}: {meta}"));
        let arrived = within(PATIENCE, || collector.spans().iter().any(|call| call.id == span));
        let spans = collector.spans();
        assert!(arrived, "{options:?}: {span} in {spans:#?}");
        let call = spans.iter().find(|call| call.id == span).expect("it arrived");
        assert_eq!((&*call.name, &*call.trace), ("op callTool", &*trace));
    }
}

#[test]
fn without_a_collector_the_trace_of_the_client_goes_on() {
    let server = Server::at(Home::with(&json!({ "meta": upstream(&["meta"]) })), &[], &[]);
    let code = "(await callTool('meta', 'meta', {})).traceparent ?? null";
    assert_eq!(server.client().value(code), Value::Null);
    let params = json!({ "name": RUN, "arguments": { "deno_code": code } });
    let request = server.client().request("tools/call", params).header("traceparent", PARENT);
    let answer = server.send(&request).answer();
    assert_eq!(answer["result"]["structuredContent"]["returnValue"], PARENT);
}

#[test]
fn a_request_names_its_host_and_status_and_no_path() {
    let collector = Collector::start();
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = upstream.local_addr().unwrap().port();
    spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n");
    });
    let grant = format!("allow-net=127.0.0.1:{port}");
    let server = traced(&collector, Home::empty(), &[("MCP_CONDUCTOR_RUN_ARGS", &*grant)]);
    let url = format!("http://127.0.0.1:{port}/canary?canary=canary");
    assert_eq!(server.client().value(&format!("(await fetch('{url}')).status")), 418);
    collector.runs(1);
    let spans = collector.spans();
    let fetch = spans.iter().find(|span| span.name == "op fetch");
    let fetch = fetch.unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(fetch.kind, CLIENT);
    assert_eq!(fetch.attribute("server.address"), Some("127.0.0.1"));
    assert_eq!(fetch.attribute("http.response.status_code"), Some("418"));
    assert!(!format!("{spans:?}").contains("canary"), "{spans:#?}");
}

#[test]
fn a_run_belongs_to_the_trace_of_its_client() {
    let collector = Collector::start();
    let server = traced(&collector, Home::empty(), &[]);
    let params = || json!({ "name": RUN, "arguments": { "deno_code": "1" } });
    let modern = server.client().request("tools/call", params());
    assert_eq!(server.send(&modern.header("traceparent", PARENT)).status, 200);
    let session = LegacySession::open(&server);
    let legacy = session.request("tools/call", params());
    assert_eq!(server.send(&legacy.header("traceparent", PARENT)).status, 200);
    for run in collector.runs(2) {
        assert_eq!((&*run.trace, &*run.parent), (TRACE, SPAN));
    }
}

#[test]
fn the_trace_of_a_call_outweighs_that_of_its_request() {
    let collector = Collector::start();
    let server = traced(&collector, Home::empty(), &[]);
    let meta = json!({ "traceparent": PARENT });
    let params = json!({ "name": RUN, "arguments": { "deno_code": "1" }, "_meta": meta });
    let other = PARENT.replace("4bf9", "0000");
    let request = server.client().request("tools/call", params).header("traceparent", &other);
    assert_eq!(server.send(&request).status, 200);
    let runs = collector.runs(1);
    assert_eq!((&*runs[0].trace, &*runs[0].parent), (TRACE, SPAN));
}

#[test]
fn a_malformed_trace_is_ignored() {
    let collector = Collector::start();
    let server = traced(&collector, Home::empty(), &[]);
    let malformed = [
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01".to_owned(),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("{PARENT}-extra"),
        "0".repeat(10_000),
    ];
    for traceparent in &malformed {
        let params = json!({ "name": RUN, "arguments": { "deno_code": "1" } });
        let request = server.client().request("tools/call", params);
        assert_eq!(server.send(&request.header("traceparent", traceparent)).status, 200);
    }
    for run in collector.runs(malformed.len()) {
        assert_eq!(run.parent, "", "{run:#?}");
        assert_ne!(run.trace, TRACE);
    }
}

#[test]
fn a_client_that_does_not_sample_is_not_traced() {
    let collector = Collector::start();
    let server = traced(&collector, Home::empty(), &[]);
    let unsampled = PARENT.replace("-01", "-00");
    let params = json!({ "name": RUN, "arguments": { "deno_code": "1" } });
    let request = server.client().request("tools/call", params);
    assert_eq!(server.send(&request.header("traceparent", &unsampled)).status, 200);
    server.works();
    let runs = collector.runs(1);
    assert!(runs.iter().all(|run| run.trace != TRACE), "{runs:#?}");
}

#[test]
fn exports_go_where_the_environment_says_and_say_who_sends_them() {
    let collector = Collector::start();
    let env = [
        ("OTEL_SERVICE_NAME", "conductor-under-test"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=blue"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=collector-key"),
    ];
    let server = traced(&collector, Home::empty(), &env);
    server.works();
    collector.runs(1);
    let Export { head, body } = &collector.exports()[0];
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
    assert!(head.contains("x-key: collector-key\r\n"), "{head}");
    let resources = messages(body, 1);
    let resource = messages(resources[0], 1);
    let attributes: Vec<_> = messages(resource[0], 1).into_iter().map(attribute).collect();
    for (key, value) in [("service.name", "conductor-under-test"), ("team", "blue")] {
        let expected = (key.to_owned(), value.to_owned());
        assert!(attributes.contains(&expected), "{expected:?} is not in {attributes:?}");
    }
}

#[test]
fn no_program_reads_the_collectors_key() {
    let collector = Collector::start();
    let env =
        [("OTEL_EXPORTER_OTLP_HEADERS", "x-key=canary"), ("MCP_CONDUCTOR_RUN_ARGS", "allow-env")];
    let server = traced(&collector, Home::empty(), &env);
    let read = server.client().call(
        "let seen = JSON.stringify(Deno.env.toObject()); \
         try { seen += Deno.env.get('OTEL_EXPORTER_OTLP_HEADERS') } catch (e) { seen += e.name } \
         seen",
    );
    assert!(!read.to_string().contains("canary"), "{read:#}");
}

#[test]
fn the_last_spans_are_sent_when_the_server_ends() {
    let collector = Collector::start();
    let delay = [("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let mut server = traced(&collector, Home::empty(), &delay);
    server.works();
    assert!(collector.spans().is_empty());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert_eq!(collector.runs(1).len(), 1);
}

#[test]
fn without_its_collector_a_server_works_says_so_once_and_ends_in_time() {
    let closed = ClosedPort::take();
    let collector = Collector { port: closed.number, ..Collector::default() };
    let mut server = traced(&collector, Home::empty(), &[]);
    server.works();
    server.logs(&["traces are lost"]);
    server.works();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(server.logged(&["traces are lost"]).len(), 1, "{}", server.log());
}

#[test]
fn what_cannot_be_done_as_asked_stops_the_start() {
    let home = Home::empty();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let (code, text) = refused(&home, &[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], &[]);
    let expected = "mcp-conductor: OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\": traces are sent as \
        http/protobuf only; unset it, and name the collector's HTTP port, such as \
        OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318\n";
    assert_eq!((code, &*text), (Some(3), expected));
    let (code, text) = refused(&home, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "canary:4318")], &[]);
    let expected = "mcp-conductor: OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL, such \
                    as http://localhost:4318\n";
    assert_eq!((code, &*text), (Some(3), expected));
}

#[test]
fn without_a_collector_there_is_no_trace() {
    let env = [("RUST_LOG", "debug")];
    let server = Server::start(&env, &[]);
    server.works();
    assert_eq!(server.logged(&["execution{"]), Vec::<String>::new());
}
