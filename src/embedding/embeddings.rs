//! Vectors of texts, made in the background and kept. One for a server: principals share what
//! is kept, which is found by the whole text only.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mcp_conductor_search::{Encoder, Table};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore, mpsc};

use super::budget::Budget;
use super::error::EmbeddingError;
use super::kept::{Kept, Key, MAX_BYTES, Name, PACKS, scaled};
use super::order::Order;
use super::pack::{Packed, is_vector};
use super::source::{Source, StoredEncoder};
use super::stored::{RENEWED_DAYS, Stored, today};
use crate::telemetry::SearchMetrics;

/// Orders that wait: one for each list of tools, and a principal has one list.
const MAX_ORDERS: usize = 64;

/// Queries that are encoded at a time: each holds a thread, with an endpoint for seconds. Others
/// go by words.
const MAX_QUERIES: usize = 8;

/// Until it is asked again what has failed.
const REST: Duration = Duration::from_secs(30);

/// Vectors that are made before the store gets them, while others wait: some 400 changes of the
/// store, and 3 MB with 3072 numbers each.
const MAX_MADE: usize = 1024;

/// Between two times that the store is told that what is kept is used.
const RENEWAL: Duration = Duration::from_secs(RENEWED_DAYS as u64 * 86400);

/// The same, after the store did not take something: then it gets all of it later.
const SOON: Duration = Duration::from_secs(300);

/// Groups of vectors that are renewed at a time: an eighth, which is 8 MiB at the most.
const RENEWED_PACKS: usize = PACKS / 8;

/// Vectors for the store.
type Made = Vec<(Key, Name, Box<[i8]>)>;

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
    /// How vectors are known by in the store, as soon as the source has answered.
    encoder: OnceCell<StoredEncoder>,
    kept: Mutex<Kept>,
    stored: Option<Stored>,
    queries: Semaphore,
    /// What may be sent of tools, and of queries.
    budgets: [Mutex<Budget>; 2],
    /// When the source failed last, and how.
    failed: Mutex<Option<(Instant, EmbeddingError)>>,
    metrics: SearchMetrics,
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
    pub(super) fn new(source: Source, stored: Option<Stored>, metrics: SearchMetrics) -> Self {
        let now = Instant::now();
        let shared = Arc::new(Shared {
            identity: source.identity(),
            encoder: OnceCell::new(),
            kept: Mutex::new(Kept::new(MAX_BYTES)),
            stored,
            queries: Semaphore::new(MAX_QUERIES),
            budgets: source.rates().map(|rate| Mutex::new(Budget::new(rate, now))),
            failed: Mutex::default(),
            metrics,
            source,
        });
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
        let texts = texts.into_iter().zip(keys).collect();
        let order = Arc::new(Order::new(texts, self.shared.metrics.clone()));
        if self.orders.try_send(Arc::downgrade(&order)).is_err() {
            self.shared.failed(&order, EmbeddingError::Busy);
        }
        Vectors::Ordered(order)
    }

    /// What encodes this query only; if it has no vector, then as one that has no opinion. It
    /// can take as long as an answer of the endpoint.
    pub(crate) fn of_query(&self, query: &str) -> Known {
        let vector = self.shared.query_vector(query);
        let vectors = vector.map(|vector| (query.to_owned(), vector));
        Known::new(&self.shared, vectors.into_iter().collect())
    }

    /// What encodes nothing.
    pub(crate) fn nothing(&self) -> Known {
        Known::new(&self.shared, HashMap::new())
    }

    /// What ranks by them, in metrics.
    pub(crate) fn method(&self) -> &'static str {
        self.shared.source.name()
    }

    /// Asks what makes vectors of how many numbers they are.
    ///
    /// # Errors
    /// Why it does not make any.
    pub(super) async fn check(&self) -> Result<usize, EmbeddingError> {
        Ok(self.shared.encoder().await?.dimensions)
    }

    /// What makes vectors, for people.
    pub(super) fn described(&self) -> String {
        self.shared.source.described()
    }

    /// What of them is in the store, for people.
    pub(super) async fn stored(&self) -> String {
        let Some(stored) = &self.shared.stored else { return "in memory only".to_owned() };
        match stored.held().await {
            Ok(held) => {
                let (vectors, bytes, limit) = (held.vectors, held.bytes, stored.limit());
                format!("{vectors} in the store, {bytes} of at most {limit} bytes")
            }
            Err(error) => format!("in memory only: {error}"),
        }
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

    /// The same, unless a text can be the reason: others have vectors still.
    fn take_down_of_texts<T>(
        &self,
        result: Result<T, EmbeddingError>,
    ) -> Result<T, EmbeddingError> {
        match result {
            Err(error) if error.is_of_a_text() => Err(error),
            other => self.take_down(other),
        }
    }

    fn query_vector(&self, query: &str) -> Option<Vec<f32>> {
        let rests = self.failed.lock().as_ref().is_some_and(|it| it.0.elapsed() < REST);
        let _turn = self.queries.try_acquire().ok().filter(|_| !rests)?;
        if !self.budgets[1].lock().take_one(Instant::now()) {
            self.metrics.problem("limit");
            return None;
        }
        let vector = self.take_down_of_texts(self.source.encode_query(query));
        vector.inspect_err(|error| self.metrics.problem(error.name())).ok()
    }

    /// Ends an order that cannot be served.
    fn failed(&self, order: &Order, error: EmbeddingError) {
        self.metrics.problem(error.name());
        order.fail(error);
    }

    async fn encoder(&self) -> Result<&StoredEncoder, EmbeddingError> {
        if let Some(encoder) = self.encoder.get() {
            return Ok(encoder);
        }
        // Its text is our own: a refusal is not the text's.
        self.take_down(self.encoder.get_or_try_init(|| self.source.encoder()).await)
    }

    fn is_kept(&self, key: &Key) -> bool {
        self.kept.lock().has(key)
    }

    /// Makes vectors of some texts of an order, after it has taken from the store what is there.
    /// What the store is to have is added to `made`.
    async fn go_on(&self, order: &Order, made: &mut Made) -> Result<(), EmbeddingError> {
        if let Some(keys) = order.begin() {
            self.take_stored(order, keys, made).await?;
        }
        let texts = order.next(self.source.at_once(), |key| self.is_kept(key));
        if texts.is_empty() {
            order.end();
            return Ok(());
        }
        let (texts, keys): (Vec<String>, Vec<Key>) = texts.into_iter().unzip();
        self.budgets[0].lock().spend(texts.len(), Instant::now());
        let vectors = self.take_down_of_texts(self.source.encode(texts).await)?;
        check_size(order, vectors.iter().map(Vec::len).max().unwrap_or_default())?;
        self.metrics.vectors("made", vectors.iter().filter(|vector| !vector.is_empty()).count());
        for (key, vector) in keys.into_iter().zip(vectors) {
            let numbers = scaled(&vector);
            made.extend(self.for_store(key, &numbers));
            self.kept.lock().put(key, numbers);
        }
        Ok(())
    }

    /// A vector as the store gets it: not that of a text which the endpoint refused.
    fn for_store(&self, key: Key, numbers: &[i8]) -> Option<(Key, Name, Box<[i8]>)> {
        let encoder = self.encoder.get().filter(|_| self.stored.is_some())?;
        let is_vector = is_vector(numbers, encoder.dimensions);
        is_vector.then(|| (key, key.name(&encoder.name), numbers.into()))
    }

    /// Takes from the store what is there of an order. Those of which it is to be said again that
    /// they are used are added to `made`.
    async fn take_stored(
        &self,
        order: &Order,
        keys: Vec<Key>,
        made: &mut Made,
    ) -> Result<(), EmbeddingError> {
        let missing: Vec<Key> = keys.into_iter().filter(|key| !self.is_kept(key)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let encoder = self.encoder().await?;
        check_size(order, encoder.dimensions)?;
        let Some(stored) = &self.stored else { return Ok(()) };
        let (mut taken, today) = (0, today());
        let names = missing.into_iter().map(|key| (key, key.name(&encoder.name)));
        let found = |key: &Key, item: &Packed<'_>| {
            let Some(numbers) = item.vector(encoder.dimensions) else { return };
            if today.saturating_sub(item.day) >= RENEWED_DAYS {
                made.push((*key, item.name, numbers.clone()));
            }
            self.kept.lock().put(*key, numbers);
            taken += 1;
        };
        stored.take(names, found).await;
        self.metrics.vectors("store", taken);
        Ok(())
    }

    /// Gives vectors to the store. Says whether it has them.
    async fn store(&self, made: &mut Made) -> bool {
        let Some(stored) = self.stored.as_ref().filter(|_| !made.is_empty()) else { return true };
        let count = made.len();
        let is_stored = stored.put(std::mem::take(made)).await;
        if is_stored {
            self.metrics.stored(count);
        }
        is_stored
    }

    /// Tells the store that all that is kept is used. Says whether it has them.
    async fn renew(&self) -> bool {
        for first in (0..PACKS).step_by(RENEWED_PACKS) {
            let vectors = self.kept.lock().of_packs(first..first + RENEWED_PACKS);
            let vectors = vectors.iter().filter_map(|(key, numbers)| self.for_store(*key, numbers));
            if !self.store(&mut vectors.collect()).await {
                return false;
            }
        }
        true
    }
}

