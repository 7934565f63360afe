//! Calls per minute over all replicas: a bucket of tokens in the store, from which a replica takes
//! some at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_conductor_store::{Key, Refill, Taken};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::standing::Standing;

/// The demand for which tokens are taken beforehand: all replicas together hold tokens for a tenth
/// of a second at most, which is what the limit can be off by, once.
const AHEAD: Duration = Duration::from_millis(100);

/// Parts of a minute that are as long as [`AHEAD`].
const AHEADS: u32 = 600;

/// How long tokens are held that nobody uses.
const HELD: Duration = Duration::from_millis(200);

/// The shortest refusal, which is one for all who wait, whatever the store says.
const SHORTEST: Duration = Duration::from_micros(100);

/// The longest refusal: a token comes back in a minute at the lowest rate.
const LONGEST: Duration = Duration::from_secs(60);

/// What a call of a principal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateAnswer {
    /// It is made.
    Granted,
    /// It may be made after this time.
    Refused(Duration),
    /// The store does not answer: this replica's own limit holds.
    Alone,
}

/// The calls of one principal.
pub(crate) struct SharedRate(Arc<Bucket>);

struct Bucket {
    standing: Arc<Standing>,
    key: Key,
    refill: Refill,
    line: Mutex<Line>,
}

struct Line {
    /// Taken and not used.
    tokens: u32,
    /// When they are given back.
    held_until: Instant,
    is_asking: bool,
    gives_back: bool,
    /// There is no token before this.
    refused_until: Option<Instant>,
    /// Calls since a moment: the demand.
    calls: u32,
    since: Instant,
    waiting: VecDeque<oneshot::Sender<RateAnswer>>,
}

impl SharedRate {
    pub(super) fn new(standing: Arc<Standing>, key: Key, per_minute: u32, burst: u32) -> Self {
        let now = Instant::now();
        let line = Mutex::new(Line {
            tokens: 0,
            held_until: now,
            is_asking: false,
            gives_back: false,
            refused_until: None,
            calls: 0,
            since: now,
            waiting: VecDeque::new(),
        });
        let refill = Refill { per_minute, burst };
        Self(Arc::new(Bucket { standing, key, refill, line }))
    }

    /// Tokens that a replica may use later than the store gave them: by so many its calls may come
    /// closer together than the burst says.
    pub(crate) fn jitter(per_minute: u32) -> u32 {
        2 * (per_minute / AHEADS)
    }

    /// Asks for one call, and waits for the store where this replica has no token: for two calls
    /// of the store, and each no longer than [`super::PATIENCE`].
    pub(crate) async fn take(&self) -> RateAnswer {
        let bucket = &self.0;
        if bucket.standing.is_alone() {
            return RateAnswer::Alone;
        }
        let answer = {
            let mut line = bucket.line();
            let now = Instant::now();
            if line.tokens > 0 {
                line.tokens -= 1;
                line.calls = line.calls.saturating_add(1);
                let ahead = bucket.ahead(&line, now);
                if line.tokens < ahead.div_ceil(2) && line.refusal(now).is_none() {
                    bucket.ask_once(&mut line);
                }
                return RateAnswer::Granted;
            }
            if let Some(wait) = line.refusal(now) {
                return RateAnswer::Refused(wait);
            }
            line.calls = line.calls.saturating_add(1);
            let (sender, answer) = oneshot::channel();
            line.waiting.push_back(sender);
            bucket.ask_once(&mut line);
            answer
        };
        answer.await.unwrap_or(RateAnswer::Alone)
    }
}

impl Line {
    /// How long there is certainly no token.
    fn refusal(&self, now: Instant) -> Option<Duration> {
        let wait = self.refused_until?.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Answers those who wait, as far as there are answers.
    fn serve(&mut self, now: Instant) {
        let wait = self.refusal(now);
        while self.tokens > 0 || wait.is_some() {
            let Some(waiter) = self.waiting.pop_front() else { return };
            let answer = match wait.filter(|_| self.tokens == 0) {
                Some(wait) => RateAnswer::Refused(wait),
                None => RateAnswer::Granted,
            };
            // Whoever went away leaves the token to the next.
            if waiter.send(answer).is_ok() && answer == RateAnswer::Granted {
                self.tokens -= 1;
            }
        }
    }
}

impl Bucket {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock()
    }

    /// Tokens that the demand of late will use soon.
    fn ahead(&self, line: &Line, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(line.since).max(AHEAD);
        let expected = f64::from(line.calls) * AHEAD.as_secs_f64() / elapsed.as_secs_f64();
        // From a number that is at most as large as one of u32.
        (expected as u32).min(self.refill.per_minute / AHEADS)
    }

    /// Asks the store, in a task that no caller ends by going away.
    fn ask_once(self: &Arc<Self>, line: &mut Line) {
        if !std::mem::replace(&mut line.is_asking, true) {
            tokio::spawn(ask(self.clone()));
        }
    }

    /// How many tokens to ask for now.
    fn wanted(&self) -> i32 {
        let mut line = self.line();
        let now = Instant::now();
        let ahead = self.ahead(&line, now);
        if now.saturating_duration_since(line.since) >= AHEAD {
            (line.calls, line.since) = (ahead, now - AHEAD.min(now - line.since));
        }
        let waiting = u32::try_from(line.waiting.len()).unwrap_or(u32::MAX);
        let wanted = waiting.saturating_add(ahead.saturating_sub(line.tokens));
        i32::try_from(wanted.max(1)).unwrap_or(i32::MAX)
    }

    /// Takes down what the store gave. Whether there are callers that need more.
    fn taken(self: &Arc<Self>, taken: Option<Taken>, asked: Instant) -> bool {
        let mut line = self.line();
        let Some(Taken { granted, wait }) = taken else {
            line.is_asking = false;
            for waiter in line.waiting.drain(..) {
                let _ = waiter.send(RateAnswer::Alone);
            }
            return false;
        };
        let now = Instant::now();
        let is_empty = granted == 0 || !wait.is_zero();
        // The store counted from some moment between the question and its answer.
        let until = (asked + wait.min(LONGEST)).max(now + SHORTEST);
        line.refused_until = is_empty.then_some(until);
        line.tokens = line.tokens.saturating_add(granted);
        line.held_until = now + HELD;
        line.serve(now);
        if line.tokens > 0 && !std::mem::replace(&mut line.gives_back, true) {
            tokio::spawn(give_back(self.clone()));
        }
        line.is_asking = !line.waiting.is_empty();
        line.is_asking
    }
}

async fn ask(bucket: Arc<Bucket>) {
    loop {
        let (wanted, standing) = (bucket.wanted(), &bucket.standing);
        let asked = Instant::now();
        let taken = standing.store.take(&bucket.key, wanted, bucket.refill);
        let taken = standing.ask(taken).await;
        if !bucket.taken(taken, asked) {
            return;
        }
    }
}

/// Gives tokens back that nobody used.
async fn give_back(bucket: Arc<Bucket>) {
    loop {
        let until = bucket.line().held_until;
        sleep(until.saturating_duration_since(Instant::now())).await;
        let unused = {
            let mut line = bucket.line();
            if line.held_until > Instant::now() {
                continue;
            }
            line.gives_back = false;
            std::mem::take(&mut line.tokens)
        };
        if let Ok(unused @ 1..) = i32::try_from(unused) {
            let taken = bucket.standing.store.take(&bucket.key, -unused, bucket.refill);
            let _ = bucket.standing.ask(taken).await;
        }
        return;
    }
}
