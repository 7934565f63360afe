//! The server on Streamable HTTP, as its clients see it: the built binary on a
//! loopback port, and clients that send what no library would.
//!
//! Each test has a server, a home directory and tokens of its own.

mod jwt;

mod audit;
mod auth;
mod bad_input;
mod conformance;
mod conversations;
mod crowding;
mod disconnect;
mod few_descriptors;
mod large_messages;
mod listening;
mod metrics;
mod own_port;
mod principals;
mod questions;
mod reload;
mod reload_access;
mod repeated;
mod replicas;
mod request_ids;
mod sections;
mod sessions;
mod shared_limits;
mod shutdown;
mod tokens;
mod traces;
mod transport;
mod unread;
mod vectors;
