//! A Redis server that is asked by TLS.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mcp_conductor_store::{Key, Namespace, Tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

mod support;

use support::{Server, store_at};

fn key() -> Key {
    Key::new(Namespace::Calls, "a")
}

/// Makes a certificate for this machine and its key; false where there is no program for that.
fn made(directory: &Path) -> bool {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]);
    let is_made =
        openssl.current_dir(directory).output().is_ok_and(|output| output.status.success());
    if !is_made {
        assert!(std::env::var_os("CI").is_none(), "no openssl to make a certificate with");
        eprintln!("SKIPPED: no openssl to make a certificate with");
    }
    is_made
}

/// A server with TLS, and where its certificate is.
fn server() -> Option<(Server, TempDir)> {
    let directory = TempDir::new().unwrap();
    if !made(directory.path()) {
        return None;
    }
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let server = Server::start(&[
        "--tls-port",
        "PORT",
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
    ])?;
    Some((server, directory))
}

fn trusting(roots: RootCertStore) -> Tls {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    // As the server's own is, for the web.
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async { Ok(config) })
    })
}

#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_asked_by_tls() {
    let Some((server, directory)) = server() else { return };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.path().join("cert.pem")).unwrap()).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("rediss://{host}:{}", server.port);
        let store = store_at(&url, None, trusting(roots.clone())).await;
        assert_eq!(store.get(&key()).await, Ok(None), "{host}");
    }
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_trusted_is_not_asked() {
    let Some((server, _directory)) = server() else { return };
    let url = format!("rediss://localhost:{}", server.port);
    let store = store_at(&url, None, trusting(RootCertStore::empty())).await;
    let error = store.get(&key()).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_tls_is_not_asked_without() {
    let Some((server, _directory)) = server() else { return };
    let store = server.store("").await;
    let error = store.get(&key()).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
}
