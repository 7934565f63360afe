//! What programs do and what becomes of them, through the library: values,
//! errors, output, the platform, and programs that mean harm.

mod behaviour;
mod callbacks;
mod capture;
mod common;
mod crypto;
mod deno;
mod entry;
mod errors;
mod fences;
mod globals;
mod hostile;
mod internals;
mod json;
mod limits;
mod output;
mod platform;
mod random;
mod replaced;
mod streams;
mod typescript;
mod unfinished;
