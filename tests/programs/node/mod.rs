//! Programs that are written for Node, and the built-ins that packages use.

mod buffers;
mod builtins;
mod cryptography;
mod process;
mod turns;
mod zlib;
