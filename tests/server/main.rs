//! The server as its clients see it, over both transports: the built binary on standard
//! input and output, on Streamable HTTP, and above other MCP servers, which may misbehave
//! (`tests/fixtures/upstream.rs`).
//!
//! Each test has a server of its own, and those that look at processes look below that
//! server only: they run side by side. Some need
//! `cargo build --release --example upstream_fixture`, which `cargo test` does.

mod check;
mod http;
mod python;
mod stdio;
mod upstream;

#[path = "../support/mod.rs"]
mod support;
