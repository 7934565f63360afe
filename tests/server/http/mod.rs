//! The server on Streamable HTTP, as its clients see it: the built binary on a
//! loopback port, and clients that send what no library would.
//!
//! Each test has a server, a home directory and tokens of its own. Some need
//! `cargo build --release --example upstream_fixture`, which `cargo test` does.

mod common;
// Some of it is for that binary only.
#[allow(dead_code)]
#[path = "../upstream/fixture.rs"]
mod fixture;
mod jwt;
mod wire;

mod auth;
mod bad_input;
mod conformance;
mod crowding;
mod disconnect;
mod metrics;
mod principals;
mod questions;
mod regressions;
mod reload;
mod sessions;
mod shutdown;
mod tokens;
mod traces;
mod transport;
mod unread;
