//! The type checker: TypeScript's compiler in a bare isolate of V8, which has nothing but
//! ECMAScript. No program runs in it: the text of one goes in, and diagnostics come out.

mod compiler;
mod engine;
mod files;
mod scripts;

pub(super) use engine::Checker;
