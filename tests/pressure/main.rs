//! The server on Streamable HTTP under pressure: many clients, processes that are
//! killed, a principal that takes all it gets.
//!
//! A binary of its own, because each of its tests uses the whole machine: beside
//! them no other test could say anything about time. They take turns, and print
//! what they measured. Two need `cargo build --release --example upstream_fixture`,
//! which `cargo test` does.

mod chaos;
mod crowd;
mod fairness;
mod front;
mod load;
mod replicas;
mod siege;

#[path = "../support/mod.rs"]
mod support;
