//! An embeddings endpoint with OpenAI's interface: `POST` of a model's name and texts.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, StatusCode, redirect};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;
use url::Url;

use super::error::EmbeddingError;
use crate::net::tls::tls_with_roots;

/// For all of a request: a search waits as long, and has found by words what it has found.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Numbers of a vector: text-embedding-3-large has 3072.
const MAX_DIMENSIONS: usize = 4096;

/// Texts of a request.
pub(super) const MAX_TEXTS: usize = 32;

/// Bytes of a response: as many vectors with 24 characters a number, and a quarter more.
const MAX_RESPONSE: usize = MAX_TEXTS * MAX_DIMENSIONS * 24 * 5 / 4;

/// Bytes of a text that are sent: models read 512 to 8192 pieces of some 4 bytes, and refuse
/// what is longer.
const MAX_TEXT: usize = 1500;

/// An endpoint, and what it is asked with.
#[derive(Debug)]
pub(super) struct Endpoint {
    url: Url,
    model: String,
    /// Marked as sensitive: it is not shown.
    key: Option<HeaderValue>,
    client: OnceCell<Client>,
}

impl Endpoint {
    pub(super) fn new(url: Url, model: String, key: Option<HeaderValue>) -> Self {
        Self { url, model, key, client: OnceCell::new() }
    }

    /// What tells its vectors from those of others.
    pub(super) fn identity(&self) -> String {
        format!("{} {}", self.url, self.model)
    }

    /// The vectors of at most [`MAX_TEXTS`] texts, each of length 1.
    pub(super) async fn encode(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let asked = tokio::time::timeout(TIMEOUT, self.ask(texts)).await;
        let body = asked.map_err(|_| EmbeddingError::Timeout(TIMEOUT))??;
        vectors(&body, texts.len())
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<u8>, EmbeddingError> {
        let unreachable = |error: reqwest::Error| EmbeddingError::Unreachable(reason(&error));
        let client = self.client.get_or_try_init(client).await?;
        // An empty text is an error there.
        let texts: Vec<&str> = texts.iter().map(|text| head(text)).collect();
        let body = json!({"model": self.model, "input": texts, "encoding_format": "float"});
        let mut request = client.post(self.url.clone()).json_body(&body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let mut response = request.send().await.map_err(unreachable)?;
        match response.status() {
            status if status.is_success() => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(EmbeddingError::Key(status.as_u16()));
            }
            status => return Err(EmbeddingError::Status(status.as_u16())),
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            if body.len() + piece.len() > MAX_RESPONSE {
                return Err(EmbeddingError::TooLarge(MAX_RESPONSE));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

/// `reqwest`'s own needs a feature that nothing else here does.
trait JsonBody {
    fn json_body(self, body: &serde_json::Value) -> Self;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, body: &serde_json::Value) -> Self {
        self.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.to_string())
    }
}

async fn client() -> Result<Client, EmbeddingError> {
    Client::builder()
        // Nor does a proxy of the environment get the key.
        .no_proxy()
        .tls_backend_preconfigured(tls_with_roots().await.map_err(EmbeddingError::Unreachable)?)
        // The key is for this endpoint.
        .redirect(redirect::Policy::none())
        .connect_timeout(TIMEOUT)
        .build()
        .map_err(|error| EmbeddingError::Unreachable(reason(&error)))
}

/// The innermost reason says most, and none of them has the URL.
fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match error.is_builder() || error.is_redirect() {
        true => "it is not asked".to_owned(),
        false => innermost.to_string(),
    }
}

fn head(text: &str) -> &str {
    match &text[..text.floor_char_boundary(MAX_TEXT)] {
        "" => " ",
        head => head,
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// The vectors of an answer, in the order of the texts.
fn vectors(body: &[u8], count: usize) -> Result<Vec<Vec<f32>>, EmbeddingError> {
    let form = |text: String| EmbeddingError::Form(text);
    // The text of the parser can quote the answer.
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| form(format!("JSON of another form, at column {}", error.column())))?;
    if answer.data.len() != count {
        return Err(form(format!("{} vectors for {count} texts", answer.data.len())));
    }
    let dimensions = answer.data.first().map_or(0, |item| item.embedding.len());
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(form(format!("vectors of {dimensions} numbers")));
    }
    let mut vectors = vec![Vec::new(); count];
    for (place, mut item) in answer.data.into_iter().enumerate() {
        let place = item.index.unwrap_or(place);
        let vector = vectors.get_mut(place).filter(|vector| vector.is_empty());
        let vector = vector.ok_or_else(|| form(format!("index {place} is not one of them")))?;
        let length = item.embedding.iter().map(|number| number * number).sum::<f32>().sqrt();
        if item.embedding.len() != dimensions || !length.is_finite() || length == 0.0 {
            return Err(form("a vector without a direction, or of another length".to_owned()));
        }
        item.embedding.iter_mut().for_each(|number| *number /= length);
        *vector = item.embedding;
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_in_the_order_of_texts_and_of_length_one() {
        let body = br#"{"object": "list", "data": [
            {"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]}"#;
        assert_eq!(vectors(body, 2), Ok(vec![vec![0.6, 0.8], vec![0.0, 1.0]]));
        let body = br#"{"data": [{"embedding": [5]}]}"#;
        assert_eq!(vectors(body, 1), Ok(vec![vec![1.0]]));
    }

    #[test]
    fn an_answer_that_is_something_else_is_an_error_that_does_not_quote_it() {
        for body in [
            "<html>secret",
            r#"{"error": "secret"}"#,
            r#"{"data": []}"#,
            r#"{"data": [{"embedding": []}]}"#,
            r#"{"data": [{"embedding": [0, 0]}]}"#,
            r#"{"data": [{"embedding": [1e38, 1e38]}]}"#,
            r#"{"data": [{"index": 1, "embedding": [1]}]}"#,
            r#"{"data": [{"embedding": ["secret"]}]}"#,
        ] {
            let error = vectors(body.as_bytes(), 1).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{body}: {error}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let mut key = HeaderValue::from_static("Bearer secret");
        key.set_sensitive(true);
        let url = Url::parse("https://a.example/v1/embeddings").unwrap();
        let endpoint = Endpoint::new(url, "m".to_owned(), Some(key));
        assert!(!format!("{endpoint:?}").contains("secret"));
    }

    #[test]
    fn what_is_sent_of_a_text_is_never_empty_and_never_long() {
        assert_eq!(head(""), " ");
        assert_eq!(head(&"é".repeat(5000)).len(), MAX_TEXT);
    }
}
