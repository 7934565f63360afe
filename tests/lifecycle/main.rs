//! Processes come and go: what dies costs one call, and nothing is left behind.
//!
//! Each test has a runtime of its own, and this binary runs them one after the
//! other, because they count the processes below it.

#![allow(
    clippy::await_holding_lock,
    reason = "tests take turns, each on a tokio runtime of its own"
)]

mod budget;
mod death;
mod embedding;
mod leaks;
mod processes;
mod runtime;
mod takeover;
mod workers;

#[path = "../support/mod.rs"]
mod support;
