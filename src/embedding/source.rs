//! What makes vectors: a model on this machine, or an endpoint.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mcp_conductor_model::{Expected, Model, Precision};

use super::endpoint::{self, Endpoint};
use super::error::EmbeddingError;

/// Texts that a model encodes before others have their turn: some 0.2 s of a processor for usual
/// ones, 2 s for the longest.
const MODEL_TEXTS: usize = 32;

/// Statuses of an endpoint that a text is the reason of: a bad request, one that is too large,
/// and one that cannot be processed.
const OF_A_TEXT: [u16; 3] = [400, 413, 422];

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
    loaded: Arc<OnceLock<Result<Model, EmbeddingError>>>,
}

impl LazyModel {
    pub(super) fn new(directory: PathBuf, expected: Expected) -> Self {
        Self { directory, expected, loaded: Arc::default() }
    }

    /// The model. It can take long.
    fn model(&self) -> Result<&Model, EmbeddingError> {
        let load = || {
            let opened = Model::open(&self.directory, self.expected, Precision::Best);
            opened.map_err(|error| EmbeddingError::Model(error.to_string()))
        };
        self.loaded.get_or_init(load).as_ref().map_err(Clone::clone)
    }

    fn shared(&self) -> Self {
        Self { directory: self.directory.clone(), loaded: self.loaded.clone(), ..*self }
    }
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

    /// The vectors of texts; an empty one for a text that is refused.
    pub(super) async fn encode(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        match self {
            Self::Model(model) => {
                let model = model.shared();
                let work = move || {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    Ok(model.model()?.encode_all(&texts))
                };
                let ended = tokio::task::spawn_blocking(work).await;
                ended.unwrap_or_else(|error| Err(EmbeddingError::Model(error.to_string())))
            }
            Self::Endpoint(endpoint) => match endpoint.encode(&texts).await {
                Err(EmbeddingError::Status(status)) if OF_A_TEXT.contains(&status) => {
                    one_by_one(endpoint, texts).await
                }
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
    let mut vectors = Vec::new();
    let (count, mut refused) = (texts.len(), None);
    for text in texts {
        match endpoint.encode(&[text]).await {
            Ok(mut encoded) => vectors.append(&mut encoded),
            Err(EmbeddingError::Status(status)) if OF_A_TEXT.contains(&status) => {
                refused = Some(status);
                vectors.push(Vec::new());
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        // Then it is the model's name or the URL that is wrong.
        Some(status) if count > 1 && vectors.iter().all(Vec::is_empty) => {
            Err(EmbeddingError::Status(status))
        }
        Some(_) | None => Ok(vectors),
    }
}
