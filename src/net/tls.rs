//! TLS of HTTP clients: the trusted roots, and a configuration made once.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio::task::JoinError;

/// Why TLS cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    #[error("TLS cannot be used: {0}")]
    Versions(#[from] rustls::Error),
    #[error(transparent)]
    Roots(#[from] JoinError),
}

/// The configuration of a client that keeps no sessions. Reading the system's roots takes
/// milliseconds; plain HTTP does without.
///
/// # Errors
/// [`TlsError`].
pub(crate) async fn tls(encrypted: bool) -> Result<ClientConfig, TlsError> {
    static WITH_ROOTS: OnceCell<ClientConfig> = OnceCell::const_new();
    if !encrypted {
        return tls_config(RootCertStore::empty());
    }
    let load = || async { tls_config(tokio::task::spawn_blocking(roots).await?) };
    WITH_ROOTS.get_or_try_init(load).await.cloned()
}

/// For clients of the server's own, which may resume their sessions.
///
/// # Errors
/// That TLS cannot be used.
pub(crate) async fn tls_with_roots() -> Result<ClientConfig, String> {
    let mut config = tls(true).await.map_err(|_| "TLS cannot be used".to_owned())?;
    config.resumption = Resumption::default();
    Ok(config)
}

/// Those of the Mozilla programme, and the system's.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn tls_config(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Sessions would be shared by runs.
    config.resumption = Resumption::disabled();
    Ok(config)
}
