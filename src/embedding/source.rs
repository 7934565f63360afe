//! What makes vectors: a model on this machine, or an endpoint.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mcp_conductor_model::{Expected, Model, Precision};

use super::budget::Rate;
use super::endpoint::{self, Endpoint};
use super::error::EmbeddingError;
use super::opened::Opened;

/// Texts that a model encodes before others have their turn: some 0.2 s of a processor for usual
/// ones, 2 s for the longest.
const MODEL_TEXTS: usize = 32;

/// Until a model that could not be opened is opened again: for want of descriptors or memory it
/// is not read by every search.
const REST: Duration = Duration::from_secs(30);

/// Texts of a refused request that are sent by themselves at a time: with 0.2 s for an answer all
/// of them take 1.6 s, while others wait.
const ONE_BY_ONE: usize = 4;

/// What a model's words count beside its cosines, as measured (docs/search.md).
const WEIGHT_OF_WORDS: f32 = 0.2;

/// The cosine of all-MiniLM-L6-v2 from which a tool is found that shares no word with a query:
/// the highest that loses no right tool of the set in src/search/benches.
const MODEL_FLOOR: f32 = 0.15;

/// How far use moves the vectors of all-MiniLM-L6-v2, as measured (docs/search.md).
const MODEL_BETA: f32 = 1.2;

/// Half of it: of an endpoint's model it was not measured.
const ENDPOINT_BETA: f32 = 0.6;

/// Of an endpoint's model it is not known which cosine says that texts have nothing in common.
const ENDPOINT_FLOOR: f32 = 0.0;

#[derive(Debug)]
pub(super) enum Source {
    Model(LazyModel),
    Endpoint(Endpoint),
}

/// A model that is loaded when it is first needed.
#[derive(Debug)]
pub(super) struct LazyModel {
    pub(super) directory: PathBuf,
    pub(super) expected: Expected,
    loaded: Arc<Opened<Model>>,
}

impl LazyModel {
    pub(super) fn new(directory: PathBuf, expected: Expected) -> Self {
        Self { directory, expected, loaded: Arc::new(Opened::new(REST)) }
    }

    /// The model. It can take long.
    fn model(&self) -> Result<&Model, EmbeddingError> {
        let load = || {
            let opened = Model::open(&self.directory, self.expected, Precision::Best);
            opened.map_err(|error| EmbeddingError::Model(error.to_string()))
        };
        self.loaded.get(load)
    }

    fn shared(&self) -> Self {
        Self { directory: self.directory.clone(), loaded: self.loaded.clone(), ..*self }
    }

    /// Does something with the model on a thread that may be blocked.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Model) -> T + Send + 'static,
    ) -> Result<T, EmbeddingError> {
        let model = self.shared();
        let ended = tokio::task::spawn_blocking(move || model.model().map(work)).await;
        ended.unwrap_or_else(|error| Err(EmbeddingError::Model(error.to_string())))
    }
}

/// What vectors are known by in the store: another model, other dimensions, other names.
#[derive(Debug)]
pub(super) struct StoredEncoder {
    pub name: String,
    pub dimensions: usize,
}

impl Source {
    /// Texts of one call of [`encode`](Self::encode).
    pub(super) fn at_once(&self) -> usize {
        match self {
            Self::Model(_) => MODEL_TEXTS,
            Self::Endpoint(_) => endpoint::MAX_TEXTS,
        }
    }

    pub(super) fn floor(&self) -> f32 {
        match self {
            Self::Model(_) => MODEL_FLOOR,
            Self::Endpoint(_) => ENDPOINT_FLOOR,
        }
    }

    pub(super) fn beta(&self) -> f32 {
        match self {
            Self::Model(_) => MODEL_BETA,
            Self::Endpoint(_) => ENDPOINT_BETA,
        }
    }

