//! Metrics, as Prometheus and other readers of OpenMetrics take them. Labels have few
//! values, all of which are this program's words or names in its configuration.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::End;
use super::process::ServerProcess;
use super::search::SearchMetrics;
use super::store_size::StoreSize;

/// The Content-Type of [`Metrics::encode`] (OpenMetrics 1.0, section "Overall
/// Structure").
pub(crate) const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "mcp_conductor";

/// Upper bounds in seconds: from the quickest program, some milliseconds, to the longest
/// that the default configuration lets run, 5 minutes.
const SECONDS: [f64; 16] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Bytes of the first bound of memory, which is doubled ten times: from 1 MiB beyond a
/// worker that has done nothing to 1 GiB, four times the default limit.
const FIRST_BYTES: f64 = 1048576.0;
const BYTES_BOUNDS: u16 = 11;

/// All outcomes of executions, so that each is there before it occurs first: without
/// a value of 0 before it, a first failure is no increase.
const OUTCOMES: [&str; 15] = [
    "success",
    "syntax",
    "runtime",
    "permission",
    "timeout",
    "cpu",
    "memory",
    "output",
    "value",
    "type",
    "crash",
    "cancelled",
    "invalid",
    "busy",
    "unavailable",
];

/// What checks of types come to, for the same reason.
const VERDICTS: [&str; 5] = ["ok", "warning", "error", "unchecked", "late"];

/// The languages of programs, for the same reason.
const LANGUAGES: [&str; 2] = ["typescript", "python"];

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// What is measured at the moment of a scrape.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gauges {
    pub active: usize,
    pub waiting: usize,
    pub standby: usize,
    pub connections: usize,
    pub sessions: usize,
    /// Since the start.
    pub audit_lines_lost: u64,
    /// Since the process began.
    pub log_lines_lost: u64,
}

/// A call of the store, by the store's own words.
pub(super) struct StoreCall {
    pub store: &'static str,
    pub operation: &'static str,
    pub outcome: &'static str,
}

