//! Principals that have called: each has a runtime, a service and sessions of its
//! own, made at its first request.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::{Mutex, MutexGuard};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::SessionConfig;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::hosts;
use super::memory::Budget;
use super::problems::Problems;
use super::refusal::Refusal;
use super::sessions::Sessions;
use super::settings::Settings;
use super::unanswered::Unanswered;
use crate::config::{Config, Principal};
use crate::runtime::Runtime;
use crate::server::auth::{Credential, Identity};
use crate::server::handler::Serving;
use crate::server::replica::{Replica, SessionNotes};
use crate::shared_limits::{RateAnswer, SharedRate};

/// Principals at the same time. Each has a policy and a task, some 100 KiB.
const MAX_TENANTS: usize = 1000;

/// A tenant without sessions that has not called for so long is closed, its
/// connections to other servers too.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Between a break of a stream and its client's return. Lower than rmcp's 3 s, so
/// that a client that comes back does so before its call is given up.
const RETRY: Duration = Duration::from_secs(1);

/// How long a session may be silent beyond the longest run.
const SESSION_IDLE: Duration = Duration::from_secs(300);

pub(super) struct Tenant<H> {
    pub service: StreamableHttpService<H, Sessions>,
    pub sessions: Arc<Sessions>,
    pub unanswered: Unanswered,
    pub budget: Budget,
    runtime: Runtime,
    tools: Option<Vec<String>>,
    credential: Option<Credential>,
    rate: Option<Rate>,
    requests: Arc<Semaphore>,
    max_requests: usize,
    stop: CancellationToken,
    /// Calls with an idempotency key have it too: they outlive their requests.
    calls: Arc<()>,
    used: Mutex<Instant>,
}

struct Rate {
    limiter: DefaultDirectRateLimiter,
    limit: u32,
    /// The same over all replicas, where they share a store.
    shared: Option<SharedRate>,
}

/// What a session is served by, made for each one.
pub(super) type MakeHandler<H> = Arc<dyn Fn(&Runtime, &Arc<Serving>) -> H + Send + Sync>;

pub(super) struct Tenants<H> {
    make: MakeHandler<H>,
    /// The runtime that those of principals begin with.
    base: Runtime,
    serving: Arc<Serving>,
    port: u16,
    /// Connections that are served at the same time.
    places: usize,
    all: Mutex<HashMap<Identity, Arc<Tenant<H>>>>,
    /// Sessions when they were last counted.
    counted: AtomicUsize,
    /// This server, among those that share its store.
    pub replica: Arc<Replica>,
    problems: Problems,
}

