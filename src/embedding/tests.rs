use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use mcp_conductor_search::Encoder;
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
    let method = Method::Endpoint(url);
    Settings { method, model: Some("m"), key: Some("k"), install_dir: None }
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

#[tokio::test]
async fn a_query_has_a_vector_and_one_that_fails_has_no_opinion() {
    let url = endpoint(|text| (text == "query").then(|| vec![0.0, 2.0])).await;
    let embeddings = embeddings(by_endpoint(url));
    let ask = |query: &'static str| {
        let embeddings = embeddings.clone();
        tokio::task::spawn_blocking(move || embeddings.of_query(query).encode(query))
    };
    assert_eq!(ask("query").await.unwrap(), [0.0, 1.0]);
    assert_eq!(ask("other").await.unwrap(), [0.0; 0]);
    assert!(embeddings.problem().is_some());
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
    let start = |method| {
        Search::start(Settings { method, model: None, key: None, install_dir: None }).unwrap_err()
    };
    let problem = start(Method::Installed);
    assert!(problem.contains("run `mcp-conductor install search-model`"), "{problem}");
    let problem = start(Method::Directory("/surely/not/there".into()));
    assert_eq!(problem, "/surely/not/there does not have model.safetensors");
}