/// All metrics of the server.
pub(crate) struct Metrics {
    registry: Registry,
    executions: Counters<2>,
    execution_duration: Histograms<1>,
    queue_wait: Histograms<1>,
    worker_cpu: Histograms<1>,
    worker_peak_memory: Histograms<1>,
    active: Gauge,
    waiting: Gauge,
    standby: Gauge,
    checks: Counters<1>,
    tool_calls: Counters<2>,
    tool_call_duration: Histograms<1>,
    store_calls: Counters<3>,
    store_call_duration: Histograms<2>,
    limits_alone: Gauge,
    store_size: StoreSize,
    search: SearchMetrics,
    refusals: Counters<1>,
    http_requests: Counters<2>,
    http_connections: Gauge,
    http_sessions: Gauge,
    authentication_failures: Counters<1>,
    rate_limited: Counter,
    audit_lines_lost: Counter,
    log_lines_lost: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            executions: Counters::default(),
            execution_duration: all_in_seconds(),
            queue_wait: all_in_seconds(),
            worker_cpu: all_in_seconds(),
            worker_peak_memory: Family::new_with_constructor(in_bytes as fn() -> Histogram),
            active: Gauge::default(),
            waiting: Gauge::default(),
            standby: Gauge::default(),
            checks: Counters::default(),
            tool_calls: Counters::default(),
            tool_call_duration: all_in_seconds(),
            store_calls: Counters::default(),
            store_call_duration: Family::new_with_constructor(in_seconds as fn() -> Histogram),
            limits_alone: Gauge::default(),
            store_size: StoreSize::default(),
            search: SearchMetrics::default(),
            refusals: Counters::default(),
            http_requests: Counters::default(),
            http_connections: Gauge::default(),
            http_sessions: Gauge::default(),
            authentication_failures: Counters::default(),
            rate_limited: Counter::default(),
            audit_lines_lost: Counter::default(),
            log_lines_lost: Counter::default(),
        };
        for language in LANGUAGES {
            metrics.begin(language);
        }
        for verdict in VERDICTS {
            drop(metrics.checks.get_or_create(&label("verdict", verdict)));
        }
        metrics.registered()
    }

    /// Makes what is counted of programs in a language.
    fn begin(&self, language: &'static str) {
        for outcome in OUTCOMES {
            drop(self.executions.get_or_create(&ended(language, outcome)));
        }
        let histograms = [
            &self.execution_duration,
            &self.queue_wait,
            &self.worker_cpu,
            &self.worker_peak_memory,
        ];
        for histogram in histograms {
            drop(histogram.get_or_create(&label("language", language)));
        }
    }

    fn registered(mut self) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ServerProcess::new()));
        let own = registry.sub_registry_with_prefix(PREFIX);
        let version = label("version", env!("CARGO_PKG_VERSION"));
        own.register("build", "The version of this server", Info::new(version));
        self.register_executions(own);
        self.register_requests(own);
        self.register_store(own);
        self.search.register(own);
        self.registry = registry;
        self
    }

    fn register_executions(&self, own: &mut Registry) {
        let seconds = || Unit::Seconds;
        own.register("executions", "Executions, by language and outcome", self.executions.clone());
        own.register_with_unit(
            "execution_duration",
            "Wall time of executions",
            seconds(),
            self.execution_duration.clone(),
        );
        own.register_with_unit(
            "queue_wait",
            "Time that executions waited in the queue",
            seconds(),
            self.queue_wait.clone(),
        );
        own.register_with_unit(
            "worker_cpu",
            "CPU time of workers",
            seconds(),
            self.worker_cpu.clone(),
        );
        own.register_with_unit(
            "worker_peak_memory",
            "Peak memory of workers",
            Unit::Bytes,
            self.worker_peak_memory.clone(),
        );
        own.register("executions_active", "Executions in flight", self.active.clone());
        own.register("executions_waiting", "Executions in the queue", self.waiting.clone());
        own.register("workers_standby", "Standby workers", self.standby.clone());
        own.register("checks", "Checks of types, by verdict", self.checks.clone());
        own.register("tool_calls", "Tool calls to other MCP servers", self.tool_calls.clone());
        own.register_with_unit(
            "tool_call_duration",
            "Latency of tool calls to other MCP servers",
            seconds(),
            self.tool_call_duration.clone(),
        );
        own.register(
            "refusals",
            "Denied accesses of programs, by permission",
            self.refusals.clone(),
        );
        own.register(
            "audit_lines_lost",
            "Lines lost from the audit log because its disk failed or was too slow",
            self.audit_lines_lost.clone(),
        );
        own.register(
            "log_lines_lost",
            "Lines lost from the log because standard error was not read, or not fast enough",
            self.log_lines_lost.clone(),
        );
    }

    fn register_requests(&self, own: &mut Registry) {
        own.register(
            "http_requests",
            "HTTP responses, by route and status",
            self.http_requests.clone(),
        );
        own.register(
            "http_connections",
            "Open connections of clients",
            self.http_connections.clone(),
        );
        own.register("http_sessions", "Open sessions of clients", self.http_sessions.clone());
        own.register(
            "authentication_failures",
            "Requests that failed authentication, by reason",
            self.authentication_failures.clone(),
        );
        own.register("rate_limited", "Calls rejected by the rate limit", self.rate_limited.clone());
    }

    fn register_store(&self, own: &mut Registry) {
        own.register(
            "store_calls",
            "Calls of the store, by operation and outcome",
            self.store_calls.clone(),
        );
        own.register_with_unit(
            "store_call_duration",
            "Latency of calls of the store",
            Unit::Seconds,
            self.store_call_duration.clone(),
        );
        own.register(
            "limits_alone",
            "Whether limits of principals hold on this replica alone",
            self.limits_alone.clone(),
        );
        self.store_size.register(own);
    }

    /// What is counted of searches.
    pub(crate) fn search(&self) -> &SearchMetrics {
        &self.search
    }

    /// How much there is in the store.
    pub(super) fn store_size(&self) -> &StoreSize {
        &self.store_size
    }

    /// A program ran, whatever became of it. The language is one of [`LANGUAGES`], here and below.
    pub(super) fn execution_ended(&self, language: &'static str, end: &End) {
        self.execution_failed(language, end.outcome);
        observe(&self.execution_duration, language, end.duration.as_secs_f64());
    }

    /// The process of a program that ran is gone.
    pub(super) fn worker_used(&self, language: &'static str, cpu: Duration, peak_memory: u64) {
        observe(&self.worker_cpu, language, cpu.as_secs_f64());
        observe(&self.worker_peak_memory, language, peak_memory as f64);
    }

    /// A program did not run, or not to its end.
    pub(super) fn execution_failed(&self, language: &'static str, outcome: &'static str) {
        self.executions.get_or_create(&ended(language, outcome)).inc();
    }

    /// A program has its place.
    pub(super) fn queue_waited(&self, language: &'static str, time: Duration) {
        observe(&self.queue_wait, language, time.as_secs_f64());
    }

    /// A check of a program's types came to an end.
    pub(crate) fn checked(&self, verdict: &'static str) {
        self.checks.get_or_create(&label("verdict", verdict)).inc();
    }

    /// A tool was called. The server must be one of the configuration.
    pub(crate) fn tool_called(&self, server: &str, ok: bool, time: Duration) {
        let [of_server] = label("server", server.to_owned());
        let [outcome] = label("outcome", if ok { "ok" } else { "error" });
        self.tool_calls.get_or_create(&[of_server.clone(), outcome]).inc();
        self.tool_call_duration.get_or_create(&[of_server]).observe(time.as_secs_f64());
    }

    /// The store was called. All labels are the store's own words.
    pub(super) fn store_called(&self, call: &StoreCall, time: Duration) {
        let [store] = label("store", call.store);
        let [operation] = label("operation", call.operation);
        let [outcome] = label("outcome", call.outcome);
        self.store_calls.get_or_create(&[store.clone(), operation.clone(), outcome]).inc();
        let duration = self.store_call_duration.get_or_create(&[store, operation]);
        duration.observe(time.as_secs_f64());
    }

    /// Limits of principals hold on this replica alone, or over all again.
    pub(crate) fn limits_alone(&self, alone: bool) {
        self.limits_alone.set(i64::from(alone));
    }

    /// A program was refused something.
    pub(crate) fn refused(&self, permission: &'static str) {
        self.refusals.get_or_create(&label("permission", permission)).inc();
    }

    /// A request was answered. The route is one of the server's own words.
    pub(crate) fn http_request(&self, route: &'static str, status: StatusCode) {
        let [route] = label("route", route);
        let [status] = label("status", status.as_str().to_owned());
        self.http_requests.get_or_create(&[route, status]).inc();
    }

    /// A request was not let in.
    pub(crate) fn authentication_failed(&self, reason: &'static str) {
        self.authentication_failures.get_or_create(&label("reason", reason)).inc();
    }

    /// A call was refused because its client makes too many.
    pub(crate) fn rate_limited(&self) {
        self.rate_limited.inc();
    }

    /// The text of a scrape. Reads /proc.
    pub(crate) fn encode(&self, gauges: &Gauges) -> String {
        let set = |gauge: &Gauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.active, gauges.active);
        set(&self.waiting, gauges.waiting);
        set(&self.standby, gauges.standby);
        set(&self.http_connections, gauges.connections);
        set(&self.http_sessions, gauges.sessions);
        self.audit_lines_lost.inner().store(gauges.audit_lines_lost, Ordering::Relaxed);
        self.log_lines_lost.inner().store(gauges.log_lines_lost, Ordering::Relaxed);
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.registry).expect("a string takes all that is written");
        encoded
    }
}

