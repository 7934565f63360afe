//! Programs that are written for Node, and the built-ins that packages use.

mod process;
mod zlib;
