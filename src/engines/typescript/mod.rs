//! TypeScript programs: transpiler, value capture, thin ops, console.

mod builtins;
mod capture;
mod code_frame;
mod commonjs;
mod engine;
mod entry;
mod errors;
mod fence;
mod flavor;
mod host;
mod isolate;
mod js_error;
mod loader;
mod meta;
mod missing;
mod packages;
mod preload;
mod related;
mod run;
mod source;
mod transpile;
mod unfinished;
mod warm;

pub(super) use engine::TypeScript;