fn label(name: &'static str, value: impl Into<Cow<'static, str>>) -> Labels<1> {
    [(name, value.into())]
}

fn ended(language: &'static str, outcome: &'static str) -> Labels<2> {
    let ([language], [outcome]) = (label("language", language), label("outcome", outcome));
    [language, outcome]
}

fn observe(histograms: &Histograms<1>, language: &'static str, value: f64) {
    histograms.get_or_create(&label("language", language)).observe(value);
}

fn all_in_seconds() -> Histograms<1> {
    Family::new_with_constructor(in_seconds as fn() -> Histogram)
}

fn in_seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn in_bytes() -> Histogram {
    Histogram::new(exponential_buckets(FIRST_BYTES, 2.0, BYTES_BOUNDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of one metric, without those that explain it.
    fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
        let text = metrics.encode(&Gauges::default());
        let lines = text.lines().filter(|line| line.starts_with(&format!("mcp_conductor_{name}")));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_call_of_a_tool_is_counted_and_timed() {
        let metrics = Metrics::new();
        metrics.tool_called("github", true, Duration::from_millis(250));
        assert_eq!(
            lines(&metrics, "tool_calls"),
            [r#"mcp_conductor_tool_calls_total{server="github",outcome="ok"} 1"#]
        );
        let timed = lines(&metrics, "tool_call_duration");
        assert_eq!(
            timed[0],
            r#"mcp_conductor_tool_call_duration_seconds_sum{server="github"} 0.25"#
        );
    }

    #[test]
    fn a_request_is_counted_by_route_and_status() {
        let metrics = Metrics::new();
        metrics.http_request("/mcp", StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            lines(&metrics, "http_requests"),
            [r#"mcp_conductor_http_requests_total{route="/mcp",status="429"} 1"#]
        );
    }

    #[test]
    fn gauges_have_the_values_of_the_scrape() {
        let metrics = Metrics::new();
        let gauges = Gauges {
            active: 1,
            waiting: 2,
            standby: 3,
            connections: 4,
            sessions: 5,
            audit_lines_lost: 6,
            log_lines_lost: 7,
        };
        let text = metrics.encode(&gauges);
        for line in [
            "mcp_conductor_executions_active 1",
            "mcp_conductor_executions_waiting 2",
            "mcp_conductor_workers_standby 3",
            "mcp_conductor_http_connections 4",
            "mcp_conductor_http_sessions 5",
            "mcp_conductor_audit_lines_lost_total 6",
            "mcp_conductor_log_lines_lost_total 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn every_outcome_is_there_before_it_occurs() {
        let lines = lines(&Metrics::new(), "executions_total");
        assert_eq!(lines.len(), LANGUAGES.len() * OUTCOMES.len());
        assert!(lines.iter().all(|line| line.ends_with(" 0")), "{lines:?}");
    }

    #[test]
    fn a_program_is_counted_and_timed_by_its_language() {
        let metrics = Metrics::new();
        let end = End { outcome: "success", duration: Duration::from_millis(250), refusals: 0 };
        metrics.execution_ended("python", &end);
        metrics.worker_used("python", Duration::from_millis(125), 4096);
        metrics.queue_waited("python", Duration::from_millis(500));
        let ran = lines(&metrics, "executions_total");
        let ran: Vec<_> = ran.iter().filter(|line| !line.ends_with(" 0")).collect();
        let expected = r#"{language="python",outcome="success"} 1"#;
        assert_eq!(ran, [&format!("mcp_conductor_executions_total{expected}")]);
        for (name, sums) in [
            ("execution_duration_seconds_sum", [0.25, 0.0]),
            ("queue_wait_seconds_sum", [0.5, 0.0]),
            ("worker_cpu_seconds_sum", [0.125, 0.0]),
            ("worker_peak_memory_bytes_sum", [4096.0, 0.0]),
        ] {
            let mut found = lines(&metrics, name);
            found.sort();
            let expected = [("python", sums[0]), ("typescript", sums[1])].map(|(language, sum)| {
                format!("mcp_conductor_{name}{{language=\"{language}\"}} {sum:?}")
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_name_that_would_break_the_text_is_escaped() {
        let metrics = Metrics::new();
        metrics.tool_called("a\"\n\\b", false, Duration::ZERO);
        assert_eq!(
            lines(&metrics, "tool_calls"),
            [r#"mcp_conductor_tool_calls_total{server="a\"\n\\b",outcome="error"} 1"#]
        );
    }
}