impl<H: ServerHandler + Send + 'static> Tenants<H> {
    pub(super) fn new(
        make: MakeHandler<H>,
        base: Runtime,
        serving: Arc<Serving>,
        port: u16,
        places: usize,
    ) -> Self {
        let (all, problems) = (Mutex::default(), Problems::default());
        let counted = AtomicUsize::new(0);
        let replica = Replica::of(&base);
        Self { make, base, serving, port, places, all, counted, replica, problems }
    }

    /// The tenant of a caller, made if there is none. None if the settings that let
    /// the caller in are not the current ones any more.
    pub(super) fn tenant(
        &self,
        settings: &Arc<Settings>,
        current: impl FnOnce() -> Arc<Settings>,
        identity: Identity,
    ) -> Result<Option<Arc<Tenant<H>>>, Refusal> {
        let mut all = self.all();
        // New settings are set first; then the tenants are looked through, under this
        // lock.
        if !Arc::ptr_eq(settings, &current()) {
            return Ok(None);
        }
        if let Some(tenant) = all.get(&identity) {
            *tenant.used.lock() = Instant::now();
            return Ok(Some(tenant.clone()));
        }
        if self.problems.has(&identity) {
            return Err(Refusal::Settings);
        }
        if all.len() >= MAX_TENANTS.min(self.places / 2) {
            evict(&mut all)?;
        }
        let principal = self.principal(&settings.config, &identity)?;
        let tools = principal.as_ref().and_then(|principal| principal.tools.clone());
        let runtime = match principal {
            Some(principal) => {
                let runtime = self.base.for_principal(principal);
                runtime.map_err(|error| self.problems.refusal(&identity, &error))?
            }
            None => settings.anonymous.clone(),
        };
        let credential = settings.authenticator.credential(&identity);
        let tenant = Arc::new(self.make(runtime, tools, credential));
        all.insert(identity, tenant.clone());
        Ok(Some(tenant))
    }

    fn make(
        &self,
        runtime: Runtime,
        tools: Option<Vec<String>>,
        credential: Option<Credential>,
    ) -> Tenant<H> {
        let http = runtime.config().http();
        let stop = CancellationToken::new();
        let mut session = SessionConfig::default();
        session.keep_alive = Some(longest(runtime.config()));
        session.sse_retry = Some(RETRY);
        // What is kept of calls that were cancelled, which nobody takes up again.
        session.completed_cache_ttl = Duration::ZERO;
        let notes = SessionNotes::of(&self.replica, runtime.principal());
        let sessions = Arc::new(Sessions::new(session).noted_by(notes));
        let transport = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts::allowed_hosts(http))
            .with_allowed_origins(hosts::allowed_origins(http, self.port))
            .enforce_origin_validation()
            .with_sse_retry(Some(RETRY))
            .with_max_request_body_bytes(http.max_body_size)
            .with_cancellation_token(stop.clone());
        let (make, served) = (self.make.clone(), runtime.clone());
        let serving = self.serving.clone();
        let service = StreamableHttpService::new(
            move || Ok(make(&served, &serving)),
            sessions.clone(),
            transport,
        );
        // Another principal always finds a connection.
        let max_requests = match http.has_authentication() {
            true => self.places.div_ceil(2),
            false => self.places,
        };
        Tenant {
            service,
            sessions,
            unanswered: Unanswered::default(),
            budget: Budget::of(runtime.memory()),
            rate: Rate::new(http.rate_limit, http.burst(), &runtime),
            requests: Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS))),
            max_requests,
            stop,
            calls: Arc::default(),
            used: Mutex::new(Instant::now()),
            runtime,
            tools,
            credential,
        }
    }

    /// Ends the tenants whose settings are not what they were, or who are not known
    /// any more.
    pub(super) fn renew(&self, settings: &Settings) {
        let is_same = |identity: &Identity, tenant: &Tenant<H>| {
            let (config, tools) = match self.principal(&settings.config, identity) {
                Ok(Some(principal)) => (principal.config, principal.tools),
                Ok(None) => (settings.config.clone(), None),
                Err(_) => return false,
            };
            let credential = settings.authenticator.credential(identity);
            credential.is_some()
                && credential == tenant.credential
                && tools == tenant.tools
                && config.is_same_for_programs(tenant.runtime.config())
        };
        let mut all = self.all();
        self.problems.forget();
        all.retain(|identity, tenant| {
            let is_same = is_same(identity, tenant);
            if !is_same {
                tokio::spawn(close(tenant.clone()));
            }
            is_same
        });
    }

    pub(super) async fn close_all(&self) {
        let all: Vec<_> = self.all().drain().map(|(_, tenant)| tenant).collect();
        futures::future::join_all(all.into_iter().map(close)).await;
    }

    /// Sessions of all principals.
    /// While a tenant is being made, as many as there were before: who asks serves the
    /// probes, and a tenant's directories may be slow.
    pub(super) fn sessions(&self) -> usize {
        let Some(all) = self.all.try_lock() else { return self.counted.load(Ordering::Relaxed) };
        let sessions = all.values().map(|tenant| tenant.sessions.count()).sum();
        self.counted.store(sessions, Ordering::Relaxed);
        sessions
    }

    /// Closes those that are not used any more.
    pub(super) fn close_idle(&self) {
        let candidates: Vec<_> = self.all().iter().map(|(k, t)| (k.clone(), t.clone())).collect();
        for (identity, tenant) in candidates {
            let mut all = self.all();
            // This one, and the map's.
            let is_idle = tenant.sessions.count() == 0
                && tenant.idle() > IDLE
                && !tenant.has_calls()
                && Arc::strong_count(&tenant) <= 2;
            if is_idle {
                all.remove(&identity);
                tokio::spawn(close(tenant));
            }
        }
    }

    fn principal(
        &self,
        config: &Config,
        identity: &Identity,
    ) -> Result<Option<Principal>, Refusal> {
        let principal = match identity {
            Identity::Anonymous => return Ok(None),
            Identity::Token(name) => config.principal_of_token(name),
            Identity::Subject(subject) => config.principal_of_subject(subject),
        };
        principal.map(Some).map_err(|error| self.problems.refusal(identity, &error))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Identity, Arc<Tenant<H>>>> {
        self.all.lock()
    }
}

