//! Use with the vectors of its queries, which can be recorded again where another replica came
//! first.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mcp_conductor_search::{Encoder, Learned, Table};

use super::error::LearningError;
use crate::conversations::{Pair, Usage};
use crate::embedding::Search;

/// What some runs have used. Cheap to clone.
#[derive(Clone)]
pub(super) struct Recorded(Arc<Vec<Run>>);

struct Run {
    pairs: Vec<(Pair, Box<dyn Encoder>)>,
    usage: Usage,
}

impl Recorded {
    /// Makes the vectors, on a thread: a model takes milliseconds for each, an endpoint seconds.
    pub(super) async fn of(search: Search, runs: Vec<Usage>) -> Result<Self, LearningError> {
        let encoded =
            move || Self(Arc::new(runs.into_iter().map(|run| encoded(&search, run)).collect()));
        on_thread(encoded).await
    }

    /// Adds it to what is known.
    pub(super) fn add_to(&self, learned: &mut Learned) {
        let now = seconds();
        learned.age(now);
        for run in self.0.iter() {
            for (Pair { query, tool: (server, tool) }, encoder) in &run.pairs {
                learned.record(&**encoder, query, (server, tool), now);
            }
            if run.usage.called.len() > 1 {
                let called = run.usage.called.iter().map(|(server, tool)| (&**server, &**tool));
                learned.record_together(&called.collect::<Vec<_>>(), now);
            }
        }
    }
}

fn encoded(search: &Search, mut usage: Usage) -> Run {
    let pairs = std::mem::take(&mut usage.pairs).into_iter();
    let with = |pair: Pair| encoder_of(search, &pair.query).map(|encoder| (pair, encoder));
    Run { pairs: pairs.filter_map(with).collect(), usage }
}

/// What has the vector of a query; nothing where no vectors rank.
fn encoder_of(search: &Search, query: &str) -> Option<Box<dyn Encoder>> {
    match search {
        Search::Words => None,
        Search::Table => Some(Box::new(Table)),
        Search::Embeddings(embeddings) => Some(Box::new(embeddings.of_query(query))),
    }
}

/// Does what takes milliseconds, or waits, on a thread.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LearningError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LearningError::Interrupted)
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
