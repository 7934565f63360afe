//! The client of all requests to servers over HTTP, and to whom they are logged in at.

use std::time::Duration;

/// The administrator chose the server, so that any address will do; its headers
/// are for it alone, so that no redirect is followed.
pub(super) async fn http_client() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(crate::net::tls::tls_with_roots().await?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // Their windows take up to 16 and 128 MiB of memory for each answer.
        .no_brotli()
        .no_zstd()
        .connect_timeout(Duration::from_secs(10))
        // A request that finds an idle connection half-closed waits 40 ms for
        // Linux' delayed acknowledgement; rmcp's own client does the same.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| format!("the HTTP client cannot be created: {error}"))
}
