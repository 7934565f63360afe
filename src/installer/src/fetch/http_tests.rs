//! Time-outs, which are too long to wait for through the command, and redirects.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::http::{Answer, Get, Http, Patience};
use super::limits::MAX_PACKED;
use crate::registry::{Fault, Options, Registry};

const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(300),
    idle: Duration::from_millis(300),
    request: Duration::from_millis(900),
    retry_after: Duration::from_millis(1),
};

async fn error(url: &str) -> String {
    let get = Get {
        url: url.parse().expect("a URL"),
        auth: None,
        etag: None,
        limit: MAX_PACKED,
        may_move: true,
    };
    let http = Http::for_archives(PATIENCE).expect("a client");
    http.get(&get).await.expect_err("it fails").to_string()
}

#[tokio::test]
async fn an_archive_that_does_not_come_is_an_error_in_time() {
    let registry = Registry::start().await;
    registry.package("a", "1.0.0", &[("index.js", "1")], Options::fault(Fault::Silent));
    let begin = Instant::now();
    let url = format!("{}a/-/a-1.0.0.tgz?token=secret", registry.url());
    let error = error(&url).await;
    let shown = url.trim_end_matches("?token=secret");
    assert_eq!(error, format!("{shown} cannot be read: it does not answer in time"));
    assert_eq!(registry.downloads().len(), 3);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_an_error_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let error = error(&format!("http://127.0.0.1:{port}/a")).await;
    assert!(error.ends_with("it does not answer in time"), "{error}");
}

#[test]
fn an_archive_may_be_at_another_host_with_tls_and_a_document_may_not() {
    let get = |url: &str, may_move| Get {
        url: url.parse().expect("a URL"),
        auth: None,
        etag: None,
        limit: MAX_PACKED,
        may_move,
    };
    let may = |from: &str, may_move, to: &str| {
        get(from, may_move).may_lead_to(&to.parse().expect("a URL"))
    };
    assert!(may("https://a/x", true, "https://b/y"));
    assert!(!may("https://a/x", true, "http://b/y"));
    assert!(!may("https://a/x", true, "http://a/x"));
    assert!(may("http://a/x", true, "http://b/y"));
    assert!(!may("https://a/x", false, "https://b/y"));
    assert!(may("https://a/x", false, "https://a/y"));
}

/// Answers requests in order with these redirects, each on a connection of its own, and says
/// what was asked.
fn redirecting(
    listener: TcpListener,
    targets: Vec<String>,
) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let answer = |target: String| {
            let (mut stream, _) = listener.accept().expect("a request");
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let asked: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let head = match target.as_str() {
                "" => "200 OK".to_owned(),
                target => format!("302 Found\r\nlocation: {target}"),
            };
            let text = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(text.as_bytes()).expect("it is read");
            asked.join("\n").to_ascii_lowercase()
        };
        targets.into_iter().map(answer).collect()
    })
}

#[tokio::test]
async fn a_token_does_not_come_back_from_another_host() {
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        (listener, format!("127.0.0.1:{port}"))
    };
    let ((own, a), (other, b)) = (listen(), listen());
    let own = redirecting(own, vec![format!("http://{b}/"), String::new()]);
    let other = redirecting(other, vec![format!("http://me:secret@{a}/chosen")]);
    let get = Get {
        url: format!("http://{a}/").parse().expect("a URL"),
        auth: Some("Bearer token".to_owned()),
        etag: None,
        limit: MAX_PACKED,
        may_move: true,
    };
    let http = Http::for_archives(Patience::default()).expect("a client");
    assert!(matches!(http.get(&get).await, Ok(Answer::Body { .. })));
    let authorized = |asked: Vec<String>| -> Vec<bool> {
        asked.iter().map(|request| request.contains("authorization:")).collect()
    };
    assert_eq!(authorized(own.join().expect("it ends")), [true, false]);
    assert_eq!(authorized(other.join().expect("it ends")), [false]);
}
