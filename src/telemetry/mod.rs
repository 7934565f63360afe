//! Observability of the server: metrics for Prometheus, traces over
//! OTLP where the environment names a collector, and the way of the log. Metrics and
//! traces have no code, output, arguments, paths or headers in them.

mod export;
mod log;
mod metrics;
mod parent;
mod process;
mod search;
mod store;
mod store_size;
mod traces;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use export::{TraceExport, TraceExportError};
pub use log::Log;
pub(crate) use log::lines_lost;
pub(crate) use metrics::{Gauges, METRICS_TYPE, Metrics};
pub(crate) use parent::TraceParent;
pub(crate) use search::SearchMetrics;
pub(crate) use store::measured;
pub(crate) use traces::{ExecutionSpan, OperationSpan};

/// One run, as metrics and traces see it. Dropped before its end, it was cancelled.
pub(crate) struct Observed {
    metrics: Arc<Metrics>,
    /// The language of its program, by its name.
    language: &'static str,
    span: ExecutionSpan,
    /// When it entered the queue.
    queued: Instant,
    ended: bool,
}

/// Resource usage of a run, which is known after its end.
pub(crate) struct ObservedUsage {
    metrics: Arc<Metrics>,
    language: &'static str,
    span: ExecutionSpan,
}

/// The end of a run that took place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// `success`, or the error's kind.
    pub outcome: &'static str,
    pub duration: Duration,
    pub refusals: u32,
}

impl ObservedUsage {
    /// It is known now.
    pub(crate) fn is(&self, cpu: Duration, peak_memory: u64) {
        self.metrics.worker_used(self.language, cpu, peak_memory);
        self.span.used(cpu, peak_memory);
    }
}

impl Observed {
    /// A request for a run of a program in a language came in.
    pub(crate) fn start(
        metrics: &Arc<Metrics>,
        language: &'static str,
        principal: Option<&str>,
        parent: Option<TraceParent>,
    ) -> Self {
        let span = ExecutionSpan::start(principal, parent);
        span.language(language);
        Self { metrics: metrics.clone(), language, span, queued: Instant::now(), ended: false }
    }

    /// It was accepted, and waits for a slot.
    pub(crate) fn queues(&mut self, execution: u64) {
        self.span.number(execution);
        self.queued = Instant::now();
    }

    /// It has its slot.
    pub(crate) fn runs(&self) {
        let waited = self.queued.elapsed();
        self.metrics.queue_waited(self.language, waited);
        self.span.queue_waited(waited);
    }

    /// What its operations are part of.
    pub(crate) fn span(&self) -> ExecutionSpan {
        self.span.clone()
    }

    /// It took place.
    pub(crate) fn ended(&mut self, end: &End) {
        self.ended = true;
        self.metrics.execution_ended(self.language, end);
        self.span.ended(end);
    }

    /// For what it has used.
    pub(crate) fn usage(&self) -> ObservedUsage {
        let (metrics, span) = (self.metrics.clone(), self.span.clone());
        ObservedUsage { metrics, language: self.language, span }
    }

    /// It did not take place: `invalid`, `busy`, `unavailable`.
    pub(crate) fn failed(&mut self, outcome: &'static str) {
        self.ended = true;
        self.metrics.execution_failed(self.language, outcome);
        self.span.outcome(outcome);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.ended {
            self.failed("cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executions(metrics: &Metrics) -> Vec<String> {
        let text = metrics.encode(&Gauges::default());
        let lines = text.lines().filter(|line| !line.ends_with(" 0"));
        let lines = lines.filter_map(|line| line.strip_prefix("mcp_conductor_executions_total"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_run_that_is_dropped_was_cancelled() {
        let metrics = Arc::new(Metrics::new());
        drop(Observed::start(&metrics, "python", None, None));
        assert_eq!(executions(&metrics), [r#"{language="python",outcome="cancelled"} 1"#]);
    }

    #[test]
    fn a_run_ends_once() {
        let metrics = Arc::new(Metrics::new());
        let mut observed = Observed::start(&metrics, "typescript", Some("alice"), None);
        observed.failed("busy");
        drop(observed);
        assert_eq!(executions(&metrics), [r#"{language="typescript",outcome="busy"} 1"#]);
    }
}
