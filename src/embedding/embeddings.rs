//! Vectors of texts, made in the background and kept. One for a server: principals share what
//! is kept, which is found by the whole text only.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mcp_conductor_search::{Encoder, Table};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};

use super::error::EmbeddingError;
use super::kept::{Kept, Key, MAX_BYTES};
use super::order::Order;
use super::source::Source;

/// Orders that wait: one for each list of tools, and a principal has one list.
const MAX_ORDERS: usize = 64;

/// Queries that are encoded at a time: each holds a thread, with an endpoint for seconds. Others
/// go by words.
const MAX_QUERIES: usize = 8;

/// Until it is asked again what has failed.
const REST: Duration = Duration::from_secs(30);

/// Makes vectors. Cheap to clone; the work ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Embeddings {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Weak<Order>>,
}

#[derive(Debug)]
struct Shared {
    source: Source,
    identity: String,
    kept: Mutex<Kept>,
    queries: Semaphore,
    /// When the source failed last, and how.
    failed: Mutex<Option<(Instant, EmbeddingError)>>,
}

/// What is known of texts.
pub(crate) enum Vectors {
    /// All of them have vectors.
    Known(Known),
    /// They are being made.
    Ordered(Arc<Order>),
}

impl Embeddings {
    /// Of a source. Vectors are made on the current runtime.
    pub(super) fn new(source: Source) -> Self {
        let identity = source.identity();
        let kept = Mutex::new(Kept::new(MAX_BYTES));
        let (queries, failed) = (Semaphore::new(MAX_QUERIES), Mutex::default());
        let shared = Arc::new(Shared { source, identity, kept, queries, failed });
        let (orders, received) = mpsc::channel(MAX_ORDERS);
        tokio::spawn(work(shared.clone(), received));
        Self { shared, orders }
    }

    /// The vectors of texts, if all of them are known; else they are ordered.
    pub(crate) fn of(&self, texts: Vec<String>) -> Vectors {
        let keys: Vec<Key> = texts.iter().map(|text| Key::of(text)).collect();
        let mut kept = self.shared.kept.lock();
        if keys.iter().all(|key| kept.has(key)) {
            let vectors = keys.iter().map(|key| kept.get(key).unwrap_or_default());
            let vectors: HashMap<String, Vec<f32>> = texts.into_iter().zip(vectors).collect();
            drop(kept);
            return Vectors::Known(Known::new(&self.shared, vectors));
        }
        drop(kept);
        let order = Arc::new(Order::new(texts.into_iter().zip(keys).collect()));
        if self.orders.try_send(Arc::downgrade(&order)).is_err() {
            order.fail(EmbeddingError::Busy);
        }
        Vectors::Ordered(order)
    }

    /// What encodes this query only; if it has no vector, then as one that has no opinion. It
    /// can take as long as an answer of the endpoint.
    pub(crate) fn of_query(&self, query: &str) -> Known {
        let rests = self.shared.failed.lock().as_ref().is_some_and(|it| it.0.elapsed() < REST);
        let turn = self.shared.queries.try_acquire().ok().filter(|_| !rests);
        let encode = |_turn| self.shared.take_down(self.shared.source.encode_query(query)).ok();
        let vector = turn.and_then(encode);
        let vectors = vector.map(|vector| (query.to_owned(), vector));
        Known::new(&self.shared, vectors.into_iter().collect())
    }

    /// What encodes nothing.
    pub(crate) fn nothing(&self) -> Known {
        Known::new(&self.shared, HashMap::new())
    }

    /// Makes a vector, and says of how many numbers it is.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(super) async fn check(&self) -> Result<usize, EmbeddingError> {
        let vectors = self.shared.source.encode(vec!["search".to_owned()]).await?;
        Ok(vectors.first().map_or(0, Vec::len))
    }

    /// What makes vectors, for people.
    pub(super) fn described(&self) -> String {
        self.shared.source.described()
    }

    /// Why vectors are not made, if they are not.
    #[cfg(test)]
    pub(super) fn problem(&self) -> Option<EmbeddingError> {
        self.shared.failed.lock().as_ref().map(|(_, error)| error.clone())
    }
}

