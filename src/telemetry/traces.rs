//! One span for each run, and below it one for each operation that reaches outside of
//! its worker. They say what kind of thing was done where: names of operations, hosts,
//! servers, tools and commands, and never a path, a query, an argument or a header.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use url::Url;

use super::{End, TraceParent};
use crate::protocol::{CommandOperation, NetworkOperation, Operation, ToolOperation};
use crate::text::clip::head;

/// The target of all spans. Only [`super::TraceExport::layer`] asks for it: without
/// one, the spans cost a load and a branch.
pub(super) const TARGET: &str = "mcp_conductor::trace";

/// Operations of one run that have a span. The SDK keeps 2048 spans until they are sent
/// (OTEL_BSP_MAX_QUEUE_SIZE): sixteen runs' worth.
const MAX_OPERATIONS: u32 = 128;

/// Bytes of a name that a program or a client chose; a host has at most 253 (RFC 1035).
const MAX_NAME: usize = 256;

/// The span of one run. All clones are the same.
#[derive(Clone)]
pub(crate) struct ExecutionSpan {
    span: Span,
    operations: Arc<AtomicU32>,
    parent: Option<TraceParent>,
}

/// The span of one operation, until it is dropped.
pub(crate) struct OperationSpan {
    span: Span,
    /// The client's span, whose trace goes on where this server takes no part in it
    /// (W3C Trace Context, section 3.3).
    parent: Option<TraceParent>,
}

/// What a span says of its operation.
#[derive(Default)]
struct About<'a> {
    is_request: bool,
    host: Option<String>,
    server: Option<&'a str>,
    tool: Option<&'a str>,
    program: Option<&'a str>,
}

impl ExecutionSpan {
    pub(crate) fn start(principal: Option<&str>, parent: Option<TraceParent>) -> Self {
        let span = tracing::trace_span!(
            target: TARGET,
            parent: None,
            "execution",
            otel.kind = "server",
            otel.status_description = Empty,
            mcp_conductor.execution = Empty,
            mcp_conductor.language = Empty,
            mcp_conductor.principal = principal.map(cut),
            mcp_conductor.outcome = Empty,
            mcp_conductor.queue_wait_seconds = Empty,
            mcp_conductor.duration_seconds = Empty,
            mcp_conductor.cpu_seconds = Empty,
            mcp_conductor.peak_memory_bytes = Empty,
            mcp_conductor.refusals = Empty,
            mcp_conductor.untraced_operations = Empty,
        );
        if let Some(parent) = parent
            && !span.is_disabled()
        {
            // Where the span is another listener's, there is nothing to set.
            let _ = span.set_parent(parent.context());
        }
        Self { span, operations: Arc::default(), parent }
    }

    pub(super) fn number(&self, execution: u64) {
        self.span.record("mcp_conductor.execution", integer(execution));
    }

    pub(super) fn language(&self, name: &'static str) {
        self.span.record("mcp_conductor.language", name);
    }

    pub(super) fn queue_waited(&self, time: Duration) {
        self.span.record("mcp_conductor.queue_wait_seconds", time.as_secs_f64());
    }

    pub(super) fn ended(&self, end: &End) {
        let span = &self.span;
        span.record("mcp_conductor.duration_seconds", end.duration.as_secs_f64());
        span.record("mcp_conductor.refusals", i64::from(end.refusals));
        let untraced = self.operations.load(Ordering::Relaxed).saturating_sub(MAX_OPERATIONS);
        if untraced > 0 {
            span.record("mcp_conductor.untraced_operations", i64::from(untraced));
        }
        self.outcome(end.outcome);
    }

    /// What is known after its end, which it does not move.
    pub(super) fn used(&self, cpu: Duration, peak_memory: u64) {
        self.span.record("mcp_conductor.cpu_seconds", cpu.as_secs_f64());
        self.span.record("mcp_conductor.peak_memory_bytes", integer(peak_memory));
    }

    pub(super) fn outcome(&self, outcome: &'static str) {
        self.span.record("mcp_conductor.outcome", outcome);
        if outcome != "success" {
            self.span.record("otel.status_description", outcome);
        }
        // A span ends when it was left last. An operation that still goes on in a thread
        // keeps it open, but not this end of it.
        self.span.in_scope(|| ());
    }

