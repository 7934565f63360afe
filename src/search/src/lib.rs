//! Ranks the tools of MCP servers for a query, by its words ([`Counts`]), by vectors
//! ([`Encoder`], [`Table`]) and by what use has taught ([`Learned`]). Nothing here reads
//! files, waits or has threads; docs/search.md has what was measured.
//!
//! Modules in reading order: `words`, `stop_words`, `bm25`; `wordpiece`, `encoder`, `table`,
//! `vectors`; `learned_use`, `learned`, `kept`; `exact`, `ranking`.

mod bm25;
mod encoder;
mod exact;
mod kept;
mod learned;
mod learned_use;
mod ranking;
mod stop_words;
mod table;
mod vectors;
mod wordpiece;
mod words;

pub use bm25::Counts;
pub use encoder::Encoder;
pub use kept::LearnedError;
pub use learned::{HALF_LIFE, Learned, MAX_TOOLS};
pub use ranking::{Described, MAX_QUERY, Ranking, text_of};
pub use table::Table;
pub use wordpiece::{MAX_PIECES, UNKNOWN, pieces};
pub use words::words;
