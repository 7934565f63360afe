//! Why there are no vectors.

use std::time::Duration;

use thiserror::Error;

/// Why texts have no vectors. Neither a key nor a text is in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum EmbeddingError {
    #[error("the search model cannot be used: {0}")]
    Model(String),
    #[error("the embeddings endpoint cannot be reached: {0}")]
    Unreachable(String),
    #[error("the embeddings endpoint answers {0}: is MCP_CONDUCTOR_SEARCH_KEY set?")]
    Key(u16),
    #[error(
        "the embeddings endpoint answers {0}: MCP_CONDUCTOR_SEARCH is its whole URL, such as \
         https://api.openai.com/v1/embeddings, and MCP_CONDUCTOR_SEARCH_MODEL one of its models"
    )]
    Status(u16),
    #[error("the embeddings endpoint did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the embeddings endpoint answers with more than {0} bytes")]
    TooLarge(usize),
    #[error("the embeddings endpoint answers with something else than embeddings: {0}")]
    Form(String),
    #[error("texts take more than the {0} bytes that are kept of vectors")]
    TooMany(usize),
    #[error("too many lists of tools wait for vectors")]
    Busy,
}
