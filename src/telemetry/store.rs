//! The store, with its calls counted and timed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use mcp_conductor_store::{
    Claim, Entry, Expected, Held, Keep, Key, Kind, Namespace, Refill, Store, StoreError,
    StoreStatus, Taken, Version,
};
use parking_lot::Mutex;

use super::metrics::{Metrics, StoreCall};
use crate::text::shown;

/// This store, with its calls in the metrics.
pub(crate) fn measured(store: Arc<dyn Store>, kind: Kind, metrics: Arc<Metrics>) -> Arc<dyn Store> {
    Arc::new(Measured { store, kind, metrics, logged: Mutex::default() })
}

/// Between two lines about a store that cannot be used: callers are not told why, and many call.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

struct Measured {
    store: Arc<dyn Store>,
    kind: Kind,
    metrics: Arc<Metrics>,
    /// When a line was written last. Only calls that fail look at it.
    logged: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

impl Measured {
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        let result = call.await;
        let outcome = result.as_ref().err().map_or("ok", StoreError::name);
        let call = StoreCall { store: self.kind.name(), operation, outcome };
        self.metrics.store_called(&call, start.elapsed());
        if let Err(error @ (StoreError::Unavailable { .. } | StoreError::Format { .. })) = &result {
            self.log(error);
        }
        result
    }

    async fn change<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let result = self.call(operation, call).await;
        if result.is_ok() {
            self.metrics.store_size().changed(&self.store);
        }
        result
    }

    /// Says why the store cannot be used, now and then.
    fn log(&self, error: &StoreError) {
        let mut logged = self.logged.lock();
        if logged.is_none_or(|at| at.elapsed() > BETWEEN_LINES) {
            *logged = Some(Instant::now());
            tracing::warn!("the store cannot be used: {}", shown::line(&error.to_string()));
        }
    }
}

#[async_trait]
impl Store for Measured {
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.call("get", self.store.get(key)).await
    }

    async fn set(
        &self,
        key: &Key,
        expected: Expected,
        value: Bytes,
        keep: Keep,
    ) -> Result<Version, StoreError> {
        self.change("set", self.store.set(key, expected, value, keep)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        self.change("remove", self.store.remove(key)).await
    }

    async fn add(&self, key: &Key, delta: i64, keep: Keep) -> Result<i64, StoreError> {
        self.change("add", self.store.add(key, delta, keep)).await
    }

    async fn take(&self, key: &Key, wanted: i32, refill: Refill) -> Result<Taken, StoreError> {
        self.call("take", self.store.take(key, wanted, refill)).await
    }

    async fn hold(&self, key: &Key, claim: Claim<'_>) -> Result<Held, StoreError> {
        self.call("hold", self.store.hold(key, claim)).await
    }

    async fn list(
        &self,
        namespace: Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.call("list", self.store.list(namespace, prefix, after, limit)).await
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let status = self.call("check", self.store.check()).await?;
        self.metrics.store_size().is(&status);
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use mcp_conductor_store::{Limits, memory};

    use super::super::Gauges;
    use super::*;

    #[tokio::test]
    async fn calls_are_counted_by_operation_and_outcome() {
        let metrics = Arc::new(Metrics::new());
        let store = measured(memory(Limits::DEFAULT), Kind::Memory, metrics.clone());
        let key = Key::new(Namespace::Limits, "a");
        for _ in 0..2 {
            let set = store.set(&key, Expected::Absent, Bytes::new(), Keep::Always);
            drop(set.await);
        }
        store.get(&key).await.unwrap();
        let text = metrics.encode(&Gauges::default());
        for labels in [
            r#"store="memory",operation="set",outcome="ok""#,
            r#"store="memory",operation="set",outcome="conflict""#,
            r#"store="memory",operation="get",outcome="ok""#,
        ] {
            let line = format!("mcp_conductor_store_calls_total{{{labels}}} 1");
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let timed =
            r#"mcp_conductor_store_call_duration_seconds_count{store="memory",operation="set"} 2"#;
        assert!(text.contains(timed), "{text}");
    }
}