/// Makes room for another tenant: ends the one that is idle for longest.
fn evict<H: ServerHandler + Send + 'static>(
    all: &mut HashMap<Identity, Arc<Tenant<H>>>,
) -> Result<(), Refusal> {
    let is_unused = |tenant: &Arc<Tenant<H>>| {
        tenant.sessions.count() == 0 && !tenant.has_calls() && Arc::strong_count(tenant) == 1
    };
    let unused = all.iter().filter(|(_, tenant)| is_unused(tenant));
    let oldest = unused.max_by_key(|(_, tenant)| tenant.idle()).map(|(who, _)| who.clone());
    let tenant = oldest.and_then(|who| all.remove(&who)).ok_or(Refusal::Tenants)?;
    tokio::spawn(close(tenant));
    Ok(())
}

/// Stops it at once: no request is begun for it after this. The rest is the future's.
fn close<H: ServerHandler + Send + 'static>(
    tenant: Arc<Tenant<H>>,
) -> impl Future<Output = ()> + Send + 'static {
    tenant.stop.cancel();
    async move {
        // Those of callers without a name are the server's own.
        if tenant.runtime.principal().is_some() {
            tenant.runtime.upstreams().close().await;
        }
    }
}

impl<H: ServerHandler + Send + 'static> Tenant<H> {
    /// Longest time that a request can take.
    pub(super) fn longest(&self) -> Duration {
        longest(self.runtime.config())
    }

    /// Counts a call of a tool: over all replicas, and, whatever their store says, on this one.
    pub(super) async fn admit_call(&self, id: Option<&Value>) -> Result<(), Refusal> {
        let Some(rate) = &self.rate else { return Ok(()) };
        let admitted = rate.admit().await;
        admitted.map_err(|wait| Refusal::Rate { limit: rate.limit, wait, id: id.cloned() })
    }

    /// Whether there is room for one more session.
    pub(super) fn admit_session(&self, id: Option<&Value>) -> Result<(), Refusal> {
        let most = self.runtime.config().http().max_sessions;
        if self.sessions.count() < most {
            return Ok(());
        }
        Err(Refusal::Sessions { most, id: id.cloned() })
    }

    /// Counts a request until what this returns is dropped.
    pub(super) fn admit_request(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = self.requests.clone().try_acquire_owned();
        permit.map_err(|_| Refusal::Requests(self.max_requests))
    }

    pub(super) fn principal(&self) -> Option<&str> {
        self.runtime.principal()
    }

    /// Whether its sessions and runs are ended.
    pub(super) fn has_ended(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// What ends its sessions and runs.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// What a call has that goes on when its client goes away.
    pub(super) fn calls(&self) -> &Arc<()> {
        &self.calls
    }

    fn has_calls(&self) -> bool {
        Arc::strong_count(&self.calls) > 1
    }

    /// How long what is known of a call with an idempotency key is kept.
    pub(super) fn keeps_calls_for(&self) -> Duration {
        self.runtime.config().http().idempotency_ttl
    }

    fn idle(&self) -> Duration {
        self.used.lock().elapsed()
    }
}

/// That of a run, its wait before it, and some for other servers.
fn longest(config: &Config) -> Duration {
    config.max_timeout() + config.max_queue_wait() + SESSION_IDLE
}

impl Rate {
    fn new(limit: u32, burst: u32, runtime: &Runtime) -> Option<Self> {
        let (per_minute, burst) = (NonZeroU32::new(limit)?, burst.max(1));
        let shared = runtime
            .shared_limits()
            .and_then(|limits| limits.rate(runtime.principal(), limit, burst));
        // What the store has given may be used some time later.
        let jitter = if shared.is_some() { SharedRate::jitter(limit) } else { 0 };
        let quota = Quota::per_minute(per_minute);
        let quota = NonZeroU32::new(burst.saturating_add(jitter))
            .map_or(quota, |burst| quota.allow_burst(burst));
        Some(Self { limiter: RateLimiter::direct(quota), limit, shared })
    }

    /// Counts a call, or says how long to wait.
    async fn admit(&self) -> Result<(), Duration> {
        if let Some(shared) = &self.shared {
            match shared.take().await {
                RateAnswer::Granted | RateAnswer::Alone => {}
                RateAnswer::Refused(wait) => return Err(wait + Duration::from_millis(1)),
            }
        }
        self.limiter.check().map_err(|not_until| {
            // The answer has whole milliseconds, and a wait that is too short is none.
            not_until.wait_time_from(self.limiter.clock().now()) + Duration::from_millis(1)
        })
    }
}
