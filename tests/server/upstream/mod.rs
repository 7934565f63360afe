//! Other MCP servers from inside a program, playbooks and prompts: the built
//! server over standard input and output, above a server that may misbehave
//! (`tests/fixtures/upstream.rs`).
//!
//! Each test has a home directory and a server of its own.

mod badlist;
mod behaviour;
mod connections;
mod conversations;
mod environment;
mod eras;
mod examples;
mod forwarding;
mod hostile;
mod hostile_http;
mod http;
mod learning;
mod modules;
mod playbooks;
mod policy;
mod programs;
mod prompts;
mod real;
mod results;
mod sse;
mod tools;
mod unreadable;
