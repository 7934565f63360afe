//! Metrics of searches for tools, and of the vectors that they go by.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds: from a list of a few tools by words to the longest that an embeddings
/// endpoint is waited for, 5 s.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

type Labels = [(&'static str, &'static str); 1];
type Counters = Family<Labels, Counter>;

/// What is counted of searches. All labels are this program's own words. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SearchMetrics {
    queries: Counters,
    duration: Family<Labels, Histogram, fn() -> Histogram>,
    vectors: Counters,
    stored: Counter,
    problems: Counters,
    waiting: Gauge,
}

impl Default for SearchMetrics {
    fn default() -> Self {
        Self {
            queries: Counters::default(),
            duration: Family::new_with_constructor(in_seconds as fn() -> Histogram),
            vectors: Counters::default(),
            stored: Counter::default(),
            problems: Counters::default(),
            waiting: Gauge::default(),
        }
    }
}

impl std::fmt::Debug for SearchMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchMetrics").finish_non_exhaustive()
    }
}

impl SearchMetrics {
    pub(super) fn register(&self, own: &mut Registry) {
        own.register(
            "search_queries",
            "Searches for tools, by what ranked them",
            self.queries.clone(),
        );
        own.register_with_unit(
            "search_query_duration",
            "Time of searches for tools",
            Unit::Seconds,
            self.duration.clone(),
        );
        own.register(
            "search_vectors",
            "Vectors of tools that were made or taken from the store",
            self.vectors.clone(),
        );
        own.register(
            "search_vectors_stored",
            "Vectors of tools that the store was given",
            self.stored.clone(),
        );
        own.register(
            "search_problems",
            "Vectors that were not made or not stored, by reason",
            self.problems.clone(),
        );
        own.register(
            "search_texts_waiting",
            "Texts of tools that wait for vectors",
            self.waiting.clone(),
        );
    }

    /// Tools were ranked by this method.
    pub(crate) fn queried(&self, method: &'static str, time: Duration) {
        self.queries.get_or_create(&[("method", method)]).inc();
        self.duration.get_or_create(&[("method", method)]).observe(time.as_secs_f64());
    }

    /// Vectors of tools were `made`, or taken from the `store`.
    pub(crate) fn vectors(&self, origin: &'static str, count: usize) {
        self.vectors.get_or_create(&[("origin", origin)]).inc_by(count as u64);
    }

    /// The store has taken vectors.
    pub(crate) fn stored(&self, count: usize) {
        self.stored.inc_by(count as u64);
    }

    /// Vectors were not made or not stored.
    pub(crate) fn problem(&self, reason: &'static str) {
        self.problems.get_or_create(&[("reason", reason)]).inc();
    }

    /// More texts wait, or fewer.
    pub(crate) fn waiting(&self, more: i64) {
        self.waiting.inc_by(more);
    }

    /// Texts that wait.
    #[cfg(test)]
    pub(crate) fn texts_waiting(&self) -> i64 {
        self.waiting.get()
    }

    /// Vectors of this origin.
    #[cfg(test)]
    pub(crate) fn vectors_of(&self, origin: &'static str) -> u64 {
        self.vectors.get_or_create(&[("origin", origin)]).get()
    }

    /// Problems for this reason.
    #[cfg(test)]
    pub(crate) fn problems_of(&self, reason: &'static str) -> u64 {
        self.problems.get_or_create(&[("reason", reason)]).get()
    }
}

fn in_seconds() -> Histogram {
    Histogram::new(SECONDS)
}

#[cfg(test)]
mod tests {
    use super::super::{Gauges, Metrics};
    use super::*;

    #[test]
    fn searches_and_vectors_are_in_a_scrape() {
        let metrics = Metrics::new();
        let search = metrics.search();
        search.queried("table", Duration::from_micros(300));
        search.vectors("store", 32);
        search.problem("timeout");
        search.waiting(5);
        search.waiting(-2);
        let text = metrics.encode(&Gauges::default());
        for line in [
            r#"search_queries_total{method="table"} 1"#,
            r#"search_query_duration_seconds_bucket{le="0.00025",method="table"} 0"#,
            r#"search_query_duration_seconds_bucket{le="0.0005",method="table"} 1"#,
            r#"search_vectors_total{origin="store"} 32"#,
            r#"search_problems_total{reason="timeout"} 1"#,
            "search_texts_waiting 3",
        ] {
            let line = format!("mcp_conductor_{line}");
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
