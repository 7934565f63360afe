//! Python programs: CPython, compiled to WebAssembly, in an isolate of V8.

mod boot;
mod depth;
mod door;
mod engine;
mod guest;
mod image;
mod immortal;
mod imports;
mod interpreter;
mod run;
mod stack;
mod sys;
mod warm;
mod wasi;
mod world;

pub(super) use engine::Python;
