//! What the test binaries share: directories, servers and clients of both transports,
//! commands, processes, and waiting for things that do not say when they happen.

#![allow(dead_code, reason = "each binary uses a part of it")]

pub mod checker;
pub mod command;
pub mod denied;
pub mod directory;
pub mod home;
pub mod http;
pub mod http_clients;
pub mod pipes;
pub mod ports;
pub mod processes;
pub mod python;
pub mod redis;
pub mod registry;
pub mod results;
pub mod rmcp_clients;
pub mod snippets;
pub mod spawned;
pub mod upstreams;
pub mod waiting;
pub mod wire;