    /// A span for an operation that begins.
    pub(crate) fn operation(&self, operation: &Operation) -> OperationSpan {
        OperationSpan { span: self.span_of(operation), parent: self.parent }
    }

    fn span_of(&self, operation: &Operation) -> Span {
        if self.span.is_disabled() {
            return Span::none();
        }
        let Some(about) = About::of(operation) else { return Span::none() };
        if self.operations.fetch_add(1, Ordering::Relaxed) >= MAX_OPERATIONS {
            return Span::none();
        }
        let name = format!("op {}", operation.name());
        tracing::trace_span!(
            target: TARGET,
            parent: &self.span,
            "operation",
            otel.name = name.as_str(),
            otel.kind = if about.is_request { "client" } else { "internal" },
            otel.status_description = Empty,
            server.address = about.host.as_deref().map(cut),
            http.response.status_code = Empty,
            mcp.server = about.server.map(cut),
            mcp.tool = about.tool.map(cut),
            process.executable.name = about.program.map(cut),
            "error.type" = Empty,
        )
    }
}

impl OperationSpan {
    /// The head of a response arrived.
    pub(crate) fn responded(&self, status: u16) {
        self.span.record("http.response.status_code", i64::from(status));
    }

    /// What is sent with it to another server.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        let own = self.span.context();
        TraceParent::of(own.span().span_context()).or(self.parent)
    }

    /// It was refused or failed, with an error of this class.
    pub(crate) fn failed(&self, class: &str) {
        let class = cut(class);
        self.span.record("error.type", class);
        self.span.record("otel.status_description", class);
    }
}

impl<'a> About<'a> {
    /// Nothing for what happens in tables of the server's, or on something that was
    /// opened before.
    fn of(operation: &'a Operation) -> Option<Self> {
        match operation {
            Operation::File(_) | Operation::Module(_) => Some(Self::default()),
            Operation::Network(operation) => Some(Self::of_network(operation)),
            Operation::Command(operation) => Self::of_command(operation),
            Operation::Tool(operation) => Self::of_tool(operation),
            Operation::Handle(_)
            | Operation::Environment(_)
            | Operation::Permission(_)
            | Operation::Session(_) => None,
        }
    }

    fn of_network(operation: &NetworkOperation) -> Self {
        let host = match operation {
            NetworkOperation::Fetch { url, .. } => host(url),
            NetworkOperation::FetchResponse { .. } => None,
        };
        Self { is_request: true, host, ..Self::default() }
    }

    fn of_command(operation: &'a CommandOperation) -> Option<Self> {
        match operation {
            CommandOperation::Spawn(options) | CommandOperation::Output(options) => {
                Some(Self { program: Some(file_name(&options.command)), ..Self::default() })
            }
            CommandOperation::Wait { .. } | CommandOperation::Kill { .. } => None,
        }
    }

    fn of_tool(operation: &'a ToolOperation) -> Option<Self> {
        let (server, tool) = match operation {
            ToolOperation::CallTool { server, tool, .. } => (server.as_deref(), Some(&**tool)),
            ToolOperation::AskServer { server, .. } => (Some(&**server), None),
            ToolOperation::Servers
            | ToolOperation::DescribeServers
            | ToolOperation::SearchTools { .. }
            | ToolOperation::ToolSchema { .. }
            | ToolOperation::FindTools { .. }
            | ToolOperation::LoadToolSpec { .. } => return None,
        };
        Some(Self { is_request: true, server, tool, ..Self::default() })
    }
}

fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// What comes before it in a path may say whose file it is.
fn file_name(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}

