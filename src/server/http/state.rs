//! State that all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use rmcp::ServerHandler;
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::error::HttpError;
use super::pulse::Pulse;
use super::reading::Readers;
use super::rejections::Rejections;
use super::settings::{Settings, check_sections};
use super::tenants::{MakeHandler, Tenants};
use crate::runtime::Runtime;
use crate::server::auth::Authenticator;
use crate::server::handler::Serving;

/// How often a server that is shutting down checks whether the last answer is on its way.
const TURN: Duration = Duration::from_millis(10);

/// How often idle tenants are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// For answers on their way when the server ends.
pub(super) const LAST_ANSWERS: Duration = Duration::from_secs(1);

pub(super) struct App<H> {
    /// The runtime that the server began with: its processes and its queue are
    /// everyone's.
    pub base: Runtime,
    pub serving: Arc<Serving>,
    pub tenants: Tenants<H>,
    /// No more connections, and no more requests on those that there are.
    pub stopped: CancellationToken,
    pub connections: Arc<Connections>,
    pub pulse: Arc<Pulse>,
    /// Requests that are being answered, see [`Answering`].
    answering: AtomicUsize,
    pub port: u16,
    pub readers: Readers,
    /// For known callers, and for others, who must not hide what known ones do.
    pub rejections: Rejections,
    pub strangers: Rejections,
    settings: RwLock<Arc<Settings>>,
}

impl<H: ServerHandler + Send + 'static> App<H> {
    pub(super) async fn new(
        base: Runtime,
        make: MakeHandler<H>,
        port: u16,
        places: usize,
    ) -> Result<Arc<Self>, HttpError> {
        let config = base.config().clone();
        let authenticator = Authenticator::new(config.http()).await?;
        check_sections(&config, &authenticator)?;
        let serving = Arc::new(Serving::default());
        let settings = Settings { config, authenticator, anonymous: base.clone() };
        Ok(Arc::new(Self {
            tenants: Tenants::new(make, base.clone(), serving.clone(), port, places),
            rejections: Rejections::new(base.audit().clone()),
            strangers: Rejections::new(base.audit().clone()),
            readers: Readers::new(),
            base,
            serving,
            stopped: CancellationToken::new(),
            connections: Connections::new(places),
            pulse: Arc::new(Pulse::new()),
            answering: AtomicUsize::new(0),
            port,
            settings: RwLock::new(Arc::new(settings)),
        }))
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.read().clone()
    }

    /// Returns those before.
    pub(super) fn set_settings(&self, settings: Arc<Settings>) -> Arc<Settings> {
        let mut current = self.settings.write();
        std::mem::replace(&mut current, settings)
    }

    /// Whether connections get short: then each ends with its answer.
    pub(super) fn is_crowded(&self) -> bool {
        self.connections.is_crowded()
    }

    /// Lets the last answers out, then ends sessions and connections to other servers.
    /// Runs that have not ended are only answered when their sessions end.
    pub(super) async fn shut_down(&self, all_have_ended: bool) {
        self.stopped.cancel();
        if !all_have_ended {
            self.tenants.close_all().await;
        }
        let answered = async {
            let replica = &self.tenants.replica;
            while self.answering.load(Ordering::Relaxed) > 0 || replica.calls() > 0 {
                tokio::time::sleep(TURN).await;
            }
        };
        let _ = tokio::time::timeout(LAST_ANSWERS, answered).await;
        self.tenants.close_all().await;
        let _ = tokio::time::timeout(LAST_ANSWERS, self.tenants.replica.ends_here()).await;
        self.settings().anonymous.upstreams().close().await;
    }
}

/// A POST, or a call that was taken up again, from when it was read until its answer
/// is sent. Its run frees its slot before that.
pub(super) struct Answering<H>(Arc<App<H>>);

impl<H> Answering<H> {
    pub(super) fn new(app: &Arc<App<H>>) -> Self {
        app.answering.fetch_add(1, Ordering::Relaxed);
        Self(app.clone())
    }
}

impl<H> Drop for Answering<H> {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Closes idle tenants, in an endless loop.
pub(super) async fn close_idle<H: ServerHandler + Send + 'static>(app: Arc<App<H>>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        app.tenants.close_idle();
    }
}
