//! What programs do and what becomes of them, through the library: values,
//! errors, output, the platform, programs that mean harm, and the sandbox around each.

mod behaviour;
mod callbacks;
mod capture;
mod commonjs;
mod conversations;
mod crypto;
mod declared;
mod deno;
mod entry;
mod errors;
mod fences;
mod globals;
mod hostile;
mod json;
mod limits;
mod modules;
mod node;
mod output;
mod platform;
mod python;
mod random;
mod reachable;
mod replaced;
mod runtimes;
mod sandbox;
mod streams;
mod typescript;
mod unfinished;

#[path = "../support/mod.rs"]
mod support;
