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

mod connections;
mod disconnect;
mod error;
mod front;
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
mod router;
mod sessions;
mod settings;
mod state;
mod tenants;
mod unanswered;

use std::sync::Arc;

use futures::FutureExt;
use rmcp::ServerHandler;
use tokio::signal::unix::{SignalKind, signal};

use super::ReturnMode;
use super::handler::{Handler, Serving};
use super::signals::StopSignal;
use super::stdio::drained;
use crate::config::Config;
use crate::runtime::Runtime;
pub use error::HttpError;
use listener::Listener;
pub use reload::Reload;
use settings::check_exposure;
use state::{App, LAST_ANSWERS};
use tenants::MakeHandler;

/// Serves MCP on HTTP until SIGTERM or SIGINT arrives: then runs in flight may finish within the
/// drain timeout. SIGHUP reloads the configuration through `reload`.
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
    let app = App::new(runtime.clone(), make, listener.address().port(), listener.places()).await?;
    runtime.listens_on(listener.address());
    if !config.http().has_authentication() {
        runtime.upstreams().connect_all();
    }
    listener.warn_of_few_descriptors(&config);
    tracing::info!("listening on http://{}/mcp", listener.address());
    let server = front::start(listener, app.clone()).map_err(HttpError::Thread)?;
    let pulse = tokio::spawn(pulse::beat(app.pulse.clone()));
    let idle = tokio::spawn(state::close_idle(app.clone()));
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
    let _ = tokio::time::timeout(LAST_ANSWERS, server).await;
    runtime.upstreams().close().await;
    Ok(())
}
