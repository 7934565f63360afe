//! Where requests go.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use rmcp::ServerHandler;

use super::state::App;
use super::{mcp, probes};

pub(super) fn router<H: ServerHandler + Send + 'static>(app: Arc<App<H>>) -> Router {
    let mut router = Router::new()
        .route("/mcp", any(mcp::mcp::<H>))
        .route("/health", get(probes::health::<H>))
        .route("/ready", get(probes::ready::<H>))
        .route("/.well-known/oauth-protected-resource", get(probes::resource::<H>))
        .route("/.well-known/oauth-protected-resource/mcp", get(probes::resource::<H>));
    if app.settings().config.http().metrics {
        router = router.route("/metrics", get(probes::metrics::<H>));
    }
    let counted = from_fn_with_state(app.clone(), probes::counted::<H>);
    router.fallback(probes::not_found).layer(counted).with_state(app)
}
