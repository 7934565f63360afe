//! Vectors of tools by an embeddings endpoint, kept in the store.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::spawn;

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, series};
use crate::support::http_clients::Caller;
use crate::support::upstreams::only_stub;
use crate::support::waiting::{PATIENCE, within};

/// Searches that the endpoint has ranked.
const QUERIES: &str = "search_queries_total{method=\"endpoint\"}";

/// An embeddings endpoint on loopback, for as long as the test runs.
struct Endpoint {
    url: String,
    /// Texts that it was sent.
    texts: Arc<AtomicUsize>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/v1/embeddings", listener.local_addr().unwrap());
        let endpoint = Self { url, texts: Arc::default() };
        let texts = endpoint.texts.clone();
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let texts = texts.clone();
                spawn(move || answer(stream, &texts));
            }
        });
        endpoint
    }

    fn texts(&self) -> usize {
        self.texts.load(Ordering::SeqCst)
    }
}

/// Answers one request, and closes.
fn answer(mut stream: TcpStream, texts: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let input = request["input"].as_array()?;
    texts.fetch_add(input.len(), Ordering::SeqCst);
    let vector = |text: &Value| vec![text.as_str().map_or(0, str::len), 7];
    let data: Vec<Value> = input.iter().map(|text| json!({ "embedding": vector(text) })).collect();
    let body = json!({ "data": data }).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()
}

fn start(endpoint: &Endpoint, store: &str) -> Server {
    let env = [("MCP_CONDUCTOR_SEARCH", endpoint.url.as_str()), ("MCP_CONDUCTOR_STORE", store)];
    Server::at(Home::with(&only_stub()), &env, &[])
}

/// Searches until the endpoint ranks and all tools have vectors: those that were made, and those
/// of the store.
#[track_caller]
fn vectors(server: &Server) -> [f64; 2] {
    let (mut scrape, mut vectors) = (String::new(), [0.0; 2]);
    let is_ranked = within(PATIENCE, || {
        server.client().tool("search_tools", json!({ "query": "echo" }));
        scrape = server.get("/metrics").text();
        let of = |origin: &str| {
            series(&scrape, &format!("search_vectors_total{{origin=\"{origin}\"}}")).unwrap_or(0.0)
        };
        vectors = [of("made"), of("store")];
        vectors.iter().sum::<f64>() > 0.0
            && series(&scrape, "search_texts_waiting") == Some(0.0)
            && series(&scrape, QUERIES).is_some()
    });
    assert!(is_ranked, "the endpoint does not rank:\n{scrape}");
    vectors
}

#[test]
fn another_server_takes_vectors_from_the_store_and_makes_none() {
    let (endpoint, place) = (Endpoint::start(), Home::empty());
    let store = place.name("store");
    let first = start(&endpoint, &store);
    let [made, stored] = vectors(&first);
    assert!(made > 1.0 && stored == 0.0, "{made} and {stored}");
    first.becomes(&[("search_vectors_stored_total", made)]);
    drop(first);
    let before = endpoint.texts();
    let second = start(&endpoint, &store);
    assert_eq!(vectors(&second), [0.0, made]);
    // What asks whether the endpoint is there, and queries; each search with a vector is one.
    let scrape = second.get("/metrics").text();
    let queries = series(&scrape, QUERIES).unwrap_or_default();
    assert_eq!(endpoint.texts() - before, 1 + queries as usize);
}

#[test]
fn without_a_store_that_can_be_opened_vectors_are_made() {
    let endpoint = Endpoint::start();
    let server = start(&endpoint, "/proc/nothing/here");
    assert!(vectors(&server)[0] > 1.0);
    let scrape = server.get("/metrics").text();
    assert!(series(&scrape, "search_problems_total{reason=\"store\"}") > Some(0.0), "{scrape}");
}
