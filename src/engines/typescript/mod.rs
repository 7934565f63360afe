//! TypeScript programs: transpiler, value capture, thin ops, console.

mod capture;
mod code_frame;
mod entry;
pub(crate) mod errors;
mod fence;
pub(crate) mod host;
pub(crate) mod loader;
mod meta;
mod missing;
mod related;
pub(crate) mod run;
mod transpile;
pub(crate) mod unfinished;
