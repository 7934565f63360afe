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

/// Statuses of an endpoint that a text is the reason of: a bad request, one that is too large,
/// and one that cannot be processed.
const OF_A_TEXT: [u16; 3] = [400, 413, 422];

impl EmbeddingError {
    /// Whether what was sent can be the reason, which a caller or an MCP server chose: then it
    /// says nothing of other texts.
    pub(super) fn is_of_a_text(&self) -> bool {
        match self {
            Self::Status(status) => OF_A_TEXT.contains(status),
            Self::TooMany(_) | Self::Busy => true,
            Self::Model(_)
            | Self::Unreachable(_)
            | Self::Key(_)
            | Self::Timeout(_)
            | Self::TooLarge(_)
            | Self::Form(_) => false,
        }
    }

    /// Its name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Model(_) => "model",
            Self::Unreachable(_) => "unreachable",
            Self::Key(_) => "key",
            Self::Status(_) => "status",
            Self::Timeout(_) => "timeout",
            Self::TooLarge(_) | Self::Form(_) => "answer",
            Self::TooMany(_) => "too_many",
            Self::Busy => "busy",
        }
    }
}
