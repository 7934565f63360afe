//! MCP over Streamable HTTP, for many clients at once.
//!
//! ```text
//! front: connection → place → credentials → tenant → body → rate → rmcp: Host, Origin, session → Handler → Runtime
//!      → probe
//! ```
//!
//! The front is a thread of its own, so that probes wait for nothing that the others do.
//! Each principal is a tenant with a runtime, a service and sessions of its own, so
//! that nothing that one principal has can be named by another.

mod app;
mod disconnect;
mod front;
mod guests;
mod hosts;
mod listener;
mod mcp;
mod memory;
mod probes;
mod problems;
mod pulse;
mod reading;
mod refusal;
mod rejections;
mod reload;
mod sessions;
mod tenants;

use std::sync::Arc;

use futures::FutureExt;
use rmcp::ServerHandler;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use super::ReturnMode;
use super::auth::AuthConfigError;
use super::handler::{Handler, Serving};
use super::signals::StopSignal;
use super::stdio::drained;
use crate::config::environment::{BIND, NO_AUTH, TOKENS};
use crate::config::{Config, ConfigError};
use crate::runtime::{Runtime, StartError};
use app::App;
use listener::Listener;

/// Why the server on HTTP does not start, or stopped.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Signal handlers could not be installed.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// The address cannot be listened on.
    #[error("Cannot listen on {address}: {error}")]
    Bind {
        /// Address and port.
        address: std::net::SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The thread that takes connections cannot be started.
    #[error("No thread for connections: {0}")]
    Thread(std::io::Error),
    /// Anyone who can reach the machine could run programs.
    #[error(
        "{BIND}: {0} is not loopback, and nobody has to authenticate: name a file of \
         tokens (mcp-conductor token add NAME, {TOKENS}) or an OAuth issuer, or set \
         {NO_AUTH}=1, for example {BIND}=127.0.0.1"
    )]
    NoAuthentication(std::net::IpAddr),
    /// The settings of authentication cannot be used.
    #[error("{0}")]
    Authentication(String),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A runtime does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<AuthConfigError> for HttpError {
    fn from(error: AuthConfigError) -> Self {
        Self::Authentication(error.to_string())
    }
}

/// Reads the configuration again, when SIGHUP arrives.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What a session is served by, made for each one.
type MakeHandler<H> = Arc<dyn Fn(&Runtime, &Arc<Serving>) -> H + Send + Sync>;

/// Serves MCP on HTTP until SIGTERM or SIGINT arrives: then runs in flight may finish
/// within the drain timeout. SIGHUP reads the configuration again through `reload`.
///
/// # Errors
/// [`HttpError`] if it cannot begin.
pub fn serve_http(
    runtime: Runtime,
    return_mode: ReturnMode,
    reload: Reload,
) -> impl Future<Output = Result<(), HttpError>> + Send {
    let make = move |runtime: &Runtime, serving: &Arc<Serving>| {
        Handler::new(runtime.clone(), return_mode, serving.clone())
    };
    serve(runtime, Arc::new(make), reload).boxed()
}

/// The same transport before another handler, for tests of the transport.
///
/// # Errors
/// [`HttpError`] if it cannot begin.
#[doc(hidden)]
pub async fn serve_http_with<H, F>(config: Config, make: F) -> Result<(), HttpError>
where
    H: ServerHandler + Send + 'static,
    F: Fn() -> H + Send + Sync + 'static,
{
    let runtime = Runtime::new(config.clone()).await?;
    let make = move |_: &Runtime, _: &Arc<Serving>| make();
    serve(runtime, Arc::new(make), Box::new(move || Ok(config.clone()))).await
}

async fn serve<H: ServerHandler + Send + 'static>(
    runtime: Runtime,
    make: MakeHandler<H>,
    reload: Reload,
) -> Result<(), HttpError> {
    let mut stop = StopSignal::new().map_err(HttpError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(HttpError::Signals)?;
    let config = runtime.config().clone();
    check_exposure(&config)?;
    let listener = Listener::bind(config.http()).await?;
    let app = App::new(runtime.clone(), make, &listener).await?;
    runtime.listens_on(listener.address());
    if !config.http().has_authentication() {
        runtime.upstreams().connect_all();
    }
    listener.warn_of_few_descriptors(&config);
    tracing::info!("listening on http://{}/mcp", listener.address());
    let server = listener.serve(app.clone())?;
    let pulse = tokio::spawn(pulse::beat(app.clone()));
    let idle = tokio::spawn(tenants::close_idle(app.clone()));
    loop {
        tokio::select! {
            () = stop.received() => break,
            _ = hangup.recv() => tokio::select! {
                // It may wait for keys.
                () = reload::reload(&app, &reload) => {}
                () = stop.received() => break,
            },
        }
    }
    app.serving.drain();
    let all_have_ended = drained(&runtime, config.http().drain_timeout).await;
    idle.abort();
    pulse.abort();
    app.shut_down(all_have_ended).await;
    let _ = tokio::time::timeout(listener::LAST_ANSWERS, server).await;
    runtime.upstreams().close().await;
    Ok(())
}

fn check_exposure(config: &Config) -> Result<(), HttpError> {
    let http = config.http();
    if http.bind.is_loopback() || http.has_authentication() {
        return Ok(());
    }
    if !http.unsafe_no_auth {
        return Err(HttpError::NoAuthentication(http.bind));
    }
    tracing::warn!("anyone who reaches {} can run programs here", http.bind);
    Ok(())
}
