//! Learning from use: searches of a principal that led to calls move its tools' vectors towards
//! what was asked, and tools that one program called raise each other. What is learned is kept in
//! the store, for each principal apart. Nobody waits for it: a search has what is known at the
//! moment, and a result is given out before its use is recorded.
//!
//! ```text
//! conversation → Usage → Learning → Kept (store)
//! search ← Arc<Learned> ← Learning
//! ```

mod error;
mod kept;
mod recorded;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_conductor_search::Learned;
use parking_lot::Mutex;
use tokio::runtime::Handle;

pub(crate) use error::LearningError;
pub(crate) use kept::{Kept, forget};
use recorded::Recorded;

use crate::conversations::Usage;
use crate::embedding::Search;
use crate::memory::{Account, Charge};

/// After this time the store is asked again: other replicas learn too.
const REFRESH: Duration = Duration::from_secs(60);

/// Between two writes of one principal's: at most 1 MiB each, so that what runs teach in the
/// meantime is one.
const PAUSE: Duration = Duration::from_secs(2);

/// Runs that wait to be learned from: as many as end in a pause at 32 a second, some 1 KB each and
/// 10 KB at the most. What comes beyond is not learned.
const MAX_WAITING: usize = 64;

/// What one principal's use has taught. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Learning(Arc<Shared>);

struct Shared {
    kept: Kept,
    search: Search,
    memory: Account,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    learned: Option<Arc<Learned>>,
    _charge: Charge,
    /// When the store was asked last.
    asked: Option<Instant>,
    waiting: Vec<(Usage, Charge)>,
    /// A task reads or writes.
    is_busy: bool,
}

impl State {
    fn is_due(&self) -> bool {
        self.asked.is_none_or(|asked| asked.elapsed() >= REFRESH)
    }
}

impl Learning {
    /// With vectors of what ranks tools. The memory is the principal's.
    pub(crate) fn new(kept: Kept, search: Search, memory: Account) -> Self {
        Self(Arc::new(Shared { kept, search, memory, state: Mutex::default() }))
    }

    /// What is known at the moment. The store is asked in the background, if that was long ago.
    pub(crate) fn learned(&self) -> Option<Arc<Learned>> {
        let mut state = self.0.state.lock();
        if state.is_due() {
            self.begin(&mut state);
        }
        state.learned.clone()
    }

    /// Learns from what a run has used, in the background.
    pub(crate) fn record(&self, usage: Usage) {
        if usage.says_nothing() {
            return;
        }
        let mut state = self.0.state.lock();
        if state.waiting.len() < MAX_WAITING
            && let Ok(charge) = self.0.memory.try_charge(usage.bytes())
        {
            state.waiting.push((usage, charge));
        }
        self.begin(&mut state);
    }

    fn begin(&self, state: &mut State) {
        if let (false, Ok(runtime)) = (state.is_busy, Handle::try_current()) {
            state.is_busy = true;
            runtime.spawn(work(self.0.clone()));
        }
    }
}

/// One at a time: each begins with what the one before it has kept.
async fn work(shared: Arc<Shared>) {
    loop {
        let waiting = std::mem::take(&mut shared.state.lock().waiting);
        let result = match waiting.is_empty() {
            true => shared.kept.read().await.map(|(learned, _)| learned),
            false => shared.keep(waiting).await,
        };
        if !shared.take_over(result) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Shared {
    async fn keep(&self, waiting: Vec<(Usage, Charge)>) -> Result<Learned, LearningError> {
        let (runs, _charges): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let recorded = Recorded::of(self.search.clone(), runs).await?;
        self.kept.change(recorded).await
    }

    /// Takes over what is kept. Whether there is more to do.
    fn take_over(&self, result: Result<Learned, LearningError>) -> bool {
        let mut state = self.state.lock();
        state.asked = Some(Instant::now());
        match result {
            Ok(learned) => {
                // First, so that both are not counted at the same time.
                state._charge = Charge::none();
                let charged = self.memory.try_charge(learned.bytes());
                let is_known = charged.is_ok() && !learned.is_empty();
                state.learned = is_known.then(|| Arc::new(learned));
                state._charge = charged.unwrap_or_default();
            }
            // What was known stays.
            Err(error) => tracing::debug!("nothing is learned from use: {error}"),
        }
        state.is_busy = !state.waiting.is_empty();
        state.is_busy
    }
}
