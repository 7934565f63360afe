//! What `fetch` does with what registries say and send.

#[path = "../../../tests/support/registry/mod.rs"]
mod registry;
mod support;

#[path = "fetching/archives.rs"]
mod archives;
#[path = "fetching/graph.rs"]
mod graph;
#[path = "fetching/layout.rs"]
mod layout;
#[path = "fetching/locking.rs"]
mod locking;
#[path = "fetching/registries.rs"]
mod registries;
#[path = "fetching/verifying.rs"]
mod verifying;
