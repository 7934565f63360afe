use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use mcp_conductor_search::Encoder;
use mcp_conductor_store::{Expected, Keep, Key, Limits, MAX_LIST, Namespace, memory};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::embeddings::Known;
use super::*;

/// An endpoint on this machine, which encodes a text in this way, and refuses it without.
pub(crate) async fn endpoint(
    encode: impl Fn(&str) -> Option<Vec<f32>> + Send + Sync + 'static,
) -> Url {
    let encode = Arc::new(encode);
    let answer = move |headers: HeaderMap, Json(body): Json<Value>| {
        let encode = encode.clone();
        async move {
            assert_eq!((&body["model"], &body["encoding_format"]), (&json!("m"), &json!("float")));
            if headers.get("authorization").is_none_or(|key| key != "Bearer k") {
                return Err(StatusCode::UNAUTHORIZED);
            }
            let texts = body["input"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
            let vectors: Option<Vec<Vec<f32>>> = texts.map(|text| encode(text)).collect();
            let vectors = vectors.ok_or(StatusCode::BAD_REQUEST)?;
            let items = vectors.into_iter().enumerate();
            let items = items.map(|(index, it)| json!({"index": index, "embedding": it}));
            Ok(Json(json!({"data": items.collect::<Vec<_>>()})))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/embeddings", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/v1/embeddings", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&url).unwrap()
}

fn settings(url: Url) -> Settings<'static> {
    Settings { model: Some("m"), key: Some("k"), ..of(Method::Endpoint(url)) }
}

fn of(method: Method) -> Settings<'static> {
    let metrics = SearchMetrics::default();
    Settings { method, model: None, key: None, install_dir: None, store: None, metrics }
}

/// A search by an endpoint.
pub(crate) fn by_endpoint(url: Url) -> Search {
    Search::start(settings(url)).unwrap()
}

fn embeddings(search: Search) -> Embeddings {
    match search {
        Search::Embeddings(embeddings) => embeddings,
        Search::Words | Search::Table => unreachable!("it is by an endpoint"),
    }
}