/// More would be forgotten before the last one is made.
fn check_size(order: &Order, dimensions: usize) -> Result<(), EmbeddingError> {
    match order.len() * Kept::bytes_of(dimensions) > MAX_BYTES / 2 {
        true => Err(EmbeddingError::TooMany(MAX_BYTES / 2)),
        false => Ok(()),
    }
}

/// Serves orders in turn, some texts of each. It rests as long as it worked: lists that change
/// without end have half a thread, and others still their turn. The store gets what was made
/// when no order waits.
async fn work(shared: Arc<Shared>, mut received: mpsc::Receiver<Weak<Order>>) {
    let (mut waiting, mut made) = (VecDeque::new(), Made::new());
    let mut renewal = Instant::now() + RENEWAL;
    loop {
        while let Ok(order) = received.try_recv() {
            waiting.push_back(order);
        }
        if (waiting.is_empty() || made.len() >= MAX_MADE) && !shared.store(&mut made).await {
            renewal = Instant::now() + SOON;
        }
        let Some(next) = waiting.pop_front() else {
            tokio::select! {
                order = received.recv() => match order {
                    Some(order) => waiting.push_back(order),
                    None => return,
                },
                () = tokio::time::sleep_until(renewal.into()) => {
                    let pause = if shared.renew().await { RENEWAL } else { SOON };
                    renewal = Instant::now() + pause;
                }
            }
            continue;
        };
        // Of a list that is there no more, nobody waits for vectors.
        let Some(order) = next.upgrade() else { continue };
        let began = Instant::now();
        match shared.go_on(&order, &mut made).await {
            Ok(()) if order.is_ended() => {}
            Ok(()) => waiting.push_back(next),
            Err(error) => shared.failed(&order, error),
        }
        drop(order);
        let over_budget = shared.budgets[0].lock().wait(Instant::now());
        tokio::time::sleep(began.elapsed().max(over_budget)).await;
        if received.is_closed() {
            shared.store(&mut made).await;
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
    /// Whether it encodes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

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