    /// Whether it has the word pieces of the table that is built in, and no others.
    pub(super) fn knows_pieces(&self) -> bool {
        match self {
            Self::Model(_) => true,
            Self::Endpoint(_) => false,
        }
    }

    pub(super) fn weight_of_words(&self) -> f32 {
        WEIGHT_OF_WORDS
    }

    /// What it is, for people: no key is in it.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Model(model) => format!("the model in {}", model.directory.display()),
            Self::Endpoint(endpoint) => format!("the embeddings endpoint {}", endpoint.identity()),
        }
    }

    /// What tells its vectors from those of others.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Model(model) => model.directory.display().to_string(),
            Self::Endpoint(endpoint) => endpoint.identity(),
        }
    }

    /// The method's name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Model(_) => "model",
            Self::Endpoint(_) => "endpoint",
        }
    }

    /// How many texts of tools and queries it may be sent.
    pub(super) fn rates(&self) -> [Rate; 2] {
        match self {
            Self::Model(_) => [Rate::NONE, Rate::NONE],
            Self::Endpoint(_) => [Rate::TOOLS, Rate::QUERIES],
        }
    }

    /// What its vectors are known by where they outlive this process, and of how many numbers
    /// they are: a model is read, an endpoint asked.
    pub(super) async fn encoder(&self) -> Result<StoredEncoder, EmbeddingError> {
        match self {
            Self::Model(model) => {
                let of = |model: &Model| {
                    let (name, dimensions) = (model.identity().to_owned(), model.dimensions());
                    StoredEncoder { name, dimensions }
                };
                model.on_thread(of).await
            }
            Self::Endpoint(endpoint) => {
                let vectors = endpoint.encode(&["search".to_owned()]).await?;
                let dimensions = vectors.first().map_or(0, Vec::len);
                let name = format!("{} {dimensions}", endpoint.identity());
                Ok(StoredEncoder { name, dimensions })
            }
        }
    }

    /// The vectors of texts; an empty one for a text that is refused. It is an error if all are.
    pub(super) async fn encode(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        match self {
            Self::Model(model) => {
                let encode = move |model: &Model| {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    model.encode_all(&texts)
                };
                model.on_thread(encode).await
            }
            Self::Endpoint(endpoint) => match endpoint.encode(&texts).await {
                Err(error) if error.is_of_a_text() => one_by_one(endpoint, texts).await,
                ended => ended,
            },
        }
    }

    /// The vector of a query, on a thread that may be blocked.
    pub(super) fn encode_query(&self, query: &str) -> Result<Vec<f32>, EmbeddingError> {
        match self {
            Self::Model(model) => Ok(model.model()?.encode(query)),
            Self::Endpoint(endpoint) => {
                let runtime = tokio::runtime::Handle::try_current()
                    .map_err(|error| EmbeddingError::Unreachable(error.to_string()))?;
                let mut vectors = runtime.block_on(endpoint.encode(&[query.to_owned()]))?;
                Ok(vectors.pop().unwrap_or_default())
            }
        }
    }
}

/// A text that an endpoint refuses, which an MCP server chose, costs its neighbours nothing.
async fn one_by_one(
    endpoint: &Endpoint,
    texts: Vec<String>,
) -> Result<Vec<Vec<f32>>, EmbeddingError> {
    let (mut vectors, mut refused) = (Vec::new(), None);
    for some in texts.chunks(ONE_BY_ONE) {
        let asked = some.iter().map(|text| endpoint.encode(std::slice::from_ref(text)));
        for answer in join_all(asked).await {
            match answer {
                Ok(mut encoded) => vectors.append(&mut encoded),
                Err(error) if error.is_of_a_text() => {
                    refused = Some(error);
                    vectors.push(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
    }
    match refused {
        // Then it can be the model's name or the URL that is wrong.
        Some(error) if vectors.len() > 1 && vectors.iter().all(Vec::is_empty) => Err(error),
        Some(_) | None => Ok(vectors),
    }
}