impl Shared {
    /// Takes down whether the source works. What is new is said once.
    fn take_down<T>(&self, result: Result<T, EmbeddingError>) -> Result<T, EmbeddingError> {
        let mut failed = self.failed.lock();
        match &result {
            Ok(_) if failed.take().is_some() => tracing::info!("search has vectors again"),
            Ok(_) => {}
            Err(error) => {
                if failed.as_ref().is_none_or(|(_, before)| before != error) {
                    tracing::warn!("search has no new vectors and goes by words: {error}");
                }
                *failed = Some((Instant::now(), error.clone()));
            }
        }
        result
    }

    /// Makes vectors of some texts of an order.
    async fn go_on(&self, order: &Order) -> Result<(), EmbeddingError> {
        let is_kept = |key: &Key| self.kept.lock().has(key);
        let texts = order.next(self.source.at_once(), is_kept);
        if texts.is_empty() {
            order.end();
            return Ok(());
        }
        let (texts, keys): (Vec<String>, Vec<Key>) = texts.into_iter().unzip();
        let vectors = self.take_down(self.source.encode(texts).await)?;
        let dimensions = vectors.iter().map(Vec::len).max().unwrap_or_default();
        // More would be forgotten before the last one is made.
        if order.len() * Kept::bytes_of(dimensions) > MAX_BYTES / 2 {
            return Err(EmbeddingError::TooMany(MAX_BYTES / 2));
        }
        let mut kept = self.kept.lock();
        keys.into_iter().zip(vectors).for_each(|(key, vector)| kept.put(key, &vector));
        Ok(())
    }
}

/// Serves orders in turn, some texts of each. It rests as long as it worked: lists that change
/// without end have half a thread, and others still their turn.
async fn work(shared: Arc<Shared>, mut received: mpsc::Receiver<Weak<Order>>) {
    let mut waiting = VecDeque::new();
    loop {
        while let Ok(order) = received.try_recv() {
            waiting.push_back(order);
        }
        let Some(next) = waiting.pop_front() else {
            let Some(order) = received.recv().await else { return };
            waiting.push_back(order);
            continue;
        };
        // Of a list that is there no more, nobody waits for vectors.
        let Some(order) = next.upgrade() else { continue };
        let began = Instant::now();
        match shared.go_on(&order).await {
            Ok(()) if order.is_ended() => {}
            Ok(()) => waiting.push_back(next),
            Err(error) => order.fail(error),
        }
        drop(order);
        tokio::time::sleep(began.elapsed()).await;
        if received.is_closed() {
            return;
        }
    }
}

/// Texts whose vectors are known.
pub(crate) struct Known {
    identity: String,
    dimensions: usize,
    weight_of_words: f32,
    floor: f32,
    beta: f32,
    knows_pieces: bool,
    vectors: HashMap<String, Vec<f32>>,
}

impl Known {
    fn new(shared: &Shared, vectors: HashMap<String, Vec<f32>>) -> Self {
        Self {
            identity: shared.identity.clone(),
            dimensions: vectors.values().map(Vec::len).max().unwrap_or_default(),
            weight_of_words: shared.source.weight_of_words(),
            floor: shared.source.floor(),
            beta: shared.source.beta(),
            knows_pieces: shared.source.knows_pieces(),
            vectors,
        }
    }
}

impl Encoder for Known {
    fn name(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn encode(&self, text: &str) -> Vec<f32> {
        let vector = self.vectors.get(text).cloned().unwrap_or_default();
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        match vector.len() == self.dimensions && length > 0.0 {
            true => vector.into_iter().map(|number| number / length).collect(),
            false => vec![0.0; self.dimensions],
        }
    }

    fn knows(&self, text: &str) -> bool {
        match self.knows_pieces {
            // The model's word pieces are the table's.
            true => Table.knows(text),
            false => text.chars().any(char::is_alphanumeric),
        }
    }

    fn weight_of_words(&self) -> f32 {
        self.weight_of_words
    }

    fn floor(&self) -> f32 {
        self.floor
    }

    fn beta(&self) -> f32 {
        self.beta
    }
}