fn cut(name: &str) -> &str {
    head(name, MAX_NAME)
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use opentelemetry::Value;
    use opentelemetry::trace::Status;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use parking_lot::{Mutex, MutexGuard};
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::export::layer;
    use super::*;
    use crate::protocol::{EnvironmentOperation, RequestBody};

    #[derive(Debug, Clone, Default)]
    struct Collected(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Collected {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().extend(batch);
            Ok(())
        }
    }

    /// tracing asks whether anybody wants a span, of all subscribers that there are: with
    /// that of another test beside it, one that wants none gets some. A program has one.
    fn alone() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock()
    }

    /// The spans that something makes, in the order of their ends.
    fn collected(work: impl FnOnce()) -> Vec<SpanData> {
        let _turn = alone();
        let collected = Collected::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(collected.clone()).build();
        let subscriber = tracing_subscriber::registry().with(layer(&provider));
        tracing::subscriber::with_default(subscriber, work);
        let spans = collected.0.lock();
        spans.clone()
    }

    fn attribute(span: &SpanData, name: &str) -> Option<Value> {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.clone())
    }

    fn fetch() -> Operation {
        Operation::Network(NetworkOperation::Fetch {
            method: "GET".into(),
            url: "https://user:canary@api.example.com/canary?canary#canary".into(),
            headers: Vec::new(),
            body: RequestBody::None,
        })
    }

    fn end(outcome: &'static str) -> End {
        End { outcome, duration: Duration::from_secs(2), refusals: 3 }
    }

    #[test]
    fn a_run_is_a_span_with_its_operations_below_it() {
        let spans = collected(|| {
            let run = ExecutionSpan::start(Some("alice"), None);
            run.number(7);
            let operation = run.operation(&fetch());
            operation.responded(404);
            drop(operation);
            run.ended(&end("success"));
            run.used(Duration::from_secs(1), 5);
        });
        let [fetch, run] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!((&*fetch.name, &*run.name), ("op fetch", "execution"));
        assert_eq!(fetch.parent_span_id, run.span_context.span_id());
        assert_eq!(attribute(fetch, "server.address"), Some("api.example.com".into()));
        assert_eq!(attribute(fetch, "http.response.status_code"), Some(404_i64.into()));
        assert_eq!(attribute(run, "mcp_conductor.execution"), Some(7_i64.into()));
        assert_eq!(attribute(run, "mcp_conductor.principal"), Some("alice".into()));
        assert_eq!(attribute(run, "mcp_conductor.cpu_seconds"), Some(1.0.into()));
        assert_eq!(attribute(run, "mcp_conductor.refusals"), Some(3_i64.into()));
        assert_eq!(run.status, Status::Unset);
        assert!(!format!("{spans:?}").contains("canary"), "{spans:#?}");
    }

    #[test]
    fn a_failure_is_an_error_with_its_class() {
        let spans = collected(|| {
            let run = ExecutionSpan::start(None, None);
            run.operation(&fetch()).failed("NotCapable");
            run.ended(&end("timeout"));
        });
        let [fetch, run] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!(fetch.status, Status::error("NotCapable"));
        assert_eq!(attribute(fetch, "error.type"), Some("NotCapable".into()));
        assert_eq!(run.status, Status::error("timeout"));
        assert_eq!(attribute(run, "mcp_conductor.outcome"), Some("timeout".into()));
    }

    #[test]
    fn operations_beyond_the_limit_are_counted_only() {
        let spans = collected(|| {
            let run = ExecutionSpan::start(None, None);
            for _ in 0..MAX_OPERATIONS + 2 {
                drop(run.operation(&fetch()));
                drop(run.operation(&Operation::Environment(EnvironmentOperation::All)));
            }
            run.ended(&end("success"));
        });
        assert_eq!(spans.len(), MAX_OPERATIONS as usize + 1);
        let run = spans.last().unwrap();
        assert_eq!(attribute(run, "mcp_conductor.untraced_operations"), Some(2_i64.into()));
    }

    #[test]
    fn a_run_ends_although_an_operation_goes_on() {
        let spans = collected(|| {
            let run = ExecutionSpan::start(None, None);
            let operation = run.operation(&fetch());
            run.ended(&end("success"));
            drop(run);
            std::thread::sleep(Duration::from_millis(5));
            drop(operation);
        });
        let [fetch, run] = &spans[..] else { panic!("{spans:#?}") };
        assert!(run.end_time < fetch.end_time, "{spans:#?}");
    }

    #[test]
    fn without_an_exporter_there_is_no_span() {
        let _turn = alone();
        let logs = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let logs = logs.with_filter(LevelFilter::DEBUG);
        let subscriber = tracing_subscriber::registry().with(logs);
        tracing::subscriber::with_default(subscriber, || {
            let run = ExecutionSpan::start(Some("alice"), None);
            assert!(run.span.is_disabled());
            assert!(run.operation(&fetch()).span.is_disabled());
        });
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(cut(&"ä€".repeat(200)).len(), 255);
        assert_eq!(file_name("/home/alice/bin/tool"), "tool");
    }
}