/// Asks again until the vectors are there, or why there are none.
async fn known(embeddings: &Embeddings, texts: &[&str]) -> Result<Known, String> {
    let texts = || texts.iter().map(|text| (*text).to_owned()).collect();
    loop {
        let order = match embeddings.of(texts()) {
            Vectors::Known(known) => return Ok(known),
            Vectors::Ordered(order) => order,
        };
        while !order.is_due() {
            if let Some(problem) = embeddings.problem() {
                return Err(problem.to_string());
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn texts_have_vectors_when_the_endpoint_has_answered() {
    let url = endpoint(|text| Some(vec![text.len() as f32, 1.0])).await;
    let embeddings = embeddings(by_endpoint(url));
    let texts: Vec<String> = (0..70).map(|at| "a".repeat(at)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let known = known(&embeddings, &texts).await.unwrap();
    assert_eq!(known.dimensions(), 2);
    let vector = known.encode("aaa");
    assert!((vector[0] / vector[1] - 3.0).abs() < 0.1, "{vector:?}");
    assert_eq!(known.encode("another text"), [0.0, 0.0]);
}

#[tokio::test]
async fn a_text_that_is_refused_has_no_vector_and_costs_its_neighbours_nothing() {
    let url = endpoint(|text| (text != "bad").then(|| vec![1.0, 0.0])).await;
    let known = known(&embeddings(by_endpoint(url)), &["good", "bad"]).await.unwrap();
    assert_eq!((known.encode("good"), known.encode("bad")), (vec![1.0, 0.0], vec![0.0, 0.0]));
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_said_and_not_shown() {
    let url = endpoint(|_| None).await;
    let search = Search::start(Settings { key: Some("secret"), ..settings(url) }).unwrap();
    let problem = known(&embeddings(search), &["a"]).await.err().unwrap();
    assert_eq!(problem, "the embeddings endpoint answers 401: is MCP_CONDUCTOR_SEARCH_KEY set?");
}

async fn ask(embeddings: &Embeddings, query: &'static str) -> Vec<f32> {
    let embeddings = embeddings.clone();
    let ask = move || embeddings.of_query(query).encode(query);
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn a_query_that_is_refused_has_no_opinion_and_others_have_vectors_still() {
    let url = endpoint(|text| (text == "query").then(|| vec![0.0, 2.0])).await;
    let metrics = SearchMetrics::default();
    let search = Search::start(Settings { metrics: metrics.clone(), ..settings(url) });
    let embeddings = embeddings(search.unwrap());
    assert_eq!(ask(&embeddings, "other").await, [0.0; 0]);
    assert_eq!(ask(&embeddings, "query").await, [0.0, 1.0]);
    assert_eq!((embeddings.problem(), metrics.problems_of("status")), (None, 1));
}

#[tokio::test]
async fn a_query_that_nothing_answers_has_no_opinion_and_is_said() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("http://{unused}/v1/embeddings")).unwrap();
    let embeddings = embeddings(by_endpoint(url));
    assert_eq!(ask(&embeddings, "query").await, [0.0; 0]);
    assert!(embeddings.problem().is_some());
}

#[tokio::test]
async fn queries_without_an_end_are_not_all_sent() {
    let url = endpoint(|_| Some(vec![1.0])).await;
    let metrics = SearchMetrics::default();
    let search = Search::start(Settings { metrics: metrics.clone(), ..settings(url) });
    let embeddings = embeddings(search.unwrap());
    let until_it_is_not_sent = move || while !embeddings.of_query("query").is_empty() {};
    tokio::task::spawn_blocking(until_it_is_not_sent).await.unwrap();
    assert_eq!(metrics.problems_of("limit"), 1);
}

#[tokio::test]
async fn a_list_that_is_refused_as_a_whole_costs_others_nothing() {
    let url = endpoint(|text| (!text.contains("bad")).then(|| vec![1.0, 0.0])).await;
    let metrics = SearchMetrics::default();
    let search = Search::start(Settings { metrics: metrics.clone(), ..settings(url) });
    let embeddings = embeddings(search.unwrap());
    let Vectors::Ordered(_order) = embeddings.of(vec!["bad 1".to_owned(), "bad 2".to_owned()])
    else {
        unreachable!("nothing is known yet")
    };
    while metrics.problems_of("status") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(embeddings.problem(), None);
    assert_eq!(ask(&embeddings, "query").await, [1.0, 0.0]);
    assert_eq!(known(&embeddings, &["good"]).await.unwrap().encode("good"), [1.0, 0.0]);
}

/// What servers share: a store, and an endpoint that counts the texts it is sent.
struct Place {
    store: Arc<dyn Store>,
    url: Url,
    sent: Arc<AtomicUsize>,
}

/// A server whose vectors are in a store.
struct Server {
    embeddings: Embeddings,
    metrics: SearchMetrics,
    sent: Arc<AtomicUsize>,
    sent_before: usize,
}

impl Place {
    async fn new(limits: Limits) -> Self {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let url = endpoint(move |text| {
            count.fetch_add(1, Ordering::Relaxed);
            Some(vec![text.len() as f32, 1.0, -2.0])
        });
        Self { store: memory(limits), url: url.await, sent }
    }

    fn server(&self) -> Server {
        let (metrics, sent) = (SearchMetrics::default(), self.sent.clone());
        let store = Some((self.store.clone(), 256 << 20));
        let settings = Settings { store, metrics: metrics.clone(), ..settings(self.url.clone()) };
        let embeddings = embeddings(Search::start(settings).unwrap());
        let sent_before = sent.load(Ordering::Relaxed);
        Server { embeddings, metrics, sent, sent_before }
    }

    /// The same after a server has put the vectors of these texts there.
    async fn with(tools: &[String]) -> Self {
        let place = Self::new(Limits::DEFAULT).await;
        let server = place.server();
        server.known(tools).await;
        server.stored(tools.len()).await;
        place
    }
}

impl Server {
    async fn known(&self, texts: &[String]) -> Known {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        known(&self.embeddings, &texts).await.unwrap()
    }

    /// Waits until the store has so many vectors.
    async fn stored(&self, count: usize) {
        while !self.embeddings.stored().await.starts_with(&format!("{count} in the store, ")) {
            tokio::task::yield_now().await;
        }
    }

    /// Texts of tools that were sent, beside the one that asks whether there is an endpoint.
    fn made(&self) -> usize {
        self.sent.load(Ordering::Relaxed) - self.sent_before - 1
    }
}

fn tools(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("tool {}", "a".repeat(at))).collect()
}

#[tokio::test]
async fn vectors_are_not_made_again_after_a_restart() {
    let (place, tools) = (Place::new(Limits::DEFAULT).await, tools(70));
    let first = place.server();
    let made = first.known(&tools).await.encode(&tools[3]);
    assert_eq!((first.made(), first.metrics.vectors_of("made")), (70, 70));
    first.stored(70).await;
    let second = place.server();
    assert_eq!(second.known(&tools).await.encode(&tools[3]), made);
    assert_eq!(second.made(), 0);
    let counted = ["made", "store"].map(|origin| second.metrics.vectors_of(origin));
    assert_eq!(counted, [0, 70]);
}

#[tokio::test]
async fn what_ranks_is_described_with_what_the_store_has() {
    let place = Place::with(&tools(5)).await;
    let described = Search::Embeddings(place.server().embeddings).described().await;
    let expected = "vectors of 3 numbers, 5 in the store, ";
    assert!(described.contains(expected), "{described}");
}

#[tokio::test]
async fn a_tool_that_has_changed_costs_one_vector() {
    let mut tools = tools(70);
    let place = Place::with(&tools).await;
    tools[5].push_str(", changed");
    let second = place.server();
    second.known(&tools).await;
    assert_eq!(second.made(), 1);
    second.stored(71).await;
}

#[tokio::test]
async fn what_a_hostile_store_has_in_place_of_vectors_is_made_anew() {
    let tools = tools(20);
    let place = Place::with(&tools).await;
    let store = &place.store;
    for name in store.list(Namespace::Vectors, "", None, MAX_LIST).await.unwrap() {
        let key = Key::new(Namespace::Vectors, name);
        let mut value = store.get(&key).await.unwrap().unwrap().value.to_vec();
        // The first vector's numbers, behind the form, its name, day and length.
        value[39..42].fill(0);
        store.set(&key, Expected::Any, Bytes::from(value), Keep::Always).await.unwrap();
    }
    let second = place.server();
    let vector = second.known(&tools).await.encode(&tools[0]);
    assert!(vector[0] > 0.5, "{vector:?}");
    assert!(second.made() > 0);
}

#[tokio::test]
async fn without_a_store_that_works_vectors_are_made_all_the_same() {
    let server = Place::new(Limits { bytes: 1 }).await.server();
    let known = server.known(&tools(3)).await;
    assert_eq!(known.dimensions(), 3);
    while server.metrics.problems_of("store") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.embeddings.problem(), None);
}

#[tokio::test]
async fn a_key_is_not_sent_where_it_can_be_read() {
    let url = Url::parse("http://a.example/v1/embeddings").unwrap();
    let problem = Search::start(settings(url.clone())).unwrap_err();
    assert!(problem.starts_with("the key would be sent over plain http"), "{problem}");
    assert!(Search::start(Settings { key: None, ..settings(url) }).is_ok());
}

#[test]
fn a_model_that_is_not_there_is_an_error_that_says_how_to_get_it() {
    let start = |method| Search::start(of(method)).unwrap_err();
    let problem = start(Method::Installed);
    assert!(problem.contains("run `mcp-conductor install search-model`"), "{problem}");
    let problem = start(Method::Directory("/surely/not/there".into()));
    assert_eq!(problem, "/surely/not/there does not have model.safetensors");
}
