//! Observability of the server: metrics for Prometheus, traces over
//! OTLP where the environment names a collector, and the way of the log. Metrics and
//! traces have no code, output, arguments, paths or headers in them.

mod export;
mod log;
mod metrics;
mod parent;
mod process;
mod store;
mod traces;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use export::{TraceExport, TraceExportError};
pub use log::Log;
pub(crate) use log::lines_lost;
pub(crate) use metrics::{Gauges, METRICS_TYPE, Metrics};
pub(crate) use parent::TraceParent;
pub(crate) use store::measured;
pub(crate) use traces::{ExecutionSpan, OperationSpan};

/// One run, as metrics and traces see it. Dropped before its end, it was cancelled.
pub(crate) struct Observed {
    metrics: Arc<Metrics>,
    span: ExecutionSpan,
    /// When it entered the queue.
    queued: Instant,
    ended: bool,
}

/// Resource usage of a run, which is known after its end.
pub(crate) struct ObservedUsage {
    metrics: Arc<Metrics>,
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
        self.metrics.worker_used(cpu, peak_memory);
        self.span.used(cpu, peak_memory);
    }
}

impl Observed {
    /// A request for a run came in.
    pub(crate) fn start(
        metrics: &Arc<Metrics>,
        principal: Option<&str>,
        parent: Option<TraceParent>,
    ) -> Self {
        let span = ExecutionSpan::start(principal, parent);
        Self { metrics: metrics.clone(), span, queued: Instant::now(), ended: false }
    }

    /// It was accepted, and waits for a slot. Its program is in this language.
    pub(crate) fn queues(&mut self, execution: u64, language: &'static str) {
        self.span.number(execution);
        self.span.language(language);
        self.queued = Instant::now();
    }

    /// It has its slot.
    pub(crate) fn runs(&self) {
        let waited = self.queued.elapsed();
        self.metrics.queue_waited(waited);
        self.span.queue_waited(waited);
    }

    /// What its operations are part of.
    pub(crate) fn span(&self) -> ExecutionSpan {
        self.span.clone()
    }

    /// It took place.
    pub(crate) fn ended(&mut self, end: &End) {
        self.ended = true;
        self.metrics.execution_ended(end);
        self.span.ended(end);
    }

    /// For what it has used.
    pub(crate) fn usage(&self) -> ObservedUsage {
        ObservedUsage { metrics: self.metrics.clone(), span: self.span.clone() }
    }

    /// It did not take place: `invalid`, `busy`, `unavailable`.
    pub(crate) fn failed(&mut self, outcome: &'static str) {
        self.ended = true;
        self.metrics.execution_failed(outcome);
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
        drop(Observed::start(&metrics, None, None));
        assert_eq!(executions(&metrics), [r#"{outcome="cancelled"} 1"#]);
    }

    #[test]
    fn a_run_ends_once() {
        let metrics = Arc::new(Metrics::new());
        let mut observed = Observed::start(&metrics, Some("alice"), None);
        observed.failed("busy");
        drop(observed);
        assert_eq!(executions(&metrics), [r#"{outcome="busy"} 1"#]);
    }
}
