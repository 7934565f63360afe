//! TypeScript programs: transpiler, value capture, thin ops, console.

mod builtins;
mod capture;
mod commonjs;
mod data_url;
mod engine;
mod entry;
mod errors;
mod fence;
mod flavor;
mod host;
mod import_map;
mod isolate;
mod js_error;
mod loader;
mod local;
mod meta;
mod missing;
mod packages;
mod preload;
mod related;
mod resolve;
mod run;
mod source;
mod transpile;
mod unfinished;
mod warm;

pub(super) use engine::TypeScript;
