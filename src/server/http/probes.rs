//! What those who run the server look at.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use rmcp::ServerHandler;
use serde_json::json;

use super::hosts;
use super::state::App;
use crate::config::environment::ALLOWED_HOSTS;
use crate::telemetry::{Gauges, METRICS_TYPE, lines_lost};

/// Whether the process answers at all. That it does not wait for other threads must not
/// hide that these do nothing any more.
pub(super) async fn health<H: ServerHandler>(State(app): State<Arc<App<H>>>) -> Response {
    let uptime = app.serving.uptime().as_secs();
    let version = env!("CARGO_PKG_VERSION");
    let (status, word) = match app.pulse.is_felt().await {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "hung"),
    };
    let answer = json!({"status": word, "version": version, "uptimeSeconds": uptime});
    (status, Json(answer)).into_response()
}

/// Whether it would run a program now.
pub(super) async fn ready<H: ServerHandler>(State(app): State<Arc<App<H>>>) -> Response {
    let missing = app.base.sandbox().missing_required();
    let missing: Vec<_> = missing.map(|layer| layer.name.as_str()).collect();
    let reasons = [
        (app.serving.is_draining(), "the server is shutting down".to_owned()),
        (!app.base.has_zygote(), "no zygote to fork workers from".to_owned()),
        (app.base.is_full(), "the queue is full".to_owned()),
        (!missing.is_empty(), format!("the sandbox lacks {}", missing.join(", "))),
    ];
    let reasons: Vec<_> =
        reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect();
    let is_ready = reasons.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": is_ready, "reasons": reasons}))).into_response()
}

/// Who gives tokens for this server (RFC 9728).
pub(super) async fn resource<H: ServerHandler + Send + 'static>(
    State(app): State<Arc<App<H>>>,
) -> Response {
    match app.settings().authenticator.metadata() {
        Some(document) => Json(document).into_response(),
        None => not_found().await.into_response(),
    }
}

/// Text of the Deno version.
pub(super) async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "Page not found\n")
}

/// Counts and times, for Prometheus, and for no web page.
pub(super) async fn metrics<H: ServerHandler + Send + 'static>(
    State(app): State<Arc<App<H>>>,
    request: Request,
) -> Response {
    let settings = app.settings();
    let (http, uri) = (settings.config.http(), request.uri());
    if !hosts::are_allowed(http, app.port, uri, request.headers()) {
        let problem = format!("Forbidden: the host or the origin is not allowed ({ALLOWED_HOSTS})");
        return (StatusCode::FORBIDDEN, problem).into_response();
    }
    let gauges = Gauges {
        active: app.base.active(),
        waiting: app.base.waiting(),
        standby: app.base.standing_by(),
        connections: app.connections.count(),
        sessions: app.tenants.sessions(),
        audit_lines_lost: app.base.audit().lost(),
        log_lines_lost: lines_lost(),
    };
    ([(CONTENT_TYPE, METRICS_TYPE)], app.base.metrics().encode(&gauges)).into_response()
}

/// Counts a request by its route and the status of its answer.
pub(super) async fn counted<H: ServerHandler + Send + 'static>(
    State(app): State<Arc<App<H>>>,
    request: Request,
    next: Next,
) -> Response {
    let route = route(request.uri().path());
    let mut response = next.run(request).await;
    app.base.metrics().http_request(route, response.status());
    // Balancers keep connections, and would send further calls to a server that drains.
    if app.is_crowded() || app.serving.is_draining() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Paths are the client's to choose; of what there is not, there is one.
fn route(path: &str) -> &'static str {
    match path {
        "/mcp" => "/mcp",
        "/health" => "/health",
        "/ready" => "/ready",
        "/metrics" => "/metrics",
        "/.well-known/oauth-protected-resource" | "/.well-known/oauth-protected-resource/mcp" => {
            "/.well-known/oauth-protected-resource"
        }
        _ => "other",
    }
}
