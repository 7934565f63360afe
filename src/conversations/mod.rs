//! Conversations: what several calls of one principal have in common. An opaque handle names
//! one; the tools that were found and loaded, the history of runs and the values of
//! `session` are in the store, and end with it.
//!
//! ```text
//! call with a handle → Conversations::open → Conversation (of one call) → broker, result
//!                                                                      → finish → store
//! ```
//!
//! The key of everything begins with the owner. Another principal's handle is not found, as one
//! that has expired or was invented is not: there is no check that could be forgotten.

mod account;
mod book;
mod conversation;
mod error;
mod handle;
mod ledger;
mod limits;
mod overview;
mod patience;
mod record;
mod shelf;
mod usage;
mod values;
mod within;

#[cfg(test)]
mod tests;

pub(crate) use book::Conversations;
pub(crate) use conversation::Conversation;
pub use error::ConversationError;
pub(crate) use handle::{NEW, Owner};
pub(crate) use limits::{Limits, MAX_VALUES};
pub(crate) use overview::{Overview, all, end, find};
pub(crate) use record::{MAX_NAMED, RunNote, RunStart};
pub(crate) use usage::{Pair, Usage};
pub(crate) use within::Within;
