//! The server on Streamable HTTP, as its clients see it: the built binary on a
//! loopback port, and clients that send what no library would.
//!
//! Each test has a server, a home directory and tokens of its own.

mod jwt;

mod auth;
mod bad_input;
mod conformance;
mod crowding;
mod disconnect;
mod large_messages;
mod metrics;
mod principals;
mod questions;
mod reload;
mod sessions;
mod shutdown;
mod tokens;
mod traces;
mod transport;
mod unread;
